/*
 * The logs for sessions: what was said last, read in portions between other events, and what is
 * said from now on, which passes through our hands anyway.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/wall_clock.h"
#include "master/control_private.h"
#include "master/ctl_logs.h"
#include "master/log_scan.h"
#include "master/logfile.h"
#include "master/programs.h"

enum {
	LINES_PRESET = 200,
	SCANS_MAX = 8,
	FOLLOWS_MAX = 8, /* of a session: with one more the oldest ends */
	FOLLOWS_IN_ALL_MAX = 100,
	GATHER_MS = 100,
	SKIPPED_MS = 1000,
	PART_MAX_BYTES = 8000, /* of texts, which may get six times as long in JSON */
	UNREAD_MAX_BYTES = 1024 * 1024
};

/* ---- which programs ---- */

static bool
is_program(const char *name)
{
	for (size_t i = 0; i < n_programs; i++)
		if (strcmp(programs[i].name, name) == 0)
			return true;
	return strcmp(name, "master") == 0;
}

void
control_logs(struct request *q, const char *const *words, size_t n)
{
	struct log_names names;
	json_t *list = json_array();

	(void)words, (void)n;
	if (log_names_read(&names, request_supervisor(q)->instance->root, NULL, false) == -1) {
		json_decref(list);
		request_fail(q, EX_IOERR, "log: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.items[i];

		json_array_append_new(list, json_stringn(name, strstr(name, ".log") - name));
	}
	log_names_free(&names);
	request_answer(q, 0, json_pack("{s:o}", "programs", list));
}

/* ---- what was said ---- */

struct reading {
	struct request *request;
	struct log_scan *scan;
	struct event *next;
};
static unsigned n_readings;

static void
end_reading(struct reading *r)
{
	n_readings--;
	event_free(r->next);
	log_scan_free(&r->scan);
	free(r);
}

static void
on_reader_gone(struct request *q)
{
	end_reading(q->state);
	request_end(q);
}

/* One portion, and then whatever else is to be done. */
static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval now;
	struct reading *r = arg;
	struct request *q = r->request;
	json_t *lines;

	(void)fd, (void)what;
	if (log_scan_step(r->scan)) {
		evtimer_add(r->next, &now);
		return;
	}
	lines = log_scan_result(r->scan);
	end_reading(r);
	request_answer(q, 0, json_pack("{s:o}", "lines", lines));
}

static void
begin_reading(struct request *q, const char *program, size_t lines, const char *filter)
{
	static const struct timeval now;
	struct supervisor *s = request_supervisor(q);
	struct log_scan *scan;
	struct reading *r;

	if (n_readings == SCANS_MAX) {
		request_fail(q, EX_TEMPFAIL, "the logs are read by too many just now");
		return;
	}
	if ((scan = log_scan_new(s->instance->root, program, lines, filter)) == NULL) {
		request_fail(q, EX_IOERR, "log: %s", strerror(errno));
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->request = q;
	r->scan = scan;
	r->next = evtimer_new(s->base, on_next, r);
	n_readings++;
	request_lasts(q, on_reader_gone, r);
	evtimer_add(r->next, &now);
}

/* ---- what is being said ---- */

struct follow {
	struct follow *next; /* of all */
	struct request *request;
	char *program, *filter; /* program NULL: all */
	json_t *lines;
	size_t bytes;	  /* of their texts */
	uint64_t skipped; /* since its client does not read as fast */
	struct event *gather;
};
static struct follow *follows;

static void
end_follow(struct follow *f)
{
	struct follow **at = &follows;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (follows == NULL)
		logfile_listen(NULL, NULL);
	event_free(f->gather);
	json_decref(f->lines);
	free(f->program);
	free(f->filter);
	free(f);
}

static void
on_follower_gone(struct request *q)
{
	end_follow(q->state);
	request_end(q);
}

static void
send_lines(struct follow *f)
{
	json_t *doc = json_pack("{s:o}", "lines", f->lines);
	char *text = json_dumps(doc, JSON_COMPACT);

	f->lines = json_array();
	f->bytes = 0;
	json_decref(doc);
	if (text != NULL)
		request_send(f->request, 0, true, span_of(text));
	free(text);
}

static bool
is_behind(const struct follow *f)
{
	const struct ipc_channel *ch = f->request->client->channel;

	return ch == NULL || ipc_channel_waiting(ch) > UNREAD_MAX_BYTES;
}

static void
gather_in(struct follow *f, unsigned ms)
{
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	evtimer_add(f->gather, &wait);
}

static void
tell_skipped(struct follow *f)
{
	char text[80];

	snprintf(text, sizeof text, "warn: %llu lines are left out here",
	    (unsigned long long)f->skipped);
	f->skipped = 0;
	json_array_append_new(
	    f->lines, log_scan_describe(span_of("master"), wall_clock_now(), span_of(text)));
}

static void
on_gather(evutil_socket_t fd, short what, void *arg)
{
	struct follow *f = arg;

	(void)fd, (void)what;
	if (f->skipped > 0 && !is_behind(f))
		tell_skipped(f);
	if (json_array_size(f->lines) > 0)
		send_lines(f);
	if (f->skipped > 0)
		gather_in(f, SKIPPED_MS);
}

static void
add_line(struct follow *f, const char *program, uint64_t time_us, struct span line)
{
	if (f->skipped > 0 || is_behind(f)) {
		f->skipped++;
	} else {
		json_array_append_new(f->lines, log_scan_describe(span_of(program), time_us, line));
		f->bytes += line.len;
	}
	if (f->bytes > PART_MAX_BYTES)
		send_lines(f);
	else if (!evtimer_pending(f->gather, NULL))
		gather_in(f, GATHER_MS);
}

static void
on_line(void *arg, const char *program, uint64_t time_us, struct span line)
{
	(void)arg;
	for (struct follow *f = follows; f != NULL; f = f->next)
		if ((f->program == NULL || strcmp(f->program, program) == 0) &&
		    span_holds_nocase(line, f->filter))
			add_line(f, program, time_us, line);
}

/* The last part, which says nothing. */
static void
stop_follow(struct follow *f)
{
	struct request *q = f->request;

	end_follow(f);
	request_answer(q, 0, json_pack("{s:[]}", "lines"));
}

/* follows has the newest first. */
static void
make_room(const struct client *cl)
{
	struct follow *oldest = NULL;
	unsigned n = 0;

	for (struct follow *f = follows; f != NULL; f = f->next)
		if (f->request->client == cl) {
			oldest = f;
			n++;
		}
	if (n >= FOLLOWS_MAX)
		stop_follow(oldest);
}

static unsigned
count_follows(void)
{
	unsigned n = 0;

	for (const struct follow *f = follows; f != NULL; f = f->next)
		n++;
	return n;
}

static void
begin_follow(struct request *q, const char *program, const char *filter)
{
	struct follow *f;

	make_room(q->client);
	if (count_follows() >= FOLLOWS_IN_ALL_MAX) {
		request_fail(q, EX_TEMPFAIL, "the logs are followed by too many just now");
		return;
	}
	f = xcalloc(1, sizeof *f);
	*f = (struct follow){.next = follows, .request = q, .lines = json_array()};
	f->program = program != NULL ? xstrdup(program) : NULL;
	f->filter = xstrdup(filter);
	f->gather = evtimer_new(request_supervisor(q)->base, on_gather, f);
	follows = f;
	logfile_listen(on_line, NULL);
	request_lasts(q, on_follower_gone, f);
	send_lines(f); /* it has begun */
}

static void
unfollow(struct request *q, const char *word)
{
	const struct client *cl = q->client;
	uint64_t tag;

	if (!span_u64(span_of(word), UINT64_MAX, &tag)) {
		request_fail(q, EX_USAGE, "right is log unfollow TAG");
		return;
	}
	for (struct follow *f = follows; f != NULL; f = f->next)
		if (f->request->client == cl && f->request->tag == tag) {
			stop_follow(f);
			break;
		}
	request_answer(q, 0, json_object());
}

/* ---- words ---- */

struct wish {
	const char *program, *filter;
	uint64_t lines;
};

/* PROGRAM|all lines=N filter=TEXT */
static bool
read_wish(struct wish *w, const char *const *words, size_t n)
{
	*w = (struct wish){.filter = "", .lines = LINES_PRESET};
	if (n == 0)
		return false;
	if (strcmp(words[0], "all") != 0)
		w->program = words[0];
	if (w->program != NULL && (strchr(w->program, '/') != NULL || !is_program(w->program)))
		return false;
	for (size_t i = 1; i < n; i++)
		if (strncmp(words[i], "filter=", 7) == 0)
			w->filter = words[i] + 7;
		else if (strncmp(words[i], "lines=", 6) != 0 ||
			 !span_u64(span_of(words[i] + 6), LOG_SCAN_LINES_MAX, &w->lines))
			return false;
	return true;
}

void
control_log(struct request *q, const char *const *words, size_t n)
{
	bool follow = n > 1 && strcmp(words[1], "follow") == 0;
	struct wish w;

	if (n == 3 && strcmp(words[1], "unfollow") == 0)
		unfollow(q, words[2]);
	else if (!read_wish(&w, words + 1 + follow, n - 1 - follow))
		request_fail(q, EX_USAGE,
		    "right is log [follow] PROGRAM|all [lines=N] [filter=TEXT], log unfollow TAG "
		    "or log "
		    "rotate");
	else if (follow)
		begin_follow(q, w.program, w.filter);
	else
		begin_reading(q, w.program, w.lines, w.filter);
}
