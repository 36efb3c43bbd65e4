/*
 * Reading a part of a file: whole, whatever the system call gives at a time, or not at all.
 *
 * The call is that of the C library, defined here once more: the linker takes ours.
 */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "common/pread_all.h"

static size_t at_most;	/* bytes a call */
static int interrupted; /* so many calls first */
static const char text[] = "0123456789";

ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
	if (interrupted > 0) {
		interrupted--;
		errno = EINTR;
		return -1;
	}
	return syscall(SYS_pread64, fd, bytes, n < at_most ? n : at_most, at);
}

static int
file_of_text(void)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
reads(void **state)
{
	static const struct {
		size_t n;
		uint64_t at;
		int error;
	} rows[] = {{10, 0, 0}, {3, 4, 0}, {1, 9, 0}, {0, 5, 0}, {0, 20, 0}, {11, 0, EPROTO},
	    {4, 7, EPROTO}, {1, 10, EPROTO}, {1, 99, EPROTO}};
	int fd = file_of_text();

	(void)state;
	for (at_most = 1; at_most <= 20; at_most++)
		for (size_t i = 0; i < nitems(rows); i++) {
			char out[20];

			interrupted = (int)(i % 3);
			errno = 0;
			assert_int_equal(
			    pread_all(fd, out, rows[i].n, rows[i].at), rows[i].error ? -1 : 0);
			if (rows[i].error == 0)
				assert_memory_equal(
				    out, text + (rows[i].n ? rows[i].at : 0), rows[i].n);
			else
				assert_int_equal(errno, rows[i].error);
		}
	close(fd);
}

static void
fails(void **state)
{
	char out[1];

	(void)state;
	interrupted = 0;
	assert_int_equal(pread_all(-1, out, 1, 0), -1);
	assert_int_equal(errno, EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads),
	    cmocka_unit_test(fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
