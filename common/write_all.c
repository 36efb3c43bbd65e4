/*
 * Writes bytes to a file or pipe that takes them all. Touches only the descriptor it is given.
 */
#include "common/write_all.h"

#include <errno.h>
#include <unistd.h>

int
write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return -1;
		at += put;
		n -= put;
	}
	return 0;
}
