/*
 * Encodes and reads the envelope of a spool file, and applies its journal. Trusts no byte of it:
 * lengths are checked before use, checksums before meaning. Touches only the descriptor it is
 * given.
 *
 * Header, little-endian:
 *    0  magic "SambarQ1"      32  u32 recipients       56  u32 checksum of the fields
 *    8  u64 id                36  u32 message crc      60  u32 checksum of bytes 0 to 59
 *   16  u64 message offset    40  u64 arrival (us)
 *   24  u64 message size      48  u64 release (s)
 * Then one status byte a recipient, then the fields: u32 flags, u32 ret, the strings (u32 length,
 * bytes) reverse-path, submitter, program, client address, client name, protocol, envid, and for
 * each recipient string address, string original, u32 notify; zeros behind them up to the message.
 * Checksums are CRC-32.
 */
#include "queue/envelope.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "queue/journal.h"

static const char magic[8] = "SambarQ1";

/* RECIPIENTS_TEXT_SIZE: one recipient as log_safe() writes it always fits. */
enum { RECIPIENTS_TEXT_SIZE = 640 };
enum { READ_FIRST_BYTES = 4096, N_TEXTS = 7, RECIPIENT_MIN_BYTES = 13, FIELDS_MIN_BYTES = 36 };
enum {
	AT_ID = 8,
	AT_OFFSET = 16,
	AT_SIZE = 24,
	AT_RECIPIENTS = 32,
	AT_MESSAGE_CRC = 36,
	AT_ARRIVAL = 40,
	AT_RELEASE = 48,
	AT_FIELDS_CRC = 56,
	AT_HEADER_CRC = 60
};

/* ---- little-endian numbers ---- */

static void
store_u32(unsigned char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof value);
}

static void
store_u64(unsigned char *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof value);
}

static uint32_t
load_u32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return le32toh(value);
}

static uint64_t
load_u64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return le64toh(value);
}

/* ---- encoding ---- */

static void
texts(struct envelope *e, struct span *out[N_TEXTS])
{
	struct span *all[N_TEXTS] = {&e->reverse_path, &e->submitter, &e->program,
	    &e->client_address, &e->client_name, &e->protocol, &e->envid};

	memcpy(out, all, sizeof all);
}

static size_t
fields_end(const struct envelope *e)
{
	size_t n = ENVELOPE_HEADER_BYTES + e->n_recipients + 8 + N_TEXTS * 4;

	n += e->reverse_path.len + e->submitter.len + e->program.len + e->client_address.len +
	     e->client_name.len + e->protocol.len + e->envid.len;
	for (size_t i = 0; i < e->n_recipients; i++)
		n += 12 + e->recipients[i].address.len + e->recipients[i].original.len;
	return n;
}

size_t
envelope_size(const struct envelope *e)
{
	size_t n = fields_end(e);

	return n > e->room ? n : e->room;
}

static unsigned char *
encode_u32(unsigned char *at, uint32_t value)
{
	store_u32(at, value);
	return at + 4;
}

static unsigned char *
encode_text(unsigned char *at, struct span text)
{
	at = encode_u32(at, text.len);
	if (text.len)
		memcpy(at, text.at, text.len);
	return at + text.len;
}

static unsigned char *
encode_fields(struct envelope *e, unsigned char *at)
{
	struct span *all[N_TEXTS];

	texts(e, all);
	at = encode_u32(at, e->flags);
	at = encode_u32(at, e->ret);
	for (size_t i = 0; i < N_TEXTS; i++)
		at = encode_text(at, *all[i]);
	for (size_t i = 0; i < e->n_recipients; i++) {
		at = encode_text(at, e->recipients[i].address);
		at = encode_text(at, e->recipients[i].original);
		at = encode_u32(at, e->recipients[i].notify);
	}
	return at;
}

void
envelope_encode(struct envelope *e, unsigned char *out)
{
	unsigned char *fields = out + ENVELOPE_HEADER_BYTES + e->n_recipients, *end;

	memset(out + ENVELOPE_HEADER_BYTES, RECIPIENT_PENDING, e->n_recipients);
	end = encode_fields(e, fields);
	e->message_offset = envelope_size(e);
	memset(end, 0, out + e->message_offset - end);
	end = out + e->message_offset;
	memcpy(out, magic, sizeof magic);
	store_u64(out + AT_ID, e->id);
	store_u64(out + AT_OFFSET, e->message_offset);
	store_u64(out + AT_SIZE, e->message_size);
	store_u32(out + AT_RECIPIENTS, e->n_recipients);
	store_u32(out + AT_MESSAGE_CRC, e->message_crc);
	store_u64(out + AT_ARRIVAL, e->arrival_us);
	store_u64(out + AT_RELEASE, e->release_s);
	store_u32(out + AT_FIELDS_CRC, crc32_z(0, fields, end - fields));
	store_u32(out + AT_HEADER_CRC, crc32_z(0, out, AT_HEADER_CRC));
}

/* ---- parsing ---- */

/* At the front of a spool file. */
struct sizes {
	uint64_t id, message_offset, message_size;
	uint32_t n_recipients;
};

static int
refuse(const char **why, const char *phrase)
{
	*why = phrase;
	errno = EPROTO;
	return -1;
}

static int
read_sizes(struct span head, struct sizes *sizes, const char **why)
{
	const unsigned char *at = (const unsigned char *)head.at;
	uint64_t least;

	if (head.len < ENVELOPE_HEADER_BYTES)
		return refuse(why, "the header is cut short");
	if (memcmp(at, magic, sizeof magic) != 0)
		return refuse(why, "not a spool file");
	if (load_u32(at + AT_HEADER_CRC) != crc32_z(0, at, AT_HEADER_CRC))
		return refuse(why, "the header's checksum is wrong");
	sizes->id = load_u64(at + AT_ID);
	sizes->message_offset = load_u64(at + AT_OFFSET);
	sizes->message_size = load_u64(at + AT_SIZE);
	sizes->n_recipients = load_u32(at + AT_RECIPIENTS);
	if (sizes->id == 0)
		return refuse(why, "the queue id is 0");
	if (sizes->n_recipients == 0 || sizes->n_recipients > ENVELOPE_RECIPIENTS_MAX)
		return refuse(why, "the number of recipients is out of range");
	least = ENVELOPE_HEADER_BYTES + FIELDS_MIN_BYTES +
		(uint64_t)sizes->n_recipients * RECIPIENT_MIN_BYTES;
	if (sizes->message_offset < least || sizes->message_offset > ENVELOPE_MAX_BYTES)
		return refuse(why, "the envelope's length is out of range");
	if (sizes->message_size > INT64_MAX - ENVELOPE_MAX_BYTES - ENVELOPE_JOURNAL_MAX_BYTES)
		return refuse(why, "the message's length is out of range");
	return 0;
}

/* What is left to be read of fields or of a journal record; remembers its first error. */
struct cursor {
	const unsigned char *at;
	size_t left;
	bool bad;
};

static const unsigned char *
cut(struct cursor *c, size_t n)
{
	const unsigned char *at = c->at;

	if (c->bad || n > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	c->left -= n;
	return at;
}

static uint32_t
cut_u32(struct cursor *c)
{
	const unsigned char *at = cut(c, 4);

	return at ? load_u32(at) : 0;
}

static uint64_t
cut_u64(struct cursor *c)
{
	const unsigned char *at = cut(c, 8);

	return at ? load_u64(at) : 0;
}

static struct span
cut_text(struct cursor *c)
{
	uint32_t len = cut_u32(c);
	const unsigned char *at = len <= ENVELOPE_FIELD_MAX_BYTES ? cut(c, len) : NULL;

	if (at == NULL) {
		c->bad = true;
		return (struct span){"", 0};
	}
	return (struct span){(const char *)at, len};
}

static bool
parse_recipients(struct envelope *e, struct cursor *c, const unsigned char *status)
{
	for (size_t i = 0; i < e->n_recipients; i++) {
		struct recipient *r = &e->recipients[i];

		*r = (struct recipient){
		    .parent = -1, .reply = {"", 0}, .route = {"", 0}, .status = status[i]};
		r->status_at = ENVELOPE_HEADER_BYTES + i;
		r->address = cut_text(c);
		r->original = cut_text(c);
		r->notify = cut_u32(c);
		if (r->status != RECIPIENT_PENDING && r->status != RECIPIENT_DONE &&
		    r->status != RECIPIENT_FAILED)
			return false;
		if (c->bad || r->address.len == 0)
			return false;
	}
	return true;
}

static int
parse_fields(struct envelope *e, struct span head, const char **why)
{
	const unsigned char *status = (const unsigned char *)head.at + ENVELOPE_HEADER_BYTES;
	struct cursor c = {
	    status + e->n_recipients, head.len - ENVELOPE_HEADER_BYTES - e->n_recipients, false};
	struct span *all[N_TEXTS];

	e->flags = cut_u32(&c);
	e->ret = cut_u32(&c);
	texts(e, all);
	for (size_t i = 0; i < N_TEXTS; i++)
		*all[i] = cut_text(&c);
	if (!parse_recipients(e, &c, status))
		return refuse(why, "a recipient is malformed");
	while (!c.bad && c.left > 0)
		if (*cut(&c, 1) != 0)
			c.bad = true;
	if (c.bad)
		return refuse(why, "the envelope's fields are malformed");
	return 0;
}

int
envelope_parse(struct envelope *e, struct span head, const char **why)
{
	const unsigned char *at = (const unsigned char *)head.at;
	struct sizes sizes;
	size_t fields;

	*e = (struct envelope){.hold = {"", 0}, .route_override = {"", 0}, .last_reply = {"", 0}};
	if (read_sizes(head, &sizes, why) == -1)
		return -1;
	if (head.len < sizes.message_offset)
		return refuse(why, "the envelope is cut short");
	head.len = sizes.message_offset;
	fields = ENVELOPE_HEADER_BYTES + sizes.n_recipients;
	if (load_u32(at + AT_FIELDS_CRC) != crc32_z(0, at + fields, head.len - fields))
		return refuse(why, "the envelope's checksum is wrong");
	e->id = sizes.id;
	e->message_offset = sizes.message_offset;
	e->message_size = sizes.message_size;
	e->n_recipients = sizes.n_recipients;
	e->message_crc = load_u32(at + AT_MESSAGE_CRC);
	e->arrival_us = load_u64(at + AT_ARRIVAL);
	e->release_s = load_u64(at + AT_RELEASE);
	e->recipients = calloc(e->n_recipients, sizeof *e->recipients);
	if (e->recipients == NULL) {
		*why = "out of memory";
		return -1;
	}
	if (parse_fields(e, head, why) == -1) {
		envelope_clear(e);
		errno = EPROTO;
		return -1;
	}
	return 0;
}

void
envelope_clear(struct envelope *e)
{
	free(e->recipients);
	*e = (struct envelope){0};
}

/* ---- the journal ---- */

static bool
apply_reply(struct envelope *e, struct cursor *c)
{
	uint32_t i = cut_u32(c);
	struct span reply = cut_text(c), route = cut_text(c);

	if (c->bad || c->left || i >= e->n_recipients)
		return false;
	e->recipients[i].reply = reply;
	e->recipients[i].route = route;
	return true;
}

static bool
apply_attempt(struct envelope *e, struct cursor *c)
{
	uint64_t attempts = cut_u64(c), next_s = cut_u64(c);
	struct span last_reply = cut_text(c);

	if (c->bad || c->left)
		return false;
	e->attempts = attempts;
	e->next_attempt_s = next_s;
	e->last_reply = last_reply;
	return true;
}

/* HOLD and ROUTE. */
static bool
apply_text(struct span *out, struct cursor *c)
{
	struct span text = cut_text(c);

	if (c->bad || c->left)
		return false;
	*out = text;
	return true;
}

static bool
apply_done(struct envelope *e, struct cursor *c)
{
	uint32_t i = cut_u32(c), flags = cut_u32(c);

	struct span reply = cut_text(c), route = cut_text(c);

	if (c->bad || c->left || i >= e->n_recipients)
		return false;
	e->recipients[i].reply = reply;
	e->recipients[i].route = route;
	e->recipients[i].flags = flags;
	e->recipients[i].has_done = true;
	return true;
}

static bool
apply_told(struct envelope *e, struct cursor c)
{
	for (struct cursor look = c; look.left > 0;)
		if (cut_u32(&look) >= e->n_recipients || look.bad)
			return false;
	while (c.left > 0)
		e->recipients[cut_u32(&c)].told = true;
	return true;
}

static bool
apply_delayed(struct envelope *e, const struct cursor *c)
{
	e->delay_told = true;
	return c->left == 0;
}

/* A status byte that is none means pending: better twice than never. */
static enum recipient_status
added_status(unsigned char byte)
{
	return byte == RECIPIENT_DONE || byte == RECIPIENT_FAILED ? byte : RECIPIENT_PENDING;
}

static bool
are_addresses(struct cursor c, uint32_t count)
{
	for (uint32_t i = 0; i < count && !c.bad; i++)
		if (cut_text(&c).len == 0)
			return false;
	return !c.bad && c.left == 0;
}

/* file_at: where the record's body lies in the file. */
static bool
apply_expand(struct envelope *e, struct cursor *c, uint64_t file_at)
{
	uint32_t parent = cut_u32(c), count = cut_u32(c);
	const unsigned char *status;

	if (c->bad || parent >= e->n_recipients ||
	    count > ENVELOPE_RECIPIENTS_MAX - e->n_recipients ||
	    e->recipients[parent].status == RECIPIENT_EXPANDED)
		return false;
	status = cut(c, count);
	if (status == NULL || !are_addresses(*c, count))
		return false;
	e->recipients = xrealloc(e->recipients, (e->n_recipients + count) * sizeof *e->recipients);
	for (uint32_t i = 0; i < count; i++) {
		struct recipient *r = &e->recipients[e->n_recipients++];

		*r = (struct recipient){.address = cut_text(c),
		    .original = {"", 0},
		    .status = added_status(status[i]),
		    .status_at = file_at + 8 + i,
		    .reply = {"", 0},
		    .route = {"", 0},
		    .parent = parent};
	}
	e->recipients[parent].status = RECIPIENT_EXPANDED;
	return true;
}

static bool
record_is_sound(const unsigned char *head, const unsigned char *body, uint32_t len)
{
	uint32_t crc = crc32_z(0, head, 8);
	size_t skip = 0;

	if (load_u32(head + 4) == JOURNAL_EXPAND) {
		if (len < 8)
			return false;
		skip = load_u32(body + 4);
		if (skip > len - 8)
			return false;
		crc = crc32_z(crc, body, 8);
		body += 8 + skip;
		len -= 8 + skip;
	}
	return load_u32(head + 8) == crc32_z(crc, body, len);
}

static bool
apply_record(struct envelope *e, uint32_t type, struct cursor body, uint64_t file_at)
{
	switch (type) {
	case JOURNAL_REPLY:
		return apply_reply(e, &body);
	case JOURNAL_ATTEMPT:
		return apply_attempt(e, &body);
	case JOURNAL_EXPAND:
		return apply_expand(e, &body, file_at);
	case JOURNAL_HOLD:
		return apply_text(&e->hold, &body);
	case JOURNAL_DONE:
		return apply_done(e, &body);
	case JOURNAL_TOLD:
		return apply_told(e, body);
	case JOURNAL_DELAYED:
		return apply_delayed(e, &body);
	case JOURNAL_ROUTE:
		return apply_text(&e->route_override, &body);
	}
	return false;
}

size_t
envelope_apply_journal(struct envelope *e, struct span journal)
{
	struct cursor c = {(const unsigned char *)journal.at, journal.len, false};
	uint64_t base = e->message_offset + e->message_size;

	for (;;) {
		size_t done = journal.len - c.left;
		const unsigned char *head = cut(&c, JOURNAL_HEAD_BYTES), *body;
		uint32_t len;

		if (head == NULL)
			return done;
		len = load_u32(head);
		body = cut(&c, len);
		if (body == NULL || !record_is_sound(head, body, len))
			return done;
		if (!apply_record(e, load_u32(head + 4), (struct cursor){body, len, false},
			base + done + JOURNAL_HEAD_BYTES))
			return done;
	}
}

/* ---- reading a file ---- */

static int
read_rest(struct envelope *e, int fd, unsigned char *bytes, size_t have, const struct sizes *s,
    size_t journal, const char **why)
{
	if (s->message_offset > have &&
	    pread_all(fd, bytes + have, s->message_offset - have, have) == -1)
		return -1;
	if (envelope_parse(e, (struct span){(char *)bytes, s->message_offset}, why) == -1)
		return -1;
	if (journal == 0)
		return 0;
	if (pread_all(fd, bytes + s->message_offset, journal,
		s->message_offset + s->message_size) == -1) {
		envelope_clear(e);
		return -1;
	}
	e->journal_len =
	    envelope_apply_journal(e, (struct span){(char *)bytes + s->message_offset, journal});
	return 0;
}

/* One allocation for the envelope and, behind it, the journal. */
static int
read_sized(struct envelope *e, int fd, uint64_t file_size, const unsigned char *first, size_t have,
    unsigned char **storage, const char **why)
{
	struct sizes s;
	uint64_t journal;
	unsigned char *bytes;

	if (read_sizes((struct span){(const char *)first, have}, &s, why) == -1)
		return -1;
	if (file_size < s.message_offset + s.message_size)
		return refuse(why, "the file is cut short");
	journal = file_size - s.message_offset - s.message_size;
	if (journal > ENVELOPE_JOURNAL_MAX_BYTES)
		journal = ENVELOPE_JOURNAL_MAX_BYTES;
	if ((bytes = malloc(s.message_offset + journal)) == NULL)
		return -1;
	if (have > s.message_offset)
		have = s.message_offset;
	memcpy(bytes, first, have);
	if (read_rest(e, fd, bytes, have, &s, journal, why) == -1) {
		int saved = errno;

		free(bytes);
		errno = saved;
		return -1;
	}
	*storage = bytes;
	return 0;
}

int
envelope_read(struct envelope *e, int fd, unsigned char **storage, const char **why)
{
	unsigned char first[READ_FIRST_BYTES];
	struct stat st;
	size_t have;

	*e = (struct envelope){0};
	*storage = NULL;
	*why = "it cannot be read";
	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode))
		return refuse(why, "not a regular file");
	have = st.st_size < READ_FIRST_BYTES ? st.st_size : READ_FIRST_BYTES;
	if (pread_all(fd, first, have, 0) == -1)
		return -1;
	return read_sized(e, fd, st.st_size, first, have, storage, why);
}

const char *
envelope_recipients_text(const struct envelope *e, size_t *at)
{
	static char text[RECIPIENTS_TEXT_SIZE];
	size_t len = 0;

	text[0] = '\0';
	for (const size_t first = *at; *at < e->n_recipients; ++*at) {
		const char *to = log_safe(e->recipients[*at].address);

		if (*at > first && len + strlen(to) + sizeof " to=<>" > sizeof text)
			break;
		len += snprintf(
		    text + len, sizeof text - len, "%sto=<%s>", *at > first ? " " : "", to);
	}
	return text;
}
