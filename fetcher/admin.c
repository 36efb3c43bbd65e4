/*
 * sambarctl fetch: list, now, test, dry-run, forget. Answers when it is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "fetcher/server.h"

static const char *const ends[] = {
    "ok", "no folder", "failed for now", "to be mended", "login refused", "stopped"};

json_t *
schedule_describe_counts(const struct run_counts *c)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "listed",
	    (json_int_t)c->listed, "fresh", (json_int_t)c->fresh, "new", (json_int_t)c->taken,
	    "before", (json_int_t)c->before, "too_large", (json_int_t)c->large, "left",
	    (json_int_t)c->not_kept, "refused", (json_int_t)c->refused, "bytes",
	    (json_int_t)c->bytes);
}

/* ---- list ---- */

static const char *
state_of(const struct section *s)
{
	if (s->conf->missing != NULL)
		return "incomplete";
	if (s->collecting)
		return "collecting";
	if (s->run != NULL)
		return "waiting for news";
	return s->next_us != 0 ? "planned" : "manual";
}

static json_t *
describe(const struct section *s)
{
	uint64_t next = schedule_next_s(s);
	json_t *doc = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:i}", "name", s->conf->name,
	    "protocol", s->conf->protocol == REMOTE_IMAP ? "imap" : "pop3", "server", s->conf->host,
	    "port", (int)s->conf->port, "user", s->conf->user, "state", state_of(s), "failures",
	    (int)s->failures);

	if (s->conf->missing != NULL)
		json_object_set_new(doc, "missing", json_string(s->conf->missing));
	json_object_set_new(doc, "next", next == 0 ? json_null() : json_integer(next));
	json_object_set_new(doc, "last", s->has_last ? json_integer(s->last_s) : json_null());
	if (s->has_last) {
		json_object_set_new(doc, "end", json_string(ends[s->last.end]));
		json_object_set_new(doc, "why", json_string(log_printable(span_of(s->last_why))));
		json_object_set_new(
		    doc, "left_why", json_string(log_printable(span_of(s->last_left_why))));
		json_object_set_new(doc, "counts", schedule_describe_counts(&s->last.counts));
	}
	if (s->collecting && s->run != NULL)
		json_object_set_new(doc, "so_far", schedule_describe_counts(run_counts(s->run)));
	return doc;
}

static void
list(struct fetcher *f, uint64_t tag, const char *name)
{
	json_t *all = json_array();

	(void)name;
	for (const struct section *s = f->sections; s != NULL; s = s->next)
		if (!s->gone)
			json_array_append_new(all, describe(s));
	role_admin_reply(f->role, tag, 0, json_pack("{s:o}", "sections", all));
}

/* ---- now ---- */

void
admin_cut_off(struct asker **ap)
{
	struct asker *a = *ap;

	*ap = NULL;
	if (a == NULL || --a->waiting > 0)
		return;
	role_admin_reply(a->fetcher->role, a->tag, 0, json_pack("{s:o}", "sections", a->results));
	free(a);
}

void
admin_hear(struct asker *a, const struct section *s)
{
	json_array_append_new(a->results, describe(s));
	admin_cut_off(&a);
}

static void
now(struct fetcher *f, uint64_t tag, const char *name)
{
	struct asker *a = xcalloc(1, sizeof *a);

	a->fetcher = f;
	a->tag = tag;
	a->waiting = 1; /* ourselves, so that it is not answered before all were asked */
	a->results = json_array();
	for (struct section *s = f->sections, *next; s != NULL; s = next) {
		next = s->next;
		if (s->gone || s->conf->missing != NULL ||
		    (name != NULL && strcmp(name, s->conf->name) != 0))
			continue;
		a->waiting++;
		schedule_now(s, a);
	}
	admin_cut_off(&a);
}

/* ---- test, dry-run ---- */

struct check {
	struct fetcher *fetcher;
	uint64_t tag;
	struct run *run;
};

static void
on_checked(void *arg, const struct run_outcome *outcome)
{
	struct check *c = arg;
	json_t *doc = json_incref(outcome->details);
	int code = outcome->end == REMOTE_OK	      ? 0
		   : outcome->end == REMOTE_TEMPORARY ? EX_TEMPFAIL
						      : EX_UNAVAILABLE;

	json_object_set_new(doc, "end", json_string(ends[outcome->end]));
	json_object_set_new(doc, "why", json_string(log_printable(span_of(outcome->why))));
	json_object_set_new(doc, "counts", schedule_describe_counts(&outcome->counts));
	json_object_set_new(doc, "code", json_integer(code));
	role_admin_reply(c->fetcher->role, c->tag, 0, doc);
	run_free(&c->run);
	c->fetcher->n_checks--;
	free(c);
}

static const struct run_ops check_ops = {NULL, on_checked};

static void
check(struct fetcher *f, uint64_t tag, struct section *s, enum fetch_mode mode)
{
	struct check *c = xcalloc(1, sizeof *c);

	c->fetcher = f;
	c->tag = tag;
	c->run = run_new(&f->means, s->conf, mode, false, &check_ops, c);
	if (c->run == NULL) {
		role_admin_error(
		    f->role, tag, EX_OSERR, "no process can be started: %s", strerror(errno));
		free(c);
		return;
	}
	f->n_checks++;
}

static void
test(struct fetcher *f, uint64_t tag, const char *name)
{
	check(f, tag, schedule_find(f, name), FETCH_TEST);
}

static void
dry_run(struct fetcher *f, uint64_t tag, const char *name)
{
	check(f, tag, schedule_find(f, name), FETCH_DRY_RUN);
}

/* ---- forget ---- */

struct forgetting {
	struct job job; /* first */
	struct fetcher *fetcher;
	uint64_t tag, n;
	bool is_section;
	char name[FETCH_NAME_MAX_BYTES + 1];
	int rv;
};

static void
forget_work(struct job *job)
{
	struct forgetting *w = (struct forgetting *)job;

	w->rv = seen_forget(w->fetcher->means.seen, w->name, &w->n);
}

static void
forget_done(struct job *job)
{
	struct forgetting *w = (struct forgetting *)job;

	if (w->rv == 0 && w->n == 0 && !w->is_section) {
		role_admin_error(w->fetcher->role, w->tag, EX_DATAERR,
		    "there is no [fetch %s], and nothing is kept of one",
		    log_printable(span_of(w->name)));
	} else if (w->rv == 0) {
		log_info("- forgotten section=%s n=%llu", log_safe(span_of(w->name)),
		    (unsigned long long)w->n);
		role_admin_reply(
		    w->fetcher->role, w->tag, 0, json_pack("{s:I}", "forgotten", (json_int_t)w->n));
	} else {
		role_admin_error(
		    w->fetcher->role, w->tag, EX_IOERR, "the seen-list cannot be written");
	}
	free(w);
}

/* Also of a section that is no longer configured. */
static void
forget(struct fetcher *f, uint64_t tag, const char *name)
{
	const struct section *s = schedule_find(f, name);
	struct forgetting *w;

	if (s != NULL && s->collecting) {
		role_admin_error(
		    f->role, tag, EX_TEMPFAIL, "[fetch %s] is being collected: later", name);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->fetcher = f;
	w->tag = tag;
	w->is_section = s != NULL && !s->gone;
	strlcpy(w->name, name, sizeof w->name);
	w->job.work = forget_work;
	w->job.done = forget_done;
	worker_push(f->means.worker, &w->job, false);
}

/* ---- all ---- */

void
admin_handle(struct role *role, uint64_t tag, char **words, size_t n)
{
	static const struct {
		const char *word;
		bool named, must_be; /* takes a name; there must be such a section */
		void (*run)(struct fetcher *f, uint64_t tag, const char *name);
	} verbs[] = {{"list", false, false, list}, {"now", false, false, now},
	    {"now", true, true, now}, {"test", true, true, test}, {"dry-run", true, true, dry_run},
	    {"forget", true, false, forget}};
	struct fetcher *f = role->arg;
	const struct section *s;

	for (size_t i = 0; n >= 2 && i < nitems(verbs); i++) {
		if (strcmp(verbs[i].word, words[1]) != 0 || (n == 3) != verbs[i].named || n > 3)
			continue;
		s = n == 3 ? schedule_find(f, words[2]) : NULL;
		if (f->draining)
			role_admin_error(role, tag, EX_TEMPFAIL, "fetcher is about to end");
		else if (verbs[i].must_be && (s == NULL || s->gone))
			role_admin_error(role, tag, EX_DATAERR, "there is no [fetch %s]",
			    log_printable(span_of(words[2])));
		else if (verbs[i].must_be && s->conf->missing != NULL)
			role_admin_error(role, tag, EX_CONFIG,
			    "[fetch %s] is not collected: it has no %s", s->conf->name,
			    s->conf->missing);
		else
			verbs[i].run(f, tag, n == 3 ? words[2] : NULL);
		return;
	}
	role_admin_error(role, tag, EX_USAGE, "unknown request");
}
