/*
 * The mailboxes that are in use: found by name, opened once, forgotten when others need the room.
 * Says when what LOOKUP told about one no longer holds.
 */
#ifndef STORE_MAILBOXES_H
#define STORE_MAILBOXES_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/maildir.h"

struct mailboxes;

/* name "": all. */
typedef void (*mailboxes_forget_cb)(void *arg, const char *name);

/* mail: an O_PATH descriptor, borrowed. max: mailboxes kept open; more only while they are used. */
struct mailboxes *mailboxes_new(
    struct event_base *base, int mail, size_t max, mailboxes_forget_cb on_forget, void *arg);
void mailboxes_free(struct mailboxes **ms);

/* Maximum Mailbox Size. */
void mailboxes_set_limit(struct mailboxes *ms, uint64_t bytes);
uint64_t mailboxes_limit(const struct mailboxes *ms);

/*
 * The mailbox of this name as it is now, or NULL with errno: ENOENT when there is none, another
 * when that cannot be said. Lives until the next call unless mailboxes_hold() was called.
 */
struct maildir *mailboxes_get(struct mailboxes *ms, struct span name);
/* Whether a change to what the last mailboxes_get() found would be noticed. */
bool mailboxes_would_notice(const struct mailboxes *ms);
void mailboxes_hold(struct maildir *m);
void mailboxes_release(struct maildir *m);

/* What router is told about room and when to forget it. */
void mailboxes_tell(struct maildir *m, uint64_t room);
void mailboxes_room_changed(struct mailboxes *ms, struct maildir *m);

/* Its directory is another one now, or gone. */
void mailboxes_reset(struct mailboxes *ms, struct maildir *m);

/* The listing of m is worth keeping for the next session (takes a reference), or is out of date. */
void mailboxes_keep_listing(struct mailboxes *ms, struct maildir *m, struct listing *l);
void mailboxes_drop_listing(struct mailboxes *ms, struct maildir *m);

/* Of a mailbox with a box: folders came or went, or (all) anything may be different. cb may be
 * NULL.
 */
typedef void (*mailboxes_change_cb)(void *arg, struct maildir *m, bool all);
void mailboxes_on_change(struct mailboxes *ms, mailboxes_change_cb cb, void *arg);

size_t mailboxes_count(const struct mailboxes *ms);

#endif
