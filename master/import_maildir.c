/*
 * Reads a Maildir++. Touches nothing of it.
 */
#include "master/import_maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"
#include "store/folder_name.h"
#include "store/maildir_name.h"
#include "store/message_flags.h"

enum {
	MESSAGES_MAX = 4000000,
	FOLDERS_MAX = 10000,
	DEPTH_MAX = 10, /* of directories that are looked through for folders */
	UID_LINE_MAX_BYTES = 1024
};

static FILE *
read_file(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	FILE *f = fd != -1 ? fdopen(fd, "r") : NULL;

	if (f == NULL)
		closefd(&fd);
	return f;
}

/* ---- folders ---- */

static int
compare_folders(const void *a, const void *b)
{
	const struct maildir_folder_found *x = a, *y = b;

	if ((x->directory[0] == '\0') != (y->directory[0] == '\0'))
		return x->directory[0] == '\0' ? -1 : 1;
	return strcmp(x->directory, y->directory);
}

/* It has messages, or is ready to have them. */
static bool
is_maildir(int at, const char *directory)
{
	int fd = directory_open(at, directory);
	struct stat st;
	bool good;

	good = fd != -1 &&
	       ((fstatat(fd, "cur", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) ||
		   (fstatat(fd, "new", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)));
	closefd(&fd);
	return good;
}

static void
add_folder(
    struct maildir_folder_found **list, size_t *n, const char *directory, const char *why_not)
{
	struct maildir_folder_found *f;

	*list = xrealloc(*list, (*n + 1) * sizeof **list);
	f = &(*list)[(*n)++];
	strlcpy(f->directory, directory, sizeof f->directory);
	if (why_not == NULL && !folder_name_of(directory, f->name))
		why_not = "no folder can have this name";
	if (why_not != NULL)
		f->name[0] = '\0';
	f->why_not = why_not;
}

static bool
is_link(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
	       fstatat(at, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_place(const char *name)
{
	return strcmp(name, "new") == 0 || strcmp(name, "cur") == 0 || strcmp(name, "tmp") == 0;
}

/* A folder lies there, or below: of "Work/2026" the first may be none. */
static bool
has_maildir(int at, const char *directory, unsigned depth)
{
	DIR *d = directory_read(at, directory);
	const struct dirent *e;
	bool found = false;

	if (d == NULL)
		return false;
	found = is_maildir(dirfd(d), "");
	while (!found && depth < DEPTH_MAX && (e = readdir(d)) != NULL)
		found = e->d_name[0] != '.' && !is_place(e->d_name) &&
			directory_entry_is_directory(dirfd(d), e) &&
			has_maildir(dirfd(d), e->d_name, depth + 1);
	closedir(d);
	return found;
}

/* What else may hold mail is not left out silently. */
static void
look_at_entry(struct maildir_folder_found **list, size_t *n, int maildir, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_place(name))
		return;
	if (is_link(maildir, name))
		add_folder(list, n, name, "it is a symbolic link");
	else if (name[0] == '.' && is_maildir(maildir, name))
		add_folder(list, n, name, NULL);
	else if (name[0] != '.' && has_maildir(maildir, name, 0))
		add_folder(list, n, name, "it is no folder of Maildir++, but of LAYOUT=fs");
}

int
maildir_list_folders(int maildir, struct maildir_folder_found **list, size_t *n)
{
	DIR *d = directory_read(maildir, "");
	const struct dirent *e;
	int error;

	*list = NULL;
	*n = 0;
	if (d == NULL)
		return -1;
	if (is_maildir(maildir, ""))
		add_folder(list, n, "", NULL);
	for (errno = 0; *n <= FOLDERS_MAX && (e = readdir(d)) != NULL; errno = 0)
		look_at_entry(list, n, maildir, e->d_name);
	error = *n > FOLDERS_MAX ? E2BIG : errno;
	closedir(d);
	errno = error != 0 ? error : ENOTDIR;
	if (error != 0 || *n == 0)
		return -1;
	qsort(*list, *n, sizeof **list, compare_folders);
	return 0;
}

/* ---- keywords and UIDs ---- */

static void
read_keywords(int folder, struct maildir_contents *c)
{
	char line[UID_LINE_MAX_BYTES];
	FILE *f = read_file(folder, "dovecot-keywords");

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		struct span rest = {line, strcspn(line, "\r\n")}, number;
		uint64_t i;

		if (span_take(&rest, ' ', &number) &&
		    span_u64(number, FOLDERS_KEYWORDS_MAX - 1, &i))
			(void)span_copy(rest, c->keywords[i], sizeof c->keywords[i]);
	}
	if (f != NULL)
		fclose(f);
}

static int
compare_files(const void *a, const void *b)
{
	return span_compare(maildir_base(a), maildir_base(b));
}

/* "12 W1234 :1700000000.M1P2.host" (version 3), "12 1700000000.M1P2.host" (version 1). */
static void
take_uid_line(struct maildir_contents *c, char *text)
{
	struct span line = {text, strcspn(text, "\r\n")}, number, base;
	struct maildir_message key, *m;
	const char *colon = memchr(line.at, ':', line.len);
	uint64_t uid;

	if (!span_take(&line, ' ', &number) || !span_u64(number, UINT32_MAX, &uid))
		return;
	base = colon != NULL ? (struct span){colon + 1, line.at + line.len - colon - 1} : line;
	key.file = span_text(base);
	m = bsearch(&key, c->messages, c->n, sizeof *c->messages, compare_files);
	if (m != NULL)
		m->uid = uid;
	free(key.file);
}

/* The messages are sorted by name. */
static void
read_uids(int folder, struct maildir_contents *c)
{
	char line[UID_LINE_MAX_BYTES];
	FILE *f = c->n > 0 ? read_file(folder, "dovecot-uidlist") : NULL;

	if (f == NULL)
		return;
	if (fgets(line, sizeof line, f) != NULL) /* the first line is about the list */
		while (fgets(line, sizeof line, f) != NULL)
			take_uid_line(c, line);
	fclose(f);
}

/* ---- messages ---- */

struct span
maildir_base(const struct maildir_message *m)
{
	struct maildir_name n;

	maildir_name_parse(span_of(m->file), &n);
	return n.base;
}

static int
compare_messages(const void *a, const void *b)
{
	const struct maildir_message *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	if (x->arrival_s != y->arrival_s)
		return x->arrival_s < y->arrival_s ? -1 : 1;
	return strcmp(x->file, y->file);
}

/*
 * IMAP's INTERNALDATE, for Dovecot and Courier the time of the file: what was appended or converted
 * has the day of that in its name. A copy that has lost its time leaves the name.
 */
static uint64_t
arrival_of(const struct maildir_name *name, const struct stat *st)
{
	uint64_t changed = st->st_mtim.tv_sec > 0 ? st->st_mtim.tv_sec : 0;

	if (changed == 0 || name->seconds == 0)
		return changed + name->seconds;
	return name->seconds < changed ? name->seconds : changed;
}

static void
add_message(struct maildir_contents *c, int at, const char *file, bool is_new)
{
	struct maildir_name name;
	struct stat st;

	if (fstatat(at, file, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode) ||
	    c->n == MESSAGES_MAX) {
		c->odd++;
		return;
	}
	maildir_name_parse(span_of(file), &name);
	if ((c->n & (c->n - 1)) == 0)
		c->messages = xrealloc(c->messages, (c->n ? c->n * 2 : 1) * sizeof *c->messages);
	c->messages[c->n++] = (struct maildir_message){.file = xstrdup(file),
	    .is_new = is_new,
	    .uid = UINT64_MAX,
	    .arrival_s = arrival_of(&name, &st),
	    .size = st.st_size};
}

static int
read_place(struct maildir_contents *c, int at, bool is_new)
{
	DIR *d = at != -1 ? directory_read(at, "") : NULL;
	const struct dirent *e;
	int error;

	if (at == -1)
		return errno == ENOENT ? 0 : -1;
	if (d == NULL)
		return -1;
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (e->d_name[0] != '.')
			add_message(c, at, e->d_name, is_new);
	error = errno;
	closedir(d);
	errno = error;
	return error != 0 ? -1 : 0;
}

int
maildir_read(int maildir, const char *directory, struct maildir_contents *c)
{
	int folder = directory_open(maildir, directory), rv = -1;

	*c = (struct maildir_contents){.new = -1, .cur = -1};
	if (folder == -1)
		return -1;
	c->new = directory_open(folder, "new");
	if (read_place(c, c->new, true) == 0) {
		c->cur = directory_open(folder, "cur");
		rv = read_place(c, c->cur, false);
	}
	if (rv == 0) {
		if (c->n > 0)
			qsort(c->messages, c->n, sizeof *c->messages, compare_files);
		read_keywords(folder, c);
		read_uids(folder, c);
		if (c->n > 0)
			qsort(c->messages, c->n, sizeof *c->messages, compare_messages);
	}
	if (rv == -1)
		maildir_contents_free(c);
	closefd(&folder);
	return rv;
}

void
maildir_contents_free(struct maildir_contents *c)
{
	int error = errno;

	for (size_t i = 0; i < c->n; i++)
		free(c->messages[i].file);
	free(c->messages);
	closefd(&c->new);
	closefd(&c->cur);
	*c = (struct maildir_contents){.new = -1, .cur = -1};
	errno = error;
}

int
maildir_open_message(const struct maildir_contents *c, const struct maildir_message *m)
{
	int fd = openat(m->is_new ? c->new : c->cur, m->file,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		closefd(&fd);
		errno = EINVAL;
	}
	return fd;
}

size_t
maildir_flags(const struct maildir_contents *c, const struct maildir_message *m, unsigned *flags,
    struct span keywords[FOLDERS_KEYWORDS_MAX])
{
	struct span base = maildir_base(m);
	struct span tail = span_of(m->file + base.len);
	uint32_t bits;
	size_t n = 0;

	message_flags_parse(tail, flags, &bits);
	for (int i = 0; i < FOLDERS_KEYWORDS_MAX; i++)
		if ((bits & 1u << i) && c->keywords[i][0] != '\0')
			keywords[n++] = span_of(c->keywords[i]);
	return n;
}
