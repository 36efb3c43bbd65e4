/*
 * An OAuth2 access token for a mailbox, from a refresh token (RFC 6749 6): one POST over HTTPS.
 * For a sequential process; touches the network only.
 */
#ifndef FETCHER_OAUTH_H
#define FETCHER_OAUTH_H

#include "fetcher/login.h"

enum {
	OAUTH_HOST_SIZE = 256,
	OAUTH_PATH_SIZE = 1024,
	OAUTH_TOKEN_SIZE = LOGIN_TOKEN_MAX_BYTES + 1,
	OAUTH_ANSWER_MAX_BYTES = 64 << 10
};

/* https://HOST[:PORT]/PATH */
struct oauth_url {
	char host[OAUTH_HOST_SIZE];
	uint16_t port;
	char path[OAUTH_PATH_SIZE]; /* with its query */
};

/* False: it is none, or not of https. Pure. */
bool oauth_url_parse(struct span text, struct oauth_url *out);

/* Borrowed. */
struct oauth_target {
	const struct oauth_url *url;
	const struct sockaddr_storage *addresses; /* of the host, with the port */
	size_t n_addresses;
	SSL_CTX *context; /* as for remote_target; the certificate is checked for the host */
	const char *client_id, *refresh_token;
	const char *client_secret; /* NULL: the client is a public one, which has none */
	struct remote_timeouts timeouts;
	remote_trace_cb trace; /* or NULL; tokens and secrets are never shown */
	void *trace_arg;
};

struct oauth_token {
	char access[OAUTH_TOKEN_SIZE];
	/* The refresh token for the next time when the server has changed it; else "". */
	char refresh[OAUTH_TOKEN_SIZE];
	uint64_t expires_s; /* from now; 0: the server does not say */
};

/*
 * REMOTE_OK; REMOTE_LOGIN_REFUSED: the refresh token is of no more use, somebody has to consent
 * anew; REMOTE_PERMANENT: the client is not known, or the endpoint is none; REMOTE_TEMPORARY. The
 * caller wipes *out. why (REMOTE_WHY_SIZE) gets printable words, never a token.
 */
enum remote_end
oauth_refresh(const struct oauth_target *t, struct oauth_token *out, char why[REMOTE_WHY_SIZE]);

#endif
