/*
 * Writes a message into its spool file. While fields may have to be added at the header's end, the
 * line that may be this end stays in the buffer.
 */
#include "smtpd/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct body *
body_new(int fd, uint64_t offset, bool dots, uint64_t client_max, struct span prefix)
{
	struct body *b = malloc(sizeof *b);

	if (b == NULL)
		return NULL;
	memset(b, 0, offsetof(struct body, buffer)); /* pages of the buffer come with its use */
	data_start(&b->data, dots);
	b->fd = fd;
	b->offset = offset;
	b->client_max = client_max;
	b->crc = crc32_z(0, NULL, 0);
	memcpy(b->buffer, prefix.at, prefix.len);
	b->used = b->size = b->skew = prefix.len;
	return b;
}

void
body_free(struct body **b)
{
	free(*b);
	*b = NULL;
}

void
body_fill_in(struct body *b, const char *date, const char *message_id)
{
	b->date = date;
	b->message_id = message_id;
}

enum data_fault
body_fault(const struct body *b)
{
	return b->data.fault;
}

/* ---- writing ---- */

static int
write_all(struct body *b, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = pwrite(b->fd, b->buffer + done, n - done, b->offset + done);

		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0) {
			b->error = w == 0 ? EIO : errno;
			data_fail(&b->data, DATA_NOT_WRITTEN);
			return -1;
		}
		done += w;
	}
	return 0;
}

/* Writes the first n bytes of the buffer. */
static void
flush(struct body *b, size_t n)
{
	if (b->data.fault != DATA_SOUND || write_all(b, n) == -1) {
		b->used = 0;
		return;
	}
	b->crc = crc32_z(b->crc, (unsigned char *)b->buffer, n);
	b->offset += n;
	b->skew -= n;
	b->used -= n;
	memmove(b->buffer, b->buffer + n, b->used);
}

static bool
fills_in(const struct body *b)
{
	return b->date != NULL && !b->header.ended;
}

static void
flush_full(struct body *b)
{
	int64_t last_line = fills_in(b) ? (int64_t)b->header.line_start + b->skew : 0;

	flush(b, last_line > 0 ? last_line : b->used);
}

/* ---- fields that are missing ---- */

static void
insert_missing(struct body *b)
{
	int64_t at = (int64_t)b->header.end_at + b->skew;
	char text[BODY_RESERVE_BYTES];
	int n;

	if (b->header.has_date && b->header.has_message_id)
		return;
	n = snprintf(text, sizeof text, "%s%s%s", b->header.has_date ? "" : b->date,
	    b->header.has_message_id ? "" : b->message_id,
	    b->header.blank || b->header.end_at == b->header.at ? "" : "\r\n");
	if (n < 0 || at < 0 || at > b->used || n > sizeof b->buffer - b->used ||
	    b->data.fault != DATA_SOUND)
		return;
	memmove(b->buffer + at + n, b->buffer + at, b->used - at);
	memcpy(b->buffer + at, text, n);
	b->used += n;
	b->size += n;
}

/* n bytes were added to the buffer. */
static void
look_at(struct body *b, size_t n)
{
	bool filling = fills_in(b);

	b->used += n;
	b->size += n;
	b->client_size += n;
	if (b->client_size > b->client_max)
		data_fail(&b->data, DATA_TOO_BIG);
	if (b->header.ended)
		return;
	header_scan_feed(&b->header, (struct span){b->buffer + b->used - n, n});
	if (filling && b->header.ended)
		insert_missing(b);
}

size_t
body_feed(struct body *b, struct span bytes)
{
	size_t done = 0;

	while (done < bytes.len && !b->data.ended) {
		size_t n = bytes.len - done, room, written;

		if (b->used >= BODY_BUFFER_BYTES)
			flush_full(b);
		room = BODY_BUFFER_BYTES - b->used;
		if (n > room)
			n = room;
		done += data_feed(
		    &b->data, (struct span){bytes.at + done, n}, b->buffer + b->used, &written);
		look_at(b, written);
	}
	return done;
}

void
body_finish(struct body *b)
{
	bool filling;

	/* RFC 3030 keeps bytes as they are, but a message without a last line end could not be
	 * sent on by DATA, nor shown by POP3. */
	if (!b->data.dots && data_finish(&b->data) && b->data.fault == DATA_SOUND) {
		memcpy(b->buffer + b->used, "\r\n", 2);
		look_at(b, 2);
	}
	filling = fills_in(b);
	header_scan_finish(&b->header);
	if (filling)
		insert_missing(b);
	flush(b, b->used);
}
