/*
 * When each section is collected: at the start, then by its Interval; after failures later, and
 * later each time. Timers are those of the monotonic clock: that somebody sets the time moves
 * nothing. Only what was planned before a restart is known by the time of day.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/wall_clock.h"
#include "fetcher/state.h"

enum {
	RETRY_FIRST_S = 60,	   /* after a failure that may pass */
	RETRY_MAX_S = 3600,	   /* or the Interval, if that is longer */
	HOPELESS_MAX_S = 24 * 3600 /* after one that somebody must mend */
};

static void start(struct section *s);

static uint64_t
now_s(void)
{
	return wall_clock_now() / 1000000;
}

struct section *
schedule_find(struct fetcher *f, const char *name)
{
	for (struct section *s = f->sections; s != NULL; s = s->next)
		if (strcmp(s->conf->name, name) == 0)
			return s;
	return NULL;
}

/* ---- the next time ---- */

static void
plan(struct section *s, uint64_t seconds)
{
	struct timeval wait = {seconds, 0};

	evtimer_add(s->timer, &wait);
	s->next_us = monotonic_us() + seconds * 1000000;
}

static uint64_t
doubled(uint64_t first, unsigned times, uint64_t max)
{
	uint64_t seconds = first;

	while (times-- > 1 && seconds < max)
		seconds *= 2;
	return seconds < max ? seconds : max;
}

static uint64_t
wait_s(const struct section *s)
{
	uint64_t interval = s->conf->interval_s;

	if (s->failures == 0)
		return interval;
	if (s->last.end == REMOTE_TEMPORARY)
		return doubled(interval < RETRY_FIRST_S ? interval : RETRY_FIRST_S, s->failures,
		    interval > RETRY_MAX_S ? interval : RETRY_MAX_S);
	return doubled(
	    interval, s->failures, interval > HOPELESS_MAX_S ? interval : HOPELESS_MAX_S);
}

static void
plan_next(struct section *s)
{
	evtimer_del(s->timer);
	s->next_us = 0;
	if (s->gone || s->fetcher->draining)
		return;
	if (s->wanted_again) {
		s->wanted_again = false;
		start(s);
	} else if (s->conf->interval_s > 0) {
		plan(s, wait_s(s));
	}
}

/* ---- over a restart ---- */

uint64_t
schedule_next_s(const struct section *s)
{
	uint64_t now = monotonic_us();

	if (s->next_us == 0)
		return 0;
	return now_s() + (s->next_us > now ? (s->next_us - now + 500000) / 1000000 : 0);
}

/* A collection that is cut off by our end is due at once then; that of who only waited for news has
 * been kept. */
static void
keep_state(const struct section *s, bool collected)
{
	if (s->gone)
		return;
	if (!s->fetcher->draining)
		state_keep(s, schedule_next_s(s));
	else if (collected)
		state_keep(s, now_s());
}

/* All of them may wait for news only if a process is left for each. */
static bool
may_wait(const struct fetcher *f)
{
	size_t n = 0;

	for (const struct section *s = f->sections; s != NULL; s = s->next)
		n++;
	return n < f->children_max;
}

/* Neither is what was planned begun anew, nor is anything put off that is over: and however the
 * clock was set, none waits longer than it would have to now. Who waits for news does at once. */
static void
start_or_resume(struct section *s)
{
	uint64_t now = now_s(), most = wait_s(s);

	if (s->due_s <= now || (s->conf->idle && s->failures == 0 && may_wait(s->fetcher)))
		start(s);
	else
		plan(s, s->due_s - now < most ? s->due_s - now : most);
}

/* ---- the end of a collection ---- */

static void
section_free(struct section *s)
{
	for (struct section **at = &s->fetcher->sections; *at != NULL; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	for (size_t i = 0; i < s->n_askers; i++)
		admin_cut_off(&s->askers[i]);
	run_free(&s->run);
	event_free(s->timer);
	section_conf_unref(&s->conf);
	free(s);
}

/* Nothing is under way, and nothing is to be written. */
static bool
is_idle(const struct fetcher *f)
{
	if (worker_load(f->means.worker) > 0)
		return false;
	for (const struct section *s = f->sections; s != NULL; s = s->next)
		if (s->run != NULL)
			return false;
	return true;
}

static void
exit_when_idle(void *arg)
{
	struct fetcher *f = arg;

	if (f->draining && is_idle(f))
		role_exit_when_done(f->role);
}

static void
log_end(const struct section *s, bool failed)
{
	static const char *const ends[] = {
	    "ok", "no-folder", "temporary", "permanent", "login-refused", "stopped"};
	const struct run_counts *c = &s->last.counts;
	uint64_t ms = (monotonic_us() - s->started_us) / 1000;

	(failed ? log_warn : log_info)(
	    "- collected section=%s server=%s end=%s listed=%llu taken=%llu before=%llu "
	    "large=%llu left=%llu refused=%llu bytes=%llu ms=%llu why=\"%s\"",
	    s->conf->name, s->conf->host, ends[s->last.end], (unsigned long long)c->listed,
	    (unsigned long long)c->taken, (unsigned long long)c->before,
	    (unsigned long long)c->large, (unsigned long long)c->not_kept,
	    (unsigned long long)c->refused, (unsigned long long)c->bytes, (unsigned long long)ms,
	    log_safe(span_of(s->last_why)));
}

static void
note_end(struct section *s, const struct run_outcome *outcome)
{
	struct fetcher *f = s->fetcher;
	bool failed;

	s->last = *outcome;
	s->last.details = NULL;
	strlcpy(s->last_why, outcome->why, sizeof s->last_why);
	strlcpy(s->last_left_why, outcome->left_why, sizeof s->last_left_why);
	s->last_s = now_s();
	s->has_last = true;
	s->collecting = false;
	failed = outcome->end != REMOTE_OK && !s->gone && !f->draining;
	s->failures = outcome->end == REMOTE_OK ? 0 : s->failures + failed;
	f->n_taken += outcome->counts.taken;
	f->n_bytes += outcome->counts.bytes;
	f->n_before += outcome->counts.before;
	f->n_failures += failed;
	log_end(s, failed);
}

static void
tell_askers(struct section *s)
{
	size_t n = s->n_askers;

	s->n_askers = 0;
	for (size_t i = 0; i < n; i++)
		admin_hear(s->askers[i], s);
}

static void
on_begin(void *arg)
{
	struct section *s = arg;

	s->collecting = true;
	s->started_us = monotonic_us();
	evtimer_del(s->timer);
	s->next_us = 0;
}

static void
on_done(void *arg, const struct run_outcome *outcome)
{
	struct section *s = arg;
	struct fetcher *f = s->fetcher;
	bool collected = s->collecting;

	note_end(s, outcome);
	if (!outcome->waits)
		run_free(&s->run);
	else if (s->gone || f->draining)
		run_stop(s->run);
	if (!s->wanted_again)
		tell_askers(s);
	if (s->gone && s->run == NULL) {
		section_free(s);
	} else {
		plan_next(s);
		keep_state(s, collected);
	}
	exit_when_idle(f);
}

static const struct run_ops run_ops = {on_begin, on_done};

/* ---- the start ---- */

static void
start(struct section *s)
{
	struct fetcher *f = s->fetcher;
	struct run_outcome failed = {.end = REMOTE_TEMPORARY,
	    .why = "no process can be started that collects",
	    .left_why = ""};

	evtimer_del(s->timer);
	s->next_us = 0;
	s->started_us = monotonic_us();
	if (s->run != NULL && run_waits(s->run)) {
		s->collecting = true;
		run_again(s->run);
		return;
	}
	if (s->run != NULL)
		return;
	s->run = run_new(&f->means, s->conf, FETCH_COLLECT, may_wait(f), &run_ops, s);
	s->collecting = s->run != NULL;
	if (s->run == NULL)
		on_done(s, &failed);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	start(arg);
}

void
schedule_now(struct section *s, struct asker *asker)
{
	if (asker != NULL && s->n_askers == nitems(s->askers)) {
		admin_hear(asker, s); /* as it is */
		return;
	}
	if (asker != NULL)
		s->askers[s->n_askers++] = asker;
	if (s->collecting)
		s->wanted_again = true; /* what has come meanwhile may have been listed, or not */
	else
		start(s);
}

/* ---- sections ---- */

static struct section *
section_new(struct fetcher *f, struct section_conf *conf)
{
	struct section *s = xcalloc(1, sizeof *s);

	s->fetcher = f;
	s->conf = conf;
	if ((s->timer = evtimer_new(f->role->base, on_timer, s)) == NULL)
		fatalx("cannot make a timer");
	s->due_s = state_restore(s);
	return s;
}

/* What is under way is finished first, and then it is freed. */
static void
let_go(struct section *s)
{
	s->gone = true;
	evtimer_del(s->timer);
	s->next_us = 0;
	s->wanted_again = false;
	if (s->run == NULL)
		section_free(s);
	else
		run_stop(s->run);
}

/* Under other settings it is another section, but what became of the last collection is known: also
 * when that is still to be written. */
static void
remember_last(struct section *s, const struct section *old)
{
	while (old != NULL && (!old->has_last || strcmp(old->conf->name, s->conf->name) != 0))
		old = old->next;
	if (old == NULL)
		return;
	s->last = old->last;
	s->last_s = old->last_s;
	s->has_last = true;
	strlcpy(s->last_why, old->last_why, sizeof s->last_why);
	strlcpy(s->last_left_why, old->last_left_why, sizeof s->last_left_why);
}

static void
take_over(struct fetcher *f, struct section_conf *conf, struct section **old, struct section ***end)
{
	struct section *s = NULL;

	for (struct section **at = old; *at != NULL; at = &(*at)->next)
		if (strcmp((*at)->conf->all, conf->all) == 0 && !(*at)->gone &&
		    strcmp((*at)->conf->name, conf->name) == 0) {
			s = *at;
			*at = s->next;
			section_conf_unref(&conf);
			break;
		}
	if (s == NULL) {
		s = section_new(f, conf);
		remember_last(s, *old);
	}
	s->next = NULL;
	**end = s;
	*end = &s->next;
}

static void
start_new_ones(struct fetcher *f)
{
	for (struct section *s = f->sections, *next; s != NULL; s = next) {
		next = s->next;
		if (s->conf->missing == NULL && s->conf->interval_s > 0 && s->run == NULL &&
		    s->next_us == 0 && !s->gone)
			start_or_resume(s);
	}
}

void
schedule_update(struct fetcher *f)
{
	const char **names = section_names(f->role->settings);
	struct section *old = f->sections, **end = &f->sections;

	f->sections = NULL;
	f->children_max = settings_u64(f->role->settings, "limits", "Maximum Fetches");
	for (size_t i = 0; names[i] != NULL; i++)
		take_over(f, section_conf_new(f->role->settings, names[i]), &old, &end);
	free(names);
	*end = old; /* so that each is found when it ends */
	while (old != NULL) {
		struct section *s = old;

		old = s->next;
		let_go(s);
	}
	routing_forget(f->means.routing);
	start_new_ones(f);
}

void
schedule_drain(struct fetcher *f)
{
	f->draining = true;
	worker_on_idle(f->means.worker, exit_when_idle, f);
	for (struct section *s = f->sections; s != NULL; s = s->next) {
		evtimer_del(s->timer);
		if (s->run != NULL)
			run_stop(s->run);
	}
	exit_when_idle(f);
}
