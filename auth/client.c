/*
 * The callers' side of auth.sock: smtpd, pop3d and others ask whether a password is right. Knows
 * the messages of auth.h.
 */
#include <stdlib.h>

#include "auth/auth.h"
#include "common/ipc.h"
#include "common/memory.h"

struct auth_client {
	struct ipc_client *ipc;
	struct ipc_client_ops ops;
};

/* What waits for one answer; freed with its call. */
struct auth_request {
	auth_answer_cb cb;
	void *arg;
	bool want_session;
};

struct auth_client *
auth_client_new(struct event_base *base, const char *path, const char *own_role)
{
	struct auth_client *a = xcalloc(1, sizeof *a);

	a->ops = (struct ipc_client_ops){.own_role = own_role};
	a->ipc = ipc_client_new(base, path, &a->ops, a);
	return a;
}

void
auth_client_free(struct auth_client **a)
{
	if (*a == NULL)
		return;
	ipc_client_free(&(*a)->ipc);
	free(*a);
	*a = NULL;
}

static bool
read_ok(struct reader *r, bool want_session, struct auth_answer *answer, char *user, size_t size)
{
	uint64_t admin;

	get_text(r, user, size);
	admin = get_u64(r);
	if (want_session)
		answer->session = get_fd(r);
	answer->refusal = AUTH_GRANTED;
	answer->user = user;
	answer->admin = admin == 1;
	return get_end(r) == 0 && admin <= 1;
}

static bool
read_refusal(struct reader *r, struct auth_answer *answer)
{
	uint64_t reason = get_u64(r);

	answer->refusal = reason;
	return get_end(r) == 0 && reason != AUTH_GRANTED && reason <= AUTH_REFUSAL_LAST;
}

static void
on_answer(void *arg, uint32_t type, struct reader *r)
{
	struct auth_request *request = arg;
	struct auth_answer answer = {.user = "", .session = -1};
	char user[AUTH_USER_SIZE];
	bool sound = type == AUTH_OK ? read_ok(r, request->want_session, &answer, user, sizeof user)
				     : type == AUTH_REFUSED && read_refusal(r, &answer);

	if (!sound) {
		closefd(&answer.session);
		answer = (struct auth_answer){.refusal = AUTH_TROUBLE, .user = "", .session = -1};
	}
	request->cb(request->arg, &answer);
}

/* What is longer than the limit stays longer than anything that is right. */
static struct span
cut_to(struct span text, size_t max)
{
	return (struct span){text.at, text.len < max ? text.len : max};
}

/* Sends what was written. */
static struct ipc_call *
call(struct auth_client *a, struct writer *w, bool want_session, auth_answer_cb cb, void *arg)
{
	struct auth_request *request = xcalloc(1, sizeof *request);
	struct ipc_call *c;

	request->cb = cb;
	request->arg = arg;
	request->want_session = want_session;
	c = ipc_call(a->ipc, w, -1, on_answer, request);
	ipc_call_own(c, request);
	return c;
}

struct ipc_call *
auth_login(struct auth_client *a, const char *service, struct span name, struct span password,
    const char *client_address, enum auth_want want, auth_answer_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, AUTH_LOGIN, 0);
	put_str(&w, cut_to(span_of(service), AUTH_SERVICE_MAX_BYTES));
	put_str(&w, cut_to(name, AUTH_NAME_MAX_BYTES));
	put_str(&w, cut_to(password, AUTH_PASSWORD_MAX_BYTES));
	put_str(&w, cut_to(span_of(client_address), AUTH_CLIENT_MAX_BYTES));
	put_u64(&w, want);
	return call(a, &w, want != AUTH_WANT_NONE, cb, arg);
}

struct ipc_call *
auth_passwd(struct auth_client *a, const char *service, struct span name, struct span password,
    struct span new_password, const char *client_address, auth_answer_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, AUTH_PASSWD, 0);
	put_str(&w, cut_to(span_of(service), AUTH_SERVICE_MAX_BYTES));
	put_str(&w, cut_to(name, AUTH_NAME_MAX_BYTES));
	put_str(&w, cut_to(password, AUTH_PASSWORD_MAX_BYTES));
	put_str(&w, cut_to(new_password, AUTH_PASSWORD_MAX_BYTES));
	put_str(&w, cut_to(span_of(client_address), AUTH_CLIENT_MAX_BYTES));
	return call(a, &w, false, cb, arg);
}

struct ipc_call *
auth_setup_is_valid(struct auth_client *a, struct span token, auth_answer_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, AUTH_VALID, 0);
	put_str(&w, cut_to(token, AUTH_TOKEN_MAX_BYTES));
	return call(a, &w, false, cb, arg);
}

struct ipc_call *
auth_setup(struct auth_client *a, struct span token, struct span user, struct span password,
    bool mailbox, const char *client_address, auth_answer_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, AUTH_SETUP, 0);
	put_str(&w, cut_to(token, AUTH_TOKEN_MAX_BYTES));
	put_str(&w, cut_to(user, AUTH_NAME_MAX_BYTES));
	put_str(&w, cut_to(password, AUTH_PASSWORD_MAX_BYTES));
	put_u64(&w, mailbox);
	put_str(&w, cut_to(span_of(client_address), AUTH_CLIENT_MAX_BYTES));
	return call(a, &w, false, cb, arg);
}
