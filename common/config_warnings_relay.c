/*
 * What a configuration without errors should still be told about mail for other hosts: the SMTP
 * Server, its login, and lines of [routes]. Looks at the rights of config.ini; changes nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/config_private.h"
#include "common/host_port.h"
#include "common/memory.h"

enum { SMTP_PORT = 25 };

static const char *
common_text(const struct config *c, const char *key)
{
	return config_text(c, "common", key);
}

static bool
is_set(const struct config *c, const char *key)
{
	return common_text(c, key)[0] != '\0';
}

/* ---- the login ---- */

static void
warn_half_login(struct config *c)
{
	bool user = is_set(c, "SMTP Server User"), password = is_set(c, "SMTP Server Password");

	if (user && !password)
		config_warn_key(c, "common", "SMTP Server User",
		    "needs SMTP Server Password, which is missing: the login is tried without one");
	if (password && !user)
		config_warn_key(c, "common", "SMTP Server Password",
		    "needs SMTP Server User, which is missing: nobody logs in");
}

static void
warn_login(struct config *c, const struct host_port *at)
{
	if (is_set(c, "SMTP Server User") &&
	    strcmp(common_text(c, "SMTP Server TLS"), "none") == 0 &&
	    !config_bool(c, "common", "SMTP Server AUTH Without TLS") && !host_port_is_loopback(at))
		config_warn_key(c, "common", "SMTP Server TLS",
		    "is none, and SMTP Server AUTH Without TLS is false: no login is possible");
}

static void
warn_readable_password(struct config *c)
{
	struct stat st;
	char *path;

	if (!is_set(c, "SMTP Server Password"))
		return;
	path = xasprintf("%s/config/config.ini", c->root);
	if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		config_warn_key(c, "common", "SMTP Server Password",
		    "every user of this host can read it: the file's mode is 0%o, right is 0640",
		    (unsigned)st.st_mode & 07777);
	free(path);
}

/* ---- the server ---- */

static void
warn_no_server(struct config *c)
{
	if (!config_bool(c, "smtpd", "Use MTA"))
		config_warn_key(c, "smtpd", "Use MTA",
		    "is false and there is no SMTP Server: only local mail is accepted, and what "
		    "[routes] has a host for");
	if (is_set(c, "SMTP Server User"))
		config_warn_key(
		    c, "common", "SMTP Server User", "has no effect without an SMTP Server");
	for (size_t i = 0; i < c->n_entries; i++)
		if (c->entries[i].section == ENTRIES_ROUTES &&
		    strcmp(c->entries[i].canonical, "smart host") == 0)
			config_problem(c->problems, true, "mail.ini", c->entries[i].line,
			    "%s: there is no SMTP Server: this mail is refused", c->entries[i].key);
}

static void
warn_server(struct config *c, const struct host_port *at)
{
	char own[CONFIG_SERVER_NAME_SIZE];

	config_server_name(c, own);
	if (strcasecmp(own, at->host) == 0 && (at->port == 0 || at->port == SMTP_PORT))
		config_warn_key(c, "common", "SMTP Server",
		    "%s is this server itself: its mail would go in a circle", at->host);
	warn_login(c, at);
}

static void
warn_local_routes(struct config *c)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct config_entry *e = &c->entries[i];

		if (e->section == ENTRIES_ROUTES && strchr(e->key, '*') == NULL &&
		    config_is_local_domain(c, e->key))
			config_problem(c->problems, true, "mail.ini", e->line,
			    "%s: has no effect: the domain is local", e->key);
	}
}

void
config_warn_relaying(struct config *c)
{
	const char *server = common_text(c, "SMTP Server");
	struct host_port at;

	warn_local_routes(c);
	warn_readable_password(c);
	warn_half_login(c);
	if (host_port_parse(span_of(server), &at))
		warn_server(c, &at);
	else
		warn_no_server(c);
}
