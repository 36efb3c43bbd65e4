/*
 * What a configuration without errors should still be told about [fetch NAME]: what a section lacks
 * to be of use, and what it says in vain. Looks at the rights of mail.ini; changes nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/config_private.h"
#include "common/host_port.h"
#include "common/memory.h"

static const char *
text_of(const struct config *c, const struct config_section *s, const char *key)
{
	return config_text(c, s->name, key);
}

/* key NULL: of the section as a whole. */
static void __attribute__((format(printf, 4, 5)))
warn(struct config *c, const struct config_section *s, const char *key, const char *format, ...)
{
	unsigned line = s->line;
	char text[1000];
	va_list ap;

	for (size_t i = 0; key != NULL && i < s->n; i++)
		if (strcmp(config_keys[s->first + i].key, key) == 0 && s->values[i].line != 0)
			line = s->values[i].line;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	config_problem(c->problems, true, "mail.ini", line, "[%s]%s%s: %s", s->name,
	    key != NULL ? " " : "", key != NULL ? key : "", text);
}

static void
warn_missing(struct config *c, const struct config_section *s)
{
	static const char *const keys[] = {
	    "Server", "User", "Routing", "OAuth Client ID", "OAuth Refresh Token"};
	bool oauth = text_of(c, s, "OAuth Token Endpoint")[0] != '\0';

	for (size_t i = 0; i < (oauth ? nitems(keys) : 3); i++)
		if (text_of(c, s, keys[i])[0] == '\0')
			warn(c, s, NULL, "has no %s: it is not collected", keys[i]);
	if (!oauth && text_of(c, s, "Password")[0] == '\0')
		warn(c, s, NULL, "has no Password: it is not collected");
	if (oauth && text_of(c, s, "Password")[0] != '\0')
		warn(c, s, "Password", "has no effect with an OAuth Token Endpoint");
}

static void
warn_mailbox(struct config *c, const struct config_section *s, const char *key, const char *name)
{
	if (config_entry_find(c, name) != NULL)
		warn(
		    c, s, key, "%s is an alias or a forward: the mail goes where that leads", name);
}

static void
warn_routing(struct config *c, const struct config_section *s)
{
	const char *routing = text_of(c, s, "Routing"), *unknown = text_of(c, s, "Unknown Mailbox");

	if (strncmp(routing, "mailbox ", 8) == 0) {
		warn_mailbox(c, s, "Routing", routing + 8);
		if (unknown[0] != '\0')
			warn(c, s, "Unknown Mailbox", "has no effect with Routing = %s", routing);
		return;
	}
	if (routing[0] != '\0' && unknown[0] == '\0')
		warn(c, s, "Routing",
		    "there is no Unknown Mailbox: mail whose header names nobody here stays at "
		    "the server");
	else if (unknown[0] != '\0')
		warn_mailbox(c, s, "Unknown Mailbox", unknown);
}

static void
warn_protocol(struct config *c, const struct config_section *s)
{
	const char *at_server = text_of(c, s, "At Server");

	if (strcmp(text_of(c, s, "Protocol"), "imap") == 0)
		return;
	if (strcmp(at_server, "seen") == 0 || strncmp(at_server, "move ", 5) == 0)
		warn(c, s, "At Server", "POP3 cannot do that: the messages are left");
	if (strcmp(text_of(c, s, "Folders"), "INBOX") != 0)
		warn(c, s, "Folders", "POP3 has one folder only");
}

static void
warn_in_clear(struct config *c, const struct config_section *s)
{
	struct host_port at;

	if (strcmp(text_of(c, s, "TLS"), "none") == 0 &&
	    host_port_parse(span_of(text_of(c, s, "Server")), &at) && !host_port_is_loopback(&at))
		warn(c, s, "TLS", "none: the password and the mail can be overheard on the way");
}

static void
warn_rights(struct config *c, const struct config_section *s)
{
	char *path = xasprintf("%s/config/mail.ini", c->root);
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		warn(c, s, "Password",
		    "every user of this host can read it: the file's mode is 0%o, right is 0640",
		    (unsigned)st.st_mode & 07777);
	free(path);
}

static bool
has_secret(const struct config *c, const struct config_section *s)
{
	return text_of(c, s, "Password")[0] != '\0' ||
	       text_of(c, s, "OAuth Refresh Token")[0] != '\0';
}

void
config_warn_fetching(struct config *c)
{
	bool secret = false;

	for (size_t i = 0; i < c->n_sections; i++) {
		const struct config_section *s = &c->sections[i];

		warn_missing(c, s);
		warn_routing(c, s);
		warn_protocol(c, s);
		warn_in_clear(c, s);
		if (!secret && has_secret(c, s)) {
			warn_rights(c, s);
			secret = true;
		}
	}
}
