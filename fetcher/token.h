/*
 * Access tokens that a command of the configuration prints. Here it is only asked for: master knows
 * the commands, and runs them.
 */
#ifndef FETCHER_TOKEN_H
#define FETCHER_TOKEN_H

#include "common/role.h"
#include "fetcher/fetcher.h"

struct tokens;
/* role: whose on_token() calls tokens_hear(). */
struct tokens *tokens_new(struct role *role);
void tokens_hear(struct tokens *t, uint64_t tag, bool good, struct span text);

struct token_call;
/* token NULL: why says why there is none. Borrowed. */
typedef void (*token_cb)(void *arg, const char *token, const char *why);
/* Never from within: cb is called once, later. */
struct token_call *token_ask(struct tokens *t, const char *section, token_cb cb, void *arg);
/* cb is not called. Clears the pointer, harmless on NULL. */
void token_cancel(struct token_call **c);

/* A token is one word of printable ASCII (RFC 6750 2.1 has less); blanks and ends of lines around
 * it are dropped. False: it is none. */
bool token_read(struct span text, char out[FETCH_CREDENTIAL_MAX_BYTES + 1]);

#endif
