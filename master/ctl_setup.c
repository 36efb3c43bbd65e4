/*
 * sambarctl setup: an instance that serves a domain. Each step is made only where it is not made
 * yet. Changes the configuration as sambarctl config does, users as sambarctl user does, and makes
 * a certificate where there is none.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config_tls_check.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/ctl_change.h"
#include "master/ctl_publish.h"
#include "master/init_certificate.h"
#include "master/machine.h"
#include "master/publish.h"
#include "master/setup_wishes.h"

struct setup {
	struct ctl *ctl;
	struct setup_wishes wishes;
	struct config *config; /* as it was before the step */
	json_t *users;
	char password[SASL_PASSWORD_SIZE]; /* of a user who is not there yet */
	json_t *steps;			   /* [{"what": sentence, "changed": bool}] */
};

/* ---- what was done ---- */

static void __attribute__((format(printf, 3, 4)))
tell(struct setup *s, bool changed, const char *format, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_array_append_new(
	    s->steps, json_pack("{s:s, s:b}", "what", text, "changed", changed ? 1 : 0));
	if (!s->ctl->json)
		printf("%s %s\n", changed ? "changed:  " : "as it was:", text);
}

/* 0, or the exit code of an error that was told. */
static int
load(struct setup *s)
{
	struct config_problems problems = {0};
	int code = 0;

	config_free(&s->config);
	s->config = config_load(s->ctl->root, &problems);
	if (problems.n_errors > 0)
		code = ctl_fail(EX_CONFIG,
		    "the configuration has %zu error(s): see sambarctl check", problems.n_errors);
	config_problems_free(&problems);
	return code;
}

/* ---- the configuration ---- */

enum { CHANGES_MAX = 16 };

struct plan {
	struct config_change changes[CHANGES_MAX];
	size_t n;
};

static void
add(struct plan *p, const char *section, const char *name, const char *value)
{
	if (p->n < nitems(p->changes))
		p->changes[p->n++] = (struct config_change){section, name, value};
}

/* Adds a domain to those that will be local. */
static void
add_domain(struct setup *s, char **domains, const char *domain)
{
	char *longer;

	if (strcasecmp(domain, s->wishes.host) == 0 ||
	    address_match_list(span_of(*domains), span_of(domain)))
		return;
	longer = xasprintf("%s%s%s", *domains, (*domains)[0] != '\0' ? " " : "", domain);
	free(*domains);
	*domains = longer;
}

/* What was Mail Server goes on to be local: it may be a domain of mail, and is that of programs. */
static void
plan_names(struct setup *s, struct plan *p, char **domains)
{
	const char *local = config_text(s->config, "smtpd", "Local Domains");
	const char *server = config_text(s->config, "mail", "Mail Server");

	*domains = xstrdup(local);
	if (strcasecmp(server, s->wishes.host) != 0)
		add(p, "mail", "Mail Server", s->wishes.host);
	add_domain(s, domains, s->wishes.domain);
	if (server[0] != '\0')
		add_domain(s, domains, server);
	if (strcmp(*domains, local) != 0)
		add(p, "smtpd", "Local Domains", *domains);
}

static void
plan_rest(struct setup *s, struct plan *p)
{
	const struct setup_wishes *w = &s->wishes;

	if (!config_bool(s->config, "common", "Act As Mail Server"))
		add(p, "common", "Act As Mail Server", "true");
	if (w->webmail != NULL &&
	    strcmp(config_text(s->config, "mail", "Enable WebMail"), w->webmail) != 0)
		add(p, "mail", "Enable WebMail", w->webmail);
	if (w->everywhere && !setup_listens_everywhere(s->config))
		for (size_t i = 0; i < n_setup_listeners; i++)
			add(p, "listen", setup_listeners[i], NULL);
}

static void
tell_change(struct setup *s, const struct config_change *change)
{
	char *why;

	if (change->value != NULL)
		tell(s, true, "[%s] %s = %s", change->section, change->name, change->value);
	else
		tell(s, true, "[%s] %s = %s, which is its default", change->section, change->name,
		    config_find(change->section, change->name, &why)->preset);
}

static void
tell_plan(struct setup *s, const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		tell_change(s, &p->changes[i]);
	if (p->n == 0)
		tell(s, false, "the configuration: mail for %s is local, and this host is %s",
		    s->wishes.domain, s->wishes.host);
}

static int
change_configuration(struct setup *s)
{
	struct plan plan = {.n = 0};
	char *domains = NULL;
	bool running;
	int code = 0;

	plan_names(s, &plan, &domains);
	plan_rest(s, &plan);
	if (plan.n > 0)
		code = ctl_change_all(s->ctl, plan.changes, plan.n, 0, &running);
	if (code == 0)
		tell_plan(s, &plan);
	free(domains);
	return code == 0 ? load(s) : code;
}

/* ---- the certificate ---- */

struct fit {
	const char *host;
	bool fits;
};

static void
look_at_name(void *arg, struct span name)
{
	struct fit *f = arg;
	const char *rest = strchr(f->host, '.');

	f->fits |= span_is_nocase(name, f->host);
	if (rest != NULL && name.len > 1 && name.at[0] == '*')
		f->fits |= span_is_nocase((struct span){name.at + 1, name.len - 1}, rest);
}

static void
tell_certificate(struct setup *s, const char *certificate, const char *key)
{
	struct fit fit = {s->wishes.host, false};

	config_tls_names(certificate, look_at_name, &fit);
	tell(s, false, "the certificate: %s", certificate);
	if (!fit.fits)
		fprintf(stderr,
		    "sambarctl: warning: %s is not for %s: put one there that is, or remove it and "
		    "%s, and setup makes one\n",
		    certificate, s->wishes.host, key);
}

static int
make_certificate(struct setup *s)
{
	const char *certificate = config_text(s->config, "tls", "Certificate");
	const char *key = config_text(s->config, "tls", "Private Key");
	char *why = NULL;
	int code;

	if (access(certificate, F_OK) == 0 || errno != ENOENT || access(key, F_OK) == 0 ||
	    errno != ENOENT) {
		tell_certificate(s, certificate, key);
		return 0;
	}
	if (init_certificate(s->wishes.host, certificate, key, &why) == -1) {
		code = ctl_fail(EX_CANTCREAT, "%s", why);
		free(why);
		return code;
	}
	tell(s, true, "a certificate for %s that no client trusts: put a real one at %s",
	    s->wishes.host, certificate);
	return 0;
}

/* ---- the user ---- */

static const json_t *
find_user(const struct setup *s, const char *name)
{
	const json_t *user;
	size_t i;

	json_array_foreach(
	    s->users, i, user) if (strcmp(ctl_text(user, "name"), name) == 0) return user;
	return NULL;
}

static int
load_users(struct setup *s)
{
	static const char *const words[] = {"user", "list"};
	json_t *doc;
	int code = ctl_ask(s->ctl, true, words, nitems(words), &doc);

	if (code == 0)
		s->users = json_incref(json_object_get(doc, "users"));
	json_decref(doc);
	return code;
}

/* Before anything is changed. */
static int
ask_password(struct setup *s)
{
	if (s->wishes.user[0] == '\0' || find_user(s, s->wishes.user) != NULL)
		return 0;
	if (!s->wishes.password_on_stdin && !isatty(STDIN_FILENO))
		return ctl_fail(EX_USAGE,
		    "there is no user %s yet, and no terminal to ask for the password: with "
		    "--password-stdin it is the first line of standard input",
		    s->wishes.user);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "The password of the new user %s:\n", s->wishes.user);
	return ctl_new_password(s->password);
}

static int
add_user(struct setup *s)
{
	const char *const words[] = {"user", "add", s->wishes.user, s->password, "mailbox"};
	int code = ctl_tell(s->ctl, true, words, nitems(words));

	if (code == 0)
		tell(s, true, "user %s has an account and a mailbox", s->wishes.user);
	return code;
}

static int
make_administrator(struct setup *s, const json_t *user)
{
	const char *const words[] = {"user", "admin", s->wishes.user, "on"};
	bool is_one = json_is_true(json_object_get(user, "admin"));
	int code = is_one ? 0 : ctl_tell(s->ctl, true, words, nitems(words));

	if (code == 0)
		tell(s, !is_one, "user %s is an administrator", s->wishes.user);
	return code;
}

static int
make_user(struct setup *s)
{
	const json_t *user = find_user(s, s->wishes.user);
	int code = 0;

	if (s->wishes.user[0] == '\0')
		return 0;
	if (user == NULL)
		code = add_user(s);
	else
		tell(s, false, "user %s has an account", s->wishes.user);
	if (code == 0 && s->wishes.admin)
		code = make_administrator(s, user);
	return code;
}

/* ---- postmaster ---- */

static const char *
targets_of(const struct setup *s, const char *section, const char *name)
{
	const char *written, *normalized;

	return config_entry_value(s->config, section, name, &written, &normalized) ? written : NULL;
}

static const char *
leads_to(const struct setup *s, const char *name)
{
	const char *targets = targets_of(s, "aliases", name);

	return targets != NULL ? targets : targets_of(s, "forward", name);
}

static int
set_alias(struct setup *s, const char *name)
{
	bool running;
	int code = ctl_change(s->ctl, "aliases", name, s->wishes.user, &running);

	if (code == 0)
		tell(s, true, "mail for %s goes to %s", name, s->wishes.user);
	return code == 0 ? load(s) : code;
}

/* Somebody must read it: RFC 5321 4.5.1. A package leads it to root, who has no account. */
static int
make_postmaster(struct setup *s)
{
	const char *targets = leads_to(s, "postmaster");

	if (targets != NULL && strcmp(targets, "root") == 0 && leads_to(s, "root") == NULL &&
	    find_user(s, "root") == NULL && s->wishes.user[0] != '\0' &&
	    strcmp(s->wishes.user, "root") != 0)
		return set_alias(s, "root");
	if (targets != NULL)
		tell(s, false, "mail for postmaster goes to %s", log_printable(span_of(targets)));
	else if (find_user(s, "postmaster") != NULL)
		tell(s, false, "postmaster is a user");
	else if (s->wishes.user[0] != '\0')
		return set_alias(s, "postmaster");
	else
		fprintf(stderr, "sambarctl: nobody reads what comes for postmaster (RFC 5321 "
				"4.5.1): sambarctl alias set postmaster NAME\n");
	return 0;
}

/* ---- all ---- */

static int
print_end(struct setup *s)
{
	json_t *addresses = machine_public_addresses(s->config);
	json_t *records = publish_records(s->config, s->wishes.domain, addresses);
	int code = 0, sock;

	json_decref(addresses);
	if (s->ctl->json)
		code =
		    ctl_print_json(json_pack("{s:O, s:O}", "steps", s->steps, "records", records));
	else {
		printf("\nTo be published in the DNS:\n\n");
		ctl_publish_print(records);
		printf("\nThe address must lead back to %s, too (PTR): who gives you the address "
		       "sets that.\n",
		    s->wishes.host);
		sock = ctl_connect(s->ctl, &code);
		printf(sock != -1 ? "Then: sambarctl doctor\n"
				  : "Then: sambarctl start, and sambarctl doctor\n");
		closefd(&sock);
	}
	json_decref(records);
	return code;
}

static int
run(struct setup *s)
{
	int code;

	if ((code = load(s)) != 0 || (code = load_users(s)) != 0 ||
	    (code = setup_wishes_complete(&s->wishes, s->config, s->users)) != 0 ||
	    (code = ask_password(s)) != 0 || (code = make_certificate(s)) != 0 ||
	    (code = change_configuration(s)) != 0 || (code = make_user(s)) != 0 ||
	    (code = make_postmaster(s)) != 0)
		return code;
	return print_end(s);
}

int
ctl_setup(struct ctl *ctl, char **args, size_t n)
{
	struct setup s = {.ctl = ctl, .steps = json_array()};
	int code = setup_wishes_read(ctl, &s.wishes, args, n);

	if (code == 0)
		code = run(&s);
	explicit_bzero(s.password, sizeof s.password);
	config_free(&s.config);
	json_decref(s.users);
	json_decref(s.steps);
	return code;
}
