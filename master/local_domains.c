/* The domains whose mail is local and whose names are known. */
#include "master/local_domains.h"

#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/span.h"

void
local_domains_each(const struct config *c, void (*each)(void *arg, const char *domain), void *arg)
{
	struct span rest = span_of(config_text(c, "smtpd", "Local Domains")), word;
	char server[CONFIG_SERVER_NAME_SIZE], domain[CONFIG_SERVER_NAME_SIZE];

	config_server_name(c, server);
	if (server[0] != '\0')
		each(arg, server);
	while ((word = span_take_word(&rest)).len > 0)
		if (memchr(word.at, '*', word.len) == NULL &&
		    span_copy(word, domain, sizeof domain) && strcasecmp(domain, server) != 0)
			each(arg, domain);
}

bool
local_domains_is_private(const char *domain)
{
	static const char *const ends[] = {
	    ".localdomain", ".local", ".lan", ".internal", ".home.arpa"};
	size_t len = strlen(domain);

	for (size_t i = 0; i < nitems(ends); i++)
		if (len > strlen(ends[i]) &&
		    strcasecmp(domain + len - strlen(ends[i]), ends[i]) == 0)
			return true;
	return strchr(domain, '.') == NULL;
}
