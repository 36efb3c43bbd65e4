/* Base64: what is decoded, what is refused, and every length there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "common/base64.h"
#include "common/memory.h"

enum { ROOM = 64 };

static void
decodes(void **state)
{
	static const struct {
		const char *text, *bytes;
	} rows[] = {
	    /* RFC 4648 10 */
	    {"", ""},
	    {"Zg==", "f"},
	    {"Zm8=", "fo"},
	    {"Zm9v", "foo"},
	    {"Zm9vYg==", "foob"},
	    {"Zm9vYmE=", "fooba"},
	    {"Zm9vYmFy", "foobar"},
	    {"+/+/", "\xfb\xff\xbf"},
	    {"//79", "\xff\xfe\xfd"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		unsigned char out[ROOM];
		long n = base64_decode(span_of(rows[i].text), out, sizeof out);

		assert_int_equal(n, strlen(rows[i].bytes));
		assert_memory_equal(out, rows[i].bytes, n);
	}
}

static void
refuses(void **state)
{
	static const char *const rows[] = {
	    "Z",
	    "Zg",
	    "Zg=",
	    "Zg===",
	    "Zm9vZ",
	    "=",
	    "==",
	    "===",
	    "====",
	    "Z===",
	    "=Zm9",
	    "Z=g=",
	    "Zg==Zm9v", /* padding in the middle */
	    "Zh==",	/* stray bits */
	    "Zm9=",
	    "Zm9v\n",
	    "Zm9v\r\n",
	    " Zm9",
	    "Zm 9",
	    "Zm9v YmFy",
	    "Zm9-",
	    "Zm9_",
	    "Zm9.",
	    "Zm9\xff",
	    "\xc5\xbdm9",
	    "!!!!",
	    "*",
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		unsigned char out[ROOM];

		if (base64_decode(span_of(rows[i]), out, sizeof out) != -1)
			fail_msg("%s was decoded", rows[i]);
	}
	assert_int_equal(
	    base64_decode((struct span){"Zm\0v", 4}, (unsigned char[ROOM]){0}, ROOM), -1);
}

static void
fits_exactly(void **state)
{
	unsigned char out[4] = {0, 0, 0, 'x'};

	(void)state;
	assert_int_equal(base64_decode(span_of("Zm9v"), out, 3), 3);
	assert_int_equal(base64_decode(span_of("Zm9v"), out, 2), -1);
	assert_int_equal(base64_decode(span_of("Zm8="), out, 2), 2);
	assert_int_equal(base64_decode(span_of("Zm8="), out, 1), -1);
	assert_int_equal(base64_decode(span_of(""), out, 0), 0);
	assert_int_equal(out[3], 'x');
}

static void
every_byte_there_and_back(void **state)
{
	unsigned char bytes[256], text[400], out[256];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = i * 7;
	for (size_t len = 0; len <= sizeof bytes; len++) {
		int n = EVP_EncodeBlock(text, bytes, len);

		assert_int_equal(
		    base64_decode((struct span){(char *)text, n}, out, sizeof out), len);
		assert_memory_equal(out, bytes, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(fits_exactly),
	    cmocka_unit_test(every_byte_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
