/* A message as JSON. */
#include "webd/message_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "webd/message_document.h"

enum { SUBJECT_MAX_BYTES = 1000, IDS_MAX_BYTES = 8000, SHORT_MAX_BYTES = 250 };

/* ---- headers ---- */

json_t *
message_addresses(const struct mime_addresses *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", a->list[i].name,
						"address", a->list[i].address));
	return list;
}

json_t *
message_field_addresses(const struct mime *m, const char *field)
{
	struct mime_addresses a = {0};
	json_t *list;

	mime_field_addresses(m, field, &a);
	list = message_addresses(&a);
	mime_addresses_free(&a);
	return list;
}

static void
set_text(json_t *to, const char *key, char *text)
{
	json_object_set_new(to, key, json_string(text));
	free(text);
}

static const char *
priority(const struct mime *m)
{
	char *importance = mime_field_text(m, "Importance", 20);
	char *x = mime_field_text(m, "X-Priority", 20);
	const char *is = strcasecmp(importance, "high") == 0	       ? "high"
			 : strcasecmp(importance, "low") == 0	       ? "low"
			 : importance[0] == '\0' && strchr("12", x[0]) ? (x[0] ? "high" : "normal")
			 : importance[0] == '\0' && strchr("45", x[0]) ? "low"
								       : "normal";

	free(importance);
	free(x);
	return is;
}

static json_t *
headers(const struct mime *m)
{
	static const struct {
		const char *key, *field;
	} lists[] = {{"from", "From"}, {"to", "To"}, {"cc", "Cc"}, {"bcc", "Bcc"},
	    {"reply_to", "Reply-To"}, {"receipt_to", "Disposition-Notification-To"}};
	static const struct {
		const char *key, *field;
		size_t max;
	} texts[] = {{"date", "Date", SHORT_MAX_BYTES}, {"subject", "Subject", SUBJECT_MAX_BYTES},
	    {"message_id", "Message-ID", SHORT_MAX_BYTES},
	    {"references", "References", IDS_MAX_BYTES},
	    {"in_reply_to", "In-Reply-To", SHORT_MAX_BYTES},
	    {"list_id", "List-Id", SHORT_MAX_BYTES}};
	json_t *h = json_object();

	for (size_t i = 0; i < nitems(lists); i++)
		json_object_set_new(h, lists[i].key, message_field_addresses(m, lists[i].field));
	for (size_t i = 0; i < nitems(texts); i++)
		set_text(h, texts[i].key, mime_field_text(m, texts[i].field, texts[i].max));
	json_object_set_new(h, "priority", json_string(priority(m)));
	return h;
}

/* ---- attachments ---- */

static const struct {
	const char *type, *extension;
} extensions[] = {
    {"message/rfc822", "eml"},
    {"text/plain", "txt"},
    {"text/html", "html"},
    {"text/calendar", "ics"},
    {"text/vcard", "vcf"},
    {"text/x-vcard", "vcf"},
    {"image/png", "png"},
    {"image/jpeg", "jpg"},
    {"image/gif", "gif"},
    {"image/webp", "webp"},
    {"application/pdf", "pdf"},
    {"application/zip", "zip"},
    {"application/pgp-signature", "asc"},
    {"application/pkcs7-signature", "p7s"},
    {"message/delivery-status", "txt"},
    {"text/rfc822-headers", "txt"},
};

/* What the attached message is about. */
static char *
inner_subject(const struct mime *m, const struct mime_part *p)
{
	struct mime *inner = mime_sub(m, p);
	char *subject;

	if (inner == NULL)
		return xstrdup("");
	subject = mime_field_text(inner, "Subject", 80);
	mime_free(&inner);
	return subject;
}

char *
message_part_name(const struct mime *m, size_t part)
{
	const struct mime_part *p = mime_part(m, part);
	const char *extension = "bin";
	char *subject, *name;

	if (p->name[0] != '\0' && strspn(p->name, ". ") != strlen(p->name))
		return xstrdup(p->name);
	for (size_t i = 0; i < nitems(extensions); i++)
		if (strcmp(extensions[i].type, p->type) == 0)
			extension = extensions[i].extension;
	subject = strcmp(p->type, "message/rfc822") == 0 ? inner_subject(m, p) : xstrdup("");
	for (char *c = subject; *c != '\0'; c++)
		if (strchr("/\\:*?\"<>|", *c) != NULL)
			*c = '_';
	name = subject[0] != '\0' && subject[0] != '.'
		   ? xasprintf("%s.%s", subject, extension)
		   : xasprintf("part-%s.%s", p->path[0] == '\0' ? "1" : p->path, extension);
	free(subject);
	return name;
}

const char *
message_picture_type(const struct mime_part *p)
{
	static const char *const types[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};

	if (strcmp(p->type, "image/jpg") == 0 || strcmp(p->type, "image/pjpeg") == 0)
		return types[1];
	for (size_t i = 0; i < nitems(types); i++)
		if (strcmp(types[i], p->type) == 0)
			return types[i];
	return NULL;
}

uint64_t
message_part_size(const struct mime_part *p)
{
	/* Lines of 76 characters and their ends. */
	return p->encoding == MIME_BASE64 ? p->len / 78 * 57 + p->len % 78 * 3 / 4 : p->len;
}

static json_t *
attachments(const struct mime *m)
{
	json_t *list = json_array();
	bool is_inline;

	for (size_t i = 0; i < mime_n_parts(m); i++) {
		const struct mime_part *p = mime_part(m, i);
		char *name;

		if (!mime_is_attachment(m, i, &is_inline))
			continue;
		name = message_part_name(m, i);
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:I, s:b}", "part", p->path, "name", name, "type",
			p->type, "size", (json_int_t)message_part_size(p), "inline", is_inline));
		free(name);
	}
	return list;
}

json_t *
message_view(const struct mime *m, const struct message_own *own)
{
	bool cut = false, html = mime_has_html(m);
	const char *problem = mime_problem(m);
	size_t len;
	char *text = mime_text(m, MESSAGE_TEXT_MAX_BYTES, false, &len, &cut);
	struct span s = {text, len};
	json_t *view;

	if (text == NULL)
		return NULL;
	if (problem == NULL && cut)
		problem = "it is too long to be shown whole";
	view = json_pack("{s:o, s:s%, s:b, s:b, s:o, s:o, s:o, s:s?}", "headers", headers(m),
	    "text", text, len, "html", html, "remote", html && message_asks_for_remote(m),
	    "attachments", attachments(m), "reply", message_reply(m, own, s), "forward",
	    message_forward(m, s), "problem", problem);
	free(text);
	if (view == NULL)
		errno = EINVAL;
	return view;
}
