/* The rules of delivery status notifications. Pure. */
#include "queue/dsn_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"

/* ---- who is told what ---- */

enum dsn_fate
dsn_fate(bool null_sender, bool automatic, unsigned notify, enum dsn_action event)
{
	static const unsigned wanted[DSN_ACTIONS] = {[DSN_FAILED] = NOTIFY_FAILURE,
	    [DSN_DELAYED] = NOTIFY_DELAY,
	    [DSN_DELIVERED] = NOTIFY_SUCCESS,
	    [DSN_RELAYED] = NOTIFY_SUCCESS,
	    [DSN_EXPANDED] = NOTIFY_SUCCESS};

	if (event <= DSN_NONE || event >= DSN_ACTIONS)
		return DSN_IGNORE;
	if (null_sender || automatic)
		return event == DSN_FAILED ? DSN_KEEP : DSN_IGNORE;
	if (notify == 0)
		notify = NOTIFY_FAILURE | NOTIFY_DELAY;
	if (notify & NOTIFY_NEVER)
		return DSN_IGNORE;
	return notify & wanted[event] ? DSN_TELL : DSN_IGNORE;
}

/* What a recipient that was expanded leaves to those in its place. */
struct inheritance {
	uint32_t children;
	unsigned notify;
};

/* A parent always stands before its children, so that one pass is enough. */
static bool
has_parent(const struct envelope *e, size_t i)
{
	return e->recipients[i].parent >= 0 && (size_t)e->recipients[i].parent < i;
}

static unsigned
notify_of(const struct envelope *e, const struct inheritance *all, size_t i)
{
	const struct inheritance *parent;

	if (!has_parent(e, i))
		return e->recipients[i].notify;
	parent = &all[e->recipients[i].parent];
	if (parent->children == 1 || parent->notify == 0)
		return parent->notify;
	/* Without any word left it would be unset, which means something else. */
	return parent->notify & ~NOTIFY_SUCCESS ? parent->notify & ~NOTIFY_SUCCESS : NOTIFY_NEVER;
}

int
dsn_decide(const struct envelope *e, bool automatic, const unsigned char *events,
    unsigned char *fates, struct dsn_decision *decision)
{
	struct inheritance *all = calloc(e->n_recipients ? e->n_recipients : 1, sizeof *all);

	*decision = (struct dsn_decision){0};
	if (all == NULL)
		return -1;
	for (size_t i = 0; i < e->n_recipients; i++)
		if (has_parent(e, i))
			all[e->recipients[i].parent].children++;
	for (size_t i = 0; i < e->n_recipients; i++) {
		enum dsn_action event = events[i];

		all[i].notify = notify_of(e, all, i);
		if (event == DSN_EXPANDED && all[i].children == 1)
			event = DSN_NONE;
		fates[i] = dsn_fate(e->reverse_path.len == 0, automatic, all[i].notify, event);
		decision->n_tell += fates[i] == DSN_TELL;
		decision->n_keep += fates[i] == DSN_KEEP;
	}
	free(all);
	return 0;
}

void
dsn_withhold(
    size_t n, const unsigned char *events, unsigned char *fates, struct dsn_decision *decision)
{
	for (size_t i = 0; i < n; i++) {
		if (fates[i] != DSN_TELL)
			continue;
		fates[i] = events[i] == DSN_FAILED ? DSN_KEEP : DSN_IGNORE;
		decision->n_keep += fates[i] == DSN_KEEP;
	}
	decision->n_tell = 0;
}

size_t
dsn_root(const struct envelope *e, size_t i)
{
	while (has_parent(e, i))
		i = e->recipients[i].parent;
	return i;
}

bool
dsn_is_late(uint64_t arrival_s, uint64_t now_s, uint64_t notice_after_s)
{
	return notice_after_s > 0 && now_s >= arrival_s && now_s - arrival_s >= notice_after_s;
}

/* ---- replies ---- */

static const char given_up[] = "given up after ";

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct span
after(struct span s, size_t n)
{
	return (struct span){s.at + n, s.len - n};
}

/* What conclude.c puts in front: "given up after 12 attempts" and perhaps ": " and a reply. */
static bool
take_given_up(struct span *text)
{
	struct span ours, rest = *text;

	if (text->len < sizeof given_up - 1 || memcmp(text->at, given_up, sizeof given_up - 1) != 0)
		return false;
	if (span_take(&rest, ':', &ours))
		*text = span_trim(rest);
	else
		*text = (struct span){"", 0};
	return true;
}

static bool
take_code(struct span *text, char *class)
{
	const char *at = text->at;

	if (text->len < 3 || at[0] < '2' || at[0] > '5' || !is_digit(at[1]) || !is_digit(at[2]))
		return false;
	if (text->len > 3 && at[3] != ' ' && at[3] != '-')
		return false;
	*class = at[0];
	*text = after(*text, text->len > 3 ? 4 : 3);
	return true;
}

/* One to three digits without a leading zero (RFC 3463 2). The length, or 0. */
static size_t
number_length(struct span text)
{
	size_t n = 0;

	while (n < text.len && is_digit(text.at[n]))
		n++;
	return n > 3 || (n > 1 && text.at[0] == '0') ? 0 : n;
}

/* An enhanced code at the front; empty without. */
static struct span
enhanced_code(struct span text)
{
	size_t at = 2, n;

	if (text.len < 5 || (text.at[0] != '2' && text.at[0] != '4' && text.at[0] != '5') ||
	    text.at[1] != '.')
		return (struct span){"", 0};
	n = number_length(after(text, at));
	at += n;
	if (n == 0 || at >= text.len || text.at[at] != '.')
		return (struct span){"", 0};
	n = number_length(after(text, ++at));
	at += n;
	if (n == 0 || (at < text.len && text.at[at] != ' '))
		return (struct span){"", 0};
	return (struct span){text.at, at};
}

void
dsn_reply_parse(struct span reply, struct dsn_reply *out)
{
	struct span text = reply;

	*out = (struct dsn_reply){.status = {"", 0}};
	out->given_up = take_given_up(&text);
	out->text = text;
	out->is_smtp = take_code(&text, &out->code_class);
	out->status = enhanced_code(text);
	if (out->is_smtp && out->status.len > 0 && out->status.at[0] != out->code_class)
		out->status = (struct span){"", 0};
}

static const char *
fallback(enum dsn_action action, const struct dsn_reply *r)
{
	if (action == DSN_DELAYED)
		return "4.0.0";
	if (action != DSN_FAILED)
		return "2.0.0";
	if (r->given_up)
		return "4.4.7"; /* RFC 3463 3.5: delivery time expired */
	return r->code_class == '4' ? "4.0.0" : "5.0.0";
}

void
dsn_status(enum dsn_action action, struct span reply, char out[DSN_STATUS_SIZE])
{
	/* RFC 3464 2.3.4: a failure after too many delays may keep its code 4. */
	static const char *const classes[DSN_ACTIONS] = {[DSN_NONE] = "",
	    [DSN_FAILED] = "54",
	    [DSN_DELAYED] = "4",
	    [DSN_DELIVERED] = "2",
	    [DSN_RELAYED] = "2",
	    [DSN_EXPANDED] = "2"};
	struct dsn_reply r;

	dsn_reply_parse(reply, &r);
	if (r.status.len > 0 && action < DSN_ACTIONS &&
	    strchr(classes[action], r.status.at[0]) != NULL &&
	    span_copy(r.status, out, DSN_STATUS_SIZE))
		return;
	strlcpy(out, fallback(action, &r), DSN_STATUS_SIZE);
}

/* ---- routes ---- */

static bool
ends_host(char c)
{
	return c == ' ' || c == '\t' || c == ':' || c == '[' || c == ',' || c == '/';
}

struct span
dsn_remote(struct span route)
{
	static const char scheme[] = "smtp:";
	static const struct span none = {"", 0};
	struct span host;
	size_t n = 0;

	if (route.len < sizeof scheme - 1 || memcmp(route.at, scheme, sizeof scheme - 1) != 0)
		return none;
	host = after(route, sizeof scheme - 1);
	if (host.len > 0 && host.at[0] == '[') {
		const char *end = memchr(host.at, ']', host.len);

		host.len = end != NULL ? (size_t)(end + 1 - host.at) : 0;
		return address_is_literal(host) ? host : none;
	}
	while (n < host.len && !ends_host(host.at[n]))
		n++;
	host.len = n;
	return address_is_domain(host) ? host : none;
}

/* ---- the envelope ---- */

int
dsn_envelope(const struct envelope *e, uint64_t id, uint64_t now_us, struct envelope *out,
    struct recipient *r)
{
	static const struct span none = {"", 0};
	char text[ADDRESS_TEXT_SIZE];
	const char *why;

	/* A reverse-path without a domain is one of ours. */
	if (address_parse(
		e->reverse_path, ADDRESS_ALLOW_UTF8 | ADDRESS_ALLOW_NO_DOMAIN, text, &why) == -1) {
		errno = EINVAL;
		return -1;
	}
	*r = (struct recipient){.address = e->reverse_path,
	    .original = none,
	    .notify = NOTIFY_NEVER,
	    .status = RECIPIENT_PENDING,
	    .reply = none,
	    .route = none,
	    .parent = -1};
	*out = (struct envelope){.id = id,
	    .arrival_us = now_us,
	    .reverse_path = none,
	    .submitter = none,
	    .program = span_of("queue"),
	    .client_address = none,
	    .client_name = none,
	    .protocol = none,
	    .envid = none,
	    .hold = none,
	    .last_reply = none,
	    .recipients = r,
	    .n_recipients = 1};
	return 0;
}
