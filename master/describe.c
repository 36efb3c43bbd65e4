/*
 * What the supervisor and sambarctl say alike: users of the host, problems of a configuration.
 */
#include "master/describe.h"

#include <pwd.h>
#include <stdio.h>

const char *
describe_user(uid_t uid)
{
	static char number[32];
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		return pw->pw_name;
	snprintf(number, sizeof number, "user %u", (unsigned)uid);
	return number;
}

json_t *
describe_problems(const struct config_problems *problems)
{
	json_t *list = json_array();

	for (size_t i = 0; i < problems->n; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:b}", "where", problems->items[i].where, "text",
			      problems->items[i].text, "warning", problems->items[i].warning));
	return list;
}
