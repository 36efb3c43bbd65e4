/*
 * What was counted, for the administration's pages and for monitors. Writes log/stats.json.
 */
#include "master/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/write_all.h"
#include "master/certificates.h"
#include "master/counted.h"
#include "master/process.h"
#include "master/status.h"
#include "master/totals.h"

enum { SAMPLE_S = 60, KEEP_S = 300, KEPT_MAX_BYTES = 256 * 1024 };

struct stats {
	struct supervisor *supervisor;
	struct counted counted;
	struct traffic traffic;
	struct totals totals;
	uint64_t kept_us; /* when it was written last */
	struct event *sample;
};

struct question {
	struct stats *stats;
	stats_cb cb; /* NULL: only a sample */
	void *arg;
};

/* ---- kept over a restart ---- */

static void
kept_path(const struct stats *st, const char *suffix, char out[PATH_MAX + 32])
{
	snprintf(out, PATH_MAX + 32, "%s/log/stats.json%s", st->supervisor->instance->root, suffix);
}

static void
restore(struct stats *st)
{
	char path[PATH_MAX + 32];
	struct stat found;
	json_t *doc;

	kept_path(st, "", path);
	if (lstat(path, &found) == -1 || !S_ISREG(found.st_mode) || found.st_size > KEPT_MAX_BYTES)
		return;
	doc = json_load_file(path, 0, NULL);
	traffic_restore(&st->traffic, json_object_get(doc, "traffic"), time(NULL));
	totals_restore(&st->totals, json_object_get(doc, "totals"));
	st->totals.changed = false;
	json_decref(doc);
}

/* Whole, or not at all: what was kept before stays then. */
static int
write_kept(struct stats *st, const char *text)
{
	char path[PATH_MAX + 32], new[PATH_MAX + 32];
	int fd, rv = -1;

	kept_path(st, "", path);
	kept_path(st, ".new", new);
	(void)unlink(new);
	if ((fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640)) != -1 &&
	    write_all(fd, text, strlen(text)) == 0 && fsync(fd) == 0)
		rv = rename(new, path);
	closefd(&fd);
	return rv;
}

static void
keep(struct stats *st)
{
	json_t *doc = json_pack("{s:o, s:O}", "traffic", traffic_describe(&st->traffic, time(NULL)),
	    "totals", st->totals.doc);
	char *text = json_dumps(doc, JSON_COMPACT);

	if (text == NULL || write_kept(st, text) == -1)
		log_warn("cannot keep log/stats.json: %s", strerror(errno));
	st->totals.changed = false;
	st->kept_us = monotonic_us();
	free(text);
	json_decref(doc);
}

/* ---- counting ---- */

static void
on_counted(void *arg, const char *program, const char *counter, uint64_t n, int64_t since)
{
	struct stats *st = arg;

	traffic_count(&st->traffic, program, counter, n, time(NULL));
	totals_count(&st->totals, program, counter, n, since);
}

void
stats_note(struct stats *st, json_t *document)
{
	counted_add(
	    &st->counted, json_object_get(document, "programs"), time(NULL), on_counted, st);
	json_object_set(document, "totals", st->totals.doc);
}

bool
stats_on_counters(struct stats *st, const struct process *p, struct reader *r)
{
	struct span text = get_str(r, IPC_MESSAGE_MAX_BYTES);
	json_t *counters = get_end(r) == 0 ? json_loadb(text.at, text.len, 0, NULL) : NULL;
	json_t *program;

	if (!json_is_object(counters)) {
		json_decref(counters);
		return false;
	}
	program = json_pack("{s:s, s:i, s:I, s:o}", "name", p->program->name, "pid", (int)p->pid,
	    "uptime_s", (json_int_t)((monotonic_us() - p->started_us) / 1000000), "counters",
	    counters);
	counted_add_one(&st->counted, program, time(NULL), on_counted, st);
	json_decref(program);
	return true;
}

/* ---- disks ---- */

static void
add_disk(json_t *list, const char *what, const char *path)
{
	struct statvfs fs;

	if (statvfs(path, &fs) == 0)
		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:I, s:I}", "what", what, "path",
			json_text(span_of(path)), "total", (json_int_t)(fs.f_blocks * fs.f_frsize),
			"free", (json_int_t)(fs.f_bavail * fs.f_frsize)));
}

static json_t *
describe_disks(const struct instance *in)
{
	char logs[PATH_MAX + 8];
	json_t *list = json_array();

	snprintf(logs, sizeof logs, "%s/log", in->root);
	add_disk(list, "mail", config_text(in->config, "mail", "Mail Directory"));
	add_disk(list, "spool", config_text(in->config, "smtpd", "Spool Directory"));
	add_disk(list, "logs", logs);
	return list;
}

/* ---- questions ---- */

static void
on_status(void *arg, json_t *document)
{
	struct question *q = arg;
	struct stats *st = q->stats;
	const struct instance *in = st->supervisor->instance;
	json_t *running = json_object_get(document, "programs");

	stats_note(st, document);
	if (q->cb != NULL)
		q->cb(q->arg, json_pack("{s:o, s:O, s:o, s:o, s:O}", "traffic",
				  traffic_describe(&st->traffic, time(NULL)), "totals",
				  st->totals.doc, "disk", describe_disks(in), "certificates",
				  certificates_describe(in->config, true), "programs", running));
	else if (st->totals.changed && monotonic_us() - st->kept_us >= KEEP_S * 1000000ULL)
		keep(st);
	json_decref(document);
	free(q);
}

void
stats_collect(struct stats *st, stats_cb cb, void *arg)
{
	struct question *q = xmalloc(sizeof *q);

	*q = (struct question){st, cb, arg};
	status_collect(st->supervisor, on_status, q);
}

static void
on_sample(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	stats_collect(arg, NULL, NULL);
}

/* ---- life ---- */

struct stats *
stats_new(struct supervisor *s)
{
	const struct timeval each = {SAMPLE_S, 0};
	struct stats *st = xcalloc(1, sizeof *st);

	st->supervisor = s;
	st->kept_us = monotonic_us();
	totals_init(&st->totals);
	restore(st);
	st->sample = event_new(s->base, -1, EV_PERSIST, on_sample, st);
	event_add(st->sample, &each);
	return st;
}

void
stats_free(struct stats **stp)
{
	struct stats *st = *stp;

	if (st == NULL)
		return;
	*stp = NULL;
	keep(st);
	event_free(st->sample);
	counted_clear(&st->counted);
	totals_clear(&st->totals);
	free(st);
}
