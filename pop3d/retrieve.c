/*
 * RETR and TOP: a message from its descriptor to the client, in large pieces. All sessions use the
 * same two buffers, each for a moment.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "pop3d/commands.h"
#include "pop3d/maildrop.h"
#include "store/store.h"

enum { PIECE_BYTES = STREAM_READ_BYTES, OUTPUT_BYTES = PIECE_BYTES + 4096 };

static char piece[PIECE_BYTES];

/* ---- output: small pieces gather, so that a message leaves in one write ---- */

static struct {
	char bytes[OUTPUT_BYTES];
	size_t len;
} output;

static void
flush(struct session *s)
{
	s->drop->now.sent += output.len;
	session_write(s, (struct span){output.bytes, output.len});
	output.len = 0;
}

static void
put(void *arg, struct span bytes)
{
	struct session *s = arg;

	while (bytes.len > 0) {
		size_t room = sizeof output.bytes - output.len,
		       n = bytes.len < room ? bytes.len : room;

		memcpy(output.bytes + output.len, bytes.at, n);
		output.len += n;
		bytes = (struct span){bytes.at + n, bytes.len - n};
		if (output.len == sizeof output.bytes)
			flush(s);
	}
}

/* ---- the file ---- */

/* The bytes read into piece: fewer than a full piece only at the end. -1: it cannot be read, or is
 * shorter than it was. */
static ssize_t
read_piece(struct retrieval *r)
{
	off_t left = r->size - r->at;
	size_t want = left < PIECE_BYTES ? left : PIECE_BYTES, got = 0;

	while (got < want) {
		ssize_t n = pread(r->fd, piece + got, want - got, r->at + got);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ESTALE : errno;
			return -1;
		}
		got += n;
	}
	r->at += got;
	return got;
}

void
retrieve_stop(struct maildrop *d)
{
	closefd(&d->now.fd);
}

/* ---- the answer ---- */

static bool
is_complete(const struct retrieval *r)
{
	return r->at == r->size || r->wire.ended;
}

static void
complete(struct session *s)
{
	struct maildrop *d = s->drop;
	struct retrieval *r = &d->now;

	wire_finish(&r->wire, put, s);
	put(s, span_of(".\r\n"));
	flush(s);
	session_trace_count(s, ">>>", r->sent, "bytes");
	d->sent += r->sent;
	s->server->counters.bytes_sent += r->sent;
	s->server->counters.retrieved += !r->top;
	d->retrieved += !r->top;
	d->top += r->top;
	retrieve_stop(d);
}

static void
log_trouble(const struct session *s, const char *what, int error)
{
	unsigned long long number = s->drop->now.index + 1;

	log_warn("- %s user=%s number=%llu error=%s", what, log_safe(span_of(s->name)), number,
	    strerror(error));
}

static bool
write_piece(struct session *s)
{
	struct retrieval *r = &s->drop->now;
	ssize_t n = read_piece(r);

	if (n == -1) {
		log_trouble(s, "message-cut", errno);
		session_cut(s, "message-cut");
		return true;
	}
	wire_feed(&r->wire, (struct span){piece, n}, put, s);
	if (is_complete(r))
		complete(s);
	else
		flush(s);
	return r->fd == -1;
}

static void
refuse(struct session *s, int error)
{
	log_trouble(s, "unreadable", error);
	retrieve_stop(s->drop);
	session_sorry(s, "-ERR [SYS/TEMP] The message cannot be read now");
}

static void
answer(struct session *s, ssize_t n)
{
	struct maildrop *d = s->drop;
	struct retrieval *r = &d->now;

	if (r->top)
		session_reply(s, "+OK");
	else
		session_replyf(
		    s, "+OK %llu octets", (unsigned long long)mailbox_size(d->mailbox, r->index));
	if (!r->top && d->last <= r->index)
		d->last = r->index + 1;
	wire_feed(&r->wire, (struct span){piece, n}, put, s);
	if (is_complete(r)) {
		complete(s);
		return;
	}
	flush(s);
	session_produce(s, write_piece);
}

/* The descriptor is there. The first piece is read before anything is said. */
static void
begin(struct session *s, int fd)
{
	struct retrieval *r = &s->drop->now;
	struct stat st;
	ssize_t n;

	r->fd = fd;
	if (fd == -1) {
		session_sorry(s, "-ERR The message is gone");
		return;
	}
	if (fstat(fd, &st) == -1) {
		refuse(s, errno);
		return;
	}
	r->size = st.st_size;
	if ((n = read_piece(r)) == -1)
		refuse(s, errno);
	else if (n == 0 && mailbox_size(s->drop->mailbox, r->index) > 0)
		refuse(s, ESTALE); /* emptied meanwhile */
	else
		answer(s, n);
}

void
retrieve_arrived(struct session *s)
{
	int fd;

	if (!s->waiting || s->closing || s->state != S_TRANSACTION ||
	    !ahead_ready(&s->drop->ahead, &fd))
		return;
	begin(s, fd);
	session_go_on(s);
}

static void
retrieve(struct session *s, uint64_t index)
{
	struct maildrop *d = s->drop;
	int fd;

	d->now.index = index;
	d->now.at = d->now.sent = 0;
	ahead_want(&d->ahead, index);
	if (ahead_ready(&d->ahead, &fd))
		begin(s, fd);
	else
		session_wait(s);
}

/* ---- the verbs ---- */

void
cmd_retr(struct session *s, struct span argument)
{
	uint64_t index;

	if (!maildrop_index(s, span_trim(argument), &index))
		return;
	s->drop->now.top = false;
	wire_start(&s->drop->now.wire);
	retrieve(s, index);
}

void
cmd_top(struct session *s, struct span argument)
{
	struct span lines = span_trim(argument), number;
	uint64_t index, n;

	if (!span_take(&lines, ' ', &number) || !span_u64(lines, UINT64_MAX, &n)) {
		session_reply(s, "-ERR TOP message lines is expected");
		return;
	}
	if (!maildrop_index(s, number, &index))
		return;
	s->drop->now.top = true;
	wire_start_top(&s->drop->now.wire, n);
	retrieve(s, index);
}
