/*
 * The supervisor: starts the programs, gives each its settings and sockets, restarts what dies, and
 * ends them in an order that finishes the work in hand.
 */
#ifndef MASTER_SUPERVISOR_H
#define MASTER_SUPERVISOR_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "master/instance.h"
#include "master/process.h"
#include "master/sockets.h"

enum slot_state { SLOT_OFF, SLOT_STARTING, SLOT_RUNNING, SLOT_STOPPING, SLOT_BACKOFF };
/* ROWS_MAX: processes of one program, retired ones that finish their work included. */
enum {
	DIRECTORIES = 6,
	PROGRAMS_MAX = 16, /* rows of the table in programs.c */
	WORKERS_MAX = 64,
	ON_DEMAND_MAX = 1000, /* of a program that is started on demand */
	ROWS_MAX = 4 * WORKERS_MAX
};

/* A place for one process of a program. */
struct slot {
	struct supervisor *supervisor;
	const struct program *program;
	unsigned worker;
	enum slot_state state;
	struct process *process; /* NULL in OFF and BACKOFF */
	unsigned restarts;	 /* after a death */
	unsigned fast_deaths;	 /* in a row; sets the delay */
	bool wanted; /* start again when the process has ended; on demand: may be used */
	struct event *backoff;
};

struct supervisor_ops {
	/* Every slot runs for the first time, but those on demand. */
	void (*on_ready)(void *arg);
	/* A program could not be started the first time; all are being stopped. */
	void (*on_failed)(void *arg, const char *sentence);
	/* A process is ready or has ended: supervisor_is_settled() may have changed. May be NULL.
	 */
	void (*on_change)(void *arg);
	/* What is listened at has changed, or is there for the first time. May be NULL. */
	void (*on_listening)(void *arg, struct sockets *sockets);
	/* All programs have ended after supervisor_stop(). */
	void (*on_stopped)(void *arg);
	/* A program says something that is not the supervisor's. False: it must not, or not so.
	 * NULL: nobody listens. */
	bool (*on_message)(
	    void *arg, struct process *p, uint32_t type, uint64_t tag, struct reader *r);
};

typedef void (*admin_reply_cb)(void *arg, int code, bool more, struct span text);

struct supervisor {
	struct event_base *base;
	struct instance *instance;
	struct sockets tcp;
	int unix_sockets[PROGRAMS_MAX], directories[DIRECTORIES];
	char *
	    directory_paths[DIRECTORIES]; /* what is used, which a reload may have failed to move */
	struct {
		int dir;		      /* -1: none */
		char *path;		      /* what it was called */
	} left[DIRECTORIES];		      /* by a reload, until supervisor_tell_left() */
	int connections[PROGRAMS_MAX];	      /* shared tables, see connections.h */
	struct demand *demands[PROGRAMS_MAX]; /* NULL: not on demand */
	unsigned roles;			      /* which programs are run at all */
	struct slot *slots;
	size_t n_slots;
	struct process *processes; /* all, retired ones too */
	const struct supervisor_ops *ops;
	void *arg;
	struct event *sigchld;
	bool stopping, was_ready;
	bool renewing; /* certificates: what is half renewed is no reason to offer no TLS */
	char tls_problem[512]; /* why programs can offer no TLS with what they were sent, or "" */
	unsigned stop_stage;
	uint64_t last_tag, started_us;
	struct admin_call *calls;
	struct token_request *tokens;
};

/*
 * Binds everything and starts the programs of the given roles. -1 with *why (to be freed): nothing
 * runs.
 */
int supervisor_start(struct supervisor *s, struct event_base *base, struct instance *in,
    unsigned roles, const struct supervisor_ops *ops, void *arg, char **why);
/* Drains all in order; on_stopped follows. */
void supervisor_stop(struct supervisor *s);
/* After on_stopped. */
void supervisor_free(struct supervisor *s);

/* Takes over a checked configuration. What an administrator should know of it is added to notices,
 * sentence by sentence. -1 with *why: nothing has changed, the configuration is the caller's. */
int supervisor_reload(struct supervisor *s, struct config *config, json_t *notices, char **why);

/* Hands out the files of [tls] anew, with all settings as they are. */
void supervisor_renew(struct supervisor *s);

/* When a reload is settled: what stays behind in directories that are used no more is added to
 * notices. */
void supervisor_tell_left(struct supervisor *s, json_t *notices);

/* Replaces the processes of one program (NULL: all): their number, which is 0 for a program that
 * the configuration does not want. -1 when there is none of that name. */
int supervisor_restart(struct supervisor *s, const char *program);

/* True when no slot is on its way to another state. Those on demand, which hear nobody while they
 * work, do not count. */
bool supervisor_is_settled(const struct supervisor *s);

/*
 * Asks a running process; cb may be called several times, at last with more false. Code 69 when the
 * process ended, or nothing came within 5 seconds and a program does not answer: the error names
 * it. One that lives and works gets a minute. Words are copied; "status" alone is answered by
 * every process at once, or within 3 seconds counts as not answered.
 */
void supervisor_ask(struct supervisor *s, struct process *p, const char *const *words, size_t n,
    admin_reply_cb cb, void *arg);
/* The first process of a program that takes requests, or NULL. */
struct process *supervisor_process(struct supervisor *s, const char *program);

/* A process for which supervisor_is_settled() waits, or NULL. */
const struct process *supervisor_unsettled(const struct supervisor *s);

const char *slot_state_name(const struct slot *slot);

/* demand.c: starts the process of a slot that is OFF. */
void supervisor_start_slot(struct slot *slot);
/* How long the next start waits after so many deaths in a row; from some on it says so loudly. */
unsigned supervisor_backoff_s(const struct program *program, unsigned deaths);

#endif
