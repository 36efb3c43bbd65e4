/*
 * Makes a notification in memory, and says what is wrong with the form of one. For its unit test
 * and its fuzz target.
 */
#ifndef TESTS_UNIT_QUEUE_DSN_SUPPORT_H
#define TESTS_UNIT_QUEUE_DSN_SUPPORT_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "common/memory.h"
#include "queue/dsn.h"

enum { NOTICE_FIELDS_MAX = 24 };

struct notice {
	char *at; /* NUL behind it */
	size_t len;
	struct dsn_written written;
	struct dsn_decision decision;
	struct envelope envelope;
	struct recipient recipient;
	int error; /* of dsn_write(); 0 */
};

static inline void
notice_read(struct notice *n, int fd, uint64_t at)
{
	n->len = n->written.size;
	n->at = xcalloc(1, n->len + 1);
	if (pread(fd, n->at, n->len, at) != (ssize_t)n->len)
		abort();
}

/* d: all but events' fates and the original, which is text. */
static inline void
notice_make(struct notice *n, struct dsn *d, struct span original)
{
	int from = memfd_create("original", MFD_CLOEXEC), to = memfd_create("dsn", MFD_CLOEXEC);
	unsigned char *fates = xcalloc(d->envelope->n_recipients, 1);
	struct original o;
	uint64_t at = 1000;

	*n = (struct notice){0};
	if (pwrite(from, original.at, original.len, 77) != (ssize_t)original.len ||
	    original_open(&o, from, 77, original.len) == -1 ||
	    dsn_decide(d->envelope, false, d->events, fates, &n->decision) == -1)
		abort();
	d->original = &o;
	d->fates = fates;
	if (dsn_envelope(d->envelope, d->id, d->now_s * 1000000, &n->envelope, &n->recipient) == 0)
		at = envelope_size(&n->envelope);
	if (dsn_write(d, to, at, &n->written) == 0)
		notice_read(n, to, at);
	else
		n->error = errno;
	original_close(&o);
	d->original = NULL;
	d->fates = NULL;
	free(fates);
	close(from);
	close(to);
}

static inline void
notice_free(struct notice *n)
{
	free(n->at);
	n->at = NULL;
}

/* ---- its form ---- */

/* Without its CRLF, which must be there. False at the end or when it is missing. */
static inline bool
notice_line(struct span *text, struct span *line)
{
	const char *end = memmem(text->at, text->len, "\r\n", 2);

	if (end == NULL)
		return false;
	*line = (struct span){text->at, end - text->at};
	*text = (struct span){end + 2, text->at + text->len - end - 2};
	return true;
}

static inline const char *
flaw_of_bytes(struct span text)
{
	struct span line;

	while (notice_line(&text, &line)) {
		if (line.len > 998)
			return "a line is too long";
		for (size_t i = 0; i < line.len; i++)
			if (strchr("\r\n", line.at[i]) != NULL) /* NUL as well */
				return "a CR, LF or NUL within a line";
	}
	return text.len > 0 ? "the last line has no end" : NULL;
}

/* Which of the names (space-separated, each with its colon) the line starts with; -1: none. */
static inline int
field_number(struct span line, const char *names)
{
	struct span list = span_of(names), name;

	for (int i = 0; list.len > 0; i++) {
		span_take(&list, ' ', &name);
		if (line.len > name.len && memcmp(line.at, name.at, name.len) == 0 &&
		    line.at[name.len] == ' ')
			return i;
	}
	return -1;
}

/* Fields up to an empty line, or the end: each is one of names, at most once; the first n_must of
 * them are there. */
static inline const char *
flaw_of_fields(struct span *text, const char *names, int n_must)
{
	bool seen[NOTICE_FIELDS_MAX] = {false};
	bool first = true;
	struct span line;

	while (notice_line(text, &line) && line.len > 0) {
		int i;

		if (!first && (line.at[0] == ' ' || line.at[0] == '\t')) {
			if (span_trim(line).len == 0)
				return "a continuation without anything";
			continue;
		}
		first = false;
		if ((i = field_number(line, names)) == -1)
			return "a field that is none of ours";
		if (seen[i])
			return "a field twice";
		seen[i] = true;
	}
	for (int i = 0; i < n_must; i++)
		if (!seen[i])
			return "a field is missing";
	return NULL;
}

struct notice_parts {
	struct span header, part[3];
};

static inline const char *
flaw_of_parts(struct span text, struct notice_parts *p)
{
	static const char mark[] = "boundary=\"";
	const char *start = memmem(text.at, text.len, mark, sizeof mark - 1);
	const char *end = memmem(text.at, text.len, "\r\n\r\n", 4);
	struct span rest = text, line, boundary;
	size_t n = 0;
	bool closed = false;

	if (start == NULL || end == NULL || end < start)
		return "no boundary";
	p->header = (struct span){text.at, end + 2 - text.at};
	boundary = (struct span){start + sizeof mark - 1, 0};
	while (boundary.at[boundary.len] != '"')
		boundary.len++;
	while (notice_line(&rest, &line)) {
		if (line.len < boundary.len + 2 || memcmp(line.at, "--", 2) != 0 ||
		    memcmp(line.at + 2, boundary.at, boundary.len) != 0)
			continue;
		if (closed || n > 3)
			return "too many boundaries";
		if (n > 0)
			p->part[n - 1].len = line.at - p->part[n - 1].at;
		if (n < 3)
			p->part[n].at = rest.at;
		closed = line.len == boundary.len + 4;
		if (line.len != boundary.len + (n == 3 ? 4 : 2))
			return "a boundary out of place";
		n++;
	}
	return n == 4 && rest.len == 0 ? NULL : "too few boundaries";
}

static inline const char *
flaw_of_report(struct span part, size_t n_told)
{
	const char *flaw = flaw_of_fields(
	    &part, "Content-Type: Content-Transfer-Encoding: Content-Description:", 3);

	if (flaw == NULL)
		flaw =
		    flaw_of_fields(&part, "Reporting-MTA: Arrival-Date: Original-Envelope-Id:", 2);
	for (size_t i = 0; i < n_told && flaw == NULL; i++)
		flaw = flaw_of_fields(&part,
		    "Final-Recipient: Action: Status: Last-Attempt-Date: Original-Recipient: "
		    "Remote-MTA: Diagnostic-Code: Will-Retry-Until:",
		    4);
	return flaw == NULL && part.len > 0 ? "more blocks than recipients" : flaw;
}

/* NULL, or what is wrong. */
static inline const char *
notice_flaw(const struct notice *n, struct notice_parts *p)
{
	struct span text = {n->at, n->len}, header;
	const char *flaw = flaw_of_bytes(text);

	if (n->written.crc != crc32_z(0, (const unsigned char *)n->at, n->len))
		return "the checksum is wrong";
	if (flaw == NULL)
		flaw = flaw_of_parts(text, p);
	if (flaw != NULL)
		return flaw;
	header = p->header;
	flaw = flaw_of_fields(&header,
	    "Received: Date: From: Reply-To: To: Subject: Message-ID: Auto-Submitted: "
	    "MIME-Version: Content-Type: In-Reply-To: References: Content-Transfer-Encoding:",
	    10);
	if (flaw == NULL)
		flaw = flaw_of_report(p->part[1], n->decision.n_tell);
	for (size_t i = 0; i < n->len && flaw == NULL; i++)
		if ((n->at[i] & 0x80) && !(n->written.flags & ENVELOPE_8BITMIME))
			flaw = "8-bit bytes without the flag";
	return flaw;
}

#endif
