/* A small XML document as an answer, by libxml2's writer. Private to the folder. */
#ifndef WEBD_XML_OUT_H
#define WEBD_XML_OUT_H

#include "webd/http.h"

struct xml_out;

struct xml_out *xml_out_new(void);
void xml_open(struct xml_out *x, const char *name);
/* Of the element that was opened last. */
void xml_attribute(struct xml_out *x, const char *name, const char *value);
void xml_close(struct xml_out *x);
/* An element with a text, which may hold any character that XML can. */
void xml_element(struct xml_out *x, const char *name, const char *text);

/* Answers the request with it, as application/xml, and frees it. */
void xml_out_reply(struct xml_out **x, struct request *q);

#endif
