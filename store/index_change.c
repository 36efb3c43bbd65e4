/*
 * What sessions do to messages: open, flag, copy, move, remove and add. Each change of a message is
 * one system call on its file, by the name that index.db has or that is found anew; the row
 * follows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"
#include "store/copy_file.h"
#include "store/index.h"
#include "store/maildir_name.h"
#include "store/message_flags.h"

enum { FILE_MODE = 0600, NAMES_TRIED = 8 };

static enum folders_refusal
refusal_of(int error)
{
	return error == ENOSPC || error == EDQUOT ? FOLDERS_FULL : FOLDERS_TROUBLE;
}

static struct folder *
required_folder(struct index *x, struct index_request *q, uint64_t id)
{
	struct folder *f = index_folder(x, id);

	if (f == NULL)
		q->refusal = FOLDERS_NO_FOLDER;
	return f;
}

/* ---- files ---- */

struct file_name {
	char text[NAME_MAX + 1];
};

static bool
print_name(const char *base, const char *tail, struct file_name *name)
{
	return (size_t)snprintf(name->text, sizeof name->text, "%s%s", base, tail) <
	       sizeof name->text;
}

/* One that nothing has: the time and chance. The size is in it as in all names. */
static void
new_base(struct index *x, uint64_t seconds, uint64_t size, char base[NAME_MAX + 1])
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	snprintf(base, NAME_MAX + 1, "%llu.M%06ldR%08x%08x.%s,S=%llu", (unsigned long long)seconds,
	    now.tv_nsec / 1000, arc4random(), arc4random(), x->host, (unsigned long long)size);
}

/* The row as it is after the folder was read anew. */
static bool
look_again(struct index *x, struct folder *f, struct message *m)
{
	int64_t id = m->id;

	return index_sync_folder(x, f) && row_by_id(x, id, m) && m->folder == f->id;
}

int
index_open_message(struct index *x, struct folder *f, struct message *m)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct file_name name;
	struct stat st;
	int fd = -1;

	for (int attempt = 0; attempt < 2 && fd == -1; attempt++) {
		int at = index_open_place(x, f, m->place, O_PATH);

		if (at != -1 && print_name(m->base, m->tail, &name))
			fd = openat(at, name.text, flags);
		closefd(&at);
		if (fd == -1 && (errno != ENOENT || !look_again(x, f, m)))
			return -1;
	}
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		closefd(&fd);
		errno = EINVAL;
	}
	return fd;
}

/* What the directories look like after a change of ours. While they are watched nothing is missed;
 * else all names are read again. */
static void
note_change(struct index *x, struct folder *f)
{
	f->settled = false;
	f->changed = true;
	(void)x;
}

/* ---- GET ---- */

void
index_get(struct index *x, struct index_request *q)
{
	struct folder *f = required_folder(x, q, get_u64(&q->fields));
	uint64_t uid = get_u64(&q->fields);
	struct message m;
	struct writer w;
	int fd;

	if (get_end(&q->fields) == -1) {
		q->malformed = true;
		return;
	}
	if (f == NULL)
		return;
	q->refusal = FOLDERS_NO_MESSAGE;
	if (!row_by_uid(x, f, uid, &m))
		return;
	if ((fd = index_open_message(x, f, &m)) == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			q->refusal = FOLDERS_TROUBLE;
		return;
	}
	q->refusal = FOLDERS_GRANTED;
	reply_begin(&w, FOLDERS_MESSAGE);
	(void)reply_add(&q->reply, &w, fd);
}

/* ---- lists of UIDs in answers ---- */

struct uids {
	struct index_request *q;
	struct writer w;
	bool open;
};

static void
put_uid(struct uids *u, uint64_t uid)
{
	if (!u->open) {
		reply_begin(&u->w, FOLDERS_UIDS);
		put_u64(&u->w, 0);
	}
	u->open = true;
	put_u64(&u->w, uid);
}

static void
end_uids(struct uids *u)
{
	if (u->open)
		(void)reply_add(&u->q->reply, &u->w, -1);
}

/* ---- FLAG ---- */

struct flag_change {
	unsigned add, remove;
	uint32_t add_keywords, remove_keywords;
	uint64_t unchanged_since;
};

/* Bits of the keywords that a request names; made when they are to be added. */
static bool
read_keywords(struct index *x, struct index_request *q, struct folder *f, bool make, uint32_t *bits)
{
	uint64_t n = get_u64(&q->fields);

	*bits = 0;
	if (n > FOLDERS_KEYWORDS_MAX) {
		q->fields.bad = true;
		return false;
	}
	for (uint64_t i = 0; i < n; i++) {
		struct span name = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
		int number;

		if (q->fields.bad)
			return false;
		if (!keyword_is_valid(name)) {
			q->refusal = FOLDERS_BAD_NAME;
			continue;
		}
		number = f != NULL ? keywords_number(x, f, name, make) : -1;
		if (number != -1)
			*bits |= 1u << number;
		else if (make && f != NULL)
			q->refusal = FOLDERS_FULL;
	}
	return true;
}

static int
rename_file(struct index *x, struct folder *f, struct message *m, const char *tail)
{
	int from = index_open_place(x, f, m->place, O_PATH);
	int to = index_open_place(x, f, MAILDIR_CUR, O_PATH), rv = -1;
	struct file_name old, new;

	errno = ENAMETOOLONG;
	if (from != -1 && to != -1 && print_name(m->base, m->tail, &old) &&
	    print_name(m->base, tail, &new))
		rv = m->place == MAILDIR_CUR && strcmp(old.text, new.text) == 0
			 ? 0
			 : renameat(from, old.text, to, new.text);
	closefd(&from);
	closefd(&to);
	return rv;
}

/* 1: done or nothing to do, 0: it is gone, -1: trouble, with errno */
static int
flag_one(struct index *x, struct folder *f, const struct flag_change *c, struct message *m)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		struct message old = *m;

		m->flags = (m->flags | c->add) & ~c->remove;
		m->keywords = (m->keywords | c->add_keywords) & ~c->remove_keywords;
		if (m->flags == old.flags && m->keywords == old.keywords)
			return 1;
		message_flags_print(m->flags, m->keywords, m->tail);
		if (rename_file(x, f, &old, m->tail) == 0) {
			m->place = MAILDIR_CUR;
			row_change(x, f, &old, m);
			return 1;
		}
		if (errno != ENOENT)
			return -1;
		*m = old;
		if (!look_again(x, f, m))
			return 0;
	}
	return 0;
}

void
index_flag(struct index *x, struct index_request *q)
{
	struct folder *f = required_folder(x, q, get_u64(&q->fields));
	struct flag_change c = {.add = get_u64(&q->fields)};
	struct uids refused = {.q = q};
	struct message m;

	c.remove = get_u64(&q->fields);
	c.unchanged_since = get_u64(&q->fields);
	if (!read_keywords(x, q, f, true, &c.add_keywords) ||
	    !read_keywords(x, q, f, false, &c.remove_keywords) ||
	    ((c.add | c.remove) & ~(unsigned)FLAGS_ALL)) {
		q->malformed = true;
		return;
	}
	while (get_more(&q->fields)) {
		uint64_t uid = get_u64(&q->fields);

		if (f == NULL || q->refusal != FOLDERS_GRANTED || !row_by_uid(x, f, uid, &m))
			continue;
		if (c.unchanged_since != 0 && m.modseq > c.unchanged_since)
			put_uid(&refused, uid);
		else if (flag_one(x, f, &c, &m) == -1)
			q->refusal = refusal_of(errno);
	}
	q->malformed = get_end(&q->fields) == -1;
	end_uids(&refused);
	if (f != NULL) {
		note_change(x, f);
		q->modseq = f->modseq;
	}
}

/* ---- COPY, MOVE ---- */

/* The letters that the same keywords have in another folder. What has no letter there is lost. */
static uint32_t
translate_keywords(struct index *x, struct folder *from, struct folder *to, uint32_t bits)
{
	uint32_t out = 0;

	if (bits == 0 || !keywords_load(x, from))
		return 0;
	for (int i = 0; i < FOLDERS_KEYWORDS_MAX; i++) {
		int number;

		if (!(bits & 1u << i) || from->keywords.names[i][0] == '\0')
			continue;
		number = keywords_number(x, to, span_of(from->keywords.names[i]), true);
		if (number != -1)
			out |= 1u << number;
	}
	return out;
}

/* Under its own name where that is free, when it moves. -1 with errno. */
static int
place_file(struct index *x, struct folder *from, const struct message *old, struct folder *to,
    struct message *m, bool move)
{
	int source = index_open_place(x, from, old->place, O_PATH);
	int target = index_open_place(x, to, MAILDIR_CUR, O_PATH), rv = -1;
	struct file_name old_name, new_name;

	for (int i = 0; source != -1 && target != -1 && rv == -1 && i < NAMES_TRIED; i++) {
		if (!move || i > 0)
			new_base(x, old->arrival, old->size, m->base);
		if (!print_name(old->base, old->tail, &old_name) ||
		    !print_name(m->base, m->tail, &new_name)) {
			errno = ENAMETOOLONG;
			break;
		}
		rv = move
			 ? renameat2(source, old_name.text, target, new_name.text, RENAME_NOREPLACE)
			 : linkat(source, old_name.text, target, new_name.text, 0);
		if (rv == -1 && errno != EEXIST)
			break;
	}
	closefd(&source);
	closefd(&target);
	return rv;
}

static bool
base_is_free(struct index *x, struct folder *to, const struct message *m)
{
	struct message other;

	return !row_by_base(x, to, span_of(m->base), &other);
}

/* The new UID, 0: it is gone, or trouble, which q then has. */
static uint64_t
transfer(struct index *x, struct index_request *q, struct folder *from, struct folder *to,
    struct message *old, bool move)
{
	struct message m;

	if (!move && old->size > q->room) {
		q->refusal = FOLDERS_FULL;
		return 0;
	}
	for (int attempt = 0; attempt < 2; attempt++) {
		m = *old;
		m.keywords = translate_keywords(x, from, to, old->keywords);
		m.place = MAILDIR_CUR;
		message_flags_print(m.flags, m.keywords, m.tail);
		if (move && !base_is_free(x, to, &m))
			new_base(x, m.arrival, m.size, m.base);
		if (place_file(x, from, old, to, &m, move) == 0) {
			if (move)
				row_move(x, from, to, old, &m);
			else
				row_copy(x, to, old, &m);
			if (!move && q->room != STORE_NO_LIMIT)
				q->room -= m.size;
			return m.uid;
		}
		if (errno != ENOENT) {
			q->refusal = refusal_of(errno);
			return 0;
		}
		if (!look_again(x, from, old))
			return 0;
	}
	return 0;
}

static void
transfer_all(struct index *x, struct index_request *q, bool move)
{
	struct folder *from = required_folder(x, q, get_u64(&q->fields));
	struct folder *to = required_folder(x, q, get_u64(&q->fields));
	struct uids new = {.q = q};
	struct message m;

	while (get_more(&q->fields)) {
		uint64_t uid = get_u64(&q->fields), moved = 0;

		if (q->fields.bad || from == NULL || to == NULL)
			continue;
		if (q->refusal == FOLDERS_GRANTED && row_by_uid(x, from, uid, &m))
			moved = move && from == to ? uid : transfer(x, q, from, to, &m, move);
		put_uid(&new, moved);
	}
	q->malformed = get_end(&q->fields) == -1;
	end_uids(&new);
	if (from == NULL || to == NULL)
		return;
	note_change(x, from);
	note_change(x, to);
	q->modseq = to->modseq;
}

void
index_copy(struct index *x, struct index_request *q)
{
	transfer_all(x, q, false);
}

void
index_move(struct index *x, struct index_request *q)
{
	transfer_all(x, q, true);
}

/* ---- EXPUNGE ---- */

/* 1: it is gone by this, 0: it was, -1: trouble, with errno */
static int
remove_one(struct index *x, struct folder *f, struct message *m)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		int at = index_open_place(x, f, m->place, O_PATH), rv = -1;
		struct file_name name;

		if (at != -1 && print_name(m->base, m->tail, &name))
			rv = unlinkat(at, name.text, 0);
		closefd(&at);
		if (rv == 0) {
			row_delete(x, f, m);
			return 1;
		}
		if (errno != ENOENT)
			return -1;
		if (!look_again(x, f, m))
			return 0;
	}
	return 0;
}

void
index_expunge(struct index *x, struct index_request *q)
{
	struct folder *f = required_folder(x, q, get_u64(&q->fields));
	struct message m;

	while (get_more(&q->fields)) {
		uint64_t uid = get_u64(&q->fields);
		int rv;

		if (q->fields.bad || f == NULL || !row_by_uid(x, f, uid, &m))
			continue;
		if ((rv = remove_one(x, f, &m)) == -1)
			q->refusal = refusal_of(errno);
		q->number += rv == 1;
	}
	q->malformed = get_end(&q->fields) == -1;
	if (f != NULL) {
		note_change(x, f);
		q->modseq = f->modseq;
	}
}

/* ---- APPEND ---- */

/* In tmp/, with the arrival as its time, as Dovecot reads it. */
static int
write_tmp(int tmp, const char *name, int from, uint64_t size, uint64_t arrival)
{
	const struct timespec times[2] = {{.tv_sec = arrival}, {.tv_sec = arrival}};
	const int mode = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(tmp, name, mode, FILE_MODE), rv;

	/* What a crash has left: nobody writes it now. */
	if (fd == -1 && errno == EEXIST && unlinkat(tmp, name, 0) == 0)
		fd = openat(tmp, name, mode, FILE_MODE);
	if (fd == -1)
		return -1;
	rv = copy_file(from, size, fd);
	if (rv == 0)
		(void)futimens(fd, times); /* its name has it too */
	if (rv == 0 && close(fd) == -1)
		rv = -1;
	else if (rv == -1)
		closefd(&fd);
	if (rv == -1) {
		int error = errno;

		(void)unlinkat(tmp, name, 0);
		errno = error;
	}
	return rv;
}

static int
append_file(struct index *x, struct folder *f, struct message *m, int from)
{
	int tmp = index_open_place(x, f, MAILDIR_TMP, O_PATH);
	int cur = index_open_place(x, f, MAILDIR_CUR, O_PATH), rv = -1;
	struct file_name name;

	if (tmp != -1 && cur != -1 && print_name(m->base, m->tail, &name) &&
	    write_tmp(tmp, m->base, from, m->size, m->arrival) == 0) {
		rv = renameat(tmp, m->base, cur, name.text);
		if (rv == -1) {
			int error = errno;

			(void)unlinkat(tmp, m->base, 0);
			errno = error;
		}
	}
	closefd(&tmp);
	closefd(&cur);
	return rv;
}

/* In any folder: it may have been moved since. */
static bool
is_there(struct index *x, struct span base)
{
	struct message m;

	for (size_t i = 0; i < x->n_folders; i++)
		if (row_by_base(x, x->folders[i], base, &m))
			return true;
	return false;
}

static bool
read_append(struct index *x, struct index_request *q, struct folder *f, struct message *m)
{
	uint64_t flags = get_u64(&q->fields);
	struct timespec now = {0};
	struct span name;
	struct stat st;
	bool good;

	m->arrival = get_u64(&q->fields);
	good = read_keywords(x, q, f, true, &m->keywords);
	name = get_str(&q->fields, FOLDERS_FILE_NAME_MAX_BYTES);
	if (!good || get_end(&q->fields) == -1 || !(name.len == 0 || maildir_name_is_plain(name)) ||
	    !span_copy(name, m->base, sizeof m->base) || q->fd == -1 ||
	    (flags & ~(uint64_t)FLAGS_ALL) || m->arrival > INT64_MAX / 1000) {
		q->malformed = true;
		return false;
	}
	m->flags = flags;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (m->arrival == 0)
		m->arrival = now.tv_sec;
	/* Keywords that are none here, or for which a folder has no letter, are lost; mail that is
	 * taken over is not. */
	if (m->base[0] != '\0' && (q->refusal == FOLDERS_FULL || q->refusal == FOLDERS_BAD_NAME))
		q->refusal = FOLDERS_GRANTED;
	if (f == NULL || q->refusal != FOLDERS_GRANTED)
		return false;
	/* Whoever hears so may rely on it. */
	if (m->base[0] != '\0' && is_there(x, span_of(m->base))) {
		q->sync = true;
		return false;
	}
	if (fstat(q->fd, &st) == -1 || !S_ISREG(st.st_mode))
		q->refusal = FOLDERS_BAD_REQUEST;
	else if ((m->size = st.st_size) > q->room)
		q->refusal = FOLDERS_FULL;
	return q->refusal == FOLDERS_GRANTED;
}

void
index_append(struct index *x, struct index_request *q)
{
	struct folder *f = required_folder(x, q, get_u64(&q->fields));
	struct message m = {.place = MAILDIR_CUR};

	if (!read_append(x, q, f, &m))
		return;
	if (m.base[0] == '\0')
		new_base(x, m.arrival, m.size, m.base);
	message_flags_print(m.flags, m.keywords, m.tail);
	if (append_file(x, f, &m, q->fd) == -1) {
		q->refusal = refusal_of(errno);
		return;
	}
	row_insert(x, f, &m);
	note_change(x, f);
	q->number = m.uid;
	q->modseq = f->modseq;
	q->sync = true;
}
