/*
 * What an IMAP server says, as tokens, however its bytes are cut; and names of folders, there and
 * back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "fetcher/remote.h"
#include "tests/unit/fetcher_imap_reader_support.h"

/* ---- the reader ---- */

static void
feed_consume(void *arg, size_t n)
{
	struct feed *f = arg;

	assert_true(n <= f->left && n <= f->step);
	feed_skip(f, n);
}

static const struct {
	const char *bytes, *tokens; /* "!" : malformed or cut */
} responses[] = {
    {"* OK x\r\n", "* OK x ;"},
    {"*  1   FETCH (UID 5)\r\n", "* 1 FETCH ( UID 5 ) ;"},
    {"(a(b)\"c d\")\r\n", "( a ( b ) \"c d\" ) ;"},
    {"\"\\\"\\\\\"\r\n", "\"\"\\\" ;"},
    {"\"\"\r\n", "\"\" ;"},
    {"BODY[] {3}\r\na\r\n)\r\n", "BODY[] {a\r\n} ) ;"},
    {"{0}\r\n x\r\n", "{} x ;"},
    {"{3+}\r\nabc\r\n", "{abc} ;"},
    {"{3}\r\nab", "!"},
    {"{3}abc\r\n", "!"},
    {"{}\r\n", "!"},
    {"{-1}\r\n", "!"},
    {"{18446744073709551615}\r\n", "!"},
    {"{9223372036854775807}\r\nabc\r\n", "!"},
    {"{3\r\nabc\r\n", "!"},
    {"a\n", "a !"},
    {"a\rb\r\n", "a !"},
    {"\"a\r\n", "!"},
    {"\"a\\x\"\r\n", "!"},
    {"a", "!"},
    {"\r\n", ";"},
};

static void
print_tokens(struct imap_reader *d, char *out, size_t size)
{
	struct imap_token t;
	struct span piece;
	size_t n = 0;

	do {
		if (imap_next(d, &t) == -1)
			goto malformed;
		switch (t.kind) {
		case IMAP_ATOM:
			n += snprintf(out + n, size - n, "%.*s ", (int)t.text.len, t.text.at);
			break;
		case IMAP_QUOTED:
			n += snprintf(out + n, size - n, "\"%.*s\" ", (int)t.text.len, t.text.at);
			break;
		case IMAP_LITERAL:
			n += snprintf(out + n, size - n, "{");
			for (;;) {
				if (imap_literal(d, &piece) == -1) {
					n = 0;
					goto malformed;
				}
				if (piece.len == 0)
					break;
				n += snprintf(out + n, size - n, "%.*s", (int)piece.len, piece.at);
			}
			n += snprintf(out + n, size - n, "} ");
			break;
		case IMAP_OPEN:
			n += snprintf(out + n, size - n, "( ");
			break;
		case IMAP_CLOSE:
			n += snprintf(out + n, size - n, ") ");
			break;
		case IMAP_END:
			n += snprintf(out + n, size - n, ";");
		}
	} while (t.kind != IMAP_END);
	return;
malformed:
	snprintf(out + n, size - n, "!");
}

static void
test_reader(void **state)
{
	static struct imap_reader d;

	(void)state;
	for (size_t i = 0; i < nitems(responses); i++)
		for (size_t step = 1; step < 12; step++) {
			struct feed f = {responses[i].bytes, strlen(responses[i].bytes), step};
			struct imap_source source = {feed_bytes, feed_consume, &f};
			char got[200] = "";

			imap_reader_init(&d, &source);
			imap_response(&d);
			print_tokens(&d, got, sizeof got);
			if (strcmp(got, responses[i].tokens) != 0)
				fail_msg("%zu by %zu: %s", i, step, got);
		}
}

static int
count_bytes(void *arg, struct span *out)
{
	const char *const *block = arg;

	*out = span_of(*block);
	return 0;
}

static void
count_consume(void *arg, size_t n)
{
	(void)arg, (void)n;
}

/* Whatever never ends is given up. */
static void
test_reader_is_bounded(void **state)
{
	static const char *const endless[] = {"(", "a", "\"", "(a ", "1 ", "a(", "  "};
	static struct imap_reader d;
	char block[1001];

	(void)state;
	for (size_t i = 0; i < nitems(endless); i++) {
		const char *at = block;
		struct imap_source source = {count_bytes, count_consume, &at};

		block[0] = '\0';
		while (strlen(block) + strlen(endless[i]) < sizeof block)
			strlcat(block, endless[i], sizeof block);
		imap_reader_init(&d, &source);
		imap_response(&d);
		assert_int_equal(imap_skip(&d), -1);
		assert_non_null(d.why);
	}
}

/* ---- names ---- */

static const struct {
	const char *utf8, *name;
} names[] = {
    {"INBOX", "INBOX"},
    {"a&b", "a&-b"},
    {"&", "&-"},
    {"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
    {"\xe5\x8f\xb0\xe5\x8c\x97", "&U,BTFw-"},
    {"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	"~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
    {"\xf0\x9f\x98\x80", "&2D3eAA-"},
    {"\xc3\xbc\xc3\xbc&", "&APwA,A-&-"},
};

static void
test_names(void **state)
{
	static const char *const raw[] = {
	    "&", "&x", "&APw", "&A-", "&AP-", "&2D0-", "&3gA-", "&AEE-", "&!!-", "\xff"};
	char out[REMOTE_FOLDER_SIZE], large[2000];

	(void)state;
	for (size_t i = 0; i < nitems(names); i++) {
		assert_true(remote_folder_spell(span_of(names[i].utf8), out));
		assert_string_equal(out, names[i].name);
		remote_folder_show(span_of(names[i].name), out);
		assert_string_equal(out, names[i].utf8);
	}
	for (size_t i = 0; i < nitems(raw); i++) {
		remote_folder_show(span_of(raw[i]), out);
		assert_string_equal(out, raw[i]);
	}
	assert_false(remote_folder_spell(span_of("\xff"), out));
	assert_false(remote_folder_spell(span_of("a\r\nb"), out));
	assert_false(remote_folder_spell((struct span){"a\0b", 3}, out));
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	assert_false(remote_folder_spell(span_of(large), out));
	remote_folder_show(span_of(large), out);
	assert_int_equal(strlen(out), REMOTE_FOLDER_SIZE - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reader),
	    cmocka_unit_test(test_reader_is_bounded),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
