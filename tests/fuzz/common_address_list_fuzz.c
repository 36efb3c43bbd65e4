/* Any bytes as a list of addresses: members lie in it, in order, and what should be an address in
 * its member. */
#include <stdint.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/address_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_member(void *arg, struct span member, struct span address)
{
	struct span *rest = arg;

	if (member.at < rest->at || member.at + member.len > rest->at + rest->len ||
	    address.at < member.at || address.at + address.len > member.at + member.len)
		abort();
	rest->len -= member.at + member.len - rest->at;
	rest->at = member.at + member.len;
}

static void
on_address(void *arg, const char *text)
{
	char again[ADDRESS_TEXT_SIZE];
	const char *why;

	(void)arg;
	if (address_parse(span_of(text), ADDRESS_ALLOW_UTF8, again, &why) == -1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span value = {(const char *)data, size}, rest = value;

	address_list_members(value, on_member, &rest);
	address_list_read(value, on_address, NULL);
	return 0;
}
