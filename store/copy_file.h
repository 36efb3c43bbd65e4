/* Copies of files, and what they hold. For any thread. */
#ifndef STORE_COPY_FILE_H
#define STORE_COPY_FILE_H

#include <stdint.h>

enum { FILE_DIGEST_BYTES = 32 };

/*
 * Writes the first size bytes of from to the end of to, sharing the blocks where the file system
 * can. -1 with errno; EPROTO: from is shorter.
 */
int copy_file(int from, uint64_t size, int to);
/* SHA-256 of the whole file, read from its beginning. -1 with errno. */
int file_digest(int fd, unsigned char out[FILE_DIGEST_BYTES]);

#endif
