/*
 * /metrics in Prometheus' text format: the counters of all programs, which master has. The key is
 * the only thing that opens it.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/role.h"
#include "webd/api.h"
#include "webd/webd.h"

static bool
key_is_right(const struct request *q)
{
	struct span given = http_field(&q->head, "Authorization"), scheme;
	const char *key = q->web->settings.metrics_key;

	return key[0] != '\0' && span_take(&given, ' ', &scheme) &&
	       span_is_nocase(scheme, "Bearer") && given.len == strlen(key) &&
	       CRYPTO_memcmp(given.at, key, given.len) == 0;
}

/* Of our own programs, but a name must be one (Prometheus, "Data model"). */
static bool
is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";

	return text[0] != '\0' && strspn(text, letters) == strlen(text);
}

static void
write_number(FILE *f, const char *name, const char *program, json_int_t worker, json_int_t value)
{
	if (is_name(name) && is_name(program))
		fprintf(f, "sambar_%s{program=\"%s\",worker=\"%lld\"} %lld\n", name, program,
		    (long long)worker, (long long)value);
}

static void
write_program(FILE *f, const json_t *program)
{
	const char *name = json_string_value(json_object_get(program, "name"));
	json_int_t worker = json_integer_value(json_object_get(program, "worker"));
	const char *state = json_string_value(json_object_get(program, "state"));
	json_t *counters = json_object_get(program, "counters"), *value;
	const char *key;

	if (name == NULL)
		return;
	write_number(f, "up", name, worker, state != NULL && strcmp(state, "running") == 0);
	write_number(
	    f, "restarts", name, worker, json_integer_value(json_object_get(program, "restarts")));
	write_number(f, "memory_bytes", name, worker,
	    1024 * json_integer_value(json_object_get(program, "memory_kb")));
	json_object_foreach(counters, key, value) if (json_is_integer(value))
	    write_number(f, key, name, worker, json_integer_value(value));
}

/* One of all programs: a metric has one TYPE, and its lines follow each other. */
static void
write_total(FILE *f, json_t *totals, const char *name)
{
	const char *program;
	json_t *counters, *total;

	fprintf(f, "# TYPE sambar_%s_total counter\n", name);
	json_object_foreach(totals, program, counters)
	{
		total = json_object_get(json_object_get(counters, name), "n");
		if (total != NULL && is_name(program))
			fprintf(f, "sambar_%s_total{program=\"%s\"} %lld\n", name, program,
			    (long long)json_integer_value(total));
	}
}

/* Over all restarts, and of all workers together. */
static void
write_totals(FILE *f, json_t *totals)
{
	json_t *names = json_object(), *counters, *any;
	const char *program, *name;

	json_object_foreach(totals, program, counters) json_object_update(names, counters);
	json_object_foreach(names, name, any) if (is_name(name)) write_total(f, totals, name);
	json_decref(names);
}

static void
abort_metrics(struct request *q)
{
	struct role_call *call = q->work;

	role_call_cancel(&call);
	q->work = NULL;
	q->abort = NULL;
}

static void
on_status(void *arg, json_t *doc)
{
	struct request *q = arg;
	const json_t *program;
	char *text = NULL;
	size_t len = 0, i;
	FILE *f = open_memstream(&text, &len);

	q->work = NULL;
	q->abort = NULL;
	if (doc == NULL || f == NULL) {
		if (f != NULL)
			fclose(f);
		free(text);
		reply_error(q, 503, "later", "The counters cannot be had now.");
		return;
	}
	json_array_foreach(json_object_get(doc, "programs"), i, program) write_program(f, program);
	write_totals(f, json_object_get(doc, "totals"));
	if (fclose(f) == EOF)
		len = 0;
	reply_bytes(q, 200, "text/plain; version=0.0.4; charset=utf-8", (struct span){text, len});
	free(text);
}

void
api_metrics(struct request *q)
{
	if (q->web->settings.metrics_key[0] == '\0') {
		reply_error(q, 404, "gone", "There is nothing at this address.");
		return;
	}
	if (!key_is_right(q)) {
		reply_field(q, "WWW-Authenticate", "Bearer");
		reply_error(q, 401, "login", "The Metrics Key is needed.");
		return;
	}
	q->work = role_metrics(q->web->role, on_status, q);
	q->abort = abort_metrics;
}
