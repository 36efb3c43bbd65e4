/*
 * Where a recipient goes. Pure; the depth of its recursion is Maximum Alias Depth.
 */
#include "router/resolve.h"

#include <string.h>

#include "common/log.h"

void
resolution_init(struct resolution *r)
{
	*r = (struct resolution){.expanded = false};
	name_set_init(&r->mailboxes, false);
	name_set_init(&r->remotes, false);
	name_set_init(&r->missing, false);
}

void
resolution_clear(struct resolution *r)
{
	name_set_clear(&r->mailboxes);
	name_set_clear(&r->remotes);
	name_set_clear(&r->missing);
}

/* The words of the trace. */
static const char *const step_words[] = {
    [STEP_ADDRESS] = "resolve",
    [STEP_ALIAS] = "  alias",
    [STEP_FORWARD] = "  forward",
    [STEP_MAILBOX] = "  mailbox",
    [STEP_UNKNOWN_MAILBOX] = "  to the Unknown Mailbox",
    [STEP_UNKNOWN] = "  unknown",
    [STEP_NULL] = "  dropped",
    [STEP_REMOTE] = "  remote",
    [STEP_RELAY] = "  relay",
    [STEP_LOOP] = "  leads in a circle",
    [STEP_UNCLEAR] = "  store cannot say",
};

static void
tell_place(
    const struct resolution *r, enum router_step step, struct span name, const struct place *p)
{
	if (r->tables->trace)
		log_trace("%s %s", step_words[step], log_safe(name));
	if (r->on_step != NULL)
		r->on_step(r->step_arg, r->depth, step, name, p);
}

static void
tell(const struct resolution *r, enum router_step step, struct span name)
{
	tell_place(r, step, name, NULL);
}

/* ---- targets ---- */

static void
add_remote(struct resolution *r, const struct place *p)
{
	tell_place(r, p->kind == DOMAIN_RELAY ? STEP_RELAY : STEP_REMOTE, p->text, p);
	r->relay = p->kind == DOMAIN_RELAY;
	name_set_add(&r->remotes, p->text);
}

/* True when that settles it: it is a mailbox, or store must be asked first. */
static bool
try_mailbox(struct resolution *r, struct span name)
{
	if (!address_is_user_name(name))
		return false;
	switch (r->mailbox(r->arg, name)) {
	case MAILBOX_NONE:
		return false;
	case MAILBOX_IS:
		tell(r, STEP_MAILBOX, name);
		name_set_add(&r->mailboxes, name);
		return true;
	case MAILBOX_UNCLEAR:
		tell(r, STEP_UNCLEAR, name);
		r->unclear = true;
		return true;
	case MAILBOX_NOT_YET:
		name_set_add(&r->missing, name);
		return true;
	}
	return false;
}

static void
set_unknown(struct resolution *r, struct span name)
{
	struct span catch_all = span_of(r->tables->unknown);

	tell(r, catch_all.len ? STEP_UNKNOWN_MAILBOX : STEP_UNKNOWN, name);
	if (catch_all.len == 0 || !try_mailbox(r, catch_all))
		r->unknown = true;
}

/* ---- names and addresses; from is the entry in which they stand, or NULL ---- */

static void
go(struct resolution *r, const struct place *p, const struct entry *from, unsigned depth);

static void
follow(struct resolution *r, struct entry *e, unsigned depth)
{
	tell(r, e->forward ? STEP_FORWARD : STEP_ALIAS, e->name);
	r->expanded = true;
	if (e->open || depth == r->tables->max_depth) {
		tell(r, STEP_LOOP, e->name);
		r->loop = true;
		return;
	}
	if (e->seen == r->tables->resolutions)
		return;
	e->seen = r->tables->resolutions;
	e->open = true;
	for (size_t i = 0; i < e->n; i++)
		go(r, &e->targets[i], e, depth + 1);
	e->open = false;
}

/* True when name (a local part without its domain) leads somewhere. */
static bool
go_by_name(struct resolution *r, struct span name, const struct entry *from, unsigned depth)
{
	struct entry *e;

	if (span_is(name, "null")) {
		tell(r, STEP_NULL, name);
		r->dropped = true;
		return true;
	}
	e = tables_find(r->tables, name);
	if (e != NULL && e != from) {
		follow(r, e, depth);
		return true;
	}
	return try_mailbox(r, name);
}

static void
go_locally(struct resolution *r, struct span local, const struct entry *from, unsigned depth)
{
	struct span plain = address_untagged(local);

	if (go_by_name(r, local, from, depth))
		return;
	if (plain.len < local.len && go_by_name(r, plain, from, depth))
		return;
	set_unknown(r, local);
}

static void
go(struct resolution *r, const struct place *p, const struct entry *from, unsigned depth)
{
	struct entry *e = p->domain.len ? tables_find(r->tables, p->lower) : NULL;

	r->depth = depth;
	if (e != NULL && e != from)
		follow(r, e, depth);
	else if (p->kind != DOMAIN_LOCAL)
		add_remote(r, p);
	else if (e != NULL)
		go_locally(r, p->local, tables_find(r->tables, p->local), depth);
	else
		go_locally(r, p->local, from, depth);
}

/* ---- start ---- */

bool
resolution_place(struct resolution *r, struct tables *t, struct span address, struct place *p)
{
	name_set_reset(&r->missing);
	t->resolutions++;
	if (address.len == 0 || address.len >= sizeof r->lower)
		return false;
	memcpy(r->text, address.at, address.len);
	tables_place(t, (struct span){r->text, address.len}, r->lower, p);
	return true;
}

/* False when the address is none that could be ours, or anybody's. */
static bool
start(struct resolution *r, struct tables *t, struct span address, resolve_mailbox_cb mailbox,
    void *arg, struct place *p)
{
	name_set_reset(&r->mailboxes);
	name_set_reset(&r->remotes);
	r->expanded = r->relay = r->dropped = r->unknown = r->unclear = r->loop = false;
	r->tables = t;
	r->mailbox = mailbox;
	r->arg = arg;
	r->depth = 0;
	if (!resolution_place(r, t, address, p)) {
		r->unknown = true;
		return false;
	}
	tell(r, STEP_ADDRESS, address);
	return true;
}

void
resolve(struct resolution *r, struct tables *t, struct span address, resolve_mailbox_cb mailbox,
    void *arg)
{
	struct place p;

	if (start(r, t, address, mailbox, arg, &p))
		go(r, &p, NULL, 0);
}

void
resolve_final(struct resolution *r, struct tables *t, struct span address,
    resolve_mailbox_cb mailbox, void *arg)
{
	struct place p;

	if (!start(r, t, address, mailbox, arg, &p))
		return;
	if (p.kind != DOMAIN_LOCAL)
		add_remote(r, &p);
	else if (!try_mailbox(r, p.local))
		r->unknown = true;
}
