/*
 * deliver carries mail to other hosts: one process, one conversation at a time. Its door is for
 * router alone: the messages between them, and router's handle for one child.
 *
 * A connection to deliver.sock is one child: master starts the process when the connection waits
 * there, and it ends when router closes it. Until there is a process, what is sent waits.
 *
 * message         fields, who sends it
 * JOB             id, ahead (0/1), destination, reverse-path, recipient*; the spool file (router)
 * RESULT          { recipient, end, flags, reply, route }* (deliver)
 * DONE            id, session kept open (0/1), destination end, text, the last results, like RESULT
 *                 (deliver)
 * RETIRE          - (deliver): no more jobs, close when none is in hand. A job that was on its way
 *                 is still done
 * A destination is kind, name, port, tls, implicit TLS (0/1), dane (0/1), TLS names, user,
 * password, in clear (0/1).
 *
 * One job at a time, but the next JOBs may be sent before DONE, so that the child need not wait for
 * them: each is begun after the DONE of the one before, but for its envelope, which may leave with
 * the message of that one. One is not enough for that: it comes too late. They are sent "ahead"
 * then, and go back, without a word, with a DONE that says that the session is not kept open: what
 * went wrong with one is not done again with all. Each recipient of a job has one result, in a
 * RESULT before its DONE or in this, also when no host was reached. A JOB for the same destination
 * as the last one uses the session that is still open; for another one the child says QUIT first.
 * An idle session is closed by the child after a while (Outgoing Idle), and the process stays.
 *
 * When the connection is lost during a job, recipients without a RESULT may have their mail or not.
 */
#ifndef ROUTER_DELIVER_H
#define ROUTER_DELIVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/next_hop.h"
#include "common/span.h"
#include "queue/queue.h"

enum deliver_message { DELIVER_JOB = 1, DELIVER_RESULT = 100, DELIVER_DONE, DELIVER_RETIRE };

enum {
	DELIVER_JOBS_MAX = 3,	       /* at a child: one in hand, and those behind it */
	DELIVER_RECIPIENTS_MAX = 1000, /* of one job: SMTP_RECIPIENTS_MAX */
	DELIVER_NAME_MAX_BYTES = 1020, /* a domain, perhaps in UTF-8 */
	DELIVER_TLS_NAMES_MAX_BYTES = 4096,
	DELIVER_CREDENTIAL_MAX_BYTES = 1024, /* user, password */
	DELIVER_ROUTE_MAX_BYTES = 300,
};

enum deliver_kind {
	DELIVER_MX,   /* the hosts of a domain (mx_of_domain), which may be an address literal */
	DELIVER_HOST, /* this host (mx_of_host) */
	DELIVER_KIND_LAST = DELIVER_HOST
};

/* Two jobs with equal ones can share a session. */
struct deliver_destination {
	enum deliver_kind kind;
	struct span name;
	uint16_t port;
	enum tls_mode tls;
	bool implicit_tls; /* from the start (RFC 8314); tls is at least TLS_ENCRYPT then */
	bool dane; /* TLSA records, where there are any, decide (RFC 7672), unless tls is TLS_NEVER
		      or there is TLS from the start */
	/*
	 * VERIFY: names of which one must be in the certificate, separated by blanks; with a period
	 * in front any subdomain. Empty: HOST: the host; MX: the domain, its subdomains, and the
	 * host if the MX is secure by DNSSEC.
	 */
	struct span tls_names;
	struct span user, password; /* without a user nobody logs in */
	bool auth_in_clear;	    /* also without TLS */
};

struct deliver_job {
	uint64_t id; /* of the message, as in its envelope */
	struct deliver_destination to;
	struct span reverse_path;   /* in place of the envelope's; empty: as it is there */
	const uint32_t *recipients; /* their numbers in the envelope, none twice */
	size_t n;		    /* 1 to DELIVER_RECIPIENTS_MAX */
};

enum deliver_flags {
	DELIVER_DSN_PASSED_ON = 1, /* DONE: the next host reports itself (RFC 3461 5.2.2) */
	DELIVER_MAYBE_SENT = 2,	   /* DEFERRED: the reply to the end of the message was lost */
	DELIVER_FLAGS_ALL = 3
};

struct deliver_result {
	uint32_t recipient;
	enum delivery_end end;
	unsigned flags;
	struct span reply; /* "250 2.0.0 Ok: queued as 12345", printable, at most REPLY_MAX_BYTES */
	struct span route; /* "smtp:HOST", or "smtp" when there was none */
};

enum deliver_end {
	DELIVER_REACHED, /* a host has answered: what it said is about these recipients */
	DELIVER_NOT_NOW, /* none could be reached, or used: all mail for it would fare alike */
	DELIVER_NEVER,	 /* there is no such destination: NXDOMAIN, null MX, a loop */
	DELIVER_END_LAST = DELIVER_NEVER
};

struct deliver_done {
	uint64_t id;
	bool kept_open;
	enum deliver_end end;
	struct span text; /* NOT_NOW, NEVER: the reply that the recipients had; else "" */
};

/* ---- router's side ---- */

/* A child: no process until master has started one, which may take its time. */
struct deliver_child;

/* In each of them the handle may be freed, and in on_done the next job sent. Spans are borrowed. */
struct deliver_ops {
	void (*on_result)(void *arg, const struct deliver_result *result);
	/* Every recipient has had its result. Unless it is kept open, the child has given back the
	 * jobs that were behind this one, and is free. */
	void (*on_done)(void *arg, const struct deliver_done *done);
	/*
	 * There is no child any more: the handle is to be freed. left: recipients of the job in
	 * hand that have had no result (n_left 0: there was no job, or DONE was all that it
	 * lacked); those that waited behind it were not begun. Called once. Also when the child
	 * has asked to be let go, as soon as no job is in hand.
	 */
	void (*on_close)(void *arg, const uint32_t *left, size_t n_left);
};

/* ops is not copied. NULL with errno: master does not listen. */
struct deliver_child *deliver_child_new(
    struct event_base *base, const char *path, const struct deliver_ops *ops, void *arg);
/* Closes: the child finishes what it has in hand, says QUIT and ends. */
void deliver_child_free(struct deliver_child **c);

/* False while a job is in hand. */
bool deliver_child_is_free(const struct deliver_child *c);
/* A job is in hand, and another may be sent, which is begun after those that are there. */
bool deliver_child_takes_next(const struct deliver_child *c);
/* Only when it is free, or takes the next. Copies the job and owns fd from now on. */
void deliver_child_send(struct deliver_child *c, const struct deliver_job *job, int fd);

#endif
