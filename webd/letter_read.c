/* What users type as recipients, and what a draft was before it was a message. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/address.h"
#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/compose.h"
#include "webd/html_clean.h"
#include "webd/message_document.h"
#include "webd/message_view.h"

enum { SHOWN_MAX_BYTES = 100 };

/* ---- recipients ---- */

/* Cuts one off: at a comma, semicolon or line end outside quotes and angle brackets. */
static struct span
take_one(struct span *typed)
{
	struct span all = *typed;
	bool quoted = false, bracket = false;
	size_t i;

	for (i = 0; i < all.len; i++) {
		char c = all.at[i];

		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == '<' && !quoted)
			bracket = true;
		else if (c == '>' && !quoted)
			bracket = false;
		else if (c == '\n' || c == '\r' || ((c == ',' || c == ';') && !quoted && !bracket))
			break;
	}
	if (i > all.len)
		i = all.len;
	*typed = i < all.len ? (struct span){all.at + i + 1, all.len - i - 1}
			     : (struct span){all.at + all.len, 0};
	return span_trim((struct span){all.at, i});
}

/* Without quotes and what escapes in them. The caller's. */
static char *
name_of(struct span text)
{
	struct text_buffer out;
	bool quoted;

	text = span_trim(text);
	quoted = text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"';
	if (quoted)
		text = (struct span){text.at + 1, text.len - 2};
	text_buffer_init(&out, text.len);
	for (size_t i = 0; i < text.len; i++) {
		if (quoted && text.at[i] == '\\' && i + 1 < text.len)
			i++;
		text_put_char(&out, text.at[i]);
	}
	return text_buffer_take(&out);
}

static char *
shown(struct span one)
{
	return mime_to_utf8(one, "utf-8", false, SHOWN_MAX_BYTES, NULL);
}

static bool
is_there(const struct mime_addresses *to, const char *address)
{
	for (size_t i = 0; i < to->n; i++)
		if (strcasecmp(to->list[i].address, address) == 0)
			return true;
	return false;
}

/* Splits "Name <address>". False: brackets that are none. */
static bool
split(struct span one, struct span *name, struct span *address)
{
	const char *open = memrchr(one.at, '<', one.len);

	*name = (struct span){one.at, 0};
	*address = one;
	if (open == NULL)
		return memchr(one.at, '>', one.len) == NULL;
	*name = (struct span){one.at, open - one.at};
	*address = (struct span){open + 1, one.len - (open + 1 - one.at)};
	if (address->len == 0 || address->at[address->len - 1] != '>')
		return false;
	address->len--;
	*address = span_trim(*address);
	return true;
}

static int
add_one(struct span one, struct mime_addresses *to, char **why)
{
	char canonical[ADDRESS_TEXT_SIZE], *text, *name_text;
	struct span name, address;
	const char *reason = "its angle brackets do not match";

	if (!split(one, &name, &address) ||
	    address_parse(address, ADDRESS_ALLOW_UTF8, canonical, &reason) == -1) {
		text = shown(one);
		*why = xasprintf("\"%s\" is no mail address: %s.", text, reason);
		free(text);
		return -1;
	}
	if (is_there(to, canonical))
		return 0;
	if (to->n == MIME_ADDRESSES_MAX) {
		*why = xasprintf("There are more than %d recipients.", MIME_ADDRESSES_MAX);
		return -1;
	}
	name_text = name_of(name);
	mime_addresses_add(to, name_text, canonical);
	free(name_text);
	return 0;
}

int
letter_recipients(struct span typed, struct mime_addresses *to, char **why)
{
	while (typed.len > 0) {
		struct span one = take_one(&typed);

		if (one.len > 0 && add_one(one, to, why) == -1)
			return -1;
	}
	return 0;
}

/* ---- drafts ---- */

static json_t *
typed_addresses(const struct mime *m, const char *field)
{
	struct mime_addresses a = {0};
	json_t *list = json_array();

	mime_field_addresses(m, field, &a);
	for (size_t i = 0; i < a.n; i++) {
		char *text = mime_address_text(&a.list[i]);

		json_array_append_new(list, json_string(text));
		free(text);
	}
	mime_addresses_free(&a);
	return list;
}

/* Ids without < and >, with blanks between; null without any. */
static json_t *
ids(const struct mime *m, const char *field)
{
	struct span value = mime_field(m, field, 0), id;
	struct text_buffer out;
	json_t *text;

	text_buffer_init(&out, MIME_FIELD_MAX_BYTES);
	while (value.at != NULL && mime_next_id(&value, &id)) {
		if (out.len > 0)
			text_put_char(&out, ' ');
		text_put(&out, id);
	}
	text = out.len > 0 ? json_string(out.at) : json_null();
	text_buffer_free(&out);
	return text == NULL ? json_null() : text;
}

static json_t *
html_of(const struct mime *m)
{
	struct html_clean_options options = {.remote = true};
	int parts[MESSAGE_HTML_PARTS_MAX];
	size_t n = mime_readable(m, true, parts, nitems(parts)), len;
	struct html_cleaned cleaned;
	json_t *html;
	char *text;

	if (n == 0 || strcmp(mime_part(m, parts[0])->type, "text/html") != 0 ||
	    (text = mime_part_text(m, parts[0], HTML_CLEAN_IN_MAX_BYTES, &len, NULL)) == NULL)
		return json_null();
	html_clean((struct span){text, len}, &options, &cleaned);
	html = json_stringn(cleaned.html, cleaned.len);
	free(cleaned.html);
	free(text);
	return html == NULL ? json_null() : html;
}

static json_t *
attachments_of(const struct mime *m)
{
	json_t *list = json_array();
	bool is_inline;

	for (size_t i = 0; i < mime_n_parts(m); i++) {
		const struct mime_part *p = mime_part(m, i);
		char *name;

		if (!mime_is_attachment(m, i, &is_inline))
			continue;
		name = message_part_name(m, i);
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:s, s:I}", "part", p->path, "name", name, "type",
			      p->type, "size", (json_int_t)message_part_size(p)));
		free(name);
	}
	return list;
}

static void
set_text(json_t *to, const char *key, char *text)
{
	json_object_set_new(to, key, json_string(text));
	free(text);
}

static void
set_from(json_t *letter, const struct mime *m)
{
	struct mime_addresses from = {0};

	mime_field_addresses(m, "From", &from);
	json_object_set_new(letter, "from", json_string(from.n > 0 ? from.list[0].address : ""));
	json_object_set_new(letter, "from_name", json_string(from.n > 0 ? from.list[0].name : ""));
	mime_addresses_free(&from);
}

/* "reply 3 7": the message that it answers. */
static void
set_answered(json_t *letter, const struct mime *m)
{
	static const char *const kinds[] = {"reply", "forward"};
	char *note = mime_field_text(m, "X-Sambar-Draft", LETTER_NOTE_MAX_BYTES);
	struct span rest = span_of(note), kind = span_take_word(&rest);
	struct span folder_text = span_take_word(&rest);
	uint64_t folder, uid;
	bool good = span_u64(folder_text, INT64_MAX, &folder) &&
		    span_u64(span_take_word(&rest), INT64_MAX, &uid);

	for (size_t i = 0; i < nitems(kinds); i++)
		json_object_set_new(letter, kinds[i],
		    good && span_is(kind, kinds[i])
			? json_pack(
			      "{s:I, s:I}", "folder", (json_int_t)folder, "uid", (json_int_t)uid)
			: json_null());
	free(note);
}

json_t *
letter_from_draft(const struct mime *m)
{
	char *importance = mime_field_text(m, "Importance", 20), *text;
	json_t *letter;
	size_t len;

	if ((text = mime_text(m, LETTER_TEXT_MAX_BYTES, false, &len, NULL)) == NULL) {
		free(importance);
		return NULL;
	}
	letter = json_object();
	set_from(letter, m);
	json_object_set_new(letter, "to", typed_addresses(m, "To"));
	json_object_set_new(letter, "cc", typed_addresses(m, "Cc"));
	json_object_set_new(letter, "bcc", typed_addresses(m, "Bcc"));
	set_text(letter, "subject", mime_field_text(m, "Subject", LETTER_SUBJECT_MAX_BYTES));
	json_object_set_new(letter, "text", json_stringn(text, len));
	free(text);
	json_object_set_new(letter, "html", html_of(m));
	json_object_set_new(letter, "attachments", attachments_of(m));
	json_object_set_new(letter, "priority",
	    json_string(strcasecmp(importance, "high") == 0  ? "high"
			: strcasecmp(importance, "low") == 0 ? "low"
							     : "normal"));
	free(importance);
	json_object_set_new(letter, "receipt",
	    json_boolean(mime_field(m, "Disposition-Notification-To", 0).at != NULL));
	json_object_set_new(letter, "message_id", ids(m, "Message-ID"));
	json_object_set_new(letter, "in_reply_to", ids(m, "In-Reply-To"));
	json_object_set_new(letter, "references", ids(m, "References"));
	set_answered(letter, m);
	return letter;
}
