/*
 * A multi-line reply of POP3: the same text and the same end however the bytes are cut, and the
 * end is the first CRLF.CRLF.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fetcher/pop3_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct read {
	char *text;
	size_t len, used;
	bool ended;
};

static void
read_all(const char *at, size_t size, size_t step, struct read *out)
{
	struct pop3_body body = {0};

	*out = (struct read){.text = malloc(size + 1)};
	if (out->text == NULL)
		abort();
	while (out->used < size && !body.ended) {
		size_t some = size - out->used < step ? size - out->used : step;
		struct span bytes = {at + out->used, some}, piece;

		while ((piece = pop3_body_take(&body, &bytes)).len > 0) {
			if (piece.len > size - out->len)
				abort();
			memcpy(out->text + out->len, piece.at, piece.len);
			out->len += piece.len;
		}
		if (!body.ended && bytes.len > 0)
			abort();
		out->used += some - bytes.len;
	}
	out->ended = body.ended;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = size ? (const char *)data : "";
	const char *end =
	    size >= 3 && memcmp(at, ".\r\n", 3) == 0 ? at : memmem(at, size, "\r\n.\r\n", 5);
	size_t wanted = end == NULL ? size : end == at && *at == '.' ? 3 : (size_t)(end - at) + 5;
	struct read a, b;

	read_all(at, size, SIZE_MAX, &a);
	read_all(at, size, 1, &b);
	if (a.len != b.len || memcmp(a.text, b.text, a.len) != 0 || a.used != b.used ||
	    a.ended != b.ended)
		abort();
	if (a.ended != (end != NULL) || a.used != wanted)
		abort();
	free(a.text);
	free(b.text);
	return 0;
}
