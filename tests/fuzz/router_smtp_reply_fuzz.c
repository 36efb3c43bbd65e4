/*
 * What a server says, cut into lines as the client does: a reply that is taken has one code, and a
 * text that is printable and fits; the same bytes as a message are looked at and stuffed without
 * leaving an end of data within.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/line.h"
#include "router/smtp_body.h"
#include "router/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct smtp_reply *r)
{
	size_t len = strnlen(r->text, sizeof r->text);

	if (len == sizeof r->text || r->code < 200 || r->code > 599)
		abort();
	for (size_t i = 0; i < len; i++)
		if (r->text[i] < ' ' || r->text[i] > '~')
			abort();
	if (r->status.class != 0 && r->status.class != r->code / 100)
		abort();
	if (r->n_lines > SMTP_REPLY_LINES_MAX)
		abort();
}

static void
replies(struct span rest)
{
	struct span line, text;
	struct smtp_reply r;

	smtp_reply_clear(&r);
	while (line_cut(rest, SMTP_REPLY_LINE_MAX_BYTES, &line) == LINE_WHOLE) {
		enum smtp_reply_end end = smtp_reply_line(&r, line, &text);

		if (end == SMTP_REPLY_MALFORMED)
			return;
		check(&r);
		if (end == SMTP_REPLY_WHOLE)
			smtp_reply_clear(&r);
		rest = (struct span){rest.at + line.len + 2, rest.len - line.len - 2};
	}
}

static void
message(struct span bytes)
{
	struct smtp_stuffing stuffing = {false};
	struct smtp_look look = {0};
	char *out = malloc(smtp_stuffed_max(bytes.len) + 1);
	size_t n;

	if (out == NULL)
		abort();
	smtp_look_at(&look, bytes);
	smtp_look_end(&look);
	n = smtp_stuff(&stuffing, bytes, out);
	if (n > smtp_stuffed_max(bytes.len))
		abort();
	if (look.fault == NULL && memmem(out, n, "\n.\r\n", 4) != NULL)
		abort();
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = {size ? (const char *)data : "", size};

	replies(all);
	message(all);
	return 0;
}
