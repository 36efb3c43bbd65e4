/*
 * Backups: when one is made, which are kept, and who waits for one. Touches names in backup/.
 */
#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/wall_clock.h"
#include "common/worker.h"
#include "store/backup_make.h"
#include "store/remover.h"

/* A program that was just started may be gone soon. */
enum { FIRST_LOOK_S = 2, RETRY_S = 3600, US_PER_S = 1000000 };

struct backup_keeper {
	struct job job; /* must be first */
	struct backup_run run;
	int mail, directory;
	struct worker *worker;
	struct remover *remover;
	struct wall_clock *clock;
	atomic_bool stop;
	bool daily, running, failed;
	uint64_t n, made_s; /* of those that are there, and of the last one */
	uint64_t retry_us;  /* not before, in wall clock; 0: no attempt has failed */
	backup_made_cb cb;  /* who waits, or NULL */
	void *arg;
};

/* ---- which are kept ---- */

/* What was being made when store was ended, or has been replaced. */
static void
remove_leftovers(struct backup_keeper *k)
{
	DIR *d = directory_read(k->directory, "");
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (backup_is_leftover(e->d_name) && remover_take(k->remover, e->d_name) == -1)
			log_warn("cannot remove %s from backup/: %s", log_safe(span_of(e->d_name)),
			    strerror(errno));
	closedir(d);
	remover_run(k->remover);
}

/* For status, which does not wait for a disk. With remove all but the last ones go, in the order in
 * which they were made: a clock that was wrong takes none away. */
static void
look_through(struct backup_keeper *k, bool remove)
{
	struct backup *list;
	size_t n;

	if (backups_read(k->directory, &list, &n) == -1) {
		log_warn("cannot read backup/: %s", strerror(errno));
		return;
	}
	k->n = n;
	k->made_s = n > 0 ? list[n - 1].made_s : 0;
	for (size_t i = 0; remove && i + BACKUPS_KEPT < n; i++)
		if (remover_take(k->remover, list[i].day) == 0) {
			k->n--;
			log_info("backup removed day=%s", list[i].day);
		} else {
			log_warn(
			    "cannot remove the backup day=%s: %s", list[i].day, strerror(errno));
		}
	free(list);
}

static bool
exists(struct backup_keeper *k, const char *day)
{
	struct backup *list;
	bool found = false;
	size_t n;

	if (backups_read(k->directory, &list, &n) == -1)
		return false;
	for (size_t i = 0; i < n; i++)
		found = found || strcmp(list[i].day, day) == 0;
	free(list);
	return found;
}

/* ---- when ---- */

static uint64_t
next_midnight_us(time_t now)
{
	struct tm tm;
	time_t next;

	if (localtime_r(&now, &tm) == NULL)
		return (uint64_t)(now + RETRY_S) * US_PER_S;
	tm.tm_mday++;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	next = mktime(&tm);
	return (uint64_t)(next > now ? next : now + RETRY_S) * US_PER_S;
}

static void
schedule(struct backup_keeper *k)
{
	uint64_t now_us = wall_clock_now();
	char today[BACKUP_DAY_SIZE];

	if (!k->daily || k->running)
		return;
	backup_day_of(now_us / US_PER_S, today);
	if (exists(k, today)) {
		log_debug("- backup day=%s is there: none is made", today);
		wall_clock_set(k->clock, next_midnight_us(now_us / US_PER_S));
	} else if (k->retry_us > now_us)
		wall_clock_set(k->clock, k->retry_us);
	else
		backup_keeper_make(k, NULL, NULL);
}

/* A clock that was set tells nothing of how long ago an attempt has failed. */
static void
on_alarm(void *arg, bool jumped)
{
	struct backup_keeper *k = arg;

	if (jumped)
		k->retry_us = 0;
	schedule(k);
}

void
backup_keeper_set_daily(struct backup_keeper *k, bool daily)
{
	if (daily && !k->daily)
		wall_clock_set(k->clock, wall_clock_now() + FIRST_LOOK_S * US_PER_S);
	k->daily = daily;
}

/* ---- one is made ---- */

static void
work(struct job *job)
{
	backup_make(&((struct backup_keeper *)job)->run);
}

static void
tell(const struct backup_run *r)
{
	const struct backup *b = &r->made;

	if (r->failed != NULL) {
		log_warn("no backup day=%s: cannot %s: %s", b->day, r->failed, strerror(r->error));
		return;
	}
	log_info("backup day=%s mailboxes=%llu messages=%llu bytes=%llu copied=%llu skipped=%llu "
		 "verified=%s seconds=%llu",
	    b->day, (unsigned long long)b->mailboxes, (unsigned long long)b->messages,
	    (unsigned long long)b->bytes, (unsigned long long)b->copied,
	    (unsigned long long)b->skipped, b->verified ? "yes" : "no",
	    (unsigned long long)b->took_s);
	if (r->odd[0] != '\0')
		log_warn("something in a mailbox is no message, cannot be read or is other than "
			 "its backup mailbox=%s",
		    log_safe(span_of(r->odd)));
}

static void
done(struct job *job)
{
	struct backup_keeper *k = (struct backup_keeper *)job;
	struct backup_run *r = &k->run;
	backup_made_cb cb = k->cb;

	k->running = false;
	k->cb = NULL;
	if (atomic_load(&k->stop))
		return;
	tell(r);
	k->failed = r->failed != NULL;
	k->retry_us = k->failed ? wall_clock_now() + (uint64_t)RETRY_S * US_PER_S : 0;
	if (!k->failed)
		look_through(k, true);
	remove_leftovers(k);
	if (cb != NULL)
		cb(k->arg, k->failed ? NULL : backup_to_json(&r->made), r->failed, r->error);
	schedule(k);
}

void
backup_keeper_make(struct backup_keeper *k, backup_made_cb cb, void *arg)
{
	time_t now = wall_clock_now() / US_PER_S;

	if (k->running) {
		if (cb != NULL)
			cb(arg, NULL, NULL, EBUSY);
		return;
	}
	k->running = true;
	k->cb = cb;
	k->arg = arg;
	k->run = (struct backup_run){.mail = k->mail, .to = k->directory, .stop = &k->stop};
	k->run.made.made_s = now;
	backup_day_of(now, k->run.made.day);
	worker_push(k->worker, &k->job, false);
}

/* ---- life ---- */

struct backup_keeper *
backup_keeper_new(struct event_base *base, int mail, int backup)
{
	struct backup_keeper *k = xcalloc(1, sizeof *k);

	k->job.work = work;
	k->job.done = done;
	k->mail = mail;
	k->directory = directory_open(backup, "");
	if (k->directory == -1)
		fatal("cannot open the directory backup");
	closefd(&backup);
	atomic_init(&k->stop, false);
	k->worker = worker_new(base);
	k->remover = remover_new(k->worker, k->directory);
	k->clock = wall_clock_new(base, on_alarm, k);
	backup_recover(k->directory);
	remove_leftovers(k);
	look_through(k, false);
	return k;
}

void
backup_keeper_free(struct backup_keeper **kp)
{
	struct backup_keeper *k = *kp;

	if (k == NULL)
		return;
	*kp = NULL;
	atomic_store(&k->stop, true);
	worker_free(&k->worker);
	remover_free(&k->remover);
	wall_clock_free(&k->clock);
	closefd(&k->directory);
	free(k);
}

static json_t *
describe_making(struct backup_keeper *k)
{
	const struct backup *b = &k->run.made;

	if (!k->running)
		return json_null();
	/* What the thread does not change. */
	return json_pack("{s:s, s:I, s:I}", "day", b->day, "started", (json_int_t)b->made_s,
	    "mailboxes", (json_int_t)atomic_load(&k->run.done));
}

static json_t *
describe_failure(const struct backup_keeper *k)
{
	if (k->running || !k->failed)
		return json_null();
	return json_sprintf("cannot %s: %s", k->run.failed, strerror(k->run.error));
}

json_t *
backup_keeper_list(struct backup_keeper *k)
{
	json_t *days;
	struct backup *list;
	size_t n;

	if (backups_read(k->directory, &list, &n) == -1)
		return NULL;
	days = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(days, backup_to_json(&list[i]));
	free(list);
	return json_pack("{s:o, s:o, s:o}", "backups", days, "making", describe_making(k), "failed",
	    describe_failure(k));
}

void
backup_keeper_status(struct backup_keeper *k, json_t *counters)
{
	json_object_set_new(counters, "backups", json_integer(k->n));
	if (k->n > 0)
		json_object_set_new(counters, "backup_made_s", json_integer(k->made_s));
	json_object_set_new(counters, "backup_failed", json_integer(k->failed));
}
