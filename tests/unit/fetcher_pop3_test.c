/*
 * POP3: from the greeting to QUIT, with servers that behave and servers that do not.
 */
#include "fetcher_pop3_support.h"
#include "fetcher_protocol_support.h"

#include <openssl/sha.h>

#include "fetcher/pop3_body.h"
#include "fetcher/remote_private.h"

static void
fill_drop(size_t n)
{
	static char ids[nitems(drop)][20], texts[nitems(drop)][60];

	n_drop = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(ids[i], sizeof ids[i], "id%zu", i + 1);
		snprintf(texts[i], sizeof texts[i], "Subject: %zu\r\n\r\n.text\r\n", i + 1);
		drop[i].id = ids[i];
		drop[i].text = texts[i];
	}
}

/* ---- the end of a reply ---- */

static const struct {
	const char *bytes;
	bool ends;
	const char *text;
	size_t rest; /* bytes behind the end */
} bodies[] = {
    {".\r\n", true, "", 0},
    {"a\r\n.\r\n", true, "a\r\n", 0},
    {"a\r\n.\r\n+OK", true, "a\r\n", 3},
    {"..a\r\n.\r\n", true, ".a\r\n", 0},
    {"...\r\n.\r\n", true, "..\r\n", 0},
    {".a\r\n.\r\n", true, "a\r\n", 0},
    {"a\r\n..\r\n.\r\n", true, "a\r\n.\r\n", 0},
    {"a\n.\r\nb\r\n.\r\n", true, "a\n.\r\nb\r\n", 0},
    {"a\r\n.\nb\r\n.\r\n", true, "a\r\n\nb\r\n", 0},
    {"a\r.\r\n.\r\n", true, "a\r.\r\n", 0},
    {"a\r\r\n.\r\n", true, "a\r\r\n", 0},
    {"a\r\n.\r\r\n.\r\n", true, "a\r\n\r\r\n", 0},
    {"a\r\n.\rb\r\n.\r\n", true, "a\r\n\rb\r\n", 0},
    {"\r\n.\r\n", true, "\r\n", 0},
    {"\r\r\n.\r\n", true, "\r\r\n", 0},
    {"a\r\n.\r", false, "a\r\n", 0},
    {"a.\r\n", false, "a.\r\n", 0},
    {"a\n.\n", false, "a\n.\n", 0},
    {"a\r.\r", false, "a\r.\r", 0},
};

static void
check_body(size_t i, size_t step)
{
	struct pop3_body body = {0};
	size_t len = strlen(bodies[i].bytes), n = 0, rest = 0;
	char text[100];

	for (size_t at = 0; at < len; at += step) {
		size_t some = len - at < step ? len - at : step;
		struct span bytes = {bodies[i].bytes + at, some}, piece;

		while ((piece = pop3_body_take(&body, &bytes)).len > 0) {
			memcpy(text + n, piece.at, piece.len);
			n += piece.len;
		}
		rest += bytes.len;
		assert_true(body.ended || bytes.len == 0);
	}
	text[n] = '\0';
	if (strcmp(text, bodies[i].text) != 0 || body.ended != bodies[i].ends ||
	    rest != bodies[i].rest)
		fail_msg("%zu by %zu: %d %s %zu", i, step, body.ended, text, rest);
}

static void
test_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(bodies); i++)
		for (size_t step = 1; step < 20; step++)
			check_body(i, step);
}

/* ---- line ends ---- */

static const struct {
	const char *bytes, *text;
} lines[] = {
    {"", ""},
    {"a\r\n", "a\r\n"},
    {"a", "a\r\n"},
    {"a\n", "a\r\n"},
    {"a\r", "a\r\n"},
    {"a\nb\r\nc\n", "a\r\nb\r\nc\r\n"},
    {"a\r\r\nb\r\n", "a\r\nb\r\n"},
    {"a\r\r\r\n\r\n", "a\r\n\r\n"},
    {"a\rb\r\n", "a b\r\n"},
    {"a\r\rb\r\n", "a b\r\n"},
    {"\rb\r\n", " b\r\n"},
    {"\n\n", "\r\n\r\n"},
    {"\r\n\r\n", "\r\n\r\n"},
    {"\r", "\r\n"},
};

static void
check_lines(size_t i, size_t step)
{
	struct talk *t = talk_new(REMOTE_POP3, "", NULL, 0);
	struct remote_sink sink = sink_of(t);
	struct remote_delivery d;
	size_t len = strlen(lines[i].bytes);

	t->r = remote_new(&t->target);
	t->r->wire = client_wire_new();
	remote_delivery_init(&d, t->r, &sink, 0);
	assert_int_equal(remote_delivery_begin(&d, 1, 0), REMOTE_OK);
	for (size_t at = 0; at < len; at += step) {
		struct span some = {lines[i].bytes + at, len - at < step ? len - at : step};

		assert_int_equal(remote_delivery_bytes(&d, some), REMOTE_OK);
	}
	assert_int_equal(remote_delivery_end(&d, 1, REMOTE_WHOLE), REMOTE_OK);
	if (strcmp(t->ends[0].text, lines[i].text) != 0)
		fail_msg("%zu by %zu: %s", i, step, t->ends[0].text);
	assert_int_equal(d.received, len);
	remote_free(&t->r);
	talk_free(&t);
}

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(lines); i++)
		for (size_t step = 1; step < 9; step++)
			check_lines(i, step);
}

/* ---- opening ---- */

static const struct opening opens[] = {
    {CAPA_ALL, {0}, false, REMOTE_OK, "PLAIN", NULL},
    {"SASL LOGIN", {0}, false, REMOTE_OK, "LOGIN", NULL},
    {"SASL CRAM-MD5", {0}, false, REMOTE_OK, "USER", NULL},
    {"UIDL", {0}, false, REMOTE_OK, "USER", NULL},
    {"", {0}, false, REMOTE_OK, "USER", NULL},
    {"SASL XOAUTH2 PLAIN", {0}, true, REMOTE_OK, "XOAUTH2", NULL},
    {"SASL xoauth2 oauthbearer", {0}, true, REMOTE_OK, "OAUTHBEARER", NULL},
    {"SASL XOAUTH2", {"AUTH", SAY, "-ERR not initially\r\n", 0, 0}, true, REMOTE_LOGIN_REFUSED,
	NULL, "not initially"},
    {CAPA_ALL, {0}, true, REMOTE_PERMANENT, NULL, "OAuth"},
    /* the challenge says why, and the end comes after an answer to it */
    {"SASL XOAUTH2", {"AUTH", SAY, "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n", 0, 0}, true, REMOTE_OK,
	"XOAUTH2", NULL},
    {"SASL LOGIN", {"AUTH", SAY, "-ERR no such mechanism\r\n", 0, 0}, false, REMOTE_OK, "USER",
	NULL},
    {"SASL LOGIN", {"auth", SAY, "-ERR no\r\n", 0, 0}, false, REMOTE_LOGIN_REFUSED, NULL,
	"refused"},
    {"SASL LOGIN", {"auth", SAY, "+ again\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "again"},
    {CAPA_ALL, {"AUTH", SAY, "-ERR [AUTH] no\r\n", 0, 0}, false, REMOTE_LOGIN_REFUSED, NULL,
	"[AUTH]"},
    {CAPA_ALL, {"AUTH", SAY, "-ERR [IN-USE] locked\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL,
	"locked"},
    {CAPA_ALL, {"AUTH", SAY, "-ERR [sys/temp] x\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "x"},
    {CAPA_ALL, {"AUTH", SAY, "-ERR [LOGIN-DELAY] x\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "x"},
    {CAPA_ALL, {"AUTH", SAY, "-ERR [SYS/PERM] x\r\n", 0, 0}, false, REMOTE_PERMANENT, NULL, "x"},
    {"", {"USER", SAY, "-ERR who?\r\n", 0, 0}, false, REMOTE_LOGIN_REFUSED, NULL, "who?"},
    {"", {"PASS", SAY, "-ERR no\r\n", 0, 0}, false, REMOTE_LOGIN_REFUSED, NULL, "no"},
    {"", {"greeting", SAY, "-ERR busy\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "busy"},
    {"", {"greeting", SAY, "* OK IMAP\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "it speaks IMAP"},
    {"", {"greeting", SAY, "+OKAY\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "no reply"},
    {"", {"greeting", SAY, "+OK\r\n+OK\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "more than"},
    {CAPA_ALL, {"CAPA", SAY, "+OK\r\nSASL PLAIN\r\n.\r\n+OK\r\n", 0, 0}, false, REMOTE_TEMPORARY,
	NULL, "more than"},
};

static void
test_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(opens); i++)
		check_opening(REMOTE_POP3, &opens[i], i);
}

/* A response that makes the command too long goes alone. */
static void
test_long_token(void **state)
{
	struct talk *t = talk_new(REMOTE_POP3, "SASL XOAUTH2", NULL, 0);
	char token[2000];

	(void)state;
	memset(token, 'x', sizeof token - 1);
	token[sizeof token - 1] = '\0';
	t->target.password = NULL;
	t->target.token = token;
	check_open(t);
	talk_close(t);
	assert_true(heard(t, "AUTH XOAUTH2\r\n"));
	talk_free(&t);
}

static void
test_no_login_without_one(void **state)
{
	struct talk *t = talk_new(REMOTE_POP3, "", NULL, 0);
	char name[1000];

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	t->target.user = name;
	check_end(talk_open(t), REMOTE_PERMANENT, t, "too long");
	remote_free(&t->r);
	t->target.user = USER "\r\nDELE 1";
	t->r = remote_new(&t->target);
	check_end(remote_open(t->r), REMOTE_PERMANENT, t, "cannot be sent");
	remote_free(&t->r);
	t->target.token = TOKEN;
	t->r = remote_new(&t->target);
	check_end(remote_open(t->r), REMOTE_PERMANENT, t, "not one");
	talk_close(t);
	assert_false(heard(t, "USER") || heard(t, "DELE"));
	talk_free(&t);
}

/* The first address refuses connections, or does not log in. */
static void
test_addresses(void **state)
{
	struct rule rule = {"AUTH", DROP, NULL, 0, 0};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, NULL, 0);
	struct sockaddr_in closed = {.sin_family = AF_INET, .sin_port = htons(1)};

	(void)state;
	inet_pton(AF_INET, "127.0.0.1", &closed.sin_addr);
	server_start(&t->v);
	memcpy(&t->addresses[0], &closed, sizeof closed);
	memcpy(&t->addresses[1], &t->v.address, sizeof t->v.address);
	t->target.n_addresses = 2;
	t->r = remote_new(&t->target);
	check_end(remote_open(t->r), REMOTE_OK, t, NULL);
	remote_free(&t->r);
	/* once a password has left there is no second try */
	memcpy(&t->addresses[0], &t->v.address, sizeof t->v.address);
	t->v.rules = &rule;
	t->v.n_rules = 1;
	t->r = remote_new(&t->target);
	check_end(remote_open(t->r), REMOTE_TEMPORARY, t, "closed");
	talk_close(t);
	assert_int_equal(t->v.n_connections, 2);
	talk_free(&t);
}

/* ---- TLS ---- */

static void
digest_of(const struct identity *id, unsigned char out[REMOTE_FINGERPRINT_BYTES])
{
	assert_int_equal(X509_digest(id->certificate, EVP_sha256(), out, NULL), 1);
}

static const struct {
	const char *host;
	const struct identity *shown, *pinned;
	enum remote_end end;
	const char *how;
} certificates[] = {
    {"pop.example", &good, NULL, REMOTE_OK, "name"},
    {"127.0.0.1", &address, NULL, REMOTE_OK, "name"},
    {"127.0.0.1", &good, NULL, REMOTE_PERMANENT, "mismatch"},
    {"pop.example", &other, NULL, REMOTE_PERMANENT, "mismatch"},
    {"pop.example", &expired, NULL, REMOTE_PERMANENT, "expired"},
    {"pop.example", &self, NULL, REMOTE_PERMANENT, "self-signed"},
    {"pop.example", &good, &good, REMOTE_OK, "fingerprint"},
    {"pop.example", &self, &self, REMOTE_OK, "fingerprint"},
    {"127.0.0.1", &self, &self, REMOTE_OK, "fingerprint"},
    {"pop.example", &expired, &expired, REMOTE_OK, "fingerprint"},
    {"pop.example", &good, &other, REMOTE_PERMANENT, "Certificate Fingerprint"},
    {"pop.example", &self, &good, REMOTE_PERMANENT, "Certificate Fingerprint"},
};

static void
check_certificate(size_t i, enum remote_tls tls)
{
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, NULL, 0);
	unsigned char pinned[REMOTE_FINGERPRINT_BYTES], shown[REMOTE_FINGERPRINT_BYTES];
	enum remote_end end;
	char text[4];

	talk_tls(t, tls, certificates[i].shown);
	t->target.host = certificates[i].host;
	if (certificates[i].pinned != NULL) {
		digest_of(certificates[i].pinned, pinned);
		t->target.fingerprint = pinned;
	}
	end = talk_open(t);
	if (end != certificates[i].end)
		fail_msg("%zu: %d %s\n%s", i, end, remote_why(t->r), t->trace);
	if (certificates[i].how != NULL)
		assert_non_null(strstr(remote_info(t->r)->tls_how, certificates[i].how));
	digest_of(certificates[i].shown, shown);
	snprintf(text, sizeof text, "%02X:", shown[0]);
	assert_int_equal(strncmp(remote_info(t->r)->fingerprint, text, 3), 0);
	assert_int_equal(strlen(remote_info(t->r)->fingerprint), 32 * 3 - 1);
	if (end == REMOTE_OK)
		assert_string_equal(remote_info(t->r)->tls_version, "TLSv1.3");
	talk_close(t);
	assert_true(heard(t, "AUTH PLAIN") == (end == REMOTE_OK));
	talk_free(&t);
}

static void
test_certificates(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(certificates); i++) {
		check_certificate(i, REMOTE_TLS_START);
		check_certificate(i, REMOTE_TLS_IMPLICIT);
	}
}

/* Whatever a server does that will not have TLS, it hears no password. */
static const struct downgrade downgrades[] = {
    {"UIDL\nSASL PLAIN", {0}, REMOTE_PERMANENT},
    {CAPA_ALL, {"STLS", SAY, "-ERR no\r\n", 0, 0}, REMOTE_PERMANENT},
    {"", {"STLS", SAY, "-ERR what?\r\n", 0, 0}, REMOTE_PERMANENT},
    {CAPA_ALL, {"STLS", SAY, "+OK\r\n+OK in\r\n", 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"STLS", SAY, "bla\r\n", 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"STLS", DROP, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"STLS", SILENT, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"tls", DROP, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"tls", SAY, "+OK in clear\r\n", 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"tls", SILENT, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"CAPA", SAY, "+OK\r\nSTLS\r\n.\r\n+OK\r\n+OK\r\n", 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"greeting", SAY, "+OK\r\n+OK\r\n", 0, 0}, REMOTE_TEMPORARY},
};

static void
test_downgrades(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(downgrades); i++) {
		struct talk *t = talk_downgraded(REMOTE_POP3, &downgrades[i], i);

		assert_false(heard(t, "AUTH") || heard(t, "USER") || heard(t, "PASS"));
		talk_free(&t);
	}
}

/* What was said before TLS is forgotten. */
static void
test_capabilities_anew(void **state)
{
	struct rule rule = {"CAPA", SAY, "+OK\r\nUIDL\r\nUSER\r\n.\r\n", 2, 0};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, &rule, 1);

	(void)state;
	talk_tls(t, REMOTE_TLS_START, &good);
	check_open(t);
	assert_string_equal(remote_info(t->r)->mechanism, "USER");
	assert_false(remote_info(t->r)->pipelining);
	assert_string_equal(t->v.sni, "pop.example");
	talk_close(t);
	talk_free(&t);
}

/* Where it is offered, messages are asked for as they are; who refuses that lets in all the same.
 */
static void
test_utf8(void **state)
{
	static struct rule rules[] = {
	    {"UTF8", SAY, "+OK\r\n", 0, 0}, {"UTF8", SAY, "-ERR not now\r\n", 0, 0}};

	(void)state;
	for (size_t i = 0; i < nitems(rules); i++) {
		struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL "\nUTF8 USER", &rules[i], 1);

		check_open(t);
		assert_true(heard(t, "UTF8"));
		talk_close(t);
		talk_free(&t);
	}
}

/* ---- the list ---- */

static void
check_list(const char *offer, const struct rule *rule, const char *wanted)
{
	struct talk *t = talk_new(REMOTE_POP3, offer, rule, rule != NULL);
	struct remote_message m[3];
	char got[1000] = "";
	uint32_t after = 0;
	enum remote_end end;
	size_t n;

	check_open(t);
	while ((end = remote_list(t->r, after, m, nitems(m), &n)) == REMOTE_OK && n > 0)
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(got);

			assert_true(m[i].handle > after);
			after = m[i].handle;
			snprintf(got + len, sizeof got - len, "%u %llu %s;", m[i].handle,
			    (unsigned long long)m[i].size, m[i].id);
		}
	if (end != REMOTE_OK)
		snprintf(got, sizeof got, "end %d", end);
	if (strcmp(got, wanted) != 0)
		fail_msg(
		    "%s: %s, not %s\n%s", rule ? rule->text : "-", got, wanted, remote_why(t->r));
	talk_close(t);
	talk_free(&t);
}

static const struct {
	struct rule rule;
	const char *wanted; /* of three messages */
} lists[] = {
    {{"UIDL", SAY, "-ERR what?\r\n", 0, 0}, "1 21 ;2 21 ;3 21 ;"},
    {{"UIDL", SAY, "+OK\r\n.\r\n", 0, 0}, "1 21 ;2 21 ;3 21 ;"},
    {{"UIDL", SAY, "+OK\r\n1 a\r\n2 a\r\n3 c\r\n.\r\n", 0, 0}, "1 21 ;2 21 ;3 21 c;"},
    {{"UIDL", SAY, "+OK\r\n1 a\r\n3 a b\r\n7 c\r\n.\r\n", 0, 0},
	"1 21 a;2 21 ;3 21 =c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65;"},
    {{"UIDL", SAY, "+OK\r\n1\r\n2 \r\n3 c \r\n.\r\n", 0, 0}, "1 21 ;2 21 ;3 21 c;"},
    {{"UIDL", SAY, "+OK\r\n2 b\r\n1 a\r\n.\r\n", 0, 0}, "end 2"},
    {{"UIDL", SAY, "+OK\r\n1 a\r\n1 b\r\n.\r\n", 0, 0}, "end 2"},
    {{"UIDL", SAY, "+OK\r\n0 a\r\n.\r\n", 0, 0}, "end 2"},
    {{"UIDL", SAY, "+OK\r\n-1 a\r\n.\r\n", 0, 0}, "end 2"},
    {{"UIDL", SAY, "+OK\r\n4294967296 a\r\n.\r\n", 0, 0}, "end 2"},
    {{"UIDL", SAY, "+OK\r\nx\r\n.\r\n", 0, 0}, "end 2"},
    {{"UIDL", SAY, "+OK\r\n\r\n.\r\n", 0, 0}, "end 2"},
    {{"LIST", SAY, "+OK\r\n.\r\n", 0, 0}, ""},
    {{"LIST", SAY, "+OK\r\n1 5 octets\r\n3 18446744073709551615\r\n.\r\n", 0, 0},
	"1 5 id1;3 18446744073709551615 id3;"},
    {{"LIST", SAY, "+OK\r\n4294967295 5\r\n.\r\n", 0, 0}, "4294967295 5 ;"},
    {{"LIST", SAY, "-ERR no\r\n", 0, 0}, "end 2"},
    {{"LIST", SAY, "+OK\r\n1\r\n.\r\n", 0, 0}, "end 2"},
    {{"LIST", SAY, "+OK\r\n1 -5\r\n.\r\n", 0, 0}, "end 2"},
    {{"LIST", SAY, "+OK\r\n1 18446744073709551616\r\n.\r\n", 0, 0}, "end 2"},
    {{"LIST", SAY, "+OK\r\n2 5\r\n1 5\r\n.\r\n", 0, 0}, "end 2"},
    {{"LIST", SAY, "+OK\r\n4294967296 5\r\n.\r\n", 0, 0}, "end 2"},
};

static void
test_list(void **state)
{
	(void)state;
	fill_drop(8);
	check_list(CAPA_ALL, NULL,
	    "1 21 id1;2 21 id2;3 21 id3;4 21 id4;5 21 id5;6 21 id6;7 21 id7;8 21 id8;");
	check_list("UIDL", NULL,
	    "1 21 id1;2 21 id2;3 21 id3;4 21 id4;5 21 id5;6 21 id6;7 21 id7;8 21 id8;");
	fill_drop(3);
	for (size_t i = 0; i < nitems(lists); i++) {
		check_list(CAPA_ALL, &lists[i].rule, lists[i].wanted);
		check_list("", &lists[i].rule, lists[i].wanted);
	}
}

static void
test_select(void **state)
{
	struct rule rule = {"STAT", SAY, "+OK many\r\n", 2, 0};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, &rule, 1);
	struct remote_folder f;
	bool done = true;
	uint32_t one = 1;
	enum remote_news news;

	(void)state;
	fill_drop(5);
	check_open(t);
	check_end(remote_select(t->r, "Sent", false, &f), REMOTE_NO_FOLDER, t, "no folders");
	check_end(remote_select(t->r, "inbox", true, &f), REMOTE_OK, t, NULL);
	assert_int_equal(f.messages, 5);
	check_end(remote_mark_seen(t->r, &one, 1, &done), REMOTE_PERMANENT, t, "cannot mark");
	assert_false(done);
	check_end(remote_move(t->r, &one, 1, "x", &done), REMOTE_PERMANENT, t, "cannot move");
	check_end(remote_wait(t->r, NULL, 0, -1, 1, &news), REMOTE_OK, t, NULL);
	assert_int_equal(news, REMOTE_CANNOT_WAIT);
	check_end(remote_select(t->r, "INBOX", true, &f), REMOTE_TEMPORARY, t, "many");
	check_end(remote_select(t->r, "INBOX", true, &f), REMOTE_TEMPORARY, t, "many");
	talk_close(t);
	talk_free(&t);
}

/* ---- messages ---- */

static enum remote_end
fetch(struct talk *t, size_t n, uint64_t max_size)
{
	uint32_t handles[REMOTE_BATCH_MAX];
	struct remote_message m[1];
	struct remote_sink sink = sink_of(t);
	enum remote_end end;
	size_t got;

	for (size_t i = 0; i < n; i++)
		handles[i] = i + 1;
	if ((end = remote_list(t->r, 0, m, 1, &got)) != REMOTE_OK)
		return end;
	return remote_fetch(t->r, handles, n, max_size, &sink);
}

static void
check_fetch_all(const char *offer)
{
	struct talk *t = talk_new(REMOTE_POP3, offer, NULL, 0);

	fill_drop(1000);
	check_open(t);
	check_end(fetch(t, 1000, 0), REMOTE_OK, t, NULL);
	assert_int_equal(t->n_ends, 1000);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(t->ends[i].handle, i + 1);
		assert_int_equal(t->ends[i].end, REMOTE_WHOLE);
		assert_string_equal(t->ends[i].text, drop[i].text);
	}
	check_end(remote_quit(&t->r, NULL), REMOTE_OK, t, NULL);
	talk_close(t);
	talk_free(&t);
}

static void
test_fetch(void **state)
{
	(void)state;
	check_fetch_all(CAPA_ALL);
	check_fetch_all("UIDL");
}

static void
test_pipelining(void **state)
{
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, NULL, 0);

	(void)state;
	fill_drop(100);
	check_open(t);
	check_end(fetch(t, 100, 0), REMOTE_OK, t, NULL);
	talk_close(t);
	/* not one read for each of them */
	assert_true(t->v.n_marks < 50);
	talk_free(&t);
}

static void
test_gone_and_large(void **state)
{
	struct rule rules[] = {{"RETR", SAY, "-ERR it has gone\r\n", 2, 0}};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, rules, 1);
	static char large[50001];

	(void)state;
	fill_drop(5);
	memset(large, 'x', sizeof large - 1);
	drop[2].text = large;
	check_open(t);
	check_end(fetch(t, 4, 1000), REMOTE_OK, t, NULL);
	assert_int_equal(t->n_ends, 4);
	assert_int_equal(t->ends[0].end, REMOTE_WHOLE);
	assert_int_equal(t->ends[1].end, REMOTE_GONE);
	assert_int_equal(t->ends[1].handle, 2);
	assert_int_equal(t->ends[2].end, REMOTE_TOO_LARGE);
	assert_true(t->ends[2].len <= 1000);
	assert_int_equal(t->ends[3].end, REMOTE_WHOLE);
	assert_string_equal(t->ends[3].text, drop[3].text);
	talk_close(t);
	talk_free(&t);
}

/* It never ends, though the server has said that it is small. */
static void
test_endless(void **state)
{
	static char block[4096];
	struct rule rule = {"RETR", FLOOD, block, 0, 0};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, &rule, 1);

	(void)state;
	memset(block, 'x', sizeof block - 1);
	memcpy(block, "+OK\r\n", 5);
	fill_drop(1);
	check_open(t);
	check_end(fetch(t, 1, 1000), REMOTE_TEMPORARY, t, "far more");
	assert_int_equal(t->n_ends, 1);
	assert_int_equal(t->ends[0].end, REMOTE_TOO_LARGE);
	talk_close(t);
	talk_free(&t);
}

static void
test_stop(void **state)
{
	(void)state;
	fill_drop(50);
	for (int i = 0; i < STOPS; i++) {
		struct talk *t = talk_stopping(REMOTE_POP3, i);

		check_end(fetch(t, 50, 0), REMOTE_STOPPED, t, NULL);
		assert_int_equal(t->calls_after_stop, 0);
		check_end(fetch(t, 50, 0), REMOTE_STOPPED, t, NULL);
		check_end(remote_quit(&t->r, NULL), REMOTE_STOPPED, t, NULL);
		server_stop(&t->v);
		assert_false(heard(t, "QUIT"));
		talk_free(&t);
	}
}

static void
test_header(void **state)
{
	struct rule rule = {"TOP", SAY, "-ERR what?\r\n", 2, 0};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, &rule, 1);
	struct remote_sink sink = sink_of(t);

	(void)state;
	fill_drop(5);
	check_open(t);
	check_end(remote_fetch_header(t->r, 2, 10000, &sink), REMOTE_OK, t, NULL);
	check_end(remote_fetch_header(t->r, 3, 10000, &sink), REMOTE_OK, t, NULL);
	assert_int_equal(t->n_ends, 2);
	assert_string_equal(t->ends[0].text, "Subject: top\r\n\r\n");
	assert_int_equal(t->ends[1].end, REMOTE_GONE);
	talk_close(t);
	assert_true(heard(t, "TOP 2 0\r\n"));
	talk_free(&t);
}

/* ---- DELE, QUIT ---- */

static void
test_delete(void **state)
{
	struct rule rule = {"DELE", SAY, "-ERR no\r\n", 3, 0};
	struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, &rule, 1);
	uint32_t handles[] = {1, 2, 4, 5};
	struct remote_message m[10];
	bool done[4];
	size_t n;

	(void)state;
	fill_drop(5);
	check_open(t);
	check_end(remote_list(t->r, 0, m, 10, &n), REMOTE_OK, t, NULL);
	check_end(remote_delete(t->r, handles, 4, done), REMOTE_OK, t, NULL);
	assert_true(done[0] && done[1] && !done[2] && done[3]);
	assert_non_null(strstr(remote_why(t->r), "does not delete message 4"));
	check_end(remote_list(t->r, 0, m, 10, &n), REMOTE_OK, t, NULL);
	assert_int_equal(n, 2);
	assert_int_equal(m[0].handle, 3);
	check_end(remote_quit(&t->r, NULL), REMOTE_OK, t, NULL);
	talk_close(t);
	assert_true(heard(t, "DELE 1\r\nDELE 2\r\nDELE 4\r\nDELE 5\r\nQUIT\r\n"));
	talk_free(&t);
}

static void
test_quit_that_fails(void **state)
{
	static const struct rule rules[] = {{"QUIT", SAY, "-ERR some were not deleted\r\n", 0, 0},
	    {"QUIT", DROP, NULL, 0, 0}, {"QUIT", RESET, NULL, 0, 0}, {"QUIT", SILENT, NULL, 0, 0},
	    {"QUIT", SAY, "bla\r\n", 0, 0}, {"DELE", DROP, NULL, 0, 0},
	    {"DELE", DROP, "+OK\r\n", 2, 0}};
	uint32_t handles[] = {1, 2};
	char why[REMOTE_WHY_SIZE];

	(void)state;
	fill_drop(5);
	for (size_t i = 0; i < nitems(rules); i++) {
		struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, &rules[i], 1);

		if (rules[i].act == SILENT)
			talk_hurry(t);
		check_open(t);
		(void)remote_delete(t->r, handles, 2, NULL);
		assert_int_equal(remote_quit(&t->r, why), REMOTE_TEMPORARY);
		assert_true(why[0] != '\0');
		assert_null(t->r);
		talk_close(t);
		talk_free(&t);
	}
}

static void
test_handles(void **state)
{
	static const uint32_t zero[] = {0}, twice[] = {1, 1}, back[] = {2, 1};
	const uint32_t *const wrong[] = {zero, twice, back};

	(void)state;
	for (size_t i = 0; i < nitems(wrong); i++) {
		struct talk *t = talk_new(REMOTE_POP3, CAPA_ALL, NULL, 0);

		check_open(t);
		check_end(remote_delete(t->r, wrong[i], i == 0 ? 1 : 2, NULL), REMOTE_PERMANENT, t,
		    "are none");
		talk_close(t);
		assert_false(heard(t, "DELE"));
		talk_free(&t);
	}
}

/* ---- whatever goes wrong at each step ---- */

static const char *const steps[] = {
    "greeting", "CAPA", "AUTH", "LIST", "UIDL", "RETR", "DELE", "QUIT"};

static const struct wrong wrongs[] = {
    {DROP, NULL},
    {DROP, "+O"},
    {DROP, "+OK\r\n"},
    {DROP, "+OK\r\n1 1"},
    {DROP, "+OK\r\n1 1\r\n.\r"},
    {RESET, NULL},
    {SILENT, NULL},
    {SAY, "\r\n"},
    {SAY, "-ERRX\r\n"},
    {SAY, "+OK\n"},
    {SAY, "\x80\xff\x01 \r\n"},
    {SAY, long_line},
    {FLOOD, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {FLOOD, "\r\n"},
    {DRIP, "+OK"},
};

/* All of a run, which ends early. */
static enum remote_end
run(struct talk *t)
{
	uint32_t handles[] = {1, 2};
	enum remote_end end = talk_open(t);

	if (end == REMOTE_OK)
		end = fetch(t, 2, 100000);
	if (end == REMOTE_OK)
		end = remote_delete(t->r, handles, 2, NULL);
	if (end != REMOTE_OK)
		return end;
	return remote_quit(&t->r, NULL);
}

static void
check_step(const char *step, size_t i)
{
	struct rule rule = {step, wrongs[i].act, wrongs[i].text, 0, 0};
	struct talk *t = talk_wrong(REMOTE_POP3, &rule);
	enum remote_end end;

	end = run(t);
	/* A QUIT that was answered is one. */
	if (end != REMOTE_TEMPORARY &&
	    !(end == REMOTE_OK && strcmp(step, "QUIT") == 0 && wrongs[i].text != NULL &&
		strncmp(wrongs[i].text, "+OK\r\n", 5) == 0))
		fail_msg("%s %zu: %d\n%s", step, i, end, t->trace);
	assert_false(t->in_hand);
	for (size_t k = 0; k < t->n_ends; k++)
		if (t->ends[k].end == REMOTE_WHOLE)
			assert_string_equal(t->ends[k].text, drop[t->ends[k].handle - 1].text);
	check_secrets(t);
	talk_close(t);
	if (strcmp(step, "QUIT") != 0)
		assert_false(heard(t, "QUIT"));
	talk_free(&t);
}

static void
test_each_step(void **state)
{
	(void)state;
	fill_drop(2);
	memset(long_line, 'x', sizeof long_line - 1);
	for (size_t k = 0; k < nitems(steps); k++)
		for (size_t i = 0; i < nitems(wrongs); i++)
			check_step(steps[k], i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_body),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_long_token),
	    cmocka_unit_test(test_no_login_without_one),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_certificates),
	    cmocka_unit_test(test_downgrades),
	    cmocka_unit_test(test_capabilities_anew),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_select),
	    cmocka_unit_test(test_fetch),
	    cmocka_unit_test(test_pipelining),
	    cmocka_unit_test(test_gone_and_large),
	    cmocka_unit_test(test_endless),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_delete),
	    cmocka_unit_test(test_quit_that_fails),
	    cmocka_unit_test(test_handles),
	    cmocka_unit_test(test_each_step),
	};

	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
