/*
 * What the commands of sambarctl share: the table's type, arguments, errors, requests to the
 * supervisor. Included by sambarctl.c and ctl_*.c only.
 */
#ifndef MASTER_CTL_H
#define MASTER_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/sasl.h"

struct ctl_command;

struct ctl {
	const struct ctl_command *command;
	const char *verb; /* "add" of "user add"; NULL: none yet */
	char *root;	  /* the instance's directory, absolute; NULL for commands that need none */
	bool json;
};

/* args: what follows the command, without --json. The result is the exit status (sysexits.h). */
typedef int (*ctl_run)(struct ctl *ctl, char **args, size_t n);

struct ctl_command {
	const char *name;
	const char *usage; /* what follows the name; several lines for several forms */
	const char *summary;
	const char *details; /* whole lines */
	bool anywhere;	     /* needs no instance */
	ctl_run run;
};

/* A word that follows the command's name ("user add"), with the number of further arguments. */
struct ctl_verb {
	const char *name;
	size_t min, max;
	ctl_run run;
};

/* Runs the verb that args[0] names; misuse when there is none or its arguments are too few or many.
 */
int ctl_verb(struct ctl *ctl, const struct ctl_verb *verbs, size_t n_verbs, char **args, size_t n);

/* ---- arguments ---- */

/* Takes a flag out of the arguments. */
bool ctl_flag(char **args, size_t *n, const char *flag);
/* Takes "--option VALUE" or "--option=VALUE" out: the value, or NULL when it is not there. */
const char *ctl_option(char **args, size_t *n, const char *option);

/* ---- what is said; each returns code ---- */

/* "sambarctl: sentence" on standard error. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* How the command, or its verb, is to be used, on standard error. EX_USAGE. */
int ctl_usage(const struct ctl *ctl);
/* The same after a sentence about what is wrong with args, of which there may be up to max: one is
 * no option, or too many, or missing. */
int ctl_misuse(const struct ctl *ctl, char **args, size_t n, size_t max);
/* EX_NOPERM for what only the owner may do, else the given code. */
int ctl_code_of(int error, int code);
/* A JSON document on standard output; EX_IOERR when that fails. Owns doc. */
int ctl_print_json(json_t *doc);
/* What was done: the sentence, or with --json {}. 0. */
int ctl_done(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Mistakes and warnings that came with an answer, on standard error. */
void ctl_print_problems(const json_t *doc);
/* What the supervisor has to say of a reload that succeeded, on standard error. */
void ctl_print_notices(const json_t *doc);
/* A document's string by key, "" when there is none; what a terminal must not see is escaped. */
const char *ctl_text(const json_t *doc, const char *key);
json_int_t ctl_number(const json_t *doc, const char *key);

/* ---- requests ---- */

/* A connection to the running supervisor; -1 when it does not run (code 0) or cannot be reached
 * (*code, told). */
int ctl_connect(const struct ctl *ctl, int *code);
/* Asks the supervisor, or where that may be (offline) runs what is needed for the request. On 0
 * *doc is the answer; else the error was told. */
int ctl_ask(const struct ctl *ctl, bool offline, const char *const *words, size_t n, json_t **doc);
/* The same, but an error that the supervisor answers is the caller's to tell: *doc has it. NULL:
 * there was no answer, which was told. */
int ctl_try(const struct ctl *ctl, bool offline, const char *const *words, size_t n, json_t **doc);
/* The same as ctl_ask() where the answer is of no interest. */
int ctl_tell(const struct ctl *ctl, bool offline, const char *const *words, size_t n);
/* For root: a supervisor at the other end of sock that is not root cannot give a directory, which
 * the configuration newly names, to its account. What is in the way is told. */
void ctl_owners_before_reload(const struct ctl *ctl, int sock);
/* After a change of the configuration: *running says whether there was someone to take it over. */
int ctl_reload_if_running(const struct ctl *ctl, bool *running);

/* ---- the commands ---- */

int ctl_init(struct ctl *ctl, char **args, size_t n);
int ctl_start(struct ctl *ctl, char **args, size_t n);
int ctl_stop(struct ctl *ctl, char **args, size_t n);
int ctl_restart(struct ctl *ctl, char **args, size_t n);
int ctl_reload(struct ctl *ctl, char **args, size_t n);
int ctl_owners(struct ctl *ctl, char **args, size_t n);
int ctl_status(struct ctl *ctl, char **args, size_t n);
int ctl_check(struct ctl *ctl, char **args, size_t n);
/* A password: asked for twice at a terminal, else the first line of standard input. 0, or the exit
 * code of an error that was told; an empty one is an error. */
int ctl_password(char password[SASL_PASSWORD_SIZE]);
/* The same for a user of ours: one that is easy to guess is warned of. */
int ctl_new_password(char password[SASL_PASSWORD_SIZE]);

/* Words with a blank between them; to be freed. */
char *ctl_join(char **words, size_t n);

int ctl_user(struct ctl *ctl, char **args, size_t n);
int ctl_alias(struct ctl *ctl, char **args, size_t n);
int ctl_forward(struct ctl *ctl, char **args, size_t n);
int ctl_queue(struct ctl *ctl, char **args, size_t n);
int ctl_fetch(struct ctl *ctl, char **args, size_t n);
int ctl_explain(struct ctl *ctl, char **args, size_t n);
int ctl_log(struct ctl *ctl, char **args, size_t n);
int ctl_trace(struct ctl *ctl, char **args, size_t n);
int ctl_stats(struct ctl *ctl, char **args, size_t n);
int ctl_usage_of_mailboxes(struct ctl *ctl, char **args, size_t n);
int ctl_setup(struct ctl *ctl, char **args, size_t n);
int ctl_dns(struct ctl *ctl, char **args, size_t n);
int ctl_backup(struct ctl *ctl, char **args, size_t n);
int ctl_doctor(struct ctl *ctl, char **args, size_t n);
int ctl_import(struct ctl *ctl, char **args, size_t n);
int ctl_config(struct ctl *ctl, char **args, size_t n);

#endif
