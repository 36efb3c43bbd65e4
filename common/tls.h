/*
 * TLS contexts of our servers: certificates and keys arrive from master as settings (Certificate
 * PEM and Private Key PEM of [tls] and of each [certificate NAME]), because no network program can
 * open a file. OpenSSL 3, TLS 1.2 and later, no renegotiation.
 */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <openssl/ssl.h>

#include "common/settings.h"

/*
 * A context for servers with the certificate of [tls], from which clients that name a host get the
 * [certificate NAME] that is for it. A pair that is not usable is told in the log; without one in
 * [tls] the result is NULL: then the program offers no TLS. previous is the one that was used until
 * now, or NULL: with "[tls] Keep" such a pair, which is half renewed, stays what it was there.
 */
SSL_CTX *tls_server_context(const struct settings *s, SSL_CTX *previous);

/*
 * Gives a context its certificate, followed by those of its issuers, and its private key, both as
 * PEM text. -1 with *why.
 */
int tls_use_certificate(SSL_CTX *ctx, const char *chain_pem, const char *key_pem, const char **why);

/* OpenSSL's last error as a phrase, and forgets all errors of this thread. */
const char *tls_reason(void);

/* For OpenSSL's pem_password_cb: a key with a pass phrase is of no use, for there is nobody to ask.
 */
int tls_no_password(char *buf, int size, int writing, void *arg);

#endif
