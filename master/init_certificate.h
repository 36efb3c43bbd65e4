/* A certificate for a new instance. */
#ifndef MASTER_INIT_CERTIFICATE_H
#define MASTER_INIT_CERTIFICATE_H

/*
 * Makes a self-signed certificate for the domain, localhost and 127.0.0.1 with a new P-256 key, and
 * writes both: the key with mode 0600. -1 with *why (to be freed).
 */
int init_certificate(
    const char *domain, const char *certificate_path, const char *key_path, char **why);

#endif
