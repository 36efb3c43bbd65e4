/*
 * Watches the mail directory for mailboxes that were made by hand.
 */
#include "master/mailwatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/programs.h"

static int watch = -1;
static struct event *readable;

static int
mail_directory(const struct supervisor *s)
{
	for (size_t i = 0; i < n_program_directories; i++)
		if (program_directories[i].mailboxes)
			return s->directories[i];
	return -1;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char buf[16384];
	struct supervisor *s = arg;
	ssize_t n = read(fd, buf, sizeof buf);

	(void)what;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		if (e->mask & IN_Q_OVERFLOW)
			instance_adopt_mailboxes(s->instance, mail_directory(s), NULL);
		else if (e->len > 0 && e->name[0] != '.')
			instance_adopt_mailboxes(s->instance, mail_directory(s), e->name);
		at += sizeof *e + e->len;
	}
}

void
mailwatch_start(struct supervisor *s)
{
	char path[64];

	if (!instance_gives_files(s->instance))
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", mail_directory(s));
	if ((watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) == -1 ||
	    inotify_add_watch(watch, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) == -1) {
		log_warn("cannot watch the mail directory: %s", strerror(errno));
		closefd(&watch);
		return;
	}
	readable = event_new(s->base, watch, EV_READ | EV_PERSIST, on_readable, s);
	event_add(readable, NULL);
}

void
mailwatch_stop(void)
{
	if (readable != NULL)
		event_free(readable);
	readable = NULL;
	closefd(&watch);
}
