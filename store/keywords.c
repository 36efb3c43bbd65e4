/*
 * The keywords of a folder: which letter in a file's name stands for which, in the file
 * dovecot-keywords as Dovecot writes it: a line for each, number and name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "store/index.h"

enum {
	FILE_MODE = 0600,
	FILE_MAX_BYTES = 16384,
	OWN_MAX_BYTES = FOLDERS_KEYWORDS_MAX * (FOLDERS_KEYWORD_MAX_BYTES + 8)
};

static const char file_name[] = "dovecot-keywords", file_new[] = "dovecot-keywords.new";

/* An atom of IMAP (RFC 9051 9), which is no flag of the system's. */
bool
keyword_is_valid(struct span name)
{
	if (name.len == 0 || name.len > FOLDERS_KEYWORD_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] >= 0x7f ||
		    strchr("(){%*\"\\]", name.at[i]) != NULL)
			return false;
	return true;
}

static void
take_line(struct keywords *k, struct span line)
{
	struct span number;
	uint64_t n;

	if (!span_take(&line, ' ', &number) || !span_u64(number, FOLDERS_KEYWORDS_MAX - 1, &n) ||
	    !keyword_is_valid(line))
		return;
	(void)span_copy(line, k->names[n], sizeof k->names[n]);
}

static void
read_file(struct keywords *k, int fd)
{
	char text[FILE_MAX_BYTES];
	ssize_t n = read(fd, text, sizeof text);
	struct span rest = {text, n > 0 ? n : 0}, line;

	while (rest.len > 0) {
		(void)span_take(&rest, '\n', &line);
		take_line(k, line);
	}
}

/* What is there now; all zero: no file. False: nobody can say. */
static bool
look(int at, struct stamp *now)
{
	struct stat st;

	*now = (struct stamp){0};
	if (at == -1)
		return false;
	if (fstatat(at, file_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT;
	if (S_ISREG(st.st_mode))
		*now = (struct stamp){st.st_ino, st.st_ctim, st.st_mtim};
	return true;
}

static bool
read_again(struct keywords *k, int at)
{
	int fd;

	memset(k->names, 0, sizeof k->names);
	if (k->stamp.ino == 0)
		return true;
	fd = openat(at, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return false;
	read_file(k, fd);
	closefd(&fd);
	return true;
}

bool
keywords_load(struct index *x, struct folder *f)
{
	struct keywords *k = &f->keywords;
	int at = index_open_folder(x, f, O_PATH);
	struct stamp now;

	if (!look(at, &now))
		k->known = false;
	else if (!k->known || memcmp(&now, &k->stamp, sizeof now) != 0) {
		k->stamp = now;
		k->known = read_again(k, at);
	}
	closefd(&at);
	return k->known;
}

/* The lines of further keywords: Dovecot keeps them in its own index, by these numbers. -1 with
 * errno when they cannot be had, and would be lost. */
static int
keep_others(int at, char *text, size_t *len)
{
	int fd = openat(at, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char old[FILE_MAX_BYTES + 1];
	struct span rest, line;
	ssize_t n;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	n = read(fd, old, sizeof old);
	closefd(&fd);
	if (n == -1)
		return -1;
	if (n > FILE_MAX_BYTES) {
		errno = EFBIG;
		return -1;
	}
	rest = (struct span){old, n};
	while (rest.len > 0) {
		struct span number, name;
		uint64_t value;

		(void)span_take(&rest, '\n', &line);
		name = line;
		(void)span_take(&name, ' ', &number);
		if (!span_u64(number, UINT64_MAX, &value) || value < FOLDERS_KEYWORDS_MAX)
			continue;
		memcpy(text + *len, line.at, line.len);
		*len += line.len;
		text[(*len)++] = '\n';
	}
	return 0;
}

static int
save(struct index *x, struct folder *f)
{
	int at = index_open_folder(x, f, O_PATH), fd = -1, rv = -1;
	char text[OWN_MAX_BYTES + FILE_MAX_BYTES + 1];
	size_t len = 0;

	for (int i = 0; i < FOLDERS_KEYWORDS_MAX; i++)
		if (f->keywords.names[i][0] != '\0')
			len += snprintf(
			    text + len, sizeof text - len, "%d %s\n", i, f->keywords.names[i]);
	if (at == -1 || keep_others(at, text, &len) == -1) {
		closefd(&at);
		f->keywords.known = false;
		return -1;
	}
	(void)unlinkat(at, file_new, 0);
	fd = openat(at, file_new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd != -1 && write(fd, text, len) == (ssize_t)len && fdatasync(fd) == 0)
		rv = renameat(at, file_new, at, file_name);
	closefd(&fd);
	closefd(&at);
	f->keywords.known = false;
	return rv;
}

int
keywords_number(struct index *x, struct folder *f, struct span name, bool make)
{
	struct keywords *k = &f->keywords;
	int free_one = -1;
	char text[FOLDERS_KEYWORD_MAX_BYTES + 1];

	/* Without the letters that are taken none may be given away. */
	if (!keywords_load(x, f) || !span_copy(name, text, sizeof text))
		return -1;
	for (int i = FOLDERS_KEYWORDS_MAX - 1; i >= 0; i--) {
		if (strcasecmp(k->names[i], text) == 0)
			return i;
		if (k->names[i][0] == '\0')
			free_one = i;
	}
	if (!make || free_one == -1)
		return -1;
	strlcpy(k->names[free_one], text, sizeof k->names[free_one]);
	return save(x, f) == 0 ? free_one : -1;
}
