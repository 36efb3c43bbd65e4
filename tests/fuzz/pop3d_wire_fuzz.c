/*
 * Any bytes as a message, whole and in two pieces: the outcome is the same, and it is one answer:
 * its only line with a single dot would be the one that follows it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "pop3d/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct output {
	char *at;
	size_t len;
};

static void
put(void *arg, struct span bytes)
{
	struct output *out = arg;

	memcpy(out->at + out->len, bytes.at, bytes.len);
	out->len += bytes.len;
}

/* The first byte says how many lines of the body are wanted, or all. */
static struct output
send_message(struct span in, size_t cut, uint8_t lines)
{
	struct output out = {xmalloc(2 * in.len + 5), 0};
	struct wire w;

	if (lines < 128)
		wire_start_top(&w, lines);
	else
		wire_start(&w);
	wire_feed(&w, (struct span){in.at, cut}, put, &out);
	wire_feed(&w, (struct span){in.at + cut, in.len - cut}, put, &out);
	wire_finish(&w, put, &out);
	memcpy(out.at + out.len, ".\r\n", 3);
	out.len += 3;
	return out;
}

/* Every line ends with CR LF, and the first one with a dot alone is the last. */
static void
check(struct output out)
{
	size_t line = 0;

	for (size_t i = 0; i < out.len; i++) {
		if (out.at[i] != '\n')
			continue;
		if (i == line || out.at[i - 1] != '\r')
			abort();
		if (out.at[line] == '.' && i == line + 2 && i + 1 != out.len)
			abort();
		if (out.at[line] == '.' && i != line + 2 && out.at[line + 1] != '.')
			abort();
		line = i + 1;
	}
	if (line != out.len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t lines = size ? data[0] : 0;
	struct span in = {(const char *)data + (size > 0), size - (size > 0)};
	struct output a = send_message(in, 0, lines),
		      b = send_message(in, in.len ? in.at[0] % in.len : 0, lines);

	if (a.len != b.len || memcmp(a.at, b.at, a.len) != 0)
		abort();
	check(a);
	free(a.at);
	free(b.at);
	return 0;
}
