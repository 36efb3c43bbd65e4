/*
 * A command as a value of the configuration: words with blanks between them, in ' or " where they
 * hold blanks. No shell: no other byte means anything, and a quote cannot stand within its own kind
 * of quotes. Pure.
 */
#ifndef COMMON_COMMAND_LINE_H
#define COMMON_COMMAND_LINE_H

#include <stddef.h>

enum { COMMAND_WORDS_MAX = 64, COMMAND_MAX_BYTES = 2000 };

/*
 * Cuts text, which is changed, into words, with a NULL behind them. Returns how many; 0 when there
 * are none or too many, or a quote has no end.
 */
size_t command_line_split(char *text, char *words[COMMAND_WORDS_MAX + 1]);

#endif
