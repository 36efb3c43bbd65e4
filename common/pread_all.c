/*
 * Reads a part of a file that must be there. Touches only the descriptor it is given.
 */
#include "common/pread_all.h"

#include <errno.h>
#include <unistd.h>

int
pread_all(int fd, void *out, size_t n, uint64_t at)
{
	char *to = out;

	while (n > 0) {
		ssize_t got = pread(fd, to, n, at);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EPROTO;
		if (got <= 0)
			return -1;
		to += got;
		n -= got;
		at += got;
	}
	return 0;
}
