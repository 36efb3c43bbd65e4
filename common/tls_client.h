/*
 * TLS of our clients, for SMTP, POP3 and IMAP: what a policy demands of the other host's
 * certificate, and what it had to show. Contexts are made before the process is confined; a
 * connection opens no file.
 */
#ifndef COMMON_TLS_CLIENT_H
#define COMMON_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

/* A certificate, or a key, that will do (RFC 6698 2.1). */
struct tlsa_record {
	uint8_t usage, selector, matching;
	struct span data;
};

enum tls_client_policy {
	TLS_CLIENT_NONE,    /* never, even if offered */
	TLS_CLIENT_MAY,	    /* if offered; in clear if it does not work (RFC 7435) */
	TLS_CLIENT_ENCRYPT, /* always, with any certificate */
	TLS_CLIENT_VERIFY,  /* always, with a certificate of a known issuer for one of the names */
	TLS_CLIENT_DANE,    /* always, with a certificate that a TLSA record names (RFC 7672) */
	TLS_CLIENT_PIN /* always, with a certificate that is tlsa, whatever it says of itself */
};

/* What one connection demands. Borrowed. */
struct tls_client {
	enum tls_client_policy policy;
	SSL_CTX *context; /* with NULL only NONE, and MAY, which then is NONE, can be satisfied */
	const char *host; /* for SNI: a host name, or an address, which is not sent */
	/* VERIFY: any of these must be in the certificate; none: nothing satisfies it. DANE: names
	 * beside host that may be in one below a trust anchor (RFC 7672 3.2.2). */
	const char *const *names;
	size_t n_names;
	/*
	 * Secure by DNSSEC. Of usage 2 and 3; others are of no use to SMTP (RFC 7672 3.1.3).
	 * Without a usable one DANE demands what ENCRYPT does (RFC 7672 2.2); without any at all,
	 * nothing satisfies it.
	 */
	const struct tlsa_record *tlsa;
	size_t n_tlsa;
	/* Gets the SHA-256 of the certificate that was shown, also if it does not satisfy; 32
	 * bytes. NULL: nobody wants it. */
	unsigned char *fingerprint;
};

enum {
	TLS_CLIENT_NAME_SIZE = 64,
	TLS_CLIENT_VERIFIED_SIZE = 128,
};

/* For the log. */
struct tls_client_result {
	char version[TLS_CLIENT_NAME_SIZE]; /* "TLSv1.3", "" in clear */
	char cipher[TLS_CLIENT_NAME_SIZE];
	bool verified;
	/* "name" (an issuer we know, and the right name), "dane-3-1-1", or why it is not verified
	 */
	char how[TLS_CLIENT_VERIFIED_SIZE];
};

/*
 * A context for clients. roots: the certificates of the issuers that VERIFY trusts, or NULL: none;
 * a reference is taken. certificate_pem and key_pem: our own, shown to who asks, or both NULL.
 * newest_only: TLS 1.3, with policies that demand TLS. NULL with *why.
 */
SSL_CTX *tls_client_context(X509_STORE *roots, const char *certificate_pem, const char *key_pem,
    bool newest_only, const char **why);
/* Reads all certificates of a PEM file, now and not when they are needed. NULL with *why. */
X509_STORE *tls_client_roots(const char *path, const char **why);

/* A connection that demands what t says, ready for the handshake. t must stay until that is over.
 * NULL with *why: it cannot be demanded, and then nothing is to be sent. */
SSL *tls_client_new(const struct tls_client *t, const char **why);
/* After the handshake. */
void tls_client_describe(SSL *ssl, struct tls_client_result *out);

#endif
