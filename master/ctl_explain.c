/*
 * sambarctl explain: who may send what to whom, and where it would go. smtpd and router say so.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_table.h"

enum { INDENT = 2 };

static void
print_rules(const json_t *rules, const char *command)
{
	static const char *const headings[] = {"RULE", "OUTCOME", "WHY"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		if (strcmp(ctl_text(rule, "command"), command) != 0)
			continue;
		ctl_table_add(t, "%s", ctl_text(rule, "rule"));
		ctl_table_add(t, "%s", ctl_text(rule, "outcome"));
		ctl_table_add(t, "%s", ctl_text(rule, "why"));
	}
	ctl_table_print(&t);
}

static bool
has_rules(const json_t *rules, const char *command)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(
	    rules, i, rule) if (strcmp(ctl_text(rule, "command"), command) == 0) return true;
	return false;
}

static void
print_command(const json_t *doc, const char *command, const char *words, const char *address)
{
	const json_t *rules = json_object_get(doc, "rules");

	if (!has_rules(rules, command))
		return;
	printf("%s:<%s>\n", words, address);
	print_rules(rules, command);
	putchar('\n');
}

static void
print_way(const json_t *way)
{
	const json_t *hop;
	size_t i;

	if (json_array_size(way) == 0)
		return;
	printf("The way\n");
	json_array_foreach(way, i, hop)
	{
		const char *route = ctl_text(hop, "route");

		printf("%*s%s: %s%s%s\n", (int)(INDENT * ctl_number(hop, "depth")), "",
		    ctl_text(hop, "name"), ctl_text(hop, "step"), route[0] != '\0' ? ", " : "",
		    route);
	}
	putchar('\n');
}

static void
print_end(const json_t *doc)
{
	const json_t *routes = json_object_get(doc, "routes"), *route;
	size_t i;

	if (!json_is_true(json_object_get(doc, "accepted"))) {
		printf("Refused because: %s\n", ctl_text(doc, "reply"));
		return;
	}
	printf("Accepted: %s\n", ctl_text(doc, "reply"));
	json_array_foreach(routes, i, route)
	    printf("Route: %s\n", log_printable(span_of(json_string_value(route))));
}

/* An option that must be there. */
static bool
is_missing(const char *value, const char *option)
{
	if (value == NULL)
		ctl_fail(EX_USAGE, "explain: %s is missing", option);
	return value == NULL;
}

static int
find_user(const struct ctl *ctl, const char *name)
{
	const char *const words[] = {"user", "find", name};

	return ctl_tell(ctl, false, words, nitems(words));
}

int
ctl_explain(struct ctl *ctl, char **args, size_t n)
{
	const char *from = ctl_option(args, &n, "--from"), *to = ctl_option(args, &n, "--to");
	const char *ip = ctl_option(args, &n, "--ip"), *user = ctl_option(args, &n, "--user");
	const char *listener = ctl_option(args, &n, "--listener");
	const char *words[] = {"explain", from, to, ip, user != NULL ? user : "",
	    listener != NULL ? listener : "SMTP"};
	json_t *doc;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if (is_missing(from, "--from ADDRESS") | is_missing(to, "--to ADDRESS") |
	    is_missing(ip, "--ip IP"))
		return ctl_usage(ctl);
	if (user != NULL && (code = find_user(ctl, user)) != 0)
		return code;
	if ((code = ctl_ask(ctl, false, words, nitems(words), &doc)) != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	print_command(doc, "MAIL", "MAIL FROM", ctl_text(doc, "from"));
	print_command(doc, "RCPT", "RCPT TO", ctl_text(doc, "to"));
	print_way(json_object_get(doc, "way"));
	print_end(doc);
	json_decref(doc);
	return 0;
}
