/*
 * sambarctl fetch: the mailboxes at other hosts. fetcher answers.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_table.h"

/* ---- list, now ---- */

static const char *
time_or(const json_t *section, const char *key, const char *otherwise)
{
	json_int_t at = ctl_number(section, key);

	return at > 0 ? ctl_time(at) : otherwise;
}

/* For good, or for now. */
static json_int_t
left_there(const json_t *section)
{
	const json_t *counts = json_object_get(section, "counts");

	return ctl_number(counts, "left") + ctl_number(counts, "refused");
}

static void
add_row(struct ctl_table *t, const json_t *section)
{
	const json_t *counts = json_object_get(section, "counts");

	ctl_table_add(t, "%s", ctl_text(section, "name"));
	ctl_table_add(t, "%s", ctl_text(section, "state"));
	ctl_table_add(t, "%s", time_or(section, "last", "never"));
	ctl_table_add(t, "%s", ctl_text(section, "end"));
	ctl_table_add(t, "%lld", (long long)ctl_number(counts, "new"));
	ctl_table_add(t, "%lld", (long long)ctl_number(counts, "too_large"));
	ctl_table_add(t, "%lld", (long long)left_there(section));
	ctl_table_add(t, "%s", time_or(section, "next", "-"));
}

static void
print_reason(const json_t *section)
{
	const char *missing = ctl_text(section, "missing"), *why = ctl_text(section, "why");
	const char *left_why = ctl_text(section, "left_why");
	json_int_t left = left_there(section);

	if (missing[0] != '\0')
		printf("%s: [fetch %s] has no %s\n", ctl_text(section, "name"),
		    ctl_text(section, "name"), missing);
	else if (why[0] != '\0')
		printf("%s: %s\n", ctl_text(section, "name"), why);
	if (left > 0 && left_why[0] != '\0')
		printf("%s: %lld message(s) stayed there: %s\n", ctl_text(section, "name"),
		    (long long)left, left_why);
}

static int
print_sections(const struct ctl *ctl, json_t *doc)
{
	static const char *const headings[] = {
	    "NAME", "STATE", "LAST", "END", "NEW", "TOO LARGE", "LEFT", "NEXT"};
	const json_t *sections = json_object_get(doc, "sections"), *section;
	struct ctl_table *t;
	size_t i;

	if (ctl->json)
		return ctl_print_json(doc);
	t = ctl_table_new(headings, nitems(headings));
	json_array_foreach(sections, i, section) add_row(t, section);
	ctl_table_print(&t);
	json_array_foreach(sections, i, section) print_reason(section);
	json_decref(doc);
	return 0;
}

static int
list(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"fetch", "list"};
	json_t *doc;
	int code = ctl_ask(ctl, false, words, nitems(words), &doc);

	(void)args, (void)n;
	return code != 0 ? code : print_sections(ctl, doc);
}

/* Also when some of them have failed: what became of each is told. */
static int
now(struct ctl *ctl, char **args, size_t n)
{
	const char *words[] = {"fetch", "now", n > 0 ? args[0] : NULL};
	const json_t *section;
	json_t *doc;
	size_t i;
	int code = ctl_ask(ctl, false, words, 2 + n, &doc);
	int worst = 0;

	if (code != 0)
		return code;
	json_array_foreach(json_object_get(doc, "sections"), i, section)
	{
		if (ctl_number(section, "failures") > 0)
			worst = EX_TEMPFAIL;
	}
	code = print_sections(ctl, doc);
	return code != 0 ? code : worst;
}

/* ---- test, dry-run ---- */

static void
print_server(const json_t *doc)
{
	const json_t *server = json_object_get(doc, "server"), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)server, key, value)
	{
		if (ctl_text(server, key)[0] != '\0')
			printf("%s: %s\n", key, ctl_text(server, key));
	}
}

static void
print_folders(const json_t *doc)
{
	const json_t *folder;
	size_t i;

	json_array_foreach(json_object_get(doc, "folders"), i, folder)
	    printf("folder: %s, %lld message(s)\n", ctl_text(folder, "name"),
		(long long)ctl_number(folder, "messages"));
}

static void
print_message(const json_t *message)
{
	const json_t *recipients = json_object_get(message, "recipients"), *one;
	size_t i;

	printf("%s %s  %s  from %s: %s\n", ctl_text(message, "folder"), ctl_text(message, "id"),
	    ctl_size(ctl_number(message, "size")), ctl_text(message, "from"),
	    ctl_text(message, "subject"));
	json_array_foreach(recipients, i, one)
	    printf("    to <%s> by %s\n", ctl_text(one, "to"), ctl_text(one, "by"));
	if (ctl_text(message, "why")[0] != '\0')
		printf("    stays: %s\n", ctl_text(message, "why"));
}

/* What is believed then is this one certificate, whoever has issued it. */
static void
tell_how_to_pin(const json_t *doc, const char *name)
{
	const json_t *server = json_object_get(doc, "server");
	const char *how = ctl_text(server, "certificate"), *print = ctl_text(server, "fingerprint");

	if (print[0] == '\0' || strcmp(how, "name") == 0 || strcmp(how, "fingerprint") == 0)
		return;
	ctl_fail(0,
	    "if that is the fingerprint of the right certificate, which whoever runs the server "
	    "can tell, it is enough from then on:\n"
	    "  sambarctl config set '[fetch %s] Certificate Fingerprint' %s",
	    name, print);
}

static int
check(struct ctl *ctl, char **args, size_t n)
{
	const char *words[] = {"fetch", ctl->verb, args[0]};
	const json_t *message, *counts;
	json_t *doc;
	size_t i;
	int code = ctl_ask(ctl, false, words, nitems(words), &doc);

	(void)n;
	if (code != 0)
		return code;
	code = ctl_number(doc, "code");
	if (ctl->json) {
		int printed = ctl_print_json(doc);

		return printed != 0 ? printed : code;
	}
	print_server(doc);
	print_folders(doc);
	json_array_foreach(json_object_get(doc, "messages"), i, message) print_message(message);
	counts = json_object_get(doc, "counts");
	if (code == 0)
		printf("%lld message(s), %lld of them new, %lld too large\n",
		    (long long)ctl_number(counts, "listed"), (long long)ctl_number(counts, "fresh"),
		    (long long)ctl_number(counts, "too_large"));
	else
		ctl_fail(code, "%s: %s", ctl_text(doc, "end"), ctl_text(doc, "why"));
	if (code != 0)
		tell_how_to_pin(doc, args[0]);
	json_decref(doc);
	return code;
}

/* ---- forget ---- */

static int
forget(struct ctl *ctl, char **args, size_t n)
{
	const char *words[] = {"fetch", "forget", args[0]};
	json_t *doc;
	int code = ctl_ask(ctl, false, words, nitems(words), &doc);

	(void)n;
	if (code != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	printf("%lld message(s) of [fetch %s] are forgotten: those that are still there are new\n",
	    (long long)ctl_number(doc, "forgotten"), args[0]);
	json_decref(doc);
	return 0;
}

int
ctl_fetch(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {{"list", 0, 0, list}, {"now", 0, 1, now},
	    {"test", 1, 1, check}, {"dry-run", 1, 1, check}, {"forget", 1, 1, forget}};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
