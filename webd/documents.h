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
typedef void (*document_cb)(struct request *q, json_t *doc, enum folders_refusal refusal);
void document_load(struct request *q, const char *name, document_cb cb);

/* Owns doc. It survives a power cut when cb is called with FOLDERS_GRANTED. */
typedef void (*document_kept_cb)(struct request *q, enum folders_refusal refusal);
void document_keep(struct request *q, const char *name, json_t *doc, document_kept_cb cb);
/* The answer to most changes: {}, or the refusal. */
void document_reply_kept(struct request *q, enum folders_refusal refusal);
/* The request is freed: forgets what is under way. */
void document_forget(struct request *q);
/* For what belongs to no request. */
void document_keep_quietly(struct folders *f, const char *name, json_t *doc);

#endif
