/*
 * One message: as JSON, as a document, as it came, and its parts. The bytes are a stranger's: what
 * is shown in place is made harmless, everything else is a file to save.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "webd/api.h"
#include "webd/identities.h"
#include "webd/message_view.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"

enum { PIECE_BYTES = 32 * 1024, OWN_MAX = 200 };

/* What a stranger's file may do in a browser: nothing. */
static const char nothing[] = "default-src 'none'; sandbox";

/* ---- JSON ---- */

static void
view(struct reading *r)
{
	const char *addresses[OWN_MAX];
	struct message_own own = {.addresses = addresses};

	for (size_t i = 0; i < json_array_size(r->own) && own.n < OWN_MAX; i++)
		addresses[own.n++] = json_string_value(json_array_get(r->own, i));
	r->doc = message_view(r->mime, &own);
}

static void
show(struct reading *r)
{
	struct request *q = r->q;
	json_t *doc = json_incref(r->doc), *row = json_incref(r->row);

	reading_end(q);
	if (doc == NULL) {
		json_decref(row);
		reply_error(q, 503, "later", "The message cannot be read now.");
		return;
	}
	json_object_update_missing(doc, row);
	json_decref(row);
	reply_json(q, doc);
}

static void
on_row(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct reading *r;

	if (a->refusal != FOLDERS_GRANTED || a->n_rows != 1) {
		reply_refusal(q, a->refusal != FOLDERS_GRANTED ? a->refusal : FOLDERS_NO_MESSAGE);
		return;
	}
	r = reading_begin_at(q, a->rows[0].folder, a->rows[0].uid, show);
	r->row = json_row(&a->rows[0]);
	r->own = json_deep_copy(q->session->identities);
	reading_parses(r, view);
}

static void
ask_row(struct request *q)
{
	uint64_t folder, uid;

	if (query_u64(q, "folder", 0, &folder) && query_u64(q, "uid", 0, &uid))
		folders_rows(q->session->folders, folder, &uid, 1, on_row, q);
}

void
api_message(struct request *q)
{
	identities_need(q, ask_row);
}

/* ---- the document ---- */

static void
make_document(struct reading *r)
{
	r->text = message_document(r->mime, &r->document, &r->len);
}

static void
show_document(struct reading *r)
{
	struct request *q = r->q;
	struct span document = {r->text, r->len};
	char policy[DOCUMENT_POLICY_SIZE];

	if (document.at == NULL) {
		reply_error(q, 503, "later", "The message cannot be read now.");
		return;
	}
	message_document_policy(&r->document, policy);
	q->policy = policy;
	reply_bytes(q, 200, "text/html; charset=utf-8", document);
}

void
api_message_document(struct request *q)
{
	struct reading *r;
	unsigned remote, print;

	if (!query_word(q, "remote", "0 1", 0, &remote) ||
	    !query_word(q, "print", "0 1", 0, &print) ||
	    (r = reading_begin(q, show_document)) == NULL)
		return;
	r->document = (struct document_options){.remote = remote, .print = print};
	reading_parses(r, make_document);
}

/* ---- as it came ---- */

static void
send_source(struct reading *r)
{
	struct request *q = r->q;
	uint64_t size = r->size;
	unsigned download = 0;
	char name[48];
	int fd = r->fd;

	if (!query_word(q, "download", "0 1", 0, &download))
		return;
	r->fd = -1;
	snprintf(name, sizeof name, "message-%llu.eml", (unsigned long long)r->uid);
	reading_end(q);
	q->policy = nothing;
	reply_file_name(q, !download, name);
	reply_file(q, download ? "message/rfc822" : "text/plain; charset=utf-8", fd, 0, size);
}

void
api_message_source(struct request *q)
{
	(void)reading_begin(q, send_source);
}

/* ---- a part ---- */

static bool
more_of_part(struct request *q)
{
	struct reading *r = q->work;
	char piece[PIECE_BYTES];
	ssize_t n = mime_body_read(r->body, piece, sizeof piece);

	if (n < 0) {
		reply_cut(q);
		return true;
	}
	reply_write(q, (struct span){piece, n});
	return n > 0;
}

static void
send_part(struct reading *r)
{
	struct request *q = r->q;
	const char *picture;
	unsigned download;
	char path[200], *name;
	int part;

	if (!query_text(q, "part", path, sizeof path) ||
	    !query_word(q, "download", "0 1", 0, &download))
		return;
	if ((part = mime_find(r->mime, span_of(path))) == MIME_NO_PART ||
	    (r->body = mime_body_open(r->mime, part)) == NULL) {
		reading_end(q);
		reply_error(q, 404, "gone", "The message has no such part.");
		return;
	}
	picture = download ? NULL : message_picture_type(mime_part(r->mime, part));
	name = message_part_name(r->mime, part);
	reply_file_name(q, picture != NULL, name);
	free(name);
	q->policy = nothing;
	reply_begin(q, 200, picture != NULL ? picture : "application/octet-stream", more_of_part);
}

void
api_part(struct request *q)
{
	struct reading *r = reading_begin(q, send_part);

	if (r != NULL)
		reading_parses(r, NULL);
}
