/*
 * Mail for other hosts with many destinations: turns, limits, deaths, what is parked, and the
 * children. deliver, queue's parking and the clocks are the test's own.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/wall_clock.h"
#include "queue/queue.h"
#include "router/outgoing.h"
#include "router_children_support.h"

enum { MAIL_MAX = 20000, DESTINATIONS_MAX = 64, PATIENCE_S = 120 };

static struct event_base *base;
static struct outgoing *o;
static char root[64], path[100];

/* ---- clocks ---- */

static time_t ahead_s;

/* In the place of libc's, for libevent too: what waits for time waits for the test. */
int
clock_gettime(clockid_t id, struct timespec *now)
{
	int rv = (int)syscall(SYS_clock_gettime, id, now);

	now->tv_sec += ahead_s;
	return rv;
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
static void
hour_comes(void)
{
	wall_us += (uint64_t)3600 * 1000000;
	the_clock.cb(the_clock.arg, false);
}

/* All that can happen without time going on. */
static void
settle(void)
{
	for (unsigned i = 0; i < 50; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

static void
advance(time_t seconds)
{
	ahead_s += seconds;
	settle();
}

static void
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

static void
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

static void
on_end(void *arg)
{
	struct mail *m = arg;

	assert_true(m->has_end);
	m->job = NULL;
	n_ends++;
}

static const struct outgoing_ops ops = {on_result, on_end};

static size_t
lot_of(const char *name)
{
	size_t i = 0;

	while (i < DESTINATIONS_MAX && lots[i].name[0] != '\0' && strcmp(lots[i].name, name) != 0)
		i++;
	assert_true(i < DESTINATIONS_MAX);
	strlcpy(lots[i].name, name, sizeof lots[i].name);
	return i;
}

static struct mail *
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

static enum outgoing_state
look(const char *destination, bool fetched)
{
	struct span reply = {0};
	enum outgoing_state state =
	    outgoing_look(o, span_of(destination), scheduled, fetched, &reply);

	if (state == OUTGOING_DEAD)
		(void)span_copy(reply, dead_reply, sizeof dead_reply);
	return state;
}

static enum outgoing_state
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

static void
come_many(const char *destination, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)come(destination, false);
}

static void
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

static void
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

static uint64_t
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

static void
note(const struct fake_child *c)
{
	assert_true(n_order < MAIL_MAX);
	order[n_order++] = c->name[0];
}

static void
send_it(struct fake_child *c)
{
	note(c);
	fake_finish(c, END_DONE, "250 ok");
}

static void
hold_it(struct fake_child *c)
{
	note(c);
}

/* Those whose names begin with s are slow: they never end. */
static void
send_quick_ones(struct fake_child *c)
{
	if (c->name[0] != 's')
		send_it(c);
}

static const char *in_hand; /* Maximum Messages In Hand */

static struct settings *
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

static void
set(const char *children, const char *per_host, const char *delivery)
{
	struct settings *s = make_settings(children, per_host, delivery);

	outgoing_settings(o, s);
	settings_free(&s);
}

static int
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

static int
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
static void
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
static size_t
place_of(char letter, size_t n)
{
	for (size_t i = 0; i < n_order; i++)
		if (order[i] == letter && n-- == 0)
			return i;
	return n_order;
}

static size_t
longest_run(char letter, size_t end)
{
	size_t longest = 0, run = 0;

	for (size_t i = 0; i < end; i++) {
		run = order[i] == letter ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

static size_t
changes(void)
{
	size_t n = 0;

	for (size_t i = 1; i < n_order; i++)
		n += order[i] != order[i - 1];
	return n;
}

/* ---- turns ---- */

static void
one_child_is_shared(void **state)
{
	(void)state;
	come_many("mx:a", 1000);
	assert_true(counter("parked") > 0);
	come_many("mx:b", 1);
	come_many("mx:c", 1);
	come_many("mx:d", 120);
	UNTIL(n_sent == 1122);
	assert_int_equal(fake.most, 1);
	assert_true(place_of('b', 0) <= 50);
	assert_true(place_of('c', 0) <= 51);
	assert_true(place_of('d', 0) <= 52);
	assert_true(longest_run('a', place_of('d', 119)) <= 50);
	assert_true(longest_run('d', n_order) <= 50);
	assert_true(changes() <= 10); /* and sessions are used again */
	all_is_quiet();
}

/* A turn is not only so many jobs, but also so long. */
static void
slow_one_ends_its_turn(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 40);
	settle();
	come_many("mx:b", 1);
	ahead_s += 3;
	fake_finish(fake_busy("a"), END_DONE, "250 ok");
	settle();
	assert_int_equal(place_of('b', 0), 1);
	fake.on_job = send_it;
	fake_finish(fake_busy("b"), END_DONE, "250 ok");
	UNTIL(n_sent == 41);
	all_is_quiet();
}

/* Each has the same time, and so the quick one is through long before. */
static void
quick_one_does_not_wait(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 20);
	come_many("mx:b", 90);
	settle();
	while (n_sent < 110) {
		struct fake_child *c = fake_busy(NULL);

		if (c == NULL) {
			fail_msg("%zu of 110 are sent, and nobody is busy", (size_t)n_sent);
			return;
		}
		ahead_s += strcmp(c->name, "a") == 0;
		fake_finish(c, END_DONE, "250 ok");
		settle();
	}
	assert_in_range(place_of('b', 89), 90, 92);
	all_is_quiet();
}

static void
few_children_are_shared(void **state)
{
	(void)state;
	set("4", "20", "ondemand");
	come_many("mx:a", 100);
	UNTIL(fake.n_jobs >= 20);
	come_many("mx:a", 1000);
	come_many("mx:b", 1);
	come_many("mx:c", 200);
	UNTIL(n_sent == 1301);
	assert_true(fake.most <= 4);
	assert_true(place_of('b', 0) <= 20 + 4 * 50);
	assert_true(place_of('c', 0) <= 20 + 4 * 50);
	assert_true(place_of('c', 199) < place_of('a', 1099));
	all_is_quiet();
}

static void
many_destinations(void **state)
{
	char name[16];

	(void)state;
	set("7", "3", "ondemand");
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "mx:%u", i % 50);
		(void)come(name, false);
		if (i % 100 == 0)
			settle();
	}
	UNTIL(n_sent == 5000);
	assert_true(fake.most <= 7);
	all_is_quiet();
}

/* A child that nobody needs is taken rather than a session that has mail waiting. */
static void
children_are_used_again(void **state)
{
	(void)state;
	set("3", "20", "ondemand");
	come_many("mx:a", 1);
	settle();
	come_many("mx:a", 1);
	settle();
	come_many("mx:b", 1);
	settle();
	assert_int_equal(fake.most, 1);
	assert_int_equal(n_sent, 3);
	all_is_quiet();
}

/* Slow destinations do not take all room. */
static void
slow_ones_leave_room(void **state)
{
	char name[16];

	(void)state;
	set("200", "20", "ondemand");
	fake.on_job = send_quick_ones;
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "mx:s%u", i % 20);
		(void)come(name, false);
		settle();
	}
	assert_int_equal(fake.n_busy, 100);
	come_many("mx:quick", 500);
	UNTIL(n_sent == 500);
	/* when the slow ones end, all goes */
	fake.on_job = send_it;
	while (n_sent < 3500) {
		struct fake_child *c = fake_busy(NULL);

		if (c != NULL)
			fake_finish(c, END_DONE, "250 ok");
		settle();
	}
	all_is_quiet();
}

/* ---- limits ---- */

static void
limits_follow_success(void **state)
{
	struct fake_child *c;

	(void)state;
	set("50", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 90);
	settle();
	assert_int_equal(fake.n_busy, 5);
	for (unsigned i = 0; i < 5; i++) {
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
		settle();
	}
	assert_in_range(fake.n_busy, 5, 6);
	come_many("mx:a", 500);
	for (unsigned i = 0; i < 300; i++) {
		fake_finish(fake_busy(NULL), END_FAILED, "550 no");
		settle();
	}
	assert_int_equal(fake.n_busy, 20);
	fake_finish(fake_busy(NULL), END_DEFERRED, "451 too many");
	settle();
	assert_int_equal(fake.n_busy, 19); /* 10 may be; those that are there go on */
	for (unsigned i = 0; i < 8; i++)
		fake_finish(fake_busy(NULL), END_DEFERRED, "451 too many");
	settle();
	assert_int_equal(fake.n_busy, 11);
	while (
	    (c = fake_busy(NULL)) != NULL && counter("outgoing_waiting") + counter("parked") > 0) {
		fake_finish(c, END_DEFERRED, "451 too many");
		settle();
	}
	assert_int_equal(fake.n_busy, 1);
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	all_is_quiet();
}

/* What waits for hosts that are slow is parked before it takes the place of all else in hand. */
static void
slow_ones_do_not_fill_the_window(void **state)
{
	(void)state;
	in_hand = "40";
	set("4", "20", "ondemand");
	fake.on_job = send_quick_ones;
	come_many("mx:s1", 4);
	settle();
	come_many("mx:s1", 11);
	assert_int_equal(counter("conversations"), 4);
	assert_int_equal(counter("outgoing_waiting"), 11);
	assert_int_equal(look("mx:s1", false), OUTGOING_BUSY);
	come_many("mx:s2", 5);
	assert_int_equal(look("mx:s2", false), OUTGOING_BUSY);
	assert_int_equal(look("mx:s3", false), OUTGOING_READY); /* half of 40 are taken */
	come_many("mx:s3", 5);
	assert_int_equal(look("mx:s3", false), OUTGOING_BUSY); /* as many as it may talk to */
	assert_int_equal(counter("parked"), 0);
	in_hand = "1000";
	set("4", "20", "ondemand");
	assert_int_equal(look("mx:s1", false), OUTGOING_READY);
	fake.on_job = send_it;
	while (fake_busy(NULL) != NULL) {
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
		settle();
	}
	UNTIL(n_sent == 25);
	all_is_quiet();
}

static void
setting_limits_connections(void **state)
{
	(void)state;
	set("50", "2", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 50);
	settle();
	assert_int_equal(fake.n_busy, 2);
	set("50", "1", "ondemand");
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 50);
	all_is_quiet();
}

/* ---- death ---- */

static void
dead_destination(void **state)
{
	(void)state;
	set("10", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 400);
	come_many("mx:b", 1);
	settle();
	assert_int_equal(fake.n_busy, 6);
	assert_int_equal(counter("parked"), 300);
	fake_is_dead(fake_busy("a"));
	settle();
	/* what waited, and what was parked; the other four conversations go on */
	assert_int_equal(n_deferred, 96);
	assert_int_equal(n_dead, 300);
	assert_int_equal(fake.n_busy, 5);
	assert_int_equal(counter("destinations_dead"), 1);
	assert_int_equal(come("mx:a", false), OUTGOING_DEAD);
	assert_string_equal(dead_reply, "451 4.4.1 nobody there");
	for (unsigned i = 0; i < 4; i++)
		fake_is_dead(fake_busy("a"));
	fake_finish(fake_busy("b"), END_DONE, "250 ok");
	settle();
	advance(290);
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	advance(20);
	/* one conversation tries, and more when it has gone well */
	come_many("mx:a", 50);
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake_finish(fake_busy("a"), END_DONE, "250 ok");
	settle();
	assert_int_equal(fake.n_busy, 2);
	fake_is_dead(fake_busy("a"));
	settle();
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	fake_finish(fake_busy("a"), END_DONE, "250 ok");
	settle();
	assert_int_equal(look("mx:a", false), OUTGOING_READY);
	all_is_quiet();
}

/* An administrator has one message tried: of many, not each. */
static void
order_revives(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 1);
	settle();
	fake_is_dead(fake_busy("a"));
	settle();
	outgoing_revive(o, span_of("mx:a"));
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD); /* it has just been tried */
	advance(3);
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	outgoing_revive(o, span_of("mx:b")); /* nobody knows it */
	outgoing_revive(o, span_of("mx:a"));
	assert_int_equal(look("mx:a", false), OUTGOING_READY);
	come_many("mx:a", 5);
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake_is_dead(fake_busy("a"));
	settle();
	all_is_quiet();
}

static void
flush_revives(void **state)
{
	(void)state;
	fake.on_job = fake_is_dead;
	come_many("mx:a", 1);
	come_many("mx:b,tls=encrypt", 1);
	come_many("host:h:25", 1);
	settle();
	assert_int_equal(counter("destinations_dead"), 3);
	outgoing_flush(o, span_of("b"));
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	assert_int_equal(look("mx:b,tls=encrypt", false), OUTGOING_READY);
	assert_int_equal(look("host:h:25", false), OUTGOING_READY);
	outgoing_flush(o, span_of(""));
	assert_int_equal(counter("destinations_dead"), 0);
	all_is_quiet();
}

/* ---- what is parked ---- */

/* Parked while the fetch was under way, and not counted by queue's answer. */
static void
park_crosses_parked(void **state)
{
	size_t a = lot_of("mx:a");

	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 100);
	settle();
	assert_int_equal(counter("outgoing_waiting"), 99);
	fetches_wait = true;
	come_many("mx:a", 10);
	settle();
	assert_int_equal(lots[a].parked, 9); /* one took the place of the one under way */
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(lots[a].asked);
	assert_int_equal(lots[a].wanted, 9);
	settle();
	/* PARKED says 0, and PARK of another one comes to queue behind it */
	(void)come("mx:a", false);
	assert_int_equal(lots[a].parked, 10);
	lots[a].parked = 9;
	bring_fetched(a);
	lots[a].parked++;
	UNTIL(lots[a].asked);
	assert_int_equal(lots[a].wanted, 1);
	bring_fetched(a);
	UNTIL(n_sent == 111);
	all_is_quiet();
}

/* Counted twice: there is one fetch too many, and that is all. */
static void
park_is_counted_twice(void **state)
{
	size_t a = lot_of("mx:a");

	(void)state;
	fake.on_job = hold_it;
	fetches_wait = true;
	come_many("mx:a", 101);
	settle();
	(void)come("mx:a", false);
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(lots[a].asked);
	(void)come("mx:a", false); /* there before queue answers */
	lots[a].wanted = 1;
	bring_fetched(a);
	fetches_wait = false;
	UNTIL(n_sent == n_mails && lots[a].parked == 0);
	all_is_quiet();
	assert_true(n_fetches <= 3);
}

/* Queue has gone: nothing is parked there any more, and no answer to a FETCH will come. */
static void
queue_forgets(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	fetches_wait = true;
	come_many("mx:a", 300);
	come_many("mx:b", 300);
	settle();
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_fetches == 2);
	settle();
	memset(lots, 0, sizeof lots);
	outgoing_forget_parked(o);
	fetches_wait = false;
	settle();
	assert_int_equal(counter("parked"), 0);
	come_many("mx:a", 300);
	UNTIL(n_sent == n_mails && lots[0].parked == 0);
	assert_int_equal(n_sent, 500);
	all_is_quiet();
}

static void
drained(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 150);
	settle();
	outgoing_drain(o);
	assert_int_equal(look("mx:b", false), OUTGOING_BUSY);
	assert_int_equal(look("mx:a", true), OUTGOING_BUSY);
	for (size_t i = 0; i < n_mails; i++)
		if (outgoing_waits(mails[i].job))
			outgoing_cancel(&mails[i].job);
	assert_int_equal(counter("outgoing_waiting"), 0);
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	settle();
	assert_int_equal(n_sent, 1);
	assert_int_equal(n_fetches, 0);
	assert_int_equal(fake.n_busy, 0);
}

/* ---- Relay Delivery ---- */

static void
scheduled_mail_waits_for_its_time(void **state)
{
	(void)state;
	set("4", "20", "hourly");
	scheduled = true;
	come_many("smart:s:25", 120);
	settle();
	assert_int_equal(counter("parked"), 120);
	assert_int_equal(fake.n_jobs, 0);
	hour_comes();
	UNTIL(n_sent == 120);
	come_many("smart:s:25", 3);
	settle();
	assert_int_equal(n_sent, 120);
	/* a time at which there is nothing to send does not open the gate for later */
	hour_comes();
	UNTIL(n_sent == 123);
	hour_comes();
	come_many("smart:s:25", 3);
	settle();
	assert_int_equal(n_sent, 123);
	outgoing_flush(o, span_of(""));
	UNTIL(n_sent == 126);
	all_is_quiet();
}

/* It was found busy before the flush, and is parked behind it. */
static void
flush_reaches_what_is_on_its_way(void **state)
{
	(void)state;
	set("4", "20", "daily");
	scheduled = true;
	assert_int_equal(look("smart:s:25", false), OUTGOING_BUSY);
	outgoing_flush(o, span_of(""));
	lots[lot_of("smart:s:25")].parked++;
	outgoing_parked(o, span_of("smart:s:25"));
	UNTIL(n_sent == 1);
	all_is_quiet();
}

/* What waited in queue for its next attempt comes as due soon after the flush. */
static void
flush_brings_what_was_not_parked(void **state)
{
	(void)state;
	set("4", "20", "daily");
	scheduled = true;
	outgoing_flush(o, span_of("some.example"));
	come_many("smart:s:25", 120);
	UNTIL(n_sent == 120);
	settle();
	advance(61);
	advance(61);
	come_many("smart:s:25", 1);
	settle();
	assert_int_equal(n_sent, 120);
	outgoing_flush(o, span_of("some.example"));
	UNTIL(n_sent == 121);
	all_is_quiet();
}

static void
reload_ends_the_schedule(void **state)
{
	(void)state;
	set("4", "20", "daily");
	scheduled = true;
	come_many("smart:s:25", 60);
	settle();
	assert_int_equal(n_fetches, 0);
	scheduled = false;
	set("4", "20", "ondemand");
	UNTIL(n_sent == 60);
	all_is_quiet();
}

/* ---- children ---- */

static void
fewer_children(void **state)
{
	(void)state;
	set("4", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 3);
	come_many("mx:b", 80);
	settle();
	assert_int_equal(fake.n_busy, 4);
	set("1", "20", "ondemand");
	settle();
	assert_int_equal(fake.n_busy, 4);
	for (unsigned i = 0; i < 3; i++) {
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
		settle();
		assert_int_equal(fake.n, 3 - i);
		assert_int_equal(fake.n_busy, 3 - i);
	}
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 83);
	assert_int_equal(fake.n, 1);
	set("3", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:c", 5);
	settle();
	assert_int_equal(fake.n_busy, 3);
	fake.on_job = send_it;
	while (fake_busy(NULL) != NULL)
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 88);
	all_is_quiet();
}

static void
idle_children_go(void **state)
{
	(void)state;
	set("4", "20", "ondemand");
	come_many("mx:a", 4);
	UNTIL(n_sent == 4);
	settle();
	assert_true(fake.n > 0);
	advance(20);
	come_many("mx:b", 1);
	UNTIL(n_sent == 5);
	settle();
	advance(11);
	assert_int_equal(fake.n, 1); /* the one that had work since */
	advance(20);
	assert_int_equal(fake.n, 0);
	assert_int_equal(counter("children"), 0);
	come_many("mx:a", 1);
	UNTIL(n_sent == 6);
	all_is_quiet();
}

/* It has said what became of the recipient, but not that it is done. */
static void
crash_before_done(void **state)
{
	(void)state;
	set("2", "3", "ondemand");
	fake.on_job = hold_it;
	for (unsigned i = 0; i < 10; i++) {
		struct fake_child *c;

		(void)come("mx:a", false);
		UNTIL((c = fake_busy(NULL)) != NULL);
		fake_result(c, 0, END_DONE, 0, "250 ok");
		settle();
		fake_child_end(c);
		settle();
		assert_int_equal(n_sent, i + 1);
		assert_int_equal(n_ends, i + 1);
		assert_int_equal(counter("conversations"), 0);
	}
	all_is_quiet();
}

/* What a child had ahead waits for nobody when its destination has died meanwhile. */
static void
crash_of_a_dead_destination(void **state)
{
	struct fake_child *first, *second;

	(void)state;
	set("2", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 8);
	settle();
	first = TAILQ_FIRST(&fake.children);
	second = TAILQ_NEXT(first, entry);
	assert_true(first->busy && second->busy);
	fake_finish(first, END_DONE, "250 ok");
	settle();
	assert_non_null(first->next);
	fake_is_dead(second);
	settle();
	fake_child_end(first);
	settle();
	assert_int_equal(n_sent, 1);
	assert_int_equal(n_ends, 8);
	assert_int_equal(counter("outgoing_waiting"), 0);
	advance(400);
	all_is_quiet();
}

static void
crash_before_any_result(void **state)
{
	(void)state;
	set("2", "3", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 10);
	for (unsigned i = 0; i < 10; i++) {
		UNTIL(fake_busy(NULL) != NULL);
		fake_child_end(fake_busy(NULL));
		UNTIL(n_deferred == i + 1);
	}
	for (size_t i = 0; i < n_mails; i++)
		assert_true(!mails[i].logged && mails[i].flags == DELIVER_MAYBE_SENT);
	all_is_quiet();
}

static void
child_retires(void **state)
{
	(void)state;
	come_many("mx:a", 1);
	UNTIL(n_sent == 1);
	settle();
	fake_retire(TAILQ_FIRST(&fake.children));
	settle();
	assert_int_equal(fake.n, 0);
	fake.on_job = hold_it;
	come_many("mx:a", 2);
	settle();
	fake_retire(fake_busy(NULL));
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 3);
	assert_int_equal(fake.most, 1);
	all_is_quiet();
}

static void
socket_is_missing(void **state)
{
	(void)state;
	fake_stop();
	unlink(path);
	come_many("mx:a", 3);
	settle();
	assert_int_equal(counter("outgoing_waiting"), 3);
	assert_int_equal(counter("children"), 0);
	fake_start(base, path);
	fake.on_job = send_it;
	settle();
	assert_int_equal(n_sent, 0);
	advance(2);
	UNTIL(n_sent == 3);
	all_is_quiet();
}

/* Nobody would hear what became of it: it is broken off. */
static void
cancelled(void **state)
{
	struct mail *under_way, *waits;

	(void)state;
	fake.on_job = hold_it;
	under_way = add_mail("mx:a");
	settle();
	waits = add_mail("mx:a");
	settle();
	assert_false(outgoing_waits(under_way->job));
	assert_true(outgoing_waits(waits->job));
	outgoing_cancel(&waits->job);
	outgoing_cancel(&waits->job);
	settle();
	assert_int_equal(fake.n_busy, 1);
	outgoing_cancel(&under_way->job);
	settle();
	assert_int_equal(fake.n, 0);
	assert_int_equal(n_ends, 0);
	fake.on_job = send_it;
	come_many("mx:a", 1);
	UNTIL(n_sent == 1);
	all_is_quiet();
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(one_child_is_shared),
	    WITH(slow_one_ends_its_turn),
	    WITH(quick_one_does_not_wait),
	    WITH(few_children_are_shared),
	    WITH(many_destinations),
	    WITH(children_are_used_again),
	    WITH(slow_ones_leave_room),
	    WITH(limits_follow_success),
	    WITH(slow_ones_do_not_fill_the_window),
	    WITH(setting_limits_connections),
	    WITH(dead_destination),
	    WITH(order_revives),
	    WITH(flush_revives),
	    WITH(park_crosses_parked),
	    WITH(park_is_counted_twice),
	    WITH(queue_forgets),
	    WITH(drained),
	    WITH(scheduled_mail_waits_for_its_time),
	    WITH(flush_reaches_what_is_on_its_way),
	    WITH(flush_brings_what_was_not_parked),
	    WITH(reload_ends_the_schedule),
	    WITH(fewer_children),
	    WITH(idle_children_go),
	    WITH(crash_before_done),
	    WITH(crash_of_a_dead_destination),
	    WITH(crash_before_any_result),
	    WITH(child_retires),
	    WITH(socket_is_missing),
	    WITH(cancelled),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
