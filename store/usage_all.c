/*
 * How full all mailboxes are.
 */
#include "store/usage_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"
#include "common/span.h"
#include "store/maildir_name.h"
#include "store/store.h"

enum { LIMIT_TEXT_SIZE = 32 };

struct mailbox {
	char name[MAILBOX_NAME_MAX_BYTES + 1];
	uint64_t bytes, messages, limit;
};

struct count {
	struct job job; /* must be first */
	int mail;
	uint64_t limit;
	usage_cb cb;
	void *arg;
	struct mailbox *mailboxes;
	size_t n;
	int error;
};

/* ---- in the thread ---- */

/* A name that does not say its size costs a look at the file. */
static uint64_t
size_of(int dir, const char *file)
{
	struct maildir_name n;
	struct stat st;

	maildir_name_parse(span_of(file), &n);
	if (n.has_size)
		return n.size;
	return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static void
count_files(struct mailbox *m, int maildir, const char *folder)
{
	DIR *d = directory_read(maildir, folder);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			m->messages++;
			m->bytes += size_of(dirfd(d), e->d_name);
		}
	if (d != NULL)
		closedir(d);
}

static void
count_maildir(struct mailbox *m, int maildir)
{
	count_files(m, maildir, "new");
	count_files(m, maildir, "cur");
}

/* Maildir++: each folder is a Maildir of its own, ".Name", in the first one. */
static void
count_folders(struct mailbox *m, int maildir)
{
	DIR *d = directory_read(maildir, ".");
	struct dirent *e;
	int folder;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		if ((folder = directory_open(maildir, e->d_name)) != -1)
			count_maildir(m, folder);
		closefd(&folder);
	}
	if (d != NULL)
		closedir(d);
}

static uint64_t
read_limit(int maildir, uint64_t shared)
{
	char text[LIMIT_TEXT_SIZE];
	int fd = openat(maildir, "quota", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, text, sizeof text) : 0;
	struct span s = {text, n > 0 ? n : 0};
	uint64_t bytes;

	closefd(&fd);
	while (s.len > 0 && (s.at[s.len - 1] == '\n' || s.at[s.len - 1] == '\r'))
		s.len--;
	return span_u64(span_trim(s), STORE_NO_LIMIT - 1, &bytes) ? bytes : shared;
}

static void
count_mailbox(struct count *c, int mail, const char *name)
{
	struct mailbox m = {.limit = c->limit};
	struct stat st;
	int maildir;

	if (strlcpy(m.name, name, sizeof m.name) >= sizeof m.name ||
	    (maildir = directory_open(mail, name)) == -1)
		return;
	if (fstatat(maildir, "inbox.fld", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		count_maildir(&m, maildir);
		count_folders(&m, maildir);
		m.limit = read_limit(maildir, c->limit);
		if ((c->n & (c->n - 1)) == 0)
			c->mailboxes =
			    xrealloc(c->mailboxes, (c->n ? c->n * 2 : 1) * sizeof *c->mailboxes);
		c->mailboxes[c->n++] = m;
	}
	closefd(&maildir);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct mailbox *)a)->name, ((const struct mailbox *)b)->name);
}

static void
work(struct job *job)
{
	struct count *c = (struct count *)job;
	DIR *d = directory_read(c->mail, ".");
	struct dirent *e;

	if (d == NULL) {
		c->error = errno;
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			count_mailbox(c, dirfd(d), e->d_name);
	closedir(d);
	if (c->n > 0)
		qsort(c->mailboxes, c->n, sizeof *c->mailboxes, compare);
}

/* ---- in the loop ---- */

static json_t *
describe(const struct count *c)
{
	json_t *users = json_array();

	for (size_t i = 0; i < c->n; i++) {
		const struct mailbox *m = &c->mailboxes[i];
		json_t *user = json_pack("{s:s, s:I, s:I, s:o}", "name", m->name, "bytes",
		    (json_int_t)m->bytes, "messages", (json_int_t)m->messages, "limit",
		    m->limit == STORE_NO_LIMIT ? json_null() : json_integer(m->limit));

		if (user != NULL) /* no UTF-8: no user's */
			json_array_append_new(users, user);
	}
	return json_pack("{s:o}", "users", users);
}

static void
done(struct job *job)
{
	struct count *c = (struct count *)job;

	c->cb(c->arg, c->error == 0 ? describe(c) : NULL, c->error);
	free(c->mailboxes);
	free(c);
}

void
usage_count(struct worker *w, int mail, uint64_t limit, usage_cb cb, void *arg)
{
	struct count *c = xcalloc(1, sizeof *c);

	*c = (struct count){.job = {.work = work, .done = done},
	    .mail = mail,
	    .limit = limit,
	    .cb = cb,
	    .arg = arg};
	worker_push(w, &c->job, false);
}
