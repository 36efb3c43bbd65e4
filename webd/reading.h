/*
 * A message of the mailbox, open to be read: what several handlers begin with. Private to the
 * folder.
 */
#ifndef WEBD_READING_H
#define WEBD_READING_H

#include "common/mime.h"
#include "store/folders.h"
#include "webd/http.h"

/* q->work while a message is read; freed with the answer (reading_end(), or abort). */
struct reading {
	struct request *q;
	uint64_t folder, uid;
	int fd;
	uint64_t size;
	struct mime *mime; /* NULL until reading_parse() */
	struct mime_body *body;
	struct json_t *row;
	void (*then)(struct reading *r);
};

/* Of the parameters folder and uid. then() is called with fd open; otherwise the request was
 * answered. */
void reading_begin(struct request *q, void (*then)(struct reading *r));
/* The same for this message. */
void
reading_begin_at(struct request *q, uint64_t folder, uint64_t uid, void (*then)(struct reading *r));
/* False: it cannot be read; answered. */
bool reading_parse(struct reading *r);
/* Before the answer. */
void reading_end(struct request *q);
/* Content-Disposition with a file's name; inline: shown in place. */
void reply_file_name(struct request *q, bool in_place, const char *name);

#endif
