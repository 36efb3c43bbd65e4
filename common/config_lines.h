/*
 * The lines of a configuration file, as the loader and the editor see them. Private to the
 * configuration.
 */
#ifndef COMMON_CONFIG_LINES_H
#define COMMON_CONFIG_LINES_H

#include <stdbool.h>

#include "common/span.h"

enum {
	CONFIG_FILE_MAX_BYTES = 4 * 1024 * 1024,
	CONFIG_LINE_MAX_BYTES = 32768, /* a setting travels in one message */
};

enum config_line_kind { LINE_BLANK, LINE_COMMENT, LINE_SECTION, LINE_ENTRY, LINE_BAD };

struct config_line {
	enum config_line_kind kind;
	struct span whole; /* with its end, CRLF or LF; the last line may have none */
	struct span name;  /* of the section or key, without blanks around */
	struct span value; /* of the key, without blanks around; what a comment says */
	const char *why;   /* what a bad line has that no line may have */
};

/* Cuts the next line from *rest. False when nothing is left. */
bool config_line_next(struct span *rest, struct config_line *line);

/* What is behind a byte order mark, which some editors write. */
struct span config_skip_mark(struct span text);

/* "Key = value" as a commented line has it: true when it is about this key. */
bool config_comment_is_about(struct span comment, const char *key);

#endif
