/* Reads a part of a file that must be there. */
#ifndef COMMON_PREAD_ALL_H
#define COMMON_PREAD_ALL_H

#include <stddef.h>
#include <stdint.h>

/* All n bytes at this offset of a file, without moving its position. -1 with errno, EPROTO when the
 * file ends before: then out holds anything. */
int pread_all(int fd, void *out, size_t n, uint64_t at);

#endif
