/* A small XML document as an answer. */
#include "webd/xml_out.h"

#include <libxml/xmlwriter.h>
#include <stdlib.h>

#include "common/memory.h"

struct xml_out {
	xmlBuffer *buffer;
	xmlTextWriter *writer;
	bool failed; /* out of memory, for nothing else fails here: looked at once, at the end */
};

static void
check(struct xml_out *x, int result)
{
	x->failed |= result < 0;
}

static const xmlChar *
chars(const char *text)
{
	return (const xmlChar *)text;
}

struct xml_out *
xml_out_new(void)
{
	struct xml_out *x = xcalloc(1, sizeof *x);

	x->buffer = xmlBufferCreate();
	x->writer = x->buffer != NULL ? xmlNewTextWriterMemory(x->buffer, 0) : NULL;
	x->failed = x->writer == NULL;
	if (!x->failed) {
		check(x, xmlTextWriterSetIndent(x->writer, 1));
		check(x, xmlTextWriterStartDocument(x->writer, NULL, "UTF-8", NULL));
	}
	return x;
}

void
xml_open(struct xml_out *x, const char *name)
{
	if (!x->failed)
		check(x, xmlTextWriterStartElement(x->writer, chars(name)));
}

void
xml_attribute(struct xml_out *x, const char *name, const char *value)
{
	if (!x->failed)
		check(x, xmlTextWriterWriteAttribute(x->writer, chars(name), chars(value)));
}

void
xml_close(struct xml_out *x)
{
	if (!x->failed)
		check(x, xmlTextWriterEndElement(x->writer));
}

void
xml_element(struct xml_out *x, const char *name, const char *text)
{
	if (!x->failed)
		check(x, xmlTextWriterWriteElement(x->writer, chars(name), chars(text)));
}

void
xml_out_reply(struct xml_out **out, struct request *q)
{
	struct xml_out *x = *out;

	*out = NULL;
	if (!x->failed)
		check(x, xmlTextWriterEndDocument(x->writer));
	if (x->writer != NULL)
		xmlFreeTextWriter(x->writer);
	if (x->failed)
		reply_error(q, 503, "later", "There is not enough memory now.");
	else
		reply_bytes(q, 200, "application/xml; charset=utf-8",
		    (struct span){
			(const char *)xmlBufferContent(x->buffer), xmlBufferLength(x->buffer)});
	if (x->buffer != NULL)
		xmlBufferFree(x->buffer);
	free(x);
}
