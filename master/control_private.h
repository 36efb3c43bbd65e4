/*
 * What the files of the supervisor's side of control.h share: who is connected, a request from its
 * words to its answer, and the requests of each file.
 */
#ifndef MASTER_CONTROL_PRIVATE_H
#define MASTER_CONTROL_PRIVATE_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/span.h"
#include "master/control_server.h"
#include "master/supervisor.h"

enum { CONTROL_WHO_SIZE = 85, CONTROL_CLIENT_SIZE = 65, CONTROL_WORDS_MAX = 64 };

/* Who asks: decides what may be asked. */
enum control_scope {
	SCOPE_OWNER = 1 << 0, /* of control.sock: root, or whose the instance is */
	SCOPE_ADMIN = 1 << 1, /* a session of an administrator */
	SCOPE_USER = 1 << 2   /* a session of anybody else */
};

struct control_server {
	struct supervisor *supervisor;
	struct listener *listener;
	struct client *clients;
	struct request *waiting; /* for the supervisor to settle */
	struct stats *stats;
	uint64_t own_changed_us; /* when a user has changed what is his, 0: never */
	size_t n_owners, n_sessions;
};

/* One connection. Lives on while a request of it is under way. */
struct client {
	struct client *next;
	struct control_server *server;
	struct ipc_channel *channel; /* NULL: it has gone */
	struct event *ending;	     /* its time is over: closes when what was said has left */
	unsigned requests;
	enum control_scope scope;
	struct request *lasting;	   /* those with on_gone */
	char name[CONTROL_WHO_SIZE];	   /* of the user, or of the account of the host */
	char address[CONTROL_CLIENT_SIZE]; /* of a session: where webd's client is; else "" */
};

struct request {
	struct request *next; /* of those that wait for the supervisor */
	struct client *client;
	uint64_t tag;
	json_t *doc; /* the answer, when it only waits to be sent */
	bool is_reload;
	bool is_users;	     /* what else is in the configuration is none of his business */
	struct event *limit; /* while it waits */
	unsigned limits;     /* that have passed */
	/* Of one that goes on by itself: called once when its client has gone, ends it. */
	void (*on_gone)(struct request *q);
	struct request *next_lasting; /* of all with on_gone */
	void *state;
};

static inline struct supervisor *
request_supervisor(const struct request *q)
{
	return q->client->server->supervisor;
}

/* ---- answers: each request is ended once, by one of these ---- */

/* Owns doc. */
void request_answer(struct request *q, int code, json_t *doc);
void request_fail(struct request *q, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A part of an answer; with more false the last one, and q is gone. */
void request_send(struct request *q, int code, bool more, struct span text);
/* When all programs have taken what was changed. Owns doc. */
void request_answer_settled(struct request *q, json_t *doc);
/* Ends it without a word. */
void request_end(struct request *q);
/* It goes on by itself; on_gone is called when its client has gone before its end, and ends it. */
void request_lasts(struct request *q, void (*on_gone)(struct request *q), void *state);

/* ---- the requests, by their first word ---- */

/* control_logs.c; log rotate is not among them */
void control_logs(struct request *q, const char *const *words, size_t n);
void control_log(struct request *q, const char *const *words, size_t n);

/* control_own.c */
void control_own(struct request *q, const char *const *words, size_t n);
/* control_trace.c */
void control_trace(struct request *q, const char *what);

/* control_config.c */
void control_config(struct request *q, const char *const *words, size_t n);
void control_entries(struct request *q, const char *const *words, size_t n);
/* Changes the files and hands them to the programs; answers as config set. */
void control_make_change(struct request *q, const struct config_change *changes, size_t n);
void control_certificate(struct request *q, const char *const *words, size_t n);
/* False: it is for fetcher. */
bool control_fetch(struct request *q, const char *const *words, size_t n);

/* control_backup.c. False: it is for store. */
bool control_backup(struct request *q, const char *const *words, size_t n);

/* Checks what the scope may ask, and runs it. */
void control_dispatch(struct client *cl, uint64_t tag, const char *const *words, size_t n);

#endif
