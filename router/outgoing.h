/*
 * Mail for other hosts: destinations, each with what waits for it and how many conversations with
 * it there may be, and the deliver children that hold them. Talks to deliver over deliver.sock, and
 * asks queue for parked messages. Touches no file.
 *
 * A destination is what one open session can serve; its text (router/route.h) is its name. Its
 * limit of conversations begins small, grows with each success and shrinks with each failure. When
 * none of its hosts can be reached it is dead for a while: all its mail is deferred at once. A
 * child that has an open session gets the next message for it, but after a number of them, or a
 * while, others have their turn. What is more than can soon be sent is parked in queue.
 */
#ifndef ROUTER_OUTGOING_H
#define ROUTER_OUTGOING_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"
#include "router/deliver.h"

struct outgoing;
struct outgoing_job;

/* path: deliver.sock. feed: where parked messages are fetched from. */
struct outgoing *outgoing_new(struct event_base *base, const char *path, struct queue_feed *feed,
    const struct settings *settings);
/* All jobs must have ended or been cancelled. */
void outgoing_free(struct outgoing **o);
/* Maximum MTA Routers, Maximum Connections To A Host, Dead Destination, Relay Delivery. */
void outgoing_settings(struct outgoing *o, const struct settings *settings);

enum outgoing_state {
	OUTGOING_READY, /* take it */
	OUTGOING_BUSY,	/* park it */
	OUTGOING_DEAD	/* defer it */
};
/*
 * Whether a job for this destination should be added now. scheduled: its mail goes out at the times
 * of Relay Delivery. *reply (borrowed, until this event ends): of DEAD, the reply for the
 * recipients. fetched: the message was parked for it, so it is not BUSY.
 */
enum outgoing_state outgoing_look(
    struct outgoing *o, struct span destination, bool scheduled, bool fetched, struct span *reply);

/* It is not dead any more, unless it has just died: one conversation tries. */
void outgoing_revive(struct outgoing *o, struct span destination);

struct outgoing_ops {
	/* Once for each recipient. logged: deliver has written a line about it. */
	void (*on_result)(void *arg, const struct deliver_result *result, bool logged);
	/* All have had one: the job is gone. */
	void (*on_end)(void *arg);
};
/* Takes a job, which is copied; fd must live until its end. ops is not copied. on_end is called
 * later, never from here. */
struct outgoing_job *outgoing_add(struct outgoing *o, struct span destination,
    const struct deliver_job *job, int fd, const struct outgoing_ops *ops, void *arg);
/* Nothing is called any more. A conversation under way is broken off: nobody would hear what became
 * of it. Clears the pointer. */
void outgoing_cancel(struct outgoing_job **job);
struct span outgoing_destination(const struct outgoing_job *job);
/* True while it waits for a child. */
bool outgoing_waits(const struct outgoing_job *job);

/* The message was parked for this destination. */
void outgoing_parked(struct outgoing *o, struct span destination);
/* queue says how many are left after a fetch. */
void outgoing_left(struct outgoing *o, struct span destination, uint64_t left);
/* queue has forgotten all that was parked. */
void outgoing_forget_parked(struct outgoing *o);
/* Dead destinations are tried again, and what waits for its time goes, parked or soon due: all, or
 * those that a domain (a pattern) may go to. */
void outgoing_flush(struct outgoing *o, struct span pattern);

/* Nothing more is taken: all is BUSY, nothing is fetched. What is under way goes on. */
void outgoing_drain(struct outgoing *o);

void outgoing_status(const struct outgoing *o, json_t *counters);

#endif
