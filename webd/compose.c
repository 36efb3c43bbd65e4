/* From a letter to a message: its header and its parts. */
#include "webd/compose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/html_text.h"
#include "common/mail_date.h"
#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/compose_out.h"
#include "webd/html_clean.h"

enum { FLOW_COLUMNS = 72, MESSAGE_LINE_MAX_BYTES = 998, READ_BYTES = 32 * 1024 };

char *
compose_message_id(const char *domain)
{
	uint64_t a, b;

	arc4random_buf(&a, sizeof a);
	arc4random_buf(&b, sizeof b);
	return xasprintf("%016llx%016llx@%s", (unsigned long long)a, (unsigned long long)b, domain);
}

/* ---- text, flowed (RFC 3676) ---- */

/* How much of a line goes on the next one of the message: at most to the last blank that fits. */
static size_t
fitting(struct span line, size_t columns)
{
	size_t columns_seen = 0, cut = 0;

	for (size_t i = 0; i < line.len; i++) {
		if (((unsigned char)line.at[i] & 0xc0) != 0x80)
			columns_seen++;
		if (columns_seen > columns && cut > 0)
			return cut;
		if (line.at[i] == ' ' && i > 0 && i + 1 < line.len)
			cut = i + 1;
	}
	return line.len;
}

static void
flow_line(struct text_buffer *out, struct span line)
{
	size_t quotes = 0;
	struct span prefix;

	if (span_is(line, "-- ")) {
		text_put_text(out, "-- \n");
		return;
	}
	while (quotes < line.len && line.at[quotes] == '>')
		quotes++;
	prefix = (struct span){line.at, quotes};
	line = (struct span){line.at + quotes, line.len - quotes};
	if (quotes > 0 && line.len > 0 && line.at[0] == ' ') /* the blank that stuffs it */
		line = (struct span){line.at + 1, line.len - 1};
	while (line.len > 0 && line.at[line.len - 1] == ' ')
		line.len--;
	do {
		size_t n = fitting(line, FLOW_COLUMNS - (quotes < 20 ? quotes : 20));

		text_put(out, prefix);
		if (line.len > 0 && (quotes > 0 || line.at[0] == ' ' || line.at[0] == '>' ||
					(line.len >= 5 && memcmp(line.at, "From ", 5) == 0)))
			text_put_char(out, ' ');
		text_put(out, (struct span){line.at, n});
		text_put_char(out, '\n');
		line = (struct span){line.at + n, line.len - n};
	} while (line.len > 0);
}

static char *
flow(struct span text, size_t *len)
{
	struct text_buffer out;
	struct span line;

	text_buffer_init(&out, 4 * LETTER_TEXT_MAX_BYTES);
	while (text.len > 0) {
		(void)span_take(&text, '\n', &line);
		flow_line(&out, line);
	}
	*len = out.len;
	return text_buffer_take(&out);
}

static void
put_plain(struct compose_out *o, const char *text)
{
	size_t len, flowed_len;
	char *clean = mime_to_utf8(span_of(text), "utf-8", true, LETTER_TEXT_MAX_BYTES, &len);
	char *flowed = flow((struct span){clean, len}, &flowed_len);

	compose_text(o, "Content-Type: text/plain; charset=utf-8; format=flowed\r\n");
	compose_body(o, (struct span){flowed, flowed_len});
	free(clean);
	free(flowed);
}

static void
put_html(struct compose_out *o, const char *html)
{
	struct html_clean_options options = {.remote = true};
	struct html_cleaned cleaned;
	struct text_buffer document;

	html_clean(span_of(html), &options, &cleaned);
	if (cleaned.cut)
		compose_fail(o, EFBIG);
	text_buffer_init(&document, HTML_CLEAN_OUT_MAX_BYTES + 200);
	text_put_text(
	    &document, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
	text_put(&document, (struct span){cleaned.html, cleaned.len});
	text_put_text(&document, "\n</body></html>\n");
	compose_text(o, "Content-Type: text/html; charset=utf-8\r\n");
	compose_body(o, (struct span){document.at, document.len});
	text_buffer_free(&document);
	free(cleaned.html);
}

static void
put_texts(struct compose_out *o, const struct letter *l)
{
	char boundary[COMPOSE_BOUNDARY_SIZE], *made = NULL;
	const char *text = l->text == NULL ? "" : l->text;
	size_t len;

	if (l->html == NULL) {
		put_plain(o, text);
		return;
	}
	if (text[strspn(text, " \r\n\t")] == '\0')
		text = made = html_to_text(span_of(l->html), LETTER_TEXT_MAX_BYTES, &len);
	compose_boundary(boundary);
	compose_printf(o, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n--%s\r\n",
	    boundary, boundary);
	put_plain(o, text);
	compose_printf(o, "\r\n--%s\r\n", boundary);
	put_html(o, l->html);
	compose_printf(o, "\r\n--%s--\r\n", boundary);
	free(made);
}

/* ---- attachments ---- */

static bool
is_type(const char *type)
{
	const char *slash = type == NULL ? NULL : strchr(type, '/');

	if (slash == NULL || slash == type || slash[1] == '\0' || strchr(slash + 1, '/') != NULL ||
	    strlen(type) > 100 || strncasecmp(type, "multipart/", 10) == 0 ||
	    strncasecmp(type, "message/", 8) == 0)
		return false;
	return strspn(type,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-"
		   "/") == strlen(type);
}

/* Bytes of a file as they come; the callback gives -1 to end it. */
static int
each_piece(const struct letter_attachment *a, int (*take)(void *arg, struct span s), void *arg)
{
	char piece[READ_BYTES];
	uint64_t at = a->at, left = a->len;

	while (left > 0) {
		size_t want = left < sizeof piece ? left : sizeof piece;
		ssize_t n = pread(a->fd, piece, want, at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EPROTO;
		if (n <= 0)
			return -1;
		if (take(arg, (struct span){piece, n}) == -1)
			return -1;
		at += n;
		left -= n;
	}
	return 0;
}

struct lines_look {
	size_t line;
	bool has_8bit;
};

static int
look_at_lines(void *arg, struct span s)
{
	struct lines_look *look = arg;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.at[i];

		look->line = c == '\n' ? 0 : look->line + 1;
		look->has_8bit |= c > 127;
		if (c == '\0' || look->line > MESSAGE_LINE_MAX_BYTES) {
			errno = EILSEQ;
			return -1;
		}
	}
	return 0;
}

struct lines_copy {
	struct compose_out *out;
	char last;
};

/* Each line ends with CRLF, whatever it ended with. */
static int
copy_lines(void *arg, struct span s)
{
	struct lines_copy *copy = arg;

	for (size_t i = 0; i < s.len; i++) {
		if (copy->last == '\r' && s.at[i] != '\n')
			compose_text(
			    copy->out, "\n"); /* a CR alone: no line end may follow it later */
		if (s.at[i] == '\n' && copy->last != '\r')
			compose_text(copy->out, "\r");
		compose_put(copy->out, (struct span){s.at + i, 1});
		copy->last = s.at[i];
	}
	return 0;
}

static void
put_disposition(struct compose_out *o, const char *name)
{
	compose_text(o, "Content-Disposition: attachment");
	compose_parameter(o, "filename", name);
	compose_text(o, "\r\n");
}

/* A message stands there as it is, and is never encoded (RFC 2046 5.2.1). False: it cannot. */
static bool
put_message(struct compose_out *o, const struct letter_attachment *a)
{
	struct lines_look look = {0};
	struct lines_copy copy = {.out = o};

	if (each_piece(a, look_at_lines, &look) == -1) {
		if (errno != EILSEQ)
			compose_fail(o, errno);
		return false;
	}
	compose_text(o, "Content-Type: message/rfc822\r\n");
	put_disposition(o, a->name);
	compose_printf(o, "Content-Transfer-Encoding: %s\r\n\r\n", look.has_8bit ? "8bit" : "7bit");
	if (each_piece(a, copy_lines, &copy) == -1)
		compose_fail(o, errno);
	if (copy.last == '\r')
		compose_text(o, "\n");
	return true;
}

static void
put_attachment(struct compose_out *o, const struct letter_attachment *a)
{
	const char *type = is_type(a->type) ? a->type : "application/octet-stream";

	if (a->is_message && put_message(o, a))
		return;
	compose_printf(o, "Content-Type: %s", type);
	compose_parameter(o, "name", a->name);
	compose_text(o, "\r\n");
	put_disposition(o, a->name);
	compose_file(o, a->fd, a->at, a->len);
}

static void
put_parts(struct compose_out *o, const struct letter *l)
{
	char boundary[COMPOSE_BOUNDARY_SIZE];

	if (l->n_attachments == 0) {
		put_texts(o, l);
		return;
	}
	compose_boundary(boundary);
	compose_printf(o, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n",
	    boundary, boundary);
	put_texts(o, l);
	for (size_t i = 0; i < l->n_attachments; i++) {
		compose_printf(o, "\r\n--%s\r\n", boundary);
		put_attachment(o, &l->attachments[i]);
	}
	compose_printf(o, "\r\n--%s--\r\n", boundary);
}

/* ---- the header ---- */

static void
put_date(struct compose_out *o, time_t at)
{
	char date[MAIL_DATE_SIZE];

	mail_date_print(at, date);
	compose_printf(o, "Date: %s\r\n", date);
}

static void
put_priority(struct compose_out *o, enum letter_priority priority)
{
	if (priority == PRIORITY_NORMAL)
		return;
	compose_printf(o, "Importance: %s\r\nX-Priority: %u\r\n",
	    priority == PRIORITY_HIGH ? "high" : "low", priority == PRIORITY_HIGH ? 1 : 5);
}

static void
put_one_address(struct compose_out *o, const char *name, const struct mime_address *a)
{
	struct mime_addresses one = {1, (struct mime_address *)a};

	compose_addresses(o, name, &one);
}

static void
put_header(struct compose_out *o, const struct letter *l, bool own_copy)
{
	put_date(o, l->date);
	put_one_address(o, "From", &l->from);
	compose_addresses(o, "To", &l->to);
	compose_addresses(o, "Cc", &l->cc);
	if (own_copy)
		compose_addresses(o, "Bcc", &l->bcc);
	else if (l->to.n == 0 && l->cc.n == 0)
		compose_text(o, "To: undisclosed-recipients:;\r\n");
	compose_field(o, "Subject", l->subject == NULL ? "" : l->subject);
	compose_ids(o, "Message-ID", l->message_id);
	compose_ids(o, "In-Reply-To", l->in_reply_to);
	compose_ids(o, "References", l->references);
	put_priority(o, l->priority);
	if (l->receipt)
		put_one_address(o, "Disposition-Notification-To", &l->from);
	if (own_copy && l->note != NULL && strlen(l->note) <= LETTER_NOTE_MAX_BYTES)
		compose_field(o, "X-Sambar-Draft", l->note);
	compose_text(o, "MIME-Version: 1.0\r\n");
}

int
compose_write(const struct letter *l, bool own_copy, int fd, uint64_t at, uint64_t *len)
{
	struct compose_out *o = compose_out_new(fd, at);

	put_header(o, l, own_copy);
	put_parts(o, l);
	return compose_out_end(&o, len);
}

/* ---- notifications that a message was read ---- */

static void
put_receipt_report(struct compose_out *o, const struct letter_receipt *r)
{
	compose_text(o, "Content-Type: message/disposition-notification\r\n\r\n");
	compose_field(o, "Reporting-UA", r->reporter);
	compose_printf(o, "Final-Recipient: rfc822;%s\r\n", r->from.address);
	compose_ids(o, "Original-Message-ID", r->original_id);
	/* RFC 8098 3.2.6: by hand, both the reading and the answer. */
	compose_text(o, "Disposition: manual-action/MDN-sent-manually; displayed\r\n");
}

int
compose_receipt(const struct letter_receipt *r, int fd, uint64_t at, uint64_t *len)
{
	struct compose_out *o = compose_out_new(fd, at);
	char boundary[COMPOSE_BOUNDARY_SIZE], date[MAIL_DATE_SIZE], *subject, *text;

	compose_boundary(boundary);
	mail_date_print(r->date, date);
	subject = xasprintf("Read: %s", r->original_subject);
	text = xasprintf(
	    "Your message\n\n    %s\n\nto %s was read on %s.\n\nThis does not say that it "
	    "was understood.\n",
	    r->original_subject, r->from.address, date);
	put_date(o, r->date);
	put_one_address(o, "From", &r->from);
	put_one_address(o, "To", &r->to);
	compose_field(o, "Subject", subject);
	compose_ids(o, "Message-ID", r->message_id);
	compose_ids(o, "In-Reply-To", r->original_id);
	compose_ids(o, "References", r->original_id);
	compose_printf(o,
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; "
	    "report-type=disposition-notification;\r\n\tboundary=\"%s\"\r\n\r\n--%s\r\n",
	    boundary, boundary);
	put_plain(o, text);
	compose_printf(o, "\r\n--%s\r\n", boundary);
	put_receipt_report(o, r);
	compose_printf(o, "\r\n--%s--\r\n", boundary);
	free(subject);
	free(text);
	return compose_out_end(&o, len);
}
