/*
 * The verbs of POP3: one table, one function a verb. Private to the folder.
 */
#ifndef POP3D_COMMANDS_H
#define POP3D_COMMANDS_H

#include "pop3d/session.h"

/* Finds the verb, checks length, order and argument, and runs it. */
void command_run(struct session *s, struct span line);

/* login.c */
void cmd_user(struct session *s, struct span argument);
void cmd_pass(struct session *s, struct span argument);
void cmd_auth(struct session *s, struct span argument);
/* A line of an AUTH that goes on. */
void login_input_line(struct session *s, struct span line);
/* Forgets a login that goes on. */
void login_abort(struct session *s);
/* From maildrop.c: the mailbox is open, or could not be opened. */
void login_complete(struct session *s);
void login_failed(struct session *s);

/* maildrop.c */
void cmd_stat(struct session *s, struct span argument);
void cmd_list(struct session *s, struct span argument);
void cmd_uidl(struct session *s, struct span argument);
void cmd_dele(struct session *s, struct span argument);
void cmd_rset(struct session *s, struct span argument);
void cmd_last(struct session *s, struct span argument);

/* retrieve.c */
void cmd_retr(struct session *s, struct span argument);
void cmd_top(struct session *s, struct span argument);

#endif
