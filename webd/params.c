/*
 * What a request says, and what is often said in answers. Touches nothing.
 */
#include "webd/params.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "common/memory.h"

/* ---- the query ---- */

bool
query_text(struct request *q, const char *name, char *out, size_t size)
{
	bool there;

	if (http_parameter(q->head.query, name, out, size, &there))
		return true;
	out[0] = '\0';
	if (!there)
		return true;
	reply_error(q, 400, "bad", "The parameter %s is malformed, or too long.", name);
	return false;
}

bool
query_u64(struct request *q, const char *name, uint64_t preset, uint64_t *out)
{
	char text[32];

	*out = preset;
	if (!query_text(q, name, text, sizeof text))
		return false;
	if (text[0] == '\0' || span_u64(span_of(text), INT64_MAX, out))
		return true;
	reply_error(q, 400, "bad", "The parameter %s is no number.", name);
	return false;
}

bool
query_word(struct request *q, const char *name, const char *words, unsigned preset, unsigned *out)
{
	struct span rest = span_of(words), word;
	char text[32];
	unsigned i = 0;

	*out = preset;
	if (!query_text(q, name, text, sizeof text))
		return false;
	if (text[0] == '\0')
		return true;
	while ((word = span_take_word(&rest)).len > 0) {
		*out = i++;
		if (span_is(word, text))
			return true;
	}
	reply_error(q, 400, "bad", "The parameter %s is one of: %s.", name, words);
	return false;
}

/* ---- the body ---- */

bool
body_u64(struct request *q, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(q->json, name);

	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*out = json_integer_value(value);
		return true;
	}
	reply_error(q, 400, "bad", "%s must be a number.", name);
	return false;
}

bool
body_bool(struct request *q, const char *name, bool *out)
{
	const json_t *value = json_object_get(q->json, name);

	if (json_is_boolean(value)) {
		*out = json_is_true(value);
		return true;
	}
	reply_error(q, 400, "bad", "%s must be true or false.", name);
	return false;
}

const char *
body_text(struct request *q, const char *name, size_t max)
{
	const json_t *value = json_object_get(q->json, name);
	const char *text = json_string_value(value);

	if (text == NULL || json_string_length(value) != strlen(text) ||
	    strpbrk(text, "\r\n") != NULL) {
		reply_error(q, 400, "bad", "%s must be a text of one line.", name);
		return NULL;
	}
	if (strlen(text) <= max)
		return text;
	reply_error(q, 400, "bad", "%s is longer than %zu bytes.", name, max);
	return NULL;
}

static bool
read_item(const json_t *value, struct item *out, size_t *left)
{
	const json_t *folder = json_object_get(value, "folder");
	const json_t *uids = json_object_get(value, "uids");
	size_t n = json_array_size(uids);

	if (!json_is_integer(folder) || json_integer_value(folder) <= 0 || n == 0 || n > *left)
		return false;
	*left -= n;
	out->folder = json_integer_value(folder);
	out->uids = xcalloc(n, sizeof *out->uids);
	for (out->n = 0; out->n < n; out->n++) {
		const json_t *uid = json_array_get(uids, out->n);

		if (!json_is_integer(uid) || json_integer_value(uid) <= 0)
			return false;
		out->uids[out->n] = json_integer_value(uid);
	}
	return true;
}

bool
body_items(struct request *q, struct items *out)
{
	const json_t *list = json_object_get(q->json, "items");
	size_t n = json_array_size(list), left = ITEMS_UIDS_MAX;
	bool good = n > 0 && n <= ITEMS_MAX;

	*out = (struct items){xcalloc(n + 1, sizeof *out->at), 0};
	while (good && out->n < n) {
		good = read_item(json_array_get(list, out->n), &out->at[out->n], &left);
		out->n++;
	}
	if (good)
		return true;
	items_free(out);
	reply_error(q, 400, "bad",
	    "items must be a list of folders, each with the numbers of its messages.");
	return false;
}

void
items_free(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		free(items->at[i].uids);
	free(items->at);
	*items = (struct items){NULL, 0};
}

/* ---- answers ---- */

static const struct refusal_words refusals[] = {
    [FOLDERS_GRANTED] = {500, "later", "This did not work; try again."},
    [FOLDERS_NO_FOLDER] = {404, "gone", "This folder is not there any more."},
    [FOLDERS_NO_MESSAGE] = {404, "gone", "This message is not there any more."},
    [FOLDERS_EXISTS] = {409, "conflict", "There is a folder of this name already."},
    [FOLDERS_BAD_NAME] = {400, "bad", "A folder cannot have this name."},
    [FOLDERS_BAD_REQUEST] = {400, "bad", "This is not possible."},
    [FOLDERS_FORGOTTEN] = {409, "conflict", "Too much has changed; look again."},
    [FOLDERS_OTHER] = {409, "conflict", "This was changed elsewhere just now; try again."},
    [FOLDERS_FULL] = {507, "full", "The mailbox is full: there is no room for this."},
    [FOLDERS_TROUBLE] = {503, "later", "The mailbox cannot be reached now; try again later."},
};

const struct refusal_words *
refusal_words(enum folders_refusal refusal)
{
	return &refusals[refusal < nitems(refusals) ? refusal : FOLDERS_TROUBLE];
}

void
reply_refusal(struct request *q, enum folders_refusal refusal)
{
	const struct refusal_words *words = refusal_words(refusal);

	reply_error(q, words->status, words->code, "%s", words->sentence);
}

json_t *
json_mailbox(struct span text)
{
	const char *angle = memrchr(text.at, '<', text.len);
	struct span name = {text.at, 0}, address = text;

	if (angle != NULL && text.at[text.len - 1] == '>') {
		name.len = angle - text.at;
		address = (struct span){angle + 1, text.at + text.len - angle - 2};
	}
	return json_pack(
	    "{s:o, s:o}", "name", json_text(span_trim(name)), "address", json_text(address));
}

/* A ", " behind something that has no address yet is part of a name. */
static bool
is_whole(struct span part)
{
	if (part.len == 0)
		return false;
	if (memchr(part.at, '<', part.len) != NULL || memchr(part.at, ' ', part.len) != NULL)
		return part.at[part.len - 1] == '>';
	return true;
}

json_t *
json_mailboxes(const char *text)
{
	json_t *list = json_array();
	struct span part = {text, 0};

	for (; part.at[part.len] != '\0'; part.len++) {
		if (strncmp(part.at + part.len, ", ", 2) != 0 || !is_whole(part))
			continue;
		json_array_append_new(list, json_mailbox(part));
		part = (struct span){part.at + part.len + 2, 0};
		part.len = (size_t)-1;
	}
	if (part.len > 0)
		json_array_append_new(list, json_mailbox(part));
	return list;
}

static json_t *
json_labels(const char *keywords)
{
	struct span rest = span_of(keywords), word;
	json_t *list = json_array();

	while ((word = span_take_word(&rest)).len > 0)
		json_array_append_new(list, json_text(word));
	return list;
}

static const struct {
	unsigned bit;
	const char *name;
} flag_names[] = {{FLAG_SEEN, "seen"}, {FLAG_ANSWERED, "answered"}, {FLAG_FLAGGED, "flagged"},
    {FLAG_DRAFT, "draft"}, {FLAG_FORWARDED, "forwarded"}};

unsigned
flag_of_name(const char *name)
{
	for (size_t i = 0; i < nitems(flag_names); i++)
		if (strcmp(flag_names[i].name, name) == 0)
			return flag_names[i].bit;
	return 0;
}

static const char *
text_or_nothing(const char *text)
{
	return text != NULL ? text : "";
}

json_t *
json_row(const struct folder_row *row)
{
	char thread[24];
	json_t *doc;

	snprintf(thread, sizeof thread, "%llu", (unsigned long long)row->thread);
	doc = json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:b, s:s}", "folder",
	    (json_int_t)row->folder, "uid", (json_int_t)row->uid, "labels",
	    json_labels(text_or_nothing(row->keywords)), "size", (json_int_t)row->size, "arrival",
	    (json_int_t)row->arrival, "date", (json_int_t)row->date, "from",
	    json_mailbox(span_of(text_or_nothing(row->from))), "to",
	    json_mailboxes(text_or_nothing(row->to)), "subject",
	    json_text(span_of(text_or_nothing(row->subject))), "preview",
	    json_text(span_of(text_or_nothing(row->preview))), "attachments", row->attachments,
	    "thread", thread);
	for (size_t i = 0; i < nitems(flag_names); i++)
		json_object_set_new(
		    doc, flag_names[i].name, json_boolean(row->flags & flag_names[i].bit));
	if (row->thread_total > 0) {
		json_object_set_new(doc, "thread_total", json_integer(row->thread_total));
		json_object_set_new(doc, "thread_unread", json_integer(row->thread_unread));
	}
	return doc;
}

json_t *
json_rows(const struct folders_answer *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_rows; i++)
		json_array_append_new(list, json_row(&a->rows[i]));
	return list;
}

json_t *
json_uids(const uint64_t *uids, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(uids[i]));
	return list;
}

json_t *
json_folder(const struct folder_info *f)
{
	static const char *const roles[] = {[FOLDER_INBOX] = "inbox",
	    [FOLDER_SENT] = "sent",
	    [FOLDER_DRAFTS] = "drafts",
	    [FOLDER_TRASH] = "trash",
	    [FOLDER_JUNK] = "junk",
	    [FOLDER_ARCHIVE] = "archive"};
	const char *role = f->role < nitems(roles) ? roles[f->role] : NULL;

	return json_pack("{s:I, s:o, s:s?, s:I, s:I, s:b, s:I}", "id", (json_int_t)f->id, "name",
	    json_text(span_of(text_or_nothing(f->name))), "role", role, "total",
	    (json_int_t)f->total, "unread", (json_int_t)f->unread, "subscribed", f->subscribed,
	    "modseq", (json_int_t)f->modseq);
}
