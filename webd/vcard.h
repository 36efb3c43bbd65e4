/*
 * Contacts as vCards (RFC 6350, 2426; what programs still write of 2.1 is read): import and export.
 * Pure.
 */
#ifndef WEBD_VCARD_H
#define WEBD_VCARD_H

#include <jansson.h>

#include "common/span.h"

enum {
	VCARD_IN_MAX_BYTES = 8 * 1024 * 1024,
	VCARD_CONTACTS_MAX = 10000,
	VCARD_VALUES_MAX = 20, /* mail addresses, and phones, of one contact */
	VCARD_TEXT_MAX_BYTES = 200,
	VCARD_NOTE_MAX_BYTES = 4000
};

/*
 * [{name, emails, phones, organization, note}]: of cards that have a name or a mail address; what
 * is no card, and pictures, are passed over. NULL: there is not one card in it.
 */
json_t *vcard_read(struct span text);

/* The contacts as vCard 4.0; the caller's. Members that are missing or of another kind are left
 * out. */
char *vcard_write(const json_t *contacts, size_t *len);

#endif
