/*
 * The state of auth: what its files share. See auth.h for the door, users.h for what lies on disk.
 */
#ifndef AUTH_SERVER_H
#define AUTH_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>
#include <sys/queue.h>

#include "auth/failures.h"
#include "auth/password.h"
#include "auth/remembered.h"
#include "auth/secret.h"
#include "auth/turns.h"
#include "auth/users.h"
#include "common/ipc.h"
#include "common/role.h"
#include "common/settings.h"
#include "store/store.h"

/* Answers to failures that wait for their time; one more is not held back. */
enum { AUTH_HELD_MAX = 10000 };

struct attempt;
struct first;
struct admin;

/* Owns doc. code: sysexits.h. */
typedef void (*admin_reply_cb)(void *arg, uint64_t tag, int code, json_t *doc);

struct auth {
	struct event_base *base;
	struct secret *secret;
	int directory; /* where users and setup.h have their files */
	struct users *users;
	struct passwords *passwords;
	struct failures *failures;
	struct remembered *remembered;
	struct turns *turns;
	struct store_client *store;
	struct ipc_server *server;
	struct admin *admin;
	struct role *role; /* borrowed: the way to master */
	char *mail_server, *local_domains;

	TAILQ_HEAD(, attempt) attempts; /* logins that have no answer yet */
	TAILQ_HEAD(, first) firsts;	/* the same for first.c */
	size_t n_held;
	bool draining;
	void (*on_idle)(void *arg);
	void *idle_arg;

	uint64_t n_logins, n_remembered, n_failed;
};

/*
 * role: whose loop this is, and the way to master; borrowed. users: its directory; listen_fd:
 * auth.sock; store_path: where store listens. All are owned, or copied. on_reply answers
 * admin_request() (admin.h).
 */
struct auth *auth_new(struct role *role, int users, int listen_fd, const char *store_path,
    admin_reply_cb on_reply, void *arg);
void auth_free(struct auth **a);

/* Takes the settings, also new ones. */
void auth_settings(struct auth *a, const struct settings *settings);
void auth_status(const struct auth *a, json_t *counters);

/* Takes nothing new; on_idle is called when nothing is in hand any more. */
void auth_drain(struct auth *a, void (*on_idle)(void *arg), void *arg);
/* Something has ended that a drain may have waited for. */
void auth_settled(struct auth *a);

/* ---- attempt.c: one login from its question to its answer ---- */

void attempt_on_login(struct ipc_peer *p, uint64_t tag, struct reader *r);
/* Whether a user may choose this password. */
bool attempt_is_new_password(struct span password, struct span user);
void attempt_on_passwd(struct ipc_peer *p, uint64_t tag, struct reader *r);
/* Its caller is gone. */
void attempt_forget_peer(struct auth *a, struct ipc_peer *p);
/* At the end: those that nobody will answer any more. */
void attempt_forget_all(struct auth *a);
/* Answers those that are held back and drops those that wait. */
void attempt_drain(struct auth *a);
extern const struct turns_ops attempt_turns_ops;

/* ---- first.c: the first administrator, by the one-time link ---- */

void first_on_valid(struct ipc_peer *p, uint64_t tag, struct reader *r);
void first_on_setup(struct ipc_peer *p, uint64_t tag, struct reader *r);
void first_forget_peer(struct auth *a, struct ipc_peer *p);
void first_forget_all(struct auth *a);
/* Whether the link could be used: nobody is an administrator. */
bool first_is_open(struct auth *a);

#endif
