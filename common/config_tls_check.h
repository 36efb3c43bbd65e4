/*
 * Looks at a certificate and its key before a program has to. Used by the configuration and master.
 */
#ifndef COMMON_CONFIG_TLS_CHECK_H
#define COMMON_CONFIG_TLS_CHECK_H

#include <stdbool.h>

#include "common/span.h"

enum { CERTIFICATE_WARN_DAYS = 14 };

struct tls_check {
	bool certificate, key; /* what the sentence is about; both: they do not match */
	bool unusable;	       /* no TLS with it; else it is only worth knowing */
	char text[512];	       /* empty: nothing is wrong */
};

/* certificate_names() of the first certificate in a file; none when it cannot be read. */
void
config_tls_names(const char *certificate, void (*each)(void *arg, struct span name), void *arg);

/* Reads both files: there, readable, matching, valid now and for CERTIFICATE_WARN_DAYS more. */
void config_tls_check(struct tls_check *out, const char *certificate, const char *key);

#endif
