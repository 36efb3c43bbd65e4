/*
 * IMAP: from the greeting to LOGOUT, with servers that behave and servers that do not. What they
 * say, as tokens: fetcher_imap_reader_test.c.
 */
#include "fetcher_imap_support.h"
#include "fetcher_protocol_support.h"

static void
fill_box(size_t n)
{
	static char texts[nitems(box)][60];

	n_box = n;
	uid_late = false;
	for (size_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof texts[i], "Subject: %zu\r\n\r\n.text)\r\n", i + 1);
		box[i].uid = (i + 1) * 10;
		box[i].text = texts[i];
		box[i].marked = false;
	}
}

/* ---- opening ---- */

static const struct opening opens[] = {
    {CAPA_ALL, {0}, false, REMOTE_OK, "PLAIN", NULL},
    {"IMAP4rev2 AUTH=PLAIN", {0}, false, REMOTE_OK, "PLAIN", NULL},
    {"IMAP4rev1 AUTH=PLAIN", {0}, false, REMOTE_OK, "PLAIN", NULL},
    {"IMAP4rev1 AUTH=LOGIN", {0}, false, REMOTE_OK, "LOGIN", NULL},
    {"IMAP4rev1", {0}, false, REMOTE_OK, "LOGIN", NULL},
    {"IMAP4rev1 LOGINDISABLED", {0}, false, REMOTE_PERMANENT, NULL, "no mechanism"},
    {"IMAP2", {0}, false, REMOTE_PERMANENT, NULL, "IMAP4rev1"},
    {CAPA_ALL, {0}, true, REMOTE_OK, "XOAUTH2", NULL},
    {"IMAP4rev1 AUTH=XOAUTH2 AUTH=OAUTHBEARER", {0}, true, REMOTE_OK, "OAUTHBEARER", NULL},
    {"IMAP4rev1 AUTH=PLAIN", {0}, true, REMOTE_PERMANENT, NULL, "OAuth"},
    {CAPA_ALL, {"AUTHENTICATE", SAY, "+ eyJzdGF0dXMiOiI0MDEifQ==\r\na2 NO no\r\n", 0, 0}, true,
	REMOTE_LOGIN_REFUSED, NULL, "no"},
    {CAPA_ALL, {"AUTHENTICATE", SAY, "a2 NO [AUTHENTICATIONFAILED] no\r\n", 0, 0}, false,
	REMOTE_LOGIN_REFUSED, NULL, "AUTHENTICATIONFAILED"},
    {CAPA_ALL, {"AUTHENTICATE", SAY, "a2 NO [UNAVAILABLE] x\r\n", 0, 0}, false, REMOTE_TEMPORARY,
	NULL, "now"},
    {CAPA_ALL, {"AUTHENTICATE", SAY, "a2 BAD what\r\n", 0, 0}, false, REMOTE_PERMANENT, NULL,
	"what"},
    {CAPA_ALL, {"AUTHENTICATE", SAY, "* BYE too many\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL,
	"too many"},
    {CAPA_ALL, {"AUTHENTICATE", SAY, "a3 OK\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL,
	"no response"},
    {"IMAP4rev1", {"LOGIN", SAY, "a2 NO [PRIVACYREQUIRED] x\r\n", 0, 0}, false, REMOTE_PERMANENT,
	NULL, "PRIVACY"},
    {"IMAP4rev1", {"LOGIN", SAY, "a2 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n", 0, 0}, false,
	REMOTE_OK, "LOGIN", NULL},
    {CAPA_ALL, {"greeting", SAY, "* OK [CAPABILITY IMAP4rev1] x\r\n", 0, 0}, false, REMOTE_OK,
	"LOGIN", NULL},
    {CAPA_ALL, {"greeting", SAY, "* PREAUTH in\r\n", 0, 0}, false, REMOTE_PERMANENT, NULL,
	"already"},
    {CAPA_ALL, {"greeting", SAY, "* BYE no\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "BYE"},
    {CAPA_ALL, {"greeting", SAY, "* NO no\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL, "greet"},
    {CAPA_ALL, {"greeting", SAY, "+OK POP3\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL,
	"it speaks POP3"},
    {CAPA_ALL, {"greeting", SAY, "* OK\r\na1 OK\r\n", 0, 0}, false, REMOTE_TEMPORARY, NULL,
	"more than"},
};

static void
test_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(opens); i++)
		check_opening(REMOTE_IMAP, &opens[i], i);
}

static void
test_login_with_odd_password(void **state)
{
	struct talk *t = talk_new(REMOTE_IMAP, "IMAP4rev1", NULL, 0);

	(void)state;
	t->target.password = "s3cret \"\\";
	check_open(t);
	check_secrets(t);
	talk_close(t);
	assert_true(heard(t, "LOGIN \"" USER "\" \"s3cret \\\"\\\\\"\r\n"));
	talk_free(&t);
	t = talk_new(REMOTE_IMAP, "IMAP4rev1", NULL, 0);
	t->target.password = "s3cret\xc3\xbc";
	check_open(t);
	check_secrets(t);
	talk_close(t);
	assert_true(heard(t, "LOGIN {17}\r\n" USER " {8}\r\ns3cret\xc3\xbc\r\n"));
	talk_free(&t);
}

static void
test_info(void **state)
{
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);

	(void)state;
	check_open(t);
	assert_string_equal(remote_info(t->r)->software, "Test 1.0");
	assert_true(remote_info(t->r)->can_wait && remote_info(t->r)->can_move);
	check_end(remote_quit(&t->r, NULL), REMOTE_OK, t, NULL);
	talk_close(t);
	assert_true(heard(t, "LOGOUT\r\n"));
	talk_free(&t);
}

static const struct downgrade downgrades[] = {
    {"IMAP4rev1 AUTH=PLAIN", {0}, REMOTE_PERMANENT},
    {CAPA_ALL, {"STARTTLS", SAY, "a2 NO no\r\n", 0, 0}, REMOTE_PERMANENT},
    {CAPA_ALL, {"STARTTLS", SAY, "a2 OK go\r\n* OK in\r\n", 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"STARTTLS", SAY, "+ go\r\n", 0, 0}, REMOTE_PERMANENT},
    {CAPA_ALL, {"STARTTLS", DROP, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"STARTTLS", SILENT, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"tls", DROP, NULL, 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"tls", SAY, "* OK in clear\r\n", 0, 0}, REMOTE_TEMPORARY},
    {CAPA_ALL, {"greeting", SAY, "* PREAUTH in\r\n", 0, 0}, REMOTE_PERMANENT},
    {CAPA_ALL, {"greeting", SAY, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] x\r\n", 0, 0},
	REMOTE_PERMANENT},
};

static void
test_downgrades(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(downgrades); i++) {
		struct talk *t = talk_downgraded(REMOTE_IMAP, &downgrades[i], i);

		assert_false(heard(t, "AUTHENTICATE") || heard(t, "LOGIN"));
		talk_free(&t);
	}
}

static void
test_tls(void **state)
{
	static const struct {
		const struct identity *id;
		enum remote_end end;
	} cases[] = {{&good, REMOTE_OK}, {&other, REMOTE_PERMANENT}, {&expired, REMOTE_PERMANENT},
	    {&self, REMOTE_PERMANENT}};
	static const enum remote_tls ways[] = {REMOTE_TLS_START, REMOTE_TLS_IMPLICIT};

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++)
		for (size_t k = 0; k < nitems(ways); k++) {
			struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);

			talk_tls(t, ways[k], cases[i].id);
			check_end(talk_open(t), cases[i].end, t, NULL);
			talk_close(t);
			assert_true(heard(t, "AUTHENTICATE") == (cases[i].end == REMOTE_OK));
			talk_free(&t);
		}
}

/* ---- folders ---- */

static void
on_folder(void *arg, const char *name)
{
	char *out = arg;

	strlcat(out, name, 1000);
	strlcat(out, ";", 1000);
}

static void
test_folders(void **state)
{
	const char *const patterns[] = {"INBOX", "Entw\xc3\xbcrfe/%"}, *const bad[] = {"\xff"};
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);
	char got[1000] = "";

	(void)state;
	check_open(t);
	check_end(remote_folders(t->r, patterns, 2, on_folder, got), REMOTE_OK, t, NULL);
	assert_string_equal(got, "INBOX;a \"quoted\" name;literal;inbox2;");
	check_end(remote_folders(t->r, bad, 1, on_folder, got), REMOTE_NO_FOLDER, t, NULL);
	talk_close(t);
	assert_true(heard(t, "LIST \"\" \"Entw&APw-rfe/%\"\r\n"));
	talk_free(&t);
}

static void
test_select(void **state)
{
	struct rule rule = {"SELECT", SAY, "NO [NONEXISTENT] no", 0, 0};
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);
	struct remote_message m[2];
	struct remote_folder f;
	size_t n;

	(void)state;
	fill_box(5);
	check_open(t);
	check_end(remote_select(t->r, "a \"b\"", true, &f), REMOTE_OK, t, NULL);
	assert_int_equal(f.uidvalidity, 77);
	assert_int_equal(f.messages, 5);
	assert_false(f.read_only);
	check_end(remote_select(t->r, "INBOX", false, &f), REMOTE_OK, t, NULL);
	assert_true(f.read_only);
	check_end(remote_select(t->r, "a\r\nb", false, &f), REMOTE_NO_FOLDER, t, NULL);
	talk_close(t);
	assert_true(heard(t, "SELECT \"a \\\"b\\\"\"\r\n"));
	talk_free(&t);
	t = talk_new(REMOTE_IMAP, CAPA_ALL, &rule, 1);
	check_open(t);
	check_end(remote_select(t->r, "x", true, &f), REMOTE_NO_FOLDER, t, "NONEXISTENT");
	check_end(remote_list(t->r, 0, m, 2, &n), REMOTE_TEMPORARY, t, "no folder open");
	talk_close(t);
	talk_free(&t);
}

/* ---- the list ---- */

static void
test_list(void **state)
{
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);
	static struct remote_message m[REMOTE_BATCH_MAX];
	struct remote_folder f;
	uint32_t after = 0;
	size_t n, all = 0;

	(void)state;
	fill_box(2000);
	box[3].text = NULL;
	box[4].marked = true;
	check_open(t);
	check_end(remote_select(t->r, "INBOX", true, &f), REMOTE_OK, t, NULL);
	for (;;) {
		check_end(remote_list(t->r, after, m, nitems(m), &n), REMOTE_OK, t, NULL);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++) {
			char id[20];

			assert_true(m[i].handle > after && m[i].handle != 40);
			after = m[i].handle;
			snprintf(id, sizeof id, "%u", after);
			assert_string_equal(m[i].id, id);
			assert_int_equal(m[i].size, strlen(box[after / 10 - 1].text));
			assert_true(m[i].seen && m[i].deleted == (after == 50));
		}
		all += n;
	}
	assert_int_equal(all, 1999);
	/* from anywhere */
	check_end(remote_list(t->r, 19985, m, nitems(m), &n), REMOTE_OK, t, NULL);
	assert_int_equal(n, 2);
	check_end(remote_list(t->r, 20000, m, nitems(m), &n), REMOTE_OK, t, NULL);
	assert_int_equal(n, 0);
	talk_close(t);
	talk_free(&t);
}

/* Whose UIDs say nothing. */
static void
test_no_ids(void **state)
{
	static const struct rule rules[] = {{"SELECT", SAY, "* 5 EXISTS\r\na5 OK x\r\n", 0, 0},
	    {"SELECT", SAY,
		"* 5 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* NO [UIDNOTSTICKY] x\r\na5 OK x\r\n", 0,
		0}};

	(void)state;
	fill_box(5);
	for (size_t i = 0; i < nitems(rules); i++) {
		struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, &rules[i], 1);
		struct remote_message m[5];
		struct remote_folder f;
		size_t n;

		check_open(t);
		check_end(remote_select(t->r, "INBOX", true, &f), REMOTE_OK, t, NULL);
		check_end(remote_list(t->r, 0, m, 5, &n), REMOTE_OK, t, NULL);
		assert_int_equal(n, 5);
		assert_string_equal(m[0].id, "");
		talk_close(t);
		talk_free(&t);
	}
}

/* ---- messages ---- */

static enum remote_end
fetch(struct talk *t, size_t n, uint64_t max_size)
{
	uint32_t handles[REMOTE_BATCH_MAX];
	struct remote_sink sink = sink_of(t);
	struct remote_folder f;
	enum remote_end end = remote_select(t->r, "INBOX", true, &f);

	for (size_t i = 0; i < n; i++)
		handles[i] = (i + 1) * 10;
	return end != REMOTE_OK ? end : remote_fetch(t->r, handles, n, max_size, &sink);
}

static void
check_fetched(struct talk *t, size_t n)
{
	assert_int_equal(t->n_ends, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(t->ends[i].handle, (i + 1) * 10);
		if (box[i].text == NULL) {
			assert_int_equal(t->ends[i].end, REMOTE_GONE);
			continue;
		}
		assert_int_equal(t->ends[i].end, REMOTE_WHOLE);
		assert_string_equal(t->ends[i].text, box[i].text);
	}
}

static void
test_fetch(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);

		fill_box(late ? 50 : 1000);
		box[7].text = late ? NULL : box[7].text;
		uid_late = late;
		check_open(t);
		check_end(fetch(t, n_box, 0), REMOTE_OK, t, NULL);
		check_fetched(t, n_box);
		talk_close(t);
		talk_free(&t);
	}
}

static void
test_fetch_gone_and_large(void **state)
{
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);
	static char large[50001];

	(void)state;
	fill_box(5);
	memset(large, 'x', sizeof large - 1);
	box[1].text = large;
	box[2].text = "";
	box[3].text = "no end\n";
	check_open(t);
	check_end(fetch(t, 4, 1000), REMOTE_OK, t, NULL);
	assert_int_equal(t->ends[1].end, REMOTE_TOO_LARGE);
	assert_int_equal(t->ends[2].end, REMOTE_WHOLE);
	assert_string_equal(t->ends[2].text, "");
	assert_string_equal(t->ends[3].text, "no end\r\n");
	talk_close(t);
	talk_free(&t);
}

/* What a server may say to UID FETCH 10,20, which is a6. */
static const struct {
	const char *text;
	enum remote_end end;
	const char *ends; /* of both, by their numbers */
} fetches[] = {
    {"a6 OK\r\n", REMOTE_OK, "10=2 20=2 "},
    {"* 1 FETCH (UID 10 BODY[] \"a\")\r\n* 2 FETCH (UID 20 BODY[] NIL)\r\na6 OK\r\n", REMOTE_OK,
	"10=0 20=2 "},
    {"* 1 FETCH (UID 30 BODY[] \"a\")\r\na6 OK\r\n", REMOTE_OK, "10=2 20=2 "},
    {"* 1 FETCH (UID 20 BODY[] \"a\")\r\n* 1 FETCH (UID 10 BODY[] \"a\")\r\na6 OK\r\n", REMOTE_OK,
	"20=0 10=0 "},
    {"* 1 FETCH (UID 10 BODY[] \"a\")\r\n* 1 FETCH (UID 10 BODY[] \"b\")\r\na6 OK\r\n", REMOTE_OK,
	"10=0 20=2 "},
    {"* 1 FETCH (UID 10 BODY[] \"a\" BODY[] \"b\")\r\na6 OK\r\n", REMOTE_OK, "10=0 20=2 "},
    {"* 1 FETCH (UID 10 body[] \"a\" UID 20)\r\na6 OK\r\n", REMOTE_TEMPORARY, "10=3 "},
    {"* 1 FETCH (UID 10 BODY[] {5}\r\nabc", REMOTE_TEMPORARY, "10=3 "},
    {"* 1 FETCH (UID 10 BODY[] {3}\r\nabc", REMOTE_TEMPORARY, "10=3 "},
    {"* 1 FETCH (UID 10 BODY[] {3}\r\nabc\r\n", REMOTE_TEMPORARY, "10=3 "},
    {"* 1 FETCH (UID 10 BODY[] {9999999999999}\r\nabc", REMOTE_TEMPORARY, "10=3 "},
    {"* 1 FETCH (UID 10 BODY[] {-1}\r\n", REMOTE_TEMPORARY, ""},
    {"* 1 FETCH (UID 10 BODY[] {99999999999999999999}\r\n", REMOTE_TEMPORARY, ""},
    {"* 1 FETCH (UID -1 BODY[] \"a\")\r\n", REMOTE_TEMPORARY, ""},
    {"* 1 FETCH UID 10\r\n", REMOTE_TEMPORARY, ""},
    {"* 1 FETCH (((((((((((((\r\n", REMOTE_TEMPORARY, ""},
    {"* BYE no\r\n", REMOTE_TEMPORARY, ""},
    {"a6 BAD what\r\n", REMOTE_TEMPORARY, ""},
    {"a9 OK\r\n", REMOTE_TEMPORARY, ""},
    {"+ go\r\n", REMOTE_TEMPORARY, ""},
};

static void
test_fetch_responses(void **state)
{
	(void)state;
	fill_box(2);
	for (size_t i = 0; i < nitems(fetches); i++) {
		struct rule rule = {"FETCH", DROP, fetches[i].text, 0, 0};
		struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, &rule, 1);
		char got[200] = "";
		enum remote_end end;

		check_open(t);
		end = fetch(t, 2, 100000);
		for (size_t k = 0; k < t->n_ends; k++)
			snprintf(got + strlen(got), sizeof got - strlen(got), "%u=%d ",
			    t->ends[k].handle, t->ends[k].end);
		if (end != fetches[i].end || strcmp(got, fetches[i].ends) != 0)
			fail_msg("%zu: %d %s %s\n%s", i, end, got, remote_why(t->r), t->trace);
		assert_false(t->in_hand);
		talk_close(t);
		talk_free(&t);
	}
}

/* One that cannot be had does not keep the others. */
static void
test_fetch_no(void **state)
{
	struct rule rules[] = {
	    {"FETCH", SAY, "* 1 FETCH (UID 10 BODY[] \"a\")\r\na6 NO [SERVERBUG] x\r\n", 1, 0},
	    {"FETCH", SAY, "a7 NO broken\r\n", 2, 0},
	    {"FETCH", SAY, "* 3 FETCH (BODY[] \"c\" UID 30)\r\na8 OK\r\n", 3, 0}};
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, rules, 3);

	(void)state;
	fill_box(3);
	check_open(t);
	check_end(fetch(t, 3, 0), REMOTE_OK, t, "broken");
	assert_int_equal(t->n_ends, 3);
	assert_int_equal(t->ends[0].end, REMOTE_WHOLE);
	assert_int_equal(t->ends[1].end, REMOTE_GONE);
	assert_int_equal(t->ends[2].end, REMOTE_WHOLE);
	assert_string_equal(t->ends[2].text, "c\r\n");
	talk_close(t);
	talk_free(&t);
}

static void
test_stop(void **state)
{
	(void)state;
	fill_box(50);
	for (int i = 0; i < STOPS; i++) {
		struct talk *t = talk_stopping(REMOTE_IMAP, i);

		check_end(fetch(t, 50, 0), REMOTE_STOPPED, t, NULL);
		assert_int_equal(t->calls_after_stop, 0);
		talk_close(t);
		talk_free(&t);
	}
}

static void
test_header(void **state)
{
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL, NULL, 0);
	struct remote_sink sink = sink_of(t);
	struct remote_folder f;

	(void)state;
	fill_box(5);
	check_open(t);
	check_end(remote_select(t->r, "INBOX", false, &f), REMOTE_OK, t, NULL);
	check_end(remote_fetch_header(t->r, 20, 10000, &sink), REMOTE_OK, t, NULL);
	assert_string_equal(t->ends[0].text, "Subject: top\r\n\r\n");
	talk_close(t);
	assert_true(heard(t, "UID FETCH 20 (UID BODY.PEEK[HEADER])\r\n"));
	talk_free(&t);
}

/* ---- changes ---- */

static struct talk *
talk_selected(const char *offer, const struct rule *rules, size_t n, bool change)
{
	struct talk *t = talk_new(REMOTE_IMAP, offer, rules, n);
	struct remote_folder f;

	fill_box(9);
	check_open(t);
	check_end(remote_select(t->r, "INBOX", change, &f), REMOTE_OK, t, NULL);
	return t;
}

static const uint32_t three[] = {10, 20, 30};

static void
test_delete(void **state)
{
	struct talk *t = talk_selected(CAPA_ALL, NULL, 0, true);
	bool done[3];

	(void)state;
	check_end(remote_delete(t->r, three, 3, done), REMOTE_OK, t, NULL);
	assert_true(done[0] && done[1] && done[2]);
	talk_close(t);
	assert_true(heard(t, "UID STORE 10,20,30 +FLAGS.SILENT (\\Deleted)\r\n"));
	assert_true(heard(t, "UID EXPUNGE 10,20,30\r\n"));
	talk_free(&t);
}

/* What others have deleted stays. */
static void
test_delete_without_uidplus(void **state)
{
	struct talk *t = talk_selected("IMAP4rev1 AUTH=PLAIN", NULL, 0, true);
	bool done[3];

	(void)state;
	box[4].marked = box[5].marked = true;
	check_end(remote_delete(t->r, three, 3, done), REMOTE_OK, t, NULL);
	assert_true(done[0] && done[1] && done[2]);
	talk_close(t);
	assert_true(heard(t, "UID STORE 50,60 -FLAGS.SILENT (\\Deleted)\r\n"));
	assert_true(box[4].marked && box[5].marked);
	assert_false(heard(t, "UID EXPUNGE"));
	assert_true(heard(t, " EXPUNGE\r\n"));
	talk_free(&t);
}

static void
test_refused_changes(void **state)
{
	static const char *const verbs[] = {"STORE", "EXPUNGE", "MOVE"};
	bool done[3];

	(void)state;
	for (size_t i = 0; i < nitems(verbs); i++) {
		struct rule rule = {verbs[i], SAY, "NO not that", 0, 0};
		struct talk *t = talk_selected(CAPA_ALL, &rule, 1, true);

		if (i == 2)
			check_end(remote_move(t->r, three, 3, "x", done), REMOTE_OK, t, "not that");
		else
			check_end(remote_delete(t->r, three, 3, done), REMOTE_OK, t, "not that");
		assert_false(done[0] || done[1] || done[2]);
		talk_close(t);
		talk_free(&t);
	}
}

static void
test_read_only(void **state)
{
	struct talk *t = talk_selected(CAPA_ALL, NULL, 0, false);
	bool done[3];

	(void)state;
	check_end(remote_delete(t->r, three, 3, done), REMOTE_OK, t, "lets nobody");
	check_end(remote_mark_seen(t->r, three, 3, done), REMOTE_OK, t, "lets nobody");
	check_end(remote_move(t->r, three, 3, "x", done), REMOTE_OK, t, "lets nobody");
	assert_false(done[0]);
	talk_close(t);
	assert_false(heard(t, "STORE") || heard(t, "MOVE"));
	talk_free(&t);
}

static void
test_seen_and_move(void **state)
{
	struct rule rules[] = {{"MOVE", SAY, "NO [TRYCREATE] x", 1, 0}};
	struct talk *t = talk_selected(CAPA_ALL, NULL, 0, true);
	bool done[3];

	(void)state;
	check_end(remote_mark_seen(t->r, three, 3, done), REMOTE_OK, t, NULL);
	assert_true(done[2]);
	check_end(remote_move(t->r, three, 3, "Done", done), REMOTE_OK, t, NULL);
	assert_true(done[2]);
	talk_close(t);
	assert_true(heard(t, "UID STORE 10,20,30 +FLAGS.SILENT (\\Seen)\r\n"));
	assert_true(heard(t, "UID MOVE 10,20,30 \"Done\"\r\n"));
	talk_free(&t);
	/* by COPY */
	t = talk_selected("IMAP4rev1 UIDPLUS AUTH=PLAIN", NULL, 0, true);
	check_end(remote_move(t->r, three, 3, "Done", done), REMOTE_OK, t, NULL);
	assert_true(done[2]);
	talk_close(t);
	assert_true(heard(t, "UID COPY 10,20,30 \"Done\"\r\n"));
	assert_true(heard(t, "UID EXPUNGE 10,20,30\r\n"));
	talk_free(&t);
	/* in the server's spelling */
	t = talk_selected(CAPA_ALL, NULL, 0, true);
	check_end(remote_move(t->r, three, 3, "R&D Entw\xc3\xbcrfe", done), REMOTE_OK, t, NULL);
	assert_true(done[2]);
	talk_close(t);
	assert_true(heard(t, "UID MOVE 10,20,30 \"R&-D Entw&APw-rfe\"\r\n"));
	talk_free(&t);
	/* the folder is made, though it does not help here */
	t = talk_selected(CAPA_ALL, rules, 1, true);
	check_end(remote_move(t->r, three, 3, "Done", done), REMOTE_OK, t, "TRYCREATE");
	assert_false(done[2]);
	talk_close(t);
	assert_true(heard(t, "CREATE \"Done\"\r\n"));
	talk_free(&t);
}

/* ---- IDLE ---- */

static void
test_idle(void **state)
{
	static const struct {
		struct rule rule;
		enum remote_end end;
		enum remote_news news;
	} cases[] = {
	    {{"idling", SAY, "* OK still here\r\n* 10 EXISTS\r\na6 OK\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NEWS},
	    {{"idling", DROP, NULL, 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"idling", SAY, "* BYE x\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"idling", SAY, "bla\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"IDLE", SAY, "a6 NO x\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"DONE", DROP, NULL, 0, 0}, REMOTE_TEMPORARY, 0},
	};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (size_t i = 0; i < nitems(cases); i++) {
		struct talk *t = talk_selected(CAPA_ALL, &cases[i].rule, 1, true);
		enum remote_news news;

		/* DONE is said because of the time */
		check_end(remote_wait(t->r, NULL, 0, fds[0],
			      strcmp(cases[i].rule.at, "DONE") == 0 ? 1 : 60, &news),
		    cases[i].end, t, NULL);
		if (cases[i].end == REMOTE_OK)
			assert_int_equal(news, cases[i].news);
		talk_close(t);
		talk_free(&t);
	}
	close(fds[0]);
	close(fds[1]);
}

/* A server that never stops talking: fd is heard, and the time ends. */
static void
test_idle_flooded(void **state)
{
	static char block[20001];
	struct rule rule = {"idling", FLOOD, block, 0, 0};
	enum remote_news news;
	int fds[2];

	(void)state;
	for (size_t n = 0; n + 17 < sizeof block; n += 17)
		memcpy(block + n, "* OK still here\r\n", 17);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (int i = 0; i < 2; i++) {
		struct talk *t = talk_selected(CAPA_ALL, &rule, 1, true);

		talk_hurry(t);
		alarm(60);
		check_end(
		    remote_wait(t->r, NULL, 0, i == 0 ? fds[0] : -1, i == 0 ? 3600 : 1, &news),
		    REMOTE_TEMPORARY, t, "at DONE");
		alarm(0);
		talk_close(t);
		talk_free(&t);
	}
	close(fds[0]);
	close(fds[1]);
}

static void
test_idle_ends(void **state)
{
	struct talk *t = talk_selected(CAPA_ALL, NULL, 0, true);
	enum remote_news news;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	check_end(remote_wait(t->r, NULL, 0, fds[0], 1, &news), REMOTE_OK, t, NULL);
	assert_int_equal(news, REMOTE_NO_NEWS);
	assert_int_equal(write(fds[1], "x", 1), 1);
	check_end(remote_wait(t->r, NULL, 0, fds[0], 60, &news), REMOTE_OK, t, NULL);
	assert_int_equal(news, REMOTE_FD);
	/* something came with another answer: at once */
	check_end(fetch(t, 1, 0), REMOTE_OK, t, NULL);
	n_box = 10;
	check_end(fetch(t, 1, 0), REMOTE_OK, t, NULL);
	check_end(remote_wait(t->r, NULL, 0, -1, 60, &news), REMOTE_OK, t, NULL);
	assert_int_equal(news, REMOTE_NEWS);
	talk_close(t);
	talk_free(&t);
	t = talk_selected("IMAP4rev1", NULL, 0, true);
	check_end(remote_wait(t->r, NULL, 0, fds[0], 60, &news), REMOTE_OK, t, NULL);
	assert_int_equal(news, REMOTE_CANNOT_WAIT);
	talk_close(t);
	talk_free(&t);
	close(fds[0]);
	close(fds[1]);
}

/* ---- more folders than one ---- */

static const char *const watched[] = {"Archive", "inbox", "a \"b\""};

/* Each was selected: that is what it is compared with. */
static struct talk *
talk_watching(const char *offer, const struct rule *rules, size_t n)
{
	struct talk *t = talk_new(REMOTE_IMAP, offer, rules, n);
	struct remote_folder f;

	fill_box(9);
	check_open(t);
	for (size_t i = 0; i < nitems(watched); i++)
		check_end(remote_select(t->r, watched[i], true, &f), REMOTE_OK, t, NULL);
	return t;
}

static void
test_wait_by_status(void **state)
{
	static const struct {
		struct rule rule;
		enum remote_end end;
		enum remote_news news;
	} cases[] = {
	    {{"", SAY, NULL, 0, 0}, REMOTE_OK, REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "* STATUS Archive (UIDNEXT 10 MESSAGES 9)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NEWS},
	    {{"STATUS", SAY, "* STATUS \"a \\\"b\\\"\" (UIDNEXT 10)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NEWS},
	    {{"STATUS", SAY, "* STATUS {7}\r\nArchive (UIDVALIDITY 78)\r\n", 2, 0}, REMOTE_OK,
		REMOTE_NEWS},
	    {{"STATUS", SAY, "* STATUS Archive (X (a (b)) MESSAGES 9 UIDNEXT 9)\r\n", 0, 0},
		REMOTE_OK, REMOTE_NO_NEWS},
	    /* Something was deleted there. */
	    {{"STATUS", SAY, "* STATUS Archive (MESSAGES 3 UIDNEXT 9)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "* STATUS Archive ()\r\n", 0, 0}, REMOTE_OK, REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "* STATUS Archive (UIDNEXT NIL)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "* STATUS Archive (UIDNEXT 99999999999)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NO_NEWS},
	    /* Of a folder that nobody has asked for. */
	    {{"STATUS", SAY, "* STATUS Other (UIDNEXT 10)\r\n", 0, 0}, REMOTE_OK, REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "NO there is none", 0, 0}, REMOTE_OK, REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "* STATUS\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"STATUS", SAY, "* STATUS Archive\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"STATUS", SAY, "* STATUS Archive (UIDNEXT\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"STATUS", SAY, "* STATUS Archive (UIDNEXT)\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"STATUS", SAY, "* STATUS (Archive) (UIDNEXT 10)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NO_NEWS},
	    {{"STATUS", SAY, "+ go on\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    {{"STATUS", DROP, NULL, 2, 0}, REMOTE_TEMPORARY, 0},
	    {{"idling", SAY, "* 10 EXISTS\r\n", 0, 0}, REMOTE_TEMPORARY, 0},
	    /* What has come to the INBOX since it was listed. */
	    {{"SELECT", SAY_TOO, "* OK [UIDNEXT 8]\r\n", 1, 0}, REMOTE_OK, REMOTE_NO_NEWS},
	};

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++) {
		struct talk *t = talk_watching(CAPA_ALL, &cases[i].rule, 1);
		enum remote_news news;

		talk_hurry(t);
		check_end(remote_wait(t->r, watched, nitems(watched), -1, 1, &news), cases[i].end,
		    t, NULL);
		if (cases[i].end == REMOTE_OK && news != cases[i].news)
			fail_msg("case %zu", i);
		talk_close(t);
		assert_true(heard(t, "EXAMINE \"inbox\"\r\n"));
		assert_false(heard(t, "STATUS \"inbox\""));
		if (cases[i].end == REMOTE_OK && news == REMOTE_NO_NEWS)
			assert_true(
			    heard(t, "STATUS \"a \\\"b\\\"\" (MESSAGES UIDNEXT UIDVALIDITY)\r\n"));
		talk_free(&t);
	}
}

/* It came between the listing and the wait: to the folder of the IDLE, or to another one. */
static void
test_wait_misses_nothing(void **state)
{
	static const struct rule rules[] = {
	    {"SELECT", SAY,
		"* 9 EXISTS\r\n* OK [UIDVALIDITY 77] x\r\n* OK [UIDNEXT 10]\r\na8 OK x\r\n", 4, 0},
	    {"SELECT", SAY, "* 9 EXISTS\r\n* OK [UIDVALIDITY 77] x\r\na8 OK x\r\n", 4, 0},
	    {"SELECT", SAY, "* 10 EXISTS\r\n* OK [UIDVALIDITY 77] x\r\na8 OK x\r\n", 4, 0}};
	static const enum remote_news news_of[] = {REMOTE_NEWS, REMOTE_NO_NEWS, REMOTE_NEWS};

	(void)state;
	for (size_t i = 0; i < nitems(rules); i++) {
		struct talk *t = talk_watching(CAPA_ALL, &rules[i], 1);
		enum remote_news news;

		check_end(
		    remote_wait(t->r, watched, nitems(watched), -1, 1, &news), REMOTE_OK, t, NULL);
		assert_int_equal(news, news_of[i]);
		talk_close(t);
		talk_free(&t);
	}
}

static void
test_wait_by_notify(void **state)
{
	static const struct {
		struct rule rule;
		enum remote_end end;
		enum remote_news news;
		bool refused;
	} cases[] = {
	    {{"", SAY, NULL, 0, 0}, REMOTE_OK, REMOTE_NO_NEWS, false},
	    /* as it was at the start */
	    {{"NOTIFY", SAY, "* STATUS Archive (MESSAGES 9 UIDNEXT 9)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NO_NEWS, false},
	    {{"NOTIFY", SAY, "* STATUS Archive (MESSAGES 9 UIDNEXT 11)\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NEWS, false},
	    {{"NOTIFY", SAY, "NO [BADEVENT (MessageNew MessageExpunge)] x", 0, 0}, REMOTE_OK,
		REMOTE_NO_NEWS, true},
	    {{"NOTIFY", SAY, "+ x\r\n", 0, 0}, REMOTE_TEMPORARY, 0, false},
	    {{"NOTIFY", DROP, NULL, 0, 0}, REMOTE_TEMPORARY, 0, false},
	    {{"NONE", DROP, NULL, 0, 0}, REMOTE_TEMPORARY, 0, false},
	    {{"idling", SAY, "* STATUS Archive (MESSAGES 10 UIDNEXT 10)\r\na12 OK\r\n", 0, 0},
		REMOTE_OK, REMOTE_NEWS, false},
	    {{"idling", SAY, "* OK [NOTIFICATIONOVERFLOW] x\r\na12 OK\r\n", 0, 0}, REMOTE_OK,
		REMOTE_NEWS, false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++) {
		struct talk *t = talk_watching(CAPA_ALL " NOTIFY", &cases[i].rule, 1);
		enum remote_news news;

		check_end(remote_wait(t->r, watched, nitems(watched), -1, 1, &news), cases[i].end,
		    t, NULL);
		if (cases[i].end == REMOTE_OK && news != cases[i].news)
			fail_msg("case %zu", i);
		talk_close(t);
		assert_true(heard(t,
		    "NOTIFY SET STATUS (selected-delayed (MessageNew MessageExpunge)) (mailboxes "
		    "(\"Archive\" \"a \\\"b\\\"\") (MessageNew MessageExpunge))\r\n"));
		if (cases[i].end == REMOTE_OK) {
			assert_int_equal(heard(t, "NOTIFY NONE\r\n"), !cases[i].refused);
			if (news == REMOTE_NO_NEWS)
				assert_true(heard(t, "STATUS \"Archive\""));
		}
		talk_free(&t);
	}
}

/* More names than a command holds: they are asked for. */
static void
test_wait_for_too_many_to_notify(void **state)
{
	enum { MANY = 40 };
	struct talk *t = talk_new(REMOTE_IMAP, CAPA_ALL " NOTIFY", NULL, 0);
	const char *names[MANY];
	struct remote_folder f;
	enum remote_news news;

	(void)state;
	fill_box(9);
	check_open(t);
	for (size_t i = 0; i < MANY; i++) {
		names[i] = xasprintf("%0400zu", i);
		check_end(remote_select(t->r, names[i], true, &f), REMOTE_OK, t, NULL);
	}
	check_end(remote_wait(t->r, names, MANY, -1, 1, &news), REMOTE_OK, t, NULL);
	assert_int_equal(news, REMOTE_NO_NEWS);
	talk_close(t);
	assert_false(heard(t, "NOTIFY"));
	for (size_t i = 1; i < MANY; i++) {
		char command[500];

		snprintf(command, sizeof command, "STATUS \"%s\"", names[i]);
		assert_true(heard(t, command));
	}
	for (size_t i = 0; i < MANY; i++)
		free((char *)(uintptr_t)names[i]);
	talk_free(&t);
}

/* ---- whatever goes wrong at each step ---- */

static const char *const steps[] = {"greeting", "CAPABILITY", "AUTHENTICATE", "ID", "LIST",
    "SELECT", "SEARCH", "FETCH", "STORE", "EXPUNGE"};

static const struct wrong wrongs[] = {
    {DROP, NULL},
    {DROP, "* "},
    {DROP, "* OK"},
    {DROP, "* 1 FETCH (UID 10 BODY[] {100}\r\nabc"},
    {RESET, NULL},
    {SILENT, NULL},
    {SAY, "\r\n"},
    {SAY, "* OK\n"},
    {SAY, "\x80\xff\x01 \r\n"},
    {SAY, "* {3\r\n"},
    {SAY, long_line},
    {FLOOD, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {FLOOD, "((((((((((((((((((((((((((("},
    {FLOOD, "* 1 EXISTS\r\n"},
    {DRIP, "* OK x "},
};

/* All of a run, which ends early. */
static enum remote_end
run(struct talk *t)
{
	static const char *const patterns[] = {"*"};
	static char got[1000];
	uint32_t handles[] = {10, 20};
	struct remote_message m[2];
	struct remote_folder f;
	size_t n;
	enum remote_end end = talk_open(t);

	got[0] = '\0';
	if (end == REMOTE_OK)
		end = remote_folders(t->r, patterns, 1, on_folder, got);
	if (end == REMOTE_OK)
		end = remote_select(t->r, "INBOX", true, &f);
	if (end == REMOTE_OK)
		end = remote_list(t->r, 0, m, 2, &n);
	if (end == REMOTE_OK)
		end = fetch(t, 2, 100000);
	return end != REMOTE_OK ? end : remote_delete(t->r, handles, 2, NULL);
}

static void
check_step(const char *step, size_t i)
{
	struct rule rule = {step, wrongs[i].act, wrongs[i].text, 0, 0};
	struct talk *t = talk_wrong(REMOTE_IMAP, &rule);
	enum remote_end end;

	fill_box(2);
	end = run(t);
	if (end != REMOTE_TEMPORARY)
		fail_msg("%s %zu: %d\n%s", step, i, end, t->trace);
	assert_false(t->in_hand);
	for (size_t k = 0; k < t->n_ends; k++)
		if (t->ends[k].end == REMOTE_WHOLE)
			assert_string_equal(t->ends[k].text, box[t->ends[k].handle / 10 - 1].text);
	check_secrets(t);
	talk_close(t);
	talk_free(&t);
}

static void
test_each_step(void **state)
{
	(void)state;
	memset(long_line, 'x', sizeof long_line - 1);
	for (size_t k = 0; k < nitems(steps); k++)
		for (size_t i = 0; i < nitems(wrongs); i++)
			check_step(steps[k], i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_login_with_odd_password),
	    cmocka_unit_test(test_info),
	    cmocka_unit_test(test_downgrades),
	    cmocka_unit_test(test_tls),
	    cmocka_unit_test(test_folders),
	    cmocka_unit_test(test_select),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_no_ids),
	    cmocka_unit_test(test_fetch),
	    cmocka_unit_test(test_fetch_gone_and_large),
	    cmocka_unit_test(test_fetch_responses),
	    cmocka_unit_test(test_fetch_no),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_delete),
	    cmocka_unit_test(test_delete_without_uidplus),
	    cmocka_unit_test(test_refused_changes),
	    cmocka_unit_test(test_read_only),
	    cmocka_unit_test(test_seen_and_move),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_idle_flooded),
	    cmocka_unit_test(test_idle_ends),
	    cmocka_unit_test(test_wait_by_status),
	    cmocka_unit_test(test_wait_misses_nothing),
	    cmocka_unit_test(test_wait_by_notify),
	    cmocka_unit_test(test_wait_for_too_many_to_notify),
	    cmocka_unit_test(test_each_step),
	};

	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
