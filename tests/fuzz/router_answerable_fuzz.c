/*
 * Any bytes as the header of a message that is answered: what is taken from it lies in it, and no
 * byte of it begins a line of the reply's header.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "router/answerable.h"
#include "router/vacation_letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
count(void *arg, const char *address)
{
	if (strchr(address, '@') == NULL || strpbrk(address, "\r\n") != NULL)
		abort();
	++*(size_t *)arg;
}

static void
check_letter(struct span subject, struct span id)
{
	struct vacation_about about = {span_text(id), span_text(id), span_text(subject)};
	const struct vacation_letter l = {.id = 1,
	    .server = "our.example",
	    .from = span_of("ann@our.example"),
	    .name = {"", 0},
	    .to = span_of("s@far.example"),
	    .subject = {"", 0},
	    .text = span_of("x"),
	    .about = &about};
	struct text_buffer out;
	const char *end;

	text_buffer_init(&out, VACATION_LETTER_MAX_BYTES);
	vacation_letter_write(&l, &out);
	end = strstr(out.at, "\r\n\r\n");
	if (out.full || !span_is_ascii((struct span){out.at, out.len}) || end == NULL ||
	    strcmp(end, "\r\n\r\nx\r\n") != 0)
		abort();
	for (const char *c = strchr(out.at, '\n'); c != NULL && c < end; c = strchr(c + 1, '\n'))
		if (c[-1] != '\r' || (c[1] != ' ' && c[1] != '\t' && c[1] != '\r' &&
					 strchr("RDFTSMIACX", c[1]) == NULL))
			abort();
	text_buffer_free(&out);
	free(about.message_id);
	free(about.references);
	free(about.subject);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span header = {(const char *)data, size}, id = {"", 0};
	struct answerable a;
	int64_t at;
	size_t n = 0;

	answerable_recipients(header, count, &n);
	(void)answerable_sender(header);
	if (answerable_read(header, &a) != NULL)
		return 0;
	if (a.references.at != NULL && !answerable_next_id(&a.references, &id))
		id = (struct span){"", 0};
	if (a.date.at != NULL)
		(void)answerable_date(a.date, &at);
	check_letter(a.subject.at != NULL ? a.subject : span_of(""), id);
	return 0;
}
