/*
 * The guardian itself: the table of messages, the programs connected to it, and how its parts come
 * together. Private to the folder.
 *
 *   spares   slots in store            server   submitters: TAKE, COMMIT, ABANDON
 *   commit   group commit              feed     the router: WINDOW, DUE, RESULTS, PARK...
 *   chores   removing, other jobs      admin    sambarctl queue ...
 *   order    hold, release, remove...  retry    when what failed is tried again
 *   notify   what senders are told
 *   schedule what waits                parking  what waits for its destination
 */
#ifndef QUEUE_SERVER_H
#define QUEUE_SERVER_H

#include "common/ipc.h"
#include "common/role.h"
#include "common/wall_clock.h"
#include "queue/chores.h"
#include "queue/commit.h"
#include "queue/notify.h"
#include "queue/retry.h"
#include "queue/schedule.h"
#include "queue/spares.h"

struct feed;

struct queue {
	struct role *role; /* NULL in tests */
	struct event_base *base;
	struct spool spool;
	struct retry retry;
	struct notify_rules rules;
	struct bounce_limit *limit; /* of the chores' thread */
	struct id_map messages, slots;
	struct id_map kept; /* slots of messages that were not tried yet */
	size_t n_kept;	    /* these, those under way, and those whose file is being removed */
	size_t n_recycled, open_max; /* of all submitters; descriptors that both may have */
	struct schedule schedule;
	struct chores *chores;
	struct commit *commit;
	struct spares *spares;
	struct feed *feed;
	struct ipc_server *server;
	size_t n_held;
	struct id_map orders; /* an administrator's, that wait for an attempt's end */
	uint32_t last_origin;
	bool draining, drain_waited, drained;
	struct event *drain_limit, *drain_check;
};

/* Reads Retry Intervals, Maximum Retry, Mail Server and what notify.h names; also for a reload. */
void server_settings(struct queue *q, const struct settings *s);
/* Takes what the spool holds. The spool is open and locked. */
void server_recover(struct queue *q);
/* Starts the helper threads and serves listen_fd on q->base. */
void server_start(struct queue *q, int listen_fd);
/* After the loop: closes what server_recover() and server_start() made. Messages stay in the table.
 */
void server_stop(struct queue *q);

/* No new work: when what was begun is finished, the loop ends. */
void server_drain(struct queue *q);
/* Something has come to its end: looks whether a drain is complete. */
void server_settled(struct queue *q);

/* How many files of finished messages are kept for this peer. */
size_t server_recycled(const struct ipc_peer *p);

void server_status(struct queue *q, json_t *counters);

/* A durable message of this run, with so many recipients, which is due now. */
struct message *
server_add(struct queue *q, uint64_t id, const struct spool_name *name, uint32_t n_recipients);
/* NULL without one. */
struct message *server_message(const struct queue *q, uint64_t id);
/* The slot that was kept with a message, or NULL. */
struct slot *server_kept(const struct queue *q, uint64_t id);
/* Closes the slot that was kept; the file may still be recycled. */
void server_close_kept(struct queue *q, struct message *m);
/* Its file will not be recycled: its slot is given up. */
void server_unkeep(struct queue *q, struct message *m);
/* Takes a message out of the table; it must not be in the schedule. Frees it. */
void server_forget(struct queue *q, struct message *m);
/* Has its file removed, or made ready for its submitter to use again, and then forgets it. */
void server_remove(struct queue *q, struct message *m);
/* Makes it wait until then, if an order does not take it over; a held one for its release. */
void server_wait(struct queue *q, struct message *m, uint64_t due_us);
/* The same for the first retry interval, because something went wrong with its file, which is read
 * anew then. */
void server_retry_later(struct queue *q, struct message *m);
/* The same as server_wait() for one that is not held. */
void server_schedule(struct queue *q, struct message *m, uint64_t due_us);

#endif
