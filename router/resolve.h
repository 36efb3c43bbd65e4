/*
 * Where a recipient goes: the order of aliases, forwards, mailboxes and the Unknown Mailbox. Pure;
 * asks a function for mailboxes, which may not know yet.
 *
 *  1. an alias or forward of the complete address, of any domain
 *  2. an address of another domain is remote, or a relay domain's
 *  3. of a local domain, or a bare name: null is dropped; then an alias, a forward, a mailbox of
 * the name; then the same for the name without its +tag; then the Unknown Mailbox A target is a
 * name or an address and goes the same way. One that names the alias it stands in means the mailbox
 * itself (or the remote address itself). Each target counts once.
 */
#ifndef ROUTER_RESOLVE_H
#define ROUTER_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "router/name_set.h"
#include "router/router.h"
#include "router/tables.h"

enum mailbox_state {
	MAILBOX_NONE,
	MAILBOX_IS,
	MAILBOX_UNCLEAR, /* store cannot say: later */
	MAILBOX_NOT_YET, /* not asked yet */
};
typedef enum mailbox_state (*resolve_mailbox_cb)(void *arg, struct span name);

/* Hears each step as it is taken; place is the address of an end at another host, else NULL. */
typedef void (*resolve_step_cb)(
    void *arg, unsigned depth, enum router_step step, struct span name, const struct place *place);

/* The result; names live until the tables or the next resolution with this struct. */
struct resolution {
	struct name_set mailboxes, remotes;
	struct name_set missing; /* mailboxes to ask for, and then to resolve again */
	bool expanded;		 /* by an alias or a forward */
	bool relay;		 /* the one remote target is a relay domain's */
	bool dropped;		 /* at least one target was null */
	bool unknown, unclear;	 /* at least one target was */
	bool loop;		 /* in a circle, or deeper than Maximum Alias Depth */
	resolve_step_cb on_step; /* NULL: nobody wants to hear; stays until it is set anew */
	void *step_arg;
	/* private */
	unsigned depth;
	struct tables *tables;
	resolve_mailbox_cb mailbox;
	void *arg;
	char lower[ADDRESS_TEXT_SIZE], text[ADDRESS_TEXT_SIZE];
};

void resolution_init(struct resolution *r);
void resolution_clear(struct resolution *r);

/* Begins something new with r, of which only missing is emptied, and takes address (canonical)
 * apart; p lives until the next time. False when it is none that could be anybody's. */
bool resolution_place(struct resolution *r, struct tables *t, struct span address, struct place *p);

/* address is canonical, shorter than ADDRESS_TEXT_SIZE (what is longer is unknown). */
void resolve(struct resolution *r, struct tables *t, struct span address,
    resolve_mailbox_cb mailbox, void *arg);
/* The same for a recipient that router itself has put in the place of another one: no alias and no
 * forward is followed again. */
void resolve_final(struct resolution *r, struct tables *t, struct span address,
    resolve_mailbox_cb mailbox, void *arg);

#endif
