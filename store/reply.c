/* Messages that a helper thread writes and the loop sends later. */
#include "store/reply.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static _Thread_local unsigned char scratch[IPC_MESSAGE_MAX_BYTES];

void
reply_begin(struct writer *w, uint32_t type)
{
	ipc_write_into(w, scratch, type, 0);
}

bool
reply_add(struct reply *r, struct writer *w, int fd)
{
	if (w->full || r->len + w->len > STORE_REPLY_MAX_BYTES) {
		closefd(&fd);
		r->failed = true;
		return false;
	}
	if (r->n == r->messages_room) {
		r->messages_room = r->messages_room ? r->messages_room * 2 : 8;
		r->messages = xrealloc(r->messages, r->messages_room * sizeof *r->messages);
	}
	if (w->len > r->room - r->len) {
		r->room = r->room * 2 > r->len + w->len ? r->room * 2 : r->len + w->len;
		r->bytes = xrealloc(r->bytes, r->room);
	}
	memcpy(r->bytes + r->len, w->at, w->len);
	r->messages[r->n++] = (struct reply_message){r->len, w->len, fd};
	r->len += w->len;
	return true;
}

static struct writer
writer_of(const struct reply *r, size_t i)
{
	return (struct writer){r->bytes + r->messages[i].at, r->messages[i].len, false};
}

void
reply_send(struct reply *r, struct ipc_channel *channel, uint64_t tag)
{
	for (size_t i = 0; i < r->n; i++) {
		struct writer w = writer_of(r, i);

		ipc_set_tag(w.at, tag);
		ipc_channel_send(channel, &w, r->messages[i].fd);
		r->messages[i].fd = -1;
	}
	reply_clear(r);
}

void
reply_send_copy(const struct reply *r, struct ipc_channel *channel)
{
	for (size_t i = 0; i < r->n; i++) {
		struct writer w = writer_of(r, i);

		ipc_channel_send(channel, &w, -1);
	}
}

void
reply_clear(struct reply *r)
{
	for (size_t i = 0; i < r->n; i++)
		closefd(&r->messages[i].fd);
	free(r->messages);
	free(r->bytes);
	*r = (struct reply){0};
}
