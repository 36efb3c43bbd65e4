/*
 * Whose a reverse-path is. Pure; the depth of its recursion is Maximum Alias Depth.
 */
#include "router/sender.h"

#include "common/address.h"

/* ---- a user's ---- */

/* alone: it must be nobody else's. */
static bool leads_to(struct tables *t, const struct place *p, const struct entry *from,
    struct span user, bool alone, unsigned depth);

static bool
names(const struct tables *t, const struct place *target, const struct entry *e)
{
	return tables_find(t, target->lower) == e ||
	       (target->kind == DOMAIN_LOCAL && tables_find(t, target->local) == e);
}

/* "ann = ann bob" gives bob copies, but the name stays ann's. */
static bool
names_itself(const struct tables *t, const struct entry *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (names(t, &e->targets[i], e))
			return true;
	return false;
}

static bool
alias_leads_to(struct tables *t, struct entry *e, struct span user, bool alone, unsigned depth)
{
	bool found = false, others = false, itself = names_itself(t, e);

	if (e->forward || depth == t->max_depth || e->seen == t->resolutions)
		return false;
	e->seen = t->resolutions;
	for (size_t i = 0; i < e->n && (alone ? !others : !found); i++) {
		if (itself && !names(t, &e->targets[i], e))
			continue;
		if (leads_to(t, &e->targets[i], e, user, alone, depth + 1))
			found = true;
		else
			others = true;
	}
	return found && !(alone && others);
}

static bool
name_leads_to(struct tables *t, struct span name, const struct entry *from, struct span user,
    bool alone, unsigned depth)
{
	struct entry *e = tables_find(t, name);

	return span_equal(name, user) ||
	       (e != NULL && e != from && alias_leads_to(t, e, user, alone, depth));
}

static bool
leads_to(struct tables *t, const struct place *p, const struct entry *from, struct span user,
    bool alone, unsigned depth)
{
	struct entry *e = p->domain.len ? tables_find(t, p->lower) : NULL;

	if (e != NULL && e != from && !e->forward)
		return alias_leads_to(t, e, user, alone, depth);
	if (p->kind != DOMAIN_LOCAL)
		return false;
	if (e != NULL && e == from)
		from = tables_find(t, p->local); /* as in resolve(): the mailbox itself */
	return name_leads_to(t, p->local, from, user, alone, depth) ||
	       name_leads_to(t, address_untagged(p->local), from, user, alone, depth);
}

bool
sender_is_users(struct resolution *r, struct tables *t, struct span address, struct span user)
{
	struct place p;

	return user.len > 0 && resolution_place(r, t, address, &p) &&
	       leads_to(t, &p, NULL, user, false, 0);
}

bool
sender_is_users_alone(struct resolution *r, struct tables *t, struct span address, struct span user)
{
	struct place p;

	return user.len > 0 && resolution_place(r, t, address, &p) &&
	       leads_to(t, &p, NULL, user, true, 0);
}

/* ---- anybody's ---- */

static enum mailbox_state
look_up(
    struct resolution *r, struct tables *t, struct span name, resolve_mailbox_cb mailbox, void *arg)
{
	enum mailbox_state state;

	if (tables_find(t, name) != NULL)
		return MAILBOX_IS;
	if (!address_is_user_name(name))
		return MAILBOX_NONE;
	state = mailbox(arg, name);
	if (state == MAILBOX_NOT_YET)
		name_set_add(&r->missing, name);
	return state;
}

enum mailbox_state
sender_is_account(struct resolution *r, struct tables *t, struct span address,
    resolve_mailbox_cb mailbox, void *arg)
{
	enum mailbox_state state;
	struct place p;

	if (!resolution_place(r, t, address, &p) || p.kind != DOMAIN_LOCAL)
		return MAILBOX_NONE;
	if (tables_find(t, p.lower) != NULL)
		return MAILBOX_IS;
	state = look_up(r, t, p.local, mailbox, arg);
	if (state == MAILBOX_NONE && address_untagged(p.local).len < p.local.len)
		state = look_up(r, t, address_untagged(p.local), mailbox, arg);
	return state;
}
