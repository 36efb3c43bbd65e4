/*
 * deliver, as a test plays it: takes the connections that router makes to deliver.sock, hears its
 * jobs, and answers when and what the test says. For cmocka tests of router; each includes it once.
 */
#ifndef ROUTER_CHILDREN_SUPPORT_H
#define ROUTER_CHILDREN_SUPPORT_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "router/deliver.h"

struct fake_child {
	TAILQ_ENTRY(fake_child) entry;
	struct ipc_channel *channel;
	bool busy, gives_back;
	/* its job, or its last one */
	uint64_t id;
	bool ahead;
	char name[256], reverse_path[256];
	enum deliver_kind kind;
	uint32_t recipients[DELIVER_RECIPIENTS_MAX];
	size_t n, n_jobs;
	struct fake_child *next; /* holds the job that waits behind this one, or NULL */
};

static struct {
	struct event_base *base;
	struct event *event;
	TAILQ_HEAD(, fake_child) children; /* in the order in which they came */
	size_t n, most, n_busy, n_jobs;
	/* A job has come; NULL: it waits until the test answers. */
	void (*on_job)(struct fake_child *c);
} fake;

static void
fake_give_back(struct fake_child *c)
{
	while (c->next != NULL) {
		struct fake_child *next = c->next;

		c->next = next->next;
		free(next);
	}
}

static void
fake_child_end(struct fake_child *c)
{
	TAILQ_REMOVE(&fake.children, c, entry);
	fake.n--;
	fake.n_busy -= c->busy;
	ipc_channel_free(&c->channel);
	fake_give_back(c);
	free(c);
}

static void
fake_read_job(struct fake_child *c, struct reader *r)
{
	int fd;

	c->id = get_u64(r);
	c->ahead = get_u64(r);
	c->kind = get_u64(r);
	get_text(r, c->name, sizeof c->name);
	for (size_t i = 0; i < 4; i++)
		get_u64(r); /* port, tls, implicit, dane */
	for (size_t i = 0; i < 3; i++)
		get_str(r, DELIVER_TLS_NAMES_MAX_BYTES); /* TLS names, user, password */
	get_u64(r);
	get_text(r, c->reverse_path, sizeof c->reverse_path);
	for (c->n = 0; get_more(r) && c->n < nitems(c->recipients); c->n++)
		c->recipients[c->n] = get_u64(r);
	fd = get_fd(r);
	assert_int_equal(get_end(r), 0);
	assert_true(c->n > 0 && fcntl(fd, F_GETFD) != -1);
	close(fd);
}

static void
fake_begin(struct fake_child *c)
{
	c->busy = true;
	c->n_jobs++;
	fake.n_busy++;
	fake.n_jobs++;
	if (fake.on_job != NULL)
		fake.on_job(c);
}

static void
fake_on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct fake_child *c = arg;

	(void)tag;
	assert_int_equal(type, DELIVER_JOB);
	if (c->busy) {
		struct fake_child **last = &c->next;
		size_t n = 1;

		for (; *last != NULL; last = &(*last)->next)
			n++;
		assert_in_range(n, 1, DELIVER_JOBS_MAX - 1);
		*last = xcalloc(1, sizeof **last);
		fake_read_job(*last, r);
		assert_true((*last)->ahead);
		return;
	}
	fake_read_job(c, r);
	if (!c->ahead || !c->gives_back)
		fake_begin(c);
}

static void
fake_on_close(void *arg)
{
	fake_child_end(arg);
}

static void
fake_on_connection(evutil_socket_t listening, short what, void *arg)
{
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct fake_child *c = xcalloc(1, sizeof *c);

	(void)what, (void)arg;
	assert_int_not_equal(fd, -1);
	TAILQ_INSERT_TAIL(&fake.children, c, entry);
	if (++fake.n > fake.most)
		fake.most = fake.n;
	c->channel = ipc_channel_new(fake.base, fd, fake_on_message, fake_on_close, c);
}

static int
fake_listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	unlink(path);
	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 100), 0);
	return fd;
}

static void
fake_start(struct event_base *base, const char *path)
{
	memset(&fake, 0, sizeof fake);
	fake.base = base;
	TAILQ_INIT(&fake.children);
	fake.event =
	    event_new(base, fake_listen_at(path), EV_READ | EV_PERSIST, fake_on_connection, NULL);
	assert_int_equal(event_add(fake.event, NULL), 0);
}

static void
fake_stop(void)
{
	struct fake_child *c;

	while ((c = TAILQ_FIRST(&fake.children)) != NULL)
		fake_child_end(c);
	close(event_get_fd(fake.event));
	event_free(fake.event);
}

/* ---- what it says ---- */

static void
fake_result(
    struct fake_child *c, size_t i, enum delivery_end end, unsigned flags, const char *reply)
{
	struct writer w;

	ipc_write(&w, DELIVER_RESULT, 0);
	put_u64(&w, c->recipients[i]);
	put_u64(&w, end);
	put_u64(&w, flags);
	put_text(&w, reply);
	put_text(&w, "smtp:peer");
	ipc_channel_send(c->channel, &w, -1);
}

/* With the job that waited behind the one that is done. */
static void
fake_go_on(struct fake_child *c)
{
	struct fake_child *next = c->next;

	if (next == NULL)
		return;
	c->next = next->next;
	c->id = next->id;
	c->kind = next->kind;
	c->n = next->n;
	memcpy(c->name, next->name, sizeof c->name);
	memcpy(c->reverse_path, next->reverse_path, sizeof c->reverse_path);
	memcpy(c->recipients, next->recipients, sizeof c->recipients);
	free(next);
	fake_begin(c);
}

static void
fake_done(struct fake_child *c, bool kept_open, enum deliver_end end, const char *text)
{
	struct writer w;

	ipc_write(&w, DELIVER_DONE, 0);
	put_u64(&w, c->id);
	put_u64(&w, kept_open);
	put_u64(&w, end);
	put_text(&w, text);
	ipc_channel_send(c->channel, &w, -1);
	c->busy = false;
	fake.n_busy--;
	c->gives_back = !kept_open;
	if (c->gives_back)
		fake_give_back(c);
	fake_go_on(c);
}

/* All recipients of the job alike. */
static void
fake_finish(struct fake_child *c, enum delivery_end end, const char *reply)
{
	for (size_t i = 0; i < c->n; i++)
		fake_result(c, i, end, 0, reply);
	fake_done(c, end != END_DEFERRED, DELIVER_REACHED, "");
}

static void
fake_is_dead(struct fake_child *c)
{
	for (size_t i = 0; i < c->n; i++)
		fake_result(c, i, END_DEFERRED, 0, "451 4.4.1 nobody there");
	fake_done(c, false, DELIVER_NOT_NOW, "451 4.4.1 nobody there");
}

/* No more jobs, please. */
static inline void
fake_retire(struct fake_child *c)
{
	struct writer w;

	ipc_write(&w, DELIVER_RETIRE, 0);
	ipc_channel_send(c->channel, &w, -1);
}

/* The first that has a job for this name, or for any (NULL); NULL: none has. */
static inline struct fake_child *
fake_busy(const char *name)
{
	struct fake_child *c;

	TAILQ_FOREACH (c, &fake.children, entry)
		if (c->busy && (name == NULL || strcmp(c->name, name) == 0))
			return c;
	return NULL;
}

#endif
