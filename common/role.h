/*
 * What every program that master starts has in common: its settings and sockets from master, the
 * control connection, logging, confinement and the loop. See docs/design.md, "How they talk".
 */
#ifndef COMMON_ROLE_H
#define COMMON_ROLE_H

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>

#include "common/settings.h"
#include "common/span.h"

/* The descriptor on which a program finds its control connection to master. */
enum { ROLE_CONTROL_FD = 3 };

/*
 * Messages on the control connection. master sends SETTING*, SOCKET*, START, and on a reload
 * SETTING*, START again:
 *
 * CONTROL_SETTING      section, key, value: one setting of this role's slice
 * CONTROL_SOCKET       name, descriptor: an inherited socket, directory or memory
 * CONTROL_START        row, rows: all was sent, run (or take the new settings). The row is this
 *                      process's own in the program's shared tables
 * CONTROL_DRAIN        -: finish the work in hand and exit 0
 * CONTROL_ADMIN        word*, tag set: an administrator's request
 * CONTROL_MINTED       granted (0/1), administrator's (0/1), with a descriptor when granted; the
 * tag of MINT CONTROL_METRICS_TEXT more (0/1), text: a part of a JSON document; the tag of METRICS
 * CONTROL_TOKEN_IS     good (0/1), text, the tag of TOKEN: what the command has printed, or why
 *                      there is nothing
 *
 * The program answers:
 *
 * CONTROL_READY        protections (text for status): confined and in its loop
 * CONTROL_ADMIN_REPLY  exit code (sysexits.h), more (0/1), text, same tag: the text is a part of a
 *                      JSON document
 * CONTROL_MINT         user, administrator (0/1), client address, tag set: a session with master
 *                      for this user (auth only)
 * CONTROL_REVOKE       user: his sessions with master end (auth only)
 * CONTROL_METRICS      tag set: what sambarctl status says (webd only)
 * CONTROL_COUNTERS     JSON: what on_status() says last, from a program that is about to end.
 * CONTROL_TOKEN        section, tag set, from fetcher: run the OAuth Token Command of [fetch NAME].
 *                      Answer, later: TOKEN_IS
 */
enum control_message {
	CONTROL_SETTING = 1,
	CONTROL_SOCKET,
	CONTROL_START,
	CONTROL_DRAIN,
	CONTROL_ADMIN,
	CONTROL_READY,
	CONTROL_ADMIN_REPLY,
	CONTROL_MINT,
	CONTROL_MINTED,
	CONTROL_REVOKE,
	CONTROL_METRICS,
	CONTROL_METRICS_TEXT,
	CONTROL_TOKEN,
	CONTROL_COUNTERS,
	CONTROL_TOKEN_IS,
};

enum confine_profile {
	CONFINE_NETWORK,  /* talks to strangers: no files; sockets of the run directory only */
	CONFINE_WEB,	  /* the same; may keep things in memory files (memfd_create) */
	CONFINE_ROUTER,	  /* no files, no network */
	CONFINE_OUTGOING, /* talks to other hosts: no files, no UNIX sockets; connects out, never
			   * listens
			   */
	CONFINE_READER,	  /* reads what it is handed: no files, no sockets, no network */
	CONFINE_FILES, /* a guardian: files below the directories that master passed, no network */
};

struct role;

struct role_ops {
	/* Settings have changed: r->settings holds the new ones. May be NULL when start-up values
	 * are all there is. */
	void (*on_reload)(struct role *r);
	/* Finish work in hand, take no new, then call role_exit_when_done(). NULL: exit at once. */
	void (*on_drain)(struct role *r);
	/* Adds counters (numbers) to a JSON object for sambarctl status. May be NULL. */
	void (*on_status)(struct role *r, json_t *counters);
	/*
	 * An administrator's request in words ("list", "show", ID ...). Answers now or later, once,
	 * with role_admin_reply(). NULL: every request is refused.
	 */
	void (*on_admin)(struct role *r, uint64_t tag, char **words, size_t n_words);
	/* What role_ask_token() has asked for. good false: text says why there is none. NULL:
	 * nobody asks. */
	void (*on_token)(struct role *r, uint64_t tag, bool good, struct span text);
};

enum { ROLE_SOCKETS_MAX = 64, ROLE_DIRECTORIES_MAX = 8 };

struct role {
	const char *name;
	struct event_base *base;
	struct settings *settings;
	const struct role_ops *ops;
	void *arg;		  /* the program's own */
	unsigned worker, workers; /* this process's row in shared tables, and their rows */
	/* private to role.c */
	struct ipc_channel *control;
	struct settings *incoming;
	struct {
		char *name;
		int fd;
	} sockets[ROLE_SOCKETS_MAX];
	size_t n_sockets;
	int directories[ROLE_DIRECTORIES_MAX]; /* what Landlock leaves open */
	size_t n_directories;
	char protections[256];
	int exit_code;
	bool is_leaving;	 /* the last counters were sent */
	struct role_call *calls; /* that master has not answered */
	uint64_t last_tag;
};

/*
 * Opens the log, reads settings and sockets from master (blocking) and makes the event base.
 * Without a control connection it ends with a sentence that says to use sambarctl start.
 */
void role_start(struct role *r, const char *name, const struct role_ops *ops, void *arg);

/*
 * The descriptor that master passed under this name, owned by the caller from now on (a second call
 * gives -1). -1 when there is none. Names: "listen:<key>:<address>" with the key of [listen],
 * "queue.sock", "router.sock", "store.sock", "auth.sock", "deliver.sock", "indexer.sock" (listening
 * ends), "spool", "mail", "failures", "users" (directories, O_PATH), "connections" (shared memory,
 * see connections.h). On a reload only new listeners come; [listeners] names all that are to be
 * open.
 */
int role_socket(struct role *r, const char *name);

/* The same for what the program cannot do without: ends it when there is none. */
int role_required_socket(struct role *r, const char *name);

/* As role_socket for names that start with prefix; *name_out (borrowed) is set. -1 when no more. */
int role_socket_prefixed(struct role *r, const char *prefix, const char **name_out);

/* The path by which another program's socket ("queue.sock") is reached after role_confine(). Static
 * storage. */
const char *role_peer_path(struct role *r, const char *socket_name);

/* Account, chroot, no_new_privs, Landlock, seccomp: no way back. Ends the program when any step
 * fails. */
void role_confine(struct role *r, enum confine_profile profile);

/* Runs until master says drain (and the work is done) or goes away. Returns the exit status for
 * main. */
int role_loop(struct role *r);

/* The drain is complete: the loop ends. */
void role_exit_when_done(struct role *r);

/* Answers on_admin. code: sysexits.h, 0 for success. Owns doc. A failure's doc is {"error":
 * "sentence"}. */
void role_admin_reply(struct role *r, uint64_t tag, int code, json_t *doc);
void role_admin_error(struct role *r, uint64_t tag, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- what master is asked; answered once, later, unless it is cancelled ---- */

struct role_call;
/* session: a connection that speaks master/control.h, the callee's; -1: refused. admin: it may do
 * what administrators may. */
typedef void (*role_session_cb)(void *arg, int session, bool admin);
/* auth only. admin: he is an administrator; whether also from this address, master decides. */
struct role_call *role_mint(struct role *r, struct span user, bool admin, struct span client,
    role_session_cb cb, void *arg);
/* auth only: ends all sessions of this user with master. */
void role_revoke(struct role *r, struct span user);

/* doc: as of sambarctl status --json (master/status.h), borrowed; NULL: there is none now. */
typedef void (*role_document_cb)(void *arg, json_t *doc);
/* webd only. */
struct role_call *role_metrics(struct role *r, role_document_cb cb, void *arg);
/* Clears the pointer; harmless on NULL. */
void role_call_cancel(struct role_call **call);
/* For fetcher: has master run the OAuth Token Command of a section, "work". on_token() follows,
 * once. */
void role_ask_token(struct role *r, uint64_t tag, const char *section);

/*
 * For a program that master starts on demand, and that serves one connection: accepts it from the
 * role with this bit; strangers' are refused. What is sent on it waits for a minute at most. -1:
 * nobody is there any more. listen_fd does not block and stays the caller's.
 */
int role_accept_one(int listen_fd, unsigned bit, const char *name);

/* role_ask.c: MINTED or METRICS_TEXT has come. -1: it is malformed. */
struct reader;
int role_take_answer(struct role *r, uint32_t type, uint64_t tag, struct reader *in);

/* The account that must be behind a role's connections, or (uid_t)-1 when accounts are not
 * separated. */
uid_t role_uid(unsigned bit);
void role_set_uid(unsigned bit, uid_t uid);

#endif
