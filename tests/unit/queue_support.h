/*
 * A queue in a directory of its own, with a submitter and a router in the same event loop. For
 * queue's unit tests.
 */
#ifndef TESTS_UNIT_QUEUE_SUPPORT_H
#define TESTS_UNIT_QUEUE_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

/* after the ones above */
#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/feed.h"
#include "queue/queue.h"
#include "queue/server.h"

struct fixture {
	char root[64], spool[80], failures[80], socket[80];
	struct queue q;
	struct event_base *base;
};

static inline void
support_clear(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	if (d == NULL) {
		unlink(path);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		char below[600];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
		if (unlink(below) == -1)
			support_clear(below);
	}
	closedir(d);
	rmdir(path);
}

static inline void
support_make(struct fixture *f)
{
	*f = (struct fixture){0};
	snprintf(f->root, sizeof f->root, "%s/sambar-queue-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->spool, sizeof f->spool, "%s/spool", f->root);
	snprintf(f->failures, sizeof f->failures, "%s/failures", f->root);
	snprintf(f->socket, sizeof f->socket, "%s/queue.sock", f->root);
	assert_int_equal(mkdir(f->spool, 0700), 0);
	assert_int_equal(mkdir(f->failures, 0700), 0);
}

static inline int
support_listen(struct fixture *f)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	unlink(f->socket);
	strcpy(un.sun_path, f->socket);
	assert_int_equal(bind(sock, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(sock, 100), 0);
	return sock;
}

/* Empty: the null sender. */
__attribute__((unused)) static const char *support_sender = "ann@example.org";
/* In seconds; and to one address in an hour. */
__attribute__((unused)) static const char *support_delay_notice = "14400";
__attribute__((unused)) static const char *support_maximum_bounces = "100";

static inline void
support_settings(struct queue *q, const char *intervals, const char *maximum)
{
	struct settings *s = settings_new();

	settings_add(s, "mail", "Mail Server", "mail.example.org");
	settings_add(s, "timeouts", "Retry Intervals", intervals);
	settings_add(s, "smtpd", "Maximum Retry", maximum);
	settings_add(s, "smtpd", "Delay Notice", support_delay_notice);
	settings_add(s, "smtpd", "Maximum Bounces", support_maximum_bounces);
	settings_add(s, "smtpd", "Maximum Bounce Size", "100000");
	server_settings(q, s);
	settings_free(&s);
}

/* Opens and recovers the spool, and serves it. */
static inline void
support_start(struct fixture *f, const char *intervals, const char *maximum)
{
	f->q = (struct queue){0};
	f->base = f->q.base = event_base_new();
	support_settings(&f->q, intervals, maximum);
	spool_open(&f->q.spool, open(f->spool, O_PATH | O_DIRECTORY | O_CLOEXEC),
	    open(f->failures, O_PATH | O_DIRECTORY | O_CLOEXEC));
	spool_lock(&f->q.spool);
	server_recover(&f->q);
	server_start(&f->q, support_listen(f));
}

/* As a drain does; then everything is freed, so that leaks show. */
static inline void
support_stop(struct fixture *f)
{
	struct queue *q = &f->q;
	struct id_node *node;

	if (!q->drained) {
		server_drain(q);
		event_base_dispatch(f->base);
	}
	assert_true(q->drained);
	ipc_server_free(&q->server);
	server_stop(q);
	while ((node = id_map_next(&q->messages, NULL)) != NULL) {
		id_map_remove(&q->messages, node);
		free(node);
	}
	id_map_clear(&q->messages);
	event_base_free(f->base);
}

/* How many entries a directory below the spool (or the failures) has. */
static inline size_t
support_count(const char *above, const char *name)
{
	char path[600];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/%s", above, name);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

/* How many files in incoming/ hold a message (or the beginning of one). */
static inline size_t
support_incoming(const char *spool)
{
	char path[600], head[8];
	struct dirent *entry;
	size_t n = 0;
	DIR *d;
	int fd;

	snprintf(path, sizeof path, "%s/incoming", spool);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
		if (entry->d_name[0] != '.' && read(fd, head, sizeof head) > 0)
			n += head[0] != '\0';
		close(fd);
	}
	closedir(d);
	return n;
}

/* The one entry's name. */
static inline void
support_only(const char *above, const char *name, char out[256])
{
	struct dirent *entry;
	char path[600];
	DIR *d;

	snprintf(path, sizeof path, "%s/%s", above, name);
	d = opendir(path);
	assert_non_null(d);
	out[0] = '\0';
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			strcpy(out, entry->d_name);
	closedir(d);
}

/* An envelope with so many recipients u0@example.org, u1@... Free its recipients. */
static inline void
support_envelope(struct envelope *e, uint64_t id, size_t n, const char *message)
{
	*e = (struct envelope){.id = id,
	    .arrival_us = wall_clock_now(),
	    .message_size = strlen(message),
	    .message_crc = crc32(0, (const unsigned char *)message, strlen(message)),
	    .reverse_path = span_of(support_sender),
	    .program = span_of("smtpd"),
	    .client_address = span_of("192.0.2.1"),
	    .client_name = span_of("client.example"),
	    .protocol = span_of("ESMTP"),
	    .n_recipients = n};
	e->recipients = xcalloc(n, sizeof *e->recipients);
	for (size_t i = 0; i < n; i++) {
		char *address = xasprintf("u%zu@example.org", i);

		e->recipients[i].address = span_of(address);
	}
}

static inline void
support_free_envelope(struct envelope *e)
{
	for (size_t i = 0; i < e->n_recipients; i++)
		free((char *)(uintptr_t)e->recipients[i].address.at);
	free(e->recipients);
}

#endif
