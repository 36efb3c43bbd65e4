/*
 * The one-time link that makes the first administrator.
 */
#include "auth/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

enum {
	TOKEN_BYTES = 32,
	HASH_BYTES = 32,
	HASH_TEXT_SIZE = 2 * HASH_BYTES + 1,
	FILE_MAX_BYTES = 128
};

static const char file[] = "setup", new_file[] = "setup.new";

static void
hash_of(struct span token, char out[HASH_TEXT_SIZE])
{
	unsigned char hash[HASH_BYTES];

	if (EVP_Digest(token.at, token.len, hash, NULL, EVP_sha256(), NULL) != 1)
		fatalx("SHA-256 is not available");
	for (size_t i = 0; i < HASH_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* RFC 4648 5, without padding. */
static void
print_token(const unsigned char bytes[TOKEN_BYTES], char out[SETUP_TOKEN_SIZE])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < TOKEN_BYTES; i++) {
		bits = (bits << 8 | bytes[i]) & 0xffff;
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			out[n++] = digits[bits >> (n_bits - 6) & 63];
	}
	out[n++] = digits[bits << (6 - n_bits) & 63];
	out[n] = '\0';
}

static int
write_file(int directory, const char *text)
{
	int fd, rv = -1;

	if (unlinkat(directory, new_file, 0) == -1 && errno != ENOENT)
		return -1;
	fd =
	    openat(directory, new_file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fdatasync(fd) == 0)
		rv = renameat(directory, new_file, directory, file);
	closefd(&fd);
	return rv;
}

int
setup_make(int directory, int64_t now, char token[SETUP_TOKEN_SIZE])
{
	unsigned char bytes[TOKEN_BYTES];
	char text[FILE_MAX_BYTES], hash[HASH_TEXT_SIZE];

	if (RAND_bytes(bytes, sizeof bytes) != 1)
		fatalx("cannot make a token");
	print_token(bytes, token);
	explicit_bzero(bytes, sizeof bytes);
	hash_of(span_of(token), hash);
	snprintf(text, sizeof text, "%s %" PRId64, hash, now + SETUP_LIFE_S);
	return write_file(directory, text);
}

static bool
read_file(int directory, char hash[HASH_TEXT_SIZE], uint64_t *until)
{
	int fd = openat(directory, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[FILE_MAX_BYTES];
	struct span rest, word;
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text);
	closefd(&fd);
	rest = (struct span){text, n > 0 ? n : 0};
	word = span_take_word(&rest);
	return span_copy(word, hash, HASH_TEXT_SIZE) && strlen(hash) == HASH_TEXT_SIZE - 1 &&
	       span_u64(span_trim(rest), INT64_MAX, until);
}

bool
setup_is(int directory, int64_t now, struct span token)
{
	char right[HASH_TEXT_SIZE], given[HASH_TEXT_SIZE];
	uint64_t until;

	if (token.len != SETUP_TOKEN_SIZE - 1 || !read_file(directory, right, &until))
		return false;
	hash_of(token, given);
	return CRYPTO_memcmp(right, given, sizeof right) == 0 && now < (int64_t)until &&
	       (int64_t)until - now <= SETUP_LIFE_S;
}

void
setup_remove(int directory)
{
	if (unlinkat(directory, file, 0) == -1 && errno != ENOENT)
		log_warn("cannot remove users/setup: %s", strerror(errno));
}
