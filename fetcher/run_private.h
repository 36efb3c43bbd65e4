/*
 * What a run consists of. Private to run.c (the child's connection, its slots and collections),
 * run_message.c (a message on its way) and run_listing.c (what is listed, and DRY_RUN).
 */
#ifndef FETCHER_RUN_PRIVATE_H
#define FETCHER_RUN_PRIVATE_H

#include <sys/queue.h>

#include "common/ipc.h"
#include "fetcher/run.h"
#include "fetcher/token.h"

enum { RUN_NOTES_MAX = 2000 /* that wait for the disk; of more nothing is kept */ };

/* A place that the child has, or that queue was asked for. */
struct place {
	TAILQ_ENTRY(place) link;
	struct run *run;
	struct queue_call *call; /* until there is a slot */
	struct queue_slot slot;
};
TAILQ_HEAD(places, place);

struct run {
	const struct run_means *means;
	struct section_conf *conf;
	enum fetch_mode mode;
	const struct run_ops *ops;
	void *arg;
	struct ipc_channel *channel; /* NULL: the child has gone */
	struct seen_pass *pass;	     /* the helper thread's */
	char *folder;
	uint32_t validity;
	uint64_t number; /* of the collection; a SLOT is for one of them */
	struct places places;
	size_t n_places, n_arriving, n_jobs, wanted;
	size_t n_notes; /* on their way into the seen-list: rows acted on, messages too large */
	struct run_counts counts;
	char why[FETCH_TEXT_MAX_BYTES + 1];	 /* why we have stopped it, or "" */
	char left_why[FETCH_TEXT_MAX_BYTES + 1]; /* of the first message that was left, or "" */
	json_t *details;
	bool begun, waits, stopping, done, freed;
	bool looking;	/* at a listing: the child waits for KNOWN */
	bool refreshed; /* REFRESH was said */
	bool asked;	/* ASK_TOKEN was said; token: until it is answered */
	struct token_call *token;
	bool pruning; /* in the helper thread */
	struct {
		bool is_there;
		enum remote_end end;
		char why[FETCH_TEXT_MAX_BYTES + 1];
	} last; /* DONE, which waits for what router has still to say */
};

/* ---- run.c ---- */

/* Logs that the named message was malformed, and lets the child go. r may be freed. */
void run_refuse(struct run *r, const char *what);
/* Lets the child go. r may be freed. */
void run_lose(struct run *r, const char *why);
/* Why a message was left: the first reason is kept. */
void run_note_left(struct run *r, const char *why);
/* Gives the child the slots that it may have. */
void run_feed(struct run *r);
/* False: it has no such slot. */
bool run_take_place(struct run *r, uint64_t id, struct queue_slot *slot);
/* After what is under way has become less: frees r once its owner has let it go, ... */
void run_settle(struct run *r);
/* ... or tells that it is done, if the child has said so. */
void run_finish_when_idle(struct run *r);

/* ---- run_message.c ---- */

void run_on_message(struct run *r, struct reader *in);
/* The rest of a message: addresses, at most FETCH_CANDIDATES_MAX. */
bool run_read_candidates(struct reader *in, struct header_candidate *out, size_t *n);

/* ---- run_listing.c ---- */

void run_on_listed(struct run *r, struct reader *in);
void run_on_header(struct run *r, struct reader *in);
/* A string that may hold any byte. */
json_t *run_shown(struct span text);

#endif
