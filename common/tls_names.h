/*
 * Which of several certificates a client gets: the one that has the server's name which the client
 * sends (RFC 6066 3), itself or by a "*." (RFC 6125 6.4.3), else the default. The further ones hang
 * on the context of the default, and live as long as that. Touches nothing.
 */
#ifndef COMMON_TLS_NAMES_H
#define COMMON_TLS_NAMES_H

#include <openssl/ssl.h>

/* Makes ctx, which has its certificate, the default for further ones. -1: out of memory. */
int tls_names_begin(SSL_CTX *ctx);

/* Adds a certificate under the name of its section. `other` belongs to ctx from now on. Of a name
 * that is in several certificates the first one added counts, the default before all. */
void tls_names_take(SSL_CTX *ctx, const char *section, SSL_CTX *other);

/* The context that was added under this name, which stays ctx's; NULL without one. */
SSL_CTX *tls_names_section(SSL_CTX *ctx, const char *section);

#endif
