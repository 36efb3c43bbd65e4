/*
 * sambarctl queue hold, release, retry, flush, remove, bounce, reroute: what an administrator wants
 * of messages. queue does it; many messages take several requests.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/memory.h"
#include "master/ctl_queue.h"

enum { IDS_EACH = 1000 };

struct counts {
	json_int_t done, waiting, skipped, held, failed, unknown; /* held: of the skipped ones */
};

static const struct order_text {
	const char *verb, *done, *waiting, *skipped;
} texts[] = {
    {"hold", "held", "will be held when the attempt that is under way has ended", "not concerned"},
    {"release", "released", "will be due when the attempt that is under way has ended", "not held"},
    {"retry", "due now", "", "being tried already"},
    {"flush", "due now", "", "being tried already, or to be sent later"},
    {"remove", "removed", "will be removed when the attempt that is under way has ended", ""},
    {"bounce", "given up", "will be given up when the attempt that is under way has ended", ""},
    {"reroute", "rerouted", "will be rerouted when the attempt that is under way has ended", ""},
};

static const struct order_text *
text_of(const char *verb)
{
	for (size_t i = 0; i < nitems(texts); i++)
		if (strcmp(texts[i].verb, verb) == 0)
			return &texts[i];
	return &texts[0];
}

/* ---- asking ---- */

static void
add_counts(struct counts *c, const json_t *doc)
{
	c->done += ctl_number(doc, "done");
	c->waiting += ctl_number(doc, "waiting");
	c->skipped += ctl_number(doc, "skipped");
	c->held += ctl_number(doc, "held");
	c->failed += ctl_number(doc, "failed");
	c->unknown += ctl_number(doc, "unknown");
}

/* Until there is no next answer. */
static int
ask_all(struct ctl *ctl, const struct queue_request *r, struct counts *counts)
{
	char *after = NULL;
	json_t *doc;
	int code;

	do {
		code = queue_request_ask(ctl, r, after, &doc);
		free(after);
		after = NULL;
		if (code != 0)
			return code;
		add_counts(counts, doc);
		if (json_is_string(json_object_get(doc, "next")))
			after = xstrdup(ctl_text(doc, "next"));
		json_decref(doc);
	} while (after != NULL);
	return 0;
}

/* Some ids at a time, with the same words. */
static int
ask_ids(
    struct ctl *ctl, const struct queue_request *all, char **ids, size_t n, struct counts *counts)
{
	for (size_t at = 0; at < n; at += IDS_EACH) {
		size_t some = n - at < IDS_EACH ? n - at : IDS_EACH;
		struct queue_request r = *all;
		char *text = ctl_join(ids + at, some);
		int code;

		r.n_owned = 0; /* those of the other one */
		queue_request_add(&r, "ids", text);
		free(text);
		code = ask_all(ctl, &r, counts);
		queue_request_clear(&r);
		if (code != 0)
			return code;
	}
	return 0;
}

/* ---- telling ---- */

static void
print_count(json_int_t n, const char *what)
{
	if (n > 0)
		printf("%lld message(s) %s\n", (long long)n, what);
}

static int
print_counts(const struct ctl *ctl, const struct counts *c)
{
	const struct order_text *text = text_of(ctl->verb);
	int code = c->failed > 0 ? EX_IOERR : c->unknown > 0 ? EX_NOINPUT : 0;

	if (ctl->json) {
		int printed = ctl_print_json(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "done",
		    c->done, "waiting", c->waiting, "skipped", c->skipped, "held", c->held,
		    "failed", c->failed, "unknown", c->unknown));

		return printed != 0 ? printed : code;
	}
	if (c->done + c->waiting + c->skipped + c->failed + c->unknown == 0)
		puts("no message");
	print_count(c->done, text->done);
	print_count(c->waiting, text->waiting);
	print_count(c->held, "held: sambarctl queue release comes first");
	print_count(c->skipped - c->held, text->skipped);
	if (c->failed > 0)
		ctl_fail(code, "%lld message(s) could not be written, see the log of queue",
		    (long long)c->failed);
	if (c->unknown > 0)
		ctl_fail(code, "%lld of the messages are not in the queue", (long long)c->unknown);
	return code;
}

/* ---- verbs ---- */

/* The caller is who master sees, unless root acts for somebody. */
static void
add_who(struct queue_request *r, char **args, size_t *n)
{
	const char *by = ctl_option(args, n, "--by");

	if (by == NULL && geteuid() == 0)
		by = getenv("SUDO_USER");
	if (by != NULL && by[0] != '\0')
		queue_request_add(r, "who", by);
}

static int
give(struct ctl *ctl, struct queue_request *r, char **args, size_t n)
{
	struct counts counts = {0};
	const char *why = ctl_option(args, &n, "--why");
	int code;

	if (why != NULL)
		queue_request_add(r, "why", why);
	add_who(r, args, &n);
	code = queue_request_filters(r, args, &n);
	for (size_t i = 0; i < n && code == 0; i++)
		if (args[i][0] == '-')
			code = ctl_misuse(ctl, args, n, SIZE_MAX);
	if (code == 0)
		code = n > 0 ? ask_ids(ctl, r, args, n, &counts) : ask_all(ctl, r, &counts);
	queue_request_clear(r);
	return code != 0 ? code : print_counts(ctl, &counts);
}

int
ctl_queue_order(struct ctl *ctl, char **args, size_t n)
{
	struct queue_request r;

	queue_request_start(&r, ctl->verb);
	return give(ctl, &r, args, n);
}

int
ctl_queue_flush(struct ctl *ctl, char **args, size_t n)
{
	struct queue_request r;

	if (n > 1 || (n == 1 && args[0][0] == '-'))
		return ctl_misuse(ctl, args, n, 1);
	queue_request_start(&r, ctl->verb);
	if (n == 1)
		queue_request_add(&r, "domain", args[0]);
	return give(ctl, &r, args, 0);
}

int
ctl_queue_reroute(struct ctl *ctl, char **args, size_t n)
{
	struct queue_request r;

	if (args[0][0] == '-')
		return ctl_misuse(ctl, args, n, SIZE_MAX);
	queue_request_start(&r, ctl->verb);
	queue_request_add(&r, "to", strcmp(args[0], "none") == 0 ? "" : args[0]);
	return give(ctl, &r, args + 1, n - 1);
}
