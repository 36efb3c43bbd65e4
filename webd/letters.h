/*
 * A letter from a page, being made ready: whose address it is from, what it answers, what is
 * attached. Private to the folder.
 */
#ifndef WEBD_LETTERS_H
#define WEBD_LETTERS_H

#include "queue/queue.h"
#include "store/folders.h"
#include "webd/compose.h"
#include "webd/http.h"

struct ipc_call;
struct reading;

enum { LETTER_ADDRESSES_MAX_BYTES = 100 * 1024 };

/* q->work of a request that carries a letter; freed with it (letter_abort). */
struct outgoing {
	struct request *q;
	const json_t *json; /* the letter; q->json */
	struct letter letter;
	struct letter_attachment attachments[LETTER_ATTACHMENTS_MAX];
	char *names[LETTER_ATTACHMENTS_MAX], *types[LETTER_ATTACHMENTS_MAX];
	int fds[LETTER_ATTACHMENTS_MAX]; /* those that are ours to close; else -1 */
	size_t n_fds, at;		 /* the attachment that is being had */
	uint64_t attached;		 /* bytes of those that are had */
	struct reading *reading;	 /* what it answers, or what is attached */
	char *message_id, *in_reply_to, *references;
	char
	    note[LETTER_NOTE_MAX_BYTES + 1]; /* what it answers, for a draft that is gone on with */
	uint64_t sent, drafts;		     /* folders */
	void (*then)(struct outgoing *o);
	/* api_send.c */
	struct mime_addresses all; /* to, cc and bcc */
	size_t asked;
	uint64_t targets;
	struct ipc_call *router;
	struct queue_call *taking, *committing;
	struct queue_slot slot; /* fd -1: none */
	struct envelope envelope;
	uint64_t release_s, sent_uid;
};

/* Reads q->json as a letter and has what it refers to; then() is called, or the request was
 * answered. draft: recipients that are no addresses are left out, not refused. */
void letter_begin(struct request *q, bool draft, void (*then)(struct outgoing *o));
/* Writes it into a new memory file. -1: answered. */
int letter_write_copy(struct outgoing *o);
/* Frees q->work. */
void letter_abort(struct request *q);

#endif
