/*
 * A self-signed certificate for a new instance. Writes two files.
 */
#include "master/init_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/memory.h"

enum {
	VALID_DAYS = 3650,
	SERIAL_BYTES = 16,
	COMMON_NAME_MAX_BYTES = 64 /* X.520 ub-common-name */
};

static bool
set_serial(X509 *x)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *number = NULL;
	bool ok;

	ok = RAND_bytes(bytes, sizeof bytes) == 1;
	bytes[0] = (bytes[0] & 0x7f) | 1; /* positive */
	ok = ok && (number = BN_bin2bn(bytes, sizeof bytes, NULL)) != NULL &&
	     BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;
	BN_free(number);
	return ok;
}

static bool
set_names(X509 *x, const char *domain)
{
	X509_NAME *name = X509_get_subject_name(x);
	const char *text = strlen(domain) <= COMMON_NAME_MAX_BYTES ? domain : "Sambar Mail";

	return X509_NAME_add_entry_by_txt(
		   name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1;
}

static bool
set_times(X509 *x)
{
	/* An hour back: the clocks of clients differ. */
	return X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(x), VALID_DAYS, 0, NULL) != NULL;
}

static bool
add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	if ((e = X509V3_EXT_conf_nid(NULL, &context, nid, value)) == NULL)
		return false;
	ok = X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* domain is one that address_is_domain() has judged: no byte of it means anything here. */
static bool
add_extensions(X509 *x, const char *domain)
{
	char names[400];

	snprintf(names, sizeof names, "DNS:%s,DNS:localhost,IP:127.0.0.1", domain);
	return add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") &&
	       add_extension(x, NID_subject_key_identifier, "hash") &&
	       add_extension(x, NID_subject_alt_name, names);
}

static X509 *
make_certificate(const char *domain, EVP_PKEY *key)
{
	X509 *x = X509_new();

	if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	    set_names(x, domain) && set_times(x) && X509_set_pubkey(x, key) == 1 &&
	    add_extensions(x, domain) && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

static FILE *
create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	FILE *f = fd != -1 ? fdopen(fd, "w") : NULL;

	if (f == NULL)
		closefd(&fd);
	return f;
}

static int
close_file(FILE *f, bool written, const char *path, char **why)
{
	int closed = fclose(f);

	if (written && closed == 0)
		return 0;
	*why = xasprintf("%s: cannot be written: %s", path, strerror(errno));
	return -1;
}

static int
write_key(EVP_PKEY *key, const char *path, char **why)
{
	FILE *f = create(path, 0600);

	if (f == NULL) {
		*why = xasprintf("%s: %s", path, strerror(errno));
		return -1;
	}
	return close_file(
	    f, PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1, path, why);
}

static int
write_certificate(X509 *x, const char *path, char **why)
{
	FILE *f = create(path, 0644);

	if (f == NULL) {
		*why = xasprintf("%s: %s", path, strerror(errno));
		return -1;
	}
	return close_file(f, PEM_write_X509(f, x) == 1, path, why);
}

int
init_certificate(const char *domain, const char *certificate_path, const char *key_path, char **why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key != NULL ? make_certificate(domain, key) : NULL;
	int rv = -1;

	if (x == NULL)
		*why = xasprintf("cannot make a certificate: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	else if (write_key(key, key_path, why) == 0)
		rv = write_certificate(x, certificate_path, why);
	X509_free(x);
	EVP_PKEY_free(key);
	return rv;
}
