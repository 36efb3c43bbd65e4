/* Writes vacation replies. No byte of a stranger's or the user's can begin a line of the header. */
#include "router/vacation_letter.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/mail_date.h"
#include "common/queue_id.h"
#include "common/utf8.h"

enum {
	COLUMNS = 76,
	WORD_BYTES = 39, /* encoded: 64 columns, and the name of the field (RFC 2047 2) */
	SUBJECT_MAX_BYTES = 400,
	BODY_LINE_MAX_BYTES = 900,
	BODY_CHUNK_BYTES = 57 /* encoded: 76 columns (RFC 2045 6.8) */
};

static const char prefix[] = "Auto: "; /* RFC 3834 3.1.5 */

static void
put_base64(struct text_buffer *out, struct span bytes)
{
	unsigned char text[4 * ((BODY_CHUNK_BYTES + 2) / 3) + 1];
	int n = EVP_EncodeBlock(text, (const unsigned char *)bytes.at, (int)bytes.len);

	text_put(out, (struct span){(const char *)text, n});
}

/* ---- fields ---- */

/* Whether it can stand in a field as it is. words: encoded words may be in it. */
static bool
is_plain(struct span text, bool words)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' || text.at[i] > '~')
			return false;
	return words || memmem(text.at, text.len, "=?", 2) == NULL;
}

/* Words, folded where a line gets too long. column: where the line is. */
static void
put_folded(struct text_buffer *out, struct span text, size_t column)
{
	struct span word;
	bool first = true;

	while (text.len > 0) {
		(void)span_take(&text, ' ', &word);
		if (word.len == 0)
			continue;
		if (!first && column + 1 + word.len > COLUMNS) {
			text_put_text(out, "\r\n");
			column = 0;
		}
		if (!first)
			text_put_char(out, ' ');
		text_put(out, word);
		column += word.len + 1;
		first = false;
	}
}

/* The longest front of at most max bytes that ends with a whole character. */
static size_t
whole_front(struct span text, size_t max)
{
	size_t at = 0, n;

	while (at < text.len) {
		n = utf8_length((const unsigned char *)text.at + at, text.len - at);
		if (n == 0)
			n = 1;
		if (at + n > max)
			break;
		at += n;
	}
	return at;
}

/* Encoded words of UTF-8 (RFC 2047), one a line. */
static void
put_encoded(struct text_buffer *out, struct span text)
{
	bool first = true;

	while (text.len > 0) {
		size_t n = whole_front(text, WORD_BYTES);

		text_put_text(out, first ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
		put_base64(out, (struct span){text.at, n});
		text_put_text(out, "?=");
		text = (struct span){text.at + n, text.len - n};
		first = false;
	}
}

/* Control characters as blanks; cut to max bytes. Into out, which is initialized. */
static void
clean(struct text_buffer *out, struct span text, size_t max)
{
	text.len = whole_front(text, max);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.at[i];

		text_put_char(out, c < ' ' || c == 0x7f ? ' ' : c);
	}
}

/* Of the message's subject, encoded words stay as they are; a cut would tear them. */
static void
put_subject(struct text_buffer *out, const struct vacation_letter *l)
{
	bool own = l->subject.len > 0;
	struct span given = own ? l->subject : span_of(l->about->subject);
	struct text_buffer text;
	struct span s;

	text_buffer_init(&text, 2 * SUBJECT_MAX_BYTES);
	if (!own)
		text_put_text(&text, prefix);
	if (own || (given.len > 0 && given.len <= SUBJECT_MAX_BYTES && utf8_is_valid(given)))
		clean(&text, given, SUBJECT_MAX_BYTES);
	else
		text_put_text(&text, "your message");
	s = span_trim((struct span){text.at, text.len});
	text_put_text(out, "Subject: ");
	if (is_plain(s, !own))
		put_folded(out, s, sizeof "Subject: ");
	else
		put_encoded(out, s);
	text_put_text(out, "\r\n");
	text_buffer_free(&text);
}

static void
put_quoted(struct text_buffer *out, struct span text)
{
	text_put_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"' || text.at[i] == '\\')
			text_put_char(out, '\\');
		text_put_char(out, text.at[i]);
	}
	text_put_char(out, '"');
}

static void
put_from(struct text_buffer *out, const struct vacation_letter *l)
{
	struct text_buffer text;
	struct span name;

	text_buffer_init(&text, SUBJECT_MAX_BYTES);
	clean(&text, l->name, SUBJECT_MAX_BYTES);
	name = span_trim((struct span){text.at, text.len});
	text_put_text(out, "From: ");
	if (name.len > 0 && is_plain(name, false))
		put_quoted(out, name);
	else if (name.len > 0)
		put_encoded(out, name);
	text_put_text(out, name.len > 0 ? "\r\n <" : "<");
	text_put(out, l->from);
	text_put_text(out, ">\r\n");
	text_buffer_free(&text);
}

static void
put_header(struct text_buffer *out, const struct vacation_letter *l)
{
	char id[QUEUE_ID_TEXT_SIZE], date[MAIL_DATE_SIZE];

	queue_id_print(l->id, id);
	mail_date_print(l->now_s, date);
	text_printf(out, "Received: by %s (Sambar Mail) id %s;\r\n\t%s\r\nDate: %s\r\n", l->server,
	    id, date, date);
	put_from(out, l);
	text_printf(out, "To: <%.*s>\r\n", (int)l->to.len, l->to.at);
	put_subject(out, l);
	text_printf(out, "Message-ID: <%s.vacation@%s>\r\n", id, l->server);
	if (l->about->message_id[0] != '\0') {
		text_printf(out, "In-Reply-To: %s\r\nReferences: ", l->about->message_id);
		put_folded(out, span_of(l->about->references), sizeof "References: ");
		text_put_text(out, "\r\n");
	}
	text_put_text(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
}

/* ---- the body ---- */

/* With CRLF, and no control characters but tabs. *lines_fit: no line is too long for mail. */
static void
normalize(struct span text, struct text_buffer *out, bool *lines_fit)
{
	size_t column = 0;

	*lines_fit = true;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.at[i];

		if (c == '\n') {
			text_put_text(out, "\r\n");
			column = 0;
		} else if (c == '\t' || (c >= ' ' && c != 0x7f)) {
			text_put_char(out, c);
			*lines_fit &= ++column <= BODY_LINE_MAX_BYTES;
		}
	}
	if (column > 0)
		text_put_text(out, "\r\n");
}

static void
put_encoded_body(struct text_buffer *out, struct span body)
{
	while (body.len > 0) {
		size_t n = body.len < BODY_CHUNK_BYTES ? body.len : BODY_CHUNK_BYTES;

		put_base64(out, (struct span){body.at, n});
		text_put_text(out, "\r\n");
		body = (struct span){body.at + n, body.len - n};
	}
}

void
vacation_letter_write(const struct vacation_letter *l, struct text_buffer *out)
{
	struct text_buffer text;
	struct span body;
	bool lines_fit, plain;

	text_buffer_init(&text, VACATION_LETTER_MAX_BYTES / 2);
	normalize(l->text, &text, &lines_fit);
	body = (struct span){text.at, text.len};
	plain = lines_fit && span_is_ascii(body);
	put_header(out, l);
	text_printf(out,
	    "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    plain ? "us-ascii" : "utf-8", plain ? "7bit" : "base64");
	if (plain)
		text_put(out, body);
	else
		put_encoded_body(out, body);
	text_buffer_free(&text);
}
