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

#endif
