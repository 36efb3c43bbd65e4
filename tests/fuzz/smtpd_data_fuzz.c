/* Any bytes as a message: read whole and in two pieces, the outcome is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "smtpd/data.h"
#include "smtpd/header_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
feed(struct data *d, struct header_scan *h, struct span in, size_t cut, char *out)
{
	struct span pieces[] = {{in.at, cut}, {in.at + cut, in.len - cut}};
	size_t n = 0, written;

	data_start(d, true);
	*h = (struct header_scan){0};
	for (size_t i = 0; i < nitems(pieces); i++) {
		data_feed(d, pieces[i], out + n, &written);
		header_scan_feed(h, (struct span){out + n, written});
		n += written;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size ? data[0] % size : 0, n, m;
	struct span in = {(const char *)data, size};
	char *a = xmalloc(size + 1), *b = xmalloc(size + 1);
	struct header_scan h, i;
	struct data d, e;

	n = feed(&d, &h, in, 0, a);
	m = feed(&e, &i, in, cut, b);
	if (n != m || memcmp(a, b, n) != 0 || d.ended != e.ended || d.fault != e.fault ||
	    h.received != i.received || h.ended != i.ended || h.end_at != i.end_at)
		abort();
	free(a);
	free(b);
	return 0;
}
