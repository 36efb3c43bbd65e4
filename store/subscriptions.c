/*
 * Which folders are subscribed: the file subscriptions in the mailbox, as Dovecot has it, and
 * SUBSCRIBE.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/pread_all.h"
#include "common/write_all.h"
#include "store/index_folders.h"

enum { SUBSCRIPTIONS_MAX_BYTES = 512 * 1024 };

static const char subscriptions_name[] = "subscriptions", subscriptions_new[] = "subscriptions.new",
		  subscriptions_head[] = "V\t2\n\n";

/* The file's bytes, the caller's; none without a file. -1 with errno when it cannot be read: it
 * must not be taken for empty, and written over. */
static int
read_subscriptions(struct index *x, char **text, size_t *len)
{
	int fd = openat(
	    x->directory, subscriptions_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rv = -1;

	*text = NULL;
	*len = 0;
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0) {
		errno = EFBIG;
		if (S_ISREG(st.st_mode) && st.st_size <= SUBSCRIPTIONS_MAX_BYTES) {
			*text = xmalloc(st.st_size + 1);
			*len = st.st_size;
			rv = pread_all(fd, *text, *len, 0);
		}
	}
	closefd(&fd);
	if (rv == -1) {
		free(*text);
		*text = NULL;
	}
	return rv;
}

/* A line with its levels apart by tabs, or, in older files, dots. */
static bool
line_names(struct span line, const char *directory)
{
	if (directory[0] == '\0')
		return span_is_nocase(line, "INBOX");
	if (line.len != strlen(directory + 1))
		return false;
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] != directory[1 + i] &&
		    !(directory[1 + i] == '.' && line.at[i] == '\t'))
			return false;
	return true;
}

void
subscriptions_load(struct index *x)
{
	struct span rest, line;
	size_t len;
	char *text;

	x->subscriptions_known = read_subscriptions(x, &text, &len) == 0;
	if (!x->subscriptions_known)
		return;
	rest = (struct span){text, len};
	for (size_t i = 0; i < x->n_folders; i++)
		x->folders[i]->subscribed = false;
	while (rest.len > 0) {
		(void)span_take(&rest, '\n', &line);
		for (size_t i = 0; i < x->n_folders; i++)
			if (line_names(line, x->folders[i]->directory))
				x->folders[i]->subscribed = true;
	}
	free(text);
}

bool
subscriptions_are_new(struct index *x)
{
	struct stat st;

	return fstatat(x->directory, subscriptions_name, &st, AT_SYMLINK_NOFOLLOW) == -1 &&
	       errno == ENOENT;
}

static void
print_subscription(FILE *out, const char *directory)
{
	if (directory[0] == '\0')
		fputs("INBOX", out);
	for (const char *at = directory + (directory[0] == '.'); *at != '\0'; at++)
		fputc(*at == '.' ? '\t' : *at, out);
	fputc('\n', out);
}

/* What is there of folders that there are not stays: their owner may make them again. */
static void
print_others(struct index *x, FILE *out, struct span rest)
{
	struct span line;

	while (rest.len > 0) {
		bool ours = false;

		(void)span_take(&rest, '\n', &line);
		for (size_t i = 0; i < x->n_folders && !ours; i++)
			ours = line_names(line, x->folders[i]->directory);
		if (ours || line.len == 0 || span_is(line, "V\t2"))
			continue;
		for (size_t i = 0; i < line.len; i++)
			fputc(line.at[i] == '.' ? '\t' : line.at[i], out);
		fputc('\n', out);
	}
}

int
subscriptions_save(struct index *x)
{
	char *old, *text = NULL;
	size_t old_len, len = 0;
	FILE *out = NULL;
	int fd, rv = -1;

	if (read_subscriptions(x, &old, &old_len) == -1 ||
	    (out = open_memstream(&text, &len)) == NULL)
		goto out;
	fputs(subscriptions_head, out);
	for (size_t i = 0; i < x->n_folders; i++)
		if (x->folders[i]->subscribed)
			print_subscription(out, x->folders[i]->directory);
	print_others(x, out, (struct span){old, old_len});
	if (fclose(out) != 0)
		goto out;
	(void)unlinkat(x->directory, subscriptions_new, 0);
	fd = openat(x->directory, subscriptions_new,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd == -1)
		goto out;
	if (write_all(fd, text, len) == 0 && fdatasync(fd) == 0)
		rv = renameat(x->directory, subscriptions_new, x->directory, subscriptions_name);
	closefd(&fd);
out:
	free(old);
	free(text);
	return rv;
}

void
index_subscribe(struct index *x, struct index_request *q)
{
	struct folder *f = index_folder(x, get_u64(&q->fields));
	uint64_t on = get_u64(&q->fields);

	if (get_end(&q->fields) == -1 || on > 1) {
		q->malformed = true;
		return;
	}
	if (f == NULL) {
		q->refusal = FOLDERS_NO_FOLDER;
		return;
	}
	if (f->subscribed == on)
		return;
	f->subscribed = on;
	if (subscriptions_save(x) == 0)
		return;
	q->refusal = index_refusal_of(errno);
	f->subscribed = !on;
}
