/* What sambarctl doctor finds. */
#include "master/finding.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/json_text.h"
#include "common/span.h"

enum { SENTENCE_SIZE = 2000 };

const char *
finding_word(enum finding_verdict verdict)
{
	return verdict == FINDING_RIGHT	  ? "right"
	       : verdict == FINDING_WRONG ? "wrong"
					  : "cannot tell from here";
}

static json_t *
text_of(const char *format, va_list ap)
{
	char text[SENTENCE_SIZE];

	vsnprintf(text, sizeof text, format, ap);
	return json_text(span_of(text));
}

json_t *
finding_add(json_t *list, enum finding_verdict verdict, const char *about, const char *format, ...)
{
	json_t *finding;
	va_list ap;

	va_start(ap, format);
	finding = json_pack("{s:o, s:s, s:o, s:n, s:n, s:n}", "about", json_text(span_of(about)),
	    "verdict", finding_word(verdict), "text", text_of(format, ap), "question", "answer",
	    "mend");
	va_end(ap);
	json_array_append_new(list, finding);
	return finding;
}

void
finding_asked(json_t *finding, const char *question, const char *answer)
{
	json_object_set_new(finding, "question", json_text(span_of(question)));
	json_object_set_new(finding, "answer", json_text(span_of(answer)));
}

void
finding_mend(json_t *finding, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	json_object_set_new(finding, "mend", text_of(format, ap));
	va_end(ap);
}
