/* Reads a mailbox's vacation reply, and keeps the list of those who had it. */
#include "store/vacation.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "common/wall_clock.h"

enum { DIGEST_BYTES = VACATION_RECORD_BYTES - sizeof(uint64_t), FILE_MODE = 0600 };

struct record {
	uint64_t at_s;
	unsigned char digest[DIGEST_BYTES];
};
_Static_assert(sizeof(struct record) == VACATION_RECORD_BYTES, "no padding");

static const char told_name[] = "vacation.told";

static uint64_t
now_s(void)
{
	return wall_clock_now() / 1000000;
}

/* ---- documents ---- */

static int
open_document(const struct maildir *m, const char *name)
{
	int at = openat(m->dir, "documents", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd;

	if (at == -1)
		return -1;
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	closefd(&at);
	return fd;
}

/* NULL with errno when it cannot be read. */
static json_t *
parse(int fd, size_t size)
{
	char *text = xmalloc(size + 1);
	json_t *doc = NULL;

	if (pread_all(fd, text, size, 0) == 0) {
		errno = EPROTO;
		doc = json_loadb(text, size, 0, NULL);
	}
	free(text);
	return doc;
}

/* NULL with errno: ENOENT without one, EPROTO when it is none that we understand. */
static json_t *
read_document(const struct maildir *m, const char *name)
{
	int fd = open_document(m, name);
	struct stat st;
	json_t *doc = NULL;

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0) {
		errno = EPROTO;
		if (S_ISREG(st.st_mode) && st.st_size <= VACATION_DOCUMENT_MAX_BYTES)
			doc = parse(fd, st.st_size);
	}
	closefd(&fd);
	return doc;
}

/* False, and out empty, when it does not fit. */
static bool
copy_text(const json_t *doc, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(doc, key));

	return span_copy(span_of(text != NULL ? text : ""), out, size);
}

/* null, or what is no time: no limit. */
static uint64_t
time_of(const json_t *doc, const char *key, uint64_t without)
{
	const json_t *value = json_object_get(doc, key);
	json_int_t at = json_integer_value(value);

	return json_is_integer(value) && at >= 0 ? (uint64_t)at : without;
}

/* NULL: it is off, or cannot be had (logged). *known: that can be relied on until it changes. */
static struct vacation_reply *
read_reply(const struct maildir *m, uint64_t *from_s, uint64_t *until_s, bool *known)
{
	json_t *doc = read_document(m, "vacation");
	struct vacation_reply *v = NULL;

	*known = doc != NULL || errno == ENOENT || errno == EPROTO;
	if (doc == NULL && errno != ENOENT)
		log_warn("cannot read the vacation reply mailbox=%s: %s", m->name, strerror(errno));
	if (json_is_true(json_object_get(doc, "on"))) {
		v = xmalloc(sizeof *v);
		v->name[0] = '\0';
		*from_s = time_of(doc, "from", 0);
		*until_s = time_of(doc, "until", UINT64_MAX);
		if (!copy_text(doc, "subject", v->subject, sizeof v->subject) ||
		    !copy_text(doc, "text", v->text, sizeof v->text)) {
			log_warn(
			    "the vacation reply is too long: none is sent mailbox=%s", m->name);
			v->text[0] = '\0';
		}
		if (v->text[0] == '\0') {
			free(v);
			v = NULL;
		}
	}
	json_decref(doc);
	return v;
}

/* ---- is it on? ---- */

void
vacation_forget(struct maildir *m)
{
	m->vacation_known = false;
}

bool
vacation_is_on(struct maildir *m)
{
	struct vacation_reply *v;
	uint64_t now;

	if (!m->vacation_known) {
		v = read_reply(m, &m->vacation_from_s, &m->vacation_until_s, &m->vacation_known);
		m->vacation_on = v != NULL;
		free(v);
	}
	if (!m->vacation_on)
		return false;
	now = now_s();
	return now >= m->vacation_from_s && now <= m->vacation_until_s;
}

/* ---- who was told ---- */

/* The clock may have been set back. */
static bool
is_fresh(const struct record *r, uint64_t now)
{
	uint64_t age = now > r->at_s ? now - r->at_s : r->at_s - now;

	return r->at_s != 0 && age < VACATION_PAUSE_S;
}

static int
make_record(struct span sender, uint64_t now, struct record *r)
{
	char lower[ADDRESS_TEXT_SIZE];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	errno = EINVAL;
	if (!span_copy(sender, lower, sizeof lower))
		return -1;
	for (char *c = lower; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	if (EVP_Digest(lower, sender.len, digest, &n, EVP_sha256(), NULL) != 1 || n < DIGEST_BYTES)
		return -1;
	r->at_s = now;
	memcpy(r->digest, digest, DIGEST_BYTES);
	return 0;
}

/* Where r is to be written; -1: its sender was told, or there is no place. */
static long
place_of(const struct maildir *m, const struct record *all, size_t n, const struct record *r)
{
	long place = n < VACATION_TOLD_MAX ? (long)n : -1;
	bool stale = false;

	for (size_t i = 0; i < n; i++) {
		bool fresh = is_fresh(&all[i], r->at_s);

		if (memcmp(all[i].digest, r->digest, DIGEST_BYTES) == 0) {
			if (fresh)
				return -1;
			place = i;
			stale = true;
		} else if (!fresh && !stale) {
			place = i;
			stale = true;
		}
	}
	if (place == -1)
		log_warn("%d senders have had the vacation reply in a week: others get none "
			 "mailbox=%s",
		    VACATION_TOLD_MAX, m->name);
	return place;
}

/* 1: noted, 0: he was told, -1 with errno. */
static int
note(const struct maildir *m, int fd, const struct record *r)
{
	static struct record all[VACATION_TOLD_MAX];
	struct stat st;
	size_t n;
	long place;

	if (fstat(fd, &st) == -1)
		return -1;
	errno = EPROTO;
	if (!S_ISREG(st.st_mode))
		return -1;
	n = (uint64_t)st.st_size / sizeof *r;
	if (n > VACATION_TOLD_MAX)
		n = VACATION_TOLD_MAX;
	if (pread_all(fd, all, n * sizeof *r, 0) == -1)
		return -1;
	if ((place = place_of(m, all, n, r)) == -1)
		return 0;
	errno = ENOSPC; /* what a short write means */
	return pwrite(fd, r, sizeof *r, place * (off_t)sizeof *r) == (ssize_t)sizeof *r ? 1 : -1;
}

/* True: *fd has it, and is to be synced. */
static bool
tell(const struct maildir *m, struct span sender, int *fd)
{
	struct record r;
	int noted = -1;

	*fd = openat(
	    m->dir, told_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
	if (*fd != -1 && make_record(sender, now_s(), &r) == 0)
		noted = note(m, *fd, &r);
	if (noted == -1)
		log_warn("cannot note who has had the vacation reply: none is sent mailbox=%s: %s",
		    m->name, strerror(errno));
	if (noted != 1)
		closefd(fd);
	return noted == 1;
}

struct vacation_reply *
vacation_claim(struct maildir *m, struct span sender, int *fd)
{
	uint64_t from_s, until_s, now = now_s();
	bool known;
	struct vacation_reply *v = read_reply(m, &from_s, &until_s, &known);
	json_t *settings;

	*fd = -1;
	if (v == NULL)
		return NULL;
	if (now < from_s || now > until_s || !tell(m, sender, fd)) {
		free(v);
		return NULL;
	}
	settings = read_document(m, "settings");
	(void)copy_text(settings, "display_name", v->name, sizeof v->name);
	json_decref(settings);
	return v;
}
