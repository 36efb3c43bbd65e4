/*
 * The last lines of the logs that hold a text, read backwards in portions, so that whoever has a
 * loop to run can run it between them. Reads log/ of an instance: the current files and those of
 * the last rotation.
 */
#ifndef MASTER_LOG_SCAN_H
#define MASTER_LOG_SCAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

enum { LOG_SCAN_LINES_MAX = 1000, LOG_SCAN_FILE_MAX_BYTES = 32 * 1024 * 1024 };

struct log_scan;

/* program NULL: all; filter: without regard to case, "": every line. NULL with errno. */
struct log_scan *
log_scan_new(const char *root, const char *program, size_t lines, const char *filter);
void log_scan_free(struct log_scan **s);
/* Of the lines that hold the filter only those for which wants() is true; before the first step. */
void log_scan_choose(struct log_scan *s, bool (*wants)(void *arg, struct span line), void *arg);
/* Reads one more portion. False when there is nothing left to read. */
bool log_scan_step(struct log_scan *s);
/* [{"program", "time", "text"}] of the last lines, by time. */
json_t *log_scan_result(struct log_scan *s);

/* A line as such a list has it; text is what follows "name[pid]: ". */
json_t *log_scan_describe(struct span program, uint64_t time_us, struct span text);

#endif
