/* libxml2's HTML parser behind a small interface. Pure. */
#include "common/html_parse.h"

#include <libxml/HTMLparser.h>
#include <libxml/dict.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/*
 * The parser compares each attribute with all others of its element. Their names, of which all of a
 * document have no more than this, keep that short; further names are passed over.
 */
enum { NAME_MAX_BYTES = 60, NAMES_MAX_BYTES = 6000 };

struct parse {
	htmlParserCtxtPtr context;
	const struct html_events *events;
	void *arg;
	unsigned depth;
	bool stopped;
	bool has_own_body; /* the outermost element is not the document's, but ours */
	char *open[HTML_DEPTH_MAX];
};

static void
stop(struct parse *p)
{
	p->stopped = true;
	xmlStopParser(p->context);
}

static void
on_open(void *arg, const xmlChar *name, const xmlChar **attributes)
{
	struct parse *p = arg;

	if (p->stopped)
		return;
	if (p->depth == HTML_DEPTH_MAX || strlen((const char *)name) > NAME_MAX_BYTES) {
		stop(p);
		return;
	}
	p->open[p->depth++] = xstrdup((const char *)name);
	if (p->has_own_body && p->depth == 1)
		return;
	if (!p->events->open(p->arg, (const char *)name, (const char *const *)attributes))
		stop(p);
}

static void
close_last(struct parse *p)
{
	char *name = p->open[--p->depth];

	if (p->depth > 0 || !p->has_own_body)
		p->events->close(p->arg, name);
	free(name);
}

/* The parser closes in order; one that does not is not believed. */
static void
on_close(void *arg, const xmlChar *name)
{
	struct parse *p = arg;

	if (!p->stopped && p->depth > 0 && strcmp(p->open[p->depth - 1], (const char *)name) == 0)
		close_last(p);
}

static void
on_text(void *arg, const xmlChar *text, int len)
{
	struct parse *p = arg;

	if (!p->stopped && len > 0 &&
	    !p->events->text(p->arg, (struct span){(const char *)text, len}))
		stop(p);
}

static void
on_error(void *arg, const char *format, ...)
{
	(void)arg, (void)format;
}

static bool
has_tag(struct span html, const char *tag)
{
	for (size_t len = strlen(tag); html.len >= len; html.at++, html.len--) {
		const char *open = memchr(html.at, '<', html.len);

		if (open == NULL)
			break;
		html = (struct span){open, html.len - (open - html.at)};
		if (html.len >= len && span_is_nocase((struct span){html.at, len}, tag))
			return true;
	}
	return false;
}

/* <![if ...]> is a comment to a browser and text to this parser; <?x...> is nothing to both. */
static void
hide_bogus_comments(char *at, size_t len)
{
	char *end = at + len;

	while (end - at >= 3 && (at = memchr(at, '<', end - at - 2)) != NULL) {
		if (at[1] == '!' && at[2] == '[') {
			at[1] = '?';
			at[2] = 'x';
		}
		at++;
	}
}

/* A piece of HTML without a body gets one: text that is in nothing would become a paragraph. */
static char *
prepared(struct parse *p, struct span html, size_t *len)
{
	size_t before;
	char *copy;

	p->has_own_body = !has_tag(html, "<body") && !has_tag(html, "<html");
	before = p->has_own_body ? strlen("<body>") : 0;
	*len = before + html.len;
	copy = xmalloc(*len);
	memcpy(copy, "<body>", before);
	memcpy(copy + before, html.at, html.len);
	hide_bogus_comments(copy, *len);
	return copy;
}

static void
run(struct parse *p, const char *at, size_t len)
{
	static const htmlSAXHandler sax = {.startElement = on_open,
	    .endElement = on_close,
	    .characters = on_text,
	    .ignorableWhitespace = on_text,
	    .cdataBlock = on_text,
	    .warning = on_error,
	    .error = on_error,
	    .fatalError = on_error};

	if ((p->context = htmlCreateMemoryParserCtxt(at, len)) == NULL) {
		p->stopped = true;
		return;
	}
	memcpy(p->context->sax, &sax, sizeof sax);
	p->context->userData = p;
	htmlCtxtUseOptions(p->context, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR |
					   HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
					   HTML_PARSE_NOIMPLIED | HTML_PARSE_IGNORE_ENC);
	xmlDictSetLimit(p->context->dict, NAMES_MAX_BYTES);
	xmlSwitchEncoding(p->context, XML_CHAR_ENCODING_UTF8);
	(void)htmlParseDocument(p->context);
	while (p->depth > 0)
		close_last(p);
	if (p->context->myDoc != NULL)
		xmlFreeDoc(p->context->myDoc);
	htmlFreeParserCtxt(p->context);
}

bool
html_parse(struct span html, const struct html_events *events, void *arg)
{
	struct parse p = {.events = events, .arg = arg};
	size_t len;
	char *copy;

	if (html.len == 0)
		return true;
	if (html.len > INT_MAX / 2)
		return false;
	copy = prepared(&p, html, &len);
	run(&p, copy, len);
	free(copy);
	return !p.stopped;
}

const char *
html_attribute(const char *const *attributes, const char *name)
{
	for (size_t i = 0; attributes != NULL && attributes[i] != NULL; i += 2)
		if (strcmp(attributes[i], name) == 0)
			return attributes[i + 1] == NULL ? "" : attributes[i + 1];
	return NULL;
}
