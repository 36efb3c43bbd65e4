/*
 * Work on what strangers have written, off the event loop: a few threads, and at one time no more
 * than one piece of work for each user, so that a message that was made to take long is waited for
 * by its reader only. Private to the folder.
 */
#ifndef WEBD_BACKGROUND_H
#define WEBD_BACKGROUND_H

#include <event2/event.h>

#include "auth/auth.h"
#include "common/worker.h"

enum { BACKGROUND_THREADS = 4 };

struct background;

/* The first member of each kind of work; all else in it is the thread's until done() is called. */
struct background_job {
	struct job job; /* private, as all but the last two */
	TAILQ_ENTRY(background_job) entry;
	struct background *background;
	struct worker *worker; /* NULL: it waits */
	char user[AUTH_USER_SIZE];
	void (*work)(struct background_job *); /* in a thread; it logs nothing */
	void (*done)(struct background_job *); /* in the loop; frees it */
};

/* After role_confine(). */
struct background *background_new(struct event_base *base);
/* Waits for what runs; what does not yet is done() without work(). Clears the pointer; harmless on
 * NULL. */
void background_free(struct background **b);
/* In their order for each user. done() is called later, and not from within the call. */
void background_push(struct background *b, const char *user, struct background_job *job);
/* True: it still waited, and is the caller's again; neither work() nor done() is called. */
bool background_cancel(struct background_job *job);

#endif
