/* Any bytes as a path: what is accepted reads the same again, splits and fits its limits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned flags = ADDRESS_ALLOW_NULL | ADDRESS_ALLOW_UTF8 | ADDRESS_ALLOW_NO_DOMAIN;
	struct span line = {(const char *)data, size}, local, domain;
	char out[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];
	const char *why;

	if (address_parse_path(&line, flags, out, &why) == -1)
		return 0;
	address_split(span_of(out), &local, &domain);
	if (local.len > ADDRESS_LOCAL_MAX_BYTES || domain.len > ADDRESS_DOMAIN_MAX_BYTES ||
	    address_parse(span_of(out), flags, again, &why) == -1 || strcmp(out, again) != 0)
		abort();
	return 0;
}
