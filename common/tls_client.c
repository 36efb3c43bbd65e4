/*
 * TLS of our clients. Called by the conversation; touches no file once the contexts are made.
 */
#include "common/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/tls.h"

enum { USAGE_DANE_TA = 2, USAGE_DANE_EE = 3 };

/* ---- contexts ---- */

X509_STORE *
tls_client_roots(const char *path, const char **why)
{
	X509_STORE *roots = X509_STORE_new();

	ERR_clear_error();
	if (roots != NULL && X509_STORE_load_file(roots, path) == 1)
		return roots;
	*why = tls_reason();
	X509_STORE_free(roots);
	return NULL;
}

SSL_CTX *
tls_client_context(X509_STORE *roots, const char *certificate_pem, const char *key_pem,
    bool newest_only, const char **why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	ERR_clear_error();
	if (ctx == NULL || SSL_CTX_dane_enable(ctx) != 1) {
		*why = tls_reason();
		goto fail;
	}
	if (certificate_pem != NULL &&
	    tls_use_certificate(ctx, certificate_pem, key_pem, why) == -1)
		goto fail;
	if (roots != NULL)
		SSL_CTX_set1_cert_store(ctx, roots);
	SSL_CTX_set_min_proto_version(ctx, newest_only ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* RFC 7672 3.1.1: with DANE-EE the record says whose key it is, not the certificate. */
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- demands ---- */

static bool
is_address(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int
add_name(SSL *ssl, const char *name)
{
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : -1;
	return SSL_add1_host(ssl, name) == 1 ? 0 : -1;
}

static int
add_names(SSL *ssl, const struct tls_client *t)
{
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; i < t->n_names; i++)
		if (t->names[i][0] == '\0' || add_name(ssl, t->names[i]) == -1)
			return -1;
	return 0;
}

static bool
fits(X509 *certificate, const char *name)
{
	if (is_address(name))
		return X509_check_ip_asc(certificate, name, 0) == 1;
	return X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) ==
	       1;
}

/* OpenSSL knows one address only, and wants it beside one of the host names. Any of them will do.
 * All else stays as it was judged. */
static int
on_judged(int ok, X509_STORE_CTX *ctx)
{
	int error = X509_STORE_CTX_get_error(ctx);
	const struct tls_client *t =
	    SSL_get_app_data(X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx()));

	if (t->fingerprint != NULL)
		(void)X509_digest(
		    X509_STORE_CTX_get0_cert(ctx), EVP_sha256(), t->fingerprint, NULL);
	if (ok ||
	    (error != X509_V_ERR_HOSTNAME_MISMATCH && error != X509_V_ERR_IP_ADDRESS_MISMATCH))
		return ok;
	for (size_t i = 0; i < t->n_names; i++)
		if (fits(X509_STORE_CTX_get0_cert(ctx), t->names[i])) {
			X509_STORE_CTX_set_error(ctx, X509_V_OK);
			return 1;
		}
	return 0;
}

static int
demand_name(SSL *ssl, const struct tls_client *t, const char **why)
{
	/* Without a name OpenSSL would take the certificate of anyone. */
	if (t->n_names == 0) {
		*why = "there is no name to verify";
		return -1;
	}
	if (add_names(ssl, t) == -1) {
		*why = "a name to verify is none";
		return -1;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_judged);
	return 0;
}

/* How many of the records can be used; -1 when there is no memory. */
static int
add_records(SSL *ssl, const struct tls_client *t)
{
	int usable = 0;

	for (size_t i = 0; i < t->n_tlsa; i++) {
		const struct tlsa_record *r = &t->tlsa[i];

		if (r->usage != USAGE_DANE_TA && r->usage != USAGE_DANE_EE)
			continue;
		if (SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
			(const unsigned char *)(r->data.len ? r->data.at : ""), r->data.len) == 1)
			usable++;
		else if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE)
			return -1;
		ERR_clear_error();
	}
	return usable;
}

static int
demand_dane(SSL *ssl, const struct tls_client *t, const char **why)
{
	int usable;

	if (t->n_tlsa == 0) {
		*why = "there is no TLSA record";
		return -1;
	}
	if (SSL_dane_enable(ssl, t->host) != 1 || add_names(ssl, t) == -1 ||
	    (usable = add_records(ssl, t)) == -1) {
		*why = "DANE is not possible";
		return -1;
	}
	SSL_set_verify(ssl, usable > 0 ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	return 0;
}

static int
demand_pinned(SSL *ssl, const struct tls_client *t, const char **why)
{
	/* As DANE-EE: neither name nor issuer nor date count (RFC 7672 3.1.1). */
	if (SSL_dane_enable(ssl, is_address(t->host) ? NULL : t->host) != 1 ||
	    add_records(ssl, t) <= 0) {
		*why = "there is no fingerprint to compare with";
		return -1;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_judged);
	return 0;
}

/* Anything is better than what will be said in clear otherwise (RFC 7435 3). The names are for the
 * log. */
static int
demand_little(SSL *ssl, const struct tls_client *t)
{
	if (t->policy == TLS_CLIENT_MAY) {
		SSL_set_security_level(ssl, 0);
		SSL_set_min_proto_version(ssl, TLS1_VERSION);
	}
	SSL_set_verify(ssl, SSL_VERIFY_NONE, on_judged);
	return t->n_names > 0 ? add_names(ssl, t) : add_name(ssl, t->host);
}

static int
demand(SSL *ssl, const struct tls_client *t, const char **why)
{
	switch (t->policy) {
	case TLS_CLIENT_VERIFY:
		return demand_name(ssl, t, why);
	case TLS_CLIENT_DANE:
		return demand_dane(ssl, t, why);
	case TLS_CLIENT_PIN:
		return demand_pinned(ssl, t, why);
	case TLS_CLIENT_MAY:
	case TLS_CLIENT_ENCRYPT:
		if (demand_little(ssl, t) == 0)
			return 0;
		*why = "the host's name is none";
		return -1;
	case TLS_CLIENT_NONE:
		break;
	}
	*why = "the policy allows no TLS";
	return -1;
}

SSL *
tls_client_new(const struct tls_client *t, const char **why)
{
	SSL *ssl;

	if (t->context == NULL) {
		*why = "there is no TLS context";
		return NULL;
	}
	ERR_clear_error();
	if ((ssl = SSL_new(t->context)) == NULL) {
		*why = tls_reason();
		return NULL;
	}
	SSL_set_app_data(ssl, (void *)(uintptr_t)t);
	if (demand(ssl, t, why) == -1)
		goto fail;
	if (!is_address(t->host) && SSL_set_tlsext_host_name(ssl, t->host) != 1) {
		*why = tls_reason();
		goto fail;
	}
	ERR_clear_error();
	return ssl;
fail:
	ERR_clear_error();
	SSL_free(ssl);
	return NULL;
}

/* ---- what was shown ---- */

static void
describe_peer(SSL *ssl, struct tls_client_result *out)
{
	long verify = SSL_get_verify_result(ssl);
	uint8_t usage, selector, matching;

	if (SSL_get0_peer_certificate(ssl) == NULL) {
		snprintf(out->how, sizeof out->how, "no certificate");
	} else if (verify != X509_V_OK) {
		snprintf(out->how, sizeof out->how, "%s", X509_verify_cert_error_string(verify));
	} else if (SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, NULL, NULL) >= 0) {
		out->verified = true;
		snprintf(out->how, sizeof out->how, "dane-%u-%u-%u", usage, selector, matching);
	} else {
		out->verified = true;
		snprintf(out->how, sizeof out->how, "name");
	}
}

void
tls_client_describe(SSL *ssl, struct tls_client_result *out)
{
	*out = (struct tls_client_result){0};
	snprintf(out->version, sizeof out->version, "%s", SSL_get_version(ssl));
	snprintf(out->cipher, sizeof out->cipher, "%s", SSL_get_cipher_name(ssl));
	describe_peer(ssl, out);
}
