/*
 * What folders_client.c, folders_ask.c and folders_answer.c share: a session with folders and its
 * requests under way. Private to the three.
 */
#ifndef STORE_FOLDERS_CLIENT_PRIVATE_H
#define STORE_FOLDERS_CLIENT_PRIVATE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/ipc.h"
#include "store/folders.h"

struct folders_call {
	TAILQ_ENTRY(folders_call) entry;
	struct folders *folders;
	uint64_t first_tag, last_tag; /* of its requests */
	uint64_t answered;
	folders_answer_cb cb; /* NULL: forgotten */
	void *arg;
	bool is_local;		 /* refused here, without a question */
	size_t to_fill, at_once; /* COPY, MOVE: so many UIDs are to come, these of each request */
	struct folders_answer answer;
	struct folder_info *infos;
	struct folder_label *labels;
	struct folder_row *rows;
	uint64_t *uids, *uid_folders;
	size_t infos_room, labels_room, rows_room, uids_room;
	void **texts; /* of infos, labels and rows */
	size_t n_texts, texts_room;
};
TAILQ_HEAD(calls, folders_call);

struct folders {
	struct ipc_channel *channel;
	const struct folders_ops *ops;
	void *arg;
	struct calls calls;
	uint64_t last_tag;
	struct event local;
	unsigned depth; /* callbacks on the stack */
	bool freed;
};

/* ---- folders_answer.c ---- */

/* With the answer as it stands: calls back, and frees c. The callee may free all. */
void folders_call_finish(struct folders_call *c);
/* Without calling back. */
void folders_call_free(struct folders_call *c);

/* One of the messages of an answer to c, which may be gone afterwards. False: it is malformed. */
bool folders_take_answer(struct folders_call *c, enum folders_message type, struct reader *r);
/* A notice. */
bool folders_take_changed(struct folders *f, struct reader *r);

#endif
