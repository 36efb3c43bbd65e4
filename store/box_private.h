/*
 * Between box.c, box_visitors.c, box_watch.c and box_fill.c: the mailboxes with open sessions. All
 * of it is called in the main loop only; a box belongs to its thread while it is busy.
 */
#ifndef STORE_BOX_PRIVATE_H
#define STORE_BOX_PRIVATE_H

#include <event2/event_struct.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/tree.h>

#include "common/worker.h"
#include "store/box.h"
#include "store/folders.h"
#include "store/index.h"
#include "store/watch.h"

enum { BOX_THREADS = 2 };

/* An answer that waits for the disk, or for one that does. */
struct outgoing {
	STAILQ_ENTRY(outgoing) entry;
	struct visitor *visitor; /* NULL: gone */
	struct box *box;
	uint64_t tag;
	bool ready;
	struct reply reply;
};

/* Whoever holds a session. */
struct visitor {
	TAILQ_ENTRY(visitor) entry;
	struct box *box;
	struct ipc_channel *channel;
	bool watches;
	size_t n_waiting, waiting_bytes;
	STAILQ_HEAD(, outgoing) outgoing;
};

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	struct visitor *visitor; /* NULL: gone; it is done all the same */
	uint32_t type;
	uint64_t tag;
	int fd;
	size_t len;
	unsigned char bytes[];
};

struct folder_watch {
	RB_ENTRY(folder_watch) by_number;
	TAILQ_ENTRY(folder_watch) entry;
	struct box *box;
	int number;
	uint64_t folder;
	enum maildir_folder place;
};

struct filling {
	TAILQ_ENTRY(filling) entry;
	struct box *box;
	size_t bytes; /* of what was found */
	struct indexer_call *call;
	struct index_fill found;
};

struct box {
	struct job job; /* must be first */
	TAILQ_ENTRY(box) entry;
	struct boxes *all;
	struct maildir *m;
	unsigned thread;
	TAILQ_HEAD(, visitor) visitors;
	size_t n_visitors;
	STAILQ_HEAD(, waiting) waiting;

	bool busy;	     /* the thread has index, request and directory */
	struct index *index; /* NULL: not made yet */
	int directory;	     /* a new one for the index, or -1 */
	char host[INDEX_HOST_SIZE];
	ino_t directory_ino;
	struct index_request request;
	struct waiting *current; /* what request was made of, or NULL */
	bool closing;		 /* the index is to be freed */
	bool sleeping;		 /* its database is closed */

	TAILQ_HEAD(, folder_watch) watches;
	struct index_event *events, **events_end;
	size_t n_events;
	struct index_event *taken_events; /* the request's */
	bool overflow, look;
	struct event pause; /* events are gathered */
	struct event idle;

	uint64_t *watched, *told_watched; /* to be told to the index; told with the request */
	size_t n_watched;

	TAILQ_HEAD(fillings, filling) asked, found; /* of indexer; to be taken in */
	size_t n_asked, n_found, found_bytes;
	int64_t *in_hand; /* the request's list of both */
	unsigned put_off;
	bool hungry; /* indexer has too much to do */
	unsigned syncing;
};

RB_HEAD(watch_numbers, folder_watch);

struct boxes {
	struct event_base *base;
	struct mailboxes *mailboxes;
	struct sessions *sessions;
	struct durable *durable;
	struct worker *threads[BOX_THREADS];
	struct indexer *indexer;
	struct watch *watch;
	struct watch_numbers numbers;
	TAILQ_HEAD(, box) every;
	char host[INDEX_HOST_SIZE];
	size_t n_visitors;
	uint64_t n_indexed, n_made;
	bool ending;
	void (*on_idle)(void *arg); /* or NULL */
	void *idle_arg;
};

/* ---- box.c ---- */

/* Does what is to be done next; frees the box when nobody needs it any more. */
void box_run(struct box *b);
/* Tells who waits for it when nothing is under way. */
void boxes_say_idle(struct boxes *bs);

/* ---- box_visitors.c: the holders of sessions, and what they are answered ---- */

/* A new one at our end fd of his session, which is his from now on. */
void box_welcome(struct box *b, int fd);
/* His requests are done all the same. */
void visitor_free(struct visitor *v);
/* All of them; the box stays. */
void box_close_visitors(struct box *b);
/* Frees a request and sets it to NULL. */
void waiting_free(struct waiting **w);
/* All requests that nobody has begun. */
void box_drop_waiting(struct box *b);

/* Ends a request's reply with its last message: granted or refused. */
void box_finish_reply(struct index_request *q);
/*
 * Sends a reply, which is taken and set to nothing, behind those of earlier requests; with sync
 * when the mailbox is durable. v NULL: nobody hears it.
 */
void box_answer(struct box *b, struct visitor *v, uint64_t tag, struct reply *reply, bool sync);

/* ---- box_watch.c: what others do to the files ---- */

extern const struct watch_ops box_watch_ops; /* their argument is struct boxes */

/* Watches the folders that a request found unwatched, and clears the list. */
void box_watch_folders(struct box *b, struct reply *unwatched);
void box_unwatch(struct box *b);
void box_drop_events(struct box *b);
void box_free_events(struct index_event **list);
/* The timer's: what was gathered is looked at. */
void box_on_pause_end(evutil_socket_t fd, short what, void *box);
/* mailboxes_on_change()'s. */
void boxes_on_change(void *boxes, struct maildir *m, bool all);

/* ---- box_fill.c: what is in messages, by indexer ---- */

/* Asks for the messages that the index has chosen. */
void box_fill(struct box *b, struct index_request *q);
/* Whether enough was found to be taken in, or all there is. */
bool box_has_found(const struct box *b);
/* Gives the request what was found; box_free_filled() when it was taken in. */
void box_take_found(struct box *b, struct index_request *q);
void box_free_filled(struct index_request *q);
/* Lets the index choose messages if there is room for more of them. */
void box_choose_fill(struct box *b, struct index_request *q);
/* Forgets what was asked and found; the index will choose it again. */
void box_stop_filling(struct box *b);

#endif
