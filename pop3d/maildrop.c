/*
 * The mailbox of a user who has logged in: what there is, what is marked, and the removal at QUIT.
 * Lists of 100,000 messages are written in pieces, as fast as the client takes them.
 */
#include "pop3d/maildrop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "pop3d/commands.h"
#include "store/store.h"

enum { LIST_PIECE_BYTES = 32768, LIST_LINE_MAX_BYTES = 24 + MAILBOX_UIDL_MAX_BYTES };

/* ---- marks ---- */

static bool
is_marked(const struct maildrop *d, uint64_t index)
{
	return d->marks != NULL && (d->marks[index / 64] >> index % 64 & 1) != 0;
}

static bool
mark(struct maildrop *d, uint64_t index)
{
	/* A mailbox of a million messages needs 125 KB. */
	if (d->marks == NULL && (d->marks = calloc(d->count / 64 + 1, sizeof *d->marks)) == NULL)
		return false;
	d->marks[index / 64] |= 1ULL << index % 64;
	d->n_marked++;
	d->marked_bytes += mailbox_size(d->mailbox, index);
	return true;
}

static void
forget_marks(struct maildrop *d)
{
	free(d->marks);
	d->marks = NULL;
	d->n_marked = d->marked_bytes = 0;
}

bool
maildrop_has_marks(const struct maildrop *d)
{
	return d->n_marked > 0;
}

static uint64_t
count_left(const struct maildrop *d)
{
	return d->count - d->n_marked;
}

static uint64_t
bytes_left(const struct maildrop *d)
{
	return mailbox_total_bytes(d->mailbox) - d->marked_bytes;
}

/* ---- numbers ---- */

bool
maildrop_index(struct session *s, struct span number, uint64_t *index)
{
	const struct maildrop *d = s->drop;

	if (!span_u64(number, d->count, index) || *index == 0) {
		session_reply(s, "-ERR No such message");
		return false;
	}
	--*index;
	if (!is_marked(d, *index))
		return true;
	session_reply(s, "-ERR The message is marked as deleted");
	return false;
}

/* ---- lists ---- */

/* A whole line, for one message. */
typedef int (*list_line)(const struct maildrop *d, uint64_t index, char line[LIST_LINE_MAX_BYTES]);

static int
size_line(const struct maildrop *d, uint64_t index, char line[LIST_LINE_MAX_BYTES])
{
	unsigned long long number = index + 1, size = mailbox_size(d->mailbox, index);

	return snprintf(line, LIST_LINE_MAX_BYTES, "%llu %llu\r\n", number, size);
}

static int
uidl_line(const struct maildrop *d, uint64_t index, char line[LIST_LINE_MAX_BYTES])
{
	struct span uidl = mailbox_uidl(d->mailbox, index);
	unsigned long long number = index + 1;

	return snprintf(line, LIST_LINE_MAX_BYTES, "%llu %.*s\r\n", number, (int)uidl.len, uidl.at);
}

static bool
write_piece(struct session *s, list_line one)
{
	static char piece[LIST_PIECE_BYTES];
	struct maildrop *d = s->drop;
	size_t n = 0;

	for (; d->listed < d->count && n + LIST_LINE_MAX_BYTES < sizeof piece; d->listed++)
		if (!is_marked(d, d->listed))
			n += one(d, d->listed, piece + n);
	session_write(s, (struct span){piece, n});
	if (d->listed < d->count)
		return false;
	session_write(s, span_of(".\r\n"));
	session_trace_count(s, ">>>", count_left(d), "lines");
	return true;
}

static bool
write_sizes(struct session *s)
{
	return write_piece(s, size_line);
}

static bool
write_uidls(struct session *s)
{
	return write_piece(s, uidl_line);
}

static void
reply_line(struct session *s, struct span number, list_line one)
{
	char line[LIST_LINE_MAX_BYTES];
	uint64_t index;

	if (!maildrop_index(s, number, &index))
		return;
	line[one(s->drop, index, line) - 2] = '\0';
	session_replyf(s, "+OK %s", line);
}

void
cmd_list(struct session *s, struct span argument)
{
	struct maildrop *d = s->drop;
	struct span number = span_trim(argument);

	if (number.len > 0) {
		reply_line(s, number, size_line);
		return;
	}
	session_replyf(s, "+OK %llu messages (%llu octets)", (unsigned long long)count_left(d),
	    (unsigned long long)bytes_left(d));
	d->listed = 0;
	session_produce(s, write_sizes);
}

void
cmd_uidl(struct session *s, struct span argument)
{
	struct span number = span_trim(argument);

	if (number.len > 0) {
		reply_line(s, number, uidl_line);
		return;
	}
	session_reply(s, "+OK");
	s->drop->listed = 0;
	session_produce(s, write_uidls);
}

/* ---- the short ones ---- */

void
cmd_stat(struct session *s, struct span argument)
{
	(void)argument;
	session_replyf(s, "+OK %llu %llu", (unsigned long long)count_left(s->drop),
	    (unsigned long long)bytes_left(s->drop));
}

void
cmd_dele(struct session *s, struct span argument)
{
	uint64_t index;

	if (!maildrop_index(s, span_trim(argument), &index))
		return;
	if (mark(s->drop, index))
		session_reply(s, "+OK Marked as deleted");
	else
		session_sorry(s, "-ERR [SYS/TEMP] Out of memory");
}

void
cmd_rset(struct session *s, struct span argument)
{
	(void)argument;
	forget_marks(s->drop);
	s->drop->last = 0;
	session_reply(s, "+OK");
}

/* RFC 1460 5: the highest number accessed; RSET undoes it. */
void
cmd_last(struct session *s, struct span argument)
{
	(void)argument;
	session_replyf(s, "+OK %llu", (unsigned long long)s->drop->last);
}

/* ---- QUIT ---- */

static uint64_t *
marked_indexes(const struct maildrop *d)
{
	uint64_t *indexes = malloc(d->n_marked * sizeof *indexes);
	size_t n = 0;

	for (uint64_t i = 0; indexes != NULL && i < d->count; i++)
		if (is_marked(d, i))
			indexes[n++] = i;
	return indexes;
}

void
maildrop_update(struct session *s)
{
	struct maildrop *d = s->drop;
	uint64_t *indexes = marked_indexes(d);

	if (indexes == NULL) {
		session_close(s, "-ERR [SYS/TEMP] Out of memory; nothing is deleted", "memory");
		return;
	}
	session_set_state(s, S_UPDATE);
	s->reason = "quit";
	mailbox_delete(d->mailbox, indexes, d->n_marked);
	free(indexes);
	session_wait(s);
}

/* What the update has come to. */
static void
end_update(struct session *s)
{
	const struct maildrop *d = s->drop;

	if (s->stream == NULL)
		session_free(&s);
	else if (d->deleted == d->n_marked)
		session_close(s, "+OK Bye", "quit");
	else
		session_close(s, "-ERR [SYS/TEMP] Some messages are not deleted", "not-deleted");
}

/* ---- from store ---- */

static void
on_listing(void *arg)
{
	struct session *s = arg;

	s->drop->open = true;
	s->drop->count = mailbox_count(s->drop->mailbox);
	login_complete(s);
}

static void
on_message(void *arg, uint64_t index, int fd)
{
	struct session *s = arg;

	ahead_arrived(&s->drop->ahead, index, fd);
	retrieve_arrived(s);
}

static void
on_deleted(void *arg, uint64_t count)
{
	struct session *s = arg;

	s->drop->deleted = count;
	s->server->counters.deleted += count;
	end_update(s);
}

/* A message that is on its way to the client is sent to its end; a list is cut. */
static void
on_close(void *arg)
{
	struct session *s = arg;
	struct maildrop *d = s->drop;

	ahead_stop(&d->ahead);
	mailbox_free(&d->mailbox);
	if (!d->open)
		login_failed(s);
	else if (s->state == S_UPDATE)
		end_update(s);
	else if (s->producer == write_sizes || s->producer == write_uidls)
		session_cut(s, "store");
	else if (s->waiting)
		session_go_on(s);
	else
		session_dismiss(s);
}

static const struct mailbox_ops mailbox_ops = {.on_listing = on_listing,
    .on_message = on_message,
    .on_deleted = on_deleted,
    .on_close = on_close};

/* ---- the beginning and the end ---- */

void
maildrop_open(struct session *s, int fd)
{
	struct maildrop *d = xcalloc(1, sizeof *d);

	s->drop = d;
	d->now.fd = -1;
	d->mailbox = mailbox_new(s->server->base, fd, &mailbox_ops, s);
	ahead_start(&d->ahead, d->mailbox, &s->server->ahead);
}

static void
log_session(const struct session *s)
{
	const struct maildrop *d = s->drop;

	log_info("- session user=%s client=%s retrieved=%llu top=%llu deleted=%llu left=%llu "
		 "bytes=%llu reason=%s",
	    log_safe(span_of(s->name)), s->client, (unsigned long long)d->retrieved,
	    (unsigned long long)d->top, (unsigned long long)d->deleted,
	    (unsigned long long)(d->count - d->deleted), (unsigned long long)d->sent, s->reason);
}

void
maildrop_free(struct session *s)
{
	struct maildrop *d = s->drop;

	if (d == NULL)
		return;
	if (d->open)
		log_session(s);
	retrieve_stop(d);
	ahead_stop(&d->ahead);
	mailbox_free(&d->mailbox);
	free(d->marks);
	free(d);
	s->drop = NULL;
}
