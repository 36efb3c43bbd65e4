/*
 * The conversation with the other host, from connecting to QUIT, and what fetcher is told of it:
 * fetch_session.c has the session, fetch_collect.c its collections of all folders, and
 * fetch_messages.c the messages of one.
 */
#ifndef FETCHER_COLLECT_PRIVATE_H
#define FETCHER_COLLECT_PRIVATE_H

#include "common/host_lookup.h"
#include "fetcher/fetch_private.h"
#include "fetcher/oauth.h"

/* A message that is to be had. */
struct wanted {
	uint32_t handle;
	uint64_t size;
	size_t id; /* in ids */
};

struct done_row {
	uint32_t handle;
	int64_t row;
};

struct collect {
	struct fetch_link *link;
	const struct fetch_config *config;
	const struct fetch_job *job;
	struct remote *remote;
	struct dns *dns;
	struct host_addresses addresses;
	struct oauth_token token;
	struct fetch_body *body;
	struct wanted *wanted; /* of the folder, by handle */
	size_t n_wanted;
	char *ids;
	size_t ids_len, ids_size;
	struct done_row *acts; /* safe, and something is to be done */
	size_t n_acts;
	char **folders; /* as the server spells them */
	size_t n_folders;
	uint64_t n_large, n_gone, n_new;
	unsigned vain;	/* collections in a row for news that was none */
	bool no_header; /* DRY_RUN: the message in hand is not there, or has none that is shown */
	int write_error;
	char why[FETCH_TEXT_MAX_BYTES + 1];
};

/* ---- fetch_collect.c ---- */

/* A folder at the server is one of those to be collected. */
void collect_add_folder(void *arg, const char *name);
/* The job deletes, marks or moves what is safe here. */
bool collect_changes_something(const struct collect *c);
/* Once all of these folders; c->why unless it ends with REMOTE_OK. */
enum remote_end collect_all(struct collect *c);

/* ---- fetch_messages.c ---- */

/* Has fetcher told all that the selected folder lists; what it wants is wanted then. */
enum remote_end collect_list_folder(struct collect *c);
/* Brings what is wanted into slots, and does at the server what is to be done with it. */
enum remote_end collect_fetch_wanted(struct collect *c);
/* DRY_RUN: tells the headers of what is wanted. */
enum remote_end collect_show_wanted(struct collect *c);
/* fetch_link's callback for TAKEN. */
void collect_on_taken(void *arg, const struct fetch_answer *answer);
/* Until each MESSAGE has its TAKEN, or the connection is closed. */
void collect_wait_for_answers(struct collect *c);
/* Returns end; unless it is REMOTE_OK, c->why is what the session says. */
enum remote_end collect_keep_why(struct collect *c, enum remote_end end);

#endif
