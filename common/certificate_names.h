/* The hosts that a certificate is for. Pure. */
#ifndef COMMON_CERTIFICATE_NAMES_H
#define COMMON_CERTIFICATE_NAMES_H

#include <openssl/x509.h>

#include "common/span.h"

/*
 * Calls each() for every host name, which may start with "*.": those of the subjectAltName, or the
 * common name when there is none there (RFC 6125 6.4.4). The bytes are the certificate's: any.
 */
void certificate_names(const X509 *x, void (*each)(void *arg, struct span name), void *arg);

#endif
