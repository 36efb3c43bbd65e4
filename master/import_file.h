/*
 * A message on its way into a mailbox, as a file without a name: lines that end with LF get the
 * CRLF with which mail is kept. Private to master/.
 */
#ifndef MASTER_IMPORT_FILE_H
#define MASTER_IMPORT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum { IMPORT_NAME_SIZE = 100 };

struct import_file;

/* For messages that go into this folder. Errors are remembered until the end. */
struct import_file *import_file_new(const char *folder);
void import_file_free(struct import_file **f);
/* The next message begins. */
void import_file_begin(struct import_file *f);
void import_file_put(struct import_file *f, struct span bytes);
/*
 * The message is whole: a last line without its end gets one. A descriptor, f's until the next
 * begin; -1 with errno. name stands for the message in this folder: it is derived from both and
 * from the time of arrival, so that the same message gets the same name again.
 */
int import_file_end(struct import_file *f, uint64_t arrival_s, char name[IMPORT_NAME_SIZE]);

#endif
