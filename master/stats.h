/*
 * What the administration's pages show of the last day: the programs' counters by five minutes,
 * disks and certificates. Asks the programs each minute. Keeps log/stats.json over a restart, which
 * is a convenience: nothing depends on it.
 */
#ifndef MASTER_STATS_H
#define MASTER_STATS_H

#include <jansson.h>

#include "master/supervisor.h"

struct stats;

/* Reads what an earlier one has kept. */
struct stats *stats_new(struct supervisor *s);
/* Keeps what is known. */
void stats_free(struct stats **st);

/* cb gets the document of control.h's stats (its own), later. */
typedef void (*stats_cb)(void *arg, json_t *doc);
void stats_collect(struct stats *st, stats_cb cb, void *arg);

/* ---- the traffic alone: pure ---- */

enum traffic_kind {
	TRAFFIC_RECEIVED,  /* messages that smtpd and fetcher have taken */
	TRAFFIC_DELIVERED, /* recipients: in mailboxes here */
	TRAFFIC_SENT,	   /* recipients: taken by other hosts */
	TRAFFIC_DEFERRED,
	TRAFFIC_BOUNCED,
	TRAFFIC_REJECTED, /* messages and recipients that smtpd has refused */
	TRAFFIC_KINDS
};

enum { TRAFFIC_SLOT_S = 300, TRAFFIC_SLOTS = 24 * 3600 / TRAFFIC_SLOT_S };

struct traffic {
	struct traffic_slot {
		int64_t time; /* its start, seconds since 1970; 0: empty */
		uint64_t n[TRAFFIC_KINDS];
	} slots[TRAFFIC_SLOTS];	   /* by time, round and round */
	struct traffic_seen *seen; /* what each process has counted so far */
	size_t n_seen;
};

/* Adds what the programs of a status document have counted since the last one. now: seconds since
 * 1970. */
void traffic_add(struct traffic *t, const json_t *running, int64_t now);
/* [{"time", "received", ...}]: a day up to now, in order, with zeros where nothing was. */
json_t *traffic_describe(const struct traffic *t, int64_t now);
/* Of such a list; what is no such thing, or of another day, is left out. */
void traffic_restore(struct traffic *t, const json_t *list, int64_t now);
void traffic_clear(struct traffic *t);

#endif
