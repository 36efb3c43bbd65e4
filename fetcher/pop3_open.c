/*
 * POP3 from the greeting to the login: CAPA, STLS, AUTH, USER and PASS. And its replies. Touches
 * the network only.
 */
#include <string.h>

#include "common/memory.h"
#include "fetcher/login.h"
#include "fetcher/pop3_private.h"

enum { INITIAL_MAX_BYTES = 255 }; /* a command, with CRLF: RFC 2449 4 */

/* ---- replies ---- */

static bool
starts(struct span s, const char *with)
{
	size_t len = strlen(with);

	return s.len >= len && span_is_nocase((struct span){s.at, len}, with);
}

/* False: it is no reply. */
static bool
take_sign(struct pop3 *p, struct span *line)
{
	static const struct {
		const char *word;
		enum pop3_sign sign;
	} signs[] = {{"+OK", POP3_OK}, {"-ERR", POP3_ERR}, {"+", POP3_MORE}};

	for (size_t i = 0; i < nitems(signs); i++) {
		size_t len = strlen(signs[i].word);

		if (!starts(*line, signs[i].word) || (line->len > len && line->at[len] != ' '))
			continue;
		p->sign = signs[i].sign;
		*line = (struct span){line->at + len, line->len - len};
		return true;
	}
	return false;
}

static enum remote_end
no_reply(struct remote *r, const char *where, struct span line)
{
	if (!r->greeted && starts(line, "* "))
		return remote_fail(
		    r, REMOTE_TEMPORARY, "%s: it speaks IMAP, and Protocol is pop3", where);
	return remote_fail(r, REMOTE_TEMPORARY, "%s: what it said is no reply: %.*s", where,
	    (int)(line.len > 100 ? 100 : line.len), line.at);
}

enum remote_end
pop3_reply(struct remote *r, const char *where)
{
	struct pop3 *p = r->p;
	struct span line, rest;

	if (remote_line(r, where, &line) != REMOTE_OK)
		return r->end;
	remote_heard(r, line);
	rest = line;
	if (!take_sign(p, &rest))
		return no_reply(r, where, line);
	remote_copy_text(span_trim(rest), p->text, sizeof p->text);
	return REMOTE_OK;
}

enum remote_end
pop3_next(struct remote *r, const char *where, struct span *line, bool *more)
{
	*more = false;
	if (remote_line(r, where, line) != REMOTE_OK)
		return r->end;
	if (span_is(*line, "."))
		return REMOTE_OK;
	if (line->len > 0 && line->at[0] == '.')
		*line = (struct span){line->at + 1, line->len - 1};
	*more = true;
	return REMOTE_OK;
}

bool
pop3_has_code(const struct pop3 *p, const char *code)
{
	return starts(span_of(p->text), code);
}

/* ---- CAPA ---- */

static void
take_capability(struct remote *r, struct span line)
{
	struct pop3_offer *o = &((struct pop3 *)r->p)->offer;
	struct span word;

	line = span_trim(line);
	word = span_take_word(&line);
	if (span_is_nocase(word, "STLS"))
		o->stls = true;
	else if (span_is_nocase(word, "UIDL"))
		o->uidl = true;
	else if (span_is_nocase(word, "USER"))
		o->user = true;
	else if (span_is_nocase(word, "PIPELINING"))
		o->pipelining = true;
	else if (span_is_nocase(word, "UTF8"))
		o->utf8 = true;
	else if (span_is_nocase(word, "IMPLEMENTATION"))
		remote_copy_text(line, r->info.software, sizeof r->info.software);
	else if (span_is_nocase(word, "SASL") &&
		 !span_copy(line, o->mechanisms, sizeof o->mechanisms))
		o->mechanisms[0] = '\0';
}

static enum remote_end
ask_capabilities(struct remote *r)
{
	struct pop3 *p = r->p;
	struct span line;
	bool more;

	/* What was said before TLS is forgotten (RFC 2595 4). */
	p->offer = (struct pop3_offer){0};
	if (remote_in_step(r, "at CAPA") != REMOTE_OK || remote_put(r, NULL, "CAPA") != REMOTE_OK ||
	    remote_flush(r, r->target->timeouts.auth_s, "at CAPA") != REMOTE_OK ||
	    pop3_reply(r, "at CAPA") != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK)
		return REMOTE_OK;
	p->offer.known = true;
	for (unsigned n = 0;; n++) {
		if (pop3_next(r, "at CAPA", &line, &more) != REMOTE_OK || !more)
			return r->end;
		if (n == POP3_CAPABILITIES_MAX)
			return remote_fail(
			    r, REMOTE_TEMPORARY, "at CAPA: it has too many capabilities");
		remote_heard(r, line);
		take_capability(r, line);
	}
}

/* ---- TLS ---- */

static enum remote_end
start_tls(struct remote *r)
{
	struct pop3 *p = r->p;

	if (p->offer.known && !p->offer.stls)
		return remote_fail(
		    r, REMOTE_PERMANENT, "has no TLS, which is demanded: STLS is not offered");
	if (remote_in_step(r, "at STLS") != REMOTE_OK || remote_put(r, NULL, "STLS") != REMOTE_OK ||
	    remote_flush(r, r->target->timeouts.auth_s, "at STLS") != REMOTE_OK ||
	    pop3_reply(r, "at STLS") != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK)
		return remote_fail(
		    r, REMOTE_PERMANENT, "has no TLS, which is demanded: %s", p->text);
	if (remote_handshake(r) != REMOTE_OK)
		return r->end;
	return ask_capabilities(r);
}

/* ---- login ---- */

static enum remote_end
refused(struct remote *r)
{
	struct pop3 *p = r->p;

	/* RFC 2449 8.1, RFC 3206 4 */
	if (pop3_has_code(p, "[IN-USE]") || pop3_has_code(p, "[LOGIN-DELAY]") ||
	    pop3_has_code(p, "[SYS/TEMP]"))
		return remote_fail(r, REMOTE_TEMPORARY, "cannot let us in now: %s", p->text);
	if (pop3_has_code(p, "[SYS/PERM]"))
		return remote_fail(r, REMOTE_PERMANENT, "cannot let us in: %s", p->text);
	return remote_fail(r, REMOTE_LOGIN_REFUSED, "refused the login: %s", p->text);
}

static enum remote_end
answer(struct remote *r, const char *where)
{
	if (remote_flush(r, r->target->timeouts.auth_s, where) != REMOTE_OK)
		return r->end;
	return pop3_reply(r, where);
}

static enum remote_end
login_by_name(struct remote *r)
{
	const struct remote_target *t = r->target;
	struct pop3 *p = r->p;

	if (remote_put(r, NULL, "USER %s", t->user) != REMOTE_OK ||
	    answer(r, "at USER") != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK)
		return refused(r);
	r->seen_a_login = true;
	if (remote_put(r, "PASS ****", "PASS %s", t->password) != REMOTE_OK ||
	    answer(r, "at PASS") != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK)
		return refused(r);
	strlcpy(r->info.mechanism, "USER", sizeof r->info.mechanism);
	return REMOTE_OK;
}

/* The command, with the first response if it fits (RFC 5034 4). */
static enum remote_end
begin(struct remote *r, struct login *l)
{
	char response[LOGIN_RESPONSE_SIZE], mask[64];
	struct login ahead = *l;

	snprintf(mask, sizeof mask, "AUTH %s ****", l->mechanism);
	if (l->has_initial && login_respond(&ahead, response) &&
	    strlen(response) + strlen(l->mechanism) + sizeof "AUTH  \r\n" - 1 <=
		INITIAL_MAX_BYTES) {
		*l = ahead;
		r->seen_a_login = true;
		(void)remote_put(r, mask, "AUTH %s %s", l->mechanism, response);
	} else {
		(void)remote_put(r, NULL, "AUTH %s", l->mechanism);
	}
	explicit_bzero(response, sizeof response);
	return r->end != REMOTE_OK ? r->end : answer(r, "at AUTH");
}

static enum login_answer
said(const struct remote *r)
{
	const struct pop3 *p = r->p;

	return p->sign == POP3_OK     ? LOGIN_DONE
	       : p->sign == POP3_MORE ? LOGIN_GOES_ON
				      : LOGIN_REFUSED;
}

static const struct remote_login log_in = {
    "at AUTH", "at USER", begin, answer, said, refused, login_by_name};

/* ---- messages as they are ---- */

/* Without it a server may give out something else in place of a message whose header has 8-bit
 * bytes (RFC 6856 2.1), and then delete the message. One that refuses it has only the latter. */
static enum remote_end
ask_for_utf8(struct remote *r)
{
	const struct pop3 *p = r->p;

	if (!p->offer.utf8)
		return REMOTE_OK;
	if (remote_put(r, NULL, "UTF8") != REMOTE_OK)
		return r->end;
	return answer(r, "at UTF8");
}

/* ---- all of it ---- */

static enum remote_end
greet(struct remote *r)
{
	struct pop3 *p = r->p;

	client_wire_deadline(r->wire, r->target->timeouts.greeting_s);
	if (pop3_reply(r, "at the greeting") != REMOTE_OK) {
		remote_explain_silence(r);
		return r->end;
	}
	r->greeted = true;
	if (p->sign != POP3_OK)
		return remote_fail(r, REMOTE_TEMPORARY, "does not serve us now: %s", p->text);
	remote_copy_text(span_of(p->text), r->info.software, sizeof r->info.software);
	return REMOTE_OK;
}

enum remote_end
pop3_open(struct remote *r)
{
	struct pop3 *p = r->p;

	if (greet(r) != REMOTE_OK || ask_capabilities(r) != REMOTE_OK)
		return r->end;
	if (r->target->tls == REMOTE_TLS_START && start_tls(r) != REMOTE_OK)
		return r->end;
	if (ask_for_utf8(r) != REMOTE_OK ||
	    remote_log_in(r, p->offer.mechanisms, &log_in) != REMOTE_OK)
		return r->end;
	/* A server without CAPA may know it, which is seen when it is asked. */
	r->info.ids = p->offer.uidl || !p->offer.known;
	r->info.pipelining = p->offer.pipelining;
	return REMOTE_OK;
}
