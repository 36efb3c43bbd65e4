/*
 * The SMTP client and the server it talks to, messages for it, and what was said meanwhile. For
 * cmocka tests of router/smtp_client.c; each includes it once.
 */
#ifndef TESTS_UNIT_ROUTER_SMTP_CLIENT_SUPPORT_H
#define TESTS_UNIT_ROUTER_SMTP_CLIENT_SUPPORT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* after the ones above */
#include <cmocka.h>

#include "router/smtp_client.h"
#include "tests/unit/router_smtp_support.h"

#define ALL  "PIPELINING\nSIZE 50000000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING"
#define DATA "PIPELINING\nSIZE\n8BITMIME"
#define SLOW "8BITMIME"
#define TEXT "Subject: x\r\n\r\n.\r\n..a\r\n.b\r\n\r\n.\r\n"

static const char *const offers[] = {ALL, DATA, SLOW};

struct talk {
	struct server v;
	struct smtp_target target;
	struct smtp_session *s;
	char trace[1 << 16];
};

static inline void
on_trace(void *arg, enum smtp_trace what, struct span line)
{
	struct talk *t = arg;
	size_t len = strlen(t->trace);

	snprintf(t->trace + len, sizeof t->trace - len, "%c %.*s\n", "<>*"[what], (int)line.len,
	    line.at);
}

static inline struct talk *
talk_new(const char *offer, const struct rule *rules, size_t n_rules)
{
	struct talk *t = xcalloc(1, sizeof *t);

	t->v.offer = offer;
	t->v.rules = rules;
	t->v.n_rules = n_rules;
	server_start(&t->v);
	t->target = (struct smtp_target){.host = "mx.example",
	    .helo = "client.example",
	    .timeouts = smtp_timeouts_default,
	    .trace = on_trace,
	    .trace_arg = t};
	memcpy(&t->target.address, &t->v.address, sizeof t->v.address);
	t->s = smtp_session_new(&t->target);
	return t;
}

static inline void
talk_free(struct talk **t)
{
	smtp_quit(&(*t)->s);
	server_stop(&(*t)->v);
	free(*t);
	*t = NULL;
}

static inline int
file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (fd == -1 || write(fd, "before", 6) != 6 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	return fd;
}

static inline enum smtp_state
send_to(struct talk *t, struct span text, const struct smtp_recipient *to, size_t n,
    struct smtp_result *results)
{
	struct smtp_message m = {.fd = file_of(text.at, text.len),
	    .offset = 6,
	    .size = text.len,
	    .reverse_path = span_of("ann@client.example")};
	enum smtp_state state = smtp_send(t->s, &(struct smtp_mail){&m, to, results, n});

	close(m.fd);
	return state;
}

static inline enum smtp_state
send_one(struct talk *t, const char *text, struct smtp_result *result)
{
	struct smtp_recipient to = {.address = span_of("bob@test.example")};

	return send_to(t, span_of(text), &to, 1, result);
}

static inline bool
heard(const struct talk *t, const char *text)
{
	return memmem(t->v.heard, t->v.heard_len, text, strlen(text)) != NULL;
}

#endif
