/*
 * Writes a delivery status notification: the header, the part for programs, the original; the part
 * for people is dsn_text.c's. First it finds out what is in it (which decides on types and
 * encodings), then it writes front to back.
 */
#include "queue/dsn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail_date.h"
#include "common/queue_id.h"
#include "common/xtext.h"
#include "queue/dsn_private.h"

enum { BOUNDARIES_MAX = 16, XTEXT_MAX_BYTES = 512, TYPE_MAX_BYTES = 64 };

/* ---- xtext (RFC 3461 4) ---- */

/* Decodes into out; what is not well formed stays as it is. The result may hold any byte. */
static struct span
xtext_decode(struct span text, char out[XTEXT_MAX_BYTES])
{
	size_t len = 0;

	for (size_t i = 0; i < text.len && len < XTEXT_MAX_BYTES; i++) {
		int byte = xtext_escape((struct span){text.at + i, text.len - i});

		out[len++] = byte != -1 ? byte : text.at[i];
		if (byte != -1)
			i += XTEXT_ESCAPE_BYTES - 1;
	}
	return (struct span){out, len};
}

/* ---- what is in it ---- */

static struct span
original_recipient(const struct dsn *d, size_t i)
{
	return d->envelope->recipients[dsn_root(d->envelope, i)].original;
}

static void
look_at_recipients(struct dsn_job *j)
{
	const struct envelope *e = j->d->envelope;

	for (size_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];
		enum dsn_action told = dsn_told(j->d, i);

		if (told == DSN_NONE)
			continue;
		j->count[told]++;
		j->text_is_utf8 |= !span_is_ascii(r->address) || !span_is_ascii(r->reply) ||
				   !span_is_ascii(e->recipients[dsn_root(e, i)].address);
		j->status_is_global |=
		    dsn_is_utf8_only(r->address) || dsn_is_utf8_only(original_recipient(j->d, i));
	}
}

/* A boundary that is nowhere in what is returned. */
static int
scan(struct dsn_job *j)
{
	struct original *o = j->d->original;
	char id[QUEUE_ID_TEXT_SIZE];

	queue_id_print(j->d->id, id);
	for (unsigned i = 0; i < BOUNDARIES_MAX; i++, j->nonce++) {
		snprintf(j->boundary, sizeof j->boundary, "=_%s_%016" PRIx64, id, j->nonce);
		if (original_scan(o, j->whole ? o->size : o->header.len, j->boundary) == -1)
			return -1;
		if (!o->has_boundary)
			return 0;
	}
	errno = EPROTO;
	return -1;
}

static int
look_at_original(struct dsn_job *j)
{
	const struct dsn *d = j->d;

	j->subject_len = original_subject(d->original, j->subject);
	j->text_is_utf8 |= !span_is_ascii((struct span){j->subject, j->subject_len});
	j->original_is_global =
	    (d->envelope->flags & ENVELOPE_SMTPUTF8) != 0 && dsn_is_utf8_only(d->original->header);
	j->whole = j->count[DSN_FAILED] > 0 && d->envelope->ret != RET_HDRS;
	if (j->whole && d->original->size > d->whole_max_bytes) {
		j->whole = false;
		j->why_not = "the message is too large to be returned whole";
	}
	if (scan(j) == -1)
		return -1;
	if (!j->whole || !d->original->is_strange)
		return 0;
	j->whole = false;
	j->why_not = "it has bytes or lines that mail may not have";
	return scan(j);
}

/* Fitting for how the original is returned; after scan(). */
static const char *
original_encoding(const struct dsn_job *j)
{
	const struct original *o = j->d->original;

	if (j->whole || (j->original_is_global && !o->is_strange))
		return o->has_8bit ? "8bit" : "7bit";
	return o->has_8bit || o->is_strange ? "quoted-printable" : "7bit";
}

static bool
is_8bit(const struct dsn_job *j)
{
	return j->status_is_global || strcmp(original_encoding(j), "8bit") == 0;
}

/* ---- the header ---- */

static void
write_date(struct dsn_job *j, const char *field, uint64_t seconds)
{
	char date[MAIL_DATE_SIZE];

	mail_date_print(seconds, date);
	dsn_out_format(&j->out, "%s: %s\r\n", field, date);
}

/* By the worst of what is told. */
static const char *
subject_of(const struct dsn_job *j)
{
	static const char *const subjects[DSN_ACTIONS] = {
	    [DSN_FAILED] = "Your message could not be delivered",
	    [DSN_DELAYED] = "Your message is delayed",
	    [DSN_DELIVERED] = "Your message was delivered",
	    [DSN_RELAYED] = "Your message was passed on",
	    [DSN_EXPANDED] = "Your message was passed on",
	};
	enum dsn_action a = DSN_FAILED;

	while (a < DSN_EXPANDED && j->count[a] == 0)
		a++;
	return subjects[a];
}

static void
write_addressing(struct dsn_job *j)
{
	struct span reverse_path = j->d->envelope->reverse_path;
	char id[QUEUE_ID_TEXT_SIZE], date[MAIL_DATE_SIZE];

	queue_id_print(j->d->id, id);
	mail_date_print(j->d->now_s, date);
	dsn_out_format(&j->out,
	    "Received: by %s (Sambar Mail) id %s;\r\n\t%s\r\nDate: %s\r\n"
	    "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nReply-To: <postmaster@%s>\r\nTo: <",
	    j->d->server, id, date, date, j->d->server, j->d->server);
	dsn_out_clean(&j->out, reverse_path, dsn_is_utf8_only(reverse_path));
	dsn_out_format(&j->out, ">\r\nSubject: %s\r\nMessage-ID: <%s.dsn@%s>\r\n", subject_of(j),
	    id, j->d->server);
}

static void
write_header(struct dsn_job *j)
{
	struct span about = original_message_id(j->d->original);

	write_addressing(j);
	if (about.len > 0) {
		dsn_out_text(&j->out, "In-Reply-To: ");
		dsn_out_clean(&j->out, about, false);
		dsn_out_text(&j->out, "\r\nReferences: ");
		dsn_out_clean(&j->out, about, false);
		dsn_out_text(&j->out, "\r\n");
	}
	/* The report's type is the subtype of its second part (RFC 6522 3). */
	dsn_out_format(&j->out,
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n%s\r\n"
	    "This is a report in MIME format (RFC 3464).\r\n",
	    j->status_is_global ? "global-" : "", j->boundary,
	    is_8bit(j) ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static void
start_part(struct dsn_job *j, const char *type, const char *encoding, const char *description)
{
	dsn_out_format(&j->out,
	    "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n"
	    "Content-Description: %s\r\n\r\n",
	    j->boundary, type, encoding, description);
}

static void
write_text(struct dsn_job *j)
{
	bool utf8 = j->text_is_utf8;

	start_part(j, utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
	    utf8 ? "quoted-printable" : "7bit", "Notice");
	dsn_out_quoted(&j->out, utf8);
	dsn_text_write(j);
	dsn_out_quoted(&j->out, false);
}

/* ---- the part for programs ---- */

/* "type; address" (RFC 3464 2.1.2). */
static void
write_address(struct dsn_job *j, const char *field, struct span type, struct span address)
{
	dsn_out_format(&j->out, "%s: ", field);
	dsn_out_clean(&j->out, type, false);
	dsn_out_text(&j->out, "; ");
	dsn_out_clean(&j->out, address, j->status_is_global);
	dsn_out_text(&j->out, "\r\n");
}

static bool
is_type(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-'))
			return false;
	}
	return text.len > 0 && text.len <= TYPE_MAX_BYTES;
}

/* Only what the sender gave (RFC 3464 2.3.1), decoded (RFC 3461 6.3). */
static void
write_original_recipient(struct dsn_job *j, size_t i)
{
	struct span rest = original_recipient(j->d, i), type;
	char decoded[XTEXT_MAX_BYTES];

	if (span_take(&rest, ';', &type) && is_type(type) && rest.len > 0)
		write_address(j, "Original-Recipient", type, xtext_decode(rest, decoded));
}

static void
write_diagnostic(struct dsn_job *j, const struct recipient *r)
{
	struct span host = dsn_remote(r->route);
	struct dsn_reply reply;

	if (host.len > 0) {
		dsn_out_text(&j->out, "Remote-MTA: dns; ");
		dsn_out_clean(&j->out, host, false);
		dsn_out_text(&j->out, "\r\n");
	}
	dsn_reply_parse(r->reply, &reply);
	if (reply.text.len == 0)
		return;
	dsn_out_text(&j->out, "Diagnostic-Code: ");
	/* What router says by itself only looks like a reply. */
	dsn_out_text(&j->out, host.len > 0 && reply.is_smtp ? "smtp; " : "x-sambar; ");
	dsn_out_words(&j->out, reply.text, " ", j->status_is_global);
	dsn_out_text(&j->out, "\r\n");
}

static void
write_status(struct dsn_job *j, size_t i, enum dsn_action action)
{
	static const char *const names[DSN_ACTIONS] = {[DSN_FAILED] = "failed",
	    [DSN_DELAYED] = "delayed",
	    [DSN_DELIVERED] = "delivered",
	    [DSN_RELAYED] = "relayed",
	    [DSN_EXPANDED] = "expanded"};
	const struct recipient *r = &j->d->envelope->recipients[i];
	char status[DSN_STATUS_SIZE];

	dsn_status(action, r->reply, status);
	dsn_out_text(&j->out, "\r\n");
	write_original_recipient(j, i);
	write_address(j, "Final-Recipient",
	    span_of(dsn_is_utf8_only(r->address) ? "utf-8" : "rfc822"), r->address);
	dsn_out_format(&j->out, "Action: %s\r\nStatus: %s\r\n", names[action], status);
	if (action != DSN_DELIVERED && action != DSN_EXPANDED)
		write_diagnostic(j, r);
	write_date(j, "Last-Attempt-Date", j->d->now_s);
	if (action == DSN_DELAYED && j->d->retry_until_s > 0)
		write_date(j, "Will-Retry-Until", j->d->retry_until_s);
}

static void
write_report(struct dsn_job *j)
{
	const struct envelope *e = j->d->envelope;
	char decoded[XTEXT_MAX_BYTES];

	start_part(j,
	    j->status_is_global ? "message/global-delivery-status" : "message/delivery-status",
	    j->status_is_global ? "8bit" : "7bit", "Report for programs");
	dsn_out_format(&j->out, "Reporting-MTA: dns; %s\r\n", j->d->server);
	if (e->envid.len > 0) {
		dsn_out_text(&j->out, "Original-Envelope-Id: ");
		dsn_out_clean(&j->out, xtext_decode(e->envid, decoded), false);
		dsn_out_text(&j->out, "\r\n");
	}
	write_date(j, "Arrival-Date", e->arrival_us / 1000000);
	for (size_t i = 0; i < e->n_recipients; i++)
		if (dsn_told(j->d, i) != DSN_NONE)
			write_status(j, i, dsn_told(j->d, i));
}

/* ---- the original ---- */

static void
write_piece(void *arg, struct span bytes)
{
	dsn_out_bytes(arg, bytes);
}

static int
write_original(struct dsn_job *j)
{
	const struct original *o = j->d->original;
	const char *encoding = original_encoding(j);

	if (j->whole) {
		start_part(j, j->original_is_global ? "message/global" : "message/rfc822", encoding,
		    "Your message");
		return original_read(o, o->size, write_piece, &j->out);
	}
	start_part(j, j->original_is_global ? "message/global-headers" : "text/rfc822-headers",
	    encoding,
	    o->header_cut ? "Front of the header of your message" : "Header of your message");
	dsn_out_quoted(&j->out, strcmp(encoding, "quoted-printable") == 0);
	dsn_out_bytes(&j->out, o->header);
	dsn_out_quoted(&j->out, false);
	return 0;
}

static int
write_all(struct dsn_job *j, int fd, uint64_t at)
{
	dsn_out_start(&j->out, fd, at);
	write_header(j);
	write_text(j);
	write_report(j);
	if (write_original(j) == -1)
		return -1;
	dsn_out_format(&j->out, "\r\n--%s--\r\n", j->boundary);
	return dsn_out_end(&j->out);
}

static unsigned
flags_of(const struct dsn_job *j)
{
	unsigned flags = is_8bit(j) ? ENVELOPE_8BITMIME : 0;

	/* To has it; message/global goes without (RFC 6532 3.7). */
	if (dsn_is_utf8_only(j->d->envelope->reverse_path))
		flags |= ENVELOPE_8BITMIME | ENVELOPE_SMTPUTF8;
	return flags;
}

int
dsn_write(const struct dsn *d, int fd, uint64_t at, struct dsn_written *out)
{
	struct dsn_job *j = calloc(1, sizeof *j);
	int rv = -1, saved;

	if (j == NULL)
		return -1;
	j->d = d;
	j->nonce = d->nonce;
	look_at_recipients(j);
	if (look_at_original(j) == 0)
		rv = write_all(j, fd, at);
	if (rv == 0)
		*out = (struct dsn_written){j->out.size, j->out.crc, flags_of(j)};
	saved = errno;
	free(j);
	errno = saved;
	return rv;
}
