/*
 * Opening a message of the mailbox. Reads the descriptor that store gives.
 */
#include "webd/reading.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

enum { NAME_SIZE = 3 * MIME_NAME_MAX_BYTES + 1 };

static void
reading_free(struct reading *r)
{
	mime_body_free(&r->body);
	mime_free(&r->mime);
	closefd(&r->fd);
	json_decref(r->row);
	json_decref(r->own);
	json_decref(r->doc);
	free(r->part);
	free(r->text);
	for (size_t i = 0; i < READING_FOUND_MAX; i++)
		free(r->found[i]);
	closefd(&r->file);
	free(r);
}

/* What a thread has in hand is freed when it has done with it. */
static void
let_go(struct reading *r)
{
	r->q = NULL;
	if (!r->in_thread || background_cancel(&r->job))
		reading_free(r);
}

void
reading_end(struct request *q)
{
	struct reading *r = q->work;

	q->work = NULL;
	q->abort = NULL;
	if (r != NULL)
		let_go(r);
}

void
reading_drop(struct reading **rp)
{
	struct reading *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	if (r->q->session != NULL) /* else its calls have gone with it */
		folders_call_cancel(&r->call);
	let_go(r);
}

char *
reading_take(struct reading *r, size_t i)
{
	char *text = r->found[i];

	r->found[i] = NULL;
	return text;
}

/* ---- off the loop ---- */

static void
parse(struct background_job *job)
{
	struct reading *r = (struct reading *)job;

	if ((r->mime = mime_open_file(r->fd)) != NULL && r->work != NULL)
		r->work(r);
}

static void
on_parsed(struct background_job *job)
{
	struct reading *r = (struct reading *)job;
	struct request *q = r->q;

	r->in_thread = false;
	if (q == NULL) {
		reading_free(r);
	} else if (r->mime != NULL || r->is_aside) {
		r->then(r);
	} else {
		reading_end(q);
		reply_error(q, 503, "later", "The message cannot be read now.");
	}
}

static void
parse_in_thread(struct reading *r)
{
	r->in_thread = true;
	r->job.work = parse;
	r->job.done = on_parsed;
	background_push(r->q->web->background, r->q->session->user, &r->job);
}

static void
on_message_aside(void *arg, const struct folders_answer *a)
{
	struct reading *r = arg;
	struct stat st;

	r->call = NULL;
	r->fd = a->fd;
	if (r->fd == -1 || fstat(r->fd, &st) == -1) {
		closefd(&r->fd);
		r->then(r);
		return;
	}
	r->size = st.st_size;
	parse_in_thread(r);
}

static void
on_message(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct reading *r = q->work;
	struct stat st;

	if (a->refusal != FOLDERS_GRANTED || a->fd == -1) {
		reading_end(q);
		reply_refusal(q, a->refusal != FOLDERS_GRANTED ? a->refusal : FOLDERS_TROUBLE);
		return;
	}
	r->fd = a->fd;
	if (fstat(r->fd, &st) == -1) {
		reading_end(q);
		reply_refusal(q, FOLDERS_TROUBLE);
		return;
	}
	r->size = st.st_size;
	if (!r->parses) {
		r->then(r);
		return;
	}
	parse_in_thread(r);
}

/* ---- the beginning ---- */

static struct reading *
reading_new(struct request *q, uint64_t folder, uint64_t uid, void (*then)(struct reading *r))
{
	struct reading *r = xcalloc(1, sizeof *r);

	r->q = q;
	r->folder = folder;
	r->uid = uid;
	r->fd = r->file = -1;
	r->then = then;
	return r;
}

struct reading *
reading_aside(struct request *q, uint64_t folder, uint64_t uid, void (*work)(struct reading *r),
    void (*then)(struct reading *r))
{
	struct reading *r = reading_new(q, folder, uid, then);

	r->is_aside = true;
	r->work = work;
	r->call = folders_get(q->session->folders, folder, uid, on_message_aside, r);
	return r;
}

struct reading *
reading_begin_at(struct request *q, uint64_t folder, uint64_t uid, void (*then)(struct reading *r))
{
	struct reading *r = reading_new(q, folder, uid, then);

	q->work = r;
	q->abort = reading_end;
	folders_get(q->session->folders, folder, uid, on_message, q);
	return r;
}

struct reading *
reading_begin(struct request *q, void (*then)(struct reading *r))
{
	uint64_t folder, uid;

	return query_u64(q, "folder", 0, &folder) && query_u64(q, "uid", 0, &uid)
		   ? reading_begin_at(q, folder, uid, then)
		   : NULL;
}

void
reading_parses(struct reading *r, void (*work)(struct reading *r))
{
	r->parses = true;
	r->work = work;
}

/* RFC 8187. */
static void
encode_name(const char *name, char out[NAME_SIZE])
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t n = 0;

	for (; *name != '\0' && n + 4 < NAME_SIZE; name++) {
		if (strchr(plain, *name) != NULL)
			out[n++] = *name;
		else
			n += snprintf(out + n, 4, "%%%02X", (unsigned char)*name);
	}
	out[n] = '\0';
}

void
reply_file_name(struct request *q, bool in_place, const char *name)
{
	char encoded[NAME_SIZE];

	encode_name(name, encoded);
	reply_field(q, "Content-Disposition", "%s; filename*=UTF-8''%s",
	    in_place ? "inline" : "attachment", encoded);
}
