/*
 * The logs: reads what programs write to their standard error, stamps each line and files it as
 * log/<name>.log, trace lines as log/<name>.trace.
 */
#ifndef MASTER_LOGFILE_H
#define MASTER_LOGFILE_H

#include <event2/event.h>
#include <sys/types.h>

#include "common/span.h"

/* Below this directory, which is made if it has to be. Before any other call. -1 with errno. */
int logfile_open(const char *directory);

/* Closes all files, so that the next line makes or finds them anew: after a rotation by others. */
void logfile_reopen(void);

/*
 * Renames NAME.log to NAME.log.1 and so on, keeping LOGFILE_KEEP old ones, for logs and traces. -1
 * with errno when a name could not be changed.
 */
enum { LOGFILE_KEEP = 7 };
int logfile_rotate(void);

/*
 * A pipe for a program's standard error: returns the writing end (the caller's), reads the other
 * until it is closed. The pid is set when it is known. -1 with errno.
 */
struct log_pipe;
int log_pipe_new(struct event_base *base, const char *name, struct log_pipe **pipe);
void log_pipe_set_pid(struct log_pipe *p, pid_t pid);
/* The program's end was seen: the reader ends with the pipe. What it said last with level fatal, or
 * "". Borrowed until the next turn of the loop. */
const char *log_pipe_last_words(struct log_pipe *p);
/* The caller has no more use for it. */
void log_pipe_release(struct log_pipe *p);

/* Who hears each line that is filed in a log, with its level ("warn: ") and without its end;
 * time_us: since 1970. One at a time; cb NULL: nobody. */
typedef void (*logfile_line_cb)(void *arg, const char *program, uint64_t time_us, struct span line);
void logfile_listen(logfile_line_cb cb, void *arg);

/* Lines of this program also go to the given descriptor (-1: no more), for start --foreground. */
void logfile_echo(int fd);

#endif
