/*
 * A spool file's envelope and journal. The envelope's checksums are made right first, since
 * otherwise nothing that was changed would be read.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "queue/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
mend(unsigned char *bytes, size_t size)
{
	uint64_t offset, fields;
	uint32_t n, crc;

	memcpy(&offset, bytes + 16, sizeof offset);
	memcpy(&n, bytes + 32, sizeof n);
	fields = ENVELOPE_HEADER_BYTES + (uint64_t)n;
	if (offset <= size && fields <= offset) {
		crc = crc32_z(0, bytes + fields, offset - fields);
		memcpy(bytes + 56, &crc, sizeof crc);
	}
	crc = crc32_z(0, bytes, 60);
	memcpy(bytes + 60, &crc, sizeof crc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *bytes = malloc(size ? size : 1);
	struct envelope e;
	const char *why;

	if (size > 0)
		memcpy(bytes, data, size);
	if (size >= ENVELOPE_HEADER_BYTES)
		mend(bytes, size);
	if (envelope_parse(&e, (struct span){(char *)bytes, size}, &why) == 0) {
		size_t at = e.message_offset;

		envelope_apply_journal(&e, (struct span){(char *)bytes + at, size - at});
		envelope_clear(&e);
	}
	free(bytes);
	return 0;
}
