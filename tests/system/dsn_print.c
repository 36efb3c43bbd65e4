/*
 * Prints the notification about a message, for tests that read it as a mail program would. Rules,
 * envelope and text are queue's own.
 *
 * stdin: "NAME LENGTH", a line end, so many bytes, a line end; again and again. Names: server,
 * reverse_path, envid, ret, flags, whole_max, retry_until, message; address begins a recipient,
 * which original, notify, reply, route, parent and event follow. Numbers are decimal; times are
 * seconds. stdout: the notification; stderr: "tell=N keep=N flags=N size=N".
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/memory.h"
#include "queue/dsn.h"

enum {
	RECIPIENTS_MAX = 2000,
	TEXTS_MAX = 8 * RECIPIENTS_MAX,
	NAME_BYTES = 32,
	TEXT_MAX_BYTES = 64 * 1024 * 1024
};

static struct recipient recipients[RECIPIENTS_MAX];
static unsigned char events[RECIPIENTS_MAX], fates[RECIPIENTS_MAX];
static struct envelope envelope = {
    .id = 1800000000000000, .arrival_us = 1800000000000000, .recipients = recipients};
static struct span message;
static char *texts[TEXTS_MAX]; /* all of the input, until the end */
static size_t n_texts;
static struct dsn dsn = {.id = 1800000600000000,
    .nonce = 0x123456789abcdef,
    .now_s = 1800000600,
    .whole_max_bytes = 100000,
    .server = "mail.example.org",
    .envelope = &envelope,
    .events = events,
    .fates = fates};

static uint64_t
number(struct span text)
{
	uint64_t n = 0;

	if (!span_u64(text, INT64_MAX, &n))
		errx(64, "not a number: %.*s", (int)text.len, text.at);
	return n;
}

static bool
take_for_recipient(const char *name, struct span text)
{
	size_t i = envelope.n_recipients > 0 ? envelope.n_recipients - 1 : 0;
	struct recipient *r = &recipients[i];

	if (strcmp(name, "address") == 0) {
		if (envelope.n_recipients == RECIPIENTS_MAX)
			errx(64, "too many recipients");
		recipients[envelope.n_recipients++] =
		    (struct recipient){.address = text, .parent = -1};
		return true;
	}
	if (envelope.n_recipients == 0)
		return false;
	if (strcmp(name, "original") == 0)
		r->original = text;
	else if (strcmp(name, "notify") == 0)
		r->notify = number(text);
	else if (strcmp(name, "reply") == 0)
		r->reply = text;
	else if (strcmp(name, "route") == 0)
		r->route = text;
	else if (strcmp(name, "parent") == 0)
		r->parent = number(text);
	else if (strcmp(name, "event") == 0)
		events[i] = number(text);
	else
		return false;
	return true;
}

static bool
take_for_message(const char *name, struct span text)
{
	if (strcmp(name, "server") == 0)
		dsn.server = text.at;
	else if (strcmp(name, "reverse_path") == 0)
		envelope.reverse_path = text;
	else if (strcmp(name, "envid") == 0)
		envelope.envid = text;
	else if (strcmp(name, "ret") == 0)
		envelope.ret = number(text);
	else if (strcmp(name, "flags") == 0)
		envelope.flags = number(text);
	else if (strcmp(name, "whole_max") == 0)
		dsn.whole_max_bytes = number(text);
	else if (strcmp(name, "retry_until") == 0)
		dsn.retry_until_s = number(text);
	else if (strcmp(name, "message") == 0)
		message = text;
	else
		return false;
	return true;
}

static void
read_input(void)
{
	char name[NAME_BYTES];
	size_t len;

	while (scanf("%31s %zu", name, &len) == 2) {
		char *text;

		if (getchar() != '\n' || len > TEXT_MAX_BYTES || n_texts == TEXTS_MAX)
			errx(64, "malformed input");
		text = texts[n_texts++] = xcalloc(1, len + 1);
		if (fread(text, 1, len, stdin) != len || getchar() != '\n')
			errx(64, "the input ends early");
		if (!take_for_message(name, (struct span){text, len}) &&
		    !take_for_recipient(name, (struct span){text, len}))
			errx(64, "no such name: %s", name);
	}
}

static int
file_of(struct span text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text.at, text.len) != (ssize_t)text.len)
		err(71, "memfd");
	return fd;
}

static void
print_notice(const struct dsn_decision *decision)
{
	struct envelope own;
	struct recipient recipient;
	struct dsn_written written;
	int fd = file_of((struct span){"", 0});
	uint64_t at;
	char *text;

	if (dsn_envelope(&envelope, dsn.id, dsn.now_s * 1000000, &own, &recipient) == -1)
		err(65, "the envelope");
	at = envelope_size(&own);
	if (dsn_write(&dsn, fd, at, &written) == -1)
		err(74, "the notification");
	text = xmalloc(written.size);
	if (pread(fd, text, written.size, at) != (ssize_t)written.size ||
	    fwrite(text, 1, written.size, stdout) != written.size || fflush(stdout) == EOF)
		err(74, "copying");
	fprintf(stderr, "tell=%zu keep=%zu flags=%u size=%llu\n", decision->n_tell,
	    decision->n_keep, written.flags, (unsigned long long)written.size);
	free(text);
	close(fd);
}

int
main(void)
{
	struct original original;
	struct dsn_decision decision;
	int fd;

	read_input();
	fd = file_of(message);
	if (original_open(&original, fd, 0, message.len) == -1)
		err(74, "the message");
	dsn.original = &original;
	if (dsn_decide(&envelope, original_is_automatic(&original), events, fates, &decision) == -1)
		err(71, "deciding");
	if (decision.n_tell > 0)
		print_notice(&decision);
	else
		fprintf(stderr, "tell=0 keep=%zu flags=0 size=0\n", decision.n_keep);
	original_close(&original);
	close(fd);
	while (n_texts > 0)
		free(texts[--n_texts]);
	return 0;
}
