/* What an answer to a message, and one that passes it on, begin with. Pure. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/message_view.h"

enum { SUBJECT_MAX_BYTES = 1000, ADDRESSES_MAX_BYTES = 1000, DATE_SIZE = 64 };

/* ---- subjects ---- */

/* What programs of several countries put in front of an answer. */
static const char *const answer_marks[] = {"re", "aw", "sv", "antw", "vs", "r", "ref", "odp"};
static const char *const forward_marks[] = {"fwd", "fw", "wg", "tr", "vb", "rv", "i"};

/* Over "Re:", "RE[2]:" and blanks. The same text when there is none. */
static const char *
skip_mark(const char *subject, const char *const *marks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = subject + strlen(marks[i]);

		if (strncasecmp(subject, marks[i], strlen(marks[i])) != 0)
			continue;
		if (*at == '[' && at[1 + strspn(at + 1, "0123456789")] == ']')
			at += strspn(at + 1, "0123456789") + 2;
		if (*at == ':')
			return at + 1 + strspn(at + 1, " ");
	}
	return subject;
}

static char *
subject_of(const struct mime *m, const char *mark, const char *const *marks, size_t n)
{
	char *subject = mime_field_text(m, "Subject", SUBJECT_MAX_BYTES), *whole;
	const char *base = subject, *next;

	while ((next = skip_mark(base, marks, n)) != base)
		base = next;
	whole = xasprintf("%s %s", mark, base);
	free(subject);
	return whole;
}

/* ---- quotes ---- */

static void
print_date(const struct mime *m, char out[DATE_SIZE])
{
	int64_t at;
	time_t t;
	struct tm tm;

	out[0] = '\0';
	if (!mime_date(m, &at))
		return;
	t = at;
	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, DATE_SIZE, "%a, %d %b %Y %H:%M", &tm) == 0)
		out[0] = '\0';
}

static void
put_quoted(struct text_buffer *out, struct span text)
{
	struct span line;

	while (text.len > 0 && text.at[text.len - 1] == '\n')
		text.len--;
	while (text.len > 0 && !out->full) {
		(void)span_take(&text, '\n', &line);
		text_put_text(out, line.len > 0 && line.at[0] == '>' ? ">"
				   : line.len > 0		     ? "> "
								     : ">");
		text_put(out, line);
		text_put_char(out, '\n');
	}
}

static char *
cut_whole(struct text_buffer *t)
{
	text_end(t);
	return text_buffer_take(t);
}

static char *
sender(const struct mime *m)
{
	struct mime_addresses from = {0};
	char *text;

	mime_field_addresses(m, "From", &from);
	text = xstrdup(from.n == 0		      ? ""
		       : from.list[0].name[0] != '\0' ? from.list[0].name
						      : from.list[0].address);
	mime_addresses_free(&from);
	return text;
}

static char *
quote(const struct mime *m, struct span text)
{
	struct text_buffer out;
	char date[DATE_SIZE], *who = sender(m);

	text_buffer_init(&out, MESSAGE_QUOTE_MAX_BYTES);
	print_date(m, date);
	text_printf(&out, "%s%s%s%s wrote:\n", date[0] ? "On " : "", date, date[0] ? ", " : "",
	    who[0] ? who : "somebody");
	put_quoted(&out, text);
	free(who);
	return cut_whole(&out);
}

char *
message_address_list(const struct mime *m, const char *field, size_t max)
{
	struct mime_addresses a = {0};
	struct text_buffer out;

	text_buffer_init(&out, max);
	mime_field_addresses(m, field, &a);
	for (size_t i = 0; i < a.n && !out.full; i++) {
		char *text = mime_address_text(&a.list[i]);

		text_printf(&out, "%s%s", i > 0 ? ", " : "", text);
		free(text);
	}
	mime_addresses_free(&a);
	return cut_whole(&out);
}

json_t *
message_forward(const struct mime *m, struct span text)
{
	static const char *const fields[] = {"From", "To", "Cc"};
	char date[DATE_SIZE], *subject = mime_field_text(m, "Subject", SUBJECT_MAX_BYTES), *whole;
	struct text_buffer out;
	json_t *forward;

	text_buffer_init(&out, MESSAGE_QUOTE_MAX_BYTES);
	print_date(m, date);
	text_put_text(&out, "---------- Forwarded message ----------\n");
	for (size_t i = 0; i < nitems(fields); i++) {
		char *list = message_address_list(m, fields[i], ADDRESSES_MAX_BYTES);

		if (list[0] != '\0')
			text_printf(&out, "%s: %s\n", fields[i], list);
		free(list);
	}
	if (date[0] != '\0')
		text_printf(&out, "Date: %s\n", date);
	text_printf(&out, "Subject: %s\n\n", subject);
	text_put(&out, text);
	free(subject);
	subject = subject_of(m, "Fwd:", forward_marks, nitems(forward_marks));
	whole = cut_whole(&out);
	forward = json_pack("{s:s, s:s}", "subject", subject, "quote", whole);
	free(subject);
	free(whole);
	return forward;
}

/* ---- to whom ---- */

static bool
is_in(const struct mime_addresses *a, const char *address)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcasecmp(a->list[i].address, address) == 0)
			return true;
	return false;
}

static bool
is_own(const struct message_own *own, const char *address)
{
	for (size_t i = 0; i < own->n; i++)
		if (strcasecmp(own->addresses[i], address) == 0)
			return true;
	return false;
}

/* Those of a field that are in neither list yet, and are not one's own. */
static void
add_others(struct mime_addresses *to, const struct mime_addresses *besides, const struct mime *m,
    const char *field, const struct message_own *own)
{
	struct mime_addresses a = {0};

	mime_field_addresses(m, field, &a);
	for (size_t i = 0; i < a.n; i++)
		if (!is_own(own, a.list[i].address) && !is_in(to, a.list[i].address) &&
		    !is_in(besides, a.list[i].address))
			mime_addresses_add(to, a.list[i].name, a.list[i].address);
	mime_addresses_free(&a);
}

static bool
is_from_oneself(const struct mime *m, const struct message_own *own)
{
	struct mime_addresses from = {0};
	bool own_one;

	mime_field_addresses(m, "From", &from);
	own_one = from.n > 0 && is_own(own, from.list[0].address);
	mime_addresses_free(&from);
	return own_one;
}

/* A list's subscribers answer where the sender says, else to him and all others. */
static void
find_recipients(const struct mime *m, const struct message_own *own, struct mime_addresses *to,
    struct mime_addresses *cc)
{
	static const struct message_own nobody = {NULL, 0};
	const struct mime_addresses none = {0};

	add_others(to, &none, m, "Mail-Followup-To", own);
	if (to->n > 0)
		return;
	if (!is_from_oneself(m, own)) {
		add_others(to, &none, m, "Reply-To", own);
		if (to->n == 0)
			add_others(to, &none, m, "From", own);
		add_others(cc, to, m, "To", own);
	} else /* one goes on with those one has written to */
		add_others(to, &none, m, "To", own);
	add_others(cc, to, m, "Cc", own);
	if (to->n == 0)
		add_others(to, cc, m, "From", &nobody);
}

json_t *
message_reply(const struct mime *m, const struct message_own *own, struct span text)
{
	struct mime_addresses to = {0}, cc = {0};
	char *subject = subject_of(m, "Re:", answer_marks, nitems(answer_marks));
	char *quoted = quote(m, text);
	json_t *reply;

	find_recipients(m, own, &to, &cc);
	reply = json_pack("{s:o, s:o, s:s, s:s}", "to", message_addresses(&to), "cc",
	    message_addresses(&cc), "subject", subject, "quote", quoted);
	mime_addresses_free(&to);
	mime_addresses_free(&cc);
	free(subject);
	free(quoted);
	return reply;
}
