/*
 * The first administrator: whoever has the one-time link of sambarctl makes himself one, as long as
 * there is none. Talks to webd over auth.sock.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "auth/admin.h"
#include "auth/auth.h"
#include "auth/server.h"
#include "auth/setup.h"
#include "common/log.h"
#include "common/memory.h"

/* A SETUP without an answer. */
struct first {
	TAILQ_ENTRY(first) entry;
	struct auth *auth;
	struct ipc_peer *peer; /* NULL: gone */
	uint64_t tag;
	char user[AUTH_USER_SIZE];
};

/* An accounts file that cannot be read may have one. */
bool
first_is_open(struct auth *a)
{
	struct account account;

	if (users_refresh(a->users) == -1)
		return false;
	for (size_t at = 0; users_next(a->users, &at, &account);)
		if (account.admin)
			return false;
	return true;
}

/* ---- answers ---- */

static void
answer_refused(struct ipc_peer *p, uint64_t tag, enum auth_refusal refusal)
{
	struct writer w;

	ipc_write(&w, AUTH_REFUSED, tag);
	put_u64(&w, refusal);
	ipc_peer_send(p, &w, -1);
}

static void
answer_ok(struct ipc_peer *p, uint64_t tag, const char *user, bool admin)
{
	struct writer w;

	ipc_write(&w, AUTH_OK, tag);
	put_text(&w, user);
	put_u64(&w, admin);
	ipc_peer_send(p, &w, -1);
}

/* ---- VALID ---- */

void
first_on_valid(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span token = get_str(r, AUTH_TOKEN_MAX_BYTES);
	struct auth *a = p->arg;

	if (get_end(r) == -1)
		ipc_peer_refuse(p, "VALID");
	else if (first_is_open(a) && setup_is(a->directory, time(NULL), token))
		answer_ok(p, tag, "", false);
	else
		answer_refused(p, tag, AUTH_BAD_CREDENTIALS);
}

/* ---- SETUP ---- */

static enum auth_refusal
refusal_of(int code)
{
	switch (code) {
	case EX_NOPERM:
		return AUTH_BAD_CREDENTIALS;
	case EX_DATAERR:
		return AUTH_BAD_NAME;
	default:
		return AUTH_TROUBLE;
	}
}

static void
on_added(void *arg, int code, json_t *doc)
{
	struct first *f = arg;
	struct auth *a = f->auth;

	json_decref(doc);
	if (f->peer != NULL && code == 0)
		answer_ok(f->peer, f->tag, f->user, true);
	else if (f->peer != NULL)
		answer_refused(f->peer, f->tag, refusal_of(code));
	if (code != 0)
		log_info("- setup-refused user=%s", log_safe(span_of(f->user)));
	TAILQ_REMOVE(&a->firsts, f, entry);
	free(f);
	auth_settled(a);
}

static void
add(struct first *f, struct span token, struct span password, bool mailbox)
{
	char *token_text = span_text(token), *password_text = span_text(password);
	const char *const words[] = {"user", "setup", f->user, password_text,
	    mailbox ? "mailbox" : "no-mailbox", token_text};

	admin_ask(f->auth, words, nitems(words), on_added, f);
	explicit_bzero(password_text, strlen(password_text));
	explicit_bzero(token_text, strlen(token_text));
	free(password_text);
	free(token_text);
}

void
first_on_setup(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span token = get_str(r, AUTH_TOKEN_MAX_BYTES);
	struct span user = get_str(r, AUTH_NAME_MAX_BYTES);
	struct span password = get_str(r, AUTH_PASSWORD_MAX_BYTES);
	uint64_t mailbox = get_u64(r);
	struct span client = get_str(r, AUTH_CLIENT_MAX_BYTES);
	struct auth *a = p->arg;
	struct first *f;

	if (get_end(r) == -1 || mailbox > 1) {
		ipc_peer_refuse(p, "SETUP");
		return;
	}
	if (a->draining)
		return; /* it will ask our successor */
	log_info("- setup-wished client=%s user=%s", log_safe(client), log_safe(user));
	if (!attempt_is_new_password(password, user)) {
		log_info("- setup-refused user=%s", log_safe(user));
		answer_refused(p, tag, AUTH_BAD_PASSWORD);
		return;
	}
	f = xcalloc(1, sizeof *f);
	f->auth = a;
	f->peer = p;
	f->tag = tag;
	if (memchr(user.at, '\0', user.len) != NULL || !span_copy(user, f->user, sizeof f->user))
		f->user[0] = '\0';
	TAILQ_INSERT_TAIL(&a->firsts, f, entry);
	add(f, token, password, mailbox);
}

void
first_forget_peer(struct auth *a, struct ipc_peer *p)
{
	struct first *f;

	TAILQ_FOREACH (f, &a->firsts, entry)
		if (f->peer == p)
			f->peer = NULL;
}

void
first_forget_all(struct auth *a)
{
	struct first *f;

	while ((f = TAILQ_FIRST(&a->firsts)) != NULL) {
		TAILQ_REMOVE(&a->firsts, f, entry);
		free(f);
	}
}
