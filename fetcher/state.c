/* The state of sections as JSON text. */
#include "fetcher/state.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

/* ---- writing ---- */

struct keeping {
	struct job job; /* first */
	struct seen *seen;
	char *section, *text;
	unsigned char settings[FETCH_DIGEST_BYTES];
	int rv;
};

static void
keep(struct job *job)
{
	struct keeping *k = (struct keeping *)job;

	k->rv = seen_keep_state(k->seen, k->section, k->settings, k->text);
}

static void
on_kept(struct job *job)
{
	struct keeping *k = (struct keeping *)job;

	if (k->rv == -1)
		log_warn("- state not kept section=%s", k->section);
	free(k->section);
	free(k->text);
	free(k);
}

static char *
print(const struct section *s, uint64_t next_s)
{
	json_t *doc = json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "last",
	    (json_int_t)s->last_s, "next", (json_int_t)next_s, "failures", (json_int_t)s->failures,
	    "end", (json_int_t)s->last.end, "why", json_string(log_printable(span_of(s->last_why))),
	    "left_why", json_string(log_printable(span_of(s->last_left_why))), "counts",
	    schedule_describe_counts(&s->last.counts));
	char *text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;

	json_decref(doc);
	return text;
}

void
state_keep(const struct section *s, uint64_t next_s)
{
	struct keeping *k = xcalloc(1, sizeof *k);

	if ((k->text = print(s, next_s)) == NULL) {
		free(k);
		return;
	}
	k->job.work = keep;
	k->job.done = on_kept;
	k->seen = s->fetcher->means.seen;
	k->section = xstrdup(s->conf->name);
	memcpy(k->settings, s->conf->digest, sizeof k->settings);
	worker_push(s->fetcher->means.worker, &k->job, false);
}

/* ---- reading ---- */

static bool
read_counts(json_t *doc, struct run_counts *c)
{
	json_int_t n[8];

	if (json_unpack(doc, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "listed", &n[0], "fresh",
		&n[1], "new", &n[2], "before", &n[3], "too_large", &n[4], "left", &n[5], "refused",
		&n[6], "bytes", &n[7]) != 0)
		return false;
	*c = (struct run_counts){n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]};
	return true;
}

/* False: it is no such document. next: 0 where it was not planned. */
static bool
read_state(json_t *doc, struct section *s, uint64_t *next)
{
	json_int_t last, due = 0, failures, end;
	struct run_outcome outcome = {.why = s->last_why, .left_why = s->last_left_why};
	const char *why, *left_why = "";
	json_t *counts;

	if (json_unpack(doc, "{s:I, s:I, s:I, s:I, s:s, s?:s, s:o}", "last", &last, "next", &due,
		"failures", &failures, "end", &end, "why", &why, "left_why", &left_why, "counts",
		&counts) != 0 ||
	    end < 0 || end > REMOTE_STOPPED || failures < 0 || failures > UINT_MAX || due < 0 ||
	    last < 0 || !read_counts(counts, &outcome.counts))
		return false;
	outcome.end = end;
	s->last = outcome;
	s->last_s = last;
	s->failures = failures;
	s->has_last = true;
	strlcpy(s->last_why, why, sizeof s->last_why);
	strlcpy(s->last_left_why, left_why, sizeof s->last_left_why);
	*next = due;
	return true;
}

uint64_t
state_restore(struct section *s)
{
	bool same = false;
	char *text = seen_state(s->fetcher->means.seen, s->conf->name, s->conf->digest, &same);
	json_t *doc = text != NULL ? json_loads(text, 0, NULL) : NULL;
	uint64_t next = 0;

	if (doc != NULL && read_state(doc, s, &next) && !same)
		next = s->failures = 0; /* new settings are tried at once */
	json_decref(doc);
	free(text);
	return next;
}
