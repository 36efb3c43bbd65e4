/*
 * Tests of a mailbox at another host: a conversation with the server of the test, what the sink
 * got, certificates. Behind the header that says how the server behaves.
 */
#ifndef TESTS_FETCHER_SUPPORT_H
#define TESTS_FETCHER_SUPPORT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/tls_client.h"
#include "fetcher/remote.h"

enum { DAY_S = 24 * 3600, ENDS_MAX = 2000 };

#define USER	 "ann@there.example"
#define PASSWORD "s3cret word"
#define TOKEN	 "ya29.t0ken"

/* Issuers, and what they issued: for pop.example, for another name, too old. */
static struct identity ca, good, other, expired, self, address;
static X509_STORE *roots;
static SSL_CTX *client;

static inline int
make_identities(void **state)
{
	const char *why;

	(void)state;
	ca = identity_new(NULL, NULL, -DAY_S, DAY_S);
	good = identity_new("DNS:pop.example", &ca, -DAY_S, DAY_S);
	other = identity_new("DNS:other.example", &ca, -DAY_S, DAY_S);
	expired = identity_new("DNS:pop.example", &ca, -2 * DAY_S, -DAY_S);
	self = identity_new("DNS:other.example", NULL, -2 * DAY_S, -DAY_S);
	address = identity_new("IP:127.0.0.1", &ca, -DAY_S, DAY_S);
	roots = X509_STORE_new();
	X509_STORE_add_cert(roots, ca.certificate);
	client = tls_client_context(roots, NULL, NULL, false, &why);
	signal(SIGPIPE, SIG_IGN);
	return client == NULL;
}

static inline int
free_identities(void **state)
{
	struct identity *all[] = {&ca, &good, &other, &expired, &self, &address};

	(void)state;
	identities_free(all, nitems(all), roots, client);
	return 0;
}

struct talk {
	struct server v;
	struct sockaddr_storage addresses[2];
	struct remote_target target;
	struct remote *r;
	char trace[1 << 20];
	size_t trace_len;
	/* what the sink got */
	struct {
		uint32_t handle;
		enum remote_message_end end;
		char *text; /* the first bytes of it */
		size_t len;
	} ends[ENDS_MAX];
	size_t n_ends;
	bool in_hand;
	uint32_t handle; /* in hand */
	char text[100000];
	size_t text_len;
	/* after so many calls it says no more; 0: never */
	unsigned stop_at_begin, stop_at_bytes, stop_at_end;
	unsigned calls_after_stop;
	bool stopped;
};

static inline void
on_trace(void *arg, enum remote_trace what, struct span line)
{
	struct talk *t = arg;
	int n = snprintf(t->trace + t->trace_len, sizeof t->trace - t->trace_len, "%c %.*s\n",
	    "<>*"[what], (int)(line.len > 200 ? 200 : line.len), line.at);

	t->trace_len += n;
	if (t->trace_len >= sizeof t->trace)
		t->trace_len = 0;
}

/* ---- the sink ---- */

static inline int
count_down(struct talk *t, unsigned *at)
{
	t->calls_after_stop += t->stopped;
	if (*at == 0 || --*at > 0)
		return 0;
	t->stopped = true;
	return -1;
}

static inline int
on_begin(void *arg, uint32_t handle)
{
	struct talk *t = arg;

	assert_false(t->in_hand);
	t->in_hand = true;
	t->handle = handle;
	t->text_len = 0;
	return count_down(t, &t->stop_at_begin);
}

static inline int
on_bytes(void *arg, struct span bytes)
{
	struct talk *t = arg;

	assert_true(t->in_hand);
	assert_true(bytes.len > 0);
	for (size_t i = 0; i < bytes.len && t->text_len < sizeof t->text; i++)
		t->text[t->text_len++] = bytes.at[i];
	return count_down(t, &t->stop_at_bytes);
}

static inline int
on_end(void *arg, uint32_t handle, enum remote_message_end end)
{
	struct talk *t = arg;

	assert_true(end == REMOTE_GONE || t->in_hand);
	if (t->in_hand)
		assert_int_equal(handle, t->handle);
	assert_true(t->n_ends < ENDS_MAX);
	t->ends[t->n_ends].handle = handle;
	t->ends[t->n_ends].end = end;
	t->ends[t->n_ends].len = t->in_hand ? t->text_len : 0;
	t->ends[t->n_ends].text = xmalloc(t->text_len + 1);
	memcpy(t->ends[t->n_ends].text, t->text, t->ends[t->n_ends].len);
	t->ends[t->n_ends].text[t->ends[t->n_ends].len] = '\0';
	t->n_ends++;
	t->in_hand = false;
	return count_down(t, &t->stop_at_end);
}

static inline struct remote_sink
sink_of(struct talk *t)
{
	return (struct remote_sink){on_begin, on_bytes, on_end, t};
}

/* ---- the conversation ---- */

static inline struct talk *
talk_new(enum remote_protocol protocol, const char *offer, const struct rule *rules, size_t n)
{
	struct talk *t = xcalloc(1, sizeof *t);

	t->v.offer = offer;
	t->v.rules = rules;
	t->v.n_rules = n;
	t->target = (struct remote_target){.protocol = protocol,
	    .host = "pop.example",
	    .addresses = t->addresses,
	    .n_addresses = 1,
	    .context = client,
	    .user = USER,
	    .password = PASSWORD,
	    .timeouts = remote_timeouts_default,
	    .trace = on_trace,
	    .trace_arg = t};
	return t;
}

static inline void
talk_tls(struct talk *t, enum remote_tls tls, const struct identity *id)
{
	t->target.tls = tls;
	t->v.implicit_tls = tls == REMOTE_TLS_IMPLICIT;
	t->v.tls = identity_context(id, NULL);
}

static inline void
talk_hurry(struct talk *t)
{
	t->target.timeouts = (struct remote_timeouts){.connect_s = 1,
	    .tls_s = 1,
	    .greeting_s = 1,
	    .auth_s = 1,
	    .reply_s = 1,
	    .data_s = 1,
	    .quit_s = 1,
	    .open_s = 1,
	    .message_s = 1,
	    .message_bytes_per_s = UINT32_MAX};
}

static inline enum remote_end
talk_open(struct talk *t)
{
	server_start(&t->v);
	memcpy(&t->addresses[0], &t->v.address, sizeof t->v.address);
	t->r = remote_new(&t->target);
	return remote_open(t->r);
}

static inline void
check_open(struct talk *t)
{
	if (talk_open(t) != REMOTE_OK)
		fail_msg("%s", remote_why(t->r));
}

/* The server has heard all. */
static inline void
talk_close(struct talk *t)
{
	remote_free(&t->r);
	server_stop(&t->v);
}

static inline void
talk_free(struct talk **t)
{
	for (size_t i = 0; i < (*t)->n_ends; i++)
		free((*t)->ends[i].text);
	SSL_CTX_free((*t)->v.tls);
	free(*t);
	*t = NULL;
}

static inline bool
heard(const struct talk *t, const char *text)
{
	return memmem(t->v.heard, t->v.heard_len, text, strlen(text)) != NULL;
}

static inline void
check_secrets(const struct talk *t)
{
	/* The second is the base64 of a part of the first that starts at a multiple of 3. */
	const char *const secrets[] = {"s3cret", "czNjcmV0", "ya29"};

	for (size_t i = 0; i < nitems(secrets); i++)
		assert_null(memmem(t->trace, t->trace_len, secrets[i], strlen(secrets[i])));
}

static inline void
check_end(enum remote_end got, enum remote_end wanted, const struct talk *t, const char *why)
{
	if (got != wanted || (why != NULL && strstr(remote_why(t->r), why) == NULL))
		fail_msg("ended with %d, not %d: %s\n%.*s", got, wanted, remote_why(t->r),
		    (int)(t->trace_len < 3000 ? t->trace_len : 3000), t->trace);
}

#endif
