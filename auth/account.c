/*
 * Reads and writes a line of config/users/passwd.
 */
#include "auth/account.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/address.h"

static int
refuse(const char **why, const char *phrase)
{
	*why = phrase;
	return -1;
}

bool
account_line_is_blank(struct span line)
{
	struct span text = span_trim(line);

	return text.len == 0 || text.at[0] == '#';
}

struct span
account_line_name(struct span line)
{
	struct span rest = span_trim(line), name;

	span_take(&rest, ':', &name);
	return name;
}

/* A method that crypt(3) still calls strong. That the whole is a hash is seen when it is used. */
static bool
is_hash(struct span text)
{
	char copy[ACCOUNT_HASH_SIZE];

	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == '*' || text.at[i] == '!')
			return false;
	return span_copy(text, copy, sizeof copy) && crypt_checksalt(copy) == CRYPT_SALT_OK;
}

static bool
read_rights(struct span text, struct account *a)
{
	a->admin = span_is(text, "admin");
	return a->admin || text.len == 0;
}

static bool
read_quota(struct span text, struct account *a)
{
	a->quota = ACCOUNT_NO_QUOTA;
	return text.len == 0 || span_u64(text, ACCOUNT_QUOTA_MAX, &a->quota);
}

int
account_parse(struct span line, struct account *a, const char **why)
{
	struct span rest = span_trim(line), rights, quota;
	bool more;

	*a = (struct account){.quota = ACCOUNT_NO_QUOTA};
	if (line.len > ACCOUNT_LINE_MAX_BYTES)
		return refuse(why, "the line is longer than 1024 bytes");
	if (!span_take(&rest, ':', &a->name))
		return refuse(why, "there is no colon");
	span_take(&rest, ':', &a->hash);
	span_take(&rest, ':', &rights);
	more = span_take(&rest, ':', &quota);
	if (!address_is_user_name(a->name))
		return refuse(why, "no user can have this name");
	if (!is_hash(a->hash))
		return refuse(why, "the password is no hash of crypt(5), or one that is too weak");
	if (!read_rights(rights, a))
		return refuse(why, "the rights are neither admin nor empty");
	if (!read_quota(quota, a))
		return refuse(why, "the quota is no number of bytes");
	return more ? refuse(why, "there are more than four fields") : 0;
}

size_t
account_print(const struct account *a, char line[ACCOUNT_LINE_MAX_BYTES + 2])
{
	char quota[24] = "";

	if (a->quota != ACCOUNT_NO_QUOTA)
		snprintf(quota, sizeof quota, "%" PRIu64, a->quota);
	return snprintf(line, ACCOUNT_LINE_MAX_BYTES + 2, "%.*s:%.*s:%s:%s\n", (int)a->name.len,
	    a->name.at, (int)a->hash.len, a->hash.at, a->admin ? "admin" : "", quota);
}
