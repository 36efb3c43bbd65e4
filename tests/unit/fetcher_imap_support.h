/*
 * An IMAP server for tests of the client: a folder, of which nothing is lost.
 */
#ifndef TESTS_FETCHER_IMAP_SUPPORT_H
#define TESTS_FETCHER_IMAP_SUPPORT_H

#define SERVER_GREETING "* OK ready\r\n"
#include "tests/unit/common_peer_support.h"

#define CAPA_ALL \
	"IMAP4rev1 STARTTLS SASL-IR ID IDLE MOVE UIDPLUS AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2"

static struct {
	uint32_t uid;
	const char *text; /* NULL: it has gone since it was listed */
	bool marked;	  /* \Deleted */
} box[2000];
static size_t n_box;
static bool uid_late; /* BODY[] comes in front of UID */

/* The tagged answer of a command, unless a rule has one; %s of a rule's text is the tag. */
static inline void
answer_it(struct server *v, const char *at, struct span tag, const char *usual)
{
	char text[300];

	v->obeyed = NULL;
	if (server_rule(v, at))
		return;
	snprintf(text, sizeof text, "%.*s %s\r\n", (int)tag.len, tag.at, usual);
	server_say_text(v, text);
}

/* The same where the rule is SAY with "NO ..." and the tag belongs in front. */
static inline bool
refuse_it(struct server *v, const char *at, struct span tag)
{
	for (size_t i = 0; i < v->n_rules; i++)
		if (strcmp(v->rules[i].at, at) == 0 && v->rules[i].act == SAY &&
		    strncmp(v->rules[i].text, "NO", 2) == 0 &&
		    (v->rules[i].nth == 0 || v->rules[i].nth == 1)) {
			char text[300];

			snprintf(text, sizeof text, "%.*s %s\r\n", (int)tag.len, tag.at,
			    v->rules[i].text);
			server_say_text(v, text);
			return true;
		}
	return false;
}

static inline bool
in_set(const char *set, uint32_t uid)
{
	for (const char *at = set; *at != '\0' && *at != ' ';) {
		char *end;
		uint32_t a = strtoul(at, &end, 10), b = a;

		if (*end == ':' && end[1] == '*') {
			b = UINT32_MAX;
			end += 2;
		} else if (*end == ':') {
			b = strtoul(end + 1, &end, 10);
		}
		if (uid >= a && uid <= b)
			return true;
		at = *end == ',' ? end + 1 : end;
		if (end == at && *at != ',')
			break;
	}
	return false;
}

static inline void
say_search(struct server *v, const char *keys)
{
	bool deleted = strncmp(keys, "DELETED", 7) == 0;
	char text[20];

	server_say_text(v, "* SEARCH");
	for (size_t i = 0; i < n_box && !v->gone; i++)
		if (deleted ? box[i].marked : in_set(keys + 4, box[i].uid)) {
			snprintf(text, sizeof text, " %u", box[i].uid);
			server_say_text(v, text);
		}
	server_say_text(v, "\r\n");
}

static inline void
say_fetched(struct server *v, size_t i, bool body, bool header)
{
	static char all[200000];
	const char *text = header ? "Subject: top\r\n\r\n" : box[i].text;
	const char *name = header ? "BODY[HEADER]" : "BODY[]";

	if (box[i].text == NULL)
		return;
	if (!body)
		snprintf(all, sizeof all,
		    "* %zu FETCH (UID %u RFC822.SIZE %zu FLAGS (\\Seen%s $x) X (a (b) "
		    "{3}\r\nxyz))\r\n",
		    i + 1, box[i].uid, strlen(box[i].text), box[i].marked ? " \\Deleted" : "");
	else if (uid_late)
		snprintf(all, sizeof all, "* %zu FETCH (%s {%zu}\r\n%s UID %u)\r\n", i + 1, name,
		    strlen(text), text, box[i].uid);
	else
		snprintf(all, sizeof all,
		    "* 9 EXISTS\r\n* %zu FETCH (FLAGS ())\r\n* %zu FETCH (UID %u %s "
		    "{%zu}\r\n%s)\r\n",
		    i + 1, i + 1, box[i].uid, name, strlen(text), text);
	server_say_text(v, all);
}

static inline void
say_fetch(struct server *v, const char *set)
{
	bool body = strstr(set, "BODY.PEEK[") != NULL, header = strstr(set, "[HEADER]") != NULL;

	for (size_t i = 0; i < n_box && !v->gone; i++)
		if (in_set(set, box[i].uid))
			say_fetched(v, i, body, header);
}

static inline void
do_store(const char *set)
{
	bool add = strstr(set, " +FLAGS") != NULL;

	for (size_t i = 0; i < n_box; i++)
		if (in_set(set, box[i].uid) && strstr(set, "\\Deleted") != NULL)
			box[i].marked = add;
}

static inline void
server_auth(struct server *v, struct span tag, struct span rest)
{
	unsigned lines = memmem(rest.at, rest.len, "LOGIN", 5) != NULL ? 2 : 1;
	struct span line;

	lines = memchr(rest.at, ' ', rest.len) != NULL ? 0 : lines;
	for (; lines > 0; lines--) {
		v->obeyed = NULL;
		if (!server_reply(v, "AUTHENTICATE", "+ \r\n") &&
		    (v->obeyed->text == NULL || v->obeyed->text[0] != '+'))
			return;
		if (v->gone || !server_line(v, &line))
			return;
	}
	answer_it(v, "AUTHENTICATE", tag, "OK in");
}

static inline void
server_uid(struct server *v, struct span tag, const char *rest)
{
	char verb[20] = "";
	const char *args = strchr(rest, ' ');

	if (args == NULL)
		return;
	args++;
	snprintf(verb, sizeof verb, "%.*s", (int)(args - 1 - rest), rest);
	if (refuse_it(v, verb, tag))
		return;
	v->obeyed = NULL;
	for (size_t i = 0; i < v->n_rules; i++)
		if (strcmp(v->rules[i].at, verb) == 0) {
			answer_it(v, verb, tag, "OK done");
			return;
		}
	if (strcmp(verb, "SEARCH") == 0)
		say_search(v, args);
	else if (strcmp(verb, "FETCH") == 0)
		say_fetch(v, args);
	else if (strcmp(verb, "STORE") == 0)
		do_store(args);
	answer_it(v, verb, tag, "OK done");
}

static inline void
server_idle(struct server *v, struct span tag)
{
	struct span line;

	if (!server_reply(v, "IDLE", "+ idling\r\n"))
		return;
	if (server_rule(v, "idling"))
		return;
	if (server_line(v, &line))
		answer_it(v, "DONE", tag, "OK done");
}

static inline void
server_command(struct server *v, struct span line)
{
	char text[16384], *verb, *rest, capability[500];
	struct span tag;

	if (!span_copy(line, text, sizeof text) || (verb = strchr(text, ' ')) == NULL)
		return;
	tag = (struct span){text, verb++ - text};
	if ((rest = strchr(verb, ' ')) != NULL)
		*rest++ = '\0';
	else
		rest = verb + strlen(verb);
	if (strcmp(verb, "UID") == 0) {
		server_uid(v, tag, rest);
		return;
	}
	if (refuse_it(v, verb, tag))
		return;
	if (strcmp(verb, "CAPABILITY") == 0) {
		snprintf(capability, sizeof capability, "* CAPABILITY %s\r\n", v->offer);
		if (server_reply(v, "CAPABILITY", capability))
			answer_it(v, "CAPABILITY.", tag, "OK");
	} else if (strcmp(verb, "STARTTLS") == 0) {
		answer_it(v, "STARTTLS", tag, "OK go");
		if (!v->gone && v->obeyed == NULL)
			server_handshake(v);
	} else if (strcmp(verb, "AUTHENTICATE") == 0) {
		server_auth(v, tag, span_of(rest));
	} else if (strcmp(verb, "LOGIN") == 0) {
		for (unsigned n = rest[0] == '{' ? 2 : 0; n > 0 && !v->gone; n--) {
			server_say_text(v, "+ go on\r\n");
			if (!server_line(v, &line))
				return;
		}
		answer_it(v, "LOGIN", tag, "OK in");
	} else if (strcmp(verb, "ID") == 0) {
		if (server_reply(v, "ID", "* ID (\"name\" \"Test\" \"version\" \"1.0\")\r\n"))
			answer_it(v, "ID.", tag, "OK");
	} else if (strcmp(verb, "LIST") == 0) {
		if (server_reply(v, "LIST",
			"* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
			"* LIST (\\Noselect) \"/\" \"none\"\r\n"
			"* LIST () NIL \"a \\\"quoted\\\" name\"\r\n"
			"* LIST () \"/\" {7}\r\nliteral\r\n"
			"* LIST () \"/\" inbox2 (\"CHILDINFO\" (\"x\"))\r\n"
			"* LIST () \"/\" {2}\r\n\r\n\r\n"
			"* LIST () \"/\" \"INBOX\"\r\n"))
			answer_it(v, "LIST.", tag, "OK");
	} else if (strcmp(verb, "SELECT") == 0 || strcmp(verb, "EXAMINE") == 0) {
		snprintf(capability, sizeof capability,
		    "* %zu EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen)\r\n"
		    "* OK [UIDVALIDITY 77] x\r\n* OK [UIDNEXT 9]\r\n",
		    n_box);
		if (server_reply(v, "SELECT", capability))
			answer_it(v, "SELECT.", tag,
			    verb[0] == 'E' ? "OK [READ-ONLY] x" : "OK [READ-WRITE] x");
	} else if (strcmp(verb, "STATUS") == 0) {
		snprintf(capability, sizeof capability,
		    "* STATUS %.*s (MESSAGES %zu UIDNEXT 9 UIDVALIDITY 77)\r\n",
		    (int)(strchr(rest, '(') - rest - 1), rest, n_box);
		(void)server_reply(v, "STATUS", capability);
		if (!v->gone)
			answer_it(v, "STATUS.", tag, "OK");
	} else if (strcmp(verb, "NOTIFY") == 0) {
		(void)server_reply(v, strcmp(rest, "NONE") == 0 ? "NONE" : "NOTIFY", "");
		if (!v->gone)
			answer_it(v, "NOTIFY.", tag, "OK");
	} else if (strcmp(verb, "IDLE") == 0) {
		server_idle(v, tag);
	} else if (strcmp(verb, "LOGOUT") == 0) {
		if (server_reply(v, "LOGOUT", "* BYE bye\r\n"))
			answer_it(v, "LOGOUT.", tag, "OK");
	} else if (strcmp(verb, "EXPUNGE") == 0) {
		answer_it(v, "EXPUNGE", tag, "OK");
	} else if (strcmp(verb, "CREATE") == 0) {
		answer_it(v, "CREATE", tag, "OK");
	} else {
		answer_it(v, "?", tag, "BAD what?");
	}
}

#include "tests/unit/fetcher_support.h"

#endif
