/* The address book's documents. Private to the folder. */
#ifndef WEBD_CONTACTS_H
#define WEBD_CONTACTS_H

#include <jansson.h>

/* Adds those to whom a message was sent, [{name, address}], to the document "written". */
void contacts_note_written(json_t *doc, const json_t *mailboxes);

#endif
