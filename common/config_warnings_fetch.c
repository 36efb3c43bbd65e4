/*
 * What there is to say of [fetch NAME] beyond its single values: what a section lacks to be of use,
 * and what it says in vain. Looks at the rights of mail.ini and of commands; changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/command_line.h"
#include "common/config_private.h"
#include "common/host_port.h"
#include "common/memory.h"

static const char *
text_of(const struct config *c, const struct config_section *s, const char *key)
{
	return config_text(c, s->name, key);
}

static void
warn_missing(struct config *c, const struct config_section *s)
{
	static const char *const instead[] = {"Password", "OAuth Token Endpoint"};
	static const char *const keys[] = {
	    "Server", "User", "Routing", "OAuth Client ID", "OAuth Refresh Token"};
	bool command = text_of(c, s, "OAuth Token Command")[0] != '\0';
	bool oauth = !command && text_of(c, s, "OAuth Token Endpoint")[0] != '\0';

	for (size_t i = 0; i < (oauth ? nitems(keys) : 3); i++)
		if (text_of(c, s, keys[i])[0] == '\0')
			config_problem_in(
			    c, s, NULL, true, "has no %s: it is not collected", keys[i]);
	if (!oauth && !command && text_of(c, s, "Password")[0] == '\0')
		config_problem_in(c, s, NULL, true, "has no Password: it is not collected");
	for (size_t i = 0; i < nitems(instead); i++)
		if ((i == 0 ? oauth || command : command) && text_of(c, s, instead[i])[0] != '\0')
			config_problem_in(c, s, instead[i], true,
			    "has no effect with an OAuth Token %s",
			    command ? "Command" : "Endpoint");
}

/* An error, for nothing could be collected; but only who looks at other files can say so. */
static void
check_command(struct config *c, const struct config_section *s)
{
	static const char key[] = "OAuth Token Command";
	char *text = xstrdup(text_of(c, s, key)), *words[COMMAND_WORDS_MAX + 1];
	struct stat st;

	if (command_line_split(text, words) > 0) {
		if (stat(words[0], &st) == -1)
			config_problem_in(c, s, key, false, "%s: %s", words[0], strerror(errno));
		else if (!S_ISREG(st.st_mode) || access(words[0], X_OK) == -1)
			config_problem_in(c, s, key, false, "%s cannot be executed", words[0]);
	}
	free(text);
}

static void
warn_mailbox(struct config *c, const struct config_section *s, const char *key, const char *name)
{
	if (config_entry_find(c, name) != NULL)
		config_problem_in(c, s, key, true,
		    "%s is an alias or a forward: the mail goes where that leads", name);
	else if (config_names_nobody(c, name))
		config_problem_in(c, s, key, true,
		    "there is no mailbox %s: what would go there stays at the server", name);
}

static void
warn_routing(struct config *c, const struct config_section *s)
{
	const char *routing = text_of(c, s, "Routing"), *unknown = text_of(c, s, "Unknown Mailbox");

	if (strncmp(routing, "mailbox ", 8) == 0) {
		warn_mailbox(c, s, "Routing", routing + 8);
		if (unknown[0] != '\0')
			config_problem_in(c, s, "Unknown Mailbox", true,
			    "has no effect with Routing = %s", routing);
		return;
	}
	if (routing[0] != '\0' && unknown[0] == '\0')
		config_problem_in(c, s, "Routing", true,
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
		config_problem_in(
		    c, s, "At Server", true, "POP3 cannot do that: the messages are left");
	if (strcmp(text_of(c, s, "Folders"), "INBOX") != 0)
		config_problem_in(c, s, "Folders", true, "POP3 has one folder only");
}

static void
warn_in_clear(struct config *c, const struct config_section *s)
{
	struct host_port at;

	if (strcmp(text_of(c, s, "TLS"), "none") == 0 &&
	    host_port_parse(span_of(text_of(c, s, "Server")), &at) && !host_port_is_loopback(&at))
		config_problem_in(c, s, "TLS", true,
		    "none: the password and the mail can be overheard on the way");
}

static void
warn_rights(struct config *c, const struct config_section *s)
{
	char *path = xasprintf("%s/config/mail.ini", c->root);
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		config_problem_in(c, s, "Password", true,
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

		if (!config_section_is_a(s, "fetch *"))
			continue;
		warn_missing(c, s);
		check_command(c, s);
		warn_routing(c, s);
		warn_protocol(c, s);
		warn_in_clear(c, s);
		if (!secret && has_secret(c, s)) {
			warn_rights(c, s);
			secret = true;
		}
	}
}
