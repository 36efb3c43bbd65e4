/*
 * The messages of a folder at the other host: what is listed there, what of it is new, its bytes on
 * their way into a slot, and what is done with those that are safe here. See collect_private.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mail_date.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "fetcher/collect_private.h"

enum {
	/* What is asked for at a time, and still taken when we are to stop: so many messages, and
	 * so many bytes unless it is one message. */
	BATCH = FETCH_SLOTS,
	BATCH_BYTES = 8 * 1024 * 1024,
	RECEIVED_SIZE = 1500, /* names, addresses and TLS are limited, see remote.h */
	HEADER_MAX_BYTES = 1024 * 1024
};

/* ---- what fetcher says of messages ---- */

void
collect_on_taken(void *arg, const struct fetch_answer *answer)
{
	struct collect *c = arg;

	if (!answer->act)
		return;
	if ((c->n_acts & (c->n_acts - 1)) == 0)
		c->acts = xrealloc(c->acts, (c->n_acts ? c->n_acts * 2 : 1) * sizeof *c->acts);
	c->acts[c->n_acts++] = (struct done_row){answer->handle, answer->row};
}

void
collect_wait_for_answers(struct collect *c)
{
	while (c->link->n_outstanding > 0 && fetch_link_receive(c->link) == 0)
		continue;
}

enum remote_end
collect_keep_why(struct collect *c, enum remote_end end)
{
	if (end != REMOTE_OK)
		strlcpy(c->why, remote_why(c->remote), sizeof c->why);
	return end;
}

/* ---- at the server ---- */

static int
compare_handles(const void *one, const void *another)
{
	const struct done_row *a = one, *b = another;

	return (a->handle > b->handle) - (a->handle < b->handle);
}

static void
say_acted(struct collect *c, const struct done_row *rows, const bool *done, size_t n)
{
	struct writer w;

	ipc_write(&w, FETCH_ACTED, 0);
	for (size_t i = 0; i < n; i++)
		if (done[i])
			put_u64(&w, rows[i].row);
	fetch_link_send(c->link, &w);
}

/* Up to REMOTE_BATCH_MAX of them. */
static enum remote_end
act_on(struct collect *c, const struct done_row *rows, size_t n)
{
	uint32_t handles[REMOTE_BATCH_MAX];
	bool done[REMOTE_BATCH_MAX] = {false};
	enum remote_end end = REMOTE_OK;

	for (size_t i = 0; i < n; i++)
		handles[i] = rows[i].handle;
	if (c->job->action == ACT_DELETE)
		end = remote_delete(c->remote, handles, n, done);
	else if (c->job->action == ACT_SEEN)
		end = remote_mark_seen(c->remote, handles, n, done);
	else if (c->job->action == ACT_MOVE)
		end = remote_move(c->remote, handles, n, c->job->move_to, done);
	/* What was deleted or moved is no longer listed; if it is, it is tried again. */
	if (c->job->action == ACT_SEEN)
		say_acted(c, rows, done, n);
	return collect_keep_why(c, end);
}

/* *missing: there is no folder to move to, which is no reason not to collect. */
static enum remote_end
act(struct collect *c, enum remote_end *missing)
{
	enum remote_end end = REMOTE_OK;
	size_t n = c->n_acts;

	if (n > 1)
		qsort(c->acts, n, sizeof *c->acts, compare_handles);
	c->n_acts = 0;
	for (size_t at = 0; at < n && end == REMOTE_OK; at += REMOTE_BATCH_MAX)
		end =
		    act_on(c, c->acts + at, n - at < REMOTE_BATCH_MAX ? n - at : REMOTE_BATCH_MAX);
	if (end == REMOTE_NO_FOLDER)
		*missing = end;
	return end == REMOTE_NO_FOLDER ? REMOTE_OK : end;
}

/* ---- the sink ---- */

static const struct wanted *
find_wanted(const struct collect *c, uint32_t handle)
{
	size_t low = 0, high = c->n_wanted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->wanted[middle].handle < handle)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->n_wanted && c->wanted[low].handle == handle ? &c->wanted[low] : NULL;
}

static size_t
print_received(const struct collect *c, uint64_t id, char out[RECEIVED_SIZE])
{
	const struct remote_info *info = remote_info(c->remote);
	const char *protocol = c->job->protocol == REMOTE_IMAP ? "IMAP" : "POP3";
	char tls[2 * REMOTE_TLS_TEXT_SIZE + 40] = "", date[MAIL_DATE_SIZE];
	int n;

	if (info->tls_version[0] != '\0')
		snprintf(tls, sizeof tls, "\r\n\t(using %s with cipher %s)", info->tls_version,
		    info->tls_cipher);
	mail_date_print(wall_clock_now() / 1000000, date);
	n = snprintf(out, RECEIVED_SIZE,
	    "Received: from %s ([%s%s])%s\r\n\tby %s (Sambar Mail, section %s) with %s id "
	    "%s;\r\n\t%s\r\n",
	    c->job->host, strchr(info->address, ':') != NULL ? "IPv6:" : "", info->address, tls,
	    c->config->server, c->job->section, protocol, queue_id_text(id), date);
	return n > 0 && n < RECEIVED_SIZE ? n : 0;
}

static int
on_begin(void *arg, uint32_t handle)
{
	struct collect *c = arg;
	char received[RECEIVED_SIZE];
	struct fetch_slot slot;
	size_t n;

	(void)handle;
	if (c->link->n_slots == 0)
		fetch_link_look(c->link);
	if (!fetch_link_slot(c->link, &slot))
		return -1;
	n = print_received(c, slot.id, received);
	fetch_body_start(c->body, &slot, c->job->room, (struct span){received, n});
	return 0;
}

static int
on_bytes(void *arg, struct span bytes)
{
	struct collect *c = arg;

	fetch_body_add(c->body, bytes);
	return 0;
}

static void
put_candidates(const struct collect *c, struct writer *w, const struct header *h)
{
	for (size_t i = 0; c->job->candidates && i < h->n_candidates; i++) {
		put_u64(w, h->candidates[i].source);
		put_text(w, h->candidates[i].address);
	}
}

static void
say_message(struct collect *c, const struct wanted *m, const unsigned char *digest)
{
	const struct fetch_body *b = c->body;
	struct writer w;

	ipc_write(&w, FETCH_MESSAGE, 0);
	put_u64(&w, b->slot.id);
	put_u64(&w, m->handle);
	put_u64(&w, m->size);
	put_u64(&w, b->size);
	put_u64(&w, b->crc);
	put_u64(&w, b->header->received);
	put_str(&w, (struct span){(const char *)digest, FETCH_DIGEST_BYTES});
	put_text(&w, c->ids + m->id);
	put_candidates(c, &w, b->header);
	c->link->n_outstanding++;
	fetch_link_send(c->link, &w);
}

static void
say_abandon(struct collect *c)
{
	struct writer w;

	ipc_write(&w, FETCH_ABANDON, 0);
	put_u64(&w, c->body->slot.id);
	fetch_link_send(c->link, &w);
}

/* So that it is not had each time. Without an id nobody would know it again. */
static void
say_oversize(struct collect *c, const struct wanted *m)
{
	struct writer w;

	if (c->ids[m->id] == '\0')
		return;
	ipc_write(&w, FETCH_OVERSIZE, 0);
	put_u64(&w, m->size);
	put_text(&w, c->ids + m->id);
	fetch_link_send(c->link, &w);
}

static void
log_left(const struct collect *c, const struct wanted *m, const char *reason)
{
	log_warn("- left section=%s id=%s reason=\"%s\"", c->job->section,
	    m != NULL ? log_safe(span_of(c->ids + m->id)) : "", reason);
}

static int
on_end(void *arg, uint32_t handle, enum remote_message_end end)
{
	struct collect *c = arg;
	const struct wanted *m = find_wanted(c, handle);
	unsigned char digest[FETCH_DIGEST_BYTES];
	bool begun = c->body->slot.fd != -1;

	if (begun)
		fetch_body_finish(c->body, digest);
	if (begun && c->body->error != 0)
		c->write_error = c->body->error;
	if (begun && m != NULL && end == REMOTE_WHOLE && c->body->error == 0)
		say_message(c, m, digest);
	else if (begun)
		say_abandon(c);
	if (m != NULL && end == REMOTE_TOO_LARGE)
		say_oversize(c, m);
	c->n_large += end == REMOTE_TOO_LARGE;
	c->n_gone += end == REMOTE_GONE;
	if (end == REMOTE_TOO_LARGE || end == REMOTE_GONE)
		log_left(c, m,
		    end == REMOTE_GONE ? remote_why(c->remote)
				       : "larger than the Maximum Message Size, and than it says");
	return c->write_error != 0 || c->link->over ? -1 : 0;
}

/* ---- the listing ---- */

static void
want(struct collect *c, const struct remote_message *m)
{
	size_t n = strlen(m->id) + 1;

	if ((c->n_wanted & (c->n_wanted - 1)) == 0)
		c->wanted =
		    xrealloc(c->wanted, (c->n_wanted ? c->n_wanted * 2 : 1) * sizeof *c->wanted);
	if (c->ids_len + n > c->ids_size) {
		c->ids_size = c->ids_size * 2 + 4096;
		c->ids = xrealloc(c->ids, c->ids_size);
	}
	c->n_new++;
	memcpy(c->ids + c->ids_len, m->id, n);
	c->wanted[c->n_wanted++] = (struct wanted){m->handle, m->size, c->ids_len};
	c->ids_len += n;
}

/* Asks fetcher for each whether it is to be had. -1: fetcher has gone. */
static int
ask_about(struct collect *c, const struct remote_message *list, size_t n)
{
	struct fetch_link *l = c->link;
	struct writer w;

	ipc_write(&w, FETCH_LISTED, 0);
	for (size_t i = 0; i < n; i++) {
		put_text(&w, list[i].id);
		put_u64(&w, list[i].size);
	}
	l->has_known = false;
	fetch_link_send(l, &w);
	while (!l->has_known)
		if (fetch_link_receive(l) == -1)
			return -1;
	l->has_known = false;
	if (l->n_known != n)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (l->known[i] == FETCH_GET)
			want(c, &list[i]);
	return 0;
}

enum remote_end
collect_list_folder(struct collect *c)
{
	static struct remote_message list[FETCH_LISTED_MAX];
	enum remote_end end;
	uint32_t after = 0;
	size_t n;

	c->n_wanted = c->ids_len = c->n_acts = 0;
	for (;;) {
		end = remote_list(c->remote, after, list, nitems(list), &n);
		if (end != REMOTE_OK || n == 0)
			return collect_keep_why(c, end);
		after = list[n - 1].handle;
		if (ask_about(c, list, n) == -1)
			return REMOTE_STOPPED;
		if (c->link->stop)
			return REMOTE_OK; /* what is known so far may be had another time */
	}
}

/* ---- the messages ---- */

static enum remote_end
fetch_batch(struct collect *c, size_t at, size_t n)
{
	const struct remote_sink sink = {on_begin, on_bytes, on_end, c};
	uint32_t handles[BATCH];
	enum remote_end end;

	for (size_t i = 0; i < n; i++)
		handles[i] = c->wanted[at + i].handle;
	end = collect_keep_why(c, remote_fetch(c->remote, handles, n, c->job->max_size, &sink));
	if (c->write_error != 0)
		snprintf(c->why, sizeof c->why, "cannot write into the spool: %s",
		    strerror(c->write_error));
	return end;
}

static size_t
batch_from(const struct collect *c, size_t at)
{
	uint64_t bytes = c->wanted[at].size;
	size_t n = 1;

	while (n < BATCH && at + n < c->n_wanted && bytes < BATCH_BYTES &&
	       c->wanted[at + n].size <= BATCH_BYTES - bytes)
		bytes += c->wanted[at + n++].size;
	return n;
}

enum remote_end
collect_fetch_wanted(struct collect *c)
{
	enum remote_end end = REMOTE_OK, missing = REMOTE_OK;

	for (size_t at = 0, n; at < c->n_wanted && end == REMOTE_OK && !c->link->stop; at += n) {
		n = batch_from(c, at);
		end = fetch_batch(c, at, n);
		fetch_link_look(c->link);
		if (end == REMOTE_OK)
			end = act(c, &missing);
	}
	collect_wait_for_answers(c);
	if (end == REMOTE_OK)
		end = act(c, &missing);
	return end == REMOTE_OK ? missing : end;
}

/* ---- DRY_RUN: headers only ---- */

static int
header_begin(void *arg, uint32_t handle)
{
	struct collect *c = arg;

	(void)handle;
	header_start(c->body->header);
	return 0;
}

static int
header_bytes(void *arg, struct span bytes)
{
	struct collect *c = arg;

	header_feed(c->body->header, bytes);
	return 0;
}

static int
header_end(void *arg, uint32_t handle, enum remote_message_end end)
{
	struct collect *c = arg;

	(void)handle;
	c->no_header = end == REMOTE_GONE;
	return 0;
}

static void
say_header(struct collect *c, const struct wanted *m)
{
	const struct header *h = c->body->header;
	struct writer w;

	ipc_write(&w, FETCH_HEADER, 0);
	put_u64(&w, m->size);
	put_text(&w, c->ids + m->id);
	put_text(&w, h->from);
	put_text(&w, h->subject);
	put_candidates(c, &w, h);
	fetch_link_send(c->link, &w);
}

enum remote_end
collect_show_wanted(struct collect *c)
{
	const struct remote_sink sink = {header_begin, header_bytes, header_end, c};
	unsigned char digest[FETCH_DIGEST_BYTES];
	enum remote_end end = REMOTE_OK;

	for (size_t i = 0; i < c->n_wanted && end == REMOTE_OK && !c->link->stop; i++) {
		header_start(c->body->header);
		end = collect_keep_why(c,
		    remote_fetch_header(c->remote, c->wanted[i].handle, HEADER_MAX_BYTES, &sink));
		header_finish(c->body->header, digest);
		if (end == REMOTE_OK && c->no_header) {
			log_left(c, &c->wanted[i], remote_why(c->remote));
			c->n_gone++;
		} else if (end == REMOTE_OK) {
			say_header(c, &c->wanted[i]);
		}
		fetch_link_look(c->link);
	}
	return end;
}
