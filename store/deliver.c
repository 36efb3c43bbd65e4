/*
 * DELIVER: writes a message once, into tmp/ of the first mailbox, links it into new/ of the others
 * and renames it into new/ of the first. Reads the spool file's descriptor; touches tmp/ and new/
 * of the mailboxes.
 *
 * Each rename or link that succeeds is one delivery. A restart in between finds some of them done;
 * the repeated DELIVER meets its own name there (EEXIST), replaces it, since it may be torn, and
 * does the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "common/queue_id.h"
#include "common/write_all.h"
#include "store/server.h"
#include "store/vacation.h"

enum { COPY_BYTES = 256 * 1024, RETURN_PATH_MAX_BYTES = 1024, DEVICES_MAX = 8, FILE_MODE = 0600 };

struct target {
	struct span mailbox;
	enum delivery_end end;
	bool away; /* a vacation reply is on */
	char text[STORE_TEXT_MAX_BYTES + 1];
};

struct delivery {
	struct store *store;
	uint64_t id, arrival_us, offset, size, bytes; /* bytes: of the file */
	struct span return_path;
	int fd;
	dev_t dev; /* of the spool */
	char name[MAILDIR_NAME_SIZE];
	struct maildir *source; /* its tmp/ holds the file until all others have it; held */
	struct target *source_target;
	dev_t devices[DEVICES_MAX]; /* other file systems that were written to */
	int syncs[DEVICES_MAX];
	size_t n_devices;
	bool unsynced; /* more of them than fit */
	size_t n;
	struct target targets[STORE_DELIVER_MAX_MAILBOXES];
};

/* ---- ends ---- */

static void
set_end(struct target *t, enum delivery_end end, const char *text)
{
	t->end = end;
	strlcpy(t->text, text, sizeof t->text);
}

/* By errno: the machine's trouble is never the sender's fault. */
static void
set_trouble(const struct delivery *d, struct target *t)
{
	int error = errno;

	t->end = END_DEFERRED;
	if (error == ENOSPC || error == EDQUOT)
		set_end(t, END_DEFERRED, "452 4.3.1 insufficient system storage");
	else
		snprintf(t->text, sizeof t->text, "451 4.3.0 mailbox trouble: %s", strerror(error));
	log_warn("%s cannot deliver to mailbox=%s: %s", queue_id_text(d->id), log_safe(t->mailbox),
	    strerror(error));
}

/* Remembers that the file system of m must be synced before this is durable. */
static void
note_device(struct delivery *d, struct maildir *m)
{
	size_t i = 0;

	if (m->dev == d->dev)
		return;
	while (i < d->n_devices && d->devices[i] != m->dev)
		i++;
	if (i < d->n_devices)
		return;
	if (i == DEVICES_MAX) {
		d->unsynced = true;
		return;
	}
	d->devices[i] = m->dev;
	d->syncs[i] = maildir_folder_open(m, MAILDIR_NEW);
	d->n_devices++;
}

static void
set_done(struct delivery *d, struct target *t, struct maildir *m, bool repeated)
{
	t->end = END_DONE;
	t->text[0] = '\0';
	t->away = vacation_is_on(m);
	note_device(d, m);
	if (repeated)
		return;
	d->store->n_mailboxes++;
	maildir_usage_add(m, MAILDIR_NEW, d->bytes);
	boxes_delivered(m);
	mailboxes_room_changed(d->store->mailboxes, m);
}

/* ---- writing the file ---- */

/* A small message is one read and one write. */
static int
copy_message(const struct delivery *d, int out)
{
	static char buf[COPY_BYTES];
	size_t head = d->return_path.len;
	uint64_t at = d->offset, left = d->size;

	if (head)
		memcpy(buf, d->return_path.at, head);
	do {
		size_t n = left < sizeof buf - head ? left : sizeof buf - head;

		if (pread_all(d->fd, buf + head, n, at) == -1 ||
		    write_all(out, buf, head + n) == -1)
			return -1;
		at += n;
		left -= n;
		head = 0;
	} while (left > 0);
	return 0;
}

static int
create_file(int tmp, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(tmp, name, flags, FILE_MODE);

	/* What a crash has left: nobody writes it now. */
	if (fd == -1 && errno == EEXIST && unlinkat(tmp, name, 0) == 0)
		fd = openat(tmp, name, flags, FILE_MODE);
	return fd;
}

static void
unlink_quietly(int at, const char *name)
{
	int error = errno;

	(void)unlinkat(at, name, 0); /* else the repeat will find and replace it */
	errno = error;
}

/* The message in m's tmp/. -1 with errno; nothing is left there. */
static int
write_tmp(const struct delivery *d, struct maildir *m)
{
	int tmp = maildir_folder(m, MAILDIR_TMP), fd, rv;

	if (tmp == -1 || (fd = create_file(tmp, d->name)) == -1)
		return -1;
	rv = copy_message(d, fd);
	if (rv == 0 && close(fd) == -1)
		rv = -1; /* a network file system tells of a full disk here */
	else if (rv == -1)
		closefd(&fd);
	if (rv == -1)
		unlink_quietly(tmp, d->name);
	return rv;
}

/* ---- into new/ ---- */

/* Over a file of an earlier attempt, which may be torn: nobody knows whether it ever was synced. */
static int
replace(int tmp, int new, const char *name)
{
	int rv = renameat(tmp, name, new, name);

	/* Two names of one file both stay. */
	unlink_quietly(tmp, name);
	return rv;
}

/*
 * 0, or -1 with errno. *repeated says that it was there, from an earlier attempt. The file is no
 * longer in tmp/ in any case.
 */
static int
move_to_new(const struct delivery *d, struct maildir *m, bool *repeated)
{
	int tmp = maildir_folder(m, MAILDIR_TMP), new = maildir_folder(m, MAILDIR_NEW), rv = -1;

	*repeated = false;
	if (tmp != -1 && new != -1)
		rv = renameat2(tmp, d->name, new, d->name, RENAME_NOREPLACE);
	if (rv == 0)
		return 0;
	/* Not every file system can rename that way. */
	if (new != -1 && (errno == EINVAL || errno == ENOSYS))
		rv = linkat(tmp, d->name, new, d->name, 0);
	*repeated = rv == -1 && tmp != -1 && new != -1 && errno == EEXIST;
	if (*repeated)
		return replace(tmp, new, d->name);
	if (tmp != -1)
		unlink_quietly(tmp, d->name);
	return rv;
}

/* 0: it is there now. */
static int
settle_move(struct delivery *d, struct target *t, struct maildir *m)
{
	bool repeated;

	if (move_to_new(d, m, &repeated) == -1)
		return -1;
	set_done(d, t, m, repeated);
	return 0;
}

/* Over what is there from an earlier attempt. */
static int
link_over(const struct delivery *d, struct maildir *m, int from, int to)
{
	int tmp = maildir_folder(m, MAILDIR_TMP);

	if (tmp == -1)
		return -1;
	(void)unlinkat(tmp, d->name, 0); /* what a crash has left */
	if (linkat(from, d->name, tmp, d->name, 0) == -1)
		return -1;
	return replace(tmp, to, d->name);
}

/* An earlier store may have been killed when m was the first of them: their order is not always the
 * same. */
static void
clear_tmp(const struct delivery *d, struct maildir *m)
{
	int tmp = maildir_folder(m, MAILDIR_TMP);

	if (tmp != -1)
		(void)unlinkat(tmp, d->name, 0);
}

/* 0: it is there now. */
static int
link_from_source(struct delivery *d, struct target *t, struct maildir *m)
{
	int from = maildir_folder(d->source, MAILDIR_TMP), to = maildir_folder(m, MAILDIR_NEW);
	int rv;

	if (from == -1 || to == -1)
		return -1;
	if (d->arrival_us < d->store->started_us)
		clear_tmp(d, m);
	if ((rv = linkat(from, d->name, to, d->name, 0)) == 0)
		set_done(d, t, m, false);
	else if (errno == EEXIST && (rv = link_over(d, m, from, to)) == 0)
		set_done(d, t, m, true);
	return rv;
}

/* -1 with errno: m has nothing of it. */
static int
place(struct delivery *d, struct target *t, struct maildir *m)
{
	if (d->source == m) {
		set_end(t, END_DEFERRED, "451 4.3.0 mailbox named twice");
		return 0;
	}
	/* Another file system, too many links: then it gets a copy of its own. */
	if (d->source != NULL && link_from_source(d, t, m) == 0)
		return 0;
	if (write_tmp(d, m) == -1)
		return -1;
	if (d->source != NULL)
		return settle_move(d, t, m);
	d->source = m;
	d->source_target = t;
	mailboxes_hold(m);
	return 0;
}

/* ---- may it go there? ---- */

/* From an earlier attempt: the room for it is taken already. */
static bool
is_there(const struct delivery *d, struct maildir *m)
{
	int new = maildir_folder(m, MAILDIR_NEW);
	struct stat st;

	return new != -1 && fstatat(new, d->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Delivers where there is room. -1 with errno: nothing was settled. */
static int
try(struct delivery *d, struct target *t, struct maildir *m)
{
	uint64_t shared = mailboxes_limit(d->store->mailboxes), room;

	if (maildir_room(m, shared, &room) == -1)
		return -1;
	if (d->bytes <= room || is_there(d, m))
		return place(d, t, m);
	if (d->bytes > maildir_limit(m, shared))
		set_end(t, END_FAILED, "552 5.2.2 larger than the whole mailbox may be");
	else
		set_end(t, END_DEFERRED, "452 4.2.2 mailbox full");
	return 0;
}

/* A folder that has vanished under us is made again, once. */
static void
deliver_to(struct delivery *d, struct target *t)
{
	struct mailboxes *ms = d->store->mailboxes;
	struct maildir *m;

	for (int attempt = 0; (m = mailboxes_get(ms, t->mailbox)) != NULL; attempt++) {
		if (try(d, t, m) == 0)
			return;
		if (errno != ENOENT || attempt > 0) {
			set_trouble(d, t);
			return;
		}
		mailboxes_reset(ms, m);
	}
	if (errno == ENOENT)
		set_end(t, END_FAILED, "550 5.1.1 no such mailbox");
	else
		set_trouble(d, t);
}

static void
deliver_all(struct delivery *d)
{
	for (size_t i = 0; i < d->n; i++)
		deliver_to(d, &d->targets[i]);
	if (d->source == NULL)
		return;
	if (settle_move(d, d->source_target, d->source) == -1)
		set_trouble(d, d->source_target);
	mailboxes_release(d->source);
}

/* ---- the message and its answer ---- */

static void
send_delivered(struct ipc_peer *p, uint64_t tag, const struct delivery *d, bool durable)
{
	struct writer w;

	ipc_write(&w, STORE_DELIVERED, tag);
	put_u64(&w, durable);
	for (size_t i = 0; i < d->n; i++) {
		put_u64(&w, d->targets[i].end);
		put_u64(&w, d->targets[i].away);
		put_text(&w, d->targets[i].text);
	}
	ipc_peer_send(p, &w, -1);
}

static void
defer_all(struct delivery *d, const char *text)
{
	for (size_t i = 0; i < d->n; i++)
		set_end(&d->targets[i], END_DEFERRED, text);
}

/* Delivered, but the disk may not have it: a repeat will find it. */
static void
on_durable(struct ipc_peer *p, uint64_t tag, void *arg, int error)
{
	struct delivery *d = arg;

	for (size_t i = 0; error != 0 && i < d->n; i++)
		if (d->targets[i].end == END_DONE)
			set_end(
			    &d->targets[i], END_DEFERRED, "451 4.3.0 the mailbox cannot be synced");
	send_delivered(p, tag, d, true);
}

static void
answer(struct ipc_peer *p, uint64_t tag, struct delivery *d)
{
	size_t bytes = offsetof(struct delivery, targets) + d->n * sizeof d->targets[0];
	struct delivery *copy;

	if (d->unsynced)
		defer_all(d, "451 4.3.0 too many file systems");
	if (d->n_devices == 0) {
		send_delivered(p, tag, d, false);
		return;
	}
	copy = xmalloc(bytes);
	memcpy(copy, d, bytes);
	answer_when_durable(p, tag, d->syncs, d->n_devices, on_durable, copy);
}

/* One line with its end, or nothing: no header field of a stranger's comes with it. */
static bool
is_line(struct span s)
{
	if (s.len == 0)
		return true;
	return s.len > 2 && memchr(s.at, '\n', s.len) == s.at + s.len - 1 &&
	       memchr(s.at, '\r', s.len) == s.at + s.len - 2;
}

static int
read_delivery(struct delivery *d, struct reader *r)
{
	d->id = get_u64(r);
	d->arrival_us = get_u64(r);
	d->offset = get_u64(r);
	d->size = get_u64(r);
	d->return_path = get_str(r, RETURN_PATH_MAX_BYTES);
	while (get_more(r) && d->n < STORE_DELIVER_MAX_MAILBOXES)
		d->targets[d->n++] = (struct target){.mailbox = get_str(r, MAILBOX_NAME_MAX_BYTES)};
	if (d->offset > INT64_MAX / 4 || d->size > INT64_MAX / 4 || !is_line(d->return_path))
		return -1;
	d->bytes = d->return_path.len + d->size;
	return d->id == 0 || d->n == 0 ? -1 : get_end(r);
}

void
deliver_message(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	static struct delivery d;
	struct stat st;

	memset(&d, 0, offsetof(struct delivery, targets));
	d.store = p->arg;
	if (read_delivery(&d, r) == -1) {
		ipc_peer_refuse(p, "DELIVER");
		return;
	}
	d.fd = r->fd; /* closed after this handler */
	if (d.fd == -1 || fstat(d.fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		defer_all(&d, "451 4.3.0 the message did not come along");
	} else {
		d.dev = st.st_dev;
		maildir_name_print(d.id, d.arrival_us, d.store->host, d.bytes, d.name);
		deliver_all(&d);
		d.store->n_messages++;
	}
	answer(p, tag, &d);
}
