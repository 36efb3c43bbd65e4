/*
 * What every user may ask on his session, about himself only: his addresses, where his mail is
 * forwarded, and what became of messages.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "common/monotonic.h"
#include "master/control_private.h"
#include "master/own.h"

enum { CHANGE_PAUSE_US = 2 * 1000000 };

static const struct config *
config_of(const struct request *q)
{
	return request_supervisor(q)->instance->config;
}

static void
identities(struct request *q, const char *const *words, size_t n)
{
	(void)words, (void)n;
	request_answer(
	    q, 0, json_pack("{s:o}", "addresses", own_addresses(config_of(q), q->client->name)));
}

/* ---- forwarding ---- */

static void
forward_get(struct request *q)
{
	request_answer(q, 0, own_forward(config_of(q), q->client->name));
}

/* Each change makes all programs take new settings: nobody may have that done again and again. */
static bool
is_too_soon(struct control_server *c)
{
	uint64_t now = monotonic_us();

	if (c->own_changed_us != 0 && now - c->own_changed_us < CHANGE_PAUSE_US)
		return true;
	c->own_changed_us = now;
	return false;
}

static void
forward_set(struct request *q, const char *const *words, size_t n)
{
	const char *user = q->client->name;
	bool keep = strcmp(words[3], "keep") == 0;
	char *line, *why;
	struct config_change change;

	if (!keep && strcmp(words[3], "all") != 0) {
		request_fail(q, EX_USAGE, "right is own forward set keep|all ADDRESS ...");
		return;
	}
	if (own_forward_line(config_of(q), user, keep, words + 4, n - 4, &line, &why) == -1) {
		request_fail(q, EX_DATAERR, "%s", why);
		free(why);
		return;
	}
	change = (struct config_change){"forward", user, line};
	if (is_too_soon(q->client->server))
		request_fail(
		    q, EX_TEMPFAIL, "somebody has just changed his: try again in a moment");
	else
		control_make_change(q, &change, 1);
	free(line);
}

static void
forward(struct request *q, const char *const *words, size_t n)
{
	if (n == 3 && strcmp(words[2], "get") == 0)
		forward_get(q);
	else if (n >= 4 && strcmp(words[2], "set") == 0)
		forward_set(q, words, n);
	else
		request_fail(q, EX_USAGE, "right is own forward get or set");
}

/* ---- verbs ---- */

void
control_own(struct request *q, const char *const *words, size_t n)
{
	if (n == 2 && strcmp(words[1], "identities") == 0)
		identities(q, words, n);
	else if (n >= 3 && strcmp(words[1], "forward") == 0)
		forward(q, words, n);
	else if (n == 3 && strcmp(words[1], "trace") == 0)
		control_trace(q, words[2]);
	else
		request_fail(q, EX_USAGE, "right is own identities, own forward or own trace");
}
