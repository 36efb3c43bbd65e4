/*
 * Mail for other hosts, as router has it go: deliver, queue's parking and the clocks are the test's
 * own. For cmocka tests of router/outgoing.c; each includes it once, for it defines what takes the
 * place of libc's clock_gettime(), of common/wall_clock.c and of queue_fetch().
 */
#ifndef TESTS_UNIT_ROUTER_OUTGOING_SUPPORT_H
#define TESTS_UNIT_ROUTER_OUTGOING_SUPPORT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "common/wall_clock.h"
#include "queue/queue.h"
#include "router/outgoing.h"
#include "tests/unit/router_children_support.h"

enum { MAIL_MAX = 20000, DESTINATIONS_MAX = 64, PATIENCE_S = 120 };

static struct event_base *base;
static struct outgoing *o;
static char root[64], path[100];

/* ---- clocks ---- */

static time_t ahead_s;

/* In the place of libc's, for libevent too: what waits for time waits for the test, and a machine
 * that is busy makes no conversation a long one. */
int
clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;
	*now = (struct timespec){.tv_sec = 100000 + ahead_s};
	return 0;
}

struct wall_clock {
	wall_clock_cb cb;
	void *arg;
};

static uint64_t wall_us;
static struct wall_clock the_clock;

uint64_t
wall_clock_now(void)
{
	return wall_us;
}

struct wall_clock *
wall_clock_new(struct event_base *b, wall_clock_cb cb, void *arg)
{
	(void)b;
	the_clock = (struct wall_clock){cb, arg};
	return &the_clock;
}

void
wall_clock_free(struct wall_clock **c)
{
	*c = NULL;
}

void
wall_clock_set(struct wall_clock *c, uint64_t at_us)
{
	(void)c, (void)at_us;
}

/* A full hour of local time comes. */
static inline void
hour_comes(void)
{
	wall_us += (uint64_t)3600 * 1000000;
	the_clock.cb(the_clock.arg, false);
}

/* All that can happen without time going on. */
static inline void
settle(void)
{
	for (unsigned i = 0; i < 50; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

static inline void
advance(time_t seconds)
{
	ahead_s += seconds;
	settle();
}

static inline void
on_alarm(int number)
{
	static const char text[] = "nothing happens any more\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(1);
}

#define UNTIL(what)     \
	while (!(what)) \
	assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1)

/* ---- messages, of one recipient each, and queue that has them parked ---- */

struct mail {
	struct outgoing_job *job;
	char destination[64];
	uint32_t recipient;
	enum delivery_end end;
	bool has_end, logged;
	unsigned flags;
};

static struct mail mails[MAIL_MAX];
static size_t n_mails, n_sent, n_deferred, n_failed, n_dead, n_ends;
static char order[MAIL_MAX + 1]; /* first letters of the names of all jobs */
static size_t n_order;
static bool scheduled, fetches_wait;
static char dead_reply[REPLY_MAX_BYTES + 1];

static struct {
	char name[64];
	size_t parked, wanted;
	bool asked;
} lots[DESTINATIONS_MAX];
static size_t n_fetches;
static struct event *queue_turn;

static inline void
on_result(void *arg, const struct deliver_result *r, bool logged)
{
	struct mail *m = arg;

	assert_false(m->has_end);
	assert_int_equal(r->recipient, m->recipient);
	m->has_end = true;
	m->end = r->end;
	m->flags = r->flags;
	m->logged = logged;
	n_sent += r->end == END_DONE;
	n_deferred += r->end == END_DEFERRED;
	n_failed += r->end == END_FAILED;
}

static inline void
on_end(void *arg)
{
	struct mail *m = arg;

	assert_true(m->has_end);
	m->job = NULL;
	n_ends++;
}

static const struct outgoing_ops ops = {on_result, on_end};

static inline size_t
lot_of(const char *name)
{
	size_t i = 0;

	while (i < DESTINATIONS_MAX && lots[i].name[0] != '\0' && strcmp(lots[i].name, name) != 0)
		i++;
	assert_true(i < DESTINATIONS_MAX);
	strlcpy(lots[i].name, name, sizeof lots[i].name);
	return i;
}

static inline struct mail *
add_mail(const char *destination)
{
	struct mail *m = &mails[n_mails++];
	struct deliver_job job = {.id = 1700000000000001 + n_mails,
	    .to = {.name = span_of(strchr(destination, ':') + 1), .port = 25},
	    .recipients = &m->recipient,
	    .n = 1};

	assert_true(n_mails < MAIL_MAX);
	*m = (struct mail){.recipient = n_mails % 1000};
	strlcpy(m->destination, destination, sizeof m->destination);
	m->job = outgoing_add(o, span_of(destination), &job, STDIN_FILENO, &ops, m);
	return m;
}

static inline enum outgoing_state
look(const char *destination, bool fetched)
{
	struct span reply = {0};
	enum outgoing_state state =
	    outgoing_look(o, span_of(destination), scheduled, fetched, &reply);

	if (state == OUTGOING_DEAD)
		(void)span_copy(reply, dead_reply, sizeof dead_reply);
	return state;
}

static inline enum outgoing_state
come(const char *destination, bool fetched)
{
	enum outgoing_state state = look(destination, fetched);

	if (state == OUTGOING_READY) {
		(void)add_mail(destination);
	} else if (state == OUTGOING_BUSY) {
		lots[lot_of(destination)].parked++;
		outgoing_parked(o, span_of(destination));
	} else {
		n_dead++;
	}
	return state;
}

static inline void
come_many(const char *destination, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)come(destination, false);
}

static inline void
bring_fetched(size_t i)
{
	size_t n = lots[i].wanted < lots[i].parked ? lots[i].wanted : lots[i].parked;

	lots[i].parked -= n;
	lots[i].wanted = 0;
	lots[i].asked = false;
	while (n-- > 0)
		(void)come(lots[i].name, true);
	outgoing_left(o, span_of(lots[i].name), lots[i].parked);
}

static inline void
on_queue_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	for (size_t i = 0; i < DESTINATIONS_MAX; i++)
		if (lots[i].asked)
			bring_fetched(i);
}

/* In the place of queue's. */
void
queue_fetch(struct queue_feed *f, struct span destination, unsigned n)
{
	char name[64];
	size_t i;

	(void)f;
	assert_true(span_copy(destination, name, sizeof name));
	i = lot_of(name);
	assert_false(lots[i].asked);
	assert_true(n > 0);
	lots[i].asked = true;
	lots[i].wanted = n;
	n_fetches++;
	if (!fetches_wait)
		event_active(queue_turn, EV_TIMEOUT, 0);
}

static inline uint64_t
counter(const char *name)
{
	json_t *counters = json_object();
	uint64_t value;

	outgoing_status(o, counters);
	value = json_integer_value(json_object_get(counters, name));
	json_decref(counters);
	return value;
}

/* ---- children ---- */

static inline void
note(const struct fake_child *c)
{
	assert_true(n_order < MAIL_MAX);
	order[n_order++] = c->name[0];
}

static inline void
send_it(struct fake_child *c)
{
	note(c);
	fake_finish(c, END_DONE, "250 ok");
}

static inline void
hold_it(struct fake_child *c)
{
	note(c);
}

/* Those whose names begin with s are slow: they never end. */
static inline void
send_quick_ones(struct fake_child *c)
{
	if (c->name[0] != 's')
		send_it(c);
}

static const char *in_hand; /* Maximum Messages In Hand */

static inline struct settings *
make_settings(const char *children, const char *per_host, const char *delivery)
{
	struct settings *s = settings_new();

	settings_add(s, "mail", "Maximum MTA Routers", children);
	settings_add(s, "limits", "Maximum Messages In Hand", in_hand);
	settings_add(s, "limits", "Maximum Connections To A Host", per_host);
	settings_add(s, "timeouts", "Dead Destination", "300");
	settings_add(s, "smtpd", "Relay Delivery", delivery);
	return s;
}

static inline void
set(const char *children, const char *per_host, const char *delivery)
{
	struct settings *s = make_settings(children, per_host, delivery);

	outgoing_settings(o, s);
	settings_free(&s);
}

static inline int
setup(void **state)
{
	struct settings *s;

	(void)state;
	in_hand = "1000";
	s = make_settings("1", "20", "ondemand");
	alarm(PATIENCE_S);
	setenv("TZ", "UTC", 1);
	tzset();
	strlcpy(root, "/tmp/outgoing-test-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/deliver.sock", root);
	base = event_base_new();
	queue_turn = event_new(base, -1, 0, on_queue_turn, NULL);
	n_mails = n_sent = n_deferred = n_failed = n_dead = n_ends = n_order = n_fetches = 0;
	memset(lots, 0, sizeof lots);
	scheduled = fetches_wait = false;
	wall_us = (uint64_t)1700000000 * 1000000;
	fake_start(base, path);
	fake.on_job = send_it;
	o = outgoing_new(base, path, NULL, s);
	settings_free(&s);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_mails; i++)
		outgoing_cancel(&mails[i].job);
	outgoing_free(&o);
	outgoing_free(&o);
	fake_stop();
	event_free(queue_turn);
	event_base_free(base);
	unlink(path);
	return rmdir(root);
}

/* Everything has ended, and nothing is counted any more. */
static inline void
all_is_quiet(void)
{
	settle();
	for (size_t i = 0; i < n_mails; i++)
		assert_null(mails[i].job);
	for (size_t i = 0; i < DESTINATIONS_MAX; i++)
		assert_int_equal(lots[i].parked, 0);
	assert_int_equal(counter("conversations"), 0);
	assert_int_equal(counter("outgoing_waiting"), 0);
	assert_int_equal(counter("parked"), 0);
	/* and what is idle and not dead is forgotten */
	advance(301);
	advance(61);
	assert_int_equal(counter("destinations"), 0);
	assert_int_equal(counter("children"), 0);
	assert_int_equal(fake.n, 0);
}

/* Where the nth job of that letter was. */
static inline size_t
place_of(char letter, size_t n)
{
	for (size_t i = 0; i < n_order; i++)
		if (order[i] == letter && n-- == 0)
			return i;
	return n_order;
}

static inline size_t
longest_run(char letter, size_t end)
{
	size_t longest = 0, run = 0;

	for (size_t i = 0; i < end; i++) {
		run = order[i] == letter ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

static inline size_t
changes(void)
{
	size_t n = 0;

	for (size_t i = 1; i < n_order; i++)
		n += order[i] != order[i - 1];
	return n;
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* What never happens ends the program. */
static inline void
take_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
}

#endif
