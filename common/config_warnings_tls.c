/*
 * What there is to say of certificates: pairs that are of no use or soon will not be, and names
 * that nobody gets. Reads the TLS files; changes nothing.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "common/certificate_names.h"
#include "common/config_private.h"
#include "common/config_tls_check.h"
#include "common/log.h"

static void
warn_tls(struct config *c)
{
	struct tls_check check;

	config_tls_check(
	    &check, config_text(c, "tls", "Certificate"), config_text(c, "tls", "Private Key"));
	if (check.text[0] != '\0')
		config_warn_key(c, "tls", check.key ? "Private Key" : "Certificate", "%s%s",
		    check.text, check.unusable ? "; TLS is not offered" : "");
}

static void
warn_client_certificate(struct config *c)
{
	const char *certificate = config_text(c, "tls", "Client Certificate");
	const char *key = config_text(c, "tls", "Client Key");
	struct tls_check check;

	if (certificate[0] == '\0' && key[0] == '\0')
		return;
	if (certificate[0] == '\0' || key[0] == '\0') {
		config_warn_key(c, "tls", certificate[0] ? "Client Certificate" : "Client Key",
		    "has no effect without %s",
		    certificate[0] ? "Client Key" : "Client Certificate");
		return;
	}
	config_tls_check(&check, certificate, key);
	if (check.text[0] != '\0')
		config_warn_key(c, "tls", check.key ? "Client Key" : "Client Certificate", "%s%s",
		    check.text, check.unusable ? "; it is shown to nobody" : "");
}

static void
warn_roots(struct config *c)
{
	const char *path = config_text(c, "tls", "Trusted Roots");

	/* deliver says so itself when they are needed and not there. */
	if (c->values[config_index("tls", "Trusted Roots")].written != NULL &&
	    access(path, R_OK) == -1)
		config_warn_key(c, "tls", "Trusted Roots",
		    "cannot read %s: %s; no other host's certificate can be verified",
		    log_safe(span_of(path)), strerror(errno));
}

/* ---- [certificate NAME] ---- */

struct names {
	struct config *c;
	const struct config_section *section; /* NULL: [tls] */
	json_t *first;			      /* name: the section that has it first */
	size_t n;
};

static void
on_name(void *arg, struct span text)
{
	struct names *names = arg;
	const struct config_section *s = names->section;
	const char *name = log_printable(text);
	const json_t *before = json_object_get(names->first, name);

	names->n++;
	if (before == NULL)
		json_object_set_new(names->first, name, json_string(s != NULL ? s->name : "tls"));
	else if (s != NULL && strcmp(json_string_value(before), s->name) != 0)
		config_problem_in(names->c, s, "Certificate", true,
		    "%s is also a name of the certificate of [%s], which is used for it", name,
		    json_string_value(before));
}

static void
warn_pair(struct names *names, const struct config_section *s)
{
	static const char *const keys[] = {"Certificate", "Private Key"};
	struct config *c = names->c;
	const char *certificate = config_text(c, s->name, keys[0]);
	const char *key = config_text(c, s->name, keys[1]);
	struct tls_check check;

	for (size_t i = 0; i < 2; i++)
		if (config_text(c, s->name, keys[i])[0] == '\0')
			config_problem_in(c, s, NULL, true, "has no %s: it is not used", keys[i]);
	if (certificate[0] == '\0' || key[0] == '\0')
		return;
	config_tls_check(&check, certificate, key);
	if (check.text[0] != '\0')
		config_problem_in(c, s, keys[check.key ? 1 : 0], true, "%s%s", check.text,
		    check.unusable ? "; it is not used" : "");
	if (check.unusable)
		return;
	names->section = s;
	names->n = 0;
	config_tls_names(certificate, on_name, names);
	if (names->n == 0)
		config_problem_in(c, s, keys[0], true,
		    "%s: the certificate names no host: no client gets it", certificate);
}

static void
warn_further(struct config *c)
{
	struct names names = {.c = c, .first = json_object()};

	config_tls_names(config_text(c, "tls", "Certificate"), on_name, &names);
	for (size_t i = 0; i < c->n_sections; i++)
		if (config_section_is_a(&c->sections[i], "certificate *"))
			warn_pair(&names, &c->sections[i]);
	json_decref(names.first);
}

void
config_warn_certificates(struct config *c)
{
	warn_tls(c);
	warn_client_certificate(c);
	warn_roots(c);
	warn_further(c);
}
