/*
 * Changes of config/users/passwd: one line is replaced, added or removed, all others stay as they
 * are. Composed in the loop, written and synced in a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "auth/users_private.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/write_all.h"

enum { FILE_MODE = 0600, ATTEMPTS_MAX = 5 };
static const char new_file[] = "passwd.new";

struct users_change {
	struct job job; /* must be first */
	struct users *users;
	struct worker *worker;
	char name[ACCOUNT_LINE_MAX_BYTES + 1];
	char line[ACCOUNT_LINE_MAX_BYTES + 2]; /* "": the name is removed */
	size_t line_len;
	unsigned attempts;
	users_changed_cb cb;
	void *arg;
	/* the thread's while it works: */
	int directory;
	struct users_stamp stamp; /* of what the text was made from; then of what was written */
	char *text;
	size_t len;
	int error;
};

/* ---- in the thread ---- */

static int
write_and_rename(struct users_change *c, int fd)
{
	struct stat st;

	if (write_all(fd, c->text, c->len) == -1 || fsync(fd) == -1)
		return -1;
	/* the commit point */
	if (renameat(c->directory, new_file, c->directory, users_file) == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		return -1;
	users_stamp_of(&st, &c->stamp);
	return 0;
}

static int
write_file(struct users_change *c)
{
	int fd, rv, error;

	if (unlinkat(c->directory, new_file, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(c->directory, new_file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    FILE_MODE);
	if (fd == -1)
		return -1;
	if ((rv = write_and_rename(c, fd)) == -1) {
		error = errno;
		unlinkat(c->directory, new_file, 0);
		errno = error;
	}
	closefd(&fd);
	return rv;
}

/* ESTALE: the file is not the one any more that the text was made from. */
static int
commit(struct users_change *c, int directory)
{
	struct users_stamp stamp;

	if (flock(directory, LOCK_EX) == -1 || !users_stamp_now(c->directory, &stamp))
		return -1;
	errno = ESTALE;
	if (!users_stamp_equal(&stamp, &c->stamp))
		return -1;
	return write_file(c) == -1 ? -1 : fsync(directory);
}

static void
work(struct job *job)
{
	struct users_change *c = (struct users_change *)job;
	int directory = openat(c->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	c->error = directory == -1 || commit(c, directory) == -1 ? errno : 0;
	closefd(&directory); /* and with it the lock */
}

/* ---- in the loop ---- */

static void begin(struct users_change *c);

static void
append(char *text, size_t *len, const char *bytes, size_t n)
{
	memcpy(text + *len, bytes, n);
	*len += n;
}

/* All lines but those of this name, of which the first one becomes the new one. */
char *
users_compose(const struct users *u, struct span name, struct span line, size_t *len)
{
	char *text = xmalloc(u->len + line.len + 1);
	struct span rest = {u->text, u->len}, old;
	bool placed = false;

	*len = 0;
	while (rest.len > 0) {
		span_take(&rest, '\n', &old);
		if (account_line_is_blank(old) || !span_equal(account_line_name(old), name)) {
			append(text, len, old.at, old.len);
			append(text, len, "\n", 1);
		} else if (!placed) {
			append(text, len, line.at, line.len);
			placed = true;
		}
	}
	if (!placed)
		append(text, len, line.at, line.len);
	return text;
}

void
users_change_free(struct users *u)
{
	struct users_change *c = u->change;

	if (c == NULL)
		return;
	u->change = NULL;
	if (c->text != NULL)
		explicit_bzero(c->text, c->len);
	free(c->text);
	explicit_bzero(c, sizeof *c);
	free(c);
}

static void
end(struct users_change *c)
{
	users_changed_cb cb = c->cb;
	void *arg = c->arg;
	int error = c->error;

	users_change_free(c->users);
	cb(arg, error);
}

static void
done(struct job *job)
{
	struct users_change *c = (struct users_change *)job;

	if (c->error == ESTALE && ++c->attempts < ATTEMPTS_MAX) {
		free(c->text);
		c->text = NULL;
		begin(c);
		return;
	}
	if (c->error == 0) {
		users_take(c->users, c->text, c->len, &c->stamp);
		c->text = NULL;
	}
	end(c);
}

static void
begin(struct users_change *c)
{
	if (users_refresh(c->users) == -1) {
		c->error = errno;
		end(c);
		return;
	}
	c->text =
	    users_compose(c->users, span_of(c->name), (struct span){c->line, c->line_len}, &c->len);
	c->stamp = c->users->stamp;
	c->directory = c->users->directory;
	worker_push(c->worker, &c->job, false);
}

static struct users_change *
new_change(struct users *u, struct worker *w, struct span name, users_changed_cb cb, void *arg)
{
	struct users_change *c = xcalloc(1, sizeof *c);

	c->job.work = work;
	c->job.done = done;
	c->users = u;
	c->worker = w;
	c->cb = cb;
	c->arg = arg;
	if (u->change != NULL || !span_copy(name, c->name, sizeof c->name))
		fatalx("two changes of users at one time");
	u->change = c;
	return c;
}

void
users_put(
    struct users *u, struct worker *w, const struct account *a, users_changed_cb cb, void *arg)
{
	struct users_change *c = new_change(u, w, a->name, cb, arg);

	c->line_len = account_print(a, c->line);
	begin(c);
}

void
users_remove(struct users *u, struct worker *w, struct span name, users_changed_cb cb, void *arg)
{
	begin(new_change(u, w, name, cb, arg));
}
