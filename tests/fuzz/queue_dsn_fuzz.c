/*
 * What strangers put into a notification: addresses, ORCPT, ENVID, replies, routes and the original
 * message. Whatever they are, it keeps its form: its own fields, three parts, a block for each
 * recipient that is told of.
 *
 * Input: a byte of choices, then texts that each end at a byte 0x01 (ENVID, reverse-path, and four
 * for each of three recipients: address, ORCPT, reply, route), then the original.
 */
#include <stdio.h>

#include "tests/unit/queue_dsn_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECIPIENTS = 3 };

static struct span
next(struct span *input)
{
	struct span text;

	span_take(input, 1, &text);
	if (text.len > ENVELOPE_FIELD_MAX_BYTES)
		text.len = ENVELOPE_FIELD_MAX_BYTES;
	return text;
}

static void
check(const struct notice *n)
{
	struct notice_parts parts;
	const char *flaw = n->error ? strerror(n->error) : notice_flaw(n, &parts);

	if (flaw == NULL)
		return;
	fprintf(stderr, "%s:\n%.*s\n", flaw, (int)n->len, n->at ? n->at : "");
	abort();
}

static void
fill(struct envelope *e, struct span *input)
{
	e->envid = next(input);
	e->reverse_path = next(input);
	if (e->reverse_path.len == 0)
		e->reverse_path = span_of("ann@example.org");
	for (size_t i = 0; i < e->n_recipients; i++) {
		struct recipient *r = &e->recipients[i];

		r->address = next(input);
		r->original = next(input);
		r->reply = next(input);
		r->route = next(input);
		r->parent = i == 2 ? 1 : -1;
		r->notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipient recipients[RECIPIENTS] = {0};
	struct envelope e = {.recipients = recipients,
	    .n_recipients = RECIPIENTS,
	    .arrival_us = 1800000000000000,
	    .id = 1800000000000000};
	unsigned char choices = size > 0 ? data[0] : 0;
	unsigned char events[RECIPIENTS] = {1 + choices % 5, 1 + (choices >> 3) % 5, DSN_FAILED};
	struct dsn d = {.id = 1800000001000000,
	    .nonce = 1,
	    .now_s = 1800000001,
	    .retry_until_s = 1800100000,
	    .whole_max_bytes = choices & 64 ? 100 : 100000,
	    .server = "mail.example.org",
	    .envelope = &e,
	    .events = events};
	struct span input = {(const char *)data + (size > 0), size - (size > 0)};
	struct notice n;

	e.flags = choices & 128 ? ENVELOPE_SMTPUTF8 : 0;
	fill(&e, &input);
	notice_make(&n, &d, input);
	check(&n);
	notice_free(&n);
	return 0;
}
