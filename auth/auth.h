/*
 * The door of auth, guardian of the accounts: checks a name and password, and for those who read
 * mail has store open a session, which it passes on.
 *
 * message, fields, who may send it
 * LOGIN   service, login name, password, client address, want (enum auth_want) (smtpd: nothing;
 *         pop3d: a maildrop; imapd and webd: folders). Answer: OK user, admin (0/1), with a
 *         descriptor when a session was wanted | REFUSED reason (enum auth_refusal)
 *
 * PASSWD  service, login name, password, new password, client address: the user's own wish (webd).
 *         Answer: OK user, admin | REFUSED reason. What this user has open stays open: webd ends
 *         his other sessions
 * VALID   token: whether the one-time link of the first administrator (sambarctl user setup-link)
 *         can be used (webd). Answer: OK "", 0 | REFUSED BAD_CREDENTIALS
 * SETUP   token, user name, password, mailbox (0/1), client address: makes the first administrator
 *         (webd). Answer: OK user, 1 | REFUSED reason
 *
 * The login name is a user name or user@domain (* may stand for @) with one of our domains. Unknown
 * users cost as much time as wrong passwords. To repeat a request is safe: at worst it is one more
 * failure.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <event2/event.h>
#include <stdbool.h>

#include "common/span.h"

enum auth_message {
	AUTH_LOGIN = 1,
	AUTH_PASSWD,
	AUTH_VALID,
	AUTH_SETUP,
	AUTH_OK = 100,
	AUTH_REFUSED,
};

/* What a login is to open. */
enum auth_want {
	AUTH_WANT_NONE,
	AUTH_WANT_MAILDROP, /* a session of store's for POP3: store/store.h */
	AUTH_WANT_FOLDERS,  /* webd, imapd: store/folders.h */
	AUTH_WANT_CONTROL, /* webd: a session with master, master/control.h. OK's admin says whether
			    * it is an administrator's: it is not from an address that System
			    * Administrator IP does not name */
	AUTH_WANT_LAST = AUTH_WANT_CONTROL
};

enum auth_refusal {
	AUTH_GRANTED = 0,
	AUTH_BAD_CREDENTIALS, /* 535 5.7.8; -ERR [AUTH] */
	AUTH_NO_MAILBOX,      /* right password, nothing to open; -ERR [AUTH] */
	AUTH_TOO_MANY_USERS,  /* Maximum Users; -ERR [SYS/TEMP] */
	AUTH_TROUBLE,	      /* try later: 454 4.7.0; -ERR [SYS/TEMP] */
	/* of PASSWD and SETUP */
	AUTH_BAD_PASSWORD, /* the new one: see AUTH_NEW_PASSWORD_MIN_BYTES */
	AUTH_BAD_NAME,	   /* no user can have it, or one has */
	AUTH_REFUSAL_LAST = AUTH_BAD_NAME
};

enum {
	AUTH_SERVICE_MAX_BYTES = 32,
	AUTH_NAME_MAX_BYTES = 512,
	AUTH_PASSWORD_MAX_BYTES = 512, /* one more than a right one may have */
	/* A password that a user chooses has as many bytes, no control characters, and is not his
	 * name. */
	AUTH_NEW_PASSWORD_MIN_BYTES = 8,
	AUTH_CLIENT_MAX_BYTES = 64,
	AUTH_TOKEN_MAX_BYTES = 100,
	AUTH_USER_SIZE = 65 /* a user name with its NUL */
};

struct auth_client;
struct ipc_call;
struct auth_client *
auth_client_new(struct event_base *base, const char *path, const char *own_role);
void auth_client_free(struct auth_client **a);

struct auth_answer {
	enum auth_refusal refusal;
	const char *user; /* the account's own name, borrowed */
	bool admin;
	int session; /* the callee's, or -1 */
};
typedef void (*auth_answer_cb)(void *arg, const struct auth_answer *answer);
/* The answer to a failure may be held back by auth: a growing delay for each address and account.
 */
struct ipc_call *
auth_login(struct auth_client *a, const char *service, struct span name, struct span password,
    const char *client_address, enum auth_want want, auth_answer_cb cb, void *arg);

struct ipc_call *
auth_passwd(struct auth_client *a, const char *service, struct span name, struct span password,
    struct span new_password, const char *client_address, auth_answer_cb cb, void *arg);
struct ipc_call *
auth_setup_is_valid(struct auth_client *a, struct span token, auth_answer_cb cb, void *arg);
struct ipc_call *auth_setup(struct auth_client *a, struct span token, struct span user,
    struct span password, bool mailbox, const char *client_address, auth_answer_cb cb, void *arg);

#endif
