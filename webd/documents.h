/*
 * A user's own documents, which store keeps beside his mail: settings, contacts and the like, each
 * a JSON object. Private to the folder.
 */
#ifndef WEBD_DOCUMENTS_H
#define WEBD_DOCUMENTS_H

#include <jansson.h>

#include "store/folders.h"
#include "webd/http.h"

/* doc: {} where there is none yet, or what was there is no document any more; the callee's. NULL:
 * refused. */
typedef void (*document_cb)(
    struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal);
void document_load(struct request *q, const char *name, document_cb cb);

/*
 * Changes a document: change() is given it, and once more, as it is then, each time another session
 * has kept one in between. False: nothing is kept, the request was answered. doc is borrowed.
 */
typedef bool (*document_change_cb)(struct request *q, json_t *doc, uint64_t version);
/* It survives a power cut when this is called with FOLDERS_GRANTED. */
typedef void (*document_kept_cb)(struct request *q, enum folders_refusal refusal, uint64_t version);
/* name is not copied. */
void document_change(
    struct request *q, const char *name, document_change_cb change, document_kept_cb kept);
/* The answer to most changes: {}, or the refusal. */
void document_reply_kept(struct request *q, enum folders_refusal refusal, uint64_t version);
/* The request is freed: forgets what is under way. */
void document_forget(struct request *q);

#endif
