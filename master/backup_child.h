/*
 * sambarctl's look into a backup for the supervisor, in a process of its own, which has none of the
 * supervisor's memory and gives up its rights (kept.h) before it reads what strangers have sent.
 */
#ifndef MASTER_BACKUP_CHILD_H
#define MASTER_BACKUP_CHILD_H

#include <stddef.h>

/* The first argument of master as such a process. */
#define BACKUP_CHILD_OPTION "--backup"
enum { BACKUP_ANSWER_MAX_BYTES = 4 << 20 };

/*
 * args: the instance's root, and what follows "sambarctl backup". Prints
 * {"code": exit status, "answer": its document or null, "said": what it has to say of errors}.
 */
int backup_child(char **args, size_t n);

#endif
