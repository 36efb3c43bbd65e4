/*
 * What router does for messages to mailboxes, and how it answers what is asked of addresses.
 */
#include "tests/unit/router_server_support.h"

static void
send_forget(const char *name)
{
	struct writer w;

	for (struct ipc_peer *p = ipc_server_peers(store); p != NULL; p = p->next) {
		ipc_write(&w, STORE_FORGET, 0);
		put_text(&w, name);
		ipc_peer_send(p, &w, -1);
	}
}

static void
attempts(void **state)
{
	static const struct {
		const char *recipients, *report, *stored;
	} rows[] = {
	    {"ann@our.example", "0 done via=store ; finished",
		"Return-Path: <from@far.example> text: ann"},
	    {"ann@our.example Ann@our.example bob@our.example two@our.example",
		"0 done via=store ; 1 done via=store ; 2 done via=store ; 3 done via=store ; "
		"finished",
		"Return-Path: <from@far.example> text: ann bob"},
	    {"drop@our.example", "0 done via=null ; durable finished", ""},
	    {"none@our.example", "0 failed via= 550 5.1.1; durable finished", ""},
	    {"circle@our.example", "0 failed via= 550 5.4.6; durable finished", ""},
	    {"x@far.example", "0 done via=smtp:peer 250 2.0.0; durable finished", ""},
	    {"x@peer.example ann@our.example",
		"0 done via=smtp:peer 250 2.0.0; 1 done via=store ; finished",
		"Return-Path: <from@far.example> text: ann"},
	    {"full@our.example", "0 deferred via=store 452 4.2.2; durable finished",
		"Return-Path: <from@far.example> text: full"},
	    {"gone@our.example", "0 failed via=store 550 5.1.1; durable finished",
		"Return-Path: <from@far.example> text: gone"},
	    {"fulls@our.example", "0 deferred via=store 452 4.2.2; durable finished",
		"Return-Path: <from@far.example> text: full1 full2"},
	    /* some of them were reached: the others go on alone */
	    {"partly@our.example", "0 into full@our.example gone@our.example; finished",
		"Return-Path: <from@far.example> text: ann full bob gone"},
	    {"bad@our.example", "0 into full@our.example gone@our.example; durable finished",
		"Return-Path: <from@far.example> text: full gone"},
	    {"away@our.example", "0 into far@far.example; finished",
		"Return-Path: <from@far.example> text: ann"},
	    {"faronly@our.example bob@our.example",
		"0 into far@far.example; 1 done via=store ; finished",
		"Return-Path: <from@far.example> text: bob"},
	    {"ghosts@our.example", "0 done via=store ; finished",
		"Return-Path: <from@far.example> text: ann"},
	    /* what store cannot see is tried */
	    {"what@our.example", "0 done via=store ; finished",
		"Return-Path: <from@far.example> text: what"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		attempt(first_id + i, rows[i].recipients);
		if (strcmp(reported, rows[i].report) != 0 || strcmp(stored, rows[i].stored) != 0)
			fail_msg(
			    "%s: reported %s, stored %s", rows[i].recipients, reported, stored);
	}
}

static void
long_lists_go_in_portions(void **state)
{
	(void)state;
	assert_string_equal(attempt(first_id, "all@our.example"), "0 done via=store ; finished");
	assert_int_equal(n_delivers, 3);
	assert_int_equal(n_lookups, 1200);
	attempt(first_id + 1, "all@our.example");
	assert_int_equal(n_lookups, 1200);
	send_forget("u7");
	attempt(first_id + 2, "all@our.example");
	assert_int_equal(n_lookups, 1201);
	send_forget("");
	attempt(first_id + 3, "all@our.example");
	assert_int_equal(n_lookups, 2401);
}

/* Not a spool file, another message's, one cut short: the attempt ends without a result. */
static void
unreadable_files(void **state)
{
	int fds[] = {open("/dev/null", O_RDONLY), open(root, O_TMPFILE | O_RDWR, 0600),
	    spool_file(first_id + 77, "ann@our.example"), spool_file(first_id, "ann@our.example")};

	(void)state;
	assert_int_equal(ftruncate(fds[3], 60), 0);
	for (size_t i = 0; i < nitems(fds); i++) {
		expect_end();
		send_due_of(first_id, "", fds[i]);
		assert_string_equal(wait_end(), "durable finished");
	}
	assert_int_equal(n_delivers, 0);
}

/* Queue goes away while store is asked: all is forgotten, and comes again. */
static void
queue_is_lost(void **state)
{
	(void)state;
	store_is_silent = true;
	send_due(first_id, "ann@our.example");
	until(n_lookups > 0);
	restart_queue();
	restart_store();
	assert_string_equal(attempt(first_id, "ann@our.example"), "0 done via=store ; finished");
}

/* Store dies with a DELIVER: its successor gets it again. */
static void
store_is_lost(void **state)
{
	(void)state;
	attempt(first_id, "ann@our.example");
	store_is_silent = true;
	send_due(first_id + 1, "ann@our.example");
	until(n_delivers != 1);
	expect_end();
	restart_store();
	assert_string_equal(wait_end(), "0 done via=store ; finished");
	assert_int_equal(n_delivers, 3);
}

static void
drains(void **state)
{
	(void)state;
	reload(make_settings("7", "ondemand", ""));
	until(window == 7);
	store_is_silent = true;
	attempt(first_id, "x@far.example");
	send_due(first_id, "ann@our.example");
	until(router->n_attempts > 0);
	drain();
	until(window == 0);
	assert_false(idle);
	restart_store();
	until(idle);
}

/* ---- ASK ---- */

static enum router_verdict verdict;
static uint64_t targets, room_told;
static bool answered;

static void
on_answer(void *arg, enum router_verdict v, uint64_t n, uint64_t bytes, struct span text)
{
	(void)arg, (void)text;
	verdict = v;
	targets = n;
	room_told = bytes;
	answered = true;
}

static enum router_verdict
ask(const char *recipient, uint64_t size)
{
	answered = false;
	router_ask(smtpd, span_of("a@b.example"), span_of(recipient), size, on_answer, NULL);
	until(answered);
	return verdict;
}

static enum router_standing standing;

static void
on_standing(void *arg, enum router_standing s)
{
	(void)arg;
	standing = s;
	answered = true;
}

static enum router_standing
sender(const char *address, const char *user)
{
	answered = false;
	router_sender(smtpd, span_of(address), span_of(user), on_standing, NULL);
	until(answered);
	return standing;
}

static void
senders(void **state)
{
	(void)state;
	n_lookups = 0;
	assert_int_equal(sender("ann@our.example", "ann"), ROUTER_OWN);
	assert_int_equal(sender("two@our.example", "bob"), ROUTER_OWN);
	assert_int_equal(sender("ann@our.example", "bob"), ROUTER_FOREIGN);
	assert_int_equal(sender("away@our.example", "ann"), ROUTER_FOREIGN);
	assert_int_equal(sender("away@our.example", ""), ROUTER_OWN);
	assert_int_equal(n_lookups, 0); /* store is not asked for users, aliases and forwards */
	assert_int_equal(sender("ann@our.example", ""), ROUTER_OWN);
	assert_int_equal(sender("full@our.example", ""), ROUTER_OWN);
	assert_int_equal(sender("ann+x@our.example", ""), ROUTER_OWN);
	assert_int_equal(sender("none@our.example", ""), ROUTER_FOREIGN);
	assert_int_equal(sender("what@our.example", ""), ROUTER_STANDING_LATER);
	assert_int_equal(sender("ann@far.example", ""), ROUTER_FOREIGN);
	assert_int_equal(sender("", ""), ROUTER_FOREIGN);
}

static enum router_step last_step;

static void
on_explained(void *arg, const struct router_explanation *e)
{
	static const char words[] = "@afmUu0rplw.";
	char *out = arg;

	assert_true(e->n_hops > 0);
	last_step = e->hops[e->n_hops - 1].step;
	verdict = e->verdict;
	targets = e->targets;
	for (size_t i = 0; i < e->n_hops && i < 12; i++) {
		const struct router_hop *h = &e->hops[i];

		add(out, "%u%c %.*s", h->depth, words[h->step], (int)h->name.len, h->name.at);
		add(out, h->route.len ? "=%.*s; " : "; ", (int)h->route.len, h->route.at);
	}
	targets = e->n_hops;
	answered = true;
}

static void
explanations(void **state)
{
	static const struct {
		const char *recipient, *way;
		enum router_verdict verdict;
	} rows[] = {
	    {"ann@our.example", "0@ ann@our.example; 0m ann=mailbox ann; ", ROUTER_LOCAL},
	    {"two@our.example",
		"0@ two@our.example; 0a two; 1m ann=mailbox ann; 1m bob=mailbox bob; ",
		ROUTER_LOCAL},
	    {"away@our.example",
		"0@ away@our.example; 0f away; 1r far@far.example=relay to MX of far.example, port "
		"25, TLS dane, else may; "
		"1m ann=mailbox ann; ",
		ROUTER_LOCAL},
	    {"faronly@our.example",
		"0@ faronly@our.example; 0f faronly; "
		"1r far@far.example=relay to MX of far.example, port 25, TLS dane, else may; ",
		ROUTER_AWAY},
	    {"drop@our.example", "0@ drop@our.example; 0a drop; 10 null=dropped; ", ROUTER_LOCAL},
	    {"x@lost.example",
		"0@ x@lost.example; 0r x@lost.example=nowhere: [routes] says smart host and there "
		"is no SMTP Server; ",
		ROUTER_NOWHERE},
	    {"circle@our.example",
		"0@ circle@our.example; 0a circle; 1a circle2; 2a circle; 2l circle; ",
		ROUTER_LOOP},
	    {"none@our.example", "0@ none@our.example; 0u none; ", ROUTER_UNKNOWN},
	    {"what@our.example", "0@ what@our.example; 0w what; ", ROUTER_LATER},
	    {"x@peer.example",
		"0@ x@peer.example; 0p x@peer.example=relay to MX of peer.example, port 25, TLS "
		"dane, else may; ",
		ROUTER_RELAY},
	    {"x@[192.0.2.1]",
		"0@ x@[192.0.2.1]; 0r x@[192.0.2.1]=relay to [192.0.2.1], port 25, TLS may; ",
		ROUTER_REMOTE},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char way[sizeof reported] = "";

		answered = false;
		router_explain(smtpd, span_of(rows[i].recipient), on_explained, way);
		until(answered);
		assert_string_equal(way, rows[i].way);
		assert_int_equal(verdict, rows[i].verdict);
	}
}

/* What does not fit a message is cut, and says so. */
static void
long_explanation(void **state)
{
	static const char *const recipients[] = {"all@our.example", "wide@our.example"};
	char way[sizeof reported] = "";

	(void)state;
	for (size_t i = 0; i < nitems(recipients); i++) {
		answered = false;
		router_explain(smtpd, span_of(recipients[i]), on_explained, way);
		until(answered);
		assert_int_equal(verdict, i == 0 ? ROUTER_LOCAL : ROUTER_AWAY);
		assert_int_equal(last_step, i == 0 ? STEP_MAILBOX : STEP_CUT);
		assert_true(i == 0 ? targets == 1202 : targets > 100 && targets < 400);
	}
}

static void
asks(void **state)
{
	static const struct {
		const char *recipient;
		uint64_t size;
		enum router_verdict verdict;
		uint64_t targets, room;
	} rows[] = {
	    {"ann@our.example", 0, ROUTER_LOCAL, 1, 500},
	    {"ann@our.example", 500, ROUTER_LOCAL, 1, 500},
	    {"ann@our.example", 501, ROUTER_FULL, 1, 0},
	    {"ann@our.example", 1000, ROUTER_FULL, 1, 0},
	    {"ann@our.example", 1001, ROUTER_TOO_BIG, 1, 0},
	    {"full@our.example", 0, ROUTER_FULL, 1, 0},
	    {"fulls@our.example", 10, ROUTER_FULL, 2, 0},
	    {"partly@our.example", 10, ROUTER_LOCAL, 4, 500},
	    {"none@our.example", 0, ROUTER_UNKNOWN, 0, ROUTER_NO_LIMIT},
	    {"ghosts@our.example", 0, ROUTER_LOCAL, 1, 500},
	    {"drop@our.example", 0, ROUTER_LOCAL, 0, ROUTER_NO_LIMIT},
	    {"drop@our.example", 5000, ROUTER_LOCAL, 0, ROUTER_NO_LIMIT},
	    {"all@our.example", 0, ROUTER_LOCAL, 1200, 500},
	    {"faronly@our.example", 5000, ROUTER_AWAY, 1, ROUTER_NO_LIMIT},
	    {"x@far.example", 5000, ROUTER_REMOTE, 1, ROUTER_NO_LIMIT},
	    {"x@peer.example", 0, ROUTER_RELAY, 1, ROUTER_NO_LIMIT},
	    {"x@lost.example", 0, ROUTER_NOWHERE, 1, ROUTER_NO_LIMIT},
	    {"lost@our.example", 0, ROUTER_NOWHERE, 2, ROUTER_NO_LIMIT},
	    {"half@our.example", 0, ROUTER_AWAY, 2, ROUTER_NO_LIMIT},
	    {"circle@our.example", 0, ROUTER_LOOP, 0, 0},
	    {"what@our.example", 0, ROUTER_LATER, 0, 0},
	    {"", 0, ROUTER_UNKNOWN, 0, ROUTER_NO_LIMIT},
	};

	(void)state;
	room = 500;
	limit = 1000;
	for (size_t i = 0; i < nitems(rows); i++) {
		enum router_verdict v = ask(rows[i].recipient, rows[i].size);

		if (v != rows[i].verdict || targets != rows[i].targets || room_told != rows[i].room)
			fail_msg("%s: %d targets=%d room=%lld", rows[i].recipient, v, (int)targets,
			    (long long)room_told);
	}
}

/* A refusal is never older than the question; a yes may be remembered. */
static void
refusals_are_confirmed(void **state)
{
	(void)state;
	room = 100;
	limit = 1000;
	assert_int_equal(ask("ann@our.example", 200), ROUTER_FULL);
	room = 300;
	assert_int_equal(ask("ann@our.example", 200), ROUTER_LOCAL);
	n_lookups = 0;
	assert_int_equal(ask("ann@our.example", 200), ROUTER_LOCAL);
	assert_int_equal(n_lookups, 0);
}

static void
asks_are_forgotten_with_their_peer(void **state)
{
	(void)state;
	store_is_silent = true;
	router_ask(smtpd, span_of(""), span_of("ann@our.example"), 0, on_answer, NULL);
	until(router->n_asks > 0);
	router_client_free(&smtpd);
	until(router->n_asks == 0);
}

/* router ends a connection that said something malformed. */
static void
must_be_closed(int fd)
{
	static unsigned char buf[IPC_MESSAGE_MAX_BYTES];
	struct reader r;
	uint32_t type;
	uint64_t tag;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	until(ipc_receive_now(fd, buf, &type, &tag, &r) == 0 || errno != EAGAIN);
	assert_int_equal(ipc_receive_now(fd, buf, &type, &tag, &r), 0);
	close(fd);
}

/* A connection of its own, on which the greeting was said. */
static int
connect_as(const char *program)
{
	int fd = ipc_connect(path_of("router.sock"));
	struct writer w;

	ipc_write(&w, 0, 0);
	put_text(&w, program);
	assert_int_equal(ipc_send_now(fd, &w, -1), 0);
	return fd;
}

static void
malformed_questions(void **state)
{
	static const struct {
		uint32_t type;
		size_t address, user; /* lengths */
		bool more;
	} rows[] = {
	    {ROUTER_SENDER, ADDRESS_TEXT_SIZE, 3, false},
	    {ROUTER_SENDER, 3, ROUTER_USER_MAX_BYTES + 1, false},
	    {ROUTER_SENDER, 3, 3, true},
	    {ROUTER_EXPLAIN, ADDRESS_TEXT_SIZE, 0, false},
	    {ROUTER_EXPLAIN, 3, 0, true},
	};
	char longest[ADDRESS_TEXT_SIZE];

	(void)state;
	memset(longest, 'a', sizeof longest);
	for (size_t i = 0; i < nitems(rows); i++) {
		int fd = connect_as("smtpd");
		struct writer w;

		ipc_write(&w, rows[i].type, 1);
		put_str(&w, (struct span){longest, rows[i].address});
		if (rows[i].type == ROUTER_SENDER)
			put_str(&w, (struct span){longest, rows[i].user});
		if (rows[i].more)
			put_u64(&w, 0);
		assert_int_equal(ipc_send_now(fd, &w, -1), 0);
		must_be_closed(fd);
	}
}

static void
malformed_asks(void **state)
{
	char longest[2000];

	(void)state;
	memset(longest, 'x', sizeof longest);
	for (size_t i = 0; i < 4; i++) {
		int fd = connect_as(i == 3 ? "pop3d" : "smtpd");
		struct writer w;

		ipc_write(&w, ROUTER_ASK, 1);
		put_text(&w, "");
		put_str(&w, (struct span){longest, i == 0 ? ADDRESS_TEXT_SIZE : 3});
		if (i != 1)
			put_u64(&w, 0);
		if (i == 2)
			put_u64(&w, 0);
		assert_int_equal(ipc_send_now(fd, &w, -1), 0);
		must_be_closed(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(attempts),
	    WITH(long_lists_go_in_portions),
	    WITH(unreadable_files),
	    WITH(queue_is_lost),
	    WITH(store_is_lost),
	    WITH(drains),
	    WITH(asks),
	    WITH(senders),
	    WITH(explanations),
	    WITH(long_explanation),
	    WITH(refusals_are_confirmed),
	    WITH(asks_are_forgotten_with_their_peer),
	    WITH(malformed_asks),
	    WITH(malformed_questions),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
