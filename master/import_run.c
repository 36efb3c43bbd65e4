/*
 * Mailboxes of other kinds, and of backups, into a user's folders.
 */
#include "master/import_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/header_field.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/text_buffer.h"
#include "master/import_file.h"
#include "master/import_mbox.h"
#include "store/maildir_name.h"

enum { READ_BYTES = 256 * 1024, HEAD_MAX_BYTES = 256 * 1024 };

/* ---- mbox ---- */

struct mbox_import {
	struct import *im;
	struct import_file *file;
	uint64_t folder, offset, arrival_s;
	struct text_buffer head; /* as much of the message as has its status */
	bool in_header, at_line; /* a line of the header is next */
	bool leaves_out;	 /* what comes is of a field of the mbox's own */
	bool any;		 /* something is left of it */
};

/*
 * What programs note in an mbox is no part of the message, and changes: with it a message would be
 * another one when it is taken over again.
 */
static bool
is_note(struct span line)
{
	static const char *const names[] = {"Status", "X-Status", "X-Keywords", "X-UID", "X-IMAP",
	    "X-IMAPbase", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys",
	    "Content-Length"};
	struct span name;

	(void)span_take(&line, ':', &name);
	name = span_trim(name);
	for (size_t i = 0; i < nitems(names); i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

static void
look_at_line(struct mbox_import *b, struct span line)
{
	if (line.at[0] == '\r' || line.at[0] == '\n')
		b->in_header = b->leaves_out = false;
	else if (line.at[0] != ' ' && line.at[0] != '\t')
		b->leaves_out = is_note(line);
}

static void
on_begin(void *arg, uint64_t offset, uint64_t arrival_s)
{
	struct mbox_import *b = arg;

	b->offset = offset;
	b->arrival_s = arrival_s;
	text_buffer_free(&b->head);
	text_buffer_init(&b->head, HEAD_MAX_BYTES);
	b->in_header = b->at_line = true;
	b->leaves_out = b->any = false;
	import_file_begin(b->file);
}

static void
on_text(void *arg, struct span text)
{
	struct mbox_import *b = arg;

	text_put(&b->head, text);
	if (b->in_header && b->at_line)
		look_at_line(b, text);
	b->at_line = text.at[text.len - 1] == '\n';
	if (b->leaves_out)
		return;
	b->any = true;
	import_file_put(b->file, text);
}

static void
on_damage(void *arg, uint64_t offset, const char *why)
{
	struct mbox_import *b = arg;

	ctl_fail(
	    EX_DATAERR, "passed over what is at offset %llu: %s", (unsigned long long)offset, why);
	import_count_failure(b->im);
}

/* What the letters of Status and X-Status say. */
static void
take_letters(
    struct import_message *m, struct span value, const char *letters, const unsigned *flags)
{
	for (size_t i = 0; i < value.len; i++) {
		const char *at = value.at[i] != '\0' ? strchr(letters, value.at[i]) : NULL;

		if (at != NULL)
			m->flags |= flags[at - letters];
	}
}

/* Bits of X-Mozilla-Status, in hexadecimal digits. */
static void
take_mozilla(struct import_message *m, struct span value)
{
	static const struct {
		unsigned long bit;
		unsigned flag;
	} bits[] = {{0x1, FLAG_SEEN}, {0x2, FLAG_ANSWERED}, {0x4, FLAG_FLAGGED},
	    {0x8, FLAG_DELETED}, {0x1000, FLAG_FORWARDED}};
	char text[20];
	unsigned long n;

	if (!span_copy(value, text, sizeof text))
		return;
	n = strtoul(text, NULL, 16);
	for (size_t i = 0; i < nitems(bits); i++)
		if (n & bits[i].bit)
			m->flags |= bits[i].flag;
}

static void
take_keywords(struct import_message *m, struct span value, struct span *keywords)
{
	struct span line, word;
	bool more;

	do {
		more = span_take(&value, '\n', &line);
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		for (line = span_trim(line); m->n_keywords < FOLDERS_KEYWORDS_MAX &&
					     (word = span_take_word(&line)).len > 0;)
			if (word.len <= FOLDERS_KEYWORD_MAX_BYTES)
				keywords[m->n_keywords++] = word;
	} while (more);
	m->keywords = keywords;
}

/* True for what the IMAP server of the University of Washington keeps in an mbox for itself. */
static bool
take_status(struct mbox_import *b, struct import_message *m, struct span *keywords)
{
	static const unsigned status[] = {FLAG_SEEN};
	static const unsigned more[] = {FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED, FLAG_DRAFT};
	struct span header = {b->head.at, b->head.len}, name, value;
	bool internal = false, uids = false;

	while (header_field_next(&header, &name, &value)) {
		if (span_is_nocase(name, "Status"))
			take_letters(m, value, "R", status);
		else if (span_is_nocase(name, "X-Status"))
			take_letters(m, value, "AFDT", more);
		else if (span_is_nocase(name, "X-Mozilla-Status"))
			take_mozilla(m, value);
		else if (span_is_nocase(name, "X-Keywords"))
			take_keywords(m, value, keywords);
		else if (span_is_nocase(name, "X-IMAP") || span_is_nocase(name, "X-IMAPbase"))
			uids = true;
		else if (span_is_nocase(name, "Subject"))
			internal = value.len >= 25 &&
				   memcmp(value.at, "DON'T DELETE THIS MESSAGE", 25) == 0;
	}
	return internal && uids;
}

static void
on_end(void *arg)
{
	struct mbox_import *b = arg;
	struct import_message m = {.folder = b->folder, .arrival = b->arrival_s};
	struct span keywords[FOLDERS_KEYWORDS_MAX];
	char name[IMPORT_NAME_SIZE], label[60];
	int fd = import_file_end(b->file, b->arrival_s, name);

	if (take_status(b, &m, keywords))
		return;
	if (!b->any) {
		on_damage(b, b->offset, "it is empty");
		return;
	}
	snprintf(label, sizeof label, "at offset %llu", (unsigned long long)b->offset);
	m.name = name;
	m.label = label;
	if (fd == -1) {
		ctl_fail(EX_IOERR, "the message %s: %s", label, strerror(errno));
		import_count_failure(b->im);
		return;
	}
	(void)import_add(b->im, &m, fd); /* else the reader stops */
}

static bool
read_mbox(struct import *im, struct mbox *mbox, int fd)
{
	char *buf = xmalloc(READ_BYTES);
	ssize_t n = 1;

	while (n != 0 && !import_is_over(im)) {
		n = read(fd, buf, READ_BYTES);
		if (n > 0)
			mbox_put(mbox, (struct span){buf, n});
		else if (n == -1 && errno != EINTR)
			break;
	}
	free(buf);
	if (n == 0)
		mbox_end(mbox);
	else if (n == -1)
		ctl_fail(EX_IOERR, "cannot read on: %s", strerror(errno));
	return n == 0;
}

bool
import_mbox(struct import *im, int fd, const char *folder)
{
	static const struct mbox_ops ops = {on_begin, on_text, on_end, on_damage};
	struct mbox_import b = {.im = im, .folder = import_folder(im, folder)};
	struct mbox *mbox;
	bool good;

	if (b.folder == 0)
		return false;
	text_buffer_init(&b.head, HEAD_MAX_BYTES);
	b.file = import_file_new(folder);
	mbox = mbox_new(&ops, &b);
	good = read_mbox(im, mbox, fd);
	mbox_free(&mbox);
	import_file_free(&b.file);
	text_buffer_free(&b.head);
	return good;
}

/* ---- Maildir ---- */

struct maildir_import {
	struct import *im;
	const struct maildir_contents *contents;
	struct import_file *file;
	bool as_is;
	uint64_t folder;
	char *buf;
};

/* As Dovecot's plugins keep messages, without a sign of it in the name: so it would be no mail. */
static bool
is_packed(int fd)
{
	static const char *const marks[] = {"\x1f\x8b", "BZh",
	    "\xfd"
	    "7zXZ",
	    "\x28\xb5\x2f\xfd", "Dovecot-LZ4", "CRYPTED\x03\x07"};
	char begin[16];
	ssize_t n = pread(fd, begin, sizeof begin, 0);

	for (size_t i = 0; i < nitems(marks); i++)
		if (n >= (ssize_t)strlen(marks[i]) &&
		    memcmp(begin, marks[i], strlen(marks[i])) == 0)
			return true;
	return false;
}

/* The descriptor to send; -1 with errno. */
static int
convert(struct maildir_import *d, int fd, uint64_t arrival_s, char name[IMPORT_NAME_SIZE])
{
	ssize_t n;

	import_file_begin(d->file);
	while ((n = read(fd, d->buf, READ_BYTES)) != 0)
		if (n > 0)
			import_file_put(d->file, (struct span){d->buf, n});
		else if (errno != EINTR)
			return -1;
	return import_file_end(d->file, arrival_s, name);
}

static void
fail_message(struct import *im, const char *label, const char *why)
{
	ctl_fail(EX_DATAERR, "passed over %s: %s", label, why);
	import_count_failure(im);
}

static bool
add_message(struct maildir_import *d, const struct maildir_message *found)
{
	struct import_message m = {.folder = d->folder, .arrival = found->arrival_s};
	struct span keywords[FOLDERS_KEYWORDS_MAX], base = maildir_base(found);
	char name[FOLDERS_FILE_NAME_MAX_BYTES + 1], label[NAME_MAX + 1];
	int fd = maildir_open_message(d->contents, found), send = fd, error = errno;
	bool as_is = d->as_is && maildir_name_is_plain(base), good = true;

	strlcpy(label, log_printable(span_of(found->file)), sizeof label);
	m.n_keywords = maildir_flags(d->contents, found, &m.flags, keywords);
	m.keywords = keywords;
	m.name = name;
	m.label = label;
	if (as_is)
		(void)span_copy(base, name, sizeof name);
	else if (fd != -1 && (send = convert(d, fd, found->arrival_s, name)) == -1)
		error = errno;
	if (send == -1)
		fail_message(d->im, label, strerror(error));
	else if (found->size == 0)
		fail_message(d->im, label, "it is empty");
	else if (!d->as_is && is_packed(fd))
		fail_message(d->im, label, "it is compressed or encrypted");
	else
		good = import_add(d->im, &m, send);
	closefd(&fd);
	return good;
}

static void
tell_odd(struct import *im, uint64_t odd)
{
	if (odd == 0)
		return;
	ctl_fail(EX_DATAERR, "passed over %llu that are no regular files", (unsigned long long)odd);
	import_count_failure(im);
}

bool
import_maildir_folder(struct import *im, int maildir, const char *directory, const char *to,
    bool as_is, bool (*only)(void *arg, const struct maildir_contents *c, size_t at), void *arg)
{
	struct maildir_import d = {.im = im, .as_is = as_is, .folder = import_folder(im, to)};
	struct maildir_contents c;
	bool good = true;

	if (d.folder == 0)
		return false;
	if (maildir_read(maildir, directory, &c) == -1) {
		ctl_fail(EX_IOERR, "the folder \"%s\" cannot be read: %s",
		    directory[0] != '\0' ? log_printable(span_of(directory)) : "INBOX",
		    strerror(errno));
		return false;
	}
	d.contents = &c;
	d.buf = xmalloc(READ_BYTES);
	d.file = import_file_new(to);
	for (size_t i = 0; i < c.n && good; i++)
		if (only == NULL || only(arg, &c, i))
			good = add_message(&d, &c.messages[i]);
	if (only == NULL)
		tell_odd(im, c.odd);
	import_file_free(&d.file);
	free(d.buf);
	maildir_contents_free(&c);
	return true;
}
