/* What is written into the spool file: bytes, offset, checksum, fields that are added, faults. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "common/memory.h"
#include "smtpd/body.h"

enum { OFFSET = 321 };

static int
new_file(void)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	return fd;
}

/* The file holds expected from OFFSET on, and b says so. */
static void
check_file(const struct body *b, struct span expected)
{
	char *got = xmalloc(expected.len + 1);
	ssize_t n = pread(b->fd, got, expected.len + 1, OFFSET);

	assert_int_equal(n, expected.len);
	assert_memory_equal(got, expected.at, expected.len);
	assert_int_equal(b->size, expected.len);
	assert_int_equal(b->crc, crc32_z(0, (unsigned char *)expected.at, expected.len));
	free(got);
}

static void
feed_pieces(struct body *b, struct span in, size_t piece)
{
	for (size_t n = 0; n < in.len && !b->data.ended; n += piece) {
		size_t len = in.len - n < piece ? in.len - n : piece;

		assert_int_equal(body_feed(b, (struct span){in.at + n, len}), len);
	}
	if (b->data.dots)
		assert_true(b->data.ended);
	body_finish(b);
}

static void
run(struct span in, size_t piece, bool fill, struct span expected)
{
	struct body *b = body_new(new_file(), OFFSET, true, 1 << 30, span_of("R: 1\r\n"));

	if (fill)
		body_fill_in(b, "Date: D\r\n", "Message-ID: M\r\n");
	feed_pieces(b, in, piece);
	assert_int_equal(body_fault(b), DATA_SOUND);
	check_file(b, expected);
	close(b->fd);
	body_free(&b);
}

static void
filling_in(void **state)
{
	static const struct {
		const char *in, *plain, *filled;
	} rows[] = {
	    {"From: a\r\n\r\nb\r\n.\r\n", "From: a\r\n\r\nb\r\n",
		"From: a\r\nDate: D\r\nMessage-ID: M\r\n\r\nb\r\n"},
	    {"Date: x\r\n\r\nb\r\n.\r\n", "Date: x\r\n\r\nb\r\n",
		"Date: x\r\nMessage-ID: M\r\n\r\nb\r\n"},
	    {"message-id: x\r\n\r\n.\r\n", "message-id: x\r\n\r\n",
		"message-id: x\r\nDate: D\r\n\r\n"},
	    {"Message-ID: x\r\nDate: y\r\n\r\nb\r\n.\r\n", "Message-ID: x\r\nDate: y\r\n\r\nb\r\n",
		"Message-ID: x\r\nDate: y\r\n\r\nb\r\n"},
	    {"From: a\r\n.\r\n", "From: a\r\n", "From: a\r\nDate: D\r\nMessage-ID: M\r\n"},
	    {".\r\n", "", "Date: D\r\nMessage-ID: M\r\n"},
	    {"\r\nDate: b\r\n.\r\n", "\r\nDate: b\r\n",
		"Date: D\r\nMessage-ID: M\r\n\r\nDate: b\r\n"},
	    {"Hello\r\n.\r\n", "Hello\r\n", "Date: D\r\nMessage-ID: M\r\n\r\nHello\r\n"},
	    {"From: a\r\n..x\r\n.\r\n", "From: a\r\n.x\r\n",
		"From: a\r\nDate: D\r\nMessage-ID: M\r\n\r\n.x\r\n"},
	};
	char expected[200];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (size_t piece = 1; piece <= strlen(rows[i].in); piece++) {
			snprintf(expected, sizeof expected, "R: 1\r\n%s", rows[i].plain);
			run(span_of(rows[i].in), piece, false, span_of(expected));
			snprintf(expected, sizeof expected, "R: 1\r\n%s", rows[i].filled);
			run(span_of(rows[i].in), piece, true, span_of(expected));
		}
}

/* Headers and bodies around the size of the buffer, where the header's end meets its border. */
static void
borders(void **state)
{
	char *in = xmalloc(300000), *expected = xmalloc(300000);

	(void)state;
	for (size_t target = BODY_BUFFER_BYTES - 40; target < BODY_BUFFER_BYTES + 40; target++) {
		size_t n = 0, head;

		while (n + 200 < target)
			n += sprintf(in + n, "X-Filler: %0100d\r\n", (int)n);
		n += sprintf(in + n, "X: %0*d\r\n", (int)(target - n), 1);
		head = n;
		n += sprintf(in + n, "\r\nbody\r\n.\r\n");
		memcpy(expected, "R: 1\r\n", 6);
		memcpy(expected + 6, in, head);
		strcpy(expected + 6 + head, "Date: D\r\nMessage-ID: M\r\n\r\nbody\r\n");
		run((struct span){in, n}, n, true, span_of(expected));
		run((struct span){in, n}, 4093, true, span_of(expected));
		memcpy(expected + 6 + head, "\r\nbody\r\n", 9);
		run((struct span){in, n}, n, false, span_of(expected));
	}
	free(in);
	free(expected);
}

static void
chunks(void **state)
{
	struct body *b = body_new(new_file(), OFFSET, false, 100, span_of("R: 1\r\n"));

	(void)state;
	feed_pieces(b, span_of("Date: x\r\n\r\n.\r\n..no line end"), 5);
	assert_int_equal(body_fault(b), DATA_SOUND);
	check_file(b, span_of("R: 1\r\nDate: x\r\n\r\n.\r\n..no line end\r\n"));
	close(b->fd);
	body_free(&b);
}

static void
too_big(void **state)
{
	(void)state;
	for (uint64_t max = 8; max <= 12; max++) {
		struct body *b = body_new(new_file(), OFFSET, true, max, span_of("R: 1\r\n"));

		feed_pieces(b, span_of("12345678\r\n.\r\n"), 3);
		assert_int_equal(body_fault(b), max < 10 ? DATA_TOO_BIG : DATA_SOUND);
		close(b->fd);
		body_free(&b);
	}
}

/* The disk is full at some byte: the message is read to its end all the same. */
static void
disk_full(void **state)
{
	struct rlimit old, limit;
	char *in = xmalloc(200000);
	size_t n = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	while (n < 199000)
		n += sprintf(in + n, "%0100d\r\n", (int)n);
	n += sprintf(in + n, ".\r\n");
	for (rlim_t max = 1000; max < 190000; max += 47000) {
		struct body *b;
		FILE *f = tmpfile();

		limit = (struct rlimit){max, old.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		b = body_new(fileno(f), OFFSET, true, 1 << 30, span_of("R: 1\r\n"));
		feed_pieces(b, (struct span){in, n}, 5000);
		assert_int_equal(body_fault(b), DATA_NOT_WRITTEN);
		assert_int_equal(b->error, EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		fclose(f);
		body_free(&b);
	}
	free(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(filling_in),
	    cmocka_unit_test(borders),
	    cmocka_unit_test(chunks),
	    cmocka_unit_test(too_big),
	    cmocka_unit_test(disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
