/*
 * Whose a reverse-path is. Pure; asks the same function for mailboxes as resolve().
 *
 * A user's own are his name at a local domain (with a +tag, too), unless an alias of the complete
 * address gives it to others, and every alias that leads to him over aliases only: a forward says
 * where someone's mail goes, not who he is. An alias that names itself (ann = ann bob) is ann's
 * only.
 */
#ifndef ROUTER_SENDER_H
#define ROUTER_SENDER_H

#include "router/resolve.h"

/* address is canonical, user lower case. Needs no mailbox: the user is known to exist. */
bool sender_is_users(struct resolution *r, struct tables *t, struct span address, struct span user);

/* The same, and it is nobody else's: no alias that leads to others, too. */
bool sender_is_users_alone(
    struct resolution *r, struct tables *t, struct span address, struct span user);

/*
 * An address of a local domain that is a mailbox, alias or forward. When the answer is
 * MAILBOX_NOT_YET, r->missing says what to ask for. The rest of *r is not set.
 */
enum mailbox_state sender_is_account(struct resolution *r, struct tables *t, struct span address,
    resolve_mailbox_cb mailbox, void *arg);

#endif
