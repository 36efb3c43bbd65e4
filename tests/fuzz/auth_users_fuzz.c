/*
 * Any text as the users file: who is found in it is sound, and a change of one account changes
 * nothing of the others.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/users_private.h"
#include "common/address.h"
#include "common/memory.h"

static const char ann_line[] = "ann:$y$j9T$abc$x:admin:7\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take(struct users *u, const void *text, size_t size)
{
	char *copy = malloc(size ? size : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, text, size);
	*u = (struct users){.directory = -1};
	users_take(u, copy, size, &u->stamp);
}

static void
check_account(const struct account *a)
{
	char line[ACCOUNT_LINE_MAX_BYTES + 2];
	struct account again;
	const char *why;
	size_t len = account_print(a, line);

	if (!address_is_user_name(a->name) || len >= sizeof line ||
	    account_parse((struct span){line, len - 1}, &again, &why) == -1 ||
	    !span_equal(a->name, again.name) || !span_equal(a->hash, again.hash) ||
	    a->admin != again.admin || a->quota != again.quota)
		abort();
}

static bool
next_but_ann(const struct users *u, size_t *at, struct account *a)
{
	while (users_next(u, at, a))
		if (!span_is(a->name, "ann"))
			return true;
	return false;
}

static void
expect_same(const struct users *before, const struct users *after)
{
	struct account a, b;
	size_t i = 0, j = 0;
	bool more;

	do {
		more = next_but_ann(before, &i, &a);
		if (next_but_ann(after, &j, &b) != more ||
		    (more && (!span_equal(a.name, b.name) || !span_equal(a.hash, b.hash))))
			abort();
	} while (more);
}

static size_t
count_anns(const struct users *u)
{
	struct account a;
	size_t n = 0;

	for (size_t at = 0; users_next(u, &at, &a);)
		n += span_is(a.name, "ann");
	return n;
}

static void
change(const struct users *u, struct span line)
{
	struct users changed;
	size_t len;
	char *text = users_compose(u, span_of("ann"), line, &len), *whole;

	take(&changed, text, len);
	expect_same(u, &changed);
	if (count_anns(&changed) != (line.len > 0))
		abort();
	whole = users_compose(&changed, span_of("ann"), line, &len);
	if (len != changed.len || memcmp(whole, text, len) != 0)
		abort(); /* the same change once more is none */
	free(whole);
	free(text);
	users_clear(&changed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct account a;
	struct users u;

	take(&u, data, size);
	for (size_t at = 0; users_next(&u, &at, &a);)
		check_account(&a);
	change(&u, span_of(ann_line));
	change(&u, span_of(""));
	users_clear(&u);
	return 0;
}
