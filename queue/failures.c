/*
 * Writes failed mail into the directory of failures: hidden names first, synced, then renamed.
 * Touches that directory, and reads the spool file it is given.
 */
#include "queue/failures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/pread_all.h"
#include "common/queue_id.h"

enum { NAME_BYTES = 24, DATE_BYTES = 40, COPY_BYTES = 65536 };
static const size_t copy_max = 1024 * 1024 * 1024;

/* ---- the text ---- */

static void
print_date(FILE *out, const char *what, uint64_t seconds)
{
	char text[DATE_BYTES];
	time_t when = seconds;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		fprintf(out, "%s: %llu\n", what, (unsigned long long)seconds);
	else
		fprintf(out, "%s: %s\n", what, text);
}

/* A stranger's text cannot forge a line. */
static void
print_span(FILE *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.at[i];

		putc(c < ' ' || c == 0x7f ? '?' : c, out);
	}
}

static void
print_line(FILE *out, const char *what, struct span text)
{
	if (text.len == 0)
		return;
	fprintf(out, "%s: ", what);
	print_span(out, text);
	putc('\n', out);
}

static void
print_recipient(FILE *out, const struct recipient *r)
{
	fputs("\n<", out);
	print_span(out, r->address);
	fputs(">\n  ", out);
	if (r->reply.len == 0)
		fputs("no reason is known", out);
	print_span(out, r->reply);
	if (r->route.len > 0) {
		fputs("\n  via ", out);
		print_span(out, r->route);
	}
	putc('\n', out);
}

static void
print_all(FILE *out, const struct envelope *e, const unsigned char *fates, const char *server,
    uint64_t now_s)
{
	char id[QUEUE_ID_TEXT_SIZE];

	queue_id_print(e->id, id);
	fprintf(out,
	    "The mail server %s could not deliver this message to all of its recipients.\n",
	    server);
	fprintf(out, "The message is kept in %s.eml.\n\nQueue id: %s\n", id, id);
	print_date(out, "Failed", now_s);
	print_date(out, "Arrived", e->arrival_us / 1000000);
	fputs("From: <", out);
	print_span(out, e->reverse_path);
	fprintf(out, ">\nSize: %llu bytes\n", (unsigned long long)e->message_size);
	print_line(out, "Received by", e->program);
	print_line(out, "User", e->submitter);
	print_line(out, "Client address", e->client_address);
	print_line(out, "Client name", e->client_name);
	print_line(out, "Envelope id", e->envid);
	for (size_t i = 0; i < e->n_recipients; i++)
		if (fates[i] == DSN_KEEP)
			print_recipient(out, &e->recipients[i]);
}

/* Allocated. NULL with errno. */
static char *
make_text(const struct envelope *e, const unsigned char *fates, const char *server, uint64_t now_s,
    size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	bool bad;

	if (out == NULL)
		return NULL;
	print_all(out, e, fates, server, now_s);
	bad = ferror(out);
	if (fclose(out) == EOF || bad) {
		free(text);
		errno = ENOMEM;
		return NULL;
	}
	return text;
}

/* ---- the files ---- */

static void
file_name(uint64_t id, const char *before, const char *after, char out[NAME_BYTES])
{
	char text[QUEUE_ID_TEXT_SIZE];

	queue_id_print(id, text);
	snprintf(out, NAME_BYTES, "%s%s%s", before, text, after);
}

static int
create(struct spool *sp, const char *name)
{
	if (unlinkat(sp->failures, name, 0) == -1 && errno != ENOENT)
		return -1;
	return openat(
	    sp->failures, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* By read and write, where the kernel does not copy between these files. */
static int
copy_slowly(int from, int to, off_t at, uint64_t left)
{
	unsigned char *buf = malloc(COPY_BYTES);
	uint64_t done = 0;
	int rv = -1;

	if (buf == NULL)
		return -1;
	while (left > 0) {
		size_t n = left < COPY_BYTES ? left : COPY_BYTES;

		if (pread_all(from, buf, n, at) == -1 || spool_pwrite(to, buf, n, done) == -1)
			goto out;
		at += n;
		done += n;
		left -= n;
	}
	rv = 0;
out:
	free(buf);
	return rv;
}

static int
copy_message(int from, int to, const struct envelope *e)
{
	off_t at = e->message_offset;
	uint64_t left = e->message_size;

	while (left > 0) {
		ssize_t n =
		    copy_file_range(from, &at, to, NULL, left < copy_max ? left : copy_max, 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
			return -1;
		if (n <= 0)
			return copy_slowly(from, to, e->message_offset, e->message_size);
		left -= n;
	}
	return 0;
}

static int
write_message(struct spool *sp, int fd, const struct envelope *e, const char *name)
{
	int to = create(sp, name), rv;

	if (to == -1)
		return -1;
	rv = copy_message(fd, to, e) == -1 || fsync(to) == -1 ? -1 : 0;
	closefd(&to);
	return rv;
}

static int
write_text(struct spool *sp, const struct envelope *e, const unsigned char *fates, const char *name,
    const char *server, uint64_t now_s)
{
	int to = create(sp, name), rv = -1;
	size_t len = 0;
	char *text;

	if (to == -1)
		return -1;
	if ((text = make_text(e, fates, server, now_s, &len)) != NULL &&
	    spool_pwrite(to, text, len, 0) == 0 && fsync(to) == 0)
		rv = 0;
	free(text);
	closefd(&to);
	return rv;
}

int
failures_write(struct spool *sp, int fd, const struct envelope *e, const unsigned char *fates,
    const char *server, uint64_t now_s)
{
	char eml[NAME_BYTES], txt[NAME_BYTES], new_eml[NAME_BYTES], new_txt[NAME_BYTES];
	int saved;

	file_name(e->id, "", ".eml", eml);
	file_name(e->id, "", ".txt", txt);
	file_name(e->id, ".", ".eml", new_eml);
	file_name(e->id, ".", ".txt", new_txt);
	if (write_message(sp, fd, e, new_eml) == 0 &&
	    write_text(sp, e, fates, new_txt, server, now_s) == 0 &&
	    renameat(sp->failures, new_txt, sp->failures, txt) == 0 &&
	    renameat(sp->failures, new_eml, sp->failures, eml) == 0)
		return fsync(sp->failures);
	saved = errno;
	(void)unlinkat(sp->failures, new_eml, 0);
	(void)unlinkat(sp->failures, new_txt, 0);
	errno = saved;
	return -1;
}
