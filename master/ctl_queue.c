/*
 * sambarctl queue: what waits in the spool. queue answers, a page at a time.
 */
#include "master/ctl_queue.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "common/config_values.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/ctl_table.h"

enum { LIST_DEFAULT = 100, PAGE_MAX = 1000 };

/* ---- requests ---- */

void
queue_request_start(struct queue_request *r, const char *verb)
{
	*r = (struct queue_request){.words = {"queue", verb}, .n = 2};
}

void
queue_request_add(struct queue_request *r, const char *key, const char *value)
{
	char *word;

	if (r->n == QUEUE_WORDS_MAX - 2)
		return; /* there are fewer keys */
	word = xasprintf("%s=%s", key, value);
	r->words[r->n++] = r->owned[r->n_owned++] = word;
}

void
queue_request_clear(struct queue_request *r)
{
	while (r->n_owned > 0)
		free(r->owned[--r->n_owned]);
}

static int
add_age(struct queue_request *r, const char *key, const char *value)
{
	uint64_t seconds;
	char text[24];

	if (!config_parse_duration(span_of(value), &seconds) || seconds == 0)
		return ctl_fail(EX_USAGE, "\"%s\" is no age such as 30m, 4h or 2d", value);
	snprintf(text, sizeof text, "%" PRIu64, seconds);
	queue_request_add(r, key, text);
	return 0;
}

int
queue_request_filters(struct queue_request *r, char **args, size_t *n)
{
	static const char *const keys[] = {"sender", "recipient", "domain", "reason"};
	static const char *const ages[] = {"older", "younger"};
	static const char *const flags[] = {"held", "all"};
	char option[16];
	const char *value;

	for (size_t i = 0; i < nitems(keys); i++) {
		snprintf(option, sizeof option, "--%s", keys[i]);
		if ((value = ctl_option(args, n, option)) != NULL)
			queue_request_add(r, keys[i], value);
	}
	for (size_t i = 0; i < nitems(ages); i++) {
		snprintf(option, sizeof option, "--%s", ages[i]);
		if ((value = ctl_option(args, n, option)) != NULL && add_age(r, ages[i], value))
			return EX_USAGE;
	}
	for (size_t i = 0; i < nitems(flags); i++) {
		snprintf(option, sizeof option, "--%s", flags[i]);
		if (ctl_flag(args, n, option))
			queue_request_add(r, flags[i], "true");
	}
	return 0;
}

int
queue_request_ask(struct ctl *ctl, const struct queue_request *r, const char *after, json_t **doc)
{
	const char *words[QUEUE_WORDS_MAX];
	size_t n = r->n;
	char *word = NULL;
	int code;

	memcpy(words, r->words, sizeof words);
	if (after != NULL)
		words[n++] = word = xasprintf("after=%s", after);
	code = ctl_ask(ctl, false, words, n, doc);
	free(word);
	return code;
}

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

/* One below the other: where it goes, and what was last said of it. */
static void
print_recipients_whole(const json_t *recipients)
{
	static const char *const keys[][2] = {{"route", "route"}, {"reply", "reason"}};
	const json_t *r;
	size_t i;

	json_array_foreach(recipients, i, r)
	{
		printf("    %s <%s>\n", ctl_text(r, "status"), ctl_text(r, "to"));
		for (size_t k = 0; k < nitems(keys); k++)
			printf("        %s: %s\n", keys[k][1],
			    ctl_text(r, keys[k][0])[0] != '\0' ? ctl_text(r, keys[k][0])
							       : "none yet");
	}
}

static void
print_next(const json_t *message)
{
	const char *hold = ctl_text(message, "hold");
	json_int_t release = ctl_number(message, "release");

	if (json_is_true(json_object_get(message, "held")))
		printf(hold[0] != '\0' ? ", held by %s" : ", held", hold);
	else if (release > time(NULL))
		printf(", not before %s", ctl_time(release));
	else if (strcmp(ctl_text(message, "state"), "waiting") != 0)
		printf(", %s", ctl_text(message, "state"));
	else if (ctl_number(message, "next") > 0)
		printf(", next attempt %s", ctl_time(ctl_number(message, "next")));
	if (ctl_text(message, "reroute")[0] != '\0')
		printf(", rerouted to %s", ctl_text(message, "reroute"));
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

/* ---- list ---- */

struct listing {
	const struct ctl *ctl;
	uint64_t limit; /* messages that are still wanted */
	size_t shown;
	json_int_t total;
	char *next;
};

static void
print_page(struct listing *l, const json_t *doc)
{
	const json_t *messages = json_object_get(doc, "messages"), *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		if (!l->ctl->json) {
			print_message(message);
		} else {
			if (l->shown > 0)
				puts(",");
			json_dumpf(message, stdout, JSON_INDENT(2));
		}
		l->shown++;
		l->limit--;
	}
	l->total = ctl_number(doc, "total");
	free(l->next);
	l->next =
	    json_is_string(json_object_get(doc, "next")) ? xstrdup(ctl_text(doc, "next")) : NULL;
}

static void
print_end(const struct listing *l)
{
	if (l->ctl->json && l->next != NULL)
		printf("], \"total\": %lld, \"next\": \"%s\"}\n", (long long)l->total, l->next);
	else if (l->ctl->json)
		printf("], \"total\": %lld, \"next\": null}\n", (long long)l->total);
	else if (l->next != NULL)
		printf("%zu message(s) of %lld; more with --limit N or --all\n", l->shown,
		    (long long)l->total);
	else if ((json_int_t)l->shown < l->total)
		printf("%zu message(s) of %lld\n", l->shown, (long long)l->total);
	else
		printf("%zu message(s)\n", l->shown);
}

/* Page by page, each printed as it comes. */
static int
list_all(struct ctl *ctl, const struct queue_request *filters, struct listing *l)
{
	bool first = true;

	do {
		struct queue_request r = *filters;
		char limit[24];
		json_t *doc;
		int code;

		snprintf(
		    limit, sizeof limit, "%" PRIu64, l->limit < PAGE_MAX ? l->limit : PAGE_MAX);
		r.n_owned = 0; /* those of the other one */
		queue_request_add(&r, "limit", limit);
		code = queue_request_ask(ctl, &r, l->next, &doc);
		queue_request_clear(&r);
		if (code != 0)
			return code;
		if (first && ctl->json)
			fputs("{\"messages\": [", stdout);
		first = false;
		print_page(l, doc);
		json_decref(doc);
	} while (l->next != NULL && l->limit > 0);
	print_end(l);
	return fflush(stdout) == 0 ? 0 : ctl_fail(EX_IOERR, "standard output: %m");
}

static int
list(struct ctl *ctl, char **args, size_t n)
{
	struct listing l = {.ctl = ctl, .limit = LIST_DEFAULT};
	const char *limit = ctl_option(args, &n, "--limit");
	struct queue_request r;
	int code;

	if (ctl_flag(args, &n, "--all"))
		l.limit = UINT64_MAX;
	if (limit != NULL && (!span_u64(span_of(limit), UINT32_MAX, &l.limit) || l.limit == 0))
		return ctl_fail(EX_USAGE, "\"%s\" is no number of messages", limit);
	queue_request_start(&r, "list");
	code = queue_request_filters(&r, args, &n);
	if (code == 0 && n > 0)
		code = ctl_misuse(ctl, args, n, 0);
	if (code == 0)
		code = list_all(ctl, &r, &l);
	queue_request_clear(&r);
	free(l.next);
	return code;
}

/* ---- show ---- */

/* Seconds since 1970. */
static bool
is_time(const char *key)
{
	return strcmp(key, "arrival") == 0 || strcmp(key, "next") == 0 ||
	       strcmp(key, "release") == 0;
}

/* What RET (RFC 3461 4.3) asked for, enum in queue/envelope.h. */
static const char *
ret_words(json_int_t ret)
{
	static const char *const words[] = {
	    "not asked for", "FULL: the whole message", "HDRS: the header only"};

	return ret >= 0 && ret < (json_int_t)nitems(words) ? words[ret] : "?";
}

static void
print_number(const char *key, json_int_t value)
{
	if (is_time(key))
		printf("%s: %s\n", key, value ? ctl_time(value) : "at once");
	else if (strcmp(key, "ret") == 0)
		printf("returned in a bounce: %s\n", ret_words(value));
	else
		printf("%s: %lld\n", key, (long long)value);
}

/* Most of what a message may have it has not: no line for that. */
static void
print_words(const json_t *doc, const char *key)
{
	const char *text = ctl_text(doc, key);

	if (strcmp(key, "from") == 0)
		printf("from: <%s>\n", text);
	else if (text[0] != '\0')
		printf("%s: %s\n",
		    strcmp(key, "hold") == 0	  ? "held by"
		    : strcmp(key, "reroute") == 0 ? "rerouted to"
						  : key,
		    text);
}

static void
print_field(const json_t *doc, const char *key, const json_t *value)
{
	if (json_is_boolean(value))
		printf("%s: %s\n", key, json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value))
		print_number(key, json_integer_value(value));
	else if (json_is_string(value))
		print_words(doc, key);
}

static int
show(struct ctl *ctl, char **args, size_t n)
{
	struct queue_request r;
	json_t *doc, *value;
	const char *key;
	int code;

	(void)n;
	queue_request_start(&r, "show");
	queue_request_add(&r, "ids", args[0]);
	code = queue_request_ask(ctl, &r, NULL, &doc);
	queue_request_clear(&r);
	if (code != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	json_object_foreach(doc, key, value) print_field(doc, key, value);
	puts("recipients:");
	print_recipients_whole(json_object_get(doc, "recipients"));
	json_decref(doc);
	return 0;
}

int
ctl_queue(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {{"list", 0, SIZE_MAX, list}, {"show", 1, 1, show},
	    {"hold", 1, SIZE_MAX, ctl_queue_order}, {"release", 1, SIZE_MAX, ctl_queue_order},
	    {"retry", 1, SIZE_MAX, ctl_queue_order}, {"flush", 0, 1, ctl_queue_flush},
	    {"remove", 1, SIZE_MAX, ctl_queue_order}, {"bounce", 1, SIZE_MAX, ctl_queue_order},
	    {"reroute", 2, SIZE_MAX, ctl_queue_reroute}};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
