/*
 * inotify on the mail directory and on mailboxes in use. inotify knows no directory descriptors, so
 * the mail directory is made the working directory: all other calls of store are relative to
 * descriptors.
 */
#include "store/watch.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

enum {
	ENTRY_EVENTS = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO,
	MAIL_EVENTS = ENTRY_EVENTS | IN_ATTRIB | IN_ONLYDIR,
	MAILBOX_EVENTS = ENTRY_EVENTS | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF |
			 IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK,
	FOLDER_EVENTS = ENTRY_EVENTS | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW |
			IN_EXCL_UNLINK,
	AWAY_EVENTS = IN_DELETE | IN_MOVED_FROM,
	BUFFER_BYTES = 16384
};

struct watch {
	struct event readable;
	int fd, mail_number;
	const struct watch_ops *ops;
	void *arg;
};

static void
take(struct watch *w, const struct inotify_event *e)
{
	const char *name = e->len ? e->name : "";

	if (e->mask & IN_Q_OVERFLOW)
		w->ops->on_overflow(w->arg);
	else if (e->wd != w->mail_number && (e->mask & IN_IGNORED))
		w->ops->on_end(w->arg, e->wd);
	else if (e->wd != w->mail_number)
		w->ops->on_entry(w->arg, e->wd, name, (e->mask & AWAY_EVENTS) != 0);
	else if (name[0] != '\0')
		w->ops->on_mailbox(w->arg, name);
}

static bool
read_some(struct watch *w)
{
	_Alignas(struct inotify_event) char buf[BUFFER_BYTES];
	ssize_t n = read(w->fd, buf, sizeof buf);

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		take(w, e);
		at += sizeof *e + e->len;
	}
	return n > 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	(void)read_some(arg);
}

void
watch_read(struct watch *w)
{
	while (w->fd != -1 && read_some(w))
		;
}

struct watch *
watch_new(struct event_base *base, int mail, const struct watch_ops *ops, void *arg)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->ops = ops;
	w->arg = arg;
	w->mail_number = -1;
	if ((ops->on_mailbox != NULL && fchdir(mail) == -1) ||
	    (w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) == -1 ||
	    (ops->on_mailbox != NULL &&
		(w->mail_number = inotify_add_watch(w->fd, ".", MAIL_EVENTS)) == -1)) {
		log_warn("cannot watch the mail directory: %s; what is changed by hand is noticed "
			 "late",
		    strerror(errno));
		closefd(&w->fd);
		return w;
	}
	event_assign(&w->readable, base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
	event_add(&w->readable, NULL);
	return w;
}

void
watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	if (w->fd != -1)
		event_del(&w->readable);
	closefd(&w->fd);
	free(w);
}

bool
watch_works(const struct watch *w)
{
	return w->fd != -1;
}

int
watch_add(struct watch *w, const char *name)
{
	errno = ENOSYS;
	return w->fd == -1 ? -1 : inotify_add_watch(w->fd, name, MAILBOX_EVENTS);
}

int
watch_add_folder(struct watch *w, const char *path)
{
	errno = ENOSYS;
	return w->fd == -1 ? -1 : inotify_add_watch(w->fd, path, FOLDER_EVENTS);
}

void
watch_remove(struct watch *w, int number)
{
	if (w->fd != -1 && number != -1)
		(void)inotify_rm_watch(w->fd, number); /* gone already: as good */
}
