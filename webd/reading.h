/*
 * A message of the mailbox, open to be read: what several handlers begin with. Private to the
 * folder.
 */
#ifndef WEBD_READING_H
#define WEBD_READING_H

#include "common/mime.h"
#include "store/folders.h"
#include "webd/background.h"
#include "webd/http.h"
#include "webd/message_document.h"

enum { READING_FOUND_MAX = 3 };

/* q->work while a message is read; freed with the answer (reading_end(), or abort). Or beside it.
 */
struct reading {
	struct background_job job;
	struct request *q; /* NULL: nobody waits for it any more. Not the thread's */
	bool parses, in_thread, is_aside;
	struct folders_call *call; /* of one that is aside */
	uint64_t folder, uid;
	int fd;
	uint64_t size;
	struct mime *mime; /* when it was parsed; NULL: it cannot be */
	struct mime_body *body;
	json_t *row;
	void (*work)(struct reading *r);
	void (*then)(struct reading *r);
	/* for work(), and from it */
	json_t *own; /* the user's addresses */
	char *part;  /* a path */
	struct document_options document;
	json_t *doc;
	char *text;
	size_t len;
	int file; /* with len bytes, or -1 */
	char *found[READING_FOUND_MAX];
};

/* Of the parameters folder and uid. then() is called later with fd open; otherwise the request was
 * answered. NULL: that was done just now. */
struct reading *reading_begin(struct request *q, void (*then)(struct reading *r));
/* The same for this message. */
struct reading *
reading_begin_at(struct request *q, uint64_t folder, uint64_t uid, void (*then)(struct reading *r));
/* It is to be parsed before then() is called: off the loop, as is work(), which may be NULL. Right
 * after the beginning. */
void reading_parses(struct reading *r, void (*work)(struct reading *r));
/*
 * For a request that has work of its own: parsed off the loop as well. then() is called later, in
 * any case: when the message is not there, or cannot be read, fd is -1 or mime NULL, and work() was
 * not called. The caller's, from the beginning on, until reading_drop(), which clears the pointer.
 */
struct reading *reading_aside(struct request *q, uint64_t folder, uint64_t uid,
    void (*work)(struct reading *r), void (*then)(struct reading *r));
void reading_drop(struct reading **r);
/* Of found[]: the caller's. */
char *reading_take(struct reading *r, size_t i);
/* Before the answer. */
void reading_end(struct request *q);
/* Content-Disposition with a file's name; inline: shown in place. */
void reply_file_name(struct request *q, bool in_place, const char *name);

#endif
