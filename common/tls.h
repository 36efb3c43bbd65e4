/*
 * TLS contexts of our servers: certificate and key arrive from master as settings ([tls]
 * Certificate PEM, Private Key PEM), because no network program can open a file. OpenSSL 3, TLS 1.2
 * and later, no renegotiation.
 */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <openssl/ssl.h>

#include "common/settings.h"

/*
 * A context for servers, from the settings "[tls] Certificate PEM", "[tls] Private Key PEM" and
 * "[tls] Minimum Version". NULL with one warning in the log when there is none or it is not usable:
 * then the program offers no TLS.
 */
SSL_CTX *tls_server_context(const struct settings *s);

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
