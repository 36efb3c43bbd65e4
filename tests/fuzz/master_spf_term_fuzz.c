/*
 * A record of SPF: its words are cut as the doctor cuts them; what is found of each lies within it,
 * and its numbers are in their ranges.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/spf_term.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
lies_in(struct span inner, struct span outer)
{
	if (inner.len > 0 && (inner.at < outer.at || inner.at + inner.len > outer.at + outer.len))
		abort();
}

static void
read_one(struct span term, bool may_have_prefix)
{
	static const char domain[] = "example.org";
	struct spf_term t;

	lies_in(spf_mechanism_name(term), term);
	if (!spf_term_read(&t, term, domain, may_have_prefix))
		return;
	lies_in(t.value, term);
	if (t.bits4 > 32 || t.bits6 > 128 || t.domain[0] == '\0' ||
	    strlen(t.domain) >= sizeof t.domain)
		abort();
	if (!may_have_prefix && (t.bits4 != 32 || t.bits6 != 128))
		abort();
	if (t.value.len == 0 && strcmp(t.domain, domain) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {size ? (const char *)data : "", size}, term;
	bool is_record = spf_is_record(text);

	if (is_record && (size < 6 || (size > 6 && data[6] != ' ')))
		abort();
	while ((term = span_take_word(&text)).len > 0) {
		if (spf_is_modifier(term) && memchr(term.at, '=', term.len) == NULL)
			abort();
		read_one(term, true);
		read_one(term, false);
	}
	return 0;
}
