/*
 * What the administration's pages and monitors are told: the programs' counters by five minutes of
 * the last day, and in all; disks and certificates. Asks the programs each minute, and hears what
 * they have counted at their end. Keeps log/stats.json, written every five minutes and at the end:
 * a crash of a program loses what it has counted for a minute, one of the machine or of master what
 * was counted for five.
 */
#ifndef MASTER_STATS_H
#define MASTER_STATS_H

#include <jansson.h>

#include "master/supervisor.h"

struct stats;

/* Reads what an earlier one has kept. */
struct stats *stats_new(struct supervisor *s);
/* Counts what a status document says of the programs; it gets "totals" (totals.h) in exchange. */
void stats_note(struct stats *st, json_t *document);
struct process;
/* CONTROL_COUNTERS has come from this process. False: it is malformed. */
bool stats_on_counters(struct stats *st, const struct process *p, struct reader *r);
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
	} slots[TRAFFIC_SLOTS]; /* by time, round and round */
};

/* Adds what a program has counted (counted.h). now: seconds since 1970. */
void
traffic_count(struct traffic *t, const char *program, const char *counter, uint64_t n, int64_t now);
/* [{"time", "received", ...}]: a day up to now, in order, with zeros where nothing was. */
json_t *traffic_describe(const struct traffic *t, int64_t now);
/* Of such a list; what is no such thing, or of another day, is left out. */
void traffic_restore(struct traffic *t, const json_t *list, int64_t now);

#endif
