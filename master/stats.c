/*
 * The last day of the instance, for the administration's pages. Reads the certificates, and writes
 * log/stats.json at its end.
 */
#include "master/stats.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/certificate_names.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/tls.h"
#include "master/status.h"

enum { SAMPLE_S = 60, KEPT_MAX_BYTES = 256 * 1024 };

struct stats {
	struct supervisor *supervisor;
	struct traffic traffic;
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
	json_decref(doc);
}

static void
keep(struct stats *st)
{
	char path[PATH_MAX + 32], new[PATH_MAX + 32];
	json_t *doc = json_pack("{s:o}", "traffic", traffic_describe(&st->traffic, time(NULL)));

	kept_path(st, "", path);
	kept_path(st, ".new", new);
	(void)unlink(new);
	if (json_dump_file(doc, new, JSON_COMPACT) == -1 || rename(new, path) == -1)
		log_warn("cannot keep log/stats.json: %s", strerror(errno));
	json_decref(doc);
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

/* ---- certificates ---- */

static void
add_name(void *arg, struct span text)
{
	json_t *names = arg, *name = json_text(text);
	const json_t *other;
	size_t i;

	json_array_foreach(names, i, other) if (json_equal(name, other))
	{
		json_decref(name);
		return;
	}
	json_array_append_new(names, name);
}

static json_t *
describe_names(const X509 *x)
{
	json_t *names = json_array();

	certificate_names(x, add_name, names);
	return names;
}

static json_int_t
until_of(const X509 *x)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? timegm(&tm) : 0;
}

/* One that cannot be read is sambarctl check's business. */
static void
add_certificate(json_t *list, const char *path)
{
	FILE *f = path[0] != '\0' ? fopen(path, "re") : NULL;
	X509 *x = f != NULL ? PEM_read_X509(f, NULL, tls_no_password, NULL) : NULL;

	if (x != NULL)
		json_array_append_new(
		    list, json_pack("{s:o, s:o, s:I}", "file", json_text(span_of(path)), "names",
			      describe_names(x), "until", until_of(x)));
	if (f != NULL)
		fclose(f);
	X509_free(x);
	ERR_clear_error();
}

static json_t *
describe_certificates(const struct config *c)
{
	json_t *list = json_array();
	const char *section;

	add_certificate(list, config_text(c, "tls", "Certificate"));
	add_certificate(list, config_text(c, "tls", "Client Certificate"));
	for (size_t i = 0; (section = config_section_at(c, "certificate *", i)) != NULL; i++)
		add_certificate(list, config_text(c, section, "Certificate"));
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
	int64_t now = time(NULL);

	traffic_add(&st->traffic, running, now);
	if (q->cb != NULL)
		q->cb(q->arg,
		    json_pack("{s:o, s:o, s:o, s:O}", "traffic",
			traffic_describe(&st->traffic, now), "disk", describe_disks(in),
			"certificates", describe_certificates(in->config), "programs", running));
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
	traffic_clear(&st->traffic);
	free(st);
}
