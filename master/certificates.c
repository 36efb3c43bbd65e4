/* Certificates as JSON, each with what is wrong with it. */
#include "master/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/certificate_names.h"
#include "common/config_tls_check.h"
#include "common/json_text.h"
#include "common/tls.h"

/* ---- one ---- */

static void
add_name(void *arg, struct span text)
{
	json_t *names = arg, *name = json_text(text);
	const json_t *other;
	size_t i;

	json_array_foreach(names, i, other) if (json_equal(name, other))
	{
		json_decref(name);
		return;
	}
	json_array_append_new(names, name);
}

static json_t *
describe_names(const X509 *x)
{
	json_t *names = json_array();

	if (x != NULL)
		certificate_names(x, add_name, names);
	return names;
}

static json_t *
until_of(const X509 *x)
{
	struct tm tm;

	return x != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1
		   ? json_integer(timegm(&tm))
		   : json_null();
}

static X509 *
read_certificate(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *x = f != NULL ? PEM_read_X509(f, NULL, tls_no_password, NULL) : NULL;

	if (f != NULL)
		fclose(f);
	ERR_clear_error();
	return x;
}

static void
set_problem(json_t *doc, const char *text, bool unusable)
{
	json_object_set_new(
	    doc, "problem", text[0] != '\0' ? json_text(span_of(text)) : json_null());
	json_object_set_new(doc, "unusable", json_boolean(unusable));
}

static void
check_pair(json_t *doc, const char *file, const char *private_key)
{
	struct tls_check check;

	if (private_key[0] == '\0') {
		set_problem(doc, "has no key", true);
		return;
	}
	config_tls_check(&check, file, private_key);
	set_problem(doc, check.text, check.unusable);
}

/* key, private_key: the names of the pair's keys. NULL: no certificate is set. */
static json_t *
describe(const struct config *c, const char *section, const char *key, const char *private_key)
{
	const char *file = config_text(c, section, key);
	json_t *doc;
	X509 *x;

	if (file[0] == '\0')
		return NULL;
	x = read_certificate(file);
	doc = json_pack("{s:s, s:s, s:o, s:o, s:o}", "section", section, "key", key, "file",
	    json_text(span_of(file)), "names", describe_names(x), "until", until_of(x));
	check_pair(doc, file, config_text(c, section, private_key));
	if (!json_is_true(json_object_get(doc, "unusable")) && strcmp(section, "tls") != 0 &&
	    json_array_size(json_object_get(doc, "names")) == 0)
		set_problem(doc, "names no host: no client gets it", true);
	X509_free(x);
	return doc;
}

/* ---- all ---- */

/* Clients come to this name: one of the certificates is to be for it. */
static bool
some_is_for(const struct config *c, const char *host)
{
	const char *section = "tls";
	bool found = false;

	for (size_t i = 0; section != NULL && !found; i++) {
		X509 *x = read_certificate(config_text(c, section, "Certificate"));

		found = x != NULL && X509_check_host(x, host, 0,
					 X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
		X509_free(x);
		section = config_section_at(c, "certificate *", i);
	}
	return found;
}

static void
check_host(const struct config *c, json_t *first)
{
	char host[CONFIG_SERVER_NAME_SIZE], text[CONFIG_SERVER_NAME_SIZE + 80];

	config_server_name(c, host);
	if (host[0] == '\0' || !json_is_null(json_object_get(first, "problem")) ||
	    some_is_for(c, host))
		return;
	snprintf(text, sizeof text, "is not for %s, nor is another one: clients refuse it", host);
	set_problem(first, text, false);
}

/* Owns one. */
static void
add(json_t *list, json_t *one, bool readable)
{
	if (one == NULL || (readable && json_is_null(json_object_get(one, "until"))))
		json_decref(one);
	else
		json_array_append_new(list, one);
}

json_t *
certificates_describe(const struct config *c, bool readable)
{
	json_t *list = json_array(), *first = describe(c, "tls", "Certificate", "Private Key");
	const char *section;

	if (first != NULL)
		check_host(c, first);
	add(list, first, readable);
	add(list, describe(c, "tls", "Client Certificate", "Client Key"), readable);
	for (size_t i = 0; (section = config_section_at(c, "certificate *", i)) != NULL; i++)
		add(list, describe(c, section, "Certificate", "Private Key"), readable);
	return list;
}
