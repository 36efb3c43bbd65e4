/*
 * A keyed hash with a key of this process.
 */
#include "auth/secret.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

enum { KEY_BYTES = 32 };

struct secret {
	EVP_MAC_CTX *ctx;
};

struct secret *
secret_new(void)
{
	struct secret *s = xcalloc(1, sizeof *s);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	char digest[] = "SHA256";
	OSSL_PARAM parameters[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end()};
	unsigned char key[KEY_BYTES];

	if (mac == NULL || (s->ctx = EVP_MAC_CTX_new(mac)) == NULL)
		fatalx("HMAC is not available");
	EVP_MAC_free(mac);
	if (RAND_bytes(key, sizeof key) != 1 ||
	    EVP_MAC_init(s->ctx, key, sizeof key, parameters) != 1)
		fatalx("cannot make a key");
	explicit_bzero(key, sizeof key);
	return s;
}

void
secret_free(struct secret **s)
{
	if (*s == NULL)
		return;
	EVP_MAC_CTX_free((*s)->ctx);
	free(*s);
	*s = NULL;
}

static int
add_text(EVP_MAC_CTX *ctx, struct span text)
{
	uint64_t len = text.len;

	return EVP_MAC_update(ctx, (unsigned char *)&len, sizeof len) == 1 &&
	       (len == 0 || EVP_MAC_update(ctx, (const unsigned char *)text.at, text.len) == 1);
}

void
secret_mac(
    struct secret *s, const struct span *texts, size_t n, unsigned char mac[SECRET_MAC_BYTES])
{
	size_t len;
	int good = EVP_MAC_init(s->ctx, NULL, 0, NULL) == 1; /* the same key again */

	for (size_t i = 0; i < n; i++)
		good = good && add_text(s->ctx, texts[i]);
	if (!good || EVP_MAC_final(s->ctx, mac, &len, SECRET_MAC_BYTES) != 1)
		fatalx("HMAC failed");
}

uint64_t
secret_number(struct secret *s, const struct span *texts, size_t n)
{
	unsigned char mac[SECRET_MAC_BYTES];
	uint64_t number;

	secret_mac(s, texts, n, mac);
	memcpy(&number, mac, sizeof number);
	return number;
}
