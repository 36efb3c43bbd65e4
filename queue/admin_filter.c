/* Which messages an administrator means. Pure. */
#include "queue/admin_filter.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"
#include "common/queue_id.h"

/* ---- reading ---- */

static int
take_ids(struct admin_filter *f, struct span list, const char **why)
{
	struct span word;

	f->ids = xrealloc(f->ids, (f->n_ids + list.len / 2 + 1) * sizeof *f->ids);
	while (list.len > 0) {
		span_take(&list, ' ', &word);
		if (word.len == 0)
			continue;
		if (!queue_id_parse(word, &f->ids[f->n_ids])) {
			*why = "a queue id has 9 letters and digits";
			return -1;
		}
		f->n_ids++;
	}
	return 1;
}

static int
take_seconds(uint64_t *out, struct span value, const char **why)
{
	if (span_u64(value, UINT32_MAX, out) && *out > 0)
		return 1;
	*why = "an age is a number of seconds";
	return -1;
}

static int
take_text(char **out, const char *value)
{
	free(*out);
	*out = xstrdup(value);
	return 1;
}

int
admin_filter_take(struct admin_filter *f, const char *word, const char **why)
{
	struct span value = span_of(word), key;
	const char *text;

	if (!span_take(&value, '=', &key))
		return 0;
	text = value.at;
	if (span_is(key, "sender"))
		return take_text(&f->sender, span_is(value, "<>") ? "" : text);
	if (span_is(key, "recipient"))
		return take_text(&f->recipient, text);
	if (span_is(key, "domain"))
		return take_text(&f->domain, text);
	if (span_is(key, "reason")) {
		free(f->reason);
		f->reason = xasprintf("*%s*", text);
		return 1;
	}
	if (span_is(key, "older"))
		return take_seconds(&f->older_s, value, why);
	if (span_is(key, "younger"))
		return take_seconds(&f->younger_s, value, why);
	if (span_is(key, "ids"))
		return take_ids(f, value, why);
	if (span_is(key, "held"))
		return f->held = true;
	if (span_is(key, "all"))
		return f->all = true;
	return 0;
}

void
admin_filter_clear(struct admin_filter *f)
{
	free(f->sender);
	free(f->recipient);
	free(f->domain);
	free(f->reason);
	free(f->ids);
	*f = (struct admin_filter){0};
}

/* ---- matching ---- */

bool
admin_filter_needs_envelope(const struct admin_filter *f)
{
	return f->sender != NULL || f->recipient != NULL || f->domain != NULL ||
	       f->reason != NULL || f->older_s > 0 || f->younger_s > 0;
}

bool
admin_filter_is_set(const struct admin_filter *f)
{
	return f->all || f->held || f->ids != NULL || admin_filter_needs_envelope(f);
}

bool
admin_filter_may_match(const struct admin_filter *f, const struct message *m, uint64_t now_us)
{
	if (f->held && !m->name.held)
		return false;
	/* An id is given before its message arrives. */
	return f->older_s == 0 || m->node.id <= now_us - f->older_s * 1000000;
}

static bool
is_wanted(const struct admin_filter *f, const struct recipient *r)
{
	struct span local, domain;

	if (r->status != RECIPIENT_PENDING)
		return false;
	address_split(r->address, &local, &domain);
	return (f->recipient == NULL || address_match(span_of(f->recipient), r->address)) &&
	       (f->domain == NULL || address_match(span_of(f->domain), domain));
}

static bool
has_recipient(const struct admin_filter *f, const struct envelope *e)
{
	for (size_t i = 0; i < e->n_recipients; i++)
		if (is_wanted(f, &e->recipients[i]))
			return true;
	return false;
}

static bool
has_reason(const struct admin_filter *f, const struct envelope *e)
{
	struct span pattern = span_of(f->reason);

	if (e->hold.len > 0 && address_match(pattern, e->hold))
		return true;
	for (size_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i].status == RECIPIENT_PENDING &&
		    e->recipients[i].reply.len > 0 &&
		    address_match(pattern, e->recipients[i].reply))
			return true;
	return false;
}

bool
admin_filter_matches(const struct admin_filter *f, const struct envelope *e, uint64_t now_us)
{
	uint64_t age_us = now_us > e->arrival_us ? now_us - e->arrival_us : 0;

	if (f->older_s > 0 && age_us < f->older_s * 1000000)
		return false;
	if (f->younger_s > 0 && age_us > f->younger_s * 1000000)
		return false;
	if (f->sender != NULL && !address_match(span_of(f->sender), e->reverse_path))
		return false;
	if ((f->recipient != NULL || f->domain != NULL) && !has_recipient(f, e))
		return false;
	return f->reason == NULL || has_reason(f, e);
}
