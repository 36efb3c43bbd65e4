/*
 * The verbs of SMTP: one table, one function a verb. Private to the folder.
 */
#ifndef SMTPD_COMMANDS_H
#define SMTPD_COMMANDS_H

#include "common/command_table.h"
#include "smtpd/session.h"

/* Finds the verb of line, which is borrowed. */
struct command_line command_of(struct span line);

/* Checks length, order and argument, then runs the verb. */
void command_run(struct session *s, const struct command_line *l);

/* True for a command that may be run while the answers to earlier ones are awaited (RFC 2920): a
 * RCPT, as long as not too many wait. */
bool command_may_overlap(const struct session *s, const struct command_line *l);

/* transaction.c */
void cmd_mail(struct session *s, struct span argument);
void cmd_rcpt(struct session *s, struct span argument);
/* message.c */
void cmd_data(struct session *s, struct span argument);
void cmd_bdat(struct session *s, struct span argument);
/* auth.c */
void cmd_auth(struct session *s, struct span argument);

/* Further input of a verb: the bytes taken, 0 when more is needed. */
size_t message_input_data(struct session *s, struct span bytes);
size_t message_input_chunk(struct session *s, struct span bytes);
size_t message_input_swallow(struct session *s, struct span bytes);
/* What becomes of a complete message: handed to queue, or refused; its transaction ends. */
void message_keep(struct session *s);
void message_refuse(struct session *s, const char *reply);
/* No spool file comes in time. */
void message_give_up(struct session *s);
void auth_input_line(struct session *s, struct span line);
/* Forgets an AUTH that goes on. */
void auth_abort(struct session *s);

#endif
