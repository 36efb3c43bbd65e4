/* A message as a document of its own: to be read in a frame, and to be printed. */
#include "webd/message_document.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/html_clean.h"
#include "webd/message_view.h"

enum { DATE_MAX_BYTES = 250, SUBJECT_MAX_BYTES = 1000 };

/*
 * The two scripts that documents may run, each by its digest in the policy. What a letter places
 * outside the root's box is reckoned from when it is first seen: the frame has room for it then,
 * and it cannot be seen any more.
 */
static const char grow_script[] =
    "const root = document.documentElement;\n"
    "let outside = false;\n"
    "const tell = () => {\n"
    "	const box = Math.ceil(root.getBoundingClientRect().height), all = root.scrollHeight;\n"
    "	outside ||= all > root.clientHeight && all > box;\n"
    "	const height = (outside ? all : box) + innerHeight - root.clientHeight;\n"
    "	parent.postMessage({ height, loaded: document.readyState === 'complete' }, '*');\n"
    "};\n"
    "new ResizeObserver(tell).observe(root);\n"
    "addEventListener('load', tell);\n";
static const char print_script[] =
    "addEventListener('afterprint', () => parent.postMessage({ printed: true }, '*'));\n"
    "addEventListener('load', () => print());\n";

/*
 * The styles of a letter share the document with the header that is printed above it. Here is what
 * they cannot change: where page and body stand, how the header looks, that nothing covers it or
 * is drawn across its text. What they may say at all (css_clean.h) places and adds nothing.
 */
#define ROOT_STYLE                                                                               \
	" style=\"display: block !important; float: none !important; opacity: 1 !important; "    \
	"margin: 0 !important; padding: 0 !important; border: 0 !important; overflow: visible "  \
	"!important; width: auto !important; height: auto !important; min-width: 0 !important; " \
	"max-width: none !important; min-height: 0 !important; max-height: none !important; "    \
	"text-decoration: none !important; outline: none !important\""
/* "all" is all but the two of direction. */
#define HEAD_STYLE                                                                                 \
	"all: initial !important; direction: ltr !important; unicode-bidi: plaintext !important; " \
	"font: 13px/1.5 system-ui, sans-serif !important; "                                        \
	"color: #1c1c1c !important; background: #fff !important; print-color-adjust: exact "       \
	"!important; overflow-wrap: anywhere !important; "

/* ---- pictures and texts ---- */

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

/* ---- the header of what is printed ---- */

static void
put_line(struct text_buffer *out, const char *label, char *value)
{
	if (value[0] != '\0') {
		text_printf(out,
		    "<div style=\"" HEAD_STYLE "display: block !important\">"
		    "<b style=\"" HEAD_STYLE "font-weight: bold !important\">%s:</b> "
		    "<bdi style=\"" HEAD_STYLE "\">",
		    label);
		html_escape(out, span_of(value));
		text_put_text(out, "</bdi></div>");
	}
	free(value);
}

static char *
attachment_names(const struct mime *m)
{
	struct text_buffer names;
	bool is_inline;

	text_buffer_init(&names, MESSAGE_NAMES_MAX_BYTES);
	for (size_t i = 0; i < mime_n_parts(m) && !names.full; i++) {
		char *name;

		if (!mime_is_attachment(m, i, &is_inline) || is_inline)
			continue;
		name = message_part_name(m, i);
		text_printf(&names, "%s%s", names.len > 0 ? ", " : "", name);
		free(name);
	}
	text_end(&names);
	return text_buffer_take(&names);
}

static void
put_header(struct text_buffer *out, const struct mime *m)
{
	static const char *const fields[] = {"From", "To", "Cc"};

	text_put_text(out, "<div style=\"" HEAD_STYLE
			   "display: block !important; position: relative !important; z-index: 1 "
			   "!important; padding-bottom: 8px !important; margin-bottom: 12px "
			   "!important; border-bottom: 1px solid #b8b8b8 !important\">");
	for (size_t i = 0; i < nitems(fields); i++)
		put_line(
		    out, fields[i], message_address_list(m, fields[i], MESSAGE_NAMES_MAX_BYTES));
	put_line(out, "Date", mime_field_text(m, "Date", DATE_MAX_BYTES));
	put_line(out, "Subject", mime_field_text(m, "Subject", SUBJECT_MAX_BYTES));
	put_line(out, "Attachments", attachment_names(m));
	text_put_text(out, "</div>");
}

/* ---- the document ---- */

/* Printed pages are called by it. */
static void
put_title(struct text_buffer *out, const struct mime *m)
{
	char *subject = mime_field_text(m, "Subject", SUBJECT_MAX_BYTES);

	text_put_text(out, "<title>");
	html_escape(out, span_of(subject));
	text_put_text(out, "</title>");
	free(subject);
}

static void
put_head(struct text_buffer *out, const struct mime *m, const struct document_options *o)
{
	text_printf(out,
	    "<!doctype html>\n<html%s><head><meta charset=\"utf-8\"><base target=\"_blank\">"
	    "<script>%s</script>",
	    o->print ? ROOT_STYLE : "", o->print ? print_script : grow_script);
	put_title(out, m);
	text_put_text(out,
	    "<style>body { margin: 12px; font: 14px/1.45 system-ui, sans-serif; color: #1c1c1c; "
	    "background: #fff; overflow-wrap: anywhere } img { max-width: 100%; height: auto } "
	    ".sambar-text { white-space: pre-wrap } blockquote { margin: 0 0 0 8px; padding: 0 0 0 "
	    "10px; border-left: 2px solid #b8b8b8 }</style></head>");
	text_printf(out, "<body%s>", o->print ? ROOT_STYLE : "");
	if (o->print)
		put_header(out, m);
}

char *
message_document(const struct mime *m, const struct document_options *o, size_t *len)
{
	struct pictures pictures = {m, MESSAGE_PICTURES_MAX_BYTES, MESSAGE_PICTURES_MAX};
	struct html_clean_options options = {
	    .remote = o->remote, .styles = true, .picture = find_picture, .arg = &pictures};
	struct text_buffer out;
	bool had_remote = false;

	text_buffer_init(&out, 2 * HTML_CLEAN_OUT_MAX_BYTES);
	put_head(&out, m, o);
	if (put_parts(m, &options, &out, &had_remote) == -1) {
		text_buffer_free(&out);
		return NULL;
	}
	text_put_text(&out, "</body></html>\n");
	*len = out.len;
	return text_buffer_take(&out);
}

void
message_document_policy(const struct document_options *o, char policy[DOCUMENT_POLICY_SIZE])
{
	const char *script = o->print ? print_script : grow_script;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char base64[4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1];

	(void)SHA256((const unsigned char *)script, strlen(script), digest);
	(void)EVP_EncodeBlock((unsigned char *)base64, digest, sizeof digest);
	snprintf(policy, DOCUMENT_POLICY_SIZE,
	    "default-src 'none'; script-src 'sha256-%s'; style-src 'unsafe-inline'; img-src "
	    "data:%s; "
	    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts %s",
	    base64, o->remote ? " https: http:" : "",
	    o->print ? "allow-modals" : "allow-popups allow-popups-to-escape-sandbox");
}

bool
message_asks_for_remote(const struct mime *m)
{
	struct html_clean_options options = {.styles = false, .picture = no_picture};
	struct text_buffer out;
	bool had_remote = false;

	text_buffer_init(&out, 0);
	(void)put_parts(m, &options, &out, &had_remote);
	text_buffer_free(&out);
	return had_remote;
}
