/*
 * router's handle for one child: sends it jobs and hears what became of them. Holds the child to
 * its promises: each recipient of the job gets one result, and all have theirs before the job is
 * done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "router/deliver.h"

struct deliver_child {
	struct ipc_channel *channel; /* NULL: it has gone */
	const struct deliver_ops *ops;
	void *arg;
	/* the job in hand, and those that wait behind it */
	struct {
		uint64_t id;
		uint32_t *left; /* recipients without a result */
		size_t n_left;
	} jobs[DELIVER_JOBS_MAX];
	unsigned n_jobs;
	bool retires;
	bool in_event; /* something of ours is on the stack, and frees it at its end */
	bool freed;
};

static void
destroy(struct deliver_child *c)
{
	for (size_t i = 0; i < nitems(c->jobs); i++)
		free(c->jobs[i].left);
	free(c);
}

void
deliver_child_free(struct deliver_child **cp)
{
	struct deliver_child *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	ipc_channel_free(&c->channel);
	c->freed = true;
	if (!c->in_event)
		destroy(c);
}

/* ---- the end ---- */

static void
end(struct deliver_child *c)
{
	ipc_channel_free(&c->channel);
	c->ops->on_close(c->arg, c->jobs[0].left, c->n_jobs > 0 ? c->jobs[0].n_left : 0);
}

/* It does not keep to what was agreed. */
static void
refuse(struct deliver_child *c, const char *what)
{
	log_warn("malformed %s from deliver", what);
	end(c);
}

/* ---- what it says ---- */

static bool
take_out(struct deliver_child *c, uint64_t recipient)
{
	uint32_t *left = c->jobs[0].left;

	for (size_t i = 0; i < c->jobs[0].n_left; i++)
		if (left[i] == recipient) {
			left[i] = left[--c->jobs[0].n_left];
			return true;
		}
	return false;
}

/* False: malformed. */
static bool
read_result(struct reader *r, struct deliver_result *result)
{
	uint64_t recipient = get_u64(r), ended = get_u64(r), flags = get_u64(r);

	result->reply = get_str(r, REPLY_MAX_BYTES);
	result->route = get_str(r, DELIVER_ROUTE_MAX_BYTES);
	if (r->bad || recipient > UINT32_MAX || ended > END_LAST ||
	    (flags & ~(uint64_t)DELIVER_FLAGS_ALL))
		return false;
	result->recipient = recipient;
	result->end = ended;
	result->flags = flags;
	return true;
}

/* -1: it is refused, or the handle was freed by who heard of a result. */
static int
read_results(struct deliver_child *c, struct reader *r, const char *what)
{
	while (get_more(r)) {
		struct deliver_result result;

		if (!read_result(r, &result) || c->n_jobs == 0 || !take_out(c, result.recipient)) {
			refuse(c, what);
			return -1;
		}
		c->ops->on_result(c->arg, &result);
		if (c->freed)
			return -1;
	}
	return 0;
}

/* The one behind it is in hand now. */
static void
next_job(struct deliver_child *c)
{
	uint32_t *left = c->jobs[0].left;

	c->n_jobs--;
	memmove(c->jobs, c->jobs + 1, c->n_jobs * sizeof c->jobs[0]);
	c->jobs[c->n_jobs].left = left;
}

static void
on_done(struct deliver_child *c, struct reader *r)
{
	struct deliver_done done;
	uint64_t open, ended;

	done.id = get_u64(r);
	open = get_u64(r);
	ended = get_u64(r);
	done.text = get_str(r, REPLY_MAX_BYTES);
	if (r->bad || open > 1 || ended > DELIVER_END_LAST || c->n_jobs == 0 ||
	    done.id != c->jobs[0].id) {
		refuse(c, "DONE");
		return;
	}
	if (read_results(c, r, "DONE") == -1)
		return;
	if (c->jobs[0].n_left > 0) {
		refuse(c, "DONE");
		return;
	}
	done.kept_open = open;
	done.end = ended;
	if (!open)
		c->n_jobs = 1; /* the others go back */
	next_job(c);
	c->ops->on_done(c->arg, &done);
	if (!c->freed && c->retires && c->n_jobs == 0)
		end(c);
}

static void
on_retire(struct deliver_child *c, struct reader *r)
{
	if (get_end(r) == -1) {
		refuse(c, "RETIRE");
		return;
	}
	c->retires = true;
	if (c->n_jobs == 0)
		end(c);
}

static void
dispatch(struct deliver_child *c, uint32_t type, struct reader *r)
{
	switch (type) {
	case DELIVER_RESULT:
		(void)read_results(c, r, "RESULT");
		break;
	case DELIVER_DONE:
		on_done(c, r);
		break;
	case DELIVER_RETIRE:
		on_retire(c, r);
		break;
	default:
		refuse(c, "message");
	}
}

static void
leave(struct deliver_child *c)
{
	c->in_event = false;
	if (c->freed)
		destroy(c);
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct deliver_child *c = arg;

	(void)tag;
	c->in_event = true;
	dispatch(c, type, r);
	leave(c);
}

static void
on_channel_close(void *arg)
{
	struct deliver_child *c = arg;

	c->in_event = true;
	end(c);
	leave(c);
}

/* ---- jobs ---- */

struct deliver_child *
deliver_child_new(
    struct event_base *base, const char *path, const struct deliver_ops *ops, void *arg)
{
	int fd = ipc_connect_nonblocking(path);
	struct deliver_child *c;

	if (fd == -1)
		return NULL;
	c = xcalloc(1, sizeof *c);
	c->ops = ops;
	c->arg = arg;
	c->channel = ipc_channel_new(base, fd, on_message, on_channel_close, c);
	return c;
}

bool
deliver_child_is_free(const struct deliver_child *c)
{
	return c->n_jobs == 0 && !c->retires && c->channel != NULL;
}

bool
deliver_child_takes_next(const struct deliver_child *c)
{
	return c->n_jobs > 0 && c->n_jobs < nitems(c->jobs) && !c->retires && c->channel != NULL;
}

static void
put_job(struct writer *w, const struct deliver_job *job, bool ahead)
{
	const struct deliver_destination *to = &job->to;

	ipc_write(w, DELIVER_JOB, 0);
	put_u64(w, job->id);
	put_u64(w, ahead);
	put_u64(w, to->kind);
	put_str(w, to->name);
	put_u64(w, to->port);
	put_u64(w, to->tls);
	put_u64(w, to->implicit_tls);
	put_u64(w, to->dane);
	put_str(w, to->tls_names);
	put_str(w, to->user);
	put_str(w, to->password);
	put_u64(w, to->auth_in_clear);
	put_str(w, job->reverse_path);
	for (size_t i = 0; i < job->n; i++)
		put_u64(w, job->recipients[i]);
}

void
deliver_child_send(struct deliver_child *c, const struct deliver_job *job, int fd)
{
	uint32_t *left;
	struct writer w;

	if ((!deliver_child_is_free(c) && !deliver_child_takes_next(c)) || job->n == 0 ||
	    job->n > DELIVER_RECIPIENTS_MAX)
		fatalx("a job that no child can take: %s", queue_id_text(job->id));
	left = xrealloc(c->jobs[c->n_jobs].left, job->n * sizeof *left);
	memcpy(left, job->recipients, job->n * sizeof *left);
	c->jobs[c->n_jobs].id = job->id;
	c->jobs[c->n_jobs].left = left;
	c->jobs[c->n_jobs++].n_left = job->n;
	put_job(&w, job, c->n_jobs > 1);
	ipc_channel_send(c->channel, &w, fd);
}
