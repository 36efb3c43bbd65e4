/*
 * router as its peers see it: a queue, a store and a deliver of the test's own give it messages and
 * mailboxes and carry its mail, and what it reports is compared as text.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "queue/journal.h"
#include "router/router.h"
#include "router/server.h"
#include "router_children_support.h"
#include "store/store.h"

enum { PATIENCE_S = 20 };
static const uint64_t first_id = 1700000000000001;

static char root[64];
static struct event_base *base;
static struct router *router;
static struct router_client *smtpd;
static struct ipc_server *queue, *store;
static struct ipc_peer *feed, *delivering;
static bool waiting, store_is_silent;
static uint64_t window, n_lookups, n_delivers, room, limit;
static char reported[8192], stored[8192], carried[8192];
static char fetched[QUEUE_DESTINATION_MAX_BYTES + 1]; /* by the last FETCH */
static uint64_t n_fetched, n_results;
static bool finished;
/* of the messages that follow */
static const char *reverse_path, *route_override;

/* ---- waiting ---- */

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail_msg("nothing happened for %d s", PATIENCE_S);
}

static void
wait_here(void)
{
	const struct timeval patience = {PATIENCE_S, 0};
	struct event *e = event_new(base, -1, EV_TIMEOUT, on_patience, NULL);

	event_add(e, &patience);
	waiting = true;
	while (waiting)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	event_free(e);
}

static void
go_on(void)
{
	waiting = false;
}

static void add(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add(char *out, const char *format, ...)
{
	size_t len = strlen(out);
	va_list ap;

	va_start(ap, format);
	vsnprintf(out + len, sizeof reported - len, format, ap);
	va_end(ap);
}

/* ---- the queue ---- */

static void
on_window(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	(void)tag;
	feed = p;
	window = get_u64(r);
	assert_int_equal(get_end(r), 0);
	go_on();
}

static void
on_results(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	static const char *const ends[] = {"done", "deferred", "failed"};
	uint64_t durable;

	(void)p, (void)tag;
	get_u64(r);
	finished = get_u64(r);
	durable = get_u64(r);
	while (get_more(r)) {
		uint64_t recipient = get_u64(r), end = get_u64(r), flags = get_u64(r);
		struct span reply = get_str(r, REPLY_MAX_BYTES), route = get_str(r, 100);

		assert_true(end <= END_LAST && flags <= RESULT_FLAGS_ALL);
		n_results++;
		add(reported, "%d %s via=%.*s %.*s; ", (int)recipient, ends[end], (int)route.len,
		    route.at, reply.len < 9 ? (int)reply.len : 9, reply.at);
		if (flags != 0)
			add(reported, "flags=%d ", (int)flags);
	}
	assert_int_equal(get_end(r), 0);
	add(reported, "%s%s", durable ? "durable " : "", finished ? "finished" : "more ");
	if (finished)
		go_on();
}

static void
on_expand(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	uint64_t recipient, more;

	(void)p, (void)tag;
	get_u64(r);
	recipient = get_u64(r);
	more = get_u64(r);
	assert_int_equal(more, 0);
	add(reported, "%d into", (int)recipient);
	while (get_more(r)) {
		struct span address = get_str(r, ADDRESS_TEXT_SIZE);

		add(reported, " %.*s", (int)address.len, address.at);
	}
	assert_int_equal(get_end(r), 0);
	add(reported, "; ");
}

/* It ends the attempt. */
static void
on_park(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span destination;

	(void)p, (void)tag;
	get_u64(r);
	destination = get_str(r, QUEUE_DESTINATION_MAX_BYTES);
	assert_int_equal(get_end(r), 0);
	add(reported, "parked for %.*s", (int)destination.len, destination.at);
	finished = true;
	go_on();
}

static void
on_fetch(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	(void)p, (void)tag;
	get_text(r, fetched, sizeof fetched);
	n_fetched = get_u64(r);
	assert_int_equal(get_end(r), 0);
	go_on();
}

static const struct ipc_handler queue_handlers[] = {
    {QUEUE_WINDOW, ROLE_ROUTER, on_window},
    {QUEUE_RESULTS, ROLE_ROUTER, on_results},
    {QUEUE_EXPAND, ROLE_ROUTER, on_expand},
    {QUEUE_PARK, ROLE_ROUTER, on_park},
    {QUEUE_FETCH, ROLE_ROUTER, on_fetch},
};

static void
on_queue_close(struct ipc_peer *p)
{
	if (feed == p)
		feed = NULL;
}

static const struct ipc_server_ops queue_ops = {
    .handlers = queue_handlers, .n_handlers = nitems(queue_handlers), .on_close = on_queue_close};

/* ---- the store: names that start with "none", "full", "gone" are that ---- */

static bool
starts(struct span name, const char *with)
{
	return name.len >= strlen(with) && memcmp(name.at, with, strlen(with)) == 0;
}

static void
on_lookup(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	struct writer w;

	assert_int_equal(get_end(r), 0);
	n_lookups++;
	if (store_is_silent)
		return;
	ipc_write(&w, STORE_FOUND, tag);
	put_u64(&w, starts(name, "none")   ? STORE_NONE
		    : starts(name, "full") ? STORE_FULL
		    : starts(name, "what") ? STORE_UNCLEAR
					   : STORE_EXISTS);
	put_u64(&w, starts(name, "full") ? 0 : room);
	put_u64(&w, limit);
	ipc_peer_send(p, &w, -1);
}

static void
on_deliver(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	char text[64] = "";
	struct writer w;
	uint64_t offset, size;

	n_delivers++;
	get_u64(r);
	get_u64(r);
	offset = get_u64(r);
	size = get_u64(r);
	assert_true(size < sizeof text);
	assert_int_equal(pread(r->fd, text, size, offset), size);
	struct span path = get_str(r, 1000);
	add(stored, "%.*s %s:", (int)path.len - 2, path.at, text);
	delivering = p;
	ipc_write(&w, STORE_DELIVERED, tag);
	put_u64(&w, false);
	while (get_more(r)) {
		struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);

		if (strlen(stored) < 2000)
			add(stored, " %.*s", (int)name.len, name.at);
		put_u64(&w, starts(name, "full")   ? END_DEFERRED
			    : starts(name, "gone") ? END_FAILED
						   : END_DONE);
		put_text(&w, starts(name, "full")   ? "452 4.2.2 mailbox full"
			     : starts(name, "gone") ? "550 5.1.1 gone"
						    : "");
	}
	assert_int_equal(get_end(r), 0);
	if (!store_is_silent)
		ipc_peer_send(p, &w, -1);
	else
		go_on();
}

static const struct ipc_handler store_handlers[] = {
    {STORE_LOOKUP, ROLE_ROUTER, on_lookup},
    {STORE_DELIVER, ROLE_ROUTER, on_deliver},
};
static const struct ipc_server_ops store_ops = {
    .handlers = store_handlers, .n_handlers = nitems(store_handlers)};

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

/* ---- deliver: names begin with what happens there ---- */

static void
carry(struct fake_child *c)
{
	struct span name = span_of(c->name);
	const char *path = c->reverse_path;

	add(carried, "%s n=%zu%s%s; ", c->name, c->n, path[0] != '\0' ? " from=" : "", path);
	if (starts(name, "slow"))
		go_on(); /* the test ends it */
	else if (starts(name, "no"))
		fake_finish(c, END_FAILED, "550 5.1.1 nobody");
	else if (starts(name, "later"))
		fake_finish(c, END_DEFERRED, "450 4.2.0 not now");
	else if (starts(name, "dead"))
		fake_is_dead(c);
	else if (starts(name, "some")) {
		for (size_t i = 0; i < c->n; i++)
			fake_result(c, i, i % 2 ? END_FAILED : END_DONE, i % 2 ? 0 : DSN_PASSED_ON,
			    i % 2 ? "550 5.7.1 no" : "250 2.1.5 yes");
		fake_done(c, true, DELIVER_REACHED, "");
	} else
		fake_finish(c, END_DONE, "250 2.0.0 taken");
}

/* ---- the house ---- */

static const char *
path_of(const char *name)
{
	static char path[4][100];
	static unsigned turn;

	turn++;
	snprintf(path[turn % 4], sizeof path[0], "%s/%s", root, name);
	return path[turn % 4];
}

/* in_hand: Maximum Messages In Hand. delivery: Relay Delivery. server: SMTP Server, by which mail
 * for isp.example goes. */
static struct settings *
make_settings(const char *in_hand, const char *delivery, const char *server)
{
	struct settings *s = settings_new();
	char all[8000] = "", wide[30000] = "";

	settings_add(s, "mail", "Mail Server", "our.example");
	settings_add(s, "mail", "Trace Router", "true");
	settings_add(s, "smtpd", "Local Domains", "");
	settings_add(s, "smtpd", "Relay Domains", "peer.example");
	settings_add(s, "smtpd", "Unknown Mailbox", "");
	settings_add(s, "common", "SMTP Server", server);
	settings_add(s, "common", "SMTP Server User", "");
	settings_add(s, "common", "SMTP Server Password", "");
	settings_add(s, "common", "SMTP Server TLS", "opportunistic");
	settings_add(s, "common", "SMTP Server Verify", "true");
	settings_add(s, "common", "SMTP Server AUTH Without TLS", "false");
	settings_add(s, "smtpd", "Relay FROM User", "relay@our.example");
	settings_add(s, "smtpd", "Use MTA", "true");
	settings_add(s, "smtpd", "Relay Delivery", delivery);
	settings_add(s, "mail", "Maximum MTA Routers", "1");
	settings_add(s, "limits", "Maximum Connections To A Host", "20");
	settings_add(s, "timeouts", "Dead Destination", "5000");
	settings_add(s, "routes", "isp.example", "smart host");
	settings_add(s, "limits", "Maximum Alias Depth", "10");
	settings_add(s, "limits", "Maximum Messages In Hand", in_hand);
	settings_add(s, "aliases", "two", "ann bob");
	settings_add(s, "aliases", "partly", "ann full bob gone");
	settings_add(s, "aliases", "bad", "full gone");
	settings_add(s, "aliases", "fulls", "full1 full2");
	settings_add(s, "aliases", "drop", "null");
	settings_add(s, "aliases", "circle", "circle2");
	settings_add(s, "aliases", "circle2", "circle");
	settings_add(s, "aliases", "ghosts", "none1 ann");
	settings_add(s, "forward", "away", "far@far.example ann");
	settings_add(s, "forward", "faronly", "far@far.example");
	settings_add(s, "aliases", "lost", "x@lost.example y@lost.example");
	settings_add(s, "aliases", "half", "x@lost.example far@far.example");
	settings_add(s, "routes", "lost.example", "smart host");
	for (int i = 0; i < 1200; i++)
		snprintf(all + strlen(all), sizeof all - strlen(all), "%su%d", i ? " " : "", i);
	settings_add(s, "aliases", "all", all);
	for (int i = 0; i < 400; i++)
		snprintf(wide + strlen(wide), sizeof wide - strlen(wide),
		    "%su%d@a-domain-that-takes-much-room.and-is-long-enough.far.example",
		    i ? " " : "", i);
	settings_add(s, "aliases", "wide", wide);
	return s;
}

static int
setup(void **state)
{
	struct settings *settings = make_settings("20", "ondemand", "");

	(void)state;
	strlcpy(root, "/tmp/router-test-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	base = event_base_new();
	store_is_silent = false;
	room = limit = STORE_NO_LIMIT;
	n_lookups = n_delivers = window = 0;
	n_results = n_fetched = 0;
	feed = delivering = NULL;
	reported[0] = stored[0] = carried[0] = fetched[0] = '\0';
	reverse_path = "from@far.example";
	route_override = "";
	fake_start(base, path_of("deliver.sock"));
	fake.on_job = carry;
	queue = ipc_server_new(base, fake_listen_at(path_of("queue.sock")), &queue_ops, NULL);
	store = ipc_server_new(base, fake_listen_at(path_of("store.sock")), &store_ops, NULL);
	router = router_new(base, fake_listen_at(path_of("router.sock")), path_of("queue.sock"),
	    path_of("store.sock"), path_of("deliver.sock"), settings);
	settings_free(&settings);
	smtpd = router_client_new(base, path_of("router.sock"), "smtpd");
	while (feed == NULL)
		wait_here();
	assert_int_equal(window, 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	router_client_free(&smtpd);
	router_free(&router);
	ipc_server_free(&queue);
	ipc_server_free(&store);
	fake_stop();
	event_base_free(base);
	unlink(path_of("deliver.sock"));
	unlink(path_of("queue.sock"));
	unlink(path_of("store.sock"));
	unlink(path_of("router.sock"));
	return rmdir(root);
}

/* ---- messages ---- */

static void
write_all(int fd, const void *bytes, size_t size)
{
	assert_int_equal(write(fd, bytes, size), size);
}

/* An administrator's order, as queue appends it. */
static void
append_route(int fd)
{
	uint32_t len = strlen(route_override), head[3] = {4 + len, JOURNAL_ROUTE, 0};
	uLong sum = crc32(0, (const Bytef *)head, 8);

	sum = crc32(sum, (const Bytef *)&len, sizeof len);
	head[2] = crc32(sum, (const Bytef *)route_override, len);
	write_all(fd, head, sizeof head);
	write_all(fd, &len, sizeof len);
	write_all(fd, route_override, len);
}

/* A spool file for blank-separated recipients; "text" is its message. */
static int
spool_file(uint64_t id, const char *recipients)
{
	struct recipient *list = xcalloc(strlen(recipients) / 2 + 1, sizeof *list);
	struct span rest = span_of(recipients);
	struct envelope e = {.id = id,
	    .arrival_us = first_id,
	    .message_size = 4,
	    .reverse_path = span_of(reverse_path),
	    .program = span_of("smtpd"),
	    .recipients = list};
	int fd = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	unsigned char *bytes;
	size_t size;

	while (rest.len > 0)
		span_take(&rest, ' ', &list[e.n_recipients++].address);
	size = envelope_size(&e);
	bytes = xmalloc(size);
	envelope_encode(&e, bytes);
	write_all(fd, bytes, size);
	write_all(fd, "text", 4);
	if (route_override[0] != '\0')
		append_route(fd);
	free(bytes);
	free(list);
	return fd;
}

/* destination: that it was parked for, or "". */
static void
send_due_of(uint64_t id, const char *destination, int fd)
{
	struct writer w;

	ipc_write(&w, QUEUE_DUE, 0);
	put_u64(&w, id);
	put_u64(&w, 0);
	put_text(&w, destination);
	ipc_peer_send(feed, &w, fd);
}

static void
send_due(uint64_t id, int fd)
{
	send_due_of(id, "", fd);
}

static void
expect_end(void)
{
	reported[0] = stored[0] = carried[0] = '\0';
	finished = false;
}

static const char *
attempt(uint64_t id, const char *recipients)
{
	expect_end();
	send_due(id, spool_file(id, recipients));
	while (!finished)
		wait_here();
	return reported;
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
		reported[0] = '\0';
		finished = false;
		send_due(first_id, fds[i]);
		while (!finished)
			wait_here();
		assert_string_equal(reported, "durable finished");
	}
	assert_int_equal(n_delivers, 0);
}

/* Queue goes away while store is asked: all is forgotten, and comes again. */
static void
queue_is_lost(void **state)
{
	(void)state;
	store_is_silent = true;
	send_due(first_id, spool_file(first_id, "ann@our.example"));
	while (n_lookups == 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	ipc_server_free(&queue);
	while (router->n_attempts > 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	feed = NULL;
	queue = ipc_server_new(base, fake_listen_at(path_of("queue.sock")), &queue_ops, NULL);
	while (feed == NULL)
		wait_here();
	store_is_silent = false;
	ipc_server_free(&store);
	store = ipc_server_new(base, fake_listen_at(path_of("store.sock")), &store_ops, NULL);
	assert_string_equal(attempt(first_id, "ann@our.example"), "0 done via=store ; finished");
}

/* Store dies with a DELIVER: its successor gets it again. */
static void
store_is_lost(void **state)
{
	(void)state;
	attempt(first_id, "ann@our.example");
	store_is_silent = true;
	send_due(first_id + 1, spool_file(first_id + 1, "ann@our.example"));
	while (n_delivers == 1)
		wait_here();
	ipc_server_free(&store);
	store_is_silent = false;
	finished = false;
	reported[0] = '\0';
	store = ipc_server_new(base, fake_listen_at(path_of("store.sock")), &store_ops, NULL);
	while (!finished)
		wait_here();
	assert_string_equal(reported, "0 done via=store ; finished");
	assert_int_equal(n_delivers, 3);
}

static bool idle;

static void
on_idle(void *arg)
{
	(void)arg;
	idle = true;
	go_on();
}

static void
drains(void **state)
{
	struct settings *settings = make_settings("7", "ondemand", "");

	(void)state;
	router_settings(router, settings);
	settings_free(&settings);
	while (window != 7)
		wait_here();
	store_is_silent = true;
	attempt(first_id, "x@far.example");
	send_due(first_id, spool_file(first_id, "ann@our.example"));
	while (router->n_attempts == 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	idle = false;
	router_drain(router, on_idle, NULL);
	while (window != 0)
		wait_here();
	assert_false(idle);
	ipc_server_free(&store);
	store_is_silent = false;
	store = ipc_server_new(base, fake_listen_at(path_of("store.sock")), &store_ops, NULL);
	while (!idle)
		wait_here();
}

/* ---- other hosts ---- */

static void
remote_attempts(void **state)
{
	static const struct {
		const char *recipients, *report, *carried;
	} rows[] = {
	    {"x@far.example", "0 done via=smtp:peer 250 2.0.0; durable finished",
		"far.example n=1; "},
	    {"x@no.example", "0 failed via=smtp:peer 550 5.1.1; durable finished",
		"no.example n=1; "},
	    {"x@later.example", "0 deferred via=smtp:peer 450 4.2.0; durable finished",
		"later.example n=1; "},
	    {"x@some.example y@some.example z@some.example",
		"0 done via=smtp:peer 250 2.1.5; flags=1 1 failed via=smtp:peer 550 5.7.1; "
		"2 done via=smtp:peer 250 2.1.5; flags=1 durable finished",
		"some.example n=3; "},
	    /* destinations, each with all of its recipients, and mailboxes before them */
	    {"x@far.example ann@our.example y@no.example z@FAR.example full@our.example",
		"0 done via=smtp:peer 250 2.0.0; 1 done via=store ; "
		"2 failed via=smtp:peer 550 5.1.1; 3 done via=smtp:peer 250 2.0.0; "
		"4 deferred via=store 452 4.2.2; finished",
		"far.example n=2; no.example n=1; "},
	    {"x@[192.0.2.1]", "0 done via=smtp:peer 250 2.0.0; durable finished",
		"[192.0.2.1] n=1; "},
	    /* nowhere to go */
	    {"x@lost.example y@far.example",
		"0 failed via= 550 5.4.4; 1 done via=smtp:peer 250 2.0.0; durable finished",
		"far.example n=1; "},
	    /* dead: the second message is not tried */
	    {"x@dead.example y@dead.example",
		"0 deferred via=smtp:peer 451 4.4.1; 1 deferred via=smtp:peer 451 4.4.1; "
		"durable finished",
		"dead.example n=2; "},
	    {"x@dead.example y@far.example",
		"0 deferred via=smtp 451 4.4.1; 1 done via=smtp:peer 250 2.0.0; durable finished",
		"far.example n=1; "},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		attempt(first_id + i, rows[i].recipients);
		if (strcmp(reported, rows[i].report) != 0 || strcmp(carried, rows[i].carried) != 0)
			fail_msg(
			    "%s: reported %s, carried %s", rows[i].recipients, reported, carried);
	}
	assert_int_equal(fake.most, 1);
}

static void
many_recipients_of_one_destination(void **state)
{
	char *recipients = xcalloc(1500, 32), *at = recipients;

	(void)state;
	for (int i = 0; i < 1500; i++)
		at += sprintf(at, "%sx%d@far.example", i ? " " : "", i);
	attempt(first_id, recipients);
	assert_string_equal(carried, "far.example n=1000; far.example n=500; ");
	assert_int_equal(n_results, 1500);
	/* the host dies with the first of them: so does the second */
	n_results = 0;
	for (at = recipients; (at = strstr(at, "far.example")) != NULL; at++)
		memcpy(at, "die", 3);
	fake.on_job = fake_is_dead;
	attempt(first_id + 1, recipients);
	assert_int_equal(n_results, 1500);
	assert_int_equal(fake.n_jobs, 3);
	free(recipients);
}

static void
ordered_route(void **state)
{
	(void)state;
	route_override = "slow.example:2525";
	send_due(first_id, spool_file(first_id, "x@no.example y@lost.example ann@our.example"));
	while (fake_busy("slow.example") == NULL)
		wait_here();
	assert_int_equal(fake_busy(NULL)->kind, DELIVER_HOST);
	expect_end();
	fake_finish(fake_busy(NULL), END_DONE, "250 2.0.0 ok");
	while (!finished)
		wait_here();
	assert_string_equal(reported, "0 done via=smtp:peer 250 2.0.0; 1 done via=smtp:peer 250 "
				      "2.0.0; 2 done via=store ; finished");
}

static void
set_relay(const char *delivery, const char *server)
{
	struct settings *settings = make_settings("20", delivery, server);

	router_settings(router, settings);
	settings_free(&settings);
}

/* Relay FROM User takes the sender's place on the way to the SMTP Server, but not that of nobody.
 */
static void
relay_from_user(void **state)
{
	(void)state;
	set_relay("ondemand", "smart.example");
	attempt(first_id, "x@isp.example y@far.example");
	assert_string_equal(carried, "far.example n=1; smart.example n=1 from=relay@our.example; ");
	reverse_path = "";
	attempt(first_id + 1, "x@isp.example");
	assert_string_equal(carried, "smart.example n=1; ");
}

/* ---- parked ---- */

static void
tell_left(const char *destination, uint64_t left)
{
	struct writer w;

	ipc_write(&w, QUEUE_PARKED, 0);
	put_text(&w, destination);
	put_u64(&w, left);
	ipc_peer_send(feed, &w, -1);
}

static void
scheduled_mail_is_parked(void **state)
{
	static const char smart[] = "smart:smart.example:25";
	struct writer w;

	(void)state;
	set_relay("daily", "smart.example");
	assert_string_equal(
	    attempt(first_id, "x@isp.example"), "parked for smart:smart.example:25");
	/* with what became of the others */
	assert_string_equal(attempt(first_id + 1, "x@isp.example ann@our.example y@no.example"),
	    "1 done via=store ; 2 failed via=smtp:peer 550 5.1.1; more parked for "
	    "smart:smart.example:25");
	assert_string_equal(carried, "no.example n=1; ");
	/* a flush: it is fetched, and goes */
	ipc_write(&w, QUEUE_FLUSH, 0);
	put_text(&w, "isp.example");
	ipc_peer_send(feed, &w, -1);
	while (fetched[0] == '\0')
		wait_here();
	assert_string_equal(fetched, smart);
	assert_int_equal(n_fetched, 2);
	expect_end();
	send_due_of(first_id, smart, spool_file(first_id, "x@isp.example"));
	tell_left(smart, 1);
	while (!finished)
		wait_here();
	assert_string_equal(reported, "0 done via=smtp:peer 250 2.0.0; durable finished");
	while (n_fetched != 1)
		wait_here();
	tell_left(smart, 0);
}

/* What was parked for one destination has another that is busy. */
static void
parked_again_for_another(void **state)
{
	(void)state;
	set_relay("daily", "smart.example");
	expect_end();
	send_due_of(
	    first_id, "mx:far.example", spool_file(first_id, "x@far.example y@isp.example"));
	while (!finished)
		wait_here();
	assert_string_equal(reported,
	    "0 done via=smtp:peer 250 2.0.0; durable more parked for smart:smart.example:25");
}

/* Its time has come, and the SMTP Server is another one now. */
static void
smart_host_has_changed(void **state)
{
	(void)state;
	set_relay("daily", "smart.example");
	expect_end();
	send_due_of(first_id, "smart:old.example:25", spool_file(first_id, "x@isp.example"));
	while (!finished)
		wait_here();
	assert_string_equal(reported, "0 done via=smtp:peer 250 2.0.0; durable finished");
}

/* A hundred wait for one conversation: the next one is parked, and fetched when there is room. */
static void
busy_destination(void **state)
{
	uint64_t id = first_id;

	(void)state;
	for (; id < first_id + 101; id++)
		send_due(id, spool_file(id, "x@slow.example"));
	while (fake_busy(NULL) == NULL || router->n_attempts < 101)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_string_equal(attempt(id++, "x@slow.example ann@our.example"),
	    "1 done via=store ; more parked for mx:slow.example");
	fake.on_job = NULL;
	while (fetched[0] == '\0') {
		struct fake_child *c = fake_busy(NULL);

		if (c != NULL)
			fake_finish(c, END_DONE, "250 2.0.0 ok");
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	}
	assert_string_equal(fetched, "mx:slow.example");
	assert_int_equal(n_fetched, 1);
}

/* ---- lost on the way ---- */

static void
child_crashes(void **state)
{
	struct fake_child *c;

	(void)state;
	send_due(first_id, spool_file(first_id, "x@slow.example y@slow.example z@slow.example"));
	while ((c = fake_busy(NULL)) == NULL)
		wait_here();
	expect_end();
	fake_result(c, 1, END_DONE, 0, "250 2.0.0 ok");
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
	fake_child_end(c);
	while (!finished)
		wait_here();
	assert_string_equal(reported,
	    "0 deferred via=smtp 451 4.3.0; flags=2 1 done via=smtp:peer 250 2.0.0; "
	    "2 deferred via=smtp 451 4.3.0; flags=2 durable finished");
	assert_string_equal(
	    attempt(first_id, "x@far.example"), "0 done via=smtp:peer 250 2.0.0; durable finished");
}

/* The conversation is broken off: its message comes again, and nobody would hear of it. */
static void
queue_is_lost_during_a_conversation(void **state)
{
	(void)state;
	send_due(first_id, spool_file(first_id, "x@slow.example"));
	send_due(first_id + 1, spool_file(first_id + 1, "x@slow.example"));
	while (fake_busy(NULL) == NULL || router->n_attempts < 2)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	ipc_server_free(&queue);
	while (router->n_attempts > 0 || fake.n > 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	feed = NULL;
	queue = ipc_server_new(base, fake_listen_at(path_of("queue.sock")), &queue_ops, NULL);
	while (feed == NULL)
		wait_here();
	assert_string_equal(
	    attempt(first_id, "x@far.example"), "0 done via=smtp:peer 250 2.0.0; durable finished");
}

static void
deliver_is_missing_at_first(void **state)
{
	(void)state;
	fake_stop();
	unlink(path_of("deliver.sock"));
	expect_end();
	send_due(first_id, spool_file(first_id, "x@far.example"));
	while (router->n_attempts == 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	fake_start(base, path_of("deliver.sock"));
	fake.on_job = carry;
	while (!finished)
		wait_here();
	assert_string_equal(reported, "0 done via=smtp:peer 250 2.0.0; durable finished");
}

static void
child_retires(void **state)
{
	(void)state;
	attempt(first_id, "x@far.example");
	fake_retire(TAILQ_FIRST(&fake.children));
	while (fake.n > 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_string_equal(attempt(first_id + 1, "x@far.example"),
	    "0 done via=smtp:peer 250 2.0.0; durable finished");
}

/* What waits is parked, and with it what is fetched just now; what is under way ends. */
static void
drains_during_a_conversation(void **state)
{
	(void)state;
	send_due(first_id, spool_file(first_id, "x@slow.example"));
	send_due(first_id + 1, spool_file(first_id + 1, "x@slow.example y@lost.example"));
	while (fake_busy(NULL) == NULL || router->n_attempts < 2)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	expect_end();
	idle = false;
	router_drain(router, on_idle, NULL);
	while (!finished)
		wait_here();
	assert_string_equal(
	    reported, "1 failed via= 550 5.4.4; durable more parked for mx:slow.example");
	expect_end();
	send_due_of(first_id + 2, "mx:slow.example", spool_file(first_id + 2, "x@slow.example"));
	while (!finished)
		wait_here();
	assert_string_equal(reported, "parked for mx:slow.example");
	assert_false(idle);
	expect_end();
	fake_finish(fake_busy(NULL), END_DONE, "250 2.0.0 ok");
	while (!finished || !idle)
		wait_here();
	assert_string_equal(reported, "0 done via=smtp:peer 250 2.0.0; durable finished");
	assert_int_equal(fetched[0], '\0');
	assert_int_equal(fake.n_jobs, 1);
}

/* A reload, while store is asked, makes a remote domain ours. */
static void
domain_becomes_ours(void **state)
{
	struct settings *settings = make_settings("20", "ondemand", "");

	(void)state;
	store_is_silent = true;
	send_due(first_id, spool_file(first_id, "x@far.example what@our.example"));
	while (n_lookups == 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	for (size_t i = 0; i < settings->n; i++)
		if (strcmp(settings->items[i].key, "Local Domains") == 0) {
			free(settings->items[i].value);
			settings->items[i].value = xstrdup("far.example");
		}
	router_settings(router, settings);
	settings_free(&settings);
	expect_end();
	store_is_silent = false;
	ipc_server_free(&store);
	store = ipc_server_new(base, fake_listen_at(path_of("store.sock")), &store_ops, NULL);
	while (!finished)
		wait_here();
	assert_string_equal(reported, "0 deferred via= 451 4.3.5; 1 done via=store ; finished");
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
	go_on();
}

static enum router_verdict
ask(const char *recipient, uint64_t size)
{
	answered = false;
	router_ask(smtpd, span_of("a@b.example"), span_of(recipient), size, on_answer, NULL);
	while (!answered)
		wait_here();
	return verdict;
}

static enum router_standing standing;

static void
on_standing(void *arg, enum router_standing s)
{
	(void)arg;
	standing = s;
	answered = true;
	go_on();
}

static enum router_standing
sender(const char *address, const char *user)
{
	answered = false;
	router_sender(smtpd, span_of(address), span_of(user), on_standing, NULL);
	while (!answered)
		wait_here();
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
	go_on();
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
		while (!answered)
			wait_here();
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
		while (!answered)
			wait_here();
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
	while (router->n_asks == 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	router_client_free(&smtpd);
	while (router->n_asks > 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
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
	while (ipc_receive_now(fd, buf, &type, &tag, &r) == -1 && errno == EAGAIN)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_int_equal(ipc_receive_now(fd, buf, &type, &tag, &r), 0);
	close(fd);
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
		int fd = ipc_connect(path_of("router.sock"));
		struct writer w;

		ipc_write(&w, 0, 0);
		put_text(&w, "smtpd");
		assert_int_equal(ipc_send_now(fd, &w, -1), 0);
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
		int fd = ipc_connect(path_of("router.sock"));
		struct writer w;

		ipc_write(&w, 0, 0);
		put_text(&w, i == 3 ? "pop3d" : "smtpd");
		assert_int_equal(ipc_send_now(fd, &w, -1), 0);
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
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(attempts),
	    WITH(long_lists_go_in_portions),
	    WITH(unreadable_files),
	    WITH(queue_is_lost),
	    WITH(store_is_lost),
	    WITH(drains),
	    WITH(remote_attempts),
	    WITH(many_recipients_of_one_destination),
	    WITH(ordered_route),
	    WITH(relay_from_user),
	    WITH(scheduled_mail_is_parked),
	    WITH(parked_again_for_another),
	    WITH(smart_host_has_changed),
	    WITH(busy_destination),
	    WITH(child_crashes),
	    WITH(queue_is_lost_during_a_conversation),
	    WITH(deliver_is_missing_at_first),
	    WITH(child_retires),
	    WITH(drains_during_a_conversation),
	    WITH(domain_becomes_ours),
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
