/* SASL PLAIN and LOGIN: dialogues from the first line to the last step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "common/memory.h"
#include "common/sasl.h"

enum { TEXT_SIZE = 4096 };

/* A literal, NUL bytes and all. */
#define BYTES(literal)                       \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static const struct span nothing = {NULL, 0};

/* In base64; good until the next call. */
static struct span
encoded(struct span bytes)
{
	static char text[TEXT_SIZE];

	assert_true(bytes.len < TEXT_SIZE / 2);
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes.at, bytes.len);
	return span_of(text);
}

static enum sasl_step
begin(struct sasl *s, const char *mechanism, struct span initial)
{
	return sasl_begin(s, span_of(mechanism), initial);
}

static void
expect_login(struct sasl *s, const char *name, const char *password)
{
	static const struct sasl cleared;

	assert_string_equal(s->name, name);
	assert_string_equal(s->password, password);
	sasl_clear(s);
	assert_memory_equal(s, &cleared, sizeof cleared);
}

/* ---- PLAIN: each response as the initial one, then as an answer to the empty challenge ---- */

static enum sasl_step
answer_plain(struct sasl *s, struct span response)
{
	assert_int_equal(begin(s, "pLaIn", nothing), SASL_CONTINUE);
	assert_string_equal(s->challenge, "");
	return sasl_line(s, encoded(response));
}

static void
plain(void **state)
{
	static const struct {
		struct span response;
		const char *name, *password;
	} rows[] = {
	    {BYTES("\0ann\0secret"), "ann", "secret"},
	    {BYTES("ann\0ann\0secret"), "ann", "secret"},
	    {BYTES("\0ann@x.example\0\xc3\xa9 '\"\\ "), "ann@x.example", "\xc3\xa9 '\"\\ "},
	    {BYTES("\0\xff\0\xff\r\n"), "\xff", "\xff\r\n"},
	    {BYTES("\0ann\0"), "ann", ""},
	};
	struct sasl s;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_int_equal(begin(&s, "PLAIN", encoded(rows[i].response)), SASL_COMPLETE);
		expect_login(&s, rows[i].name, rows[i].password);
		assert_int_equal(answer_plain(&s, rows[i].response), SASL_COMPLETE);
		expect_login(&s, rows[i].name, rows[i].password);
	}
}

static void
malformed_plain(void **state)
{
	static const struct span rows[] = {
	    BYTES(""),
	    BYTES("\0"),
	    BYTES("\0\0"),
	    BYTES("\0\0secret"),
	    BYTES("ann"),
	    BYTES("ann\0secret"),
	    BYTES("bob\0ann\0secret"), /* acts for another */
	    BYTES("an\0ann\0secret"),
	    BYTES("Ann\0ann\0secret"),
	    BYTES("ann\0\0secret"),
	    BYTES("\0ann\0sec\0ret"),
	    BYTES("\0ann\0secret\0"),
	    BYTES("\0ann\0\0"),
	    BYTES("\0\0ann\0secret"),
	};
	struct sasl s;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		if (begin(&s, "PLAIN", encoded(rows[i])) != SASL_MALFORMED ||
		    answer_plain(&s, rows[i]) != SASL_MALFORMED)
			fail_msg("row %zu was accepted", i);
	}
}

/* ---- LOGIN ---- */

static void
login(void **state)
{
	struct sasl s;

	(void)state;
	assert_int_equal(begin(&s, "LOGIN", nothing), SASL_CONTINUE);
	assert_string_equal(s.challenge, "VXNlcm5hbWU6");
	assert_int_equal(sasl_line(&s, encoded(span_of("ann"))), SASL_CONTINUE);
	assert_string_equal(s.challenge, "UGFzc3dvcmQ6");
	assert_int_equal(sasl_line(&s, encoded(span_of("secret"))), SASL_COMPLETE);
	expect_login(&s, "ann", "secret");

	assert_int_equal(begin(&s, "login", encoded(span_of("ann"))), SASL_CONTINUE);
	assert_string_equal(s.challenge, "UGFzc3dvcmQ6");
	assert_int_equal(sasl_line(&s, span_of("")), SASL_COMPLETE);
	expect_login(&s, "ann", "");
}

static void
malformed_login(void **state)
{
	static const struct span names[] = {BYTES(""), BYTES("an\0n"), BYTES("ann\0")};
	static const struct span passwords[] = {BYTES("\0"), BYTES("sec\0ret")};
	struct sasl s;

	(void)state;
	for (size_t i = 0; i < nitems(names); i++) {
		assert_int_equal(begin(&s, "LOGIN", encoded(names[i])), SASL_MALFORMED);
		assert_int_equal(begin(&s, "LOGIN", nothing), SASL_CONTINUE);
		assert_int_equal(sasl_line(&s, encoded(names[i])), SASL_MALFORMED);
	}
	for (size_t i = 0; i < nitems(passwords); i++) {
		assert_int_equal(begin(&s, "LOGIN", encoded(span_of("ann"))), SASL_CONTINUE);
		assert_int_equal(sasl_line(&s, encoded(passwords[i])), SASL_MALFORMED);
	}
}

/* ---- what is not base64, and no mechanism ---- */

static void
lines_as_they_are(void **state)
{
	static const struct {
		const char *mechanism, *initial; /* NULL: none */
		enum sasl_step first;
		const char *line; /* NULL: it is over */
		enum sasl_step second;
	} rows[] = {
	    {"", NULL, SASL_UNKNOWN, NULL, 0},
	    {"CRAM-MD5", NULL, SASL_UNKNOWN, NULL, 0},
	    {"PLAINS", NULL, SASL_UNKNOWN, NULL, 0},
	    {"PLAI", "AGFubgBzZWNyZXQ=", SASL_UNKNOWN, NULL, 0},
	    {"PLAIN", "AGFubgBzZWNyZXQ=", SASL_COMPLETE, NULL, 0},
	    {"PLAIN", "AGFubgBzZWNyZXQ", SASL_MALFORMED, NULL, 0},
	    {"PLAIN", "AGFubgBzZWNyZXQ= ", SASL_MALFORMED, NULL, 0},
	    {"PLAIN", "", SASL_MALFORMED, NULL, 0},
	    {"PLAIN", "=", SASL_MALFORMED, NULL, 0}, /* RFC 4954 4: an empty response */
	    {"PLAIN", "*", SASL_MALFORMED, NULL, 0},
	    {"PLAIN", "!!!!", SASL_MALFORMED, NULL, 0},
	    {"PLAIN", NULL, SASL_CONTINUE, "*", SASL_CANCELLED},
	    {"PLAIN", NULL, SASL_CONTINUE, "**", SASL_MALFORMED},
	    {"PLAIN", NULL, SASL_CONTINUE, "=", SASL_MALFORMED},
	    {"PLAIN", NULL, SASL_CONTINUE, "QUIT", SASL_MALFORMED},
	    {"LOGIN", "=", SASL_MALFORMED, NULL, 0},
	    {"LOGIN", "ann", SASL_MALFORMED, NULL, 0},
	    {"LOGIN", NULL, SASL_CONTINUE, "*", SASL_CANCELLED},
	    {"LOGIN", NULL, SASL_CONTINUE, "", SASL_MALFORMED},
	    {"LOGIN", "YW5u", SASL_CONTINUE, "*", SASL_CANCELLED},
	    {"LOGIN", "YW5u", SASL_CONTINUE, "=", SASL_MALFORMED},
	    {"LOGIN", "YW5u", SASL_CONTINUE, "c2VjcmV0", SASL_COMPLETE},
	};
	struct sasl s;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span initial = rows[i].initial != NULL ? span_of(rows[i].initial) : nothing;

		if (begin(&s, rows[i].mechanism, initial) != rows[i].first ||
		    (rows[i].line != NULL &&
			sasl_line(&s, span_of(rows[i].line)) != rows[i].second))
			fail_msg("row %zu: %s", i, rows[i].mechanism);
	}
}

/* ---- limits at n - 1, n, n + 1 ---- */

static enum sasl_step
plain_of(struct sasl *s, size_t authzid, size_t name, size_t password)
{
	static char bytes[TEXT_SIZE];

	memset(bytes, 'x', sizeof bytes);
	bytes[authzid] = bytes[authzid + 1 + name] = '\0';
	return begin(s, "PLAIN", encoded((struct span){bytes, authzid + name + password + 2}));
}

static void
limits(void **state)
{
	static char line[SASL_LINE_MAX_BYTES];
	struct sasl s;

	(void)state;
	assert_int_equal(plain_of(&s, 0, 511, 511), SASL_COMPLETE);
	assert_int_equal(strlen(s.name), 511);
	assert_int_equal(strlen(s.password), 511);
	assert_int_equal(plain_of(&s, 511, 511, 511), SASL_COMPLETE);
	assert_int_equal(plain_of(&s, 0, 512, 1), SASL_MALFORMED);
	assert_int_equal(plain_of(&s, 0, 1, 512), SASL_MALFORMED);
	assert_int_equal(plain_of(&s, 0, 513, 513), SASL_MALFORMED);
	assert_int_equal(plain_of(&s, 512, 512, 1), SASL_MALFORMED);
	memset(line, 'A', sizeof line);
	assert_int_equal(begin(&s, "PLAIN", (struct span){line, sizeof line}), SASL_MALFORMED);
	assert_int_equal(begin(&s, "LOGIN", nothing), SASL_CONTINUE);
	assert_int_equal(sasl_line(&s, (struct span){line, sizeof line}), SASL_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain),
	    cmocka_unit_test(malformed_plain),
	    cmocka_unit_test(login),
	    cmocka_unit_test(malformed_login),
	    cmocka_unit_test(lines_as_they_are),
	    cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
