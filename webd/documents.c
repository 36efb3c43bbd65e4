/*
 * Documents of JSON, to and from store. Touches memory files only.
 */
#include "webd/documents.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/pread_all.h"
#include "webd/params.h"
#include "webd/sessions.h"

/* Each time another change was made, so somebody gets on: this bounds what is never seen. */
enum { TRIES_MAX = 200 };

struct document_call {
	struct request *q;
	const char *name;
	document_cb loaded; /* NULL: it is to be changed */
	document_change_cb change;
	document_kept_cb kept;
	unsigned tries;
	uint64_t version;
};

/* The session forgets its calls, but not what was allocated for them: they are few, and gathered
 * here until they are answered or their request is. */
static struct document_call *
call_new(struct request *q, const char *name)
{
	struct document_call *call = xcalloc(1, sizeof *call);

	call->q = q;
	call->name = name;
	q->document = call;
	return call;
}

void
document_forget(struct request *q)
{
	free(q->document);
	q->document = NULL;
}

/* ---- loading ---- */

/* NULL: it cannot be read now. */
static json_t *
read_document(int fd)
{
	struct stat st;
	json_t *doc;
	char *text;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size > FOLDERS_DOCUMENT_MAX_BYTES ||
	    (text = malloc(st.st_size + 1)) == NULL)
		return NULL;
	if (pread_all(fd, text, st.st_size, 0) == -1) {
		free(text);
		return NULL;
	}
	doc = json_loadb(text, st.st_size, 0, NULL);
	free(text);
	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	return json_object();
}

/* NULL, and refusal set, when it cannot be had now: taken for empty it would be written over. */
static json_t *
take_document(const struct folders_answer *a, enum folders_refusal *refusal)
{
	int fd = a->fd;
	json_t *doc = NULL;

	*refusal = a->refusal;
	if (*refusal == FOLDERS_NO_MESSAGE) {
		*refusal = FOLDERS_GRANTED;
		doc = json_object();
	} else if (*refusal == FOLDERS_GRANTED && (doc = read_document(fd)) == NULL) {
		*refusal = FOLDERS_TROUBLE;
	}
	closefd(&fd);
	return doc;
}

static void
on_document(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	document_cb cb = q->document->loaded;
	enum folders_refusal refusal;
	json_t *doc = take_document(a, &refusal);
	uint64_t version = a->refusal == FOLDERS_GRANTED ? a->number : 0;

	document_forget(q);
	cb(q, doc, version, refusal);
}

void
document_load(struct request *q, const char *name, document_cb cb)
{
	call_new(q, name)->loaded = cb;
	folders_document(q->session->folders, name, on_document, q);
}

/* ---- keeping ---- */

/* -1: there is no memory, or it is too long. */
static int
write_document(json_t *doc)
{
	int fd = memfd_create("document", MFD_CLOEXEC);

	if (fd != -1 && (json_dumpfd(doc, fd, JSON_COMPACT) == -1 ||
			    lseek(fd, 0, SEEK_CUR) > FOLDERS_DOCUMENT_MAX_BYTES))
		closefd(&fd);
	json_decref(doc);
	return fd;
}

static void on_document_to_change(void *arg, const struct folders_answer *a);

static void
on_kept(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct document_call *call = q->document;
	document_kept_cb cb = call->kept;

	/* Another session was first: the same change is made to what it has kept. */
	if (a->refusal == FOLDERS_OTHER && ++call->tries < TRIES_MAX) {
		folders_document(q->session->folders, call->name, on_document_to_change, q);
		return;
	}
	document_forget(q);
	cb(q, a->refusal, a->number);
}

static void
on_document_to_change(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct document_call *call = q->document;
	document_kept_cb cb = call->kept;
	enum folders_refusal refusal;
	json_t *doc = take_document(a, &refusal);
	int fd;

	call->version = a->refusal == FOLDERS_GRANTED ? a->number : 0;
	if (doc == NULL) {
		document_forget(q);
		cb(q, refusal, 0);
		return;
	}
	if (!call->change(q, doc, call->version)) {
		json_decref(doc);
		return; /* answered, and freed */
	}
	if ((fd = write_document(doc)) == -1) {
		document_forget(q);
		cb(q, FOLDERS_FULL, 0);
		return;
	}
	folders_keep(q->session->folders, call->name, call->version, fd, on_kept, q);
	closefd(&fd);
}

void
document_change(
    struct request *q, const char *name, document_change_cb change, document_kept_cb kept)
{
	struct document_call *call = call_new(q, name);

	call->change = change;
	call->kept = kept;
	folders_document(q->session->folders, name, on_document_to_change, q);
}

void
document_reply_kept(struct request *q, enum folders_refusal refusal, uint64_t version)
{
	(void)version;
	if (refusal != FOLDERS_GRANTED)
		reply_refusal(q, refusal);
	else
		reply_json(q, NULL);
}
