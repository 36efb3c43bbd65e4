/*
 * Documents of JSON, to and from store. Touches memory files only.
 */
#include "webd/documents.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "webd/params.h"
#include "webd/sessions.h"

struct document_call {
	struct request *q;
	document_cb loaded;
	document_kept_cb kept;
};

/* The session forgets its calls, but not what was allocated for them: they are few, and gathered
 * here until they are answered or their request is. */
static struct document_call *
call_new(struct request *q)
{
	struct document_call *call = xcalloc(1, sizeof *call);

	call->q = q;
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

static void
on_document(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct document_call *call = q->document;
	document_cb cb = call->loaded;
	enum folders_refusal refusal = a->refusal;
	int fd = a->fd;
	json_t *doc = NULL;

	document_forget(q);
	if (refusal == FOLDERS_NO_MESSAGE) {
		refusal = FOLDERS_GRANTED;
		doc = json_object();
	} else if (refusal == FOLDERS_GRANTED && (doc = read_document(fd)) == NULL) {
		/* Taken for empty it would be written over. */
		refusal = FOLDERS_TROUBLE;
	}
	closefd(&fd);
	cb(q, doc, refusal);
}

void
document_load(struct request *q, const char *name, document_cb cb)
{
	call_new(q)->loaded = cb;
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

static void
on_kept(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct document_call *call = q->document;
	document_kept_cb cb = call->kept;

	document_forget(q);
	cb(q, a->refusal);
}

void
document_keep(struct request *q, const char *name, json_t *doc, document_kept_cb cb)
{
	int fd = write_document(doc);

	if (fd == -1) {
		cb(q, FOLDERS_FULL);
		return;
	}
	call_new(q)->kept = cb;
	folders_keep(q->session->folders, name, fd, on_kept, q);
	closefd(&fd);
}

void
document_reply_kept(struct request *q, enum folders_refusal refusal)
{
	if (refusal != FOLDERS_GRANTED)
		reply_refusal(q, refusal);
	else
		reply_json(q, NULL);
}

static void
on_kept_quietly(void *arg, const struct folders_answer *a)
{
	(void)arg;
	if (a->refusal != FOLDERS_GRANTED)
		log_warn("- a document could not be kept reason=%d", a->refusal);
}

void
document_keep_quietly(struct folders *f, const char *name, json_t *doc)
{
	int fd = write_document(doc);

	if (fd == -1)
		return;
	folders_keep(f, name, fd, on_kept_quietly, NULL);
	closefd(&fd);
}
