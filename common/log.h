/*
 * One event a line to standard error, which master reads, stamps and files as log/<name>.log (trace
 * lines: .trace). Lines gather in a buffer of PIPE_BUF bytes; the role's loop flushes it before it
 * waits, fatal at once.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

#include "common/span.h"

enum log_level { LOG_LEVEL_FATAL = 2, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/*
 * Each line starts on the pipe with '<', the level's digit (or t for a trace line), '>', the time
 * in microseconds since 1970 as 16 digits, and a blank.
 */
enum { LOG_LINE_MAX_BYTES = 2000, LOG_TRACE_MARK = 't', LOG_HEAD_BYTES = 20 };

/* name is what a fatal sentence starts with before master adds its stamp; it is not copied. */
void log_open(const char *name);

/* Debug lines are dropped unless set. */
void log_set_debug(bool on);

/*
 * Writes one line: "id event key=value ...", without a newline. A stranger's text passes log_safe()
 * first; what is longer than LOG_LINE_MAX_BYTES is cut.
 */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program with "name: fatal: sentence". fatal() adds ": strerror(errno)", fatalx() does
 * not. */
void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A line for log/<name>.trace; the caller has asked its Trace setting, and masks passwords. */
void log_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a stranger's or our own text of one or more lines: each behind who, printable. */
void log_trace_lines(const char *who, struct span text);

/*
 * A printable copy: control bytes, backslash, '<', '>' and bytes that are no UTF-8 become \xNN, at
 * most 600 bytes. Lives in one of 8 rotating buffers, so that one line may use several.
 */
const char *log_safe(struct span text);

/* The same for who reads it on a terminal, and not in a log: only control bytes and what is no
 * UTF-8 are escaped. */
const char *log_printable(struct span text);

void log_flush(void);

#endif
