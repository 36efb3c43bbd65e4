/*
 * An SMTP server for tests of the client.
 */
#ifndef TESTS_ROUTER_SMTP_SUPPORT_H
#define TESTS_ROUTER_SMTP_SUPPORT_H

#define SERVER_GREETING "220 test.example ESMTP\r\n"
#include "tests/unit/common_peer_support.h"

static inline void
server_ehlo(struct server *v)
{
	struct span rest = span_of(v->offer), line;

	if (server_rule(v, "EHLO"))
		return;
	server_say_text(v, rest.len > 0 ? "250-test.example hello\r\n" : "250 test.example\r\n");
	while (rest.len > 0) {
		char text[1000];

		span_take(&rest, '\n', &line);
		snprintf(text, sizeof text, "250%c%.*s\r\n", rest.len > 0 ? '-' : ' ',
		    (int)line.len, line.at);
		server_say_text(v, text);
	}
}

static inline void
server_data(struct server *v)
{
	struct span line;

	if (!server_reply(v, "DATA", "354 go\r\n"))
		return;
	v->body_len = 0;
	while (server_line(v, &line) && !span_is(line, ".")) {
		size_t skip = line.len > 0 && line.at[0] == '.';

		memcpy(v->body + v->body_len, line.at + skip, line.len - skip);
		v->body_len += line.len - skip;
		memcpy(v->body + v->body_len, "\r\n", 2);
		v->body_len += 2;
	}
	if (!v->gone && server_reply(v, "end", "250 2.0.0 taken\r\n"))
		v->n_messages++;
}

static inline void
server_bdat(struct server *v, struct span line)
{
	size_t n = strtoul(line.at + 5, NULL, 10);

	v->n_chunks++;
	v->body_len = 0;
	if (server_rule(v, "BDAT"))
		return;
	if (server_bytes(v, n) && server_reply(v, "end", "250 2.0.0 taken\r\n"))
		v->n_messages++;
}

/* True when the reply was a 334, so that a further line of the login follows. */
static inline bool
server_asks(struct server *v, const char *at, const char *usual)
{
	v->obeyed = NULL;
	server_reply(v, at, usual);
	return strncmp(v->obeyed != NULL && v->obeyed->text != NULL ? v->obeyed->text : usual,
		   "334", 3) == 0;
}

static inline void
server_auth(struct server *v, struct span line)
{
	bool plain = line.len > 11 && strncmp(line.at, "AUTH PLAIN ", 11) == 0;

	if (!server_asks(v, "AUTH", plain ? "235 2.7.0 in\r\n" : "334 VXNlcm5hbWU6\r\n"))
		return;
	while (!v->gone && server_line(v, &line))
		if (!server_asks(v, "auth", "235 2.7.0 in\r\n"))
			return;
}

static inline void
server_command(struct server *v, struct span line)
{
	static const char *const plain[][2] = {{"HELO", "250 test.example\r\n"},
	    {"MAIL", "250 2.1.0 ok\r\n"}, {"RCPT", "250 2.1.5 ok\r\n"},
	    {"RSET", "250 2.0.0 ok\r\n"}, {"QUIT", "221 2.0.0 bye\r\n"}};

	for (size_t i = 0; i < nitems(plain); i++)
		if (line.len >= 4 && strncmp(line.at, plain[i][0], 4) == 0) {
			server_reply(v, plain[i][0], plain[i][1]);
			return;
		}
	if (strncmp(line.at, "EHLO", 4) == 0)
		server_ehlo(v);
	else if (strncmp(line.at, "DATA", 4) == 0)
		server_data(v);
	else if (strncmp(line.at, "BDAT", 4) == 0)
		server_bdat(v, line);
	else if (strncmp(line.at, "AUTH", 4) == 0)
		server_auth(v, line);
	else if (strncmp(line.at, "STARTTLS", 8) == 0) {
		if (server_reply(v, "STARTTLS", "220 2.0.0 go\r\n"))
			server_handshake(v);
	} else
		server_say_text(v, "500 5.5.1 what?\r\n");
}

#endif
