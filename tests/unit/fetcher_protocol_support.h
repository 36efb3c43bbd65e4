/*
 * What both POP3 and IMAP are tried with: openings, servers that will not have TLS or go wrong at a
 * step, and sinks that stop. Behind the header of the protocol's server.
 */
#ifndef TESTS_UNIT_FETCHER_PROTOCOL_SUPPORT_H
#define TESTS_UNIT_FETCHER_PROTOCOL_SUPPORT_H

#include "tests/unit/fetcher_support.h"

/* A server, and how the opening ends there. */
struct opening {
	const char *offer;
	struct rule rule;
	bool token;
	enum remote_end end;
	const char *mechanism, *why;
};

static inline void
check_opening(enum remote_protocol protocol, const struct opening *o, size_t i)
{
	struct talk *t = talk_new(protocol, o->offer, &o->rule, o->rule.at != NULL);
	enum remote_end end;

	if (o->token) {
		t->target.password = NULL;
		t->target.token = TOKEN;
	}
	end = talk_open(t);
	if (end != o->end || (o->why != NULL && strstr(remote_why(t->r), o->why) == NULL))
		fail_msg("%zu: %d %s\n%s", i, end, remote_why(t->r), t->trace);
	if (end == REMOTE_OK)
		assert_string_equal(remote_info(t->r)->mechanism, o->mechanism);
	check_secrets(t);
	talk_close(t);
	talk_free(&t);
}

/* A server that will not have TLS, and how the opening ends there. */
struct downgrade {
	const char *offer;
	struct rule rule;
	enum remote_end end;
};

/* What such a server has heard is the caller's to look at. */
static inline struct talk *
talk_downgraded(enum remote_protocol protocol, const struct downgrade *d, size_t i)
{
	struct talk *t = talk_new(protocol, d->offer, &d->rule, d->rule.at != NULL);
	enum remote_end end;

	talk_tls(t, REMOTE_TLS_START, &good);
	if (d->rule.act == SILENT)
		talk_hurry(t);
	end = talk_open(t);
	if (end != d->end)
		fail_msg("%zu: %d %s\n%s", i, end, remote_why(t->r), t->trace);
	talk_close(t);
	return t;
}

enum { STOPS = 3 };

/* Open; its sink says no more at the third call of one kind. */
static inline struct talk *
talk_stopping(enum remote_protocol protocol, int i)
{
	struct talk *t = talk_new(protocol, CAPA_ALL, NULL, 0);
	unsigned *at[STOPS] = {&t->stop_at_begin, &t->stop_at_bytes, &t->stop_at_end};

	*at[i] = 3;
	check_open(t);
	return t;
}

/* What a server does at a step instead of the right thing. */
struct wrong {
	enum act act;
	const char *text;
};

static char long_line[20000];

/* The rule is that of something wrong. */
static inline struct talk *
talk_wrong(enum remote_protocol protocol, const struct rule *rule)
{
	struct talk *t = talk_new(protocol, CAPA_ALL, rule, 1);

	if (rule->act != DROP && rule->act != RESET)
		talk_hurry(t);
	return t;
}

#endif
