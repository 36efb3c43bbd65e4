/*
 * From what a client calls itself to the user it means.
 */
#include "auth/login_name.h"

#include <string.h>

#include "common/address.h"

static void
split(struct span name, struct span *local, struct span *domain, bool *whole)
{
	const char *at = memrchr(name.at, '@', name.len);

	if (at == NULL)
		at = memrchr(name.at, '*', name.len);
	*whole = at == NULL;
	*local = (struct span){name.at, *whole ? name.len : (size_t)(at - name.at)};
	*domain = *whole ? span_of("") : (struct span){at + 1, name.len - local->len - 1};
}

static bool
is_ours(struct span domain, const char *server, struct span patterns)
{
	return domain.len > 0 &&
	       (span_is_nocase(domain, server) || address_match_list(patterns, domain));
}

bool
login_name_user(
    struct span name, const char *server, struct span patterns, char user[AUTH_USER_SIZE])
{
	struct span local, domain;
	bool whole, good;

	user[0] = '\0';
	if (name.len == 0)
		return false;
	split(name, &local, &domain, &whole);
	if (!whole && !is_ours(domain, server, patterns))
		return false;
	if (!span_copy(local, user, AUTH_USER_SIZE))
		return false;
	for (char *c = user; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	good = address_is_user_name(span_of(user));
	if (!good)
		user[0] = '\0';
	return good;
}
