/*
 * Memory of our own sizes: succeeds or ends the program with one sentence. Memory that a stranger
 * sizes is limited first and taken with malloc, which may fail. And the close and free that clear
 * their caller's variable.
 */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Closes *fd unless it is -1, sets it to -1 and keeps errno. */
void closefd(int *fd);

#define nitems(array) (sizeof(array) / sizeof((array)[0]))

#endif
