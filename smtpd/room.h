/*
 * Whether a complete message fits into a mailbox of its recipients. Asks router; private to the
 * folder.
 */
#ifndef SMTPD_ROOM_H
#define SMTPD_ROOM_H

#include "smtpd/session.h"

/* By what router said at RCPT: there is room in the mailboxes of every recipient. */
bool room_is_enough(const struct session *s);
/* Asks anew, recipient by recipient, until one is found that takes it now or may take it later. The
 * session waits; then the message is kept, or refused when there is none. */
void room_ask(struct session *s);
/* router does not answer: the message is kept. */
void room_give_up(struct session *s);

#endif
