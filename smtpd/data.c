/*
 * The body of a message, byte by byte. Between CR, LF and NUL there are runs of plain bytes, which
 * are copied as a whole.
 */
#include "smtpd/data.h"

#include <string.h>

enum data_state { LINE_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

/* Where what was accepted goes. */
struct output {
	char *at;
	size_t n;
};

void
data_start(struct data *d, bool dots)
{
	*d = (struct data){.state = LINE_START, .dots = dots};
}

void
data_fail(struct data *d, enum data_fault fault)
{
	if (d->fault == DATA_SOUND)
		d->fault = fault;
}

/* How many bytes at the front are neither CR, LF nor NUL: eight at a time. */
static size_t
plain_run(const char *at, size_t len)
{
	const uint64_t ones = UINT64_MAX / 255, limit = '\r' + 1;
	size_t n = 0;

	for (;;) {
		uint64_t word;

		for (; n + sizeof word <= len; n += sizeof word) {
			memcpy(&word, at + n, sizeof word);
			if ((word - ones * limit) & ~word & (ones * 128))
				break; /* at least one byte is a control up to CR */
		}
		for (size_t stop = n + sizeof word; n < len && n < stop; n++)
			if (at[n] == '\r' || at[n] == '\n' || at[n] == '\0')
				return n;
		if (n == len)
			return n;
	}
}

static void
emit(struct data *d, struct output *out, const char *at, size_t n)
{
	d->line += n;
	if (d->line > TEXT_LINE_MAX_BYTES) {
		d->line = TEXT_LINE_MAX_BYTES + 1; /* 100 MB without a line end do not wrap */
		data_fail(d, DATA_LONG_LINE);
	}
	if (d->fault != DATA_SOUND)
		return;
	memcpy(out->at + out->n, at, n);
	out->n += n;
}

/* A byte other than LF comes: was the one before a CR? */
static void
check_cr(struct data *d)
{
	if (d->state == AFTER_CR || d->state == AFTER_DOT_CR)
		data_fail(d, DATA_BARE_CR);
}

/* Returns how many bytes of the run were read: only one when it is a dot to be removed. */
static size_t
take_run(struct data *d, struct output *out, const char *at, size_t n)
{
	if (d->state == LINE_START && d->dots && at[0] == '.') {
		d->state = AFTER_DOT; /* RFC 5321 4.5.2 */
		return 1;
	}
	check_cr(d);
	d->state = IN_LINE;
	emit(d, out, at, n);
	return n;
}

static void
take_cr(struct data *d, struct output *out)
{
	check_cr(d);
	if (d->state == AFTER_DOT) {
		d->state = AFTER_DOT_CR;
		return;
	}
	d->state = AFTER_CR;
	emit(d, out, "\r", 1);
}

static void
take_lf(struct data *d, struct output *out)
{
	switch (d->state) {
	case AFTER_CR:
		emit(d, out, "\n", 1);
		d->state = LINE_START;
		d->line = 0;
		return;
	case AFTER_DOT_CR:
		d->ended = true;
		return;
	default:
		data_fail(d, DATA_BARE_LF);
		d->state = IN_LINE;
	}
}

static void
take_special(struct data *d, struct output *out, char byte)
{
	if (byte == '\r') {
		take_cr(d, out);
	} else if (byte == '\n') {
		take_lf(d, out);
	} else {
		check_cr(d);
		data_fail(d, DATA_NUL);
		d->state = IN_LINE;
	}
}

size_t
data_feed(struct data *d, struct span in, char *out, size_t *written)
{
	struct output to = {out, 0};
	size_t n = 0;

	while (n < in.len && !d->ended) {
		size_t run = plain_run(in.at + n, in.len - n);

		if (run > 0)
			n += take_run(d, &to, in.at + n, run);
		else
			take_special(d, &to, in.at[n++]);
	}
	*written = to.n;
	return n;
}

bool
data_finish(struct data *d)
{
	check_cr(d);
	d->ended = true;
	return d->state == IN_LINE;
}
