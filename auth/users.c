/*
 * The accounts in memory, and when to read them again.
 */
#include "auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/users_private.h"
#include "common/log.h"
#include "common/memory.h"

enum {
	/* A file system's clock ticks: two writes within a tick leave the same stamp. */
	TICK_MS = 20,
	WARNINGS_MAX = 20,
	BUCKETS_MIN = 16
};

const char users_file[] = "passwd";

/* ---- stamps ---- */

void
users_stamp_of(const struct stat *st, struct users_stamp *stamp)
{
	*stamp = (struct users_stamp){.exists = true,
	    .dev = st->st_dev,
	    .ino = st->st_ino,
	    .size = st->st_size,
	    .changed = st->st_ctim,
	    .modified = st->st_mtim};
}

bool
users_stamp_now(int directory, struct users_stamp *stamp)
{
	struct stat st;

	*stamp = (struct users_stamp){0};
	if (fstatat(directory, users_file, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		users_stamp_of(&st, stamp);
		return true;
	}
	return errno == ENOENT;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
users_stamp_equal(const struct users_stamp *a, const struct users_stamp *b)
{
	return a->exists == b->exists && a->dev == b->dev && a->ino == b->ino &&
	       a->size == b->size && same_time(&a->changed, &b->changed) &&
	       same_time(&a->modified, &b->modified);
}

/* True when the last change was so long ago that another one would show. */
static bool
has_settled(const struct users_stamp *stamp)
{
	struct timespec now;
	int64_t age_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	age_ms = (int64_t)(now.tv_sec - stamp->changed.tv_sec) * 1000 +
		 (now.tv_nsec - stamp->changed.tv_nsec) / 1000000;
	return !stamp->exists || age_ms >= TICK_MS || age_ms < -TICK_MS;
}

/* ---- the table ---- */

static struct users_entry **
bucket_of(const struct users *u, struct span name)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.at[i]) * 1099511628211u;
	return &u->buckets[(h ^ h >> 32) & (u->n_buckets - 1)];
}

static struct users_entry *
find(const struct users *u, struct span name)
{
	struct users_entry *e = u->n_buckets > 0 ? *bucket_of(u, name) : NULL;

	while (e != NULL && !span_equal(e->account.name, name))
		e = e->next;
	return e;
}

static void
free_text(char **text, size_t len)
{
	if (*text != NULL)
		explicit_bzero(*text, len);
	free(*text);
	*text = NULL;
}

void
users_clear(struct users *u)
{
	free_text(&u->text, u->len);
	free(u->entries);
	free(u->buckets);
	u->entries = NULL;
	u->buckets = NULL;
	u->n_entries = u->n_sound = u->n_buckets = u->len = 0;
}

static size_t
count_lines(const char *text, size_t len)
{
	size_t n = 1;

	for (const char *at = text; (at = memchr(at, '\n', text + len - at)) != NULL; at++)
		n++;
	return n;
}

static void
make_table(struct users *u)
{
	size_t n = count_lines(u->text, u->len);

	u->n_buckets = BUCKETS_MIN;
	while (u->n_buckets < n)
		u->n_buckets *= 2;
	u->entries = xcalloc(n, sizeof *u->entries);
	u->buckets = xcalloc(u->n_buckets, sizeof(struct users_entry *));
}

static void
add_line(struct users *u, struct span line, size_t number)
{
	const char *why = NULL;
	struct account a;
	struct users_entry *e, **bucket;

	if (account_parse(line, &a, &why) == -1)
		a.name = account_line_name(line);
	if ((e = find(u, a.name)) != NULL) {
		/* Which one is right is not for us to guess. */
		e->broken = "there are two lines with this name";
		e->line = number;
		return;
	}
	e = &u->entries[u->n_entries++];
	bucket = bucket_of(u, a.name);
	*e = (struct users_entry){.account = a, .broken = why, .line = number, .next = *bucket};
	*bucket = e;
}

static void
read_lines(struct users *u)
{
	struct span rest = {u->text, u->len}, line;

	make_table(u);
	for (size_t number = 1; rest.len > 0; number++) {
		span_take(&rest, '\n', &line);
		if (!account_line_is_blank(line))
			add_line(u, line, number);
	}
	for (size_t i = 0; i < u->n_entries; i++)
		u->n_sound += u->entries[i].broken == NULL;
}

static void
complain(const struct users *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n_entries && n < WARNINGS_MAX; i++) {
		const struct users_entry *e = &u->entries[i];

		if (e->broken == NULL)
			continue;
		log_warn(
		    "users/%s:%zu: %s: nobody can log in with it", users_file, e->line, e->broken);
		n++;
	}
	if (n == WARNINGS_MAX)
		log_warn("users/%s: more lines may be malformed", users_file);
}

/* ---- the file ---- */

static int
read_all(int fd, char *text, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < size && (n = read(fd, text + *len, size - *len)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		*len += n;
	}
	return 0;
}

static int
read_text(int fd, char **text, size_t *len, struct users_stamp *stamp)
{
	struct stat st;
	size_t size;

	if (fstat(fd, &st) == -1)
		return -1;
	users_stamp_of(&st, stamp);
	errno = EINVAL;
	if (!S_ISREG(st.st_mode))
		return -1;
	errno = EFBIG;
	if (st.st_size > USERS_FILE_MAX_BYTES)
		return -1;
	size = st.st_size;
	if ((*text = malloc(size + 1)) == NULL)
		return -1;
	if (read_all(fd, *text, size, len) == 0)
		return 0;
	free(*text);
	return -1;
}

static int
load(struct users *u, struct users_stamp *stamp)
{
	char *text = NULL;
	size_t len = 0;
	int fd = openat(
	    u->directory, users_file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT) {
		*stamp = (struct users_stamp){0};
		users_take(u, xcalloc(1, 1), 0, stamp);
		return 0;
	}
	if (fd == -1)
		return -1;
	if (read_text(fd, &text, &len, stamp) == -1) {
		closefd(&fd);
		return -1;
	}
	closefd(&fd);
	if (users_take(u, text, len, stamp))
		complain(u);
	return 0;
}

bool
users_take(struct users *u, char *text, size_t len, const struct users_stamp *stamp)
{
	u->stamp = *stamp;
	u->settled = has_settled(stamp);
	u->error = 0;
	if (u->text != NULL && u->len == len && memcmp(u->text, text, len) == 0) {
		free_text(&text, len);
		return false;
	}
	users_clear(u);
	u->text = text;
	u->len = len;
	read_lines(u);
	return true;
}

/* Says it once, and again when it is another trouble. */
static int
fail(struct users *u, int error)
{
	if (u->error != error)
		log_warn("cannot read users/%s: %s; nobody can log in", users_file,
		    error == EINVAL ? "it is no regular file" : strerror(error));
	u->error = error;
	errno = error;
	return -1;
}

int
users_refresh(struct users *u)
{
	struct users_stamp stamp;

	if (!users_stamp_now(u->directory, &stamp))
		return fail(u, errno);
	if (u->error == 0 && u->settled && users_stamp_equal(&stamp, &u->stamp))
		return 0;
	return load(u, &stamp) == -1 ? fail(u, errno) : 0;
}

/* ---- asking ---- */

enum users_state
users_find(struct users *u, struct span name, struct account *a)
{
	const struct users_entry *e;

	if (users_refresh(u) == -1)
		return USERS_TROUBLE;
	if ((e = find(u, name)) == NULL)
		return USERS_NONE;
	if (e->broken != NULL)
		return USERS_BROKEN;
	*a = e->account;
	return USERS_FOUND;
}

size_t
users_count(const struct users *u)
{
	return u->n_sound;
}

bool
users_next(const struct users *u, size_t *at, struct account *a)
{
	while (*at < u->n_entries) {
		const struct users_entry *e = &u->entries[(*at)++];

		if (e->broken != NULL)
			continue;
		*a = e->account;
		return true;
	}
	return false;
}

struct users *
users_new(int directory)
{
	struct users *u = xcalloc(1, sizeof *u);

	u->directory = directory;
	users_refresh(u);
	return u;
}

void
users_free(struct users **up)
{
	struct users *u = *up;

	if (u == NULL)
		return;
	*up = NULL;
	users_change_free(u);
	users_clear(u);
	closefd(&u->directory);
	free(u);
}
