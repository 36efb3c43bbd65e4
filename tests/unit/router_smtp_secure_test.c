/*
 * TLS and AUTH of the SMTP client: which certificates satisfy which policy, what a server that
 * will not have TLS gets, and that a password is never said to those who must not hear it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "router/smtp_client.h"
#include "router_smtp_support.h"

enum { DAY_S = 24 * 3600 };

#define OFFER "PIPELINING\nSTARTTLS\nAUTH PLAIN LOGIN CRAM-MD5"

/* Issuers, and what they issued: for mx.example, for another name, too old. */
static struct identity ca, stranger, good, other, expired, self, self_expired;
static X509_STORE *roots;
static SSL_CTX *client;

static int
make_identities(void **state)
{
	const char *why;

	(void)state;
	ca = identity_new(NULL, NULL, -DAY_S, DAY_S);
	stranger = identity_new(NULL, NULL, -DAY_S, DAY_S);
	good = identity_new("DNS:mx.example", &ca, -DAY_S, DAY_S);
	other = identity_new("DNS:other.example", &ca, -DAY_S, DAY_S);
	expired = identity_new("DNS:mx.example", &ca, -2 * DAY_S, -DAY_S);
	self = identity_new("DNS:mx.example", NULL, -DAY_S, DAY_S);
	self_expired = identity_new("DNS:other.example", NULL, -2 * DAY_S, -DAY_S);
	roots = X509_STORE_new();
	X509_STORE_add_cert(roots, ca.certificate);
	client = tls_client_context(roots, NULL, NULL, false, &why);
	return client == NULL;
}

static int
free_identities(void **state)
{
	struct identity *all[] = {&ca, &stranger, &good, &other, &expired, &self, &self_expired};

	(void)state;
	identities_free(all, nitems(all), roots, client);
	return 0;
}

struct talk {
	struct server v;
	struct smtp_target target;
	struct smtp_session *s;
	char trace[1 << 16];
};

static void
on_trace(void *arg, enum smtp_trace what, struct span line)
{
	struct talk *t = arg;
	size_t len = strlen(t->trace);

	snprintf(t->trace + len, sizeof t->trace - len, "%c %.*s\n", "<>*"[what], (int)line.len,
	    line.at);
}

static struct talk *
talk_new(enum tls_client_policy policy, const struct identity *id, const struct rule *rules,
    size_t n_rules)
{
	static const char *const names[] = {"next-hop.example", "mx.example"};
	struct talk *t = xcalloc(1, sizeof *t);

	t->v.offer = OFFER;
	t->v.rules = rules;
	t->v.n_rules = n_rules;
	t->v.tls = identity_context(id, NULL);
	t->target = (struct smtp_target){.host = "mx.example",
	    .helo = "client.example",
	    .timeouts = smtp_timeouts_default,
	    .tls = {policy, client, "mx.example", names, nitems(names), NULL, 0},
	    .trace = on_trace,
	    .trace_arg = t};
	return t;
}

static enum smtp_state
talk_open(struct talk *t)
{
	server_start(&t->v);
	memcpy(&t->target.address, &t->v.address, sizeof t->v.address);
	t->s = smtp_session_new(&t->target);
	return smtp_open(t->s);
}

static enum smtp_state
send_one(struct talk *t, struct smtp_result *r)
{
	struct smtp_recipient to = {.address = span_of("b@x")};
	struct smtp_message m = {.fd = memfd_create("message", MFD_CLOEXEC), .size = 3};
	enum smtp_state state;

	assert_int_equal(write(m.fd, "a\r\n", 3), 3);
	state = smtp_send(t->s, &(struct smtp_mail){&m, &to, r, 1});
	close(m.fd);
	return state;
}

/* The client closes, and the server has heard all. */
static void
talk_end(struct talk *t)
{
	smtp_quit(&t->s);
	server_stop(&t->v);
}

static void
talk_free(struct talk **t)
{
	SSL_CTX_free((*t)->v.tls);
	free(*t);
	*t = NULL;
}

static bool
heard(const struct talk *t, const char *text)
{
	return memmem(t->v.heard, t->v.heard_len, text, strlen(text)) != NULL;
}

/* ---- policies and certificates ---- */

static const struct {
	enum tls_client_policy policy;
	const struct identity *id;
	bool opens, verified;
	const char *how;
} policies[] = {
    {TLS_CLIENT_NONE, &good, true, false, ""},
    {TLS_CLIENT_MAY, &good, true, true, "name"},
    {TLS_CLIENT_MAY, &other, true, false, "hostname mismatch"},
    {TLS_CLIENT_MAY, &self, true, false, "self-signed certificate"},
    {TLS_CLIENT_ENCRYPT, &good, true, true, "name"},
    {TLS_CLIENT_ENCRYPT, &expired, true, false, "certificate has expired"},
    {TLS_CLIENT_ENCRYPT, &self_expired, true, false, NULL},
    {TLS_CLIENT_VERIFY, &good, true, true, "name"},
    {TLS_CLIENT_VERIFY, &other, false, false, "hostname mismatch"},
    {TLS_CLIENT_VERIFY, &expired, false, false, "certificate has expired"},
    {TLS_CLIENT_VERIFY, &self, false, false, "self-signed certificate"},
    {TLS_CLIENT_DANE, &good, false, false, "there is no TLSA record"},
};

static void
check_opened(struct talk *t, size_t i)
{
	const struct tls_client_result *tls = &smtp_info(t->s)->tls;
	bool clear = policies[i].policy == TLS_CLIENT_NONE;
	struct smtp_result r;

	assert_int_equal(send_one(t, &r), SMTP_USABLE);
	assert_int_equal(r.end, END_DONE);
	assert_string_equal(tls->version, clear ? "" : "TLSv1.3");
	assert_true((tls->cipher[0] == '\0') == clear);
	assert_true(tls->verified == policies[i].verified);
	if (policies[i].how != NULL)
		assert_string_equal(tls->how, policies[i].how);
}

static void
test_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(policies); i++)
		for (int implicit = 0; implicit < 2; implicit++) {
			struct talk *t = talk_new(policies[i].policy, policies[i].id, NULL, 0);
			enum smtp_state got;

			if (implicit && policies[i].policy == TLS_CLIENT_NONE) {
				talk_free(&t);
				continue;
			}
			t->target.implicit_tls = t->v.implicit_tls = implicit;
			got = talk_open(t);
			if (got != (policies[i].opens ? SMTP_USABLE : SMTP_NEXT_HOST))
				fail_msg("%zu: %s", i, smtp_reply(t->s)->text);
			if (policies[i].opens) {
				check_opened(t, i);
			} else {
				assert_non_null(strstr(smtp_reply(t->s)->text, policies[i].how));
				assert_true(smtp_status_is(smtp_reply(t->s)->status, 4, 7, 5));
			}
			talk_end(t);
			assert_true(heard(t, "MAIL") == policies[i].opens);
			assert_true(t->v.n_connections <= 1);
			if (policies[i].policy != TLS_CLIENT_NONE && policies[i].opens)
				assert_string_equal(t->v.sni, "mx.example");
			talk_free(&t);
		}
}

/* ---- names and addresses ---- */

static const struct {
	const char *certificate;
	const char *names[3];
	bool fits;
} named[] = {
    {"DNS:mx.example", {"mx.example", "192.0.2.1"}, true},
    {"DNS:mx.example", {"192.0.2.1", "mx.example"}, true},
    {"DNS:mail.mx.example", {"192.0.2.1", "2001:db8::1", ".mx.example"}, true},
    {"IP:192.0.2.1", {"mx.example", "192.0.2.1"}, true},
    {"IP:192.0.2.1", {"192.0.2.1", "192.0.2.2"}, true},
    {"IP:192.0.2.2", {"192.0.2.1", "192.0.2.2"}, true},
    {"IP:2001:db8::1", {"2001:db8::1", "mx.example", "192.0.2.2"}, true},
    {"DNS:*.mx.example", {"192.0.2.1", "mail.mx.example"}, true},
    {"DNS:other.example", {"mx.example", "192.0.2.1"}, false},
    {"DNS:mx.example.org", {"192.0.2.1", "mx.example"}, false},
    {"DNS:m*.mx.example", {"192.0.2.1", "mail.mx.example"}, false},
    {"DNS:192.0.2.1", {"mx.example", "192.0.2.1"}, false},
    {"IP:192.0.2.3", {"mx.example", "192.0.2.1", "192.0.2.2"}, false},
    {"IP:192.0.2.1", {"mx.example", "other.example"}, false},
    {"email:mx.example@192.0.2.1", {"mx.example", "192.0.2.1"}, false},
};

static void
check_named(size_t i, const struct identity *issuer, bool in_time, enum tls_client_policy policy)
{
	struct identity id =
	    identity_new(named[i].certificate, issuer, -2 * DAY_S, in_time ? DAY_S : -DAY_S);
	struct talk *t = talk_new(policy, &id, NULL, 0);
	bool right = named[i].fits && in_time && issuer == &ca;

	t->target.tls.names = named[i].names;
	t->target.tls.n_names = named[i].names[2] != NULL ? 3 : 2;
	if (talk_open(t) != (right || policy == TLS_CLIENT_ENCRYPT ? SMTP_USABLE : SMTP_NEXT_HOST))
		fail_msg("%zu: %s", i, smtp_reply(t->s)->text);
	if (policy == TLS_CLIENT_ENCRYPT && smtp_info(t->s)->tls.verified != right)
		fail_msg("%zu: %s", i, smtp_info(t->s)->tls.how);
	talk_end(t);
	talk_free(&t);
	identity_free(&id);
}

/* Any of them is enough, but only of a good certificate. */
static void
test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(named); i++)
		for (enum tls_client_policy p = TLS_CLIENT_ENCRYPT; p <= TLS_CLIENT_VERIFY; p++) {
			check_named(i, &ca, true, p);
			check_named(i, &ca, false, p);
			check_named(i, &stranger, true, p);
		}
}

/* What cannot be demanded is not left out. */
static void
test_nothing_to_demand(void **state)
{
	static const char *const no_name[] = {"", "mx.example"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct talk *t = talk_new(TLS_CLIENT_VERIFY, &good, NULL, 0);

		if (i == 0)
			t->target.tls.n_names = 0;
		else if (i == 1)
			t->target.tls.names = no_name;
		else
			t->target.tls.context = NULL;
		assert_int_equal(talk_open(t), SMTP_NEXT_HOST);
		talk_end(t);
		assert_false(heard(t, "MAIL"));
		talk_free(&t);
	}
}

/* ---- servers that will not have it ---- */

static const struct rule tls_faults[] = {
    {"EHLO", SAY, "250-test.example\r\n250 PIPELINING\r\n", 0, 1}, /* taken away on the way */
    {"EHLO", SAY, "502 5.5.1 old\r\n", 1, 1},
    {"STARTTLS", SAY, "454 4.7.0 not now\r\n", 1, 1},
    {"STARTTLS", SAY, "501 5.5.4 never\r\n", 1, 1},
    {"STARTTLS", SAY, "250 ok\r\n", 1, 1},
    {"STARTTLS", DROP, NULL, 1, 1},
    {"STARTTLS", DROP, "220 go\r\n", 1, 1},
    {"STARTTLS", SAY, "220 go\r\nno handshake at all, whatever it may be\r\n", 1, 1},
    {"STARTTLS", SAY, "220 go\r\n250 injected\r\n", 1, 1},
    {"STARTTLS", SAY, "garbage\r\n", 1, 1},
    {"tls", DROP, NULL, 1, 1},
    {"tls", DROP, "HTTP/1.1 400 Bad Request\r\n\r\n", 1, 1},
};
/* For those MAY does without. */
static const bool may_sends[] = {
    true, true, true, true, true, true, true, false, false, true, true, true};

static void
test_tls_faults(void **state)
{
	static const enum tls_client_policy tried[] = {
	    TLS_CLIENT_MAY, TLS_CLIENT_ENCRYPT, TLS_CLIENT_VERIFY};

	(void)state;
	for (size_t i = 0; i < nitems(tls_faults); i++)
		for (size_t p = 0; p < nitems(tried); p++) {
			struct talk *t = talk_new(tried[p], &good, &tls_faults[i], 1);
			bool opens = tried[p] == TLS_CLIENT_MAY && may_sends[i];
			enum smtp_state got = talk_open(t);
			struct smtp_result r;

			if (got != (opens ? SMTP_USABLE : SMTP_NEXT_HOST))
				fail_msg("%zu %zu: %s", i, p, smtp_reply(t->s)->text);
			if (opens) {
				assert_int_equal(send_one(t, &r), SMTP_USABLE);
				assert_string_equal(smtp_info(t->s)->tls.version, "");
				assert_true(i < 2 || smtp_info(t->s)->tls_failure[0] != '\0');
			} else {
				assert_int_equal(smtp_reply(t->s)->code, 451);
			}
			talk_end(t);
			assert_true(heard(t, "MAIL") == opens);
			talk_free(&t);
		}
}

/* A handshake that does not go on. */
static void
test_slow_handshake(void **state)
{
	static const struct rule rules[] = {
	    {"STARTTLS", DRIP, "220 go\r\n\x16", 1, 1}, {"tls", SILENT, NULL, 1, 0}};

	(void)state;
	for (size_t i = 0; i < nitems(rules); i++) {
		struct talk *t = talk_new(TLS_CLIENT_ENCRYPT, &good, &rules[i], 1);

		t->target.timeouts.tls_s = 1;
		assert_int_equal(talk_open(t), SMTP_NEXT_HOST);
		talk_end(t);
		assert_false(heard(t, "MAIL"));
		talk_free(&t);
	}
}

/* ---- client certificates, and versions ---- */

static int
take_any(int ok, X509_STORE_CTX *ctx)
{
	(void)ok, (void)ctx;
	return 1;
}

static void
test_client_certificate(void **state)
{
	struct talk *t = talk_new(TLS_CLIENT_VERIFY, &good, NULL, 0);
	char *chain = identity_pem(&other, false), *key = identity_pem(&other, true);
	const char *why = "";

	(void)state;
	assert_null(tls_client_context(roots, chain, "no key", false, &why));
	assert_true(why[0] != '\0');
	t->target.tls.context = tls_client_context(roots, chain, key, true, &why);
	assert_non_null(t->target.tls.context);
	SSL_CTX_set_verify(t->v.tls, SSL_VERIFY_PEER, take_any);
	assert_int_equal(talk_open(t), SMTP_USABLE);
	SSL_CTX_free(t->target.tls.context);
	talk_end(t);
	assert_true(t->v.client_certificate);
	talk_free(&t);
	free(chain);
	free(key);
}

/* MAY takes what others refuse. */
static void
test_old_versions(void **state)
{
	(void)state;
	for (enum tls_client_policy p = TLS_CLIENT_MAY; p <= TLS_CLIENT_ENCRYPT; p++) {
		struct talk *t = talk_new(p, &good, NULL, 0);
		bool may = p == TLS_CLIENT_MAY;

		SSL_CTX_set_min_proto_version(t->v.tls, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(t->v.tls, TLS1_1_VERSION);
		SSL_CTX_set_security_level(t->v.tls, 0);
		assert_int_equal(talk_open(t), may ? SMTP_USABLE : SMTP_NEXT_HOST);
		if (may)
			assert_string_equal(smtp_info(t->s)->tls.version, "TLSv1.1");
		talk_end(t);
		talk_free(&t);
	}
}

/* ---- DANE ---- */

enum { SELECT_CERTIFICATE, SELECT_KEY };

/* What a record with that selector and matching type 1 holds. */
static struct span
digest(const struct identity *id, int selector, unsigned char out[SHA256_DIGEST_LENGTH])
{
	unsigned char *der = NULL;
	int len =
	    selector == SELECT_KEY ? i2d_PUBKEY(id->key, &der) : i2d_X509(id->certificate, &der);

	SHA256(der, len, out);
	OPENSSL_free(der);
	return (struct span){(const char *)out, SHA256_DIGEST_LENGTH};
}

static const struct {
	uint8_t usage, selector, matching;
	const struct identity *of, *server;
	bool chain, opens;
	const char *how; /* NULL: not verified */
} dane[] = {
    {3, 1, 1, &good, &good, false, true, "dane-3-1-1"},
    {3, 0, 1, &good, &good, false, true, "dane-3-0-1"},
    /* whose key it is counts: neither issuer, nor name, nor time (RFC 7672 3.1.1) */
    {3, 1, 1, &self, &self, false, true, "dane-3-1-1"},
    {3, 1, 1, &other, &other, false, true, "dane-3-1-1"},
    {3, 1, 1, &self_expired, &self_expired, false, true, "dane-3-1-1"},
    {3, 1, 1, &self, &good, false, false, NULL},
    {3, 1, 1, &ca, &good, true, false, NULL},
    /* below a trust anchor the name and the time count */
    {2, 0, 1, &ca, &good, true, true, "dane-2-0-1"},
    {2, 1, 1, &ca, &good, true, true, "dane-2-1-1"},
    {2, 0, 1, &ca, &good, false, false, NULL}, /* RFC 7672 3.1.2: it must be in the chain */
    {2, 0, 1, &ca, &other, true, false, NULL},
    {2, 0, 1, &ca, &expired, true, false, NULL},
    {2, 0, 1, &stranger, &good, true, false, NULL},
    /* of no use, so that any certificate will do, but not none */
    {0, 0, 1, &ca, &good, true, true, NULL},
    {1, 1, 1, &self, &good, false, true, NULL},
    {3, 1, 9, &self, &good, false, true, NULL},
    {9, 1, 1, &self, &good, false, true, NULL},
};

static void
test_dane(void **state)
{
	unsigned char bytes[SHA256_DIGEST_LENGTH];

	(void)state;
	for (size_t i = 0; i < nitems(dane); i++) {
		struct talk *t = talk_new(TLS_CLIENT_DANE, dane[i].server, NULL, 0);
		struct tlsa_record record = {dane[i].usage, dane[i].selector, dane[i].matching,
		    digest(dane[i].of, dane[i].selector, bytes)};
		bool verified = dane[i].opens && dane[i].how != NULL;

		t->target.tls.tlsa = &record;
		t->target.tls.n_tlsa = 1;
		if (dane[i].chain)
			SSL_CTX_add1_chain_cert(t->v.tls, ca.certificate);
		if (talk_open(t) != (dane[i].opens ? SMTP_USABLE : SMTP_NEXT_HOST))
			fail_msg("%zu: %s", i, smtp_reply(t->s)->text);
		if (verified)
			assert_string_equal(smtp_info(t->s)->tls.how, dane[i].how);
		if (dane[i].opens && smtp_info(t->s)->tls.verified != verified &&
		    strncmp(smtp_info(t->s)->tls.how, "dane", 4) == 0)
			fail_msg("%zu: %s", i, smtp_info(t->s)->tls.how);
		talk_end(t);
		talk_free(&t);
	}
}

static void
test_dane_records(void **state)
{
	unsigned char a[SHA256_DIGEST_LENGTH], b[SHA256_DIGEST_LENGTH];
	const struct tlsa_record records[] = {{3, 1, 1, {NULL, 0}}, {3, 1, 1, {"x", 1}},
	    {3, 0, 0, {"no certificate", 14}}, {3, 1, 1, digest(&self, SELECT_KEY, a)},
	    {3, 1, 1, digest(&good, SELECT_KEY, b)}};

	(void)state;
	/* One that fits among others; without it, one that does not; none but broken ones. */
	for (int i = 0; i < 3; i++) {
		static const size_t n[] = {5, 4, 3};
		struct talk *t = talk_new(TLS_CLIENT_DANE, &good, NULL, 0);

		t->target.tls.tlsa = records;
		t->target.tls.n_tlsa = n[i];
		assert_int_equal(talk_open(t), i == 1 ? SMTP_NEXT_HOST : SMTP_USABLE);
		assert_true(i == 1 || smtp_info(t->s)->tls.version[0] != '\0');
		talk_end(t);
		talk_free(&t);
	}
	for (size_t i = 0; i < 5; i++) {
		static const struct rule no_tls = {"EHLO", SAY, "250 test.example\r\n", 0, 0};
		struct talk *t = talk_new(TLS_CLIENT_DANE, &good, &no_tls, 1);

		t->target.tls.tlsa = records + i;
		t->target.tls.n_tlsa = 1;
		assert_int_equal(talk_open(t), SMTP_NEXT_HOST);
		talk_end(t);
		assert_false(heard(t, "MAIL"));
		talk_free(&t);
	}
}

/* ---- AUTH ---- */

#define USER	 "ann"
#define PASSWORD "s3cret"
#define PLAIN	 "AUTH PLAIN AGFubgBzM2NyZXQ=\r\n"
#define USER64	 "YW5u\r\n"
#define PASS64	 "czNjcmV0\r\n"

#define SAYS(at, text, nth)                  \
	{                                    \
		at, SAY, text "\r\n", nth, 0 \
	}

static const struct {
	const char *mechanisms;
	struct rule rules[4];
	enum smtp_state state;
	const char *heard, *not_heard;
} logins[] = {
    {NULL, {SAYS("QUIT", "221", 9)}, SMTP_USABLE, PLAIN, "LOGIN"},
    {"LOGIN", {SAYS("auth", "334 UGFzc3dvcmQ6", 1)}, SMTP_USABLE, "AUTH LOGIN\r\n" USER64 PASS64,
	"PLAIN"},
    {"LOGIN", {SAYS("auth", "334", 1)}, SMTP_USABLE, "AUTH LOGIN\r\n" USER64 PASS64, "PLAIN"},
    /* RFC 2195 2 */
    {"CRAM-MD5",
	{SAYS("AUTH", "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+", 1),
	    SAYS("auth", "235 in", 1)},
	SMTP_USABLE, "AUTH CRAM-MD5\r\n", "PLAIN"},
    {"login", {SAYS("auth", "334", 1)}, SMTP_USABLE, "AUTH LOGIN\r\n" USER64 PASS64, "PLAIN"},
    /* refused: no other host, and no other mechanism */
    {NULL, {SAYS("AUTH", "535 5.7.8 wrong", 1)}, SMTP_BROKEN, PLAIN, "LOGIN"},
    {"LOGIN", {SAYS("auth", "535 5.7.8 wrong", 1)}, SMTP_BROKEN, USER64, PASS64},
    {NULL, {SAYS("AUTH", "454 4.7.0 later", 1)}, SMTP_NEXT_HOST, PLAIN, "LOGIN"},
    {NULL, {SAYS("AUTH", "421 bye", 1)}, SMTP_NEXT_HOST, PLAIN, "LOGIN"},
    {NULL, {{"AUTH", DROP, NULL, 1, 0}}, SMTP_NEXT_HOST, PLAIN, "LOGIN"},
    {NULL, {SAYS("AUTH", "garbage", 1)}, SMTP_NEXT_HOST, PLAIN, "LOGIN"},
    {NULL, {SAYS("AUTH", "334 more", 1)}, SMTP_BROKEN, PLAIN, "LOGIN"},
    {"LOGIN", {SAYS("auth", "334", 0)}, SMTP_BROKEN, USER64 PASS64, PASS64 USER64},
    {"LOGIN", {{"AUTH", FLOOD, "334-x\r\n", 1, 0}}, SMTP_NEXT_HOST, "AUTH LOGIN", USER64},
    /* the next mechanism */
    {NULL, {SAYS("AUTH", "504 5.5.4 no", 1), SAYS("auth", "334", 1)}, SMTP_USABLE,
	PLAIN "AUTH LOGIN\r\n" USER64 PASS64, "CRAM"},
    {"CRAM-MD5 PLAIN", {SAYS("AUTH", "334 !", 1), SAYS("auth", "501 given up", 1)}, SMTP_USABLE,
	"AUTH CRAM-MD5\r\n*\r\n" PLAIN, "LOGIN"},
    {"SCRAM-SHA-256 GSSAPI", {SAYS("QUIT", "221", 9)}, SMTP_NEXT_HOST, "EHLO", "AUTH"},
};

static void
test_logins(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(logins); i++) {
		struct rule rules[4];
		size_t n = 0;
		struct talk *t;

		while (n < 4 && logins[i].rules[n].at != NULL) {
			rules[n] = logins[i].rules[n];
			n++;
		}
		t = talk_new(TLS_CLIENT_ENCRYPT, &good, rules, n);
		t->target.user = USER;
		t->target.password = PASSWORD;
		t->target.mechanisms = logins[i].mechanisms;
		if (talk_open(t) != logins[i].state)
			fail_msg("%zu: %s", i, smtp_reply(t->s)->text);
		assert_true(smtp_info(t->s)->authenticated == (logins[i].state == SMTP_USABLE));
		if (logins[i].state != SMTP_USABLE)
			assert_int_equal(smtp_reply_class(smtp_reply(t->s)), 4);
		talk_end(t);
		if (!heard(t, logins[i].heard) || heard(t, logins[i].not_heard))
			fail_msg("%zu: %.*s", i, (int)t->v.heard_len, t->v.heard);
		assert_null(strstr(t->trace, "AGFubgBzM2NyZXQ"));
		assert_null(strstr(t->trace, "czNjcmV0"));
		talk_free(&t);
	}
}

static void
test_cram_md5(void **state)
{
	static const struct rule rules[] = {
	    SAYS("AUTH", "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+", 1),
	    SAYS("auth", "235 in", 1)};
	struct talk *t = talk_new(TLS_CLIENT_NONE, &good, rules, nitems(rules));

	(void)state;
	t->target.user = "tim";
	t->target.password = "tanstaaftanstaaf";
	t->target.auth_in_clear = true; /* and then this one comes first */
	assert_int_equal(talk_open(t), SMTP_USABLE);
	talk_end(t);
	assert_true(heard(t, "\r\ndGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"));
	talk_free(&t);
}

/* Longer than a line with an initial response may be. */
static void
test_long_password(void **state)
{
	static const struct rule rules[] = {SAYS("AUTH", "334", 1), SAYS("auth", "235 in", 1)};
	char password[600];

	(void)state;
	memset(password, 'x', sizeof password);
	for (int i = 0; i < 2; i++) {
		struct talk *t = talk_new(TLS_CLIENT_ENCRYPT, &good, rules, nitems(rules));

		password[i == 0 ? 500 : sizeof password - 1] = '\0';
		t->target.user = USER;
		t->target.password = password;
		assert_int_equal(talk_open(t), i == 0 ? SMTP_USABLE : SMTP_BROKEN);
		talk_end(t);
		assert_true(heard(t, "AUTH PLAIN\r\nAGFubgB4") == (i == 0));
		assert_null(strstr(t->trace, "AGFubgB4"));
		talk_free(&t);
		password[500] = 'x';
	}
}

/* Without TLS nobody hears it, whatever the server does. */
static void
test_no_password_in_clear(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(tls_faults); i++)
		for (int p = TLS_CLIENT_NONE; p <= TLS_CLIENT_VERIFY; p++) {
			struct talk *t = talk_new(p, &good, &tls_faults[i], 1);

			t->target.user = USER;
			t->target.password = PASSWORD;
			assert_int_equal(talk_open(t), SMTP_NEXT_HOST);
			talk_end(t);
			assert_false(heard(t, "AUTH") || heard(t, "MAIL"));
			assert_true(t->v.n_connections <= 1);
			talk_free(&t);
		}
}

static void
test_auth_not_offered(void **state)
{
	struct talk *t = talk_new(TLS_CLIENT_ENCRYPT, &good, NULL, 0);

	(void)state;
	t->v.offer = "STARTTLS";
	t->target.user = USER;
	t->target.password = PASSWORD;
	assert_int_equal(talk_open(t), SMTP_NEXT_HOST);
	talk_end(t);
	assert_false(heard(t, "AUTH") || heard(t, "MAIL"));
	talk_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_policies),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_nothing_to_demand),
	    cmocka_unit_test(test_tls_faults),
	    cmocka_unit_test(test_slow_handshake),
	    cmocka_unit_test(test_client_certificate),
	    cmocka_unit_test(test_old_versions),
	    cmocka_unit_test(test_dane),
	    cmocka_unit_test(test_dane_records),
	    cmocka_unit_test(test_logins),
	    cmocka_unit_test(test_cram_md5),
	    cmocka_unit_test(test_long_password),
	    cmocka_unit_test(test_no_password_in_clear),
	    cmocka_unit_test(test_auth_not_offered),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
