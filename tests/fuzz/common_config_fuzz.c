/* A configuration file of any bytes is judged; a change keeps what can be read readable. */
#include <stdlib.h>

#include "common/config_private.h"
#include "common/config_splice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_key(const struct splice_key *key, struct span name)
{
	return span_is_nocase(name, key->name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct splice_key key = {"mail", "Maximum Users", is_key};
	struct config_source sources[CONFIG_SOURCES] = {
	    {(char[]){""}, 0, 0}, {(char *)(uintptr_t)data, size, 0}};
	struct config_problems problems = {0}, after = {0};
	struct config *c = config_build("/nonexistent", sources, &problems, false);

	config_free(&c);
	sources[MAIL_INI].text = config_splice(
	    (struct span){(const char *)data, size}, &key, "7", &sources[MAIL_INI].len);
	c = config_build("/nonexistent", sources, &after, true);
	if (problems.n_errors == 0 &&
	    (after.n_errors != 0 || config_u64(c, "mail", "Maximum Users") != 7))
		abort();
	free(sources[MAIL_INI].text);
	config_free(&c);
	config_problems_free(&problems);
	config_problems_free(&after);
	return 0;
}
