/*
 * Any bytes as a message: parts stay within it and within the bounds, and every text that is made
 * of it is UTF-8 without control characters.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/mime.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t len, bool lines)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = text[i];

		if ((n = utf8_length((const unsigned char *)text + i, len - i)) == 0)
			abort();
		if ((c < ' ' && !(lines && (c == '\n' || c == '\t'))) || c == 127)
			abort();
	}
	if (text[len] != '\0')
		abort();
}

static void
check_part(const struct mime *m, size_t i, uint64_t size)
{
	const struct mime_part *p = mime_part(m, i);
	char piece[1000], *text;
	struct mime_body *b;
	size_t len;
	bool is_inline;

	if (p->at > size || p->len > size - p->at || p->depth > MIME_DEPTH_MAX + 1 ||
	    p->parent >= (int)i)
		abort();
	check_text(p->name, strlen(p->name), false);
	check_text(p->type, strlen(p->type), false);
	if (strpbrk(p->name, "/\\") != NULL)
		abort();
	(void)mime_is_attachment(m, i, &is_inline);
	b = mime_body_open(m, i);
	while (mime_body_read(b, piece, sizeof piece) > 0)
		continue;
	mime_body_free(&b);
	if ((text = mime_part_text(m, i, 5000, &len, NULL)) == NULL)
		abort();
	check_text(text, len, true);
	free(text);
}

static void
check_header(const struct mime *m)
{
	static const char *const names[] = {"Subject", "From", "To", "Date", "X"};
	struct mime_addresses a = {0};
	int64_t date;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *text = mime_field_text(m, names[i], 300);

		check_text(text, strlen(text), false);
		free(text);
		mime_field_addresses(m, names[i], &a);
	}
	for (size_t i = 0; i < a.n; i++) {
		char *text = mime_address_text(&a.list[i]);

		check_text(text, strlen(text), false);
		free(text);
	}
	mime_addresses_free(&a);
	(void)mime_date(m, &date);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct mime *m;
	size_t len;
	char *text;

	if (fd == -1 || write(fd, data, size) != (ssize_t)size || (m = mime_open_file(fd)) == NULL)
		abort();
	if (mime_n_parts(m) == 0 || mime_n_parts(m) > MIME_PARTS_MAX)
		abort();
	for (size_t i = 0; i < mime_n_parts(m); i++)
		check_part(m, i, size);
	check_header(m);
	if ((text = mime_text(m, 3000, true, &len, NULL)) == NULL || len > 3000)
		abort();
	check_text(text, len, true);
	free(text);
	mime_free(&m);
	close(fd);
	return 0;
}
