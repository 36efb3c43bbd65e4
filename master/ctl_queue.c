/*
 * sambarctl queue: what waits in the spool. queue answers.
 */
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_table.h"

static void
print_recipients(const json_t *recipients)
{
	const json_t *r;
	size_t i;

	json_array_foreach(recipients, i, r)
	{
		const char *reply = ctl_text(r, "reply");

		printf("    %s <%s>%s%s\n", ctl_text(r, "status"), ctl_text(r, "to"),
		    reply[0] != '\0' ? ": " : "", reply);
	}
}

static void
print_next(const json_t *message)
{
	if (json_is_true(json_object_get(message, "held")))
		printf(", held");
	else if (ctl_number(message, "next") > 0)
		printf(", next attempt %s", ctl_time(ctl_number(message, "next")));
	putchar('\n');
}

static void
print_message(const json_t *message)
{
	const json_t *recipients = json_object_get(message, "recipients");
	json_int_t total = ctl_number(message, "recipients_total");

	printf("%s  %s  %s  from <%s>, %lld attempt(s)", ctl_text(message, "id"),
	    ctl_time(ctl_number(message, "arrival")), ctl_size(ctl_number(message, "size")),
	    ctl_text(message, "from"), (long long)ctl_number(message, "attempts"));
	print_next(message);
	print_recipients(recipients);
	if (total > (json_int_t)json_array_size(recipients))
		printf("    and %lld more\n",
		    (long long)total - (long long)json_array_size(recipients));
}

static void
print_list(const json_t *doc)
{
	const json_t *messages = json_object_get(doc, "messages"), *message;
	json_int_t total = ctl_number(doc, "total");
	size_t i;

	json_array_foreach(messages, i, message) print_message(message);
	if (total > (json_int_t)json_array_size(messages))
		printf("%zu of ", json_array_size(messages));
	printf("%lld message(s)\n", (long long)total);
}

static int
list(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"queue", "list"};
	json_t *doc;
	int code = ctl_ask(ctl, false, words, nitems(words), &doc);

	(void)args, (void)n;
	if (code != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	print_list(doc);
	json_decref(doc);
	return 0;
}

/* Seconds since 1970. */
static bool
is_time(const char *key)
{
	return strcmp(key, "arrival") == 0 || strcmp(key, "next") == 0 ||
	       strcmp(key, "release") == 0;
}

static void
print_field(const json_t *doc, const char *key, const json_t *value)
{
	if (json_is_boolean(value))
		printf("%s: %s\n", key, json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value) && is_time(key))
		printf("%s: %s\n", key,
		    json_integer_value(value) ? ctl_time(json_integer_value(value)) : "at once");
	else if (json_is_integer(value))
		printf("%s: %lld\n", key, (long long)json_integer_value(value));
	else if (json_is_string(value))
		printf("%s: %s\n", key, ctl_text(doc, key));
}

static int
show(struct ctl *ctl, char **args, size_t n)
{
	const char *words[] = {"queue", "show", args[0]};
	json_t *doc, *value;
	const char *key;
	int code = ctl_ask(ctl, false, words, nitems(words), &doc);

	(void)n;
	if (code != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	json_object_foreach(doc, key, value) print_field(doc, key, value);
	puts("recipients:");
	print_recipients(json_object_get(doc, "recipients"));
	json_decref(doc);
	return 0;
}

int
ctl_queue(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {{"list", 0, 0, list}, {"show", 1, 1, show}};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
