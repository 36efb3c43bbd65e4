/*
 * A ZIP archive that is written as it is sent: files go in one after the other, and what is ready
 * is taken out in between, so that no more than a piece of it is in memory. Not compressed: most
 * that mail carries is. Pure.
 */
#ifndef WEBD_ZIP_H
#define WEBD_ZIP_H

#include <stdint.h>
#include <time.h>

#include "common/span.h"

enum { ZIP_ENTRIES_MAX = 10000, ZIP_NAME_MAX_BYTES = 200 };

struct zip;

/* Ends the program when there is no memory. */
struct zip *zip_new(void);
void zip_free(struct zip **z);

/*
 * Begins a file. name: whatever somebody called it; it is in the archive without a path, without
 * what some systems do not have in names, and not twice. size: of its contents, exactly, or
 * ZIP_SIZE_UNKNOWN. -1: too many, or it failed.
 */
#define ZIP_SIZE_UNKNOWN UINT64_MAX
int zip_begin(struct zip *z, const char *name, uint64_t size, time_t modified);
/* More of the file begun last. -1: it failed. */
int zip_put(struct zip *z, struct span bytes);
/* The last file has ended, and no more follow. -1: it failed. */
int zip_end(struct zip *z);

/* What is ready; borrowed until the next call of any of these. Then zip_taken(). */
struct span zip_ready(const struct zip *z);
void zip_taken(struct zip *z, size_t n);

#endif
