/*
 * A user's own addresses and forwarding, by the configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config_private.h"
#include "common/memory.h"
#include "master/own.h"

static struct config *
load(const char *mail_ini)
{
	char *text =
	    xasprintf("[mail]\nMail Server = our.example\n[smtpd]\nLocal Domains = two.example "
		      "*.any.example\n%s",
		mail_ini);
	struct config_source sources[CONFIG_SOURCES] = {
	    {(char[]){""}, 0, 0}, {text, strlen(text), 0}};
	struct config_problems problems = {0};
	struct config *c = config_build("/nowhere", sources, &problems, false);

	for (size_t i = 0; i < problems.n; i++)
		if (!problems.items[i].warning)
			fail_msg("%s", problems.items[i].text);
	config_problems_free(&problems);
	free(text);
	return c;
}

static void
expect(json_t *doc, const char *text)
{
	char *is = json_dumps(doc, JSON_COMPACT);

	assert_string_equal(is, text);
	free(is);
	json_decref(doc);
}

static void
addresses(void **state)
{
	static const struct {
		const char *ini, *list;
	} rows[] = {
	    {"", "[\"ann@our.example\",\"ann@two.example\"]"},
	    {"[aliases]\nsales = ann\n", "[\"ann@our.example\",\"ann@two.example\",\"sales@our."
					 "example\",\"sales@two.example\"]"},
	    {"[aliases]\nsales = ann bob\nboss@x.example = ann\nchief@our.example = "
	     "ann@two.example\n",
		"[\"ann@our.example\",\"ann@two.example\",\"boss@x.example\",\"chief@our."
		"example\"]"},
	    {"[aliases]\na = b\nb = ann\nc = d\nd = c\n",
		"[\"ann@our.example\",\"ann@two.example\",\"a@our.example\",\"a@two.example\",\"b@"
		"our."
		"example\",\"b@two.example\"]"},
	    /* given to others */
	    {"[aliases]\nann@two.example = bob\n", "[\"ann@our.example\"]"},
	    {"[aliases]\nann = bob\n", "[]"},
	    {"[aliases]\nx = ann@elsewhere.example\ny = null\n",
		"[\"ann@our.example\",\"ann@two.example\"]"},
	    {"[forward]\nbob = ann\n", "[\"ann@our.example\",\"ann@two.example\"]"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct config *c = load(rows[i].ini);

		expect(own_addresses(c, "ann"), rows[i].list);
		config_free(&c);
	}
}

static void
forwarding_is_told(void **state)
{
	static const struct {
		const char *ini, *doc;
	} rows[] = {
	    {"", "{\"to\":[],\"keep\":true}"},
	    {"[forward]\nann = x@x.example\n", "{\"to\":[\"x@x.example\"],\"keep\":false}"},
	    {"[forward]\nann = x@x.example ANN y@y.example\n",
		"{\"to\":[\"x@x.example\",\"y@y.example\"],\"keep\":true}"},
	    {"[forward]\nann = ann@two.example\nbob = secret@x.example\n",
		"{\"to\":[],\"keep\":true}"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct config *c = load(rows[i].ini);

		expect(own_forward(c, "ann"), rows[i].doc);
		config_free(&c);
	}
}

static void
forwarding_is_wished(void **state)
{
	static const struct {
		bool keep;
		const char *targets[3];
		const char *line; /* "" for none; NULL: it is refused */
	} rows[] = {
	    {true, {"x@x.example"}, "ann x@x.example"},
	    {false, {"x@x.example", "y@y.example"}, "x@x.example y@y.example"},
	    {false, {" x@x.example ", "X@x.example"}, "x@x.example"},
	    {true, {NULL}, ""},
	    {false, {NULL}, NULL},
	    {false, {"ann@our.example", "x@x.example"}, "ann x@x.example"}, /* to himself: kept */
	    {false, {"ANN@two.example"}, ""},
	    {true, {"null"}, NULL},
	    {true, {"bob"}, NULL},
	    {true, {"x@x.example y@y.example"}, NULL},
	    {true, {"x@x.example\n[aliases]"}, NULL},
	    {true, {"\"a b\"@x.example"}, NULL},
	    {true, {"x@"}, NULL},
	    {true, {""}, NULL},
	    {true, {"|/bin/sh"}, NULL},
	    {true, {"<x@x.example>"}, NULL},
	};
	struct config *c = load("");

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char *line, *why;
		size_t n = 0;
		int rv;

		while (n < nitems(rows[i].targets) && rows[i].targets[n] != NULL)
			n++;
		rv = own_forward_line(c, "ann", rows[i].keep, rows[i].targets, n, &line, &why);
		assert_int_equal(rv, rows[i].line == NULL ? -1 : 0);
		assert_int_equal(why != NULL, rv == -1);
		if (rv == 0)
			assert_string_equal(line != NULL ? line : "", rows[i].line);
		free(line);
		free(why);
	}
	config_free(&c);
}

static void
what_the_administrator_has_set_stays(void **state)
{
	static const char *const target[] = {"x@x.example"};
	struct config *c = load("[aliases]\nann = bob\n");
	char *line, *why;

	(void)state;
	assert_int_equal(own_forward_line(c, "ann", true, target, 1, &line, &why), -1);
	assert_null(line);
	free(why);
	config_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(forwarding_is_told),
	    cmocka_unit_test(forwarding_is_wished),
	    cmocka_unit_test(what_the_administrator_has_set_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
