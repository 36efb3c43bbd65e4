/*
 * Messages between programs: encoding, descriptors, refusals, and calls that survive a lost
 * connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"

static unsigned char buf[IPC_MESSAGE_MAX_BYTES];

/* ---- fields ---- */

static void
round_trip(void **state)
{
	int pair[2];
	struct writer w;
	struct reader r;
	uint32_t type;
	uint64_t tag;
	char text[8];
	struct span s;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ipc_write(&w, 7, 42);
	put_u64(&w, UINT64_MAX);
	put_str(&w, (struct span){"a\0b", 3});
	put_text(&w, "end");
	put_text(&w, "");
	assert_int_equal(ipc_send_now(pair[0], &w, STDOUT_FILENO), 0);
	assert_int_equal(ipc_receive_now(pair[1], buf, &type, &tag, &r), 1);
	assert_int_equal(type, 7);
	assert_int_equal(tag, 42);
	assert_int_equal(get_u64(&r), UINT64_MAX);
	s = get_str(&r, 3);
	assert_int_equal(s.len, 3);
	get_text(&r, text, sizeof text);
	assert_string_equal(text, "end");
	assert_true(get_more(&r));
	assert_int_equal(get_str(&r, 0).len, 0);
	assert_false(get_more(&r));
	assert_int_equal(get_end(&r), 0);
	int fd = get_fd(&r);
	assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	close(fd);
	close(pair[0]);
	assert_int_equal(ipc_receive_now(pair[1], buf, &type, &tag, &r), 0);
	close(pair[1]);
}

/* Every truncation of a message, and lengths that lie, are found by get_end(). */
static void
truncations(void **state)
{
	struct writer w;

	(void)state;
	ipc_write(&w, 1, 2);
	put_u64(&w, 3);
	put_text(&w, "hello");
	for (size_t len = 12; len <= w.len; len++) {
		struct reader r = {.at = w.at + 12, .left = len - 12, .fd = -1};

		get_u64(&r);
		get_str(&r, 100);
		assert_int_equal(get_end(&r), len == w.len ? 0 : -1);
	}
	struct reader longer = {.at = w.at + 12, .left = w.len - 12, .fd = -1};
	get_u64(&longer);
	get_str(&longer, 4);
	assert_int_equal(get_end(&longer), -1);
	struct reader rest = {.at = w.at + 12, .left = w.len - 12, .fd = -1};
	get_u64(&rest);
	assert_int_equal(get_end(&rest), -1);
	assert_int_equal(get_fd(&rest), -1);
	memset(w.at + 20, 0xff, 4);
	struct reader lying = {.at = w.at + 12, .left = w.len - 12, .fd = -1};
	get_u64(&lying);
	assert_int_equal(get_str(&lying, SIZE_MAX).len, 0);
	assert_int_equal(get_end(&lying), -1);
	/* once bad, always bad, and zero */
	assert_int_equal(get_u64(&lying), 0);
}

static void
too_long(void **state)
{
	static char much[IPC_MESSAGE_MAX_BYTES];
	struct writer w;

	(void)state;
	ipc_write(&w, 1, 2);
	put_str(&w, (struct span){much, put_room(&w) - 4});
	assert_false(w.full);
	put_text(&w, "");
	assert_true(w.full);
	assert_int_equal(ipc_send_now(0, &w, -1), -1);
	assert_int_equal(errno, EMSGSIZE);
}

static void
malformed_datagrams(void **state)
{
	int pair[2];
	struct reader r;
	uint32_t type;
	uint64_t tag;
	int size = 1024 * 1024;
	char *large = xcalloc(1, IPC_MESSAGE_MAX_BYTES + 1);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	assert_int_equal(send(pair[0], "short", 5, 0), 5);
	assert_int_equal(ipc_receive_now(pair[1], buf, &type, &tag, &r), -1);
	assert_int_equal(errno, EPROTO);
	assert_true(send(pair[0], large, IPC_MESSAGE_MAX_BYTES + 1, 0) > 0);
	assert_int_equal(ipc_receive_now(pair[1], buf, &type, &tag, &r), -1);
	assert_int_equal(errno, EPROTO);
	free(large);
	close(pair[0]);
	close(pair[1]);
}

/* ---- server and client ---- */

enum { ADD = 1, FORBIDDEN = 2, GARBAGE = 3, SUM = 100 };

struct world {
	struct event_base *base;
	char path[108];
	struct ipc_server *server;
	struct ipc_client *client;
	unsigned opened, closed, answered, refused;
	uint64_t sum;
	bool drop_next;
};

static void
on_add(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct world *wo = p->arg;
	uint64_t a = get_u64(r), b = get_u64(r);
	struct writer w;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "ADD");
		return;
	}
	if (wo->drop_next) {
		wo->drop_next = false;
		p->closing = true;
		return;
	}
	ipc_write(&w, SUM, tag);
	put_u64(&w, a + b);
	ipc_peer_send(p, &w, -1);
}

static void
on_forbidden(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	(void)p, (void)tag, (void)r;
	fail();
}

static const struct ipc_handler handlers[] = {
    {ADD, ROLE_SMTPD, on_add}, {FORBIDDEN, ROLE_ROUTER, on_forbidden}};
static const struct ipc_server_ops server_ops = {
    .handlers = handlers, .n_handlers = nitems(handlers)};

static void
on_open(void *arg)
{
	((struct world *)arg)->opened++;
}

static void
on_lost(void *arg)
{
	struct world *wo = arg;

	wo->closed++;
	event_base_loopbreak(wo->base);
}

static const struct ipc_client_ops client_ops = {"smtpd", on_open, on_lost, NULL};

static void
on_sum(void *arg, uint32_t type, struct reader *r)
{
	struct world *wo = arg;

	assert_int_equal(type, SUM);
	wo->sum += get_u64(r);
	assert_int_equal(get_end(r), 0);
	wo->answered++;
	event_base_loopbreak(wo->base);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int
setup(void **state)
{
	struct world *wo = xcalloc(1, sizeof *wo);
	char dir[] = "/tmp/ipc-test.XXXXXX";

	assert_non_null(mkdtemp(dir));
	snprintf(wo->path, sizeof wo->path, "%s/s", dir);
	wo->base = event_base_new();
	wo->server = ipc_server_new(wo->base, listen_at(wo->path), &server_ops, wo);
	wo->client = ipc_client_new(wo->base, wo->path, &client_ops, wo);
	*state = wo;
	return 0;
}

static int
teardown(void **state)
{
	struct world *wo = *state;

	ipc_client_free(&wo->client);
	ipc_server_free(&wo->server);
	event_base_free(wo->base);
	unlink(wo->path);
	*strrchr(wo->path, '/') = '\0';
	rmdir(wo->path);
	free(wo);
	return 0;
}

static void
add(struct world *wo, uint64_t a, uint64_t b)
{
	struct writer w;

	ipc_write(&w, ADD, 0);
	put_u64(&w, a);
	put_u64(&w, b);
	ipc_call(wo->client, &w, -1, on_sum, wo);
}

static void
calls_are_answered(void **state)
{
	struct world *wo = *state;

	for (int i = 0; i < 1000; i++)
		add(wo, i, 1);
	while (wo->answered < 1000)
		event_base_dispatch(wo->base);
	assert_int_equal(wo->sum, 999 * 1000 / 2 + 1000);
	assert_int_equal(wo->opened, 1);
}

static void
calls_are_repeated(void **state)
{
	struct world *wo = *state;

	wo->drop_next = true;
	add(wo, 1, 2);
	add(wo, 3, 4);
	while (wo->answered < 2)
		event_base_dispatch(wo->base);
	assert_int_equal(wo->sum, 10);
	assert_int_equal(wo->closed, 1);
	assert_int_equal(wo->opened, 2);
}

static void
cancelled_calls_are_silent(void **state)
{
	struct world *wo = *state;
	struct ipc_call *call;
	struct writer w;

	ipc_write(&w, ADD, 0);
	put_u64(&w, 100);
	put_u64(&w, 100);
	call = ipc_call(wo->client, &w, dup(0), on_sum, wo);
	ipc_call_cancel(&call);
	assert_null(call);
	ipc_call_cancel(&call);
	add(wo, 1, 1);
	while (wo->answered < 1)
		event_base_dispatch(wo->base);
	assert_int_equal(wo->sum, 2);
}

/* Each row is one client's behaviour that closes its connection, and nobody else's. */
static void
strangers_are_refused(void **state)
{
	static const struct {
		const char *role;
		uint32_t type;
		size_t bytes;
	} rows[] = {
	    {"nobody", ADD, 16},			/* unknown role */
	    {"", ADD, 16}, {NULL, ADD, 16},		/* no greeting */
	    {"smtpd", FORBIDDEN, 0},			/* another role's message */
	    {"router", ADD, 16}, {"smtpd", GARBAGE, 0}, /* no such message */
	    {"smtpd", ADD, 15},				/* cut short */
	    {"smtpd", ADD, 17},				/* too long */
	    {"smtpd", ADD, 0}, {"smtpd", 0, 16},	/* a second greeting */
	};
	struct world *wo = *state;

	for (size_t i = 0; i < nitems(rows); i++) {
		int fd = ipc_connect(wo->path);
		struct writer w;

		assert_true(fd >= 0);
		if (rows[i].role != NULL) {
			ipc_write(&w, 0, 0);
			put_text(&w, rows[i].role);
			assert_int_equal(ipc_send_now(fd, &w, -1), 0);
		}
		ipc_write(&w, rows[i].type, 1);
		for (size_t n = 0; n < rows[i].bytes; n++)
			w.at[w.len++] = 0;
		assert_int_equal(ipc_send_now(fd, &w, -1), 0);
		while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) == -1 && errno == EAGAIN)
			event_base_loop(wo->base, EVLOOP_ONCE);
		close(fd);
	}
	add(wo, 1, 1);
	while (wo->answered < 1)
		event_base_dispatch(wo->base);
	assert_int_equal(wo->closed, 0);
}

/* ---- last words ---- */

struct last_words {
	unsigned n;
	bool closed;
};

static void
hear_word(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct last_words *w = arg;

	(void)tag;
	assert_int_equal(type, 7);
	assert_int_equal(get_u64(r), w->n++);
}

static void
hear_end(void *arg)
{
	struct last_words *w = arg;

	w->closed = true;
}

/* What the other end had said before it closed is heard, though messages of ours were not read
 * there, and though there are more to be sent. */
static void
last_words(void **state)
{
	(void)state;
	for (int sends_after = 0; sends_after < 2; sends_after++) {
		struct event_base *loop = event_base_new();
		struct last_words heard = {0};
		struct ipc_channel *ch;
		struct writer w;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		ch = ipc_channel_new(loop, pair[0], hear_word, hear_end, &heard);
		ipc_write(&w, 1, 0);
		ipc_channel_send(ch, &w, -1);
		event_base_loop(loop, EVLOOP_NONBLOCK);
		for (unsigned i = 0; i < 3; i++) {
			ipc_write(&w, 7, 0);
			put_u64(&w, i);
			assert_int_equal(ipc_send_now(pair[1], &w, -1), 0);
		}
		close(pair[1]);
		if (sends_after) {
			ipc_write(&w, 2, 0);
			ipc_channel_send(ch, &w, -1);
		}
		while (!heard.closed)
			event_base_loop(loop, EVLOOP_ONCE);
		assert_int_equal(heard.n, 3);
		ipc_channel_free(&ch);
		event_base_free(loop);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(truncations),
	    cmocka_unit_test(too_long),
	    cmocka_unit_test(malformed_datagrams),
	    cmocka_unit_test(last_words),
	    cmocka_unit_test_setup_teardown(calls_are_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(calls_are_repeated, setup, teardown),
	    cmocka_unit_test_setup_teardown(cancelled_calls_are_silent, setup, teardown),
	    cmocka_unit_test_setup_teardown(strangers_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
