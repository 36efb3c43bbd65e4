/*
 * A message from its file to the line. Messages of ours need nothing but a dot now and then, so
 * whole runs of lines pass as they are.
 */
#include "pop3d/wire.h"

#include <string.h>

void
wire_start(struct wire *w)
{
	*w = (struct wire){0};
}

void
wire_start_top(struct wire *w, uint64_t body_lines)
{
	*w = (struct wire){.limited = true, .lines_left = body_lines};
}

static void
put_between(const char *from, const char *to, wire_put put, void *arg)
{
	if (to > from)
		put(arg, (struct span){from, to - from});
}

/* A line of a limited message has ended. The blank one ends the header. */
static void
count_line(struct wire *w, bool blank)
{
	if (w->in_body)
		w->lines_left--;
	else
		w->in_body = blank;
	w->ended = w->in_body && w->lines_left == 0;
}

/* Where the current line ends: its LF, or NULL. */
static const char *
end_of_line(struct wire *w, const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', end - at);
	const char *stop = lf != NULL ? lf : end;

	if (stop > at)
		w->after_cr = stop[-1] == '\r';
	w->line += stop - at;
	return lf;
}

void
wire_feed(struct wire *w, struct span in, wire_put put, void *arg)
{
	const char *at = in.at, *end = at + in.len, *run = at, *lf;

	while (at < end && !w->ended) {
		if (w->line == 0 && *at == '.') {
			put_between(run, at, put, arg);
			put(arg, (struct span){".", 1});
			run = at;
		}
		if ((lf = end_of_line(w, at, end)) == NULL) {
			at = end;
			break;
		}
		if (!w->after_cr) {
			put_between(run, lf, put, arg);
			put(arg, (struct span){"\r\n", 2});
			run = lf + 1;
		}
		if (w->limited)
			count_line(w, w->line == w->after_cr);
		w->line = 0;
		w->after_cr = false;
		at = lf + 1;
	}
	put_between(run, at, put, arg);
}

void
wire_finish(struct wire *w, wire_put put, void *arg)
{
	if (w->line > 0)
		put(arg, (struct span){"\r\n", 2});
	w->line = 0;
	w->ended = true;
}
