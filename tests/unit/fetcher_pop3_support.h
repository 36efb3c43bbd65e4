/*
 * A POP3 server for tests of the client: a maildrop that stays as it is.
 */
#ifndef TESTS_FETCHER_POP3_SUPPORT_H
#define TESTS_FETCHER_POP3_SUPPORT_H

#define SERVER_GREETING "+OK ready\r\n"
#include "tests/unit/common_peer_support.h"

#define CAPA_ALL "UIDL\nTOP\nUSER\nPIPELINING\nSTLS\nSASL PLAIN LOGIN\nIMPLEMENTATION Test 1.0"

static struct {
	const char *id, *text; /* without an id: it is left out of UIDL */
} drop[2000];
static size_t n_drop;

static inline void
say_list(struct server *v, const char *verb, bool ids)
{
	if (!server_reply(v, verb, "+OK\r\n"))
		return;
	for (size_t i = 0; i < n_drop && !v->gone; i++) {
		char line[400];

		if (ids && drop[i].id == NULL)
			continue;
		if (ids)
			snprintf(line, sizeof line, "%zu %s\r\n", i + 1, drop[i].id);
		else
			snprintf(line, sizeof line, "%zu %zu\r\n", i + 1, strlen(drop[i].text));
		server_say_text(v, line);
	}
	server_say_text(v, ".\r\n");
}

/* With a dot more in front of each line that has one. */
static inline void
say_message(struct server *v, const char *verb, const char *text)
{
	char all[200000] = "+OK\r\n";
	size_t n = strlen(all);

	if (server_rule(v, verb))
		return;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '.' && (at == text || at[-1] == '\n'))
			all[n++] = '.';
		all[n++] = *at;
	}
	n += strlcpy(all + n, n > 6 && all[n - 1] != '\n' ? "\r\n.\r\n" : ".\r\n", 6);
	server_say(v, all, n);
}

static inline void
say_capabilities(struct server *v)
{
	struct span rest = span_of(v->offer), line;

	if (v->offer[0] == '\0') {
		server_reply(v, "CAPA", "-ERR what?\r\n");
		return;
	}
	if (!server_reply(v, "CAPA", "+OK\r\n"))
		return;
	while (rest.len > 0) {
		char text[1000];

		span_take(&rest, '\n', &line);
		snprintf(text, sizeof text, "%.*s\r\n", (int)line.len, line.at);
		server_say_text(v, text);
	}
	server_say_text(v, ".\r\n");
}

/* Whatever is said, until a rule or the usual end. */
static inline void
hear_auth(struct server *v, struct span line)
{
	bool initial = false, login = memmem(line.at, line.len, "LOGIN", 5) != NULL;
	const char *at = "AUTH", *said;
	unsigned lines = login ? 2 : 1;

	for (size_t i = 5; i < line.len; i++)
		initial |= line.at[i] == ' ';
	do {
		said = initial || lines == 0 ? "+OK in\r\n" : "+ \r\n";
		v->obeyed = NULL;
		server_reply(v, at, said);
		if (v->obeyed != NULL)
			said = v->obeyed->text != NULL ? v->obeyed->text : "";
		at = "auth";
		if (lines > 0)
			lines--;
	} while (!v->gone && said[0] == '+' && said[1] == ' ' && server_line(v, &line));
}

static inline void
server_command(struct server *v, struct span line)
{
	static const char *const plain[][2] = {{"USER", "+OK\r\n"}, {"UTF8", "+OK\r\n"},
	    {"PASS", "+OK in\r\n"}, {"DELE", "+OK\r\n"}, {"QUIT", "+OK bye\r\n"}};
	const char *blank = memchr(line.at, ' ', line.len);
	size_t number = blank != NULL ? strtoul(blank, NULL, 10) : 0;
	char stat[40];

	for (size_t i = 0; i < nitems(plain); i++)
		if (line.len >= 4 && strncmp(line.at, plain[i][0], 4) == 0) {
			server_reply(v, plain[i][0], plain[i][1]);
			return;
		}
	if (span_is(line, "CAPA"))
		say_capabilities(v);
	else if (span_is(line, "STLS")) {
		if (server_reply(v, "STLS", "+OK go\r\n"))
			server_handshake(v);
	} else if (span_is(line, "STAT")) {
		snprintf(stat, sizeof stat, "+OK %zu 1000\r\n", n_drop);
		server_reply(v, "STAT", stat);
	} else if (span_is(line, "LIST"))
		say_list(v, "LIST", false);
	else if (span_is(line, "UIDL"))
		say_list(v, "UIDL", true);
	else if (strncmp(line.at, "AUTH", 4) == 0)
		hear_auth(v, line);
	else if (number < 1 || number > n_drop)
		server_say_text(v, "-ERR no such message\r\n");
	else if (strncmp(line.at, "RETR", 4) == 0)
		say_message(v, "RETR", drop[number - 1].text);
	else if (strncmp(line.at, "TOP", 3) == 0)
		say_message(v, "TOP", "Subject: top\r\n\r\n");
	else
		server_say_text(v, "-ERR what?\r\n");
}

#include "tests/unit/fetcher_support.h"

#endif
