/* Writes bytes to a file or pipe that takes them all. */
#ifndef COMMON_WRITE_ALL_H
#define COMMON_WRITE_ALL_H

#include <stddef.h>

/* All n bytes at the descriptor's position. -1 with errno: any part of them may be there. */
int write_all(int fd, const void *bytes, size_t n);

#endif
