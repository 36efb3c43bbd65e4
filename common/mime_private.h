/* Shared by the files of mime.h only. */
#ifndef COMMON_MIME_PRIVATE_H
#define COMMON_MIME_PRIVATE_H

#include <gmime/gmime.h>

#include "common/mime.h"

struct mime_field {
	struct span name, value; /* value: unfolded, trimmed */
};

struct mime {
	int fd;
	uint64_t at, len;
	struct mime_part *parts;
	size_t n_parts, parts_size;
	char *header; /* of the message, unfolded in place */
	size_t header_len;
	struct mime_field *fields;
	size_t n_fields;
	const char *problem;
};

/* Before anything of GMime. */
void mime_start(void);
GMimeParserOptions *mime_options(void);

/* Keeps the first one. */
void mime_note(struct mime *m, const char *problem);

/*
 * Cuts a header into fields: unfolds it in place and lists at most max. Returns how many, or more
 * than max when there were more.
 */
size_t mime_cut_fields(char *header, size_t len, struct mime_field *fields, size_t max);

/* Reads the Content- fields into part. digest: it is one of a multipart/digest. boundary: set to
 * what parts of it are cut by, or "". */
void mime_read_part_header(struct mime *m, struct mime_part *part, const struct mime_field *fields,
    size_t n, bool digest, char boundary[MIME_BOUNDARY_MAX_BYTES + 1]);

/* Without control characters, path separators, and at most MIME_NAME_MAX_BYTES. The caller's. */
char *mime_file_name(const char *name);

#endif
