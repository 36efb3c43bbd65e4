/*
 * The log files as sambarctl reads them: which there are, and their lines. Lines on disk are
 * "time name[pid]: [warn: ][id ]event key=value ...".
 */
#ifndef MASTER_CTL_LOGS_H
#define MASTER_CTL_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/span.h"

enum { LOG_STAMP_BYTES = 27, LOG_NAME_SIZE = 256 };

struct log_names {
	char (*items)[LOG_NAME_SIZE];
	size_t n;
};

/*
 * Files of log/ below root: NAME.log, with rotated also NAME.log.N; program NULL: of all. Sorted by
 * name, of one name the oldest first. -1 with errno.
 */
int log_names_read(struct log_names *out, const char *root, const char *program, bool rotated);
void log_names_free(struct log_names *names);

/* "root/log/name"; NULL when it cannot be opened (errno). */
FILE *log_open_file(const char *root, const char *name);

/* Copies a line's stamp (LOG_STAMP_BYTES and a NUL). False when it has none: it goes with the line
 * before. */
bool log_stamp(struct span line, char out[LOG_STAMP_BYTES + 1]);

/* The queue id that a line is about. False when it is about none. */
bool log_line_id(struct span line, uint64_t *id);
/* Not after tomorrow: tells an id from a word of nine letters. */
bool log_is_id(struct span text, uint64_t *id);

/* Lines that are kept, to be printed in the order of their stamps; equal ones stay in order. */
struct log_lines {
	struct log_kept {
		char *text;
		size_t n; /* when it was added */
		char stamp[LOG_STAMP_BYTES + 1];
	} * items;
	size_t n;
};

void log_lines_add(struct log_lines *lines, struct span line, const char *stamp);
void log_lines_sort(struct log_lines *lines);
/* Sorts, prints and forgets all. */
void log_lines_print(struct log_lines *lines);
void log_lines_free(struct log_lines *lines);

#endif
