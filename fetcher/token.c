/* Who waits for which token. */
#include "fetcher/token.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

struct token_call {
	struct token_call *next;
	struct tokens *tokens;
	uint64_t tag;
	token_cb cb;
	void *arg;
};

struct tokens {
	struct role *role;
	struct token_call *calls;
	uint64_t last_tag;
};

struct tokens *
tokens_new(struct role *role)
{
	struct tokens *t = xcalloc(1, sizeof *t);

	t->role = role;
	return t;
}

struct token_call *
token_ask(struct tokens *t, const char *section, token_cb cb, void *arg)
{
	struct token_call *c = xcalloc(1, sizeof *c);

	*c = (struct token_call){t->calls, t, ++t->last_tag, cb, arg};
	t->calls = c;
	role_ask_token(t->role, c->tag, section);
	return c;
}

void
token_cancel(struct token_call **cp)
{
	struct token_call *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	for (struct token_call **at = &c->tokens->calls; *at != NULL; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	free(c);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
token_read(struct span text, char out[FETCH_CREDENTIAL_MAX_BYTES + 1])
{
	while (text.len > 0 && is_blank(text.at[text.len - 1]))
		text.len--;
	while (text.len > 0 && is_blank(text.at[0]))
		text = (struct span){text.at + 1, text.len - 1};
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~')
			return false;
	return text.len > 0 && span_copy(text, out, FETCH_CREDENTIAL_MAX_BYTES + 1);
}

void
tokens_hear(struct tokens *t, uint64_t tag, bool good, struct span text)
{
	char token[FETCH_CREDENTIAL_MAX_BYTES + 1];
	struct token_call *c = t->calls;
	token_cb cb;
	void *arg;

	while (c != NULL && c->tag != tag)
		c = c->next;
	if (c == NULL)
		return; /* it was cancelled */
	cb = c->cb;
	arg = c->arg;
	token_cancel(&c);
	if (!good)
		cb(arg, NULL, log_printable(text));
	else if (token_read(text, token))
		cb(arg, token, "");
	else
		cb(arg, NULL, "what the OAuth Token Command has printed is no token");
	explicit_bzero(token, sizeof token);
}
