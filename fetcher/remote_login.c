/*
 * A login at another host, as POP3 and IMAP share it: one mechanism of SASL after the other, then
 * name and password. Talks to that host.
 */
#include <string.h>

#include "common/memory.h"
#include "fetcher/login.h"
#include "fetcher/remote_private.h"

enum { ROUNDS_MAX = 4 };

/* One response, and what the server says to it. */
static enum remote_end
respond(struct remote *r, struct login *l, const struct remote_login *how)
{
	char response[LOGIN_RESPONSE_SIZE];
	bool has = login_respond(l, response);

	r->seen_a_login |= has;
	if (remote_put(r, has ? "****" : NULL, "%s", has ? response : "*") == REMOTE_OK)
		(void)how->answer(r, how->at_sasl);
	explicit_bzero(response, sizeof response);
	return r->end;
}

/* *next: the server does not do this mechanism; nothing was said yet. */
static enum remote_end
log_in_by(struct remote *r, struct login *l, const struct remote_login *how, bool *next)
{
	unsigned rounds = 0;

	*next = false;
	if (how->begin(r, l) != REMOTE_OK)
		return r->end;
	if (how->said(r) == LOGIN_REFUSED && l->step == 0) {
		*next = true;
		return REMOTE_OK;
	}
	while (how->said(r) == LOGIN_GOES_ON) {
		if (rounds++ == ROUNDS_MAX)
			return remote_fail(
			    r, REMOTE_TEMPORARY, "%s: it asks again and again", how->at_sasl);
		if (respond(r, l, how) != REMOTE_OK)
			return r->end;
	}
	if (how->said(r) == LOGIN_REFUSED)
		return how->refused(r);
	strlcpy(r->info.mechanism, l->mechanism, sizeof r->info.mechanism);
	return REMOTE_OK;
}

enum remote_end
remote_log_in(struct remote *r, const char *mechanisms, const struct remote_login *how)
{
	struct login l = {.target = r->target};
	bool next;

	if (!login_is_possible(r->target))
		return remote_fail(
		    r, REMOTE_PERMANENT, "login: name, password or token are too long");
	while (login_choose(&l, span_of(mechanisms))) {
		if (remote_in_step(r, how->at_sasl) != REMOTE_OK ||
		    log_in_by(r, &l, how, &next) != REMOTE_OK || !next)
			return r->end;
	}
	if (r->target->token != NULL)
		return remote_fail(
		    r, REMOTE_PERMANENT, "login: it offers no mechanism that takes an OAuth token");
	if (remote_in_step(r, how->at_name) != REMOTE_OK)
		return r->end;
	return how->by_name(r);
}
