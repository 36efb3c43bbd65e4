/*
 * A maildrop by POP3 (RFC 1939), after the login: the list of its messages with their ids, RETR
 * and TOP, DELE, QUIT. Commands are pipelined where the server allows it (RFC 2449 6.6). Touches
 * the network only.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "fetcher/pop3_body.h"
#include "fetcher/pop3_private.h"

enum {
	/* Commands on their way: few enough that they fit into any socket's buffer, so that a
	 * server that reads none before it has got rid of its replies blocks nobody. */
	WINDOW = 128,
	ENTRIES_FIRST = 256,
	IDS_FIRST_BYTES = 8192,
	HASHED_ID_SIZE = 1 + 64 + 1
};

/* ---- room ---- */

/* For one more of size bytes. -1: there is no memory; what a stranger makes large may fail. */
static int
make_room(void **at, size_t *room, size_t used, size_t more, size_t size, size_t first)
{
	size_t wanted = *room;
	void *larger;

	if (used + more <= *room)
		return 0;
	while (wanted < used + more)
		wanted = wanted == 0 ? first : 2 * wanted;
	if ((larger = reallocarray(*at, wanted, size)) == NULL)
		return -1;
	*at = larger;
	*room = wanted;
	return 0;
}

static enum remote_end
no_memory(struct remote *r)
{
	return remote_fail(r, REMOTE_TEMPORARY, "lists more than there is memory for");
}

/* ---- LIST ---- */

static enum remote_end
no_listing(struct remote *r, struct span line)
{
	return remote_fail(r, REMOTE_TEMPORARY, "lists what is no list: %.*s",
	    (int)(line.len > 100 ? 100 : line.len), line.at);
}

/* Numbers only grow. False: the line has none. */
static bool
take_number(struct span *line, uint32_t last, uint32_t *number)
{
	uint64_t value;

	*line = span_trim(*line);
	if (!span_u64(span_take_word(line), UINT32_MAX, &value) || value <= last)
		return false;
	*number = value;
	return true;
}

static enum remote_end
take_size_line(struct remote *r, struct span line, uint32_t *last)
{
	struct pop3 *p = r->p;
	struct pop3_entry e = {.id = POP3_NO_ID};
	struct span rest = line;

	if (!take_number(&rest, *last, &e.number) ||
	    !span_u64(span_take_word(&rest), UINT64_MAX, &e.size))
		return no_listing(r, line);
	*last = e.number;
	if (p->n_entries == REMOTE_MESSAGES_MAX)
		return REMOTE_OK;
	if (make_room((void **)&p->entries, &p->entries_room, p->n_entries, 1, sizeof e,
		ENTRIES_FIRST) == -1)
		return no_memory(r);
	p->entries[p->n_entries++] = e;
	return REMOTE_OK;
}

/* ---- UIDL ---- */

static bool
is_good_id(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.at[i] < '!' || id.at[i] > '~')
			return false;
	return id.len < REMOTE_ID_SIZE;
}

/* One that is none by RFC 1939 7, but still tells messages apart. */
static struct span
hash_id(struct span id, char out[HASHED_ID_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_Digest(id.at, id.len, digest, &len, EVP_sha256(), NULL) != 1)
		return (struct span){0};
	out[0] = '=';
	for (unsigned i = 0; i < len && 2 * i + 3 <= HASHED_ID_SIZE; i++)
		snprintf(out + 1 + 2 * i, 3, "%02x", digest[i]);
	return span_of(out);
}

static enum remote_end
set_id(struct remote *r, struct pop3_entry *e, struct span id)
{
	struct pop3 *p = r->p;
	char hashed[HASHED_ID_SIZE];

	if (!is_good_id(id))
		id = hash_id(id, hashed);
	if (id.len == 0)
		return REMOTE_OK;
	if (make_room((void **)&p->ids, &p->ids_room, p->ids_len, id.len + 1, 1, IDS_FIRST_BYTES) ==
	    -1)
		return no_memory(r);
	memcpy(p->ids + p->ids_len, id.at, id.len);
	p->ids[p->ids_len + id.len] = '\0';
	e->id = p->ids_len;
	p->ids_len += id.len + 1;
	return REMOTE_OK;
}

/* at: the entry to go on with, for both lists have the same order. */
static enum remote_end
take_id_line(struct remote *r, struct span line, uint32_t *last, size_t *at)
{
	struct pop3 *p = r->p;
	struct span rest = line;
	uint32_t number;

	if (!take_number(&rest, *last, &number))
		return no_listing(r, line);
	*last = number;
	while (*at < p->n_entries && p->entries[*at].number < number)
		(*at)++;
	if (*at == p->n_entries || p->entries[*at].number != number)
		return REMOTE_OK;
	return set_id(r, &p->entries[*at], rest);
}

/* ---- ids that are there twice ---- */

static int
compare_ids(const void *a, const void *b, void *arg)
{
	const struct pop3 *p = arg;
	uint32_t x = p->entries[*(const uint32_t *)a].id, y = p->entries[*(const uint32_t *)b].id;

	return strcmp(x == POP3_NO_ID ? "" : p->ids + x, y == POP3_NO_ID ? "" : p->ids + y);
}

/* An id that two messages have tells neither of them. */
static enum remote_end
drop_doubles(struct remote *r)
{
	struct pop3 *p = r->p;
	uint32_t *order;

	if (p->n_entries < 2)
		return REMOTE_OK;
	if ((order = reallocarray(NULL, p->n_entries, sizeof *order)) == NULL)
		return no_memory(r);
	for (size_t i = 0; i < p->n_entries; i++)
		order[i] = i;
	qsort_r(order, p->n_entries, sizeof *order, compare_ids, p);
	for (size_t i = 0, next; i < p->n_entries; i = next) {
		for (next = i + 1; next < p->n_entries; next++)
			if (compare_ids(&order[i], &order[next], p) != 0)
				break;
		for (size_t k = i; next - i > 1 && k < next; k++)
			p->entries[order[k]].id = POP3_NO_ID;
	}
	free(order);
	return REMOTE_OK;
}

/* ---- the list ---- */

static enum remote_end
read_sizes(struct remote *r)
{
	struct pop3 *p = r->p;
	uint32_t last = 0;
	struct span line;
	bool more;

	if (pop3_reply(r, "at LIST") != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK)
		return remote_fail(r, REMOTE_TEMPORARY, "does not list its messages: %s", p->text);
	for (;;)
		if (pop3_next(r, "at LIST", &line, &more) != REMOTE_OK || !more ||
		    take_size_line(r, line, &last) != REMOTE_OK)
			return r->end;
}

static enum remote_end
read_ids(struct remote *r)
{
	struct pop3 *p = r->p;
	uint32_t last = 0;
	size_t at = 0;
	struct span line;
	bool more;

	if (pop3_reply(r, "at UIDL") != REMOTE_OK)
		return r->end;
	if ((r->info.ids = p->sign == POP3_OK) == false)
		return REMOTE_OK;
	for (;;) {
		if (pop3_next(r, "at UIDL", &line, &more) != REMOTE_OK)
			return r->end;
		if (!more)
			return drop_doubles(r);
		if (take_id_line(r, line, &last, &at) != REMOTE_OK)
			return r->end;
	}
}

static enum remote_end
read_list(struct remote *r)
{
	struct pop3 *p = r->p;
	unsigned reply_s = r->target->timeouts.reply_s;
	bool at_once = p->offer.pipelining;

	if (remote_put(r, NULL, "LIST") != REMOTE_OK ||
	    (at_once && remote_put(r, NULL, "UIDL") != REMOTE_OK) ||
	    remote_flush(r, reply_s, "at LIST") != REMOTE_OK || read_sizes(r) != REMOTE_OK)
		return r->end;
	remote_note(r, "%zu messages", p->n_entries);
	if (!at_once && remote_put(r, NULL, "UIDL") != REMOTE_OK)
		return r->end;
	if (remote_flush(r, reply_s, "at UIDL") != REMOTE_OK || read_ids(r) != REMOTE_OK)
		return r->end;
	p->listed = true;
	return REMOTE_OK;
}

static void
show(const struct pop3 *p, const struct pop3_entry *e, struct remote_message *out)
{
	*out = (struct remote_message){.handle = e->number, .size = e->size, .deleted = e->deleted};
	if (e->id != POP3_NO_ID)
		strlcpy(out->id, p->ids + e->id, sizeof out->id);
}

static size_t
first_above(const struct pop3 *p, uint32_t number)
{
	size_t low = 0, high = p->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->entries[middle].number <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* NULL: there is no such message. number is not 0. */
static struct pop3_entry *
find(const struct pop3 *p, uint32_t number)
{
	size_t i = first_above(p, number - 1);

	return i < p->n_entries && p->entries[i].number == number ? &p->entries[i] : NULL;
}

static enum remote_end
pop3_list(struct remote *r, uint32_t after, struct remote_message *out, size_t max, size_t *n)
{
	struct pop3 *p = r->p;

	if (!p->listed && read_list(r) != REMOTE_OK)
		return r->end;
	for (size_t i = first_above(p, after); i < p->n_entries && *n < max; i++)
		if (!p->entries[i].deleted)
			show(p, &p->entries[i], &out[(*n)++]);
	return REMOTE_OK;
}

/* ---- folders ---- */

static enum remote_end
pop3_folders(
    struct remote *r, const char *const *patterns, size_t n, remote_folder_cb cb, void *arg)
{
	(void)patterns, (void)n;
	cb(arg, "INBOX");
	return r->end;
}

static enum remote_end
pop3_select(struct remote *r, const char *name, bool change, struct remote_folder *out)
{
	struct pop3 *p = r->p;
	struct span rest;
	uint64_t messages;

	(void)change;
	if (strcasecmp(name, "INBOX") != 0) {
		remote_say(r, "has no folders, as every POP3 server: %s", name);
		return REMOTE_NO_FOLDER;
	}
	if (remote_put(r, NULL, "STAT") != REMOTE_OK ||
	    remote_flush(r, r->target->timeouts.reply_s, "at STAT") != REMOTE_OK ||
	    pop3_reply(r, "at STAT") != REMOTE_OK)
		return r->end;
	rest = span_of(p->text);
	if (p->sign != POP3_OK || !span_u64(span_take_word(&rest), UINT32_MAX, &messages))
		return remote_fail(
		    r, REMOTE_TEMPORARY, "does not say what messages there are: %s", p->text);
	out->messages = messages;
	return REMOTE_OK;
}

/* ---- many commands ---- */

/* The same command for each of n messages. */
struct pipeline {
	const char *verb, *where;
	const uint32_t *handles;
	size_t n, sent;
};

/* Before the reply to the i-th is read. */
static enum remote_end
keep_full(struct remote *r, struct pipeline *q, size_t i)
{
	const struct pop3 *p = r->p;
	size_t window = p->offer.pipelining ? WINDOW : 1;

	if (q->sent - i <= window / 2) {
		char command[64];

		while (q->sent < q->n && q->sent - i < window) {
			snprintf(command, sizeof command, "%s %u", q->verb,
			    (unsigned)q->handles[q->sent++]);
			if (remote_put(r, NULL, "%s", command) != REMOTE_OK)
				return r->end;
		}
	}
	return remote_flush(r, r->target->timeouts.reply_s, q->where);
}

/* ---- RETR, TOP ---- */

static enum remote_end
read_body(struct remote *r, struct remote_delivery *d, const char *where)
{
	struct pop3_body body = {0};

	while (!body.ended) {
		struct span bytes, rest, piece;

		remote_delivery_deadline(d);
		if (client_wire_bytes(r->wire, &bytes) == -1)
			return remote_fail_wire(r, where);
		rest = bytes;
		while ((piece = pop3_body_take(&body, &rest)).len > 0)
			if (remote_delivery_bytes(d, piece) != REMOTE_OK)
				return r->end;
		client_wire_consume(r->wire, bytes.len - rest.len);
	}
	remote_note(
	    r, "%llu bytes of message %u", (unsigned long long)d->received, (unsigned)d->handle);
	return REMOTE_OK;
}

static enum remote_end
read_message(struct remote *r, struct remote_delivery *d, uint32_t handle, const char *where)
{
	const struct pop3 *p = r->p;
	const struct pop3_entry *e = find(p, handle);

	if (pop3_reply(r, where) != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK) {
		remote_say(r, "does not give message %u out: %s", (unsigned)handle, p->text);
		return remote_delivery_end(d, handle, REMOTE_GONE);
	}
	if (remote_delivery_begin(d, handle, e != NULL ? e->size : 0) != REMOTE_OK ||
	    read_body(r, d, where) != REMOTE_OK)
		return r->end;
	return remote_delivery_end(d, handle, REMOTE_WHOLE);
}

static enum remote_end
read_messages(
    struct remote *r, struct pipeline *q, uint64_t max_size, const struct remote_sink *sink)
{
	struct remote_delivery d;

	remote_delivery_init(&d, r, sink, max_size);
	for (size_t i = 0; i < q->n; i++)
		if (keep_full(r, q, i) != REMOTE_OK ||
		    read_message(r, &d, q->handles[i], q->where) != REMOTE_OK)
			return remote_delivery_break(&d);
	return REMOTE_OK;
}

static enum remote_end
pop3_fetch(struct remote *r, const uint32_t *handles, size_t n, uint64_t max_size,
    const struct remote_sink *sink)
{
	struct pipeline q = {.verb = "RETR", .where = "at RETR", .handles = handles, .n = n};

	return read_messages(r, &q, max_size, sink);
}

static enum remote_end
pop3_fetch_header(
    struct remote *r, uint32_t handle, uint64_t max_size, const struct remote_sink *sink)
{
	char command[32];
	struct remote_delivery d;

	remote_delivery_init(&d, r, sink, max_size);
	snprintf(command, sizeof command, "TOP %u 0", (unsigned)handle);
	if (remote_put(r, NULL, "%s", command) != REMOTE_OK ||
	    remote_flush(r, r->target->timeouts.reply_s, "at TOP") != REMOTE_OK ||
	    read_message(r, &d, handle, "at TOP") != REMOTE_OK)
		return remote_delivery_break(&d);
	return REMOTE_OK;
}

/* ---- DELE ---- */

static enum remote_end
pop3_delete(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	struct pop3 *p = r->p;
	struct pipeline q = {.verb = "DELE", .where = "at DELE", .handles = handles, .n = n};

	for (size_t i = 0; i < n; i++) {
		struct pop3_entry *e = find(p, handles[i]);

		if (keep_full(r, &q, i) != REMOTE_OK || pop3_reply(r, q.where) != REMOTE_OK)
			return r->end;
		if (p->sign != POP3_OK) {
			remote_say(
			    r, "does not delete message %u: %s", (unsigned)handles[i], p->text);
			continue;
		}
		p->deleted = true;
		if (e != NULL)
			e->deleted = true;
		if (done != NULL)
			done[i] = true;
	}
	return REMOTE_OK;
}

static enum remote_end
pop3_mark_seen(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	(void)handles, (void)n, (void)done;
	remote_say(r, "cannot mark messages, as every POP3 server");
	return REMOTE_PERMANENT;
}

static enum remote_end
pop3_move(struct remote *r, const uint32_t *handles, size_t n, const char *folder, bool *done)
{
	(void)handles, (void)n, (void)folder, (void)done;
	remote_say(r, "cannot move messages, as every POP3 server");
	return REMOTE_PERMANENT;
}

static enum remote_end
pop3_wait(struct remote *r, const char *const *names, size_t n, int fd, uint64_t seconds,
    enum remote_news *news)
{
	(void)names, (void)n, (void)fd, (void)seconds;
	*news = REMOTE_CANNOT_WAIT;
	return r->end;
}

/* ---- the end ---- */

static enum remote_end
pop3_quit(struct remote *r)
{
	struct pop3 *p = r->p;
	unsigned seconds = r->target->timeouts.quit_s;

	/* RFC 1939 6: only now are they deleted, which takes its time when they are many. */
	if (p->deleted)
		seconds += r->target->timeouts.reply_s;
	client_wire_limit(r->wire, seconds);
	if (remote_put(r, NULL, "QUIT") != REMOTE_OK ||
	    remote_flush(r, seconds, "at QUIT") != REMOTE_OK ||
	    pop3_reply(r, "at QUIT") != REMOTE_OK)
		return r->end;
	if (p->sign != POP3_OK)
		return remote_fail(r, REMOTE_TEMPORARY, "did not end well: %s", p->text);
	return REMOTE_OK;
}

static void *
pop3_new(void)
{
	return xcalloc(1, sizeof(struct pop3));
}

static void
pop3_free(void *arg)
{
	struct pop3 *p = arg;

	free(p->entries);
	free(p->ids);
	free(p);
}

const struct remote_ops pop3_ops = {
    .new = pop3_new,
    .free = pop3_free,
    .open = pop3_open,
    .quit = pop3_quit,
    .folders = pop3_folders,
    .select = pop3_select,
    .list = pop3_list,
    .fetch = pop3_fetch,
    .fetch_header = pop3_fetch_header,
    .remove = pop3_delete,
    .mark_seen = pop3_mark_seen,
    .move = pop3_move,
    .wait = pop3_wait,
};
