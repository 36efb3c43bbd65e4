/* A message as JSON and as a document. */
#include "webd/message_view.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/html_clean.h"

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

/* ---- the document ---- */

/* What is left of what one document may ask for: a small message can name a large part, and one
 * that decodes to nothing, any number of times. */
struct pictures {
	const struct mime *m;
	uint64_t bytes; /* encoded */
	unsigned n;
};

static char *
read_part(const struct mime *m, size_t part, size_t *len)
{
	struct mime_body *b = mime_body_open(m, part);
	struct text_buffer out;
	char piece[16384];
	ssize_t n = 0;

	text_buffer_init(&out, mime_part(m, part)->len); /* decoding adds nothing */
	while (!out.full && (n = mime_body_read(b, piece, sizeof piece)) > 0)
		text_put(&out, (struct span){piece, n});
	mime_body_free(&b);
	if (n == -1 || out.full) {
		text_buffer_free(&out);
		return NULL;
	}
	*len = out.len;
	return text_buffer_take(&out);
}

static char *
data_url(struct pictures *p, size_t part)
{
	const struct mime_part *picture = mime_part(p->m, part);
	const char *type = message_picture_type(picture);
	char *bytes, *url;
	size_t len, at;

	if (type == NULL || picture->len > p->bytes)
		return NULL;
	p->bytes -= picture->len;
	if ((bytes = read_part(p->m, part, &len)) == NULL)
		return NULL;
	url = xmalloc(strlen(type) + sizeof "data:;base64," + 4 * ((len + 2) / 3) + 1);
	at = sprintf(url, "data:%s;base64,", type);
	EVP_EncodeBlock((unsigned char *)url + at, (unsigned char *)bytes, len);
	free(bytes);
	return url;
}

/* An id in an address may be percent-encoded (RFC 2392). The caller's. */
static char *
plain_id(const char *url)
{
	char *id = xmalloc(strlen(url) + 1), *to = id;
	unsigned code;

	while (*url != '\0')
		if (*url == '%' && isxdigit((unsigned char)url[1]) &&
		    isxdigit((unsigned char)url[2]) && sscanf(url + 1, "%2x", &code) == 1) {
			*to++ = code;
			url += 3;
		} else
			*to++ = *url++;
	*to = '\0';
	return id;
}

static char *
find_picture(void *arg, const char *content_id)
{
	struct pictures *p = arg;
	char *id, *url = NULL;
	bool found = false;

	if (p->n == 0)
		return NULL;
	p->n--;
	id = plain_id(content_id);
	for (size_t i = 0; i < mime_n_parts(p->m) && !found; i++) {
		const struct mime_part *part = mime_part(p->m, i);

		found = part->content_id[0] != '\0' && !part->in_message &&
			(strcmp(id, part->content_id) == 0 ||
			    strcmp(content_id, part->content_id) == 0);
		if (found)
			url = data_url(p, i);
	}
	free(id);
	return url;
}

/* Only whether something is from elsewhere is asked for. */
static char *
no_picture(void *arg, const char *content_id)
{
	(void)arg, (void)content_id;
	return NULL;
}

/* *left: bytes of all texts that may still be read. -1 with errno. */
static int
put_part(const struct mime *m, int part, const struct html_clean_options *options, size_t *left,
    struct text_buffer *out, bool *had_remote)
{
	bool html = strcmp(mime_part(m, part)->type, "text/html") == 0;
	size_t len, max = html ? HTML_CLEAN_IN_MAX_BYTES : MESSAGE_TEXT_MAX_BYTES;
	struct html_cleaned cleaned;
	char *text = mime_part_text(m, part, max < *left ? max : *left, &len, NULL);

	if (text == NULL)
		return -1;
	*left -= len < *left ? len : *left;
	if (html) {
		html_clean((struct span){text, len}, options, &cleaned);
		*had_remote |= cleaned.had_remote;
		text_put(out, (struct span){cleaned.html, cleaned.len});
		free(cleaned.html);
	} else {
		text_put_text(out, "<div class=\"sambar-text\">");
		html_escape(out, (struct span){text, len});
		text_put_text(out, "</div>");
	}
	free(text);
	return 0;
}

static int
put_parts(const struct mime *m, const struct html_clean_options *options, struct text_buffer *out,
    bool *had_remote)
{
	int parts[MESSAGE_HTML_PARTS_MAX];
	size_t n = mime_readable(m, true, parts, nitems(parts)), left = MESSAGE_TEXTS_MAX_BYTES;

	for (size_t i = 0; i < n && left > 0; i++)
		if (put_part(m, parts[i], options, &left, out, had_remote) == -1)
			return -1;
	return 0;
}

char *
message_document(const struct mime *m, bool remote, size_t *len)
{
	struct pictures pictures = {m, MESSAGE_PICTURES_MAX_BYTES, MESSAGE_PICTURES_MAX};
	struct html_clean_options options = {
	    .remote = remote, .styles = true, .picture = find_picture, .arg = &pictures};
	struct text_buffer out;
	bool had_remote = false;

	text_buffer_init(&out, 2 * HTML_CLEAN_OUT_MAX_BYTES);
	text_put_text(&out,
	    "<!doctype html>\n<html><head><meta charset=\"utf-8\"><base target=\"_blank\"><style>"
	    "body { margin: 12px; font: 14px/1.45 system-ui, sans-serif; color: #1c1c1c; "
	    "background: #fff; overflow-wrap: anywhere } img { max-width: 100%; height: auto } "
	    ".sambar-text { white-space: pre-wrap } blockquote { margin: 0 0 0 8px; padding: 0 0 0 "
	    "10px; border-left: 2px solid #b8b8b8 }</style></head><body>");
	if (put_parts(m, &options, &out, &had_remote) == -1) {
		text_buffer_free(&out);
		return NULL;
	}
	text_put_text(&out, "</body></html>\n");
	*len = out.len;
	return text_buffer_take(&out);
}

const char *
message_document_policy(bool remote)
{
	return remote
		   ? "default-src 'none'; img-src data: https: http:; style-src 'unsafe-inline'; "
		     "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'"
		   : "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox "
		     "allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'";
}

/* Whether it asks for something elsewhere. */
static bool
asks_for_remote(const struct mime *m)
{
	struct html_clean_options options = {.styles = false, .picture = no_picture};
	struct text_buffer out;
	bool had_remote = false;

	text_buffer_init(&out, 0);
	(void)put_parts(m, &options, &out, &had_remote);
	text_buffer_free(&out);
	return had_remote;
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
	    "text", text, len, "html", html, "remote", html && asks_for_remote(m), "attachments",
	    attachments(m), "reply", message_reply(m, own, s), "forward", message_forward(m, s),
	    "problem", problem);
	free(text);
	if (view == NULL)
		errno = EINVAL;
	return view;
}
