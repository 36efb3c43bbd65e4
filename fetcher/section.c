/* Reads the settings of one section. master has judged them: what is here is right, or missing. */
#include "fetcher/section.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_port.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "common/wall_clock.h"

static const char prefix[] = "fetch ";

const char **
section_names(const struct settings *s)
{
	const char **names = xcalloc(s->n + 1, sizeof *names);
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const char *section = s->items[i].section;

		/* They come one section after the other. */
		if (strncmp(section, prefix, sizeof prefix - 1) == 0 &&
		    (n == 0 || strcmp(names[n - 1], section) != 0))
			names[n++] = section;
	}
	return names;
}

/* ---- single keys ---- */

static void
read_server(struct section_conf *c, const char *text)
{
	static const unsigned ports[2][2] = {
	    [REMOTE_POP3] = {110, 995}, [REMOTE_IMAP] = {143, 993}};
	struct host_port at;

	if (!host_port_parse(span_of(text), &at)) {
		c->host = xstrdup("");
		return;
	}
	c->host = xstrdup(at.host);
	c->port = at.port != 0 ? at.port : ports[c->protocol][c->tls == REMOTE_TLS_IMPLICIT];
}

/* The next name of a list, in quotes where it holds blanks. To be freed; NULL: no more. */
static char *
take_folder(struct span *rest)
{
	struct span name;

	*rest = span_trim(*rest);
	if (rest->len == 0)
		return NULL;
	if (rest->at[0] != '"')
		return span_text(span_take_word(rest));
	*rest = (struct span){rest->at + 1, rest->len - 1};
	span_take(rest, '"', &name);
	return span_text(name);
}

static void
read_folders(struct section_conf *c, const char *text)
{
	struct span rest = span_of(text);
	char *name;

	c->folders = xcalloc(strlen(text) + 1, sizeof *c->folders);
	while ((name = take_folder(&rest)) != NULL)
		c->folders[c->n_folders++] = name;
}

static void
read_action(struct section_conf *c, const char *text)
{
	static const char after[] = "delete after ";
	struct span rest = span_of(text);
	struct span verb = span_take_word(&rest);

	c->move_to = xstrdup("");
	if (span_is(verb, "delete")) {
		c->action = ACT_DELETE;
		if (strncmp(text, after, sizeof after - 1) == 0)
			(void)span_u64(
			    span_of(text + sizeof after - 1), UINT64_MAX, &c->act_after_s);
	} else if (span_is(verb, "seen")) {
		c->action = ACT_SEEN;
	} else if (span_is(verb, "move")) {
		c->action = ACT_MOVE;
		free(c->move_to);
		c->move_to = take_folder(&rest);
	}
	if (c->protocol == REMOTE_POP3 && (c->action == ACT_SEEN || c->action == ACT_MOVE))
		c->action = ACT_LEAVE; /* the check has said so */
}

static void
read_routing(struct section_conf *c, const char *text, const char *unknown)
{
	static const char to[] = "mailbox ";

	if (strncmp(text, to, sizeof to - 1) == 0) {
		c->routing = ROUTING_MAILBOX;
		c->mailbox = xstrdup(text + sizeof to - 1);
		return;
	}
	c->routing = strcmp(text, "all") == 0 ? ROUTING_ALL : ROUTING_LOCAL;
	c->mailbox = xstrdup(unknown);
}

/* ---- all ---- */

static void
find_missing(struct section_conf *c, const struct settings *s, const char *section)
{
	/* What a command stands for comes last. */
	static const char *const with_password[] = {"Server", "User", "Routing", "Password"};
	static const char *const with_oauth[] = {
	    "Server", "User", "Routing", "OAuth Client ID", "OAuth Refresh Token"};
	bool oauth = c->endpoint[0] != '\0' && !c->command;
	const char *const *needed = oauth ? with_oauth : with_password;
	size_t n = oauth ? nitems(with_oauth) : nitems(with_password);

	for (size_t i = 0; i < n - c->command && c->missing == NULL; i++)
		if (settings_text(s, section, needed[i])[0] == '\0')
			c->missing = xstrdup(needed[i]);
}

/* Also what it has from elsewhere. */
static char *
all_of(const struct section_conf *c, const struct settings *s, const char *section)
{
	char *all =
	    xasprintf("%s %llu %u\n", c->server, (unsigned long long)c->max_size, c->hops_max);

	for (size_t i = 0; i < s->n; i++) {
		char *longer;

		if (strcmp(s->items[i].section, section) != 0)
			continue;
		longer = xasprintf("%s%s=%s\n", all, s->items[i].key, s->items[i].value);
		explicit_bzero(all, strlen(all));
		free(all);
		all = longer;
	}
	return all;
}

struct section_conf *
section_conf_new(const struct settings *s, const char *section)
{
	struct section_conf *c = xcalloc(1, sizeof *c);
	const char *max_size = settings_text(s, section, "Maximum Message Size");
	const char *tls = settings_text(s, section, "TLS");

	c->refs = 1;
	c->name = xstrdup(section + sizeof prefix - 1);
	c->protocol =
	    strcmp(settings_text(s, section, "Protocol"), "imap") == 0 ? REMOTE_IMAP : REMOTE_POP3;
	c->tls = strcmp(tls, "none") == 0	? REMOTE_TLS_NONE
		 : strcmp(tls, "starttls") == 0 ? REMOTE_TLS_START
						: REMOTE_TLS_IMPLICIT;
	read_server(c, settings_text(s, section, "Server"));
	c->fingerprint = xstrdup(settings_text(s, section, "Certificate Fingerprint"));
	c->user = xstrdup(settings_text(s, section, "User"));
	c->password = xstrdup(settings_text(s, section, "Password"));
	c->endpoint = xstrdup(settings_text(s, section, "OAuth Token Endpoint"));
	c->client_id = xstrdup(settings_text(s, section, "OAuth Client ID"));
	c->client_secret = xstrdup(settings_text(s, section, "OAuth Client Secret"));
	c->refresh_token = xstrdup(settings_text(s, section, "OAuth Refresh Token"));
	c->command = settings_text(s, section, "OAuth Token Command")[0] != '\0';
	read_folders(c, settings_text(s, section, "Folders"));
	c->interval_s = settings_u64(s, section, "Interval");
	c->idle =
	    settings_bool(s, section, "IDLE") && c->protocol == REMOTE_IMAP && c->interval_s > 0;
	c->max_size = max_size[0] != '\0' ? settings_u64(s, section, "Maximum Message Size")
					  : settings_u64(s, "smtpd", "Maximum Message Size");
	read_action(c, settings_text(s, section, "At Server"));
	read_routing(
	    c, settings_text(s, section, "Routing"), settings_text(s, section, "Unknown Mailbox"));
	c->local_domains = xstrdup(settings_text(s, section, "Local Domains"));
	c->server = xstrdup(settings_text(s, "mail", "Mail Server"));
	c->hops_max = settings_u64(s, "smtpd", "Maximum Received Hops");
	find_missing(c, s, section);
	c->all = all_of(c, s, section);
	if (EVP_Digest(c->all, strlen(c->all), c->digest, NULL, EVP_sha256(), NULL) != 1)
		fatalx("cannot make a digest");
	return c;
}

struct section_conf *
section_conf_ref(struct section_conf *c)
{
	c->refs++;
	return c;
}

static void
free_secret(char *text)
{
	explicit_bzero(text, strlen(text));
	free(text);
}

void
section_conf_unref(struct section_conf **cp)
{
	struct section_conf *c = *cp;

	*cp = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	for (size_t i = 0; i < c->n_folders; i++)
		free(c->folders[i]);
	free(c->folders);
	free(c->name);
	free(c->host);
	free(c->fingerprint);
	free(c->user);
	free_secret(c->password);
	free(c->endpoint);
	free(c->client_id);
	free_secret(c->client_secret);
	free_secret(c->refresh_token);
	free(c->move_to);
	free(c->mailbox);
	free(c->local_domains);
	free(c->server);
	free(c->missing);
	free_secret(c->all);
	free(c);
}

struct routing_rule
section_rule(const struct section_conf *c)
{
	return (struct routing_rule){c->routing, c->mailbox, c->local_domains, c->server};
}

struct seen_policy
section_policy(const struct section_conf *c)
{
	return (struct seen_policy){.max_size = c->max_size,
	    .acts = c->action != ACT_LEAVE,
	    .act_after_s = c->act_after_s,
	    .now_s = wall_clock_now() / 1000000};
}
