/*
 * IMAP from the greeting to the login: CAPABILITY, STARTTLS, AUTHENTICATE, LOGIN, ID. Touches the
 * network only.
 */
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "fetcher/imap_private.h"
#include "fetcher/login.h"

/* ---- CAPABILITY ---- */

static void
add_mechanism(struct imap_offer *o, struct span name)
{
	char word[40];

	if (!span_copy(name, word, sizeof word))
		return;
	strlcat(o->mechanisms, " ", sizeof o->mechanisms);
	strlcat(o->mechanisms, word, sizeof o->mechanisms);
}

void
imap_take_capabilities(struct remote *r, struct span words)
{
	static const char auth[] = "AUTH=";
	struct imap_offer o = {.known = true};
	const struct {
		const char *name;
		bool *offered;
	} plain[] = {{"IMAP4rev1", &o.imap4}, {"IMAP4rev2", &o.imap4}, {"STARTTLS", &o.starttls},
	    {"LOGINDISABLED", &o.login_disabled}, {"SASL-IR", &o.sasl_ir}, {"ID", &o.id},
	    {"IDLE", &o.idle}, {"MOVE", &o.move}, {"UIDPLUS", &o.uidplus}, {"NOTIFY", &o.notify}};
	struct span word;

	words = span_trim(words);
	while ((word = span_take_word(&words)).len > 0) {
		for (size_t k = 0; k < nitems(plain); k++)
			if (span_is_nocase(word, plain[k].name))
				*plain[k].offered = true;
		/* All of these are in it (RFC 9051 E). */
		if (span_is_nocase(word, "IMAP4rev2"))
			o.sasl_ir = o.idle = o.move = o.uidplus = true;
		if (word.len > strlen(auth) &&
		    span_is_nocase((struct span){word.at, strlen(auth)}, auth))
			add_mechanism(
			    &o, (struct span){word.at + strlen(auth), word.len - strlen(auth)});
	}
	((struct imap *)r->p)->offer = o;
}

static enum remote_end
ask_capabilities(struct remote *r)
{
	struct imap *i = r->p;

	if (remote_in_step(r, "at CAPABILITY") != REMOTE_OK ||
	    imap_do(r, "at CAPABILITY", "CAPABILITY") != REMOTE_OK)
		return r->end;
	if (i->status != IMAP_OK || !i->offer.imap4)
		return remote_fail(
		    r, REMOTE_PERMANENT, "does not speak IMAP4rev1 or IMAP4rev2: %s", i->text);
	return REMOTE_OK;
}

/* ---- TLS ---- */

static enum remote_end
start_tls(struct remote *r)
{
	struct imap *i = r->p;

	if (!i->offer.starttls)
		return remote_fail(
		    r, REMOTE_PERMANENT, "has no TLS, which is demanded: STARTTLS is not offered");
	if (remote_in_step(r, "at STARTTLS") != REMOTE_OK ||
	    imap_put(r, NULL, "STARTTLS") != REMOTE_OK ||
	    imap_answer(r, r->target->timeouts.auth_s, "at STARTTLS") != REMOTE_OK)
		return r->end;
	if (i->status != IMAP_OK)
		return remote_fail(
		    r, REMOTE_PERMANENT, "has no TLS, which is demanded: %s", i->text);
	/* What was said before is forgotten (RFC 3501 6.2.1). */
	if (remote_handshake(r) != REMOTE_OK)
		return r->end;
	i->offer = (struct imap_offer){0};
	return ask_capabilities(r);
}

/* ---- login ---- */

static enum remote_end
refused(struct remote *r)
{
	static const char *const later[] = {"[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"};
	struct imap *i = r->p;

	/* RFC 5530 */
	for (size_t k = 0; k < nitems(later); k++)
		if (imap_has_code(i, later[k]))
			return remote_fail(
			    r, REMOTE_TEMPORARY, "cannot let us in now: %s", i->text);
	if (i->status == IMAP_BAD || imap_has_code(i, "[PRIVACYREQUIRED]"))
		return remote_fail(r, REMOTE_PERMANENT, "cannot let us in: %s", i->text);
	return remote_fail(r, REMOTE_LOGIN_REFUSED, "refused the login: %s", i->text);
}

static enum remote_end
answer(struct remote *r, const char *where)
{
	return imap_answer(r, r->target->timeouts.auth_s, where);
}

static enum remote_end
begin(struct remote *r, struct login *l)
{
	struct imap *i = r->p;
	char response[LOGIN_RESPONSE_SIZE], mask[64];

	snprintf(mask, sizeof mask, "AUTHENTICATE %s ****", l->mechanism);
	if (l->has_initial && i->offer.sasl_ir && login_respond(l, response)) {
		r->seen_a_login = true;
		(void)imap_put(r, mask, "AUTHENTICATE %s %s", l->mechanism, response);
		explicit_bzero(response, sizeof response);
	} else {
		(void)imap_put(r, NULL, "AUTHENTICATE %s", l->mechanism);
	}
	return r->end != REMOTE_OK ? r->end : answer(r, "at AUTHENTICATE");
}

static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* As literals, which may hold anything. */
static enum remote_end
login_by_literals(struct remote *r)
{
	const struct remote_target *t = r->target;
	struct imap *i = r->p;

	if (imap_put(r, NULL, "LOGIN {%zu}", strlen(t->user)) != REMOTE_OK ||
	    answer(r, "at LOGIN") != REMOTE_OK || i->status != IMAP_MORE)
		return r->end;
	if (remote_put(r, NULL, "%s {%zu}", t->user, strlen(t->password)) != REMOTE_OK ||
	    answer(r, "at LOGIN") != REMOTE_OK || i->status != IMAP_MORE)
		return r->end;
	r->seen_a_login = true;
	if (remote_put(r, "****", "%s", t->password) != REMOTE_OK)
		return r->end;
	return answer(r, "at LOGIN");
}

static enum remote_end
login_by_strings(struct remote *r)
{
	const struct remote_target *t = r->target;
	char user[IMAP_STRING_SIZE], password[IMAP_STRING_SIZE];

	if (!imap_quote(t->user, user) || !imap_quote(t->password, password))
		return remote_fail(r, REMOTE_PERMANENT, "login: name or password are too long");
	r->seen_a_login = true;
	(void)imap_put(r, "LOGIN ****", "LOGIN %s %s", user, password);
	explicit_bzero(password, sizeof password);
	return r->end != REMOTE_OK ? r->end : answer(r, "at LOGIN");
}

static enum remote_end
login_by_name(struct remote *r)
{
	struct imap *i = r->p;

	if (i->offer.login_disabled)
		return remote_fail(
		    r, REMOTE_PERMANENT, "login: it offers no mechanism that we may use");
	if (is_plain(r->target->user) && is_plain(r->target->password))
		(void)login_by_strings(r);
	else
		(void)login_by_literals(r);
	if (r->end != REMOTE_OK)
		return r->end;
	if (i->status != IMAP_OK)
		return refused(r);
	strlcpy(r->info.mechanism, "LOGIN", sizeof r->info.mechanism);
	return REMOTE_OK;
}

static enum login_answer
said(const struct remote *r)
{
	const struct imap *i = r->p;

	return i->status == IMAP_OK	? LOGIN_DONE
	       : i->status == IMAP_MORE ? LOGIN_GOES_ON
					: LOGIN_REFUSED;
}

static const struct remote_login log_in = {
    "at AUTHENTICATE", "at LOGIN", begin, answer, said, refused, login_by_name};

/* ---- ID ---- */

/* ("name" "Dovecot" "version" "2.3") or NIL */
static int
on_id(struct remote *r, void *arg)
{
	struct imap *i = r->p;
	struct imap_token t;
	enum { OTHER, NAME, VERSION_OF_IT } next = OTHER;
	char *name = arg, text[REMOTE_NAME_SIZE];

	for (;;) {
		if (imap_next(&i->in, &t) == -1)
			return -1;
		if (t.kind == IMAP_END)
			return 0;
		remote_copy_text(t.text, text, sizeof text);
		if (t.kind == IMAP_LITERAL) {
			next = OTHER;
		} else if (next == NAME) {
			strlcpy(name, text, REMOTE_NAME_SIZE);
			next = OTHER;
		} else if (next == VERSION_OF_IT) {
			strlcat(name, " ", REMOTE_NAME_SIZE);
			strlcat(name, text, REMOTE_NAME_SIZE);
			next = OTHER;
		} else {
			next = strcasecmp(text, "name") == 0	  ? NAME
			       : strcasecmp(text, "version") == 0 ? VERSION_OF_IT
								  : OTHER;
		}
	}
}

/* RFC 2971. Some servers open no folder for who does not say it. */
static enum remote_end
introduce(struct remote *r)
{
	struct imap *i = r->p;
	char name[REMOTE_NAME_SIZE] = "";

	if (!i->offer.id)
		return REMOTE_OK;
	i->on_id = on_id;
	i->arg = name;
	(void)imap_do(r, "at ID", "ID (\"name\" \"Sambar Mail\")");
	i->on_id = NULL;
	if (name[0] != '\0')
		strlcpy(r->info.software, name, sizeof r->info.software);
	return r->end;
}

/* ---- all of it ---- */

static int
more_bytes(void *arg, struct span *out)
{
	return client_wire_bytes(((struct remote *)arg)->wire, out);
}

static void
consume(void *arg, size_t n)
{
	client_wire_consume(((struct remote *)arg)->wire, n);
}

static enum remote_end
greet(struct remote *r)
{
	struct imap *i = r->p;
	bool tagged;

	client_wire_deadline(r->wire, r->target->timeouts.greeting_s);
	if (imap_read(r, "at the greeting", &tagged) != REMOTE_OK) {
		remote_explain_silence(r);
		return r->end;
	}
	r->greeted = true;
	/* Somebody is logged in, but who says that this is we? And there is no TLS any more. */
	if (i->preauth)
		return remote_fail(
		    r, REMOTE_PERMANENT, "says that somebody is logged in already: %s", i->text);
	if (tagged || strncasecmp(i->in.echo, "* OK", i->in.echo_len < 4 ? i->in.echo_len : 4) != 0)
		return remote_fail(r, REMOTE_TEMPORARY, "does not greet us: %.*s",
		    (int)i->in.echo_len, i->in.echo);
	remote_copy_text(span_of(i->text), r->info.software, sizeof r->info.software);
	return REMOTE_OK;
}

enum remote_end
imap_open(struct remote *r)
{
	struct imap *i = r->p;
	const struct imap_source source = {more_bytes, consume, r};

	imap_reader_init(&i->in, &source);
	if (greet(r) != REMOTE_OK || (!i->offer.imap4 && ask_capabilities(r) != REMOTE_OK))
		return r->end;
	if (r->target->tls == REMOTE_TLS_START && start_tls(r) != REMOTE_OK)
		return r->end;
	i->offer.known = false;
	if (remote_log_in(r, i->offer.mechanisms, &log_in) != REMOTE_OK ||
	    (!i->offer.known && ask_capabilities(r) != REMOTE_OK) || introduce(r) != REMOTE_OK)
		return r->end;
	r->info.ids = r->info.pipelining = true;
	r->info.can_wait = i->offer.idle;
	r->info.can_move = i->offer.move;
	return REMOTE_OK;
}
