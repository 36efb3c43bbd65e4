/* Contacts from vCards of several programs and versions, and as vCards again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/vcard.h"

static const struct {
	const char *text, *contacts; /* NULL: no card */
} rows[] = {
    {"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann "
     "Example\r\nN:Example;Ann;;;\r\nEMAIL;TYPE=INTERNET:ann@x.org\r\n"
     "item1.EMAIL;type=pref:ann@y.org\r\nTEL;TYPE=cell:+49 1\r\nORG:House\\, "
     "big;Unit\r\nNOTE:one\\ntwo\\;\r\nEND:VCARD\r\n",
	"[{\"name\":\"Ann Example\",\"emails\":[\"ann@x.org\",\"ann@y.org\"],\"phones\":[\"+49 "
	"1\"],\"organization\":\"House, big\",\"note\":\"one\\ntwo;\"}]"},
    {"begin:vcard\nfn:A\n B\nend:vcard\n",
	"[{\"name\":\"AB\",\"emails\":[],\"phones\":[],\"organization\":\"\",\"note\":\"\"}]"},
    {"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=\r\n="
     "C3=B6rg\r\nTEL;HOME:1\r\nEND:VCARD\r\n",
	"[{\"name\":\"J\xc3\xb6rg "
	"M\xc3\xbcller\",\"emails\":[],\"phones\":[\"1\"],\"organization\":\"\",\"note\":\"\"}]"},
    {"BEGIN:VCARD\nFN;CHARSET=iso-8859-1:\xe9\nTEL;VALUE=uri:tel:+1-2\nEMAIL:mailto:a@b\nEND:"
     "VCARD\n",
	"[{\"name\":\"\xc3\xa9\",\"emails\":[\"a@b\"],\"phones\":[\"+1-2\"],\"organization\":\"\","
	"\"note\":\"\"}]"},
    {"BEGIN:VCARD\nORG:House\nEND:VCARD\nBEGIN:VCARD\nTITLE:none\nEND:VCARD\nBEGIN:VCARD\nEMAIL:x@"
     "y\n",
	"[{\"name\":\"House\",\"emails\":[],\"phones\":[],\"organization\":\"House\",\"note\":\"\"}"
	",{\"name\":\"\",\"emails\":[\"x@y\"],\"phones\":[],\"organization\":\"\",\"note\":\"\"}]"},
    {"BEGIN:VCARD\nFN;X=\"a:b\":c\nEND:VCARD",
	"[{\"name\":\"c\",\"emails\":[],\"phones\":[],\"organization\":\"\",\"note\":\"\"}]"},
    {"BEGIN:VCARD\nFN:a\x01\x7f\xff\nPHOTO;ENCODING=b:AAAA\n AAAA\nEND:VCARD",
	"[{\"name\":\"a\xef\xbf\xbd\",\"emails\":[],\"phones\":[],\"organization\":\"\",\"note\":"
	"\"\"}]"},
    {"BEGIN:VCARD\nEND:VCARD\n", "[]"},
    {"name,email\na,b\n", NULL},
    {"", NULL},
    {"FN:x\nEND:VCARD:\n", NULL},
    {":::\n;;;\n=\nBEGIN\n", NULL},
};

static void
reads_cards(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		json_t *cards = vcard_read(span_of(rows[i].text)), *expected;

		if (rows[i].contacts == NULL) {
			assert_null(cards);
			continue;
		}
		assert_non_null(cards);
		assert_non_null(expected = json_loads(rows[i].contacts, 0, NULL));
		if (!json_equal(cards, expected))
			fail_msg("row %zu: %s", i, json_dumps(cards, 0));
		json_decref(cards);
		json_decref(expected);
	}
}

static void
writes_what_it_reads(void **state)
{
	json_t *contacts = json_loads(
	    "[{\"name\":\"\xc3\xbc, the; \\\\ long name of somebody whose name is so long that it "
	    "does not fit into a line of seventy-five "
	    "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac "
	    "bytes\",\"emails\":[\"a@b\"],\"phones\":[\"1\",\"2\"],\"organization\":\"O\","
	    "\"note\":\"one\\nEND:VCARD\\ntwo\"}]",
	    0, NULL);
	size_t len;
	char *text = vcard_write(contacts, &len);
	json_t *again = vcard_read((struct span){text, len});
	struct span rest = {text, len}, line;

	(void)state;
	assert_non_null(contacts);
	if (!json_equal(contacts, again))
		fail_msg("%s %s", text, json_dumps(again, 0));
	while (rest.len > 0) {
		assert_true(span_take(&rest, '\n', &line));
		assert_true(line.len <= 76);
		assert_int_equal(line.at[line.len - 1], '\r');
	}
	json_decref(contacts);
	json_decref(again);
	free(text);
}

static void
is_bounded(void **state)
{
	struct text_buffer t;
	json_t *cards;

	(void)state;
	text_buffer_init(&t, 8000000);
	while (!t.full)
		text_put_text(&t, "BEGIN:VCARD\nFN:a\nEMAIL:a@b\n");
	cards = vcard_read((struct span){t.at, t.len});
	assert_int_equal(json_array_size(cards), VCARD_CONTACTS_MAX);
	json_decref(cards);
	text_buffer_free(&t);
	text_buffer_init(&t, 8000000);
	text_put_text(&t, "BEGIN:VCARD\nFN:");
	while (!t.full)
		text_put_text(&t, "a\n ");
	cards = vcard_read((struct span){t.at, t.len});
	assert_int_equal(json_array_size(cards), 1);
	json_decref(cards);
	text_buffer_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_cards),
	    cmocka_unit_test(writes_what_it_reads),
	    cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
