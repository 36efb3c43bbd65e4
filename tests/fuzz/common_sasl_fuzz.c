/*
 * The first line is a mechanism and perhaps an initial response, the others what the client
 * answers: a login that is complete has a name, and what is refused leaves no more than its texts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/sasl.h"

enum { ROUNDS_MAX = 2 }; /* no mechanism needs more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct sasl *s, enum sasl_step step)
{
	if (memchr(s->name, '\0', sizeof s->name) == NULL ||
	    memchr(s->password, '\0', sizeof s->password) == NULL)
		abort();
	if (step == SASL_COMPLETE && s->name[0] == '\0')
		abort();
	if (step == SASL_CONTINUE && strlen(s->challenge) % 4 != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = {size ? (const char *)data : "", size}, line, mechanism;
	enum sasl_step step;
	struct sasl s;
	int rounds = 0;

	span_take(&rest, '\n', &line);
	if (!span_take(&line, ' ', &mechanism))
		line = (struct span){NULL, 0};
	step = sasl_begin(&s, mechanism, line);
	check(&s, step);
	while (step == SASL_CONTINUE && rest.len > 0) {
		if (++rounds > ROUNDS_MAX)
			abort();
		span_take(&rest, '\n', &line);
		step = sasl_line(&s, line);
		check(&s, step);
	}
	sasl_clear(&s);
	return 0;
}
