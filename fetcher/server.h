/*
 * fetcher as a whole: the sections, when each is collected, and what administrators ask.
 */
#ifndef FETCHER_SERVER_H
#define FETCHER_SERVER_H

#include "common/role.h"
#include "fetcher/recorder.h"
#include "fetcher/run.h"

struct fetcher;

/* An administrator who waits for the collections that he has asked for. */
struct asker {
	struct fetcher *fetcher;
	uint64_t tag;
	size_t waiting; /* sections */
	json_t *results;
};

/* One [fetch NAME], for as long as it is there. */
struct section {
	struct fetcher *fetcher;
	struct section_conf *conf;
	struct event *timer; /* the next collection */
	struct run *run;     /* or NULL */
	bool gone;	     /* it is no longer configured, or not like this */
	bool collecting;     /* run does not only wait */
	bool wanted_again;   /* somebody has asked meanwhile */
	unsigned failures;   /* in a row */
	uint64_t next_us;    /* of the monotonic clock; 0: not planned */
	uint64_t due_s;	     /* what was planned before a restart, by the wall clock; 0: nothing */
	uint64_t last_s, started_us;
	struct run_outcome last; /* why, left_why: those that follow */
	char last_why[FETCH_TEXT_MAX_BYTES + 1], last_left_why[FETCH_TEXT_MAX_BYTES + 1];
	bool has_last;
	struct asker *askers[8]; /* who wait for it */
	size_t n_askers;
	struct section *next;
};

struct fetcher {
	struct role *role;
	char *fetch_path;
	struct run_means means;
	struct router_client *router;
	struct section *sections; /* in the order of the configuration */
	size_t children_max;
	uint64_t n_taken, n_bytes, n_before, n_failures; /* for status */
	size_t n_checks;				 /* TEST and DRY_RUN under way */
	bool draining;
};

extern const struct role_ops server_ops;

/* Opens the seen-list, after role_confine(), and starts the first collections. */
void server_run(struct role *role, int directory);

/* ---- schedule.c ---- */

/* Takes the sections of new settings; what is as it was goes on. */
void schedule_update(struct fetcher *f);
/* Collects as soon as can be. asker: hears of the end, or NULL. */
void schedule_now(struct section *s, struct asker *asker);
/* The next collection by the wall clock; 0: it is not planned. */
uint64_t schedule_next_s(const struct section *s);
struct section *schedule_find(struct fetcher *f, const char *name);
/* Stops all; role_exit_when_done() once nothing is under way. */
void schedule_drain(struct fetcher *f);
json_t *schedule_describe_counts(const struct run_counts *c);

/* ---- admin.c ---- */

void admin_handle(struct role *role, uint64_t tag, char **words, size_t n);
void admin_hear(struct asker *asker, const struct section *s);
void admin_cut_off(struct asker **asker);

#endif
