/*
 * One message on its way from a server to the sink: its lines end with CRLF, whatever the server
 * sends; its size is counted, and its time. Touches the wire's deadlines only.
 *
 * A bare LF ends a line; CRs right in front of it are dropped, as in the CR CR LF that some
 * programs make; any other CR becomes a blank. So no line end is there that another program might
 * not see, or see another one.
 */
#include <string.h>

#include "common/monotonic.h"
#include "fetcher/remote_private.h"

void
remote_delivery_init(
    struct remote_delivery *d, struct remote *r, const struct remote_sink *sink, uint64_t max_size)
{
	*d = (struct remote_delivery){.r = r, .sink = sink, .max_size = max_size};
}

/* ---- the sink ---- */

static enum remote_end
stop(struct remote_delivery *d)
{
	d->stopped = true;
	d->begun = false;
	return remote_fail(d->r, REMOTE_STOPPED, "was told no more");
}

static enum remote_end
hand_over(struct remote_delivery *d, const char *at, size_t len)
{
	if (len == 0 || d->too_large || d->r->end != REMOTE_OK)
		return d->r->end;
	d->at_line_start = at[len - 1] == '\n';
	if (d->sink->bytes(d->sink->arg, (struct span){at, len}) == -1)
		return stop(d);
	return REMOTE_OK;
}

/* ---- line ends ---- */

/* The first bytes after CRs that were held back. */
static const char *
settle_cr(struct remote_delivery *d, const char *at, const char *end)
{
	while (at < end && *at == '\r')
		at++;
	if (at == end)
		return at;
	d->held_cr = false;
	if (*at != '\n') {
		(void)hand_over(d, " ", 1);
		return at;
	}
	(void)hand_over(d, "\r\n", 2);
	return at + 1;
}

/* Up to the LF at lf, or to the end of what has come when lf is NULL. */
static const char *
take_line(struct remote_delivery *d, const char *at, const char *lf, const char *end)
{
	const char *until = lf != NULL ? lf : end;
	const char *cr = memchr(at, '\r', until - at);

	if (cr != NULL) {
		(void)hand_over(d, at, cr - at);
		d->held_cr = true;
		return cr + 1;
	}
	(void)hand_over(d, at, until - at);
	if (lf == NULL)
		return end;
	(void)hand_over(d, "\r\n", 2);
	return lf + 1;
}

static void
take(struct remote_delivery *d, struct span bytes)
{
	const char *at = bytes.at, *end = bytes.at + bytes.len, *clean = at;

	/* Lines that are as they should be go on as one piece. */
	while (at < end && d->r->end == REMOTE_OK) {
		const char *lf;

		if (d->held_cr) {
			clean = at = settle_cr(d, at, end);
			continue;
		}
		lf = memchr(at, '\n', end - at);
		if (lf != NULL && lf > at && lf[-1] == '\r' &&
		    memchr(at, '\r', lf - 1 - at) == NULL) {
			at = lf + 1;
			continue;
		}
		(void)hand_over(d, clean, at - clean);
		clean = at = take_line(d, at, lf, end);
	}
	(void)hand_over(d, clean, at - clean);
}

/* ---- time and size ---- */

void
remote_delivery_deadline(const struct remote_delivery *d)
{
	const struct remote_timeouts *t = &d->r->target->timeouts;
	uint64_t may_s = t->message_s + d->received / t->message_bytes_per_s;
	uint64_t took_s = (monotonic_ms() - d->started_ms) / 1000;

	client_wire_limit(d->r->wire, may_s > took_s ? may_s - took_s : 0);
	client_wire_deadline(d->r->wire, t->data_s);
}

static bool
is_endless(const struct remote_delivery *d)
{
	return d->too_large && d->received / 2 > d->announced &&
	       d->received / 2 - d->announced > REMOTE_DROP_MAX_BYTES / 2;
}

/* ---- from its begin to its end ---- */

enum remote_end
remote_delivery_begin(struct remote_delivery *d, uint32_t handle, uint64_t announced)
{
	if (d->r->end != REMOTE_OK)
		return d->r->end;
	d->handle = handle;
	d->announced = announced;
	d->received = 0;
	d->started_ms = monotonic_ms();
	d->too_large = d->held_cr = false;
	d->at_line_start = true;
	d->begun = true;
	if (d->sink->begin(d->sink->arg, handle) == -1)
		return stop(d);
	remote_delivery_deadline(d);
	return REMOTE_OK;
}

enum remote_end
remote_delivery_bytes(struct remote_delivery *d, struct span bytes)
{
	if (d->r->end != REMOTE_OK)
		return d->r->end;
	d->received += bytes.len;
	if (d->max_size != 0 && d->received > d->max_size)
		d->too_large = true;
	if (is_endless(d))
		return remote_fail(d->r, REMOTE_TEMPORARY,
		    "sends far more of a message than the %llu bytes that it may have",
		    (unsigned long long)d->announced);
	if (!d->too_large)
		take(d, bytes);
	return d->r->end;
}

enum remote_end
remote_delivery_end(struct remote_delivery *d, uint32_t handle, enum remote_message_end end)
{
	if (d->begun && end == REMOTE_WHOLE) {
		if (d->held_cr || !d->at_line_start)
			(void)hand_over(d, "\r\n", 2);
		if (d->too_large)
			end = REMOTE_TOO_LARGE;
	}
	if (d->stopped || d->r->end != REMOTE_OK)
		return d->r->end;
	client_wire_limit(d->r->wire, UINT64_MAX);
	if (end == REMOTE_TOO_LARGE)
		remote_say(d->r, "sent more than %llu bytes of a message",
		    (unsigned long long)d->max_size);
	d->begun = false;
	if (d->sink->end(d->sink->arg, handle, end) == -1)
		return stop(d);
	return REMOTE_OK;
}

enum remote_end
remote_delivery_break(struct remote_delivery *d)
{
	if (d->begun && !d->stopped) {
		d->begun = false;
		(void)d->sink->end(
		    d->sink->arg, d->handle, d->too_large ? REMOTE_TOO_LARGE : REMOTE_BROKEN);
	}
	return d->r->end;
}
