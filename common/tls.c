/*
 * TLS contexts of our servers, from the certificate and key that master sent as settings, and
 * certificates of our clients.
 */
#include "common/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/log.h"
#include "common/tls_names.h"

/* What the names of sections with further certificates begin with. */
static const char further[] = "certificate ";

const char *
tls_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return text != NULL ? text : "unknown reason";
}

int
tls_no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static BIO *
open_pem(const char *text)
{
	return text != NULL && text[0] != '\0' ? BIO_new_mem_buf(text, -1) : NULL;
}

/* The own certificate comes first, those of its issuers follow. */
static int
use_chain(SSL_CTX *ctx, BIO *pem)
{
	X509 *certificate = PEM_read_bio_X509_AUX(pem, NULL, tls_no_password, NULL);
	int ok = certificate != NULL && SSL_CTX_use_certificate(ctx, certificate) == 1;

	X509_free(certificate);
	if (!ok)
		return -1;
	while ((certificate = PEM_read_bio_X509(pem, NULL, tls_no_password, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, certificate) != 1) {
			X509_free(certificate);
			return -1;
		}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return -1;
	ERR_clear_error(); /* the end of the file */
	return 0;
}

static int
use_key(SSL_CTX *ctx, BIO *pem)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, tls_no_password, NULL);
	int ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		 SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	return ok ? 0 : -1;
}

int
tls_use_certificate(SSL_CTX *ctx, const char *chain_pem, const char *key_pem, const char **why)
{
	BIO *chain = open_pem(chain_pem), *key = open_pem(key_pem);
	int rv = -1;

	ERR_clear_error();
	if (chain == NULL || key == NULL)
		*why = "one of them is missing";
	else if (use_chain(ctx, chain) == -1 || use_key(ctx, key) == -1)
		*why = tls_reason();
	else
		rv = 0;
	BIO_free(chain);
	BIO_free(key);
	return rv;
}

static SSL_CTX *
new_context(const struct settings *s)
{
	bool newest = strcmp(settings_text(s, "tls", "Minimum Version"), "TLSv1.3") == 0;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, newest ? TLS1_3_VERSION : TLS1_2_VERSION);
	/* No tickets and no cache: workers share no keys, and connections are long. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* An idle connection owns no buffer; a stream repeats a write from where its bytes are
	 * then. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* With forward secrecy only. */
	SSL_CTX_set_cipher_list(
	    ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:!aNULL:!aPSK");
	SSL_CTX_set_dh_auto(ctx, 1);
	return ctx;
}

/* Another context with the certificate of this one. */
static SSL_CTX *
copy_context(const struct settings *s, SSL_CTX *from)
{
	SSL_CTX *ctx = new_context(s);
	STACK_OF(X509) *chain = NULL;

	if (ctx != NULL && SSL_CTX_get0_chain_certs(from, &chain) == 1 &&
	    SSL_CTX_use_cert_and_key(
		ctx, SSL_CTX_get0_certificate(from), SSL_CTX_get0_privatekey(from), chain, 1) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* A context with the pair of this section, or with that of the previous one. NULL without both. */
static SSL_CTX *
pair_context(const struct settings *s, const char *section, SSL_CTX *previous)
{
	SSL_CTX *ctx = new_context(s), *kept;
	const char *why = "out of memory";

	if (ctx != NULL && tls_use_certificate(ctx, settings_find(s, section, "Certificate PEM"),
			       settings_find(s, section, "Private Key PEM"), &why) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	kept = previous != NULL ? copy_context(s, previous) : NULL;
	log_warn("- %s section=\"%s\" reason=\"certificate or private key: %s\"",
	    kept != NULL ? "tls-kept" : "tls-off", section, why);
	return kept;
}

/* Those of the sections [certificate NAME]. */
static void
add_further(SSL_CTX *ctx, const struct settings *s, SSL_CTX *previous)
{
	for (size_t i = 0; i < s->n; i++) {
		const char *section = s->items[i].section;
		SSL_CTX *one;

		if (strncmp(section, further, strlen(further)) != 0 ||
		    strcmp(s->items[i].key, "Certificate PEM") != 0)
			continue;
		one = pair_context(
		    s, section, previous != NULL ? tls_names_section(previous, section) : NULL);
		if (one != NULL)
			tls_names_take(ctx, section, one);
	}
}

SSL_CTX *
tls_server_context(const struct settings *s, SSL_CTX *previous)
{
	const char *keep = settings_find(s, "tls", "Keep");
	SSL_CTX *ctx;

	if (keep == NULL || strcmp(keep, "true") != 0)
		previous = NULL;
	ctx = pair_context(s, "tls", previous);
	if (ctx == NULL)
		return NULL;
	if (tls_names_begin(ctx) == -1) {
		log_warn("- tls-off section=\"tls\" reason=\"out of memory\"");
		SSL_CTX_free(ctx);
		return NULL;
	}
	add_further(ctx, s, previous);
	return ctx;
}
