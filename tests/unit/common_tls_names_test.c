/* Servers with several certificates: which one a client gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/memory.h"
#include "common/settings.h"
#include "common/tls.h"
#include "common/tls_names.h"

/* ---- certificates ---- */

struct pair {
	char certificate[4096], key[4096];
};

static void
print_pem(BIO *bio, char *out, size_t size)
{
	int n = BIO_read(bio, out, size - 1);

	assert_true(n > 0);
	out[n] = '\0';
	BIO_free(bio);
}

/* names: "DNS:a.test,DNS:b.test", or NULL for a common name only. */
static void
make_pair(struct pair *pair, const char *common, const char *names)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *ext;
	BIO *bio;

	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	if (names != NULL) {
		ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
		assert_non_null(ext);
		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_sign(x, key, EVP_sha256());
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	print_pem(bio, pair->certificate, sizeof pair->certificate);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	print_pem(bio, pair->key, sizeof pair->key);
	X509_free(x);
	EVP_PKEY_free(key);
}

static struct pair first, shop, wild, common, again;

static int
make_pairs(void **state)
{
	(void)state;
	make_pair(&first, "default", "DNS:mail.test,DNS:*.both.test");
	make_pair(&shop, "shop", "DNS:Shop.test,DNS:www.shop.test,DNS:a.both.test,DNS:mail.test");
	make_pair(&wild, "wild", "DNS:*.wild.test,DNS:www.shop.test,IP:192.0.2.1");
	make_pair(&common, "common.test", NULL);
	make_pair(&again, "again", "DNS:shop.test,DNS:new.test");
	return 0;
}

static void
add(struct settings *s, const char *section, const struct pair *pair)
{
	settings_add(s, section, "Certificate PEM", pair != NULL ? pair->certificate : "");
	settings_add(s, section, "Private Key PEM", pair != NULL ? pair->key : "");
}

static SSL_CTX *
context(const struct pair *a, const struct pair *b, const struct pair *c, SSL_CTX *previous)
{
	struct settings *s = settings_new();
	SSL_CTX *ctx;

	settings_add(s, "tls", "Minimum Version", "TLSv1.2");
	settings_add(s, "tls", "Keep", previous != NULL ? "true" : "false");
	add(s, "tls", a);
	add(s, "certificate one", b);
	add(s, "certificate two", c);
	add(s, "certificate three", &common);
	ctx = tls_server_context(s, previous);
	settings_free(&s);
	return ctx;
}

/* ---- handshakes ---- */

/* The common name of the certificate that a client gets who asks for this name. */
static const char *
shown_for(SSL_CTX *server, const char *name, int version)
{
	static char out[64];
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	SSL *ours = SSL_new(server), *theirs = SSL_new(client);
	BIO *a, *b;
	X509 *x;

	SSL_set_max_proto_version(theirs, version);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(ours, a, a);
	SSL_set_bio(theirs, b, b);
	SSL_set_accept_state(ours);
	SSL_set_connect_state(theirs);
	if (name != NULL)
		assert_int_equal(SSL_set_tlsext_host_name(theirs, name), 1);
	for (int i = 0; i < 20; i++) {
		SSL_do_handshake(theirs);
		SSL_do_handshake(ours);
	}
	assert_true(SSL_is_init_finished(ours) && SSL_is_init_finished(theirs));
	x = SSL_get1_peer_certificate(theirs);
	assert_non_null(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, sizeof out);
	X509_free(x);
	SSL_free(ours);
	SSL_free(theirs);
	SSL_CTX_free(client);
	return out;
}

/* ---- tests ---- */

static void
test_by_name(void **state)
{
	static char longest[256];
	static const struct {
		const char *asked, *common;
	} rows[] = {
	    {NULL, "default"},
	    {"mail.test", "default"}, /* the default comes first */
	    {"nobody.test", "default"},
	    {"shop.test", "shop"},
	    {"SHOP.TEST", "shop"},
	    {"shop.test.", "shop"},
	    {"shop.test..", "default"},
	    {"www.shop.test", "shop"}, /* the first of two */
	    {"other.shop.test", "default"},
	    {"a.wild.test", "wild"},
	    {"wild.test", "default"},
	    {".wild.test", "default"},
	    {"a.b.wild.test", "default"},
	    {"b.both.test", "default"},
	    {"a.both.test", "shop"}, /* itself before a star */
	    {"common.test", "common.test"},
	    {"192.0.2.1", "default"},
	    {"shop", "default"},
	    {".", "default"},
	    {"*", "default"},
	    {"\xff\x01\r\n", "default"},
	    {longest, "default"},
	};
	SSL_CTX *ctx = context(&first, &shop, &wild, NULL);

	(void)state;
	memset(longest, 'a', sizeof longest - 1);
	assert_non_null(ctx);
	for (size_t i = 0; i < nitems(rows); i++) {
		const char *asked = rows[i].asked != NULL ? rows[i].asked : "none";

		if (strcmp(shown_for(ctx, rows[i].asked, TLS1_3_VERSION), rows[i].common) != 0 ||
		    strcmp(shown_for(ctx, rows[i].asked, TLS1_2_VERSION), rows[i].common) != 0)
			fail_msg("%s: not %s", asked, rows[i].common);
	}
	SSL_CTX_free(ctx);
}

static void
test_unusable(void **state)
{
	struct pair half = shop;
	SSL_CTX *ctx;

	(void)state;
	strlcpy(half.key, again.key, sizeof half.key);
	assert_null(context(NULL, &shop, &wild, NULL));
	assert_null(context(&half, &shop, &wild, NULL));
	ctx = context(&first, &half, NULL, NULL);
	assert_non_null(ctx);
	assert_null(tls_names_section(ctx, "certificate one"));
	assert_string_equal(shown_for(ctx, "shop.test", TLS1_3_VERSION), "default");
	assert_string_equal(shown_for(ctx, "a.wild.test", TLS1_3_VERSION), "default");
	assert_string_equal(shown_for(ctx, "common.test", TLS1_3_VERSION), "common.test");
	SSL_CTX_free(ctx);
}

/* While others are renewed, what is half renewed stays what it was. */
static void
test_renewal(void **state)
{
	struct pair half = again;
	SSL_CTX *before = context(&first, &shop, &wild, NULL), *after;

	(void)state;
	strlcpy(half.key, first.key, sizeof half.key);
	after = context(&half, &half, &again, before);
	SSL_CTX_free(before);
	assert_string_equal(shown_for(after, NULL, TLS1_3_VERSION), "default");
	assert_string_equal(shown_for(after, "shop.test", TLS1_3_VERSION), "shop");
	assert_string_equal(shown_for(after, "new.test", TLS1_3_VERSION), "again");
	assert_string_equal(shown_for(after, "a.wild.test", TLS1_3_VERSION), "default");
	before = after;
	after = context(&first, &again, &half, before);
	SSL_CTX_free(before);
	assert_string_equal(shown_for(after, "shop.test", TLS1_3_VERSION), "again");
	assert_string_equal(shown_for(after, "www.shop.test", TLS1_3_VERSION), "default");
	SSL_CTX_free(after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_name),
	    cmocka_unit_test(test_unusable),
	    cmocka_unit_test(test_renewal),
	};

	return cmocka_run_group_tests(tests, make_pairs, NULL);
}
