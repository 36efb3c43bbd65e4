/* Users of this machine, and under which addresses they may send. */
#include "smtpd/local_user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"

struct local_user {
	uid_t uid;
	const char *name; /* of the settings' copy */
};

struct local_users {
	struct local_user *items;
	size_t n;
	char *names;   /* what items point into */
	char *trusted; /* with blanks between */
};

static int
compare(const void *a, const void *b)
{
	const struct local_user *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static bool
is_local_user(const struct setting *s)
{
	return strcmp(s->section, "local users") == 0;
}

/* Of several names for one uid the first one counts. */
static void
drop_doubles(struct local_users *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (n == 0 || l->items[n - 1].uid != l->items[i].uid)
			l->items[n++] = l->items[i];
	l->n = n;
}

struct local_users *
local_users_new(const struct settings *s)
{
	struct local_users *l = xcalloc(1, sizeof *l);
	size_t n = 0, bytes = 0;
	char *at;

	for (size_t i = 0; i < s->n; i++)
		if (is_local_user(&s->items[i])) {
			n++;
			bytes += strlen(s->items[i].value) + 1;
		}
	l->items = xcalloc(n + 1, sizeof *l->items);
	l->names = at = xcalloc(bytes + 1, 1);
	for (size_t i = 0; i < s->n; i++) {
		if (!is_local_user(&s->items[i]))
			continue;
		l->items[l->n++] = (struct local_user){strtoul(s->items[i].key, NULL, 10), at};
		at = stpcpy(at, s->items[i].value) + 1;
	}
	mergesort(l->items, l->n, sizeof *l->items, compare);
	drop_doubles(l);
	l->trusted = xstrdup(settings_text(s, "smtpd", "Trusted Users"));
	return l;
}

void
local_users_free(struct local_users **l)
{
	if (*l == NULL)
		return;
	free((*l)->items);
	free((*l)->names);
	free((*l)->trusted);
	free(*l);
	*l = NULL;
}

const char *
local_user_name(const struct local_users *l, uid_t uid)
{
	const struct local_user key = {.uid = uid};
	const struct local_user *found = bsearch(&key, l->items, l->n, sizeof *l->items, compare);

	return found != NULL ? found->name : NULL;
}

static bool
is_trusted(const struct local_users *l, const char *name)
{
	struct span rest = span_of(l->trusted), one;
	bool more;

	do {
		more = span_take(&rest, ' ', &one);
		if (one.len > 0 && span_is(one, name))
			return true;
	} while (more);
	return false;
}

static bool
is_own(const char *name, const char *server, struct span reverse_path)
{
	struct span local, domain;

	address_split(reverse_path, &local, &domain);
	return span_is_nocase(address_untagged(local), name) && span_is_nocase(domain, server);
}

bool
local_user_may_send_as(
    const struct local_users *l, uid_t uid, const char *server, struct span reverse_path)
{
	const char *name = local_user_name(l, uid);

	if (uid == 0 || reverse_path.len == 0)
		return true;
	return name != NULL && (is_trusted(l, name) || is_own(name, server, reverse_path));
}

size_t
local_user_mark(const struct local_users *l, uid_t uid, const char *server,
    struct span reverse_path, char *out, size_t size)
{
	const char *name = local_user_name(l, uid);
	char number[32];
	int n;

	snprintf(number, sizeof number, "userid %lu", (unsigned long)uid);
	n = snprintf(out, size,
	    "X-Authentication-Warning: %.255s: %.64s set sender to\r\n\t<%.*s>\r\n", server,
	    name != NULL ? name : number, (int)reverse_path.len, reverse_path.at);
	return n < 0 || (size_t)n >= size ? 0 : n;
}
