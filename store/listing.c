/*
 * A mailbox's messages at one moment. Touches memory only, some of it sealed and shared.
 */
#include "store/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/write_all.h"
#include "store/maildir_name.h"

/* Of a hashed one; see maildir_name_uidl(). */
enum { UIDL_HASH_BYTES = 64 };

static int
compare(const void *va, const void *vb)
{
	const struct listing_file *a = va, *b = vb;
	size_t len = a->base_len < b->base_len ? a->base_len : b->base_len;
	int order;

	if (a->seconds != b->seconds)
		return a->seconds < b->seconds ? -1 : 1;
	if ((order = memcmp(a->name, b->name, len)) != 0)
		return order;
	return (int)a->base_len - (int)b->base_len;
}

/* In cur/ a file is where it stays. */
static size_t
drop_doubles(struct listing_file *files, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && compare(&files[kept - 1], &files[i]) == 0) {
			if (files[i].folder == MAILDIR_CUR)
				files[kept - 1] = files[i];
		} else {
			files[kept++] = files[i];
		}
	}
	return kept;
}

/* ---- the holder's view ---- */

static size_t
uidls_max(const struct listing *l)
{
	size_t bytes = 0;

	for (size_t i = 0; i < l->n; i++)
		bytes += l->files[i].base_len < UIDL_HASH_BYTES ? UIDL_HASH_BYTES
								: MAILBOX_UIDL_MAX_BYTES;
	return bytes;
}

/* Returns the bytes used. */
static size_t
fill(const struct listing *l, unsigned char *out)
{
	struct mailbox_listing head = {.count = l->n};
	size_t uidl = sizeof head + l->n * sizeof(struct mailbox_entry);

	for (size_t i = 0; i < l->n; i++) {
		const struct listing_file *f = &l->files[i];
		struct mailbox_entry e = {.size = f->wire_size, .uidl = uidl};

		e.uidl_len =
		    maildir_name_uidl((struct span){f->name, f->base_len}, (char *)out + uidl);
		memcpy(out + sizeof head + i * sizeof e, &e, sizeof e);
		head.total_bytes += e.size;
		uidl += e.uidl_len;
	}
	memcpy(out, &head, sizeof head);
	return uidl;
}

static int
make_memory(struct listing *l)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	size_t max =
	    sizeof(struct mailbox_listing) + l->n * sizeof(struct mailbox_entry) + uidls_max(l);
	unsigned char *bytes = malloc(max);
	size_t used;
	int rv = -1;

	if (bytes == NULL)
		return -1;
	used = fill(l, bytes);
	l->bytes += used;
	l->memory = memfd_create("listing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (l->memory != -1 && write_all(l->memory, bytes, used) == 0)
		rv = fcntl(l->memory, F_ADD_SEALS, seals);
	free(bytes);
	return rv;
}

/* ---- life ---- */

struct listing *
listing_new(struct listing_file *files, size_t n, char *names, size_t names_bytes)
{
	struct listing *l = xcalloc(1, sizeof *l);

	l->refs = 1;
	l->memory = -1;
	l->files = files;
	l->names = names;
	if (n > 1)
		qsort(files, n, sizeof *files, compare);
	l->n = drop_doubles(files, n);
	l->bytes = sizeof *l + n * sizeof *files + names_bytes;
	if (make_memory(l) == -1) {
		int error = errno;

		listing_release(&l);
		errno = error;
	}
	return l;
}

struct listing *
listing_hold(struct listing *l)
{
	l->refs++;
	return l;
}

void
listing_release(struct listing **lp)
{
	struct listing *l = *lp;

	*lp = NULL;
	if (l == NULL || --l->refs > 0)
		return;
	closefd(&l->memory);
	free(l->files);
	free(l->names);
	free(l);
}

size_t
listing_bytes(const struct listing *l)
{
	return l->bytes;
}

const struct listing_file *
listing_find(const struct listing *l, const char *name, uint64_t seconds, size_t base_len)
{
	struct listing_file key = {.name = name, .seconds = seconds, .base_len = base_len};

	return l->n ? bsearch(&key, l->files, l->n, sizeof key, compare) : NULL;
}
