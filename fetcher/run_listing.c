/* What a child has found at the server: its listing, and with DRY_RUN the headers of what is new.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "fetcher/run_private.h"

enum { ENTRIES_SHOWN_MAX = 1000 };

/* ---- of a listing ---- */

struct listing {
	struct job job; /* first */
	struct run *run;
	char *folder;
	uint32_t validity;
	struct seen_policy policy;
	int rv;
	size_t n;
	struct seen_listed listed[FETCH_LISTED_MAX];
	char ids[FETCH_LISTED_MAX][FETCH_ID_MAX_BYTES + 1];
};

static void
list(struct job *job)
{
	struct listing *l = (struct listing *)job;
	struct seen_place at = {l->run->conf->name, l->folder, l->validity};

	l->rv = seen_list(l->run->means->seen, l->run->pass, &at, &l->policy, l->listed, l->n);
}

static void
report_large(const struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->listed[i].want == FETCH_LARGE && l->listed[i].reported)
			log_warn("- left section=%s folder=%s id=%s size=%llu reason=\"larger than "
				 "the Maximum Message Size\"",
			    l->run->conf->name, log_safe(span_of(l->folder)),
			    log_safe(span_of(l->listed[i].id)),
			    (unsigned long long)l->listed[i].size);
}

static void
send_known(const struct listing *l)
{
	char wants[FETCH_LISTED_MAX];
	struct writer w;

	for (size_t i = 0; i < l->n; i++) {
		wants[i] = l->listed[i].want;
		l->run->counts.large += l->listed[i].want == FETCH_LARGE;
		l->run->counts.fresh += l->listed[i].want == FETCH_GET;
	}
	ipc_write(&w, FETCH_KNOWN, 0);
	put_str(&w, (struct span){wants, l->n});
	ipc_channel_send(l->run->channel, &w, -1);
}

static void
on_listed(struct job *job)
{
	struct listing *l = (struct listing *)job;
	struct run *r = l->run;

	r->looking = false;
	r->counts.listed += l->n;
	if (l->rv == -1 && r->channel != NULL) {
		log_warn("- seen-list not read section=%s", r->conf->name);
		run_lose(r, "the seen-list cannot be read");
	} else if (r->channel != NULL) {
		report_large(l);
		send_known(l);
	}
	free(l->folder);
	free(l);
	r->n_jobs--; /* only now: whom run_lose() tells may have let r go */
	run_settle(r);
}

void
run_on_listed(struct run *r, struct reader *in)
{
	struct listing *l = xcalloc(1, sizeof *l);
	bool good = r->folder != NULL;

	for (; good && get_more(in) && l->n < FETCH_LISTED_MAX; l->n++) {
		get_text(in, l->ids[l->n], sizeof l->ids[l->n]);
		l->listed[l->n].id = l->ids[l->n];
		l->listed[l->n].size = get_u64(in);
		good = l->listed[l->n].size <= INT64_MAX;
	}
	if (!good || get_end(in) == -1) {
		free(l);
		run_refuse(r, "LISTED");
		return;
	}
	l->run = r;
	l->folder = xstrdup(r->folder);
	l->validity = r->validity;
	l->policy = section_policy(r->conf);
	l->policy.look_only = r->mode != FETCH_COLLECT;
	l->job.work = list;
	l->job.done = on_listed;
	r->looking = true;
	r->n_jobs++;
	worker_push(r->means->worker, &l->job, true);
}

/* ---- DRY_RUN: where a message would go ---- */

struct preview {
	struct run *run;
	struct routing_rule rule;
	json_t *message;
};

static json_t *
describe_recipients(const struct routing_result *to)
{
	json_t *all = json_array();

	for (size_t i = 0; i < to->n; i++)
		json_array_append_new(
		    all, json_pack("{s:s, s:s}", "to", to->recipients[i].address, "by",
			     to->recipients[i].source < 0
				 ? "section"
				 : fetch_source_name(to->recipients[i].source)));
	return all;
}

static void
on_previewed(void *arg, const struct routing_result *result)
{
	struct preview *p = arg;
	struct run *r = p->run;

	json_object_set_new(p->message, "recipients", describe_recipients(result));
	if (result->end != ROUTING_FOUND)
		json_object_set_new(p->message, "why", json_string(result->why));
	json_decref(p->message);
	free(p);
	r->n_jobs--;
	if (r->freed)
		run_settle(r);
	else
		run_finish_when_idle(r);
}

/* A string that may hold any byte. */
json_t *
run_shown(struct span text)
{
	return json_string(log_printable(text));
}

void
run_on_header(struct run *r, struct reader *in)
{
	static struct header_candidate candidates[FETCH_CANDIDATES_MAX];
	uint64_t size = get_u64(in);
	struct span id = get_str(in, FETCH_ID_MAX_BYTES), from = get_str(in, HEADER_SHOWN_SIZE),
		    subject = get_str(in, HEADER_SHOWN_SIZE);
	json_t *messages = json_object_get(r->details, "messages");
	struct preview *p;
	size_t n;

	if (!run_read_candidates(in, candidates, &n) || r->folder == NULL || messages == NULL) {
		run_refuse(r, "HEADER");
		return;
	}
	if (json_array_size(messages) >= ENTRIES_SHOWN_MAX)
		return;
	p = xcalloc(1, sizeof *p);
	p->run = r;
	p->rule = section_rule(r->conf);
	p->message = json_pack("{s:o, s:o, s:I, s:o, s:o}", "folder", run_shown(span_of(r->folder)),
	    "id", run_shown(id), "size", (json_int_t)size, "from", run_shown(from), "subject",
	    run_shown(subject));
	json_array_append(messages, p->message);
	r->n_jobs++;
	routing_ask(r->means->routing, &p->rule, candidates, n, size, on_previewed, p);
}
