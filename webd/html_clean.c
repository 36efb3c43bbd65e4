/* HTML from an allow-list, written anew as it is parsed. Pure. */
#include "webd/html_clean.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/html_parse.h"
#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/css_clean.h"

enum { URL_MAX_BYTES = 4000, STYLE_MAX_BYTES = 64 * 1024, VALUE_MAX_BYTES = 2000 };

enum treatment {
	UNWRAP, /* the element goes, what is in it stays: all that are not named */
	KEEP,
	EMPTY,	/* kept; has no end tag */
	AS_DIV, /* kept under another name */
	DROP,	/* with all that is in it */
	STYLE
};

static const struct {
	const char *name;
	enum treatment treatment;
} elements[] = {
    {"a", KEEP},
    {"abbr", KEEP},
    {"address", KEEP},
    {"article", KEEP},
    {"aside", KEEP},
    {"b", KEEP},
    {"bdi", KEEP},
    {"bdo", KEEP},
    {"big", KEEP},
    {"blockquote", KEEP},
    {"body", AS_DIV},
    {"br", EMPTY},
    {"caption", KEEP},
    {"center", KEEP},
    {"cite", KEEP},
    {"code", KEEP},
    {"col", EMPTY},
    {"colgroup", KEEP},
    {"dd", KEEP},
    {"del", KEEP},
    {"details", KEEP},
    {"dfn", KEEP},
    {"div", KEEP},
    {"dl", KEEP},
    {"dt", KEEP},
    {"em", KEEP},
    {"figcaption", KEEP},
    {"figure", KEEP},
    {"font", KEEP},
    {"footer", KEEP},
    {"h1", KEEP},
    {"h2", KEEP},
    {"h3", KEEP},
    {"h4", KEEP},
    {"h5", KEEP},
    {"h6", KEEP},
    {"header", KEEP},
    {"hr", EMPTY},
    {"i", KEEP},
    {"img", EMPTY},
    {"ins", KEEP},
    {"kbd", KEEP},
    {"li", KEEP},
    {"main", KEEP},
    {"mark", KEEP},
    {"nav", KEEP},
    {"ol", KEEP},
    {"p", KEEP},
    {"pre", KEEP},
    {"q", KEEP},
    {"rp", KEEP},
    {"rt", KEEP},
    {"ruby", KEEP},
    {"s", KEEP},
    {"samp", KEEP},
    {"section", KEEP},
    {"small", KEEP},
    {"span", KEEP},
    {"strike", KEEP},
    {"strong", KEEP},
    {"sub", KEEP},
    {"summary", KEEP},
    {"sup", KEEP},
    {"table", KEEP},
    {"tbody", KEEP},
    {"td", KEEP},
    {"tfoot", KEEP},
    {"th", KEEP},
    {"thead", KEEP},
    {"time", KEEP},
    {"tr", KEEP},
    {"tt", KEEP},
    {"u", KEEP},
    {"ul", KEEP},
    {"var", KEEP},
    {"wbr", EMPTY},
    {"style", STYLE},
    {"script", DROP},
    {"title", DROP},
    {"template", DROP},
    {"noscript", DROP},
    {"object", DROP},
    {"applet", DROP},
    {"embed", DROP},
    {"iframe", DROP},
    {"frame", DROP},
    {"frameset", DROP},
    {"noframes", DROP},
    {"noembed", DROP},
    {"svg", DROP},
    {"math", DROP},
    {"select", DROP},
    {"option", DROP},
    {"optgroup", DROP},
    {"datalist", DROP},
    {"textarea", DROP},
    {"input", DROP},
    {"audio", DROP},
    {"video", DROP},
    {"source", DROP},
    {"track", DROP},
    {"canvas", DROP},
    {"map", DROP},
    {"area", DROP},
    {"base", DROP},
    {"link", DROP},
    {"meta", DROP},
    {"param", DROP},
    {"xml", DROP},
    {"xmp", DROP},
    {"plaintext", DROP},
    {"bgsound", DROP},
    {"dialog", DROP},
    {"portal", DROP},
};

/* Their values only need to be escaped. */
static const char *const attributes_kept[] = {"align", "alt", "bgcolor", "border", "cellpadding",
    "cellspacing", "clear", "color", "colspan", "datetime", "dir", "face", "frame", "headers",
    "height", "hspace", "lang", "nowrap", "noshade", "open", "reversed", "rowspan", "rules",
    "scope", "size", "span", "start", "summary", "title", "type", "valign", "value", "vspace",
    "width"};

struct cleaner {
	const struct html_clean_options *options;
	struct text_buffer out;
	unsigned dropping; /* elements to be dropped that are open */
	bool in_style;
	struct text_buffer style; /* of the style element that is open: it comes in pieces */
	bool had_remote;
};

static enum treatment
treatment_of(const char *name)
{
	for (size_t i = 0; i < nitems(elements); i++)
		if (strcmp(elements[i].name, name) == 0)
			return elements[i].treatment;
	return UNWRAP;
}

/* ---- output ---- */

void
html_escape(struct text_buffer *out, struct span text)
{
	size_t plain = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.at[i];
		const char *as = c == '&'					   ? "&amp;"
				 : c == '<'					   ? "&lt;"
				 : c == '>'					   ? "&gt;"
				 : c == '"'					   ? "&quot;"
				 : c == '\''					   ? "&#39;"
				 : c == '`'					   ? "&#96;"
				 : (c < ' ' && c != '\n' && c != '\t') || c == 127 ? ""
										   : NULL;

		if (as == NULL)
			continue;
		text_put(out, (struct span){text.at + plain, i - plain});
		text_put_whole(out, span_of(as));
		plain = i + 1;
	}
	text_put(out, (struct span){text.at + plain, text.len - plain});
}

static void
put_attribute(struct text_buffer *out, const char *name, struct span value)
{
	text_printf(out, " %s=\"", name);
	html_escape(out, value);
	text_put_char(out, '"');
}

/* ---- addresses ---- */

/* As browsers read it: without blanks in front, and without line ends and tabs anywhere. The
 * caller's; NULL: too long. */
static char *
plain_url(const char *url)
{
	size_t len = strlen(url), n = 0;
	char *out;

	if (len > URL_MAX_BYTES)
		return NULL;
	out = xmalloc(len + 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)url[i] > ' ' && url[i] != 127)
			out[n++] = url[i];
		else if (url[i] == ' ' && n > 0)
			out[n++] = url[i];
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static bool
has_scheme(const char *url, const char *scheme)
{
	return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static bool
is_web(const char *url)
{
	return has_scheme(url, "http://") || has_scheme(url, "https://") || has_scheme(url, "//");
}

static void
put_web(struct text_buffer *out, const char *name, const char *url)
{
	char *whole = xasprintf("%s%s", url[0] == '/' ? "https:" : "", url);

	put_attribute(out, name, span_of(whole));
	free(whole);
}

static void
put_link(struct cleaner *c, const char *value)
{
	char *url = plain_url(value);

	if (url == NULL)
		return;
	if (is_web(url))
		put_web(&c->out, "href", url);
	else if (has_scheme(url, "mailto:") || has_scheme(url, "tel:"))
		put_attribute(&c->out, "href", span_of(url));
	else {
		free(url);
		return;
	}
	free(url);
	text_put_text(&c->out, " target=\"_blank\" rel=\"noopener noreferrer\"");
}

/* A picture that is in the address itself; SVG is a program. */
static bool
is_picture_data(const char *url)
{
	static const char *const kinds[] = {"data:image/png;base64,", "data:image/jpeg;base64,",
	    "data:image/gif;base64,", "data:image/webp;base64,"};

	for (size_t i = 0; i < nitems(kinds); i++)
		if (has_scheme(url, kinds[i])) {
			const char *data = url + strlen(kinds[i]);

			return data[strspn(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvw"
						 "xyz0123456789+/=\r\n ")] == '\0';
		}
	return false;
}

static void
put_part(struct cleaner *c, const char *url)
{
	char *data;

	if (c->options->picture == NULL) {
		put_attribute(&c->out, "src", span_of(url));
		return;
	}
	data = c->options->picture(c->options->arg, url + strlen("cid:"));
	if (data != NULL && is_picture_data(data))
		put_attribute(&c->out, "src", span_of(data));
	free(data);
}

static void
put_source(struct cleaner *c, const char *value)
{
	char *url;

	if (is_picture_data(value)) {
		put_attribute(&c->out, "src", span_of(value));
		return;
	}
	if ((url = plain_url(value)) == NULL)
		return;
	if (has_scheme(url, "cid:"))
		put_part(c, url);
	else if (is_web(url)) {
		c->had_remote = true;
		if (c->options->remote)
			put_web(&c->out, "src", url);
	}
	free(url);
}

/* ---- attributes ---- */

static void
put_style(struct cleaner *c, const char *value)
{
	struct text_buffer css;

	text_buffer_init(&css, VALUE_MAX_BYTES);
	css_clean_declarations(&css, span_of(value));
	if (css.len > 0 && !css.full)
		put_attribute(&c->out, "style", (struct span){css.at, css.len});
	text_buffer_free(&css);
}

static bool
is_kept(const struct cleaner *c, const char *name)
{
	if (c->options->styles && (strcmp(name, "class") == 0 || strcmp(name, "id") == 0))
		return true;
	for (size_t i = 0; i < nitems(attributes_kept); i++)
		if (strcmp(attributes_kept[i], name) == 0)
			return true;
	return false;
}

static void
put_one(struct cleaner *c, const char *element, const char *name, const char *value)
{
	if (strcmp(name, "style") == 0)
		put_style(c, value);
	else if (strcmp(name, "href") == 0 && strcmp(element, "a") == 0)
		put_link(c, value);
	else if (strcmp(name, "src") == 0 && strcmp(element, "img") == 0)
		put_source(c, value);
	else if (is_kept(c, name) && strlen(value) <= VALUE_MAX_BYTES)
		put_attribute(&c->out, name, span_of(value));
}

static void
put_attributes(struct cleaner *c, const char *element, const char *const *attributes)
{
	for (size_t i = 0; attributes != NULL && attributes[i] != NULL; i += 2)
		put_one(
		    c, element, attributes[i], attributes[i + 1] == NULL ? "" : attributes[i + 1]);
}

/* ---- events ---- */

static bool
on_open(void *arg, const char *name, const char *const *attributes)
{
	struct cleaner *c = arg;
	enum treatment t = treatment_of(name);

	if (t == DROP || (t == STYLE && !c->options->styles))
		c->dropping++;
	if (c->dropping > 0 || t == UNWRAP || c->in_style)
		return true;
	if (t == STYLE && !c->in_style) {
		c->in_style = true;
		text_buffer_init(&c->style, STYLE_MAX_BYTES);
		return true;
	}
	text_printf(&c->out, "<%s", t == AS_DIV ? "div" : name);
	put_attributes(c, name, attributes);
	text_put_char(&c->out, '>');
	return !c->out.full;
}

static void
put_sheet(struct cleaner *c)
{
	text_put_text(&c->out, "<style>");
	css_clean_sheet(&c->out, (struct span){c->style.at, c->style.len});
	text_put_text(&c->out, "</style>");
	text_buffer_free(&c->style);
	c->in_style = false;
}

static void
on_close(void *arg, const char *name)
{
	struct cleaner *c = arg;
	enum treatment t = treatment_of(name);

	if (c->dropping > 0) {
		c->dropping -= t == DROP || (t == STYLE && !c->options->styles);
		return;
	}
	if (t == STYLE && c->in_style)
		put_sheet(c);
	else if (t == KEEP)
		text_printf(&c->out, "</%s>", name);
	else if (t == AS_DIV)
		text_put_text(&c->out, "</div>");
}

static bool
on_text(void *arg, struct span text)
{
	struct cleaner *c = arg;

	if (c->dropping > 0)
		return true;
	if (c->in_style)
		text_put(&c->style, text);
	else
		html_escape(&c->out, text);
	return !c->out.full;
}

/* What was cut off within a tag must not go on in what follows. */
static void
drop_open_tag(struct text_buffer *out)
{
	char *open = memrchr(out->at, '<', out->len);

	if (open != NULL && memchr(open, '>', out->at + out->len - open) == NULL)
		out->at[out->len = open - out->at] = '\0';
}

void
html_clean(struct span html, const struct html_clean_options *options, struct html_cleaned *result)
{
	static const struct html_events events = {on_open, on_close, on_text};
	struct cleaner c = {.options = options};
	bool cut = html.len > HTML_CLEAN_IN_MAX_BYTES;

	if (cut)
		html.len = HTML_CLEAN_IN_MAX_BYTES;
	text_buffer_init(&c.out, HTML_CLEAN_OUT_MAX_BYTES);
	cut |= !html_parse(html, &events, &c);
	if (c.out.full)
		drop_open_tag(&c.out);
	result->html = c.out.at;
	result->len = c.out.len;
	result->had_remote = c.had_remote;
	result->cut = cut || c.out.full;
}
