/* Any bytes as HTML: what is left is harmless, also when it is cleaned once more. */
#include <stdint.h>
#include <stdlib.h>

#include "common/mime.h"
#include "tests/unit/webd_html_support.h"
#include "webd/html_clean.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct span html, unsigned depth)
{
	for (int how = 0; how < 4; how++) {
		struct html_clean_options options = {.remote = how & 1, .styles = how & 2};
		struct html_cleaned c;

		html_clean(html, &options, &c);
		if (strlen(c.html) != c.len || html_find_harm(c.html) != NULL)
			abort();
		if (depth > 0)
			check((struct span){c.html, c.len}, depth - 1);
		free(c.html);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;
	char *text =
	    mime_to_utf8((struct span){(const char *)data, size}, "utf-8", true, 100000, &len);

	check((struct span){text, len}, 1);
	free(text);
	return 0;
}
