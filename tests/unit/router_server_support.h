/*
 * router as its peers see it: a queue, a store and a deliver of the test's own give it messages and
 * mailboxes and carry its mail, and what it reports is kept as text. For cmocka tests of router;
 * each includes it once.
 */
#ifndef TESTS_UNIT_ROUTER_SERVER_SUPPORT_H
#define TESTS_UNIT_ROUTER_SERVER_SUPPORT_H

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

/* after the ones above */
#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "queue/journal.h"
#include "router/router.h"
#include "router/server.h"
#include "store/store.h"
#include "tests/unit/router_children_support.h"
#include "tests/unit/router_tables_support.h"

enum { PATIENCE_S = 20 };
static const uint64_t first_id = 1700000000000001;

static char root[64];
static struct event_base *base;
static struct router *router;
static struct router_client *smtpd;
static struct ipc_server *queue, *store;
static struct ipc_peer *feed;
static bool store_is_silent, finished, idle;
static uint64_t window, n_lookups, n_delivers, room, limit;
static char reported[8192], stored[8192], carried[8192];
static char fetched[QUEUE_DESTINATION_MAX_BYTES + 1]; /* by the last FETCH */
static uint64_t n_fetched, n_results;
/* of the messages that follow */
static const char *reverse_path, *route_override;

/* ---- waiting ---- */

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail_msg("nothing happened for %d s", PATIENCE_S);
}

static struct event *
patience_new(void)
{
	const struct timeval patience = {PATIENCE_S, 0};
	struct event *e = event_new(base, -1, EV_TIMEOUT, on_patience, NULL);

	event_add(e, &patience);
	return e;
}

static void
turn(void)
{
	assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
}

/* Turns of the loop until the expression holds. */
#define until(expression)                                \
	do {                                             \
		struct event *patience = patience_new(); \
                                                         \
		while (!(expression))                    \
			turn();                          \
		event_free(patience);                    \
	} while (0)

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
}

static void
on_fetch(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	(void)p, (void)tag;
	get_text(r, fetched, sizeof fetched);
	n_fetched = get_u64(r);
	assert_int_equal(get_end(r), 0);
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
	ipc_write(&w, STORE_DELIVERED, tag);
	put_u64(&w, false);
	while (get_more(r)) {
		struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);

		if (strlen(stored) < 2000)
			add(stored, " %.*s", (int)name.len, name.at);
		put_u64(&w, starts(name, "full")   ? END_DEFERRED
			    : starts(name, "gone") ? END_FAILED
						   : END_DONE);
		put_u64(&w, starts(name, "away"));
		put_text(&w, starts(name, "full")   ? "452 4.2.2 mailbox full"
			     : starts(name, "gone") ? "550 5.1.1 gone"
						    : "");
	}
	assert_int_equal(get_end(r), 0);
	if (!store_is_silent)
		ipc_peer_send(p, &w, -1);
}

static const struct ipc_handler store_handlers[] = {
    {STORE_LOOKUP, ROLE_ROUTER, on_lookup},
    {STORE_DELIVER, ROLE_ROUTER, on_deliver},
};
static const struct ipc_server_ops store_ops = {
    .handlers = store_handlers, .n_handlers = nitems(store_handlers)};

/* ---- deliver: names begin with what happens there ---- */

static void
carry(struct fake_child *c)
{
	struct span name = span_of(c->name);
	const char *path = c->reverse_path;

	add(carried, "%s n=%zu%s%s; ", c->name, c->n, path[0] != '\0' ? " from=" : "", path);
	if (starts(name, "slow"))
		return; /* the test ends it */
	if (starts(name, "no"))
		fake_finish(c, END_FAILED, "550 5.1.1 nobody");
	else if (starts(name, "later"))
		fake_finish(c, END_DEFERRED, "450 4.2.0 not now");
	else if (starts(name, "dead"))
		fake_is_dead(c);
	else if (starts(name, "some")) {
		for (size_t i = 0; i < c->n; i++)
			fake_result(c, i, i % 2 ? END_FAILED : END_DONE,
			    i % 2 ? 0 : DELIVER_DSN_PASSED_ON,
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

static const struct setting_line settings_of_all[] = {
    {"mail", "Trace Router", "true"},
    {"smtpd", "Relay Domains", "peer.example"},
    {"common", "SMTP Server User", ""},
    {"common", "SMTP Server Password", ""},
    {"common", "SMTP Server TLS", "opportunistic"},
    {"common", "SMTP Server Verify", "true"},
    {"common", "SMTP Server AUTH Without TLS", "false"},
    {"smtpd", "Relay FROM User", "relay@our.example"},
    {"mail", "Maximum MTA Routers", "1"},
    {"limits", "Maximum Connections To A Host", "20"},
    {"timeouts", "Dead Destination", "5000"},
    {"routes", "isp.example", "smart host"},
    {"limits", "Maximum Alias Depth", "10"},
    {"aliases", "two", "ann bob"},
    {"aliases", "partly", "ann full bob gone"},
    {"aliases", "bad", "full gone"},
    {"aliases", "fulls", "full1 full2"},
    {"aliases", "drop", "null"},
    {"aliases", "circle", "circle2"},
    {"aliases", "circle2", "circle"},
    {"aliases", "ghosts", "none1 ann"},
    {"forward", "away", "far@far.example ann"},
    {"forward", "faronly", "far@far.example"},
    {"aliases", "lost", "x@lost.example y@lost.example"},
    {"aliases", "half", "x@lost.example far@far.example"},
    {"routes", "lost.example", "smart host"},
};

/* n targets "uNUMBER" and what follows it, for an alias. Allocated. */
static char *
many_targets(unsigned n, const char *behind)
{
	size_t size = n * (strlen(behind) + 8) + 1;
	char *all = xcalloc(1, size), *at = all;

	for (unsigned i = 0; i < n; i++)
		at += snprintf(at, all + size - at, "%su%u%s", i ? " " : "", i, behind);
	return all;
}

/* in_hand: Maximum Messages In Hand. delivery: Relay Delivery. server: SMTP Server, by which mail
 * for isp.example goes. */
static struct settings *
make_settings(const char *in_hand, const char *delivery, const char *server)
{
	struct settings *s = settings_new();
	char *all = many_targets(1200, "");
	char *wide =
	    many_targets(400, "@a-domain-that-takes-much-room.and-is-long-enough.far.example");
	const struct setting_line given[] = {{"limits", "Maximum Messages In Hand", in_hand},
	    {"smtpd", "Relay Delivery", delivery}, {"common", "SMTP Server", server},
	    {"aliases", "all", all}, {"aliases", "wide", wide}};

	settings_add_lines(s, given, nitems(given));
	settings_add_lines(s, settings_of_all, nitems(settings_of_all));
	settings_add_missing(s, tables_usual, nitems(tables_usual));
	free(all);
	free(wide);
	return s;
}

/* Takes the settings. */
static void
reload(struct settings *settings)
{
	router_settings(router, settings);
	settings_free(&settings);
}

static void
start_queue(void)
{
	feed = NULL;
	queue = ipc_server_new(base, fake_listen_at(path_of("queue.sock")), &queue_ops, NULL);
}

static void
start_store(void)
{
	store = ipc_server_new(base, fake_listen_at(path_of("store.sock")), &store_ops, NULL);
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
	reported[0] = stored[0] = carried[0] = fetched[0] = '\0';
	reverse_path = "from@far.example";
	route_override = "";
	fake_start(base, path_of("deliver.sock"));
	fake.on_job = carry;
	start_queue();
	start_store();
	router = router_new(base, fake_listen_at(path_of("router.sock")), path_of("queue.sock"),
	    path_of("store.sock"), path_of("deliver.sock"), settings);
	settings_free(&settings);
	smtpd = router_client_new(base, path_of("router.sock"), "smtpd");
	until(feed != NULL);
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
	put_u64(&w, 0);
	put_text(&w, destination);
	ipc_peer_send(feed, &w, fd);
}

static void
send_due(uint64_t id, const char *recipients)
{
	send_due_of(id, "", spool_file(id, recipients));
}

static void
expect_end(void)
{
	reported[0] = stored[0] = carried[0] = '\0';
	finished = false;
}

/* What was reported to the end of the attempt. */
static const char *
wait_end(void)
{
	until(finished);
	return reported;
}

static const char *
attempt(uint64_t id, const char *recipients)
{
	expect_end();
	send_due(id, recipients);
	return wait_end();
}

/* ---- its neighbours go and come ---- */

static void
on_idle(void *arg)
{
	(void)arg;
	idle = true;
}

static void
drain(void)
{
	idle = false;
	router_drain(router, on_idle, NULL);
}

/* Another one, which is not silent. */
static void
restart_store(void)
{
	ipc_server_free(&store);
	store_is_silent = false;
	start_store();
}

/* Another one, when router has forgotten what it was about. */
static void
restart_queue(void)
{
	ipc_server_free(&queue);
	until(router->n_attempts == 0 && fake.n == 0);
	start_queue();
	until(feed != NULL);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
