/*
 * What a configuration should be told about that is no error. Looks for mailboxes below the mail
 * directory; changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"
#include "common/config_private.h"
#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"

void
config_warn_key(struct config *c, const char *section, const char *key, const char *format, ...)
{
	size_t i = config_index(section, key);
	char text[2048];
	va_list ap;

	if (c->values[i].doubtful)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	config_problem(
	    c->problems, true, config_keys[i].file, c->values[i].line, "%s: %s", key, text);
}

void
config_problem_in(struct config *c, const struct config_section *s, const char *key, bool warning,
    const char *format, ...)
{
	unsigned line = s->line;
	char text[2048];
	va_list ap;

	if (warning && s->doubtful)
		return;
	for (size_t i = 0; key != NULL && i < s->n; i++)
		if (strcmp(config_keys[s->first + i].key, key) == 0 && s->values[i].line != 0)
			line = s->values[i].line;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	config_problem(c->problems, warning, config_keys[s->first].file, line, "[%s]%s%s: %s",
	    s->name, key != NULL ? " " : "", key != NULL ? key : "", text);
}

/* ---- single keys ---- */

/* Set to something that is not what it would be anyway. */
static bool
differs_from_preset(const struct config *c, size_t i)
{
	const struct config_key *key = &config_keys[i];
	char *preset, *why;
	bool differs;

	if (c->values[i].written == NULL)
		return false;
	if (key->preset == NULL)
		return true;
	if (config_normalize(key, c->root, span_of(key->preset), &preset, &why) == -1)
		fatalx("the preset of %s: %s", key->key, why);
	differs = strcmp(c->values[i].text, preset) != 0;
	free(preset);
	return differs;
}

static void
warn_not_yet(struct config *c)
{
	for (size_t i = 0; i < n_config_keys; i++)
		if (config_keys[i].not_yet != NULL && differs_from_preset(c, i))
			config_warn_key(c, config_keys[i].section, config_keys[i].key,
			    "has no effect yet; it comes with %s", config_keys[i].not_yet);
}

static void
warn_turned_off(struct config *c)
{
	if (!config_bool(c, "common", "Act As Mail Server"))
		config_warn_key(
		    c, "common", "Act As Mail Server", "is false: sambarctl start starts nothing");
}

static void
warn_mail_server(struct config *c)
{
	char name[CONFIG_SERVER_NAME_SIZE];

	config_server_name(c, name);
	if (strchr(name, '.') != NULL)
		return;
	if (config_text(c, "mail", "Mail Server")[0] != '\0')
		config_warn_key(c, "mail", "Mail Server",
		    "%s is not fully qualified (as example.org is)", name);
	else
		config_warn_key(c, "mail", "Mail Server",
		    "is not set, and the system's name %s is not fully qualified",
		    log_safe(span_of(name)));
}

/* ---- who may send ---- */

/* Some pattern or network that every host is in. */
static bool
has_every_host(struct span list)
{
	struct span one;
	bool more;

	do {
		more = span_take(&list, ' ', &one);
		if (one.len > 0 && strspn(one.at, "*.:") >= one.len)
			return true;
		if (one.len > 2 && memcmp(one.at + one.len - 2, "/0", 2) == 0)
			return true;
	} while (more);
	return false;
}

static void
warn_open_relay(struct config *c)
{
	if (config_bool(c, "smtpd", "Require AUTH"))
		return;
	if (!config_bool(c, "smtpd", "Restrict Relay"))
		config_warn_key(c, "smtpd", "Restrict Relay",
		    "is false, as Require AUTH is: an open relay, which takes mail from anybody to "
		    "anybody");
	else if (has_every_host(span_of(config_text(c, "smtpd", "Restrict Relay IPs"))))
		config_warn_key(c, "smtpd", "Restrict Relay IPs",
		    "has every host in it and Require AUTH is false: whoever knows a local address "
		    "may relay under it");
}

/* ---- where local mail goes ---- */

/* What is needed to say where a local name leads. */
struct local {
	struct config *c;
	char server[CONFIG_SERVER_NAME_SIZE];
	struct span domains;
	int mail; /* the mail directory, -1: it cannot be looked into */
};

static bool
is_local_domain(const struct local *l, struct span domain)
{
	return span_is_nocase(domain, l->server) || address_match_list(l->domains, domain);
}

/* unclear: the answer where it cannot be looked for. */
static bool
looks_like_mailbox(const struct local *l, const char *user, bool unclear)
{
	char path[ADDRESS_TEXT_SIZE + 16];

	if (!address_is_user_name(span_of(user)))
		return false;
	snprintf(path, sizeof path, "%s/inbox.fld", user);
	return faccessat(l->mail, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (errno == EACCES && unclear);
}

static bool
has_mailbox(const struct local *l, const char *user)
{
	return looks_like_mailbox(l, user, true);
}

static void
drop_tag(char *local)
{
	char *plus = strchr(local, '+');

	if (plus != NULL && plus != local)
		*plus = '\0';
}

/*
 * The local name that a normalized target stands for, without domain and tag. False when it is
 * another host's address. *entry is the alias or forward that it leads to, or NULL.
 */
static bool
follow(const struct local *l, struct span target, char name[ADDRESS_TEXT_SIZE],
    const struct config_entry **entry)
{
	struct span local, domain;

	*entry = NULL;
	if (!span_copy(target, name, ADDRESS_TEXT_SIZE))
		return false;
	for (char *p = name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	if ((*entry = config_entry_find(l->c, name)) != NULL)
		return true;
	address_split(span_of(name), &local, &domain);
	if (domain.len > 0 && !is_local_domain(l, domain))
		return false;
	name[local.len] = '\0';
	if ((*entry = config_entry_find(l->c, name)) == NULL) {
		drop_tag(name);
		*entry = config_entry_find(l->c, name);
	}
	return true;
}

static struct span
next_target(struct span *rest)
{
	struct span one;

	span_take(rest, ' ', &one);
	return one;
}

static bool
has_targets(const struct config_entry *e)
{
	return e->section == ENTRIES_ALIASES || e->section == ENTRIES_FORWARD;
}

/*
 * What the target of an entry that names the entry itself means: the mailbox of that name. False
 * when it is an address of another host.
 */
static bool
own_mailbox(const struct local *l, char name[ADDRESS_TEXT_SIZE])
{
	struct span local, domain;

	address_split(span_of(name), &local, &domain);
	if (domain.len > 0 && !is_local_domain(l, domain))
		return false;
	name[local.len] = '\0';
	drop_tag(name);
	return true;
}

static void
warn_targets_of(const struct local *l, const struct config_entry *e)
{
	struct span rest = span_of(e->canonical);
	char name[ADDRESS_TEXT_SIZE];
	const struct config_entry *next;

	while (rest.len > 0) {
		struct span target = next_target(&rest);

		if (span_is(target, "null") || !follow(l, target, name, &next) ||
		    (next != NULL && (next != e || !own_mailbox(l, name))) || has_mailbox(l, name))
			continue;
		config_problem(l->c->problems, true, "mail.ini", e->line,
		    next == e ? "%s: target %s means the mailbox, which is not there"
			      : "%s: target %s is neither a mailbox nor an alias",
		    e->key, log_safe(target));
	}
}

/* Whether the mailbox of an entry's own name is among its targets. */
static bool
keeps_its_mail(const struct local *l, const struct config_entry *e)
{
	struct span rest = span_of(e->canonical);
	char name[ADDRESS_TEXT_SIZE];
	const struct config_entry *next;

	while (rest.len > 0)
		if (follow(l, next_target(&rest), name, &next) && next == e && own_mailbox(l, name))
			return true;
	return false;
}

/* An entry comes before the mailbox of its name. One for a complete address takes only a part of
 * the mailbox's mail, which is what it is for. */
static bool
takes_all_mail(const struct local *l, const struct config_entry *e)
{
	return looks_like_mailbox(l, e->key, false) && !keeps_its_mail(l, e);
}

/* A forward is there to take it. */
static void
warn_taken_mail(const struct local *l, const struct config_entry *e)
{
	if (e->section == ENTRIES_ALIASES && takes_all_mail(l, e))
		config_problem(l->c->problems, true, "mail.ini", e->line,
		    "%s: %s is a mailbox, too, and gets no more mail", e->name, e->key);
}

static void
warn_names(const struct local *l)
{
	const char *unknown = config_text(l->c, "smtpd", "Unknown Mailbox");

	for (size_t i = 0; i < l->c->n_entries; i++)
		if (has_targets(&l->c->entries[i])) {
			warn_targets_of(l, &l->c->entries[i]);
			warn_taken_mail(l, &l->c->entries[i]);
		}
	if (unknown[0] != '\0' && !has_mailbox(l, unknown))
		config_warn_key(
		    l->c, "smtpd", "Unknown Mailbox", "there is no mailbox %s", unknown);
	/* its line may be one of those that are wrong */
	if (unknown[0] == '\0' && l->c->problems->n_errors == 0 &&
	    config_entry_find(l->c, "postmaster") == NULL && !has_mailbox(l, "postmaster"))
		config_problem(l->c->problems, true, "mail.ini",
		    l->c->entry_sections[ENTRIES_ALIASES],
		    "nobody gets mail for postmaster: make it a user or an alias (RFC 5321 4.5.1)");
}

/* ---- circles ---- */

enum colour { WHITE, GREY, BLACK }; /* not seen; on the way that is being followed; done */

struct step {
	const struct config_entry *entry;
	struct span rest;
};

struct walk {
	const struct local *local;
	unsigned char *colours;
	struct step *way;
	size_t depth;
};

static unsigned char *
colour_of(struct walk *w, const struct config_entry *e)
{
	return &w->colours[e - w->local->c->entries];
}

/* The way from where it was first to where it is again: a -> b -> a. */
static void
report_circle(struct walk *w, const struct config_entry *again)
{
	char text[1024] = "";
	size_t i = 0;

	while (w->way[i].entry != again)
		i++;
	for (; i < w->depth; i++) {
		strlcat(text, w->way[i].entry->key, sizeof text);
		strlcat(text, " -> ", sizeof text);
	}
	strlcat(text, again->key, sizeof text);
	config_problem(w->local->c->problems, true, "mail.ini", again->line,
	    "%s: leads in a circle: %s", again->key, text);
}

static void
push(struct walk *w, const struct config_entry *e)
{
	*colour_of(w, e) = GREY;
	w->way[w->depth++] = (struct step){e, span_of(e->canonical)};
}

static void
walk_from(struct walk *w, const struct config_entry *start)
{
	push(w, start);
	while (w->depth > 0) {
		struct step *top = &w->way[w->depth - 1];
		const struct config_entry *next;
		char name[ADDRESS_TEXT_SIZE];

		if (top->rest.len == 0) {
			*colour_of(w, top->entry) = BLACK;
			w->depth--;
			continue;
		}
		if (!follow(w->local, next_target(&top->rest), name, &next) || next == NULL)
			continue;
		if (next == top->entry)
			continue; /* its mailbox */
		if (*colour_of(w, next) == GREY)
			report_circle(w, next);
		else if (*colour_of(w, next) == WHITE)
			push(w, next);
	}
}

static void
warn_circles(const struct local *l)
{
	size_t n = l->c->n_entries;
	struct walk w = {.local = l};

	w.colours = xcalloc(n, sizeof *w.colours);
	w.way = xcalloc(n, sizeof *w.way);
	for (size_t i = 0; i < n; i++)
		if (w.colours[i] == WHITE && has_targets(&l->c->entries[i]))
			walk_from(&w, &l->c->entries[i]);
	free(w.colours);
	free(w.way);
}

static void
open_local(struct local *l, struct config *c)
{
	*l = (struct local){.c = c, .domains = span_of(config_text(c, "smtpd", "Local Domains"))};
	config_server_name(c, l->server);
	l->mail =
	    open(config_text(c, "mail", "Mail Directory"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool
config_takes_all_mail(struct config *c, const char *section, const char *name)
{
	int which = config_entries_index(span_of(section));
	const struct config_entry *e;
	char key[ADDRESS_TEXT_SIZE];
	const char *why;
	struct local l;
	bool takes = false;

	if (which == -1 || config_entry_name(which, span_of(name), key, &why) == -1 ||
	    (e = config_entry_in(c, which, key)) == NULL || !has_targets(e))
		return false;
	open_local(&l, c);
	if (l.mail != -1)
		takes = takes_all_mail(&l, e);
	closefd(&l.mail);
	return takes;
}

bool
config_names_nobody(struct config *c, const char *name)
{
	struct local l;
	bool nobody;

	open_local(&l, c);
	nobody = l.mail != -1 && !has_mailbox(&l, name) && config_entry_find(c, name) == NULL;
	closefd(&l.mail);
	return nobody;
}

void
config_warn(struct config *c)
{
	struct local l;

	warn_turned_off(c);
	warn_mail_server(c);
	config_warn_certificates(c);
	warn_not_yet(c);
	warn_open_relay(c);
	config_warn_relaying(c);
	config_warn_fetching(c);
	open_local(&l, c);
	warn_circles(&l);
	if (l.mail != -1)
		warn_names(&l);
	closefd(&l.mail);
}
