/*
 * What an IMAP server says, as tokens: the same ones however the bytes are cut, literals as long as
 * they said, and no byte read twice. And names of folders, there and back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetcher/remote.h"
#include "tests/unit/fetcher_imap_reader_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed_consume(void *arg, size_t n)
{
	struct feed *f = arg;

	if (n > f->left || n > f->step)
		abort();
	feed_skip(f, n);
}

/* FNV-1a, over what was read. */
static void
mix(uint64_t *sum, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		*sum = (*sum ^ p[i]) * 1099511628211u;
}

/* Returns the sum of all tokens up to where nothing more can be read; skips are one of ours. */
static uint64_t
read_all(struct span all, size_t step, bool skip)
{
	static struct imap_reader d;
	struct feed f = {all.at, all.len, step};
	struct imap_source source = {feed_bytes, feed_consume, &f};
	uint64_t sum = 14695981039346656037u;
	struct imap_token t;
	struct span piece;

	imap_reader_init(&d, &source);
	imap_response(&d);
	while (imap_next(&d, &t) == 0) {
		uint64_t got = 0;

		mix(&sum, &t.kind, sizeof t.kind);
		if (t.kind == IMAP_ATOM || t.kind == IMAP_QUOTED) {
			if (t.text.len > IMAP_TOKEN_MAX_BYTES)
				abort();
			mix(&sum, t.text.at, t.text.len);
		}
		if (t.kind == IMAP_END)
			imap_response(&d);
		if (skip) {
			if (imap_skip_value(&d, &t) == -1)
				break;
			continue;
		}
		while (t.kind == IMAP_LITERAL) {
			if (imap_literal(&d, &piece) == -1)
				return sum;
			if (piece.len == 0) {
				if (got != t.size)
					abort();
				break;
			}
			got += piece.len;
			mix(&sum, piece.at, piece.len);
		}
		if (t.kind == IMAP_OPEN && imap_rest(&d, &piece) == 0)
			mix(&sum, piece.at, piece.len);
	}
	return sum;
}

static void
names(struct span text)
{
	char name[REMOTE_FOLDER_SIZE], back[REMOTE_FOLDER_SIZE];

	remote_folder_show(text, back);
	if (!remote_folder_spell(text, name))
		return;
	for (const char *at = name; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			abort();
	remote_folder_show(span_of(name), back);
	if (!span_is(text, back))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = {size ? (const char *)data : "", size};
	uint64_t whole = read_all(all, SIZE_MAX, false);

	if (read_all(all, 1, false) != whole || read_all(all, 7, false) != whole)
		abort();
	if (read_all(all, SIZE_MAX, true) != read_all(all, 3, true))
		abort();
	names(all);
	return 0;
}
