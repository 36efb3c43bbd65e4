/*
 * The envelope and its journal: what is written is read again; what is cut, flipped or made up is
 * refused, and never read beyond.
 */
#include "tests/unit/queue_support.h"

#include <sys/mman.h>

#include "queue/journal.h"
#include "queue/queue.h"

static const char body[] = "Subject: x\r\n\r\nHello.\r\n";

/* A spool file in memory, of exactly its size, so that sanitizers see each byte too far. */
struct file {
	unsigned char *bytes;
	size_t len, message_offset;
};

static const struct recipient some_recipients[] = {
    {.address = {"ann@example.org", 15},
	.original = {"rfc822;Ann@example.org", 22},
	.notify = NOTIFY_SUCCESS | NOTIFY_FAILURE},
    {.address = {"a\0b\xff@example.org", 16}, .original = {NULL, 0}},
    {.address = {"c@example.org", 13}, .original = {NULL, 0}, .notify = NOTIFY_NEVER},
};

static void
fill(struct envelope *e, struct recipient *recipients)
{
	memcpy(recipients, some_recipients, sizeof some_recipients);
	*e = (struct envelope){.id = 1800000000000000,
	    .arrival_us = 1800000000000001,
	    .release_s = 1800000100,
	    .message_size = sizeof body - 1,
	    .message_crc = 0xdeadbeef,
	    .flags = ENVELOPE_8BITMIME | ENVELOPE_TLS,
	    .ret = RET_HDRS,
	    .reverse_path = span_of("bob@example.com"),
	    .submitter = span_of("bob"),
	    .program = span_of("smtpd"),
	    .client_address = span_of("2001:db8::1"),
	    .client_name = span_of("client.example"),
	    .protocol = span_of("ESMTPSA"),
	    .envid = span_of("id+2B7"),
	    .recipients = recipients,
	    .n_recipients = nitems(some_recipients)};
}

static void
make(struct file *f, const struct journal *j)
{
	struct recipient recipients[nitems(some_recipients)];
	struct envelope e;
	size_t j_len = j ? j->len : 0;

	fill(&e, recipients);
	f->message_offset = envelope_size(&e);
	f->len = f->message_offset + e.message_size + j_len;
	f->bytes = xmalloc(f->len);
	envelope_encode(&e, f->bytes);
	assert_int_equal(e.message_offset, f->message_offset);
	memcpy(f->bytes + f->message_offset, body, e.message_size);
	if (j_len > 0)
		memcpy(f->bytes + f->len - j_len, j->at, j_len);
}

/* envelope_read() of these bytes: 0, or -1 with errno. */
static int
read_bytes(const unsigned char *bytes, size_t len, struct envelope *e, unsigned char **storage,
    const char **why)
{
	int fd = memfd_create("spool", MFD_CLOEXEC), rv;

	assert_int_equal(write(fd, bytes, len), len);
	rv = envelope_read(e, fd, storage, why);
	close(fd);
	return rv;
}

static void
expect_same(const struct envelope *e)
{
	struct recipient recipients[nitems(some_recipients)];
	struct envelope was;

	fill(&was, recipients);
	assert_int_equal(e->id, was.id);
	assert_int_equal(e->arrival_us, was.arrival_us);
	assert_int_equal(e->release_s, was.release_s);
	assert_int_equal(e->message_size, was.message_size);
	assert_int_equal(e->message_crc, was.message_crc);
	assert_int_equal(e->flags, was.flags);
	assert_int_equal(e->ret, was.ret);
	assert_true(span_equal(e->reverse_path, was.reverse_path));
	assert_true(span_equal(e->submitter, was.submitter));
	assert_true(span_equal(e->program, was.program));
	assert_true(span_equal(e->client_address, was.client_address));
	assert_true(span_equal(e->client_name, was.client_name));
	assert_true(span_equal(e->protocol, was.protocol));
	assert_true(span_equal(e->envid, was.envid));
	for (size_t i = 0; i < nitems(some_recipients); i++) {
		assert_true(span_equal(e->recipients[i].address, was.recipients[i].address));
		assert_true(span_equal(e->recipients[i].original, was.recipients[i].original));
		assert_int_equal(e->recipients[i].notify, was.recipients[i].notify);
		assert_int_equal(e->recipients[i].parent, -1);
		assert_int_equal(e->recipients[i].status_at, ENVELOPE_HEADER_BYTES + i);
	}
}

static void
round_trip(void **state)
{
	struct file f;
	struct envelope e;
	const char *why = NULL;

	(void)state;
	make(&f, NULL);
	assert_int_equal(
	    envelope_parse(&e, (struct span){(char *)f.bytes, f.message_offset}, &why), 0);
	expect_same(&e);
	assert_int_equal(e.n_recipients, nitems(some_recipients));
	assert_int_equal(e.recipients[0].status, RECIPIENT_PENDING);
	assert_int_equal(e.message_offset, f.message_offset);
	envelope_clear(&e);
	envelope_clear(&e);
	free(f.bytes);
}

static void
null_sender_and_one_recipient(void **state)
{
	struct recipient one = {.address = {"a", 1}};
	struct envelope e = {.id = 1, .recipients = &one, .n_recipients = 1}, again;
	unsigned char *bytes = xmalloc(envelope_size(&e));
	const char *why;

	(void)state;
	envelope_encode(&e, bytes);
	assert_int_equal(
	    envelope_parse(&again, (struct span){(char *)bytes, e.message_offset}, &why), 0);
	assert_int_equal(again.reverse_path.len, 0);
	envelope_clear(&again);
	free(bytes);
}

static void
every_truncation(void **state)
{
	struct file f;
	struct envelope e;
	unsigned char *storage;
	const char *why;

	(void)state;
	make(&f, NULL);
	for (size_t n = 0; n < f.len; n++) {
		unsigned char *cut = xmalloc(n);

		memcpy(cut, f.bytes, n);
		why = NULL;
		if (n < f.message_offset) {
			errno = 0;
			assert_int_equal(
			    envelope_parse(&e, (struct span){(char *)cut, n}, &why), -1);
			assert_int_equal(errno, EPROTO);
			assert_non_null(why);
		}
		errno = 0;
		assert_int_equal(read_bytes(cut, n, &e, &storage, &why), -1);
		assert_int_equal(errno, EPROTO);
		assert_non_null(why);
		assert_null(storage);
		free(cut);
	}
	free(f.bytes);
}

static bool
is_status(unsigned char c)
{
	return c == RECIPIENT_PENDING || c == RECIPIENT_DONE || c == RECIPIENT_FAILED;
}

/* Only a status byte can change without being noticed, and only into another status. */
static void
every_bit_flip(void **state)
{
	struct file f;
	struct envelope e;
	const char *why;

	(void)state;
	make(&f, NULL);
	for (size_t bit = 0; bit < f.message_offset * 8; bit++) {
		size_t at = bit / 8;
		struct span head = {(char *)f.bytes, f.message_offset};
		bool is_status_byte = at >= ENVELOPE_HEADER_BYTES &&
				      at < ENVELOPE_HEADER_BYTES + nitems(some_recipients);
		int expected;

		f.bytes[at] ^= 1 << bit % 8;
		expected = is_status_byte && is_status(f.bytes[at]) ? 0 : -1;
		assert_int_equal(envelope_parse(&e, head, &why), expected);
		if (expected == 0)
			envelope_clear(&e);
		f.bytes[at] ^= 1 << bit % 8;
	}
	free(f.bytes);
}

/* Wrong numbers with right checksums: what a program that was taken over could write. */
static void
forged_headers(void **state)
{
	static const struct {
		size_t at, bytes;
		uint64_t value;
	} rows[] = {
	    {8, 8, 0},	/* id */
	    {16, 8, 0}, /* message offset */
	    {16, 8, 99},
	    {16, 8, UINT64_MAX},
	    {16, 8, ENVELOPE_MAX_BYTES + 1},
	    {16, 8, 300},
	    {24, 8, UINT64_MAX}, /* message size */
	    {24, 8, INT64_MAX},
	    {24, 8, 1000000},
	    {32, 4, 0}, /* recipients */
	    {32, 4, 2},
	    {32, 4, 4},
	    {32, 4, UINT32_MAX},
	    {32, 4, ENVELOPE_RECIPIENTS_MAX + 1},
	    {32, 4, ENVELOPE_RECIPIENTS_MAX},
	};
	struct envelope e;
	unsigned char *storage;
	const char *why;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct file f;
		uint32_t crc;

		make(&f, NULL);
		memcpy(f.bytes + rows[i].at, &rows[i].value, rows[i].bytes);
		crc = crc32(0, f.bytes, 60);
		memcpy(f.bytes + 60, &crc, 4);
		assert_int_equal(read_bytes(f.bytes, f.len, &e, &storage, &why), -1);
		assert_int_equal(errno, EPROTO);
		free(f.bytes);
	}
}

/* Each length among the fields made wrong, with right checksums. */
static void
forged_fields(void **state)
{
	static const uint32_t values[] = {0, 1, 5000, 0x7fffffff, 0xffffffff};
	struct envelope e;
	struct file f;
	const char *why;
	size_t fields = ENVELOPE_HEADER_BYTES + nitems(some_recipients);

	(void)state;
	make(&f, NULL);
	for (size_t at = fields; at + 4 <= f.message_offset; at++)
		for (size_t i = 0; i < nitems(values); i++) {
			unsigned char *copy = xmalloc(f.message_offset);
			uint32_t crc;

			memcpy(copy, f.bytes, f.message_offset);
			memcpy(copy + at, &values[i], 4);
			crc = crc32(0, copy + fields, f.message_offset - fields);
			memcpy(copy + 56, &crc, 4);
			crc = crc32(0, copy, 60);
			memcpy(copy + 60, &crc, 4);
			if (envelope_parse(
				&e, (struct span){(char *)copy, f.message_offset}, &why) == 0)
				envelope_clear(&e);
			free(copy);
		}
	free(f.bytes);
}

/* ---- the journal ---- */

static void
add_records(struct journal *j)
{
	struct journal addresses = {0};

	journal_reply(j, 1, span_of("450 later"), span_of("smtp:mx.example"));
	journal_attempt(j, 3, 1800000300, span_of("450 later"));
	journal_string(&addresses, span_of("x@example.net"));
	journal_string(&addresses, span_of("y@example.net"));
	journal_expand(j, 2, 2, &addresses);
	journal_reply(j, 4, span_of("550 no"), span_of(""));
	journal_hold(j, span_of("looks bad"));
	journal_done(j, 3, DSN_PASSED_ON, span_of("250 ok"), span_of("smtp:mx.example"));
	journal_told(j, (const unsigned char *)"\0\1\0\1", 4);
	journal_told(j, (const unsigned char *)"\0\0", 2); /* no record */
	journal_delayed(j);
	journal_route(j, span_of("[192.0.2.1]:25"));
	journal_clear(&addresses);
}

static void
expect_records(const struct envelope *e)
{
	assert_true(span_is(e->recipients[1].reply, "450 later"));
	assert_true(span_is(e->recipients[1].route, "smtp:mx.example"));
	assert_int_equal(e->attempts, 3);
	assert_int_equal(e->next_attempt_s, 1800000300);
	assert_true(span_is(e->last_reply, "450 later"));
	assert_int_equal(e->n_recipients, 5);
	assert_int_equal(e->recipients[2].status, RECIPIENT_EXPANDED);
	assert_int_equal(e->recipients[3].parent, 2);
	assert_int_equal(e->recipients[4].parent, 2);
	assert_true(span_is(e->recipients[3].address, "x@example.net"));
	assert_true(span_is(e->recipients[4].address, "y@example.net"));
	assert_true(span_is(e->recipients[4].reply, "550 no"));
	assert_true(span_is(e->hold, "looks bad"));
	assert_true(span_is(e->recipients[3].reply, "250 ok"));
	assert_true(e->recipients[3].has_done && !e->recipients[4].has_done);
	assert_int_equal(e->recipients[3].flags, DSN_PASSED_ON);
	assert_true(!e->recipients[0].told && e->recipients[1].told);
	assert_true(!e->recipients[2].told && e->recipients[3].told);
	assert_true(e->delay_told);
	assert_true(span_is(e->route_override, "[192.0.2.1]:25"));
}

static void
journal_round_trip(void **state)
{
	struct journal j = {0};
	struct file f;
	struct envelope e;
	unsigned char *storage;
	const char *why;

	(void)state;
	add_records(&j);
	make(&f, &j);
	assert_int_equal(read_bytes(f.bytes, f.len, &e, &storage, &why), 0);
	expect_same(&e);
	expect_records(&e);
	assert_int_equal(e.journal_len, j.len);
	/* The status bytes of added recipients are where they are said to be. */
	for (size_t i = 3; i < 5; i++) {
		assert_int_equal(f.bytes[e.recipients[i].status_at], RECIPIENT_PENDING);
		f.bytes[e.recipients[i].status_at] = RECIPIENT_DONE;
	}
	envelope_clear(&e);
	free(storage);
	assert_int_equal(read_bytes(f.bytes, f.len, &e, &storage, &why), 0);
	expect_records(&e);
	assert_int_equal(e.recipients[3].status, RECIPIENT_DONE);
	assert_int_equal(e.recipients[4].status, RECIPIENT_DONE);
	envelope_clear(&e);
	free(storage);
	journal_clear(&j);
	free(f.bytes);
}

/* Cut anywhere, the sound records before count; what is appended there is read again. */
static void
journal_torn(void **state)
{
	struct journal j = {0}, more = {0};
	struct file f;
	unsigned char *storage;
	const char *why;

	(void)state;
	add_records(&j);
	journal_reply(&more, 0, span_of("more"), span_of(""));
	make(&f, &j);
	for (size_t cut = 0; cut <= j.len; cut++) {
		size_t base = f.len - j.len;
		unsigned char *bytes = xmalloc(base + cut + more.len);
		struct envelope e;
		size_t sound;

		memcpy(bytes, f.bytes, base + cut);
		assert_int_equal(read_bytes(bytes, base + cut, &e, &storage, &why), 0);
		sound = e.journal_len;
		assert_true(sound <= cut);
		envelope_clear(&e);
		free(storage);
		memcpy(bytes + base + sound, more.at, more.len);
		assert_int_equal(read_bytes(bytes, base + sound + more.len, &e, &storage, &why), 0);
		assert_true(span_is(e.recipients[0].reply, "more"));
		assert_int_equal(e.journal_len, sound + more.len);
		envelope_clear(&e);
		free(storage);
		free(bytes);
	}
	journal_clear(&j);
	journal_clear(&more);
	free(f.bytes);
}

static void
journal_bit_flips(void **state)
{
	struct journal j = {0};
	struct file f;

	(void)state;
	add_records(&j);
	make(&f, &j);
	for (size_t bit = 0; bit < j.len * 8; bit++) {
		unsigned char *at = f.bytes + f.len - j.len + bit / 8;
		struct envelope e;
		unsigned char *storage;
		const char *why;

		*at ^= 1 << bit % 8;
		assert_int_equal(read_bytes(f.bytes, f.len, &e, &storage, &why), 0);
		assert_true(e.n_recipients == 3 || e.n_recipients == 5);
		if (e.n_recipients == 3) /* its addition lost, a recipient is still there */
			assert_int_equal(e.recipients[2].status, RECIPIENT_PENDING);
		else
			assert_int_equal(e.recipients[2].status, RECIPIENT_EXPANDED);
		envelope_clear(&e);
		free(storage);
		*at ^= 1 << bit % 8;
	}
	journal_clear(&j);
	free(f.bytes);
}

/* Sound records that make no sense end the journal. */
static void
journal_forged(void **state)
{
	struct journal rows[6] = {0}, strings = {0}, empty = {0};

	(void)state;
	journal_reply(&rows[0], 3, span_of("x"), span_of(""));
	journal_reply(&rows[1], UINT32_MAX, span_of("x"), span_of(""));
	journal_string(&strings, span_of("x@example.net"));
	journal_expand(&rows[2], 3, 1, &strings);
	journal_expand(&rows[3], 0, 2, &strings);
	journal_string(&empty, span_of(""));
	journal_expand(&rows[4], 0, 1, &empty);
	journal_expand(&rows[5], 0, 1, &strings);
	journal_expand(&rows[5], 0, 1, &strings); /* the same parent twice: once */
	for (size_t i = 0; i < nitems(rows); i++) {
		struct file f;
		struct envelope e;
		unsigned char *storage;
		const char *why;

		make(&f, &rows[i]);
		assert_int_equal(read_bytes(f.bytes, f.len, &e, &storage, &why), 0);
		assert_int_equal(e.n_recipients, i == 5 ? 4 : 3);
		assert_int_equal(e.journal_len, i == 5 ? rows[i].len / 2 : 0);
		envelope_clear(&e);
		free(storage);
		free(f.bytes);
		journal_clear(&rows[i]);
	}
	journal_clear(&strings);
	journal_clear(&empty);
}

static void
not_a_regular_file(void **state)
{
	struct envelope e;
	unsigned char *storage;
	const char *why;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(envelope_read(&e, fds[0], &storage, &why), -1);
	assert_int_equal(errno, EPROTO);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(envelope_read(&e, -1, &storage, &why), -1);
	assert_int_equal(errno, EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(null_sender_and_one_recipient),
	    cmocka_unit_test(every_truncation),
	    cmocka_unit_test(every_bit_flip),
	    cmocka_unit_test(forged_headers),
	    cmocka_unit_test(forged_fields),
	    cmocka_unit_test(journal_round_trip),
	    cmocka_unit_test(journal_torn),
	    cmocka_unit_test(journal_bit_flips),
	    cmocka_unit_test(journal_forged),
	    cmocka_unit_test(not_a_regular_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
