/*
 * The journal of systemd (its native protocol): each line of the logs with its level, its program
 * and its fields, so that journalctl finds a message by SAMBAR_QUEUE_ID=, or a recipient by
 * SAMBAR_TO=. The files in log/ are the record; a line that the journal does not take at once is
 * only in them.
 */
#ifndef MASTER_JOURNAL_H
#define MASTER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/span.h"

/* From now on, when fd leads to the journal (JOURNAL_STREAM, systemd.exec(5)). False: it does not,
 * or there is none. */
bool journal_open(int fd);

/* level: enum log_level; text without a level's word. Nothing happens while it is not open. */
void journal_send(const char *program, pid_t pid, int level, struct span text);

/*
 * The entry for such a line, one field a line; its length, 0 when it does not fit. Of a line "id
 * event key=value ..." the id ("-": none), the event and each key become fields SAMBAR_QUEUE_ID,
 * SAMBAR_EVENT and SAMBAR_<KEY>, addresses in <,> one by one. What is free text goes to the end
 * of the line. A key that seems to come twice, as one does when a stranger's text looks like it,
 * has no field.
 */
enum { JOURNAL_ENTRY_MAX_BYTES = 8192 };
size_t journal_entry(
    char out[JOURNAL_ENTRY_MAX_BYTES], const char *program, pid_t pid, int level, struct span text);

#endif
