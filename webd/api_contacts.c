/*
 * The address book, and completing addresses from it and from whom one has written to. Both are
 * documents in the mailbox.
 */
#include "webd/contacts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/memory.h"
#include "webd/api.h"
#include "webd/documents.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"
#include "webd/vcard.h"

enum {
	CONTACTS_MAX = 10000,
	EMAILS_MAX = 20,
	NAME_MAX_BYTES = 200,
	NOTE_MAX_BYTES = 4000,
	WRITTEN_MAX = 1000,
	COMPLETIONS_MAX = 12,
	SEARCH_SIZE = 200
};

/* ---- what a contact may be ---- */

static bool
is_text(const json_t *value, size_t max, bool lines)
{
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) && strlen(text) <= max &&
	       (lines || strpbrk(text, "\r\n") == NULL);
}

static json_t *
text_of(const json_t *contact, const char *key, size_t max, bool lines)
{
	json_t *value = json_object_get(contact, key);

	return is_text(value, max, lines) ? json_incref(value) : json_string("");
}

static json_t *
texts_of(const json_t *contact, const char *key)
{
	const json_t *list = json_object_get(contact, key);
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(list) && i < EMAILS_MAX; i++) {
		json_t *value = json_array_get(list, i);

		if (is_text(value, NAME_MAX_BYTES, false) && json_string_length(value) > 0)
			json_array_append(out, value);
	}
	return out;
}

/* Only what is known of it, within its bounds. */
static json_t *
contact_new(const json_t *contact, json_int_t id, json_int_t version)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id", id, "version", version,
	    "name", text_of(contact, "name", NAME_MAX_BYTES, false), "emails",
	    texts_of(contact, "emails"), "phones", texts_of(contact, "phones"), "organization",
	    text_of(contact, "organization", NAME_MAX_BYTES, false), "note",
	    text_of(contact, "note", NOTE_MAX_BYTES, true));
}

static json_t *
list_of(json_t *doc)
{
	json_t *list = json_object_get(doc, "contacts");

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(doc, "contacts", list);
	}
	return list;
}

static json_int_t
next_id(json_t *doc)
{
	json_int_t id = json_integer_value(json_object_get(doc, "last")) + 1;

	json_object_set_new(doc, "last", json_integer(id));
	return id;
}

static size_t
find_id(const json_t *list, json_int_t id)
{
	size_t i = 0;

	while (i < json_array_size(list) &&
	       json_integer_value(json_object_get(json_array_get(list, i), "id")) != id)
		i++;
	return i;
}

/* ---- listing ---- */

static bool
has_text(const char *text, const char *what)
{
	return text != NULL && strcasestr(text, what) != NULL;
}

static bool
matches(const json_t *contact, const char *what)
{
	const json_t *emails = json_object_get(contact, "emails");

	if (has_text(json_string_value(json_object_get(contact, "name")), what) ||
	    has_text(json_string_value(json_object_get(contact, "organization")), what))
		return true;
	for (size_t i = 0; i < json_array_size(emails); i++)
		if (has_text(json_string_value(json_array_get(emails, i)), what))
			return true;
	return false;
}

static void
on_contacts(struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal)
{
	char what[SEARCH_SIZE];
	const json_t *contact;
	json_t *found;
	size_t i;

	(void)version;
	if (doc == NULL) {
		reply_refusal(q, refusal);
		return;
	}
	if (!query_text(q, "q", what, sizeof what)) {
		json_decref(doc);
		return;
	}
	found = json_array();
	json_array_foreach(list_of(doc), i, contact) if (matches(contact, what))
	    json_array_append(found, (json_t *)contact);
	json_decref(doc);
	reply_json(q, json_pack("{s:o}", "contacts", found));
}

void
api_contacts(struct request *q)
{
	document_load(q, "contacts", on_contacts);
}

/* ---- changing ---- */

static void
on_saved(struct request *q, enum folders_refusal refusal, uint64_t version)
{
	(void)version;
	if (refusal != FOLDERS_GRANTED)
		reply_refusal(q, refusal);
	else
		reply_json(q, json_pack("{s:O}", "id", json_object_get(q->json, "saved")));
}

static bool
refuse_more(struct request *q)
{
	reply_error(q, 507, "full", "An address book has at most %d contacts.", CONTACTS_MAX);
	return false;
}

static void
reply_newer(struct request *q, json_t *newer)
{
	reply_json_status(q, 409,
	    json_pack("{s:s, s:s, s:O}", "error", "This contact was changed elsewhere meanwhile.",
		"code", "conflict", "contact", newer));
}

/* False: answered. */
static bool
replace_contact(struct request *q, json_t *list, const json_t *contact)
{
	json_int_t id = json_integer_value(json_object_get(contact, "id"));
	const json_t *seen = json_object_get(contact, "version");
	json_t *old = json_array_get(list, find_id(list, id));
	json_int_t version = json_integer_value(json_object_get(old, "version"));

	if (old == NULL) {
		reply_error(q, 404, "gone", "This contact is not there any more.");
		return false;
	}
	if (json_is_integer(seen) && json_integer_value(seen) != version) {
		reply_newer(q, old);
		return false;
	}
	json_object_set_new(q->json, "saved", json_integer(id));
	json_array_set_new(list, find_id(list, id), contact_new(contact, id, version + 1));
	return true;
}

static bool
save_contact(struct request *q, json_t *doc, uint64_t version)
{
	const json_t *contact = json_object_get(q->json, "contact");
	json_t *list = list_of(doc);
	json_int_t id;

	(void)version;
	if (json_is_integer(json_object_get(contact, "id")))
		return replace_contact(q, list, contact);
	if (json_array_size(list) >= CONTACTS_MAX)
		return refuse_more(q);
	id = next_id(doc);
	json_object_set_new(q->json, "saved", json_integer(id));
	json_array_append_new(list, contact_new(contact, id, 1));
	return true;
}

void
api_contacts_save(struct request *q)
{
	const json_t *contact = json_object_get(q->json, "contact");

	if (!json_is_object(contact))
		reply_error(q, 400, "bad", "contact must be an object.");
	else
		document_change(q, "contacts", save_contact, on_saved);
}

static int
compare_ids(const void *a, const void *b)
{
	const json_int_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* gone is sorted. */
static void
remove_ids(json_t *list, const json_int_t *gone, size_t n)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_int_t id = json_integer_value(json_object_get(json_array_get(list, i), "id"));

		if (bsearch(&id, gone, n, sizeof id, compare_ids) != NULL)
			json_array_remove(list, i);
	}
}

static bool
remove_contacts(struct request *q, json_t *doc, uint64_t version)
{
	const json_t *ids = json_object_get(q->json, "ids"), *id;
	json_int_t gone[CONTACTS_MAX];
	size_t i;

	(void)version;
	json_array_foreach(ids, i, id) gone[i] = json_integer_value(id);
	qsort(gone, json_array_size(ids), sizeof *gone, compare_ids);
	remove_ids(list_of(doc), gone, json_array_size(ids));
	return true;
}

void
api_contacts_remove(struct request *q)
{
	const json_t *ids = json_object_get(q->json, "ids");

	if (!json_is_array(ids) || json_array_size(ids) > CONTACTS_MAX)
		reply_error(
		    q, 400, "bad", "ids must be a list of at most %d numbers.", CONTACTS_MAX);
	else
		document_change(q, "contacts", remove_contacts, document_reply_kept);
}

/* ---- vCards ---- */

static void
on_imported(struct request *q, enum folders_refusal refusal, uint64_t version)
{
	(void)version;
	if (refusal != FOLDERS_GRANTED)
		reply_refusal(q, refusal);
	else
		reply_json(q, json_pack("{s:O}", "n", json_object_get(q->json, "n")));
}

static bool
import_contacts(struct request *q, json_t *doc, uint64_t version)
{
	const json_t *cards = json_object_get(q->json, "cards"), *card;
	size_t i;

	(void)version;
	if (json_array_size(list_of(doc)) + json_array_size(cards) > CONTACTS_MAX)
		return refuse_more(q);
	json_array_foreach(cards, i, card)
	    json_array_append_new(list_of(doc), contact_new(card, next_id(doc), 1));
	return true;
}

void
api_contacts_import(struct request *q)
{
	json_t *cards = vcard_read((struct span){q->body != NULL ? q->body : "", q->body_len});

	if (cards == NULL) {
		reply_error(q, 400, "bad", "There is no contact in this file.");
		return;
	}
	q->json = json_pack("{s:I, s:o}", "n", (json_int_t)json_array_size(cards), "cards", cards);
	document_change(q, "contacts", import_contacts, on_imported);
}

static void
on_contacts_to_export(
    struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal)
{
	size_t len = 0;
	char *text;

	(void)version;
	if (doc == NULL) {
		reply_refusal(q, refusal);
		return;
	}
	text = vcard_write(list_of(doc), &len);
	json_decref(doc);
	reply_file_name(q, false, "contacts.vcf");
	reply_bytes(q, 200, "text/vcard; charset=utf-8", (struct span){text, len});
	free(text);
}

void
api_contacts_export(struct request *q)
{
	document_load(q, "contacts", on_contacts_to_export);
}

/* ---- whom one has written to: {"written": [{name, address, n, last}]}, newest first ---- */

static void
note_one(json_t *list, const json_t *mailbox)
{
	const char *address = json_string_value(json_object_get(mailbox, "address"));
	json_int_t n = 1;
	size_t i;
	json_t *old;

	if (address == NULL)
		return;
	json_array_foreach(
	    list, i, old) if (strcasecmp(json_string_value(json_object_get(old, "address")) ?: "",
				  address) == 0)
	{
		n += json_integer_value(json_object_get(old, "n"));
		json_array_remove(list, i);
		break;
	}
	json_array_insert_new(list, 0,
	    json_pack("{s:O?, s:s, s:I}", "name", json_object_get(mailbox, "name"), "address",
		address, "n", n));
	if (json_array_size(list) > WRITTEN_MAX)
		json_array_remove(list, WRITTEN_MAX);
}

void
contacts_note_written(json_t *doc, const json_t *mailboxes)
{
	json_t *list = json_object_get(doc, "written");
	const json_t *mailbox;
	size_t i;

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(doc, "written", list);
	}
	json_array_foreach(mailboxes, i, mailbox) note_one(list, mailbox);
}

/* ---- completing: what begins so, before what has it somewhere ---- */

static void
abort_completing(struct request *q)
{
	json_decref(q->work);
	q->work = NULL;
	q->abort = NULL;
}

static bool
begins_a_word(const char *text, const char *what)
{
	size_t n = strlen(what);

	for (const char *at = text; at != NULL && (at = strcasestr(at, what)) != NULL; at++)
		if (at == text || strchr(" .-_@<\"(", at[-1]) != NULL)
			return n > 0;
	return n == 0;
}

static bool
is_among(const json_t *list, const char *address)
{
	const json_t *other;
	size_t i;

	json_array_foreach(list, i,
	    other) if (strcasecmp(json_string_value(json_object_get(other, "address")), address) ==
		       0) return true;
	return false;
}

static void
offer(json_t *list, const char *what, const char *name, const char *address)
{
	if (address == NULL || json_array_size(list) >= COMPLETIONS_MAX ||
	    (!begins_a_word(name, what) && !begins_a_word(address, what)) ||
	    is_among(list, address))
		return;
	json_array_append_new(
	    list, json_pack("{s:s, s:s}", "name", name != NULL ? name : "", "address", address));
}

static void
on_written(struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal)
{
	const json_t *contact, *written, *email;
	json_t *found, *contacts = q->work;
	char what[SEARCH_SIZE];
	size_t i, k;

	(void)version;
	q->work = NULL;
	q->abort = NULL;
	if (doc == NULL || !query_text(q, "q", what, sizeof what)) {
		if (doc == NULL)
			reply_refusal(q, refusal);
		json_decref(doc);
		json_decref(contacts);
		return;
	}
	found = json_array();
	json_array_foreach(json_object_get(doc, "written"), i, written)
	    offer(found, what, json_string_value(json_object_get(written, "name")),
		json_string_value(json_object_get(written, "address")));
	json_array_foreach(list_of(contacts), i, contact)
	    json_array_foreach(json_object_get(contact, "emails"), k, email) offer(found, what,
		json_string_value(json_object_get(contact, "name")), json_string_value(email));
	json_decref(doc);
	json_decref(contacts);
	reply_json(q, found);
}

static void
on_contacts_to_complete(
    struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal)
{
	(void)version;
	if (doc == NULL) {
		reply_refusal(q, refusal);
		return;
	}
	q->work = doc;
	q->abort = abort_completing;
	document_load(q, "written", on_written);
}

void
api_complete(struct request *q)
{
	document_load(q, "contacts", on_contacts_to_complete);
}
