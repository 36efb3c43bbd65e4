/*
 * A user's own addresses and forwarding.
 */
#include "master/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/address.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/local_domains.h"

enum { DEPTH_MAX = 10 };

/* ---- addresses ---- */

/* What stands at the left of the @ of a local address, or a name without one. */
static bool
local_name(const struct config *c, struct span address, char out[ADDRESS_TEXT_SIZE])
{
	char *at;

	if (!span_copy(address, out, ADDRESS_TEXT_SIZE))
		return false;
	if ((at = strrchr(out, '@')) == NULL)
		return true;
	*at = '\0';
	return config_is_local_domain(c, at + 1);
}

/* Whether mail for this goes to the user and nobody else. depth: aliases on the way here. */
static bool
leads_to(const struct config *c, struct span target, const char *user, unsigned depth)
{
	char name[ADDRESS_TEXT_SIZE], whole[ADDRESS_TEXT_SIZE];
	const char *written, *normalized;
	struct span rest, one;

	if (depth > DEPTH_MAX || !span_copy(target, whole, sizeof whole))
		return false;
	if (!config_entry_value(c, "aliases", whole, &written, &normalized)) {
		if (!local_name(c, target, name))
			return false;
		if (!config_entry_value(c, "aliases", name, &written, &normalized))
			return strcasecmp(name, user) == 0;
	}
	if (normalized == NULL)
		return false;
	rest = span_of(normalized);
	one = span_take_word(&rest);
	return rest.len == 0 && leads_to(c, one, user, depth + 1);
}

struct collection {
	const struct config *c;
	const char *user, *name; /* at each domain */
	json_t *list;
};

static void
add(struct collection *to, const char *address)
{
	const json_t *other;
	size_t i;

	json_array_foreach(
	    to->list, i, other) if (strcasecmp(json_string_value(other), address) == 0) return;
	if (json_array_size(to->list) < OWN_ADDRESSES_MAX &&
	    leads_to(to->c, span_of(address), to->user, 0))
		json_array_append_new(to->list, json_text(span_of(address)));
}

static void
add_at(void *arg, const char *domain)
{
	struct collection *to = arg;
	char *address = xasprintf("%s@%s", to->name, domain);

	add(to, address);
	free(address);
}

static void
add_alias(void *arg, const char *name, const char *value)
{
	struct collection *to = arg;

	(void)value;
	to->name = name;
	if (strchr(name, '@') != NULL)
		add(to, name);
	else
		local_domains_each(to->c, add_at, to);
}

json_t *
own_addresses(const struct config *c, const char *user)
{
	struct collection all = {c, user, user, json_array()};

	local_domains_each(c, add_at, &all);
	config_entries(c, "aliases", add_alias, &all);
	return all.list;
}

/* ---- forwarding ---- */

/* His own mailbox as a target. */
static bool
is_own(const struct config *c, const char *user, struct span target)
{
	char name[ADDRESS_TEXT_SIZE];

	return local_name(c, target, name) && strcasecmp(name, user) == 0;
}

json_t *
own_forward(const struct config *c, const char *user)
{
	const char *written, *normalized;
	json_t *to = json_array();
	bool keep = true;

	if (config_entry_value(c, "forward", user, &written, &normalized) && normalized != NULL) {
		struct span rest = span_of(normalized), one;

		keep = false;
		while ((one = span_take_word(&rest)).len > 0)
			if (is_own(c, user, one))
				keep = true;
			else
				json_array_append_new(to, json_text(one));
	}
	return json_pack("{s:o, s:b}", "to", to, "keep", keep);
}

/* No text of a user's may be more than one target, or drop his mail. */
static int
read_target(const char *text, char out[ADDRESS_TEXT_SIZE], char **why)
{
	struct span s = span_trim(span_of(text));
	const char *phrase = "is no mail address";

	if (address_parse(s, ADDRESS_ALLOW_UTF8, out, &phrase) == 0 &&
	    out[strcspn(out, " \t\"\\,;")] == '\0')
		return 0;
	*why = xasprintf("%s: %s", log_printable(s), phrase);
	return -1;
}

static bool
has_target(char targets[][ADDRESS_TEXT_SIZE], size_t n, const char *target)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(targets[i], target) == 0)
			return true;
	return false;
}

static char *
join(const char *user, bool keep, char targets[][ADDRESS_TEXT_SIZE], size_t n)
{
	char *line = NULL;
	size_t len;
	FILE *f = open_memstream(&line, &len);

	if (f == NULL)
		fatalx("out of memory");
	if (keep)
		fputs(user, f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s", keep || i > 0 ? " " : "", targets[i]);
	if (fclose(f) != 0)
		fatalx("out of memory");
	return line;
}

int
own_forward_line(const struct config *c, const char *user, bool keep, const char *const *targets,
    size_t n, char **line, char **why)
{
	char good[OWN_TARGETS_MAX][ADDRESS_TEXT_SIZE];
	const char *written, *normalized;
	size_t n_good = 0;

	*line = *why = NULL;
	if (config_entry_value(c, "aliases", user, &written, &normalized)) {
		*why = xasprintf(
		    "the administrator has made %s an alias: only he can change where it leads",
		    user);
		return -1;
	}
	if (n > OWN_TARGETS_MAX) {
		*why = xasprintf("mail can be forwarded to %d addresses at most", OWN_TARGETS_MAX);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (read_target(targets[i], good[n_good], why) == -1)
			return -1;
		if (is_own(c, user, span_of(good[n_good])))
			keep = true;
		else if (!has_target(good, n_good, good[n_good]))
			n_good++;
	}
	if (n_good == 0 && !keep) {
		*why = xstrdup("mail that is not kept must be forwarded to somebody");
		return -1;
	}
	*line = n_good > 0 ? join(user, keep, good, n_good) : NULL;
	return 0;
}
