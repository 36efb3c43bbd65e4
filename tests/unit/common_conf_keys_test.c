/*
 * The table of keys against what is shipped: each key once in conf/config.ini or conf/mail.ini with
 * its default, and in sambar.ini(5). Run in the project's folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config_lines.h"
#include "common/config_private.h"
#include "common/memory.h"

static char *
read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "r");

	if (f == NULL)
		fail_msg("cannot open %s", path);
	if (getdelim(&text, &size, '\0', f) == -1)
		fail_msg("cannot read %s", path);
	fclose(f);
	return text;
}

static char *
read_shipped(const char *file)
{
	char path[64];

	snprintf(path, sizeof path, "conf/%s", file);
	return read_file(path);
}

/* ---- the table itself ---- */

static void
test_table(void **state)
{
	struct config_source sources[CONFIG_SOURCES] = {{(char[]){""}, 0, 0}, {(char[]){""}, 0, 0}};
	struct config_problems problems = {0};
	struct config *c;

	(void)state;
	for (size_t i = 0; i < n_config_keys; i++) {
		const struct config_key *k = &config_keys[i];

		assert_int_equal(config_index(k->section, k->key), i); /* there is one only */
		assert_ptr_equal(config_key_in(k->file, k->section, span_of(k->key)), k);
		assert_true(k->max == 0 || k->min <= k->max);
		assert_true((k->type == CONFIG_CHOICE) == (k->words != NULL));
		assert_int_equal(k->meaning[strlen(k->meaning) - 1], '.');
	}
	c = config_build("/srv", sources, &problems, false); /* ends when a preset is wrong */
	assert_int_equal(problems.n, 0);
	config_free(&c);
}

/* ---- conf/ ---- */

/* The table's section for a comment that shows the head of one with a name of its own. */
static const char *
named_section(const struct config_line *line)
{
	struct span text = span_trim(line->value);

	if (span_is(text, "[fetch NAME]"))
		return "fetch *";
	return span_is(text, "[certificate NAME]") ? "certificate *" : NULL;
}

/* A key's line, active or with ; in front, whose value is the default. */
static bool
shows_key(const struct config_line *line, const struct config_key *k)
{
	struct span value = line->value, name = line->name;

	if (line->kind == LINE_COMMENT && line->whole.at[0] == ';')
		span_take(&value, '=', &name);
	else if (line->kind != LINE_ENTRY)
		return false;
	return span_is(span_trim(name), k->key) &&
	       span_is(span_trim(value), k->preset != NULL ? k->preset : "");
}

static unsigned
count_shown(const char *text, const struct config_key *k)
{
	struct span rest = span_of(text);
	struct config_line line;
	bool in_section = false, after_comment = false;
	const char *named;
	unsigned n = 0;

	while (config_line_next(&rest, &line)) {
		if (line.kind == LINE_SECTION)
			in_section = span_is(line.name, k->section);
		else if ((named = named_section(&line)) != NULL)
			in_section = span_is(span_of(named), k->section);
		else if (in_section && after_comment && shows_key(&line, k))
			n++;
		after_comment = line.kind == LINE_COMMENT && line.whole.at[0] == '#';
	}
	return n;
}

static void
test_shipped_has_each_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_config_keys; i++) {
		char *text = read_shipped(config_keys[i].file);

		if (count_shown(text, &config_keys[i]) != 1)
			fail_msg("conf/%s: [%s] %s is not there once, with its default and below a "
				 "comment",
			    config_keys[i].file, config_keys[i].section, config_keys[i].key);
		free(text);
	}
}

static void
check_shown_line(const char *file, const char *section, const struct config_line *line)
{
	struct span value = line->value, name;

	if (line->kind != LINE_COMMENT || line->whole.at[0] != ';')
		return;
	assert_true(span_take(&value, '=', &name));
	if (config_key_in(file, section, span_trim(name)) == NULL)
		fail_msg("conf/%s: [%s] has no key %.*s", file, section, (int)name.len, name.at);
}

static void
test_shipped_has_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONFIG_SOURCES; i++) {
		char *text = read_shipped(config_source_names[i]), section[64] = "";
		struct span rest = span_of(text);
		struct config_line line;
		const char *named;

		while (config_line_next(&rest, &line)) {
			assert_true(line.whole.len <= 101);
			if (line.kind == LINE_SECTION)
				assert_true(span_copy(line.name, section, sizeof section));
			if ((named = named_section(&line)) != NULL)
				strlcpy(section, named, sizeof section);
			else
				check_shown_line(config_source_names[i], section, &line);
		}
		free(text);
	}
}

static void
test_shipped_is_right(void **state)
{
	struct config_source sources[CONFIG_SOURCES] = {0};
	struct config_problems problems = {0};
	struct config *c;

	(void)state;
	for (size_t i = 0; i < CONFIG_SOURCES; i++) {
		sources[i].text = read_shipped(config_source_names[i]);
		sources[i].len = strlen(sources[i].text);
	}
	c = config_build("/srv", sources, &problems, false);
	assert_int_equal(problems.n, 0);
	config_free(&c);
	for (size_t i = 0; i < CONFIG_SOURCES; i++)
		config_source_free(&sources[i]);
}

/* ---- sambar.ini(5) ---- */

/* The part of the page between this heading and the next. To be freed. */
static char *
part_of(const char *page, const char *from, const char *end_mark)
{
	const char *start = strstr(page, from), *end;

	if (start == NULL)
		fail_msg("sambar.ini(5) has no \"%s\"", from);
	start += strlen(from);
	end = strstr(start, end_mark);
	return end != NULL ? strndup(start, end + 1 - start) : strdup(start);
}

/* A word that is the name of a macro of mdoc(7), as "In" or "At", is written \&In. */
static void
print_item(char *out, size_t size, const char *key)
{
	const char *in = strstr(key, " In ");

	if (strncmp(key, "At ", 3) == 0)
		snprintf(out, size, ".It Va \\&%s No = ", key);
	else if (in == NULL)
		snprintf(out, size, ".It Va %s No = ", key);
	else
		snprintf(out, size, ".It Va %.*s \\&In %s No = ", (int)(in - key), key, in + 4);
}

static void
check_manual(const char *page, const struct config_key *k)
{
	char heading[160], item[160], quoted[160], *section, *text;

	snprintf(heading, sizeof heading, "\n.Ss [%.*s%s] in %s\n", (int)strcspn(k->section, "*"),
	    k->section, config_key_is_named(k) ? "NAME" : "", k->file);
	section = part_of(page, heading, "\n.S");
	print_item(item, sizeof item, k->key);
	text = part_of(section, item, "\n.It");
	snprintf(quoted, sizeof quoted, "\n.Ql %s .\n", k->preset != NULL ? k->preset : "");
	if (strstr(text, k->preset != NULL ? quoted : "\nThere is no default.\n") == NULL)
		fail_msg("sambar.ini(5): [%s] %s does not tell its default", k->section, k->key);
	if ((strstr(text, "\nHas no effect yet") != NULL) != (k->not_yet != NULL))
		fail_msg("sambar.ini(5): [%s] %s: is it in effect or not?", k->section, k->key);
	if (strstr(strstr(section, item) + 1, item) != NULL)
		fail_msg("sambar.ini(5): [%s] %s is there twice", k->section, k->key);
	free(text);
	free(section);
}

static void
test_manual_has_each_key(void **state)
{
	char *page = read_file("docs/man/sambar.ini.5");

	(void)state;
	for (size_t i = 0; i < n_config_keys; i++)
		check_manual(page, &config_keys[i]);
	free(page);
}

static void
test_manual_has_no_other(void **state)
{
	char *page = read_file("docs/man/sambar.ini.5");
	size_t n = 0;

	(void)state;
	for (const char *at = page; (at = strstr(at, "\n.It Va ")) != NULL; at++)
		n++;
	assert_int_equal(n, n_config_keys);
	free(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_shipped_has_each_key),
	    cmocka_unit_test(test_shipped_has_no_other),
	    cmocka_unit_test(test_shipped_is_right),
	    cmocka_unit_test(test_manual_has_each_key),
	    cmocka_unit_test(test_manual_has_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
