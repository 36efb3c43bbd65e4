/* Judges messages by their header. */
#include "router/answerable.h"

#include <string.h>
#include <time.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/header_field.h"
#include "common/memory.h"

/* ---- who sent it ---- */

static const char machines[] =
    "mailer-daemon* listserv* majordomo* postmaster nobody noreply* no-reply* no_reply* "
    "no.reply* donotreply* do-not-reply* do_not_reply* dont-reply* *-noreply *-no-reply *.noreply "
    "*_noreply autoreply* auto-reply* owner-* *-owner *-request *-bounces *-bounce bounce "
    "bounces bounce-* bounces-* bounce+* bounces+* *-bounces+*";

const char *
answerable_sender(struct span sender)
{
	struct span local, domain;

	if (sender.len == 0)
		return "it has the null sender";
	address_split(sender, &local, &domain);
	if (domain.len == 0)
		return "its sender is no address";
	if (address_match_list(span_of(machines), local) ||
	    address_match_list(span_of(machines), address_untagged(local)))
		return "its sender is a program";
	return NULL;
}

/* ---- what the header says ---- */

/* The first word, without comments and parameters. */
static struct span
word_of(struct span value)
{
	size_t n = 0;

	while (n < value.len && strchr(" \t\r\n;(,", value.at[n]) == NULL)
		n++;
	return (struct span){value.at, n};
}

static const char *
judge(struct span name, struct span value)
{
	struct span word = word_of(value);

	if (span_starts_nocase(name, "list-"))
		return "it comes from a list";
	if (span_is_nocase(name, "auto-submitted") && !span_is_nocase(word, "no"))
		return "it is automatic";
	if (span_is_nocase(name, "precedence") &&
	    (span_is_nocase(word, "bulk") || span_is_nocase(word, "list") ||
		span_is_nocase(word, "junk") || span_is_nocase(word, "auto_reply")))
		return "its precedence is that of bulk mail";
	if (span_is_nocase(name, "content-type") && span_starts_nocase(value, "multipart/report"))
		return "it is a report";
	if (span_is_nocase(name, "x-auto-response-suppress") &&
	    (span_holds_nocase(value, "all") || span_holds_nocase(value, "oof") ||
		span_holds_nocase(value, "autoreply")))
		return "its sender wants no automatic answer";
	if (span_is_nocase(name, "x-autoreply") || span_is_nocase(name, "x-autorespond"))
		return "it is automatic";
	if (span_is_nocase(name, "x-spam-flag") && span_is_nocase(word, "yes"))
		return "it is spam";
	return NULL;
}

/* The first one of each. */
static void
keep(struct answerable *a, struct span name, struct span value)
{
	const struct {
		const char *name;
		struct span *to;
	} fields[] = {
	    {"message-id", &a->message_id},
	    {"references", &a->references},
	    {"in-reply-to", &a->in_reply_to},
	    {"subject", &a->subject},
	    {"return-path", &a->return_path},
	    {"date", &a->date},
	};

	for (size_t i = 0; i < nitems(fields); i++)
		if (fields[i].to->at == NULL && span_is_nocase(name, fields[i].name))
			*fields[i].to = value;
}

const char *
answerable_read(struct span header, struct answerable *a)
{
	struct span name, value;
	const char *why;

	*a = (struct answerable){0};
	while (header_field_next(&header, &name, &value)) {
		if ((why = judge(name, value)) != NULL)
			return why;
		keep(a, name, value);
	}
	return NULL;
}

/* ---- to whom it is written ---- */

void
answerable_recipients(struct span header, void (*each)(void *arg, const char *address), void *arg)
{
	static const char *const names[] = {
	    "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"};
	struct span name, value;

	while (header_field_next(&header, &name, &value))
		for (size_t i = 0; i < nitems(names); i++)
			if (span_is_nocase(name, names[i]))
				address_list_read(value, each, arg);
}

/* ---- message ids, dates ---- */

static bool
is_id(struct span id)
{
	size_t ats = 0;

	if (id.len < 5 || id.len > ANSWERABLE_ID_MAX_BYTES)
		return false;
	for (size_t i = 1; i < id.len - 1; i++) {
		unsigned char c = id.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("<>()\\\",;", c) != NULL)
			return false;
		ats += c == '@';
	}
	return ats == 1;
}

bool
answerable_next_id(struct span *value, struct span *id)
{
	struct span before;

	while (span_take(value, '<', &before)) {
		size_t n =
		    value->len < ANSWERABLE_ID_MAX_BYTES ? value->len : ANSWERABLE_ID_MAX_BYTES;
		const char *at = value->at - 1, *end = memchr(value->at, '>', n);

		if (end == NULL)
			continue;
		*id = (struct span){at, end + 1 - at};
		if (!is_id(*id))
			continue;
		*value = (struct span){end + 1, value->len - (end + 1 - value->at)};
		return true;
	}
	return false;
}

bool
answerable_date(struct span value, int64_t *seconds)
{
	char text[64];
	const char *day, *rest;
	struct tm tm = {0};
	long zone;

	if (value.len >= sizeof text)
		value.len = sizeof text - 1; /* a comment comes last */
	if (!span_copy(value, text, sizeof text))
		return false;
	day = strchr(text, ',') != NULL ? strchr(text, ',') + 1 : text;
	if ((rest = strptime(day, " %d %b %Y %H:%M", &tm)) == NULL)
		return false;
	if (*rest == ':' && (rest = strptime(rest, ":%S", &tm)) == NULL)
		return false;
	if (strptime(rest, " %z", &tm) == NULL)
		tm.tm_gmtoff = 0; /* GMT, UT and what nobody knows */
	zone = tm.tm_gmtoff;
	*seconds = (int64_t)timegm(&tm) - zone;
	return true;
}
