/*
 * Output of a message being composed: buffered, at an offset of a file, with CRLF; and the forms in
 * which header fields carry text (RFC 2047, 2231, 5322). Private to compose*.c.
 */
#ifndef WEBD_COMPOSE_OUT_H
#define WEBD_COMPOSE_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mime.h"

enum { COMPOSE_OUT_BYTES = 64 * 1024, COMPOSE_BOUNDARY_SIZE = 48 };

struct compose_out {
	int fd;
	uint64_t start, at; /* where the buffer goes */
	size_t len;
	int error; /* the first errno, or 0: asked once, at the end */
	char buffer[COMPOSE_OUT_BYTES];
};

struct compose_out *compose_out_new(int fd, uint64_t at);
/* Writes what is left, and frees it. -1 with errno when any of it failed. */
int compose_out_end(struct compose_out **o, uint64_t *len);
void compose_fail(struct compose_out *o, int error);

/* As it is. */
void compose_put(struct compose_out *o, struct span s);
void compose_text(struct compose_out *o, const char *s);
void compose_printf(struct compose_out *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* LF becomes CRLF. */
void compose_lines(struct compose_out *o, struct span s);

/* "Name: value", encoded and folded; nothing when value is empty. */
void compose_field(struct compose_out *o, const char *name, const char *value);
/* Nothing for an empty list. */
void compose_addresses(struct compose_out *o, const char *name, const struct mime_addresses *a);
/* ids: without < and >, with blanks between; nothing when NULL or empty. */
void compose_ids(struct compose_out *o, const char *name, const char *ids);
/* Another parameter of the field being written: ";\r\n\tname=..." */
void compose_parameter(struct compose_out *o, const char *name, const char *value);

/* Text with LF as a body, with its Content-Transfer-Encoding field and the empty line before it. */
void compose_body(struct compose_out *o, struct span text);
/* The same for bytes of a file, in base64. */
void compose_file(struct compose_out *o, int fd, uint64_t at, uint64_t len);

void compose_boundary(char out[COMPOSE_BOUNDARY_SIZE]);

#endif
