/* Archives as they are sent, read back by libarchive: contents, and names that are safe and differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/zip.h"

static void
drain(struct zip *z, struct text_buffer *to)
{
	struct span ready = zip_ready(z);

	text_put(to, ready);
	zip_taken(z, ready.len);
	assert_int_equal(zip_ready(z).len, 0);
}

static const struct {
	const char *name, *becomes;
} names[] = {
    {"a.pdf", "a.pdf"},
    {"a.pdf", "a (2).pdf"},
    {"A.PDF", "A (3).PDF"},
    {"a (2).pdf", "a (2) (2).pdf"},
    {"../../etc/passwd", "_.._.._etc_passwd"},
    {"C:\\x|y?.txt", "C__x_y_.txt"},
    {"", "file"},
    {"", "file (2)"},
    {".", "file (3)"},
    {".bashrc", "_.bashrc"},
    {"nul.txt", "_nul.txt"},
    {"a\r\nb\x01", "a  b"},
    {"\xc3\xbc\xe2\x82\xac.txt", "\xc3\xbc\xe2\x82\xac.txt"},
    {"x. . .", "x"},
};

static void
writes_an_archive(void **state)
{
	struct zip *z = zip_new();
	struct text_buffer all;
	struct archive *in;
	struct archive_entry *e;
	char content[100];

	(void)state;
	text_buffer_init(&all, 1000000);
	for (size_t i = 0; i < nitems(names); i++) {
		snprintf(content, sizeof content, "content %zu", i);
		assert_int_equal(zip_begin(z, names[i].name,
				     i % 2 ? strlen(content) : ZIP_SIZE_UNKNOWN, 1793696400),
		    0);
		for (const char *c = content; *c != '\0'; c++)
			assert_int_equal(zip_put(z, (struct span){c, 1}), 0);
		drain(z, &all);
	}
	assert_int_equal(zip_end(z), 0);
	drain(z, &all);
	zip_free(&z);
	assert_non_null(in = archive_read_new());
	archive_read_support_format_zip(in);
	assert_int_equal(archive_read_open_memory(in, all.at, all.len), ARCHIVE_OK);
	for (size_t i = 0; i < nitems(names); i++) {
		char read[100] = "";

		assert_int_equal(archive_read_next_header(in, &e) >= ARCHIVE_WARN, 1);
		snprintf(content, sizeof content, "content %zu", i);
		assert_int_equal(archive_read_data(in, read, sizeof read), strlen(content));
		assert_string_equal(read, content);
		assert_non_null(
		    memmem(all.at, all.len, names[i].becomes, strlen(names[i].becomes)));
		if (span_is_ascii(span_of(names[i].becomes)))
			assert_string_equal(archive_entry_pathname(e), names[i].becomes);
	}
	assert_int_equal(archive_read_next_header(in, &e), ARCHIVE_EOF);
	archive_read_free(in);
	text_buffer_free(&all);
}

static void
holds_little_in_memory(void **state)
{
	static char piece[65536];
	struct zip *z = zip_new();
	uint64_t total = 0;

	(void)state;
	assert_int_equal(zip_begin(z, "big", ZIP_SIZE_UNKNOWN, 0), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(zip_put(z, (struct span){piece, sizeof piece}), 0);
		assert_true(zip_ready(z).len <= 2 * sizeof piece);
		total += zip_ready(z).len;
		zip_taken(z, zip_ready(z).len);
	}
	assert_int_equal(zip_end(z), 0);
	total += zip_ready(z).len;
	assert_true(total > 1000 * sizeof piece);
	zip_free(&z);
}

static void
can_be_given_up(void **state)
{
	struct zip *z = zip_new();

	(void)state;
	assert_int_equal(zip_begin(z, "a", 1000, 0), 0);
	assert_int_equal(zip_put(z, span_of("x")), 0);
	zip_free(&z);
	zip_free(&z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_an_archive),
	    cmocka_unit_test(holds_little_in_memory),
	    cmocka_unit_test(can_be_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
