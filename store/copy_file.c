/*
 * Copies of files, and what they hold. Touches the descriptors it is given.
 */
#include "store/copy_file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/pread_all.h"
#include "common/write_all.h"

enum { COPY_BYTES = 256 * 1024, RANGE_MAX_BYTES = 1 << 30 };

/* The kernel copies, or shares the blocks. How much of it that was: it may not be able to. */
static uint64_t
copy_ranges(int from, uint64_t size, int to)
{
	off_t at = 0;

	while ((uint64_t)at < size) {
		uint64_t left = size - at;
		ssize_t n = copy_file_range(
		    from, &at, to, NULL, left < RANGE_MAX_BYTES ? left : RANGE_MAX_BYTES, 0);

		if (n == 0 || (n == -1 && errno != EINTR))
			break;
	}
	return at;
}

int
copy_file(int from, uint64_t size, int to)
{
	static _Thread_local char buf[COPY_BYTES];
	uint64_t at = size > sizeof buf ? copy_ranges(from, size, to) : 0;

	while (at < size) {
		size_t n = size - at < sizeof buf ? size - at : sizeof buf;

		if (pread_all(from, buf, n, at) == -1 || write_all(to, buf, n) == -1)
			return -1;
		at += n;
	}
	return 0;
}

int
file_digest(int fd, unsigned char out[FILE_DIGEST_BYTES])
{
	static _Thread_local char buf[COPY_BYTES];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	uint64_t at = 0;
	ssize_t n = 1;

	errno = ENOMEM;
	while (good && n != 0) {
		n = pread(fd, buf, sizeof buf, at);
		if (n > 0) {
			good = EVP_DigestUpdate(md, buf, n) == 1;
			at += n;
		} else if (n == -1 && errno != EINTR) {
			good = false;
		}
	}
	good = good && EVP_DigestFinal_ex(md, out, NULL) == 1;
	EVP_MD_CTX_free(md);
	return good ? 0 : -1;
}
