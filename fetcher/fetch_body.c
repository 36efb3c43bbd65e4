/* A message on its way into its slot: in large pieces, with checksum and digest. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "common/memory.h"
#include "fetcher/fetch_private.h"

static void
flush(struct fetch_body *b)
{
	size_t done = 0;

	b->crc = crc32_z(b->crc, (unsigned char *)b->buffer, b->used);
	while (b->error == 0 && done < b->used) {
		ssize_t n =
		    pwrite(b->slot.fd, b->buffer + done, b->used - done, (off_t)(b->offset + done));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			b->error = n == 0 ? EIO : errno;
		else
			done += n;
	}
	b->offset += b->used;
	b->used = 0;
}

static void
append(struct fetch_body *b, struct span bytes)
{
	b->size += bytes.len;
	while (bytes.len > 0) {
		size_t room = sizeof b->buffer - b->used;
		size_t n = bytes.len < room ? bytes.len : room;

		memcpy(b->buffer + b->used, bytes.at, n);
		b->used += n;
		if (b->used == sizeof b->buffer)
			flush(b);
		bytes = (struct span){bytes.at + n, bytes.len - n};
	}
}

void
fetch_body_start(
    struct fetch_body *b, const struct fetch_slot *slot, uint64_t offset, struct span prefix)
{
	b->slot = *slot;
	b->offset = offset;
	b->size = b->used = 0;
	b->error = 0;
	b->crc = crc32_z(0, NULL, 0);
	header_start(b->header);
	append(b, prefix);
}

void
fetch_body_add(struct fetch_body *b, struct span bytes)
{
	header_feed(b->header, bytes);
	append(b, bytes);
}

void
fetch_body_finish(struct fetch_body *b, unsigned char digest[FETCH_DIGEST_BYTES])
{
	flush(b);
	header_finish(b->header, digest);
	closefd(&b->slot.fd);
}
