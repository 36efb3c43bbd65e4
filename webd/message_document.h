/*
 * A message as a document of its own, in which nothing of the sender's runs. The bytes are a
 * stranger's: text is escaped, HTML goes through html_clean.h, and the policy that belongs to it
 * lets one script of ours run, by its digest, in an origin that is nobody's. Reads the message
 * only; knows nothing of folders and sessions.
 */
#ifndef WEBD_MESSAGE_DOCUMENT_H
#define WEBD_MESSAGE_DOCUMENT_H

#include "common/mime.h"

enum {
	/* Of all that is shown in one document: texts, and pictures within them, as they came. */
	MESSAGE_TEXTS_MAX_BYTES = 2 * 1024 * 1024,
	MESSAGE_PICTURES_MAX_BYTES = 16 * 1024 * 1024,
	MESSAGE_PICTURES_MAX = 500,
	MESSAGE_HTML_PARTS_MAX = 20,
	MESSAGE_NAMES_MAX_BYTES = 16 * 1024, /* printed, of recipients and of attachments */
	DOCUMENT_POLICY_SIZE = 400
};

/*
 * What a document says to the page that it is in a frame of, by postMessage(): {height, loaded} of
 * its contents in pixels, and whether all pictures are there, again whenever that changes; one that
 * is printed {printed: true}, when that has ended.
 */
struct document_options {
	bool remote; /* with pictures from elsewhere */
	bool print;  /* with a header above it; opens the dialog for printing */
};

/* The caller's, with *len bytes. NULL with errno. */
char *message_document(const struct mime *m, const struct document_options *o, size_t *len);
/* Content-Security-Policy for it. */
void message_document_policy(const struct document_options *o, char policy[DOCUMENT_POLICY_SIZE]);
/* Whether it asks for something elsewhere. */
bool message_asks_for_remote(const struct mime *m);

#endif
