/*
 * Mailboxes with open sessions of folders.h: for each one its index, the requests that wait for it,
 * and who is told of changes. In the loop; the index itself works in a helper thread, one request
 * of a mailbox after the other, and what takes long by portions, so that other mailboxes get their
 * turn. Private to store/.
 */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "store/durable.h"
#include "store/indexer.h"
#include "store/mailboxes.h"
#include "store/session.h"

struct boxes;
struct box;

/* What all of them share, borrowed. indexer_path: NULL: no message is looked into. */
struct boxes *boxes_new(struct event_base *base, struct mailboxes *mailboxes,
    struct sessions *sessions, struct durable *durable, const char *indexer_path);
/* Finishes what the threads do. All sessions are closed. */
void boxes_free(struct boxes **bs);
/* For names of files. */
void boxes_set_host(struct boxes *bs, const char *host);

/* A session of folders of m: *fd is the holder's end. 0 or a refusal (enum store_refusal). */
int boxes_open(struct boxes *bs, struct maildir *m, int *fd);
/* Closes those of one mailbox. */
void boxes_close(struct maildir *m);
/* A message was delivered into m. */
void boxes_delivered(struct maildir *m);

size_t boxes_sessions(const struct boxes *bs);
/* Messages that were looked into. */
uint64_t boxes_indexed(const struct boxes *bs);
/* Nothing waits for a thread or the disk. */
bool boxes_are_idle(const struct boxes *bs);
/* Called, until it is set to NULL, whenever that becomes true. */
void boxes_on_idle(struct boxes *bs, void (*cb)(void *arg), void *arg);

#endif
