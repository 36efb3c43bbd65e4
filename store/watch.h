/*
 * Notices what others do by hand: mailboxes made or removed in the mail directory, inbox.fld, quota
 * and folders made or removed in a mailbox. inotify only: touches no file.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include <event2/event.h>
#include <stdbool.h>

struct watch;

struct watch_ops {
	/* Without it the mail directory is not watched.
	 * An entry of the mail directory came, went or changed its owner or mode. */
	void (*on_mailbox)(void *arg, const char *name);
	/* An entry of a watched mailbox or folder came or went; "" is that itself. */
	void (*on_entry)(void *arg, int number, const char *name, bool away);
	/* The kernel has given up this number. */
	void (*on_end)(void *arg, int number);
	/* Something was missed: anything may have changed. */
	void (*on_overflow)(void *arg);
};

/* Watches the directory behind mail (O_PATH), of which the first one makes the working directory.
 * Works without, and says so in the log, when the kernel refuses. ops is not copied. */
struct watch *watch_new(struct event_base *base, int mail, const struct watch_ops *ops, void *arg);
void watch_free(struct watch **w);

/* False: the kernel has refused. */
bool watch_works(const struct watch *w);

/* A number for mail/<name>, from now on watched, or -1 with errno. */
int watch_add(struct watch *w, const char *name);
/* The same for mail/<user>/<folder>/cur, of which only names count. */
int watch_add_folder(struct watch *w, const char *path);
/* Hears now what has happened. */
void watch_read(struct watch *w);
void watch_remove(struct watch *w, int number);

#endif
