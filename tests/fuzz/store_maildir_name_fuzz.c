/* Any file name: its parts lie in it, and its unique id is one (RFC 1939 7). */
#include <stdint.h>
#include <stdlib.h>

#include "store/maildir_name.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span file = {(const char *)data, size};
	char uidl[MAILBOX_UIDL_MAX_BYTES];
	struct maildir_name n;
	size_t len;

	maildir_name_parse(file, &n);
	if (n.base.at != file.at || n.base.len > size || (n.ours && !n.has_wire_size))
		abort();
	len = maildir_name_uidl(n.base, uidl);
	if (len == 0 || len > sizeof uidl)
		abort();
	for (size_t i = 0; i < len; i++)
		if (uidl[i] < 0x21 || uidl[i] > 0x7e)
			abort();
	return 0;
}
