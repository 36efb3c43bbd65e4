/*
 * router as a whole. Private to router/.
 */
#ifndef ROUTER_SERVER_H
#define ROUTER_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/ipc.h"
#include "common/settings.h"
#include "queue/queue.h"
#include "router/known.h"
#include "router/outgoing.h"
#include "router/resolve.h"
#include "router/tables.h"

struct ask;
struct attempt;
struct vacations;
TAILQ_HEAD(ask_list, ask);
TAILQ_HEAD(attempt_list, attempt);

struct router {
	struct event_base *base;
	struct ipc_server *server;
	struct queue_feed *feed;
	struct outgoing *outgoing;
	struct known *known;
	struct vacations *vacations;
	struct tables *tables;
	struct resolution resolution; /* between two events it holds nothing */
	struct ask_list asks;	      /* those that wait for store */
	struct attempt_list attempts; /* messages in hand */
	size_t n_asks, n_attempts;
	unsigned window;
	void (*on_idle)(void *arg); /* set while draining */
	void *idle_arg;
	struct {
		uint64_t asks, delivered, sent, deferred, failed, dropped,
		    expanded; /* recipients */
		uint64_t vacation_replies;
		uint64_t messages;
	} count;
};

/* Paths from role_peer_path(); listen_fd (router.sock) is taken. After role_confine(). */
struct router *router_new(struct event_base *base, int listen_fd, const char *queue_path,
    const char *store_path, const char *deliver_path, const struct settings *settings);
void router_free(struct router **r);
void router_settings(struct router *r, const struct settings *settings);
void router_status(const struct router *r, json_t *counters);
/* Takes no more messages; calls on_idle once none is in hand. */
void router_drain(struct router *r, void (*on_idle)(void *arg), void *arg);

/* ask.c: answers ASK, SENDER and EXPLAIN. */
void ask_handle(struct ipc_peer *p, uint64_t tag, struct reader *in);
void ask_handle_sender(struct ipc_peer *p, uint64_t tag, struct reader *in);
void ask_handle_explain(struct ipc_peer *p, uint64_t tag, struct reader *in);
/* Forgets those of a peer that has gone; NULL: all. */
void ask_forget(struct router *r, const struct ipc_peer *p);

/* attempt.c: a message is due. Takes fd. ordered: an administrator wants it tried. destination: of
 * its PARK, or empty. Ends with queue_results(), queue_park() or when it is forgotten. */
void attempt_start(struct router *r, uint64_t id, bool ordered, struct span destination, int fd);
/* Parks what waits for a conversation with another host. */
void attempt_park_waiting(struct router *r);
/* Forgets all: queue will give them again. */
void attempt_forget_all(struct router *r);
/* An attempt, or a vacation reply, has ended. */
void router_attempt_ended(struct router *r);

#endif
