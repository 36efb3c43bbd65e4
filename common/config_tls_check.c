/*
 * Looks at a certificate and its key with OpenSSL. Reads these two files.
 */
#include "common/config_tls_check.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/certificate_names.h"
#include "common/file_rights.h"
#include "common/memory.h"
#include "common/tls.h"

static void __attribute__((format(printf, 2, 3)))
tell(struct tls_check *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(out->text, sizeof out->text, format, ap);
	va_end(ap);
}

/* Neither what never ends, as a device, nor what may never begin, as a pipe. */
static FILE *
open_file(const char *path)
{
	bool taken = file_rights_take_for(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	FILE *f = NULL;

	file_rights_return(taken);
	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f = fdopen(fd, "r");
	else
		errno = EINVAL;
	if (f == NULL)
		closefd(&fd); /* keeps errno */
	return f;
}

static X509 *
read_certificate(struct tls_check *out, const char *path)
{
	FILE *f = open_file(path);
	X509 *x = NULL;

	if (f == NULL) {
		tell(out, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if ((x = PEM_read_X509(f, NULL, tls_no_password, NULL)) == NULL)
		tell(out, "%s: is no certificate in PEM", path);
	fclose(f);
	return x;
}

static EVP_PKEY *
read_key(struct tls_check *out, const char *path)
{
	FILE *f = open_file(path);
	EVP_PKEY *key = NULL;

	if (f == NULL) {
		tell(out, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if ((key = PEM_read_PrivateKey(f, NULL, tls_no_password, NULL)) == NULL)
		tell(out, "%s: is no private key in PEM without a password", path);
	fclose(f);
	return key;
}

static void
check_times(struct tls_check *out, const X509 *x, const char *path)
{
	time_t soon = time(NULL) + CERTIFICATE_WARN_DAYS * 86400L;
	int days = 0, seconds = 0;

	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		tell(out, "%s: the certificate is not valid yet", path);
	else if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		tell(out, "%s: the certificate has expired", path);
	else if (X509_cmp_time(X509_get0_notAfter(x), &soon) < 0 &&
		 ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) == 1)
		tell(out, "%s: the certificate expires in %d day(s)", path, days);
}

/* What a server does with the files: OpenSSL refuses keys that are too short, and bad issuers. */
static bool
can_be_served(struct tls_check *out, const char *path)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	const char *reason;
	bool can = false, taken;

	if (ctx != NULL) {
		SSL_CTX_set_default_passwd_cb(ctx, tls_no_password);
		taken = file_rights_take_for(path);
		can = SSL_CTX_use_certificate_chain_file(ctx, path) == 1;
		file_rights_return(taken);
	}
	if (!can) {
		reason = ERR_reason_error_string(ERR_peek_last_error());
		tell(out, "%s: %s", path, reason != NULL ? reason : "cannot be used");
	}
	SSL_CTX_free(ctx);
	return can;
}

void
config_tls_check(struct tls_check *out, const char *certificate, const char *key)
{
	X509 *x;
	EVP_PKEY *k = NULL;

	*out = (struct tls_check){.certificate = true, .unusable = true};
	if ((x = read_certificate(out, certificate)) == NULL)
		goto out;
	if ((k = read_key(out, key)) == NULL) {
		out->certificate = false;
		out->key = true;
	} else if (X509_check_private_key(x, k) != 1) {
		out->key = true;
		tell(out, "%s: does not belong to the certificate %s", key, certificate);
	} else if (can_be_served(out, certificate)) {
		out->unusable = false;
		check_times(out, x, certificate);
	}
out:
	X509_free(x);
	EVP_PKEY_free(k);
	ERR_clear_error();
}

void
config_tls_names(const char *certificate, void (*each)(void *arg, struct span name), void *arg)
{
	struct tls_check ignored;
	X509 *x = read_certificate(&ignored, certificate);

	if (x != NULL)
		certificate_names(x, each, arg);
	X509_free(x);
	ERR_clear_error();
}
