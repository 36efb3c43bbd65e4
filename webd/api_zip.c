/*
 * Archives of attachments and of messages, made while they are sent: a piece at a time, as fast as
 * the client takes it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/message_view.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"
#include "webd/zip.h"

enum { PIECE_BYTES = 32 * 1024, EXPORT_MAX = 2000, UIDS_TEXT_MAX_BYTES = 7000 };

struct zipping {
	struct request *q;
	struct zip *zip;
	struct reading *reading; /* of attachments; it is ours */
	size_t part;
	uint64_t folder, *uids; /* of messages */
	size_t n, at;
	struct folders_call *call; /* for the next one */
	int fd;			   /* of the message that is being added, or -1 */
	uint64_t fd_at;
	bool ended;
};

static void
abort_zipping(struct request *q)
{
	struct zipping *z = q->work;

	if (q->session != NULL) /* else its calls have gone with it */
		folders_call_cancel(&z->call);
	zip_free(&z->zip);
	closefd(&z->fd);
	q->work = z->reading;
	if (z->reading != NULL)
		reading_end(q);
	free(z->uids);
	free(z);
	q->work = NULL;
	q->abort = NULL;
}

static struct zipping *
zipping_new(struct request *q)
{
	struct zipping *z = xcalloc(1, sizeof *z);

	z->q = q;
	z->zip = zip_new();
	z->fd = -1;
	q->work = z;
	q->abort = abort_zipping;
	return z;
}

/* True when something was written. */
static bool
write_ready(struct zipping *z)
{
	struct span ready = zip_ready(z->zip);

	if (ready.len == 0)
		return false;
	reply_write(z->q, ready);
	zip_taken(z->zip, ready.len);
	return true;
}

/* The end, and what is still ready. False: that was all. */
static bool
end(struct zipping *z)
{
	if (!z->ended && zip_end(z->zip) == -1) {
		reply_cut(z->q);
		return true;
	}
	z->ended = true;
	return write_ready(z);
}

/* ---- attachments ---- */

/* True: there is one more, z->part. */
static bool
find_part(struct zipping *z)
{
	const struct mime *m = z->reading->mime;
	bool is_inline;

	while (z->part < mime_n_parts(m) && !mime_is_attachment(m, z->part, &is_inline))
		z->part++;
	return z->part < mime_n_parts(m);
}

static int
begin_part(struct zipping *z)
{
	const struct mime *m = z->reading->mime;
	char *name;
	int rv;

	if ((z->reading->body = mime_body_open(m, z->part)) == NULL)
		return -1;
	name = message_part_name(m, z->part++);
	rv = zip_begin(z->zip, name, ZIP_SIZE_UNKNOWN, time(NULL));
	free(name);
	return rv;
}

static int
add_part(struct zipping *z)
{
	char piece[PIECE_BYTES];
	ssize_t n;

	if (z->reading->body == NULL && begin_part(z) == -1)
		return -1;
	n = mime_body_read(z->reading->body, piece, sizeof piece);
	if (n < 0 || zip_put(z->zip, (struct span){piece, n}) == -1)
		return -1;
	if (n == 0)
		mime_body_free(&z->reading->body);
	return 0;
}

static bool
more_of_attachments(struct request *q)
{
	struct zipping *z = q->work;

	while (!write_ready(z)) {
		if (z->ended || (z->reading->body == NULL && !find_part(z)))
			return end(z);
		/* An archive without one of them must not look whole. */
		if (add_part(z) == -1) {
			reply_cut(q);
			return true;
		}
	}
	return true;
}

static void
zip_attachments(struct reading *r)
{
	struct request *q = r->q;
	struct zipping *z = zipping_new(q);

	z->reading = r;
	reply_file_name(q, false, "attachments.zip");
	reply_begin(q, 200, "application/zip", more_of_attachments);
}

void
api_message_zip(struct request *q)
{
	struct reading *r = reading_begin(q, zip_attachments);

	if (r != NULL)
		reading_parses(r, NULL);
}

/* ---- messages ---- */

static void
begin_message(struct zipping *z, int fd)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof name, "%llu.eml", (unsigned long long)z->uids[z->at - 1]);
	if (fstat(fd, &st) == -1 || zip_begin(z->zip, name, st.st_size, st.st_mtime) == -1) {
		closefd(&fd);
		return;
	}
	z->fd = fd;
	z->fd_at = 0;
}

static void
on_message(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct zipping *z = q->work;

	z->call = NULL;
	if (a->fd != -1) /* what has gone meanwhile is not in it */
		begin_message(z, a->fd);
	request_more(q);
}

static void
ask_message(struct zipping *z)
{
	z->call =
	    folders_get(z->q->session->folders, z->folder, z->uids[z->at++], on_message, z->q);
}

static bool
add_piece(struct zipping *z)
{
	char piece[PIECE_BYTES];
	ssize_t n = pread(z->fd, piece, sizeof piece, z->fd_at);

	if (n > 0)
		z->fd_at += n;
	else
		closefd(&z->fd);
	return n >= 0 && zip_put(z->zip, (struct span){piece, n}) == 0;
}

static bool
more_of_messages(struct request *q)
{
	struct zipping *z = q->work;

	while (!write_ready(z)) {
		if (z->call != NULL)
			return true;
		if (z->ended || (z->fd == -1 && z->at == z->n))
			return end(z);
		if (z->fd == -1) {
			ask_message(z);
		} else if (!add_piece(z)) {
			reply_cut(q);
			return true;
		}
	}
	return true;
}

/* "1,2,3". False: it is no such list, or empty, or too long. */
static bool
read_uids(struct zipping *z, const char *text)
{
	struct span rest = span_of(text), one;

	z->uids = xcalloc(EXPORT_MAX, sizeof *z->uids);
	while (rest.len > 0 && z->n < EXPORT_MAX) {
		span_take(&rest, ',', &one);
		if (!span_u64(one, INT64_MAX, &z->uids[z->n++]))
			return false;
	}
	return z->n > 0 && rest.len == 0;
}

void
api_export(struct request *q)
{
	char *text = xmalloc(UIDS_TEXT_MAX_BYTES);
	struct zipping *z;
	uint64_t folder;

	if (query_u64(q, "folder", 0, &folder) &&
	    query_text(q, "uids", text, UIDS_TEXT_MAX_BYTES)) {
		z = zipping_new(q);
		z->folder = folder;
		if (read_uids(z, text)) {
			reply_file_name(q, false, "messages.zip");
			reply_begin(q, 200, "application/zip", more_of_messages);
		} else {
			reply_error(q, 400, "bad", "uids must be numbers with commas between.");
		}
	}
	free(text);
}
