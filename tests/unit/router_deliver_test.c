/*
 * deliver's child against SMTP and DNS servers of the test: the child's code in a process of its
 * own, router's handle in this one. What becomes of each recipient and of the session, what the log
 * says, and what either side makes of malformed messages.
 */
#include "tests/unit/common_dns_support.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <zlib.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/monotonic.h"
#include "router/deliver_private.h"
#include "router_smtp_support.h"

#define OFFER "PIPELINING\n8BITMIME\nDSN"
#define TEXT  "Subject: x\r\n\r\nbody\r\n"
#define OURS  "us.example"
/* A host of two addresses. */
#define CROWD(name) name ".crowd.example. 60 A 127.0.0.1\n" name ".crowd.example. 60 A 127.0.0.2"

enum { RESULTS_MAX = 16, SERVERS_MAX = 3 };

static const struct dns_rule dns_rules[] = {
    {"one.example", DNS_MX, .answer = "one.example. 60 MX 10 mx1.example.", .secure = true},
    {"two.example", DNS_MX,
	.answer = "two.example. 60 MX 10 mx1.example.\ntwo.example. 60 MX 20 mx2.example.",
	.secure = true},
    {"mx1.example", DNS_A, .answer = "mx1.example. 60 A 127.0.0.1", .secure = true},
    {"mx2.example", DNS_A, .answer = "mx2.example. 60 A 127.0.0.2", .secure = true},
    {"ten.example", DNS_MX,
	.answer = "ten.example. 60 MX 10 a.crowd.example.\nten.example. 60 MX 10 b.crowd.example.\n"
		  "ten.example. 60 MX 10 c.crowd.example.\nten.example. 60 MX 10 d.crowd.example.\n"
		  "ten.example. 60 MX 10 e.crowd.example."},
    {"twelve.example", DNS_MX,
	.answer =
	    "twelve.example. 60 MX 10 a.crowd.example.\ntwelve.example. 60 MX 10 b.crowd.example.\n"
	    "twelve.example. 60 MX 10 c.crowd.example.\ntwelve.example. 60 MX 10 d.crowd.example.\n"
	    "twelve.example. 60 MX 10 e.crowd.example.\ntwelve.example. 60 MX 10 f.crowd.example."},
    {"a.crowd.example", DNS_A, .answer = CROWD("a")},
    {"b.crowd.example", DNS_A, .answer = CROWD("b")},
    {"c.crowd.example", DNS_A, .answer = CROWD("c")},
    {"d.crowd.example", DNS_A, .answer = CROWD("d")},
    {"e.crowd.example", DNS_A, .answer = CROWD("e")},
    {"f.crowd.example", DNS_A, .answer = CROWD("f")},
    {"null.example", DNS_MX, .answer = "null.example. 60 MX 0 ."},
    {"fails.example", 0, .rcode = LDNS_RCODE_SERVFAIL},
    {"loop.example", DNS_MX, .answer = "loop.example. 60 MX 10 mail.us.example."},
    {"mail.us.example", DNS_A, .answer = "mail.us.example. 60 A 127.0.0.1"},
    {"nat.example", DNS_MX, .answer = "nat.example. 60 MX 10 nat-mx.example."},
    {"nat-mx.example", DNS_A, .answer = "nat-mx.example. 60 A 192.0.2.80"},
};

/* In place of common/monotonic.c: what waits in the child is late at once when the test says so. */
static _Atomic uint64_t *clock_leap_us; /* shared by both processes */

uint64_t
monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + *clock_leap_us;
}

uint64_t
monotonic_ms(void)
{
	return monotonic_us() / 1000;
}

/* A result, with texts of its own. */
struct heard {
	struct deliver_result result;
	char reply[REPLY_MAX_BYTES + 1], route[DELIVER_ROUTE_MAX_BYTES + 1];
};

struct lab {
	struct dns_server dns;
	struct server *v[SERVERS_MAX];
	bool halted[SERVERS_MAX];
	size_t n_servers;
	in_port_t port;
	char directory[64], path[128];
	pid_t pid; /* the child */
	int log;
	struct event_base *base;
	struct deliver_child *child;
	/* what it said */
	struct heard results[RESULTS_MAX];
	size_t n_results;
	struct deliver_done done;
	char done_text[REPLY_MAX_BYTES + 1];
	bool is_done, closed;
	size_t n_left;
};

/* ---- the child's process ---- */

struct setting_line {
	const char *section, *key, *value;
};

static struct settings *
child_settings(const struct lab *lab, const struct setting_line *more, size_t n)
{
	const struct setting_line usual[] = {{"mail", "Mail Server", OURS},
	    {"outgoing", "Own Names", "mail.us.example"},
	    {"outgoing", "Own Addresses", "192.0.2.80"}, {"outgoing", "Unusable Addresses", "none"},
	    {"outgoing", "IP Protocol", "IPv4"}, {"listen", "SMTP", ""},
	    {"listen", "Submission", ""}, {"listen", "SMTPS", ""}, {"resolver", "Trust AD", "true"},
	    {"timeouts", "DNS Reply", "60"}, {"timeouts", "Outgoing Connect", "60"},
	    {"timeouts", "Outgoing Reply", "60"}, {"timeouts", "Outgoing Data", "60"},
	    {"timeouts", "Outgoing End", "60"}, {"timeouts", "Outgoing Idle", "300"},
	    {"timeouts", "TLS Handshake", "60"}, {"mail", "Trace Router", "false"},
	    {"tls", "Client Certificate PEM", ""}, {"tls", "Client Key PEM", ""},
	    {"tls", "Trusted Roots", "/nonexistent"}, {"tls", "Minimum Version", "TLSv1.2"}};
	struct settings *s = settings_new();
	char server[64];

	snprintf(server, sizeof server, "127.0.0.1:%u",
	    ntohs(((const struct sockaddr_in *)&lab->dns.address)->sin_port));
	settings_add(s, "resolver", "Servers", server);
	for (size_t i = 0; i < n; i++)
		settings_add(s, more[i].section, more[i].key, more[i].value);
	for (size_t i = 0; i < nitems(usual); i++)
		if (settings_find(s, usual[i].section, usual[i].key) == NULL)
			settings_add(s, usual[i].section, usual[i].key, usual[i].value);
	return s;
}

static void
on_child_end(void *arg)
{
	event_base_loopexit(arg, NULL);
}

static void
on_retire(evutil_socket_t number, short what, void *arg)
{
	(void)number, (void)what;
	deliver_retire(*(struct deliver **)arg);
}

static void __attribute__((noreturn))
run_child(const struct lab *lab, int listen_fd, struct settings *s)
{
	struct event_base *base = event_base_new();
	struct deliver_config *config;
	struct deliver *d = NULL;
	struct event *retire = evsignal_new(base, SIGUSR1, on_retire, &d);

	dup2(lab->log, STDERR_FILENO);
	log_open("deliver");
	signal(SIGPIPE, SIG_IGN);
	event_add(retire, NULL);
	config = deliver_config_new(s);
	poll(&(struct pollfd){listen_fd, POLLIN, 0}, 1, -1);
	if ((d = deliver_new(base, listen_fd, config, on_child_end, base)) == NULL)
		_exit(3);
	closefd(&listen_fd);
	event_base_dispatch(base);
	deliver_free(&d);
	deliver_config_free(&config);
	settings_free(&s);
	event_free(retire);
	event_base_free(base);
	log_flush();
	_exit(0);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_not_equal(fd, -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* ---- this process: router ---- */

static void
on_result(void *arg, const struct deliver_result *result)
{
	struct lab *lab = arg;
	struct heard *h = &lab->results[lab->n_results++];

	assert_true(lab->n_results <= RESULTS_MAX);
	h->result = *result;
	assert_true(span_copy(result->reply, h->reply, sizeof h->reply));
	assert_true(span_copy(result->route, h->route, sizeof h->route));
}

static void
on_done(void *arg, const struct deliver_done *done)
{
	struct lab *lab = arg;

	lab->done = *done;
	lab->is_done = true;
	assert_true(span_copy(done->text, lab->done_text, sizeof lab->done_text));
	event_base_loopbreak(lab->base);
}

static void
on_close(void *arg, const uint32_t *left, size_t n_left)
{
	struct lab *lab = arg;

	(void)left;
	assert_false(lab->closed);
	lab->closed = true;
	lab->n_left = n_left;
	deliver_child_free(&lab->child);
	event_base_loopbreak(lab->base);
}

static const struct deliver_ops ops = {on_result, on_done, on_close};

static void
make_directory(struct lab *lab)
{
	strlcpy(lab->directory, "/tmp/deliver-XXXXXX", sizeof lab->directory);
	assert_non_null(mkdtemp(lab->directory));
	snprintf(lab->path, sizeof lab->path, "%s/deliver.sock", lab->directory);
}

static void
remove_directory(struct lab *lab)
{
	unlink(lab->path);
	rmdir(lab->directory);
}

/* On one port of 127.0.0.1, 127.0.0.2, ... */
static void
start_servers(struct lab *lab, const struct server *like, size_t n)
{
	while (lab->n_servers < n) {
		char ip[32];
		struct server *v = xcalloc(1, sizeof *v);

		v->offer = like[lab->n_servers].offer ? like[lab->n_servers].offer : OFFER;
		v->rules = like[lab->n_servers].rules;
		v->n_rules = like[lab->n_servers].n_rules;
		v->tls = like[lab->n_servers].tls;
		v->implicit_tls = like[lab->n_servers].implicit_tls;
		snprintf(ip, sizeof ip, "127.0.0.%zu", lab->n_servers + 1);
		if (server_start_at(v, ip, lab->port)) {
			lab->v[lab->n_servers++] = v;
			lab->port = ntohs(v->address.sin_port);
			continue;
		}
		free(v); /* the port is taken there: another one */
		while (lab->n_servers > 0) {
			server_stop(lab->v[--lab->n_servers]);
			free(lab->v[lab->n_servers]);
		}
		lab->port = 0;
	}
}

/* Without a connection to the child. */
static struct lab *
lab_start(const struct setting_line *more, size_t n_more, const struct server *like, size_t n)
{
	struct lab *lab = xcalloc(1, sizeof *lab);
	struct settings *s;
	int listen_fd;

	make_directory(lab);
	dns_server_bind(&lab->dns, dns_rules, nitems(dns_rules));
	lab->dns.secure_absence = true;
	listen_fd = listen_at(lab->path);
	lab->log = memfd_create("log", MFD_CLOEXEC);
	s = child_settings(lab, more, n_more);
	/* Before any thread is there: what one holds locked stays locked in the child. */
	if ((lab->pid = fork()) == 0)
		run_child(lab, listen_fd, s);
	dns_server_run(&lab->dns);
	settings_free(&s);
	closefd(&listen_fd);
	start_servers(lab, like, n);
	lab->base = event_base_new();
	return lab;
}

static struct lab *
lab_new(const struct setting_line *more, size_t n_more, const struct server *like, size_t n)
{
	struct lab *lab = lab_start(more, n_more, like, n);

	lab->child = deliver_child_new(lab->base, lab->path, &ops, lab);
	assert_non_null(lab->child);
	return lab;
}

/* The child ends by itself when its connection is closed. */
static void
lab_join(struct lab *lab)
{
	int status;

	deliver_child_free(&lab->child);
	assert_int_equal(waitpid(lab->pid, &status, 0), lab->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	lab->pid = -1;
}

/* What a server has counted and heard is settled then. Nobody talks to it any more, or soon. */
static struct server *
halt_server(struct lab *lab, size_t i)
{
	if (!lab->halted[i])
		server_stop(lab->v[i]);
	lab->halted[i] = true;
	return lab->v[i];
}

static void
expect_heard(const struct server *v, const char *text)
{
	assert_non_null(memmem(v->heard, v->heard_len, text, strlen(text)));
}

static void
lab_free(struct lab **labp)
{
	struct lab *lab = *labp;

	*labp = NULL;
	if (lab->pid != -1)
		lab_join(lab);
	for (size_t i = 0; i < lab->n_servers; i++) {
		halt_server(lab, i);
		free(lab->v[i]);
	}
	dns_server_stop(&lab->dns);
	event_base_free(lab->base);
	closefd(&lab->log);
	remove_directory(lab);
	free(lab);
}

/* After lab_join(). In one buffer. */
static const char *
log_text(const struct lab *lab)
{
	static char text[65536];
	ssize_t n = pread(lab->log, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
expect_log(const struct lab *lab, const char *part)
{
	if (strstr(log_text(lab), part) == NULL)
		fail_msg("the log has no \"%s\":\n%s", part, log_text(lab));
}

/* ---- jobs ---- */

static int
spool_file(uint64_t id, const char *const *to, size_t n)
{
	struct recipient recipients[RESULTS_MAX] = {0};
	struct envelope e = {.id = id,
	    .arrival_us = 1700000000000000,
	    .message_size = strlen(TEXT),
	    .message_crc = crc32(0, (const unsigned char *)TEXT, strlen(TEXT)),
	    .reverse_path = span_of("ann@us.example"),
	    .program = span_of("smtpd"),
	    .protocol = span_of("ESMTP"),
	    .recipients = recipients,
	    .n_recipients = n};
	unsigned char head[8192];
	int fd = memfd_create("spool", MFD_CLOEXEC);

	for (size_t i = 0; i < n; i++)
		recipients[i].address = span_of(to[i]);
	assert_true(envelope_size(&e) <= sizeof head);
	envelope_encode(&e, head);
	assert_int_equal(write(fd, head, e.message_offset), e.message_offset);
	assert_int_equal(write(fd, TEXT, strlen(TEXT)), strlen(TEXT));
	return fd;
}

static const char *const bob[] = {"bob@one.example"};
static const char *const three[] = {"a@one.example", "b@one.example", "c@one.example"};
static const uint32_t numbers[] = {0, 1, 2};

static struct deliver_destination
mx(const struct lab *lab, const char *domain)
{
	return (struct deliver_destination){
	    .kind = DELIVER_MX, .name = span_of(domain), .port = lab->port, .tls = TLS_MAY};
}

static void
send_job(struct lab *lab, const struct deliver_destination *to, uint64_t id,
    const char *const *addresses, size_t n)
{
	struct deliver_job job = {.id = id, .to = *to, .recipients = numbers, .n = n};

	lab->is_done = false;
	lab->n_results = 0;
	assert_true(deliver_child_is_free(lab->child));
	deliver_child_send(lab->child, &job, spool_file(id, addresses, n));
	assert_false(deliver_child_is_free(lab->child));
}

/* Until it is done, or the child has gone. */
static void
wait_done(struct lab *lab)
{
	while (!lab->is_done && !lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
}

static void
do_job(struct lab *lab, const struct deliver_destination *to, uint64_t id)
{
	send_job(lab, to, id, bob, 1);
	wait_done(lab);
	assert_true(lab->is_done);
	assert_int_equal(lab->done.id, id);
	assert_int_equal(lab->n_results, 1);
}

static void
expect(const struct lab *lab, size_t i, enum delivery_end end, const char *reply)
{
	const struct heard *h = &lab->results[i];

	if (h->result.end != end || strncmp(h->reply, reply, strlen(reply)) != 0)
		fail_msg("recipient %u ended %d with \"%s\", not %d with \"%s\"",
		    h->result.recipient, h->result.end, h->reply, end, reply);
}

/* ---- what goes well ---- */

static void
test_sessions(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_destination to = mx(lab, "one.example"), host = to;

	(void)state;
	host.kind = DELIVER_HOST;
	host.name = span_of("127.0.0.1");
	for (int i = 0; i < 3; i++) { /* one session */
		do_job(lab, &to, 1000 + i);
		expect(lab, 0, END_DONE, "250 2.0.0 taken");
		assert_string_equal(lab->results[0].route, "smtp:mx1.example");
		assert_int_equal(lab->results[0].result.flags, DELIVER_DSN_PASSED_ON);
		assert_true(lab->done.kept_open);
		assert_int_equal(lab->done.end, DELIVER_REACHED);
		assert_string_equal(lab->done_text, "");
	}
	do_job(lab, &host, 1003); /* another one */
	expect(lab, 0, END_DONE, "250 2.0.0 taken");
	assert_string_equal(lab->results[0].route, "smtp:127.0.0.1");
	host.tls = TLS_NEVER; /* and a third */
	do_job(lab, &host, 1004);
	lab_join(lab);
	halt_server(lab, 0);
	assert_int_equal(lab->v[0]->n_connections, 3);
	assert_int_equal(lab->v[0]->n_messages, 5);
	expect_log(lab, " sent to=<bob@one.example> host=mx1.example address=127.0.0.1:");
	expect_log(lab, " tls=none cipher=none verified=no reply=250 2.0.0 taken delay=");
	expect_heard(lab->v[0], "QUIT\r\nEHLO us.example\r\nMAIL FROM:<ann@us.example>");
	lab_free(&lab);
}

/* Three at once, in the child's hands before it begins. */
static void
send_three(struct lab *lab, const struct deliver_destination *to)
{
	struct deliver_job job = {.to = *to, .recipients = numbers, .n = 1};

	lab->n_results = 0;
	assert_int_equal(kill(lab->pid, SIGSTOP), 0);
	for (job.id = 301; job.id <= 303; job.id++)
		deliver_child_send(lab->child, &job, spool_file(job.id, bob, 1));
	assert_false(deliver_child_takes_next(lab->child));
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	assert_int_equal(kill(lab->pid, SIGCONT), 0);
}

static unsigned
count_of(const struct server *v, const char *text)
{
	unsigned n = 0;

	for (const char *at = v->heard; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

/* What is known in time leaves with the message before it. */
static void
test_jobs_ahead(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	send_three(lab, &to);
	while (lab->done.id != 303 && !lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_true(lab->done.kept_open);
	assert_int_equal(lab->n_results, 3);
	for (size_t i = 0; i < 3; i++)
		expect(lab, i, END_DONE, "250");
	lab_join(lab);
	halt_server(lab, 0);
	assert_int_equal(lab->v[0]->n_connections, 1);
	assert_int_equal(lab->v[0]->n_messages, 3);
	assert_int_equal(count_of(lab->v[0], "\r\n.\r\nMAIL FROM:<ann@us.example>"), 2);
	lab_free(&lab);
}

/* What was sent ahead goes back when the session is lost. */
static void
test_jobs_go_back(void **state)
{
	static const struct rule rules[] = {
	    {"MAIL", DROP, "421 4.7.0 enough\r\n", .nth = 1, .connection = 1}};
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{.rules = rules, .n_rules = 1}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	send_three(lab, &to);
	lab->is_done = false;
	wait_done(lab);
	assert_int_equal(lab->done.id, 301);
	assert_false(lab->done.kept_open);
	expect(lab, 0, END_DEFERRED, "421 4.7.0 enough");
	do_job(lab, &to, 304);
	expect(lab, 0, END_DONE, "250");
	lab_join(lab);
	halt_server(lab, 0);
	assert_int_equal(lab->v[0]->n_connections, 2);
	assert_int_equal(lab->v[0]->n_messages, 1);
	lab_free(&lab);
}

static void
test_reverse_path(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_job job = {.id = 5,
	    .to = mx(lab, "one.example"),
	    .reverse_path = span_of("isp-user@isp.example"),
	    .recipients = numbers,
	    .n = 1};

	(void)state;
	deliver_child_send(lab->child, &job, spool_file(5, bob, 1));
	wait_done(lab);
	expect(lab, 0, END_DONE, "250");
	lab_join(lab);
	expect_heard(halt_server(lab, 0), "MAIL FROM:<isp-user@isp.example>");
	lab_free(&lab);
}

static void
test_idle_session_is_closed(void **state)
{
	static const struct setting_line idle[] = {{"timeouts", "Outgoing Idle", "1"}};
	struct lab *lab = lab_new(idle, 1, (struct server[]){{0}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	do_job(lab, &to, 7);
	assert_true(lab->done.kept_open);
	expect_heard(halt_server(lab, 0), "QUIT\r\n");	/* returns when the session has ended */
	assert_true(deliver_child_is_free(lab->child)); /* the process stays */
	do_job(lab, &to, 8);
	expect(lab, 0, END_DEFERRED, "451 4.4.1");
	lab_free(&lab);
}

/* ---- ends of recipients ---- */

static void
test_recipients_end_apart(void **state)
{
	static const struct rule rules[] = {{"RCPT", SAY, "550 5.1.1 who?\r\n", .nth = 2},
	    {"RCPT", SAY, "450 4.2.1 later\r\n", .nth = 3}};
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{.rules = rules, .n_rules = 2}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	send_job(lab, &to, 9, three, 3);
	wait_done(lab);
	assert_int_equal(lab->n_results, 3);
	for (size_t i = 0; i < 3; i++)
		switch (lab->results[i].result.recipient) {
		case 0:
			expect(lab, i, END_DONE, "250 2.0.0 taken");
			break;
		case 1:
			expect(lab, i, END_FAILED, "550 5.1.1 who?");
			break;
		default:
			expect(lab, i, END_DEFERRED, "450 4.2.1 later");
		}
	assert_int_equal(lab->done.end, DELIVER_REACHED);
	lab_join(lab);
	expect_log(lab, " failed to=<b@one.example> host=mx1.example");
	expect_log(lab, " deferred to=<c@one.example> host=mx1.example");
	lab_free(&lab);
}

/* A host that is no good is not the last word, and one that may have taken it is. */
static void
test_next_host(void **state)
{
	static const struct {
		struct rule rule;
		enum delivery_end end;
		const char *reply;
		unsigned second; /* connections */
		unsigned flags;
	} rows[] = {
	    {{"greeting", SAY, "421 4.3.2 full\r\n", 0, 0}, END_DONE, "250", 1,
		DELIVER_DSN_PASSED_ON},
	    {{"greeting", SAY, "554 5.7.1 no\r\n", 0, 0}, END_DONE, "250", 1,
		DELIVER_DSN_PASSED_ON},
	    {{"greeting", DROP, NULL, 0, 0}, END_DONE, "250", 1, DELIVER_DSN_PASSED_ON},
	    {{"greeting", SAY, "521 5.3.2 never\r\n", 0, 0}, END_DONE, "250", 1,
		DELIVER_DSN_PASSED_ON},
	    {{"EHLO", RESET, NULL, 0, 0}, END_DONE, "250", 1, DELIVER_DSN_PASSED_ON},
	    {{"MAIL", DROP, NULL, 0, 0}, END_DONE, "250", 1, DELIVER_DSN_PASSED_ON},
	    {{"RCPT", SAY, "421 4.3.2 stop\r\n", 0, 0}, END_DONE, "250", 1, DELIVER_DSN_PASSED_ON},
	    {{"RCPT", SAY, "550 5.1.1 who?\r\n", 0, 0}, END_FAILED, "550 5.1.1 who?", 0, 0},
	    {{"RCPT", SAY, "450 4.2.0 grey\r\n", 0, 0}, END_DEFERRED, "450 4.2.0 grey", 0, 0},
	    {{"end", DROP, NULL, 0, 0}, END_DEFERRED, "451 4.4.2", 0, DELIVER_MAYBE_SENT},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct server like[] = {{.rules = &rows[i].rule, .n_rules = 1}, {0}};
		struct lab *lab = lab_new(NULL, 0, like, 2);
		struct deliver_destination to = mx(lab, "two.example");

		do_job(lab, &to, 10);
		expect(lab, 0, rows[i].end, rows[i].reply);
		assert_int_equal(lab->results[0].result.flags, rows[i].flags);
		assert_int_equal(lab->done.end, DELIVER_REACHED);
		lab_join(lab);
		assert_int_equal(halt_server(lab, 1)->n_connections, rows[i].second);
		lab_free(&lab);
	}
}

static void
test_no_host(void **state)
{
	static const struct rule never[] = {{"greeting", SAY, "521 5.3.2 never\r\n", 0, 0}},
				 ours[] = {{"EHLO", SAY, "250 us.example\r\n", 0, 0}},
				 busy[] = {{"greeting", SAY, "421 4.3.2 full\r\n", 0, 0}};
	static const struct {
		const char *name;
		const struct rule *rule;
		enum deliver_end how;
		enum delivery_end end;
		const char *reply, *route;
	} rows[] = {
	    {"nosuch.example", NULL, DELIVER_NEVER, END_FAILED, "550 5.1.2 ", "smtp"},
	    {"null.example", NULL, DELIVER_NEVER, END_FAILED, "556 5.1.10 ", "smtp"},
	    {"fails.example", NULL, DELIVER_NOT_NOW, END_DEFERRED, "451 4.4.3 ", "smtp"},
	    {"loop.example", NULL, DELIVER_NEVER, END_FAILED, "550 5.4.6 ", "smtp"},
	    {"nat.example", NULL, DELIVER_NEVER, END_FAILED, "550 5.4.6 ", "smtp"},
	    {"one.example", ours, DELIVER_NEVER, END_FAILED, "554 5.4.6 mail loops back to us",
		"smtp:mx1.example"},
	    {"one.example", never, DELIVER_NEVER, END_FAILED, "521 5.3.2 never",
		"smtp:mx1.example"},
	    {"one.example", busy, DELIVER_NOT_NOW, END_DEFERRED, "421 4.3.2 full",
		"smtp:mx1.example"},
	    /* only the first of two is there */
	    {"two.example", never, DELIVER_NOT_NOW, END_DEFERRED, "451 4.4.1 mx2.example",
		"smtp:mx2.example"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct server like[] = {{.rules = rows[i].rule, .n_rules = rows[i].rule ? 1 : 0}};
		struct lab *lab = lab_new(NULL, 0, like, 1);
		struct deliver_destination to = mx(lab, rows[i].name);

		do_job(lab, &to, 11);
		expect(lab, 0, rows[i].end, rows[i].reply);
		assert_string_equal(lab->results[0].route, rows[i].route);
		assert_string_equal(lab->done_text, lab->results[0].reply);
		assert_int_equal(lab->done.end, rows[i].how);
		assert_false(lab->done.kept_open);
		lab_free(&lab);
	}
}

/* Only all of them can say that the domain takes no mail, and not more than ten are asked. */
static void
test_many_hosts_refuse(void **state)
{
	static const struct rule never[] = {{"greeting", SAY, "521 5.3.2 never\r\n", 0, 0}};
	static const struct {
		const char *name;
		enum deliver_end how;
		enum delivery_end end;
	} rows[] = {
	    {"ten.example", DELIVER_NEVER, END_FAILED},
	    {"twelve.example", DELIVER_NOT_NOW, END_DEFERRED},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct server like[] = {
		    {.rules = never, .n_rules = 1}, {.rules = never, .n_rules = 1}};
		struct lab *lab = lab_new(NULL, 0, like, 2);
		struct deliver_destination to = mx(lab, rows[i].name);

		do_job(lab, &to, 12);
		expect(lab, 0, rows[i].end, "521 5.3.2 never");
		assert_int_equal(lab->done.end, rows[i].how);
		lab_join(lab);
		assert_int_equal(
		    halt_server(lab, 0)->n_connections + halt_server(lab, 1)->n_connections, 10);
		lab_free(&lab);
	}
}

/* The server has had enough of the session, or of this one message. */
static void
test_session_that_died(void **state)
{
	static const struct rule rules[] = {{"MAIL", DROP, "421 4.7.0 enough\r\n", .nth = 2}};
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{.rules = rules, .n_rules = 1}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	for (int i = 0; i < 4; i++) {
		do_job(lab, &to, 20 + i);
		expect(lab, 0, END_DONE, "250");
		assert_int_equal(lab->done.end, DELIVER_REACHED);
	}
	lab_join(lab);
	assert_int_equal(halt_server(lab, 0)->n_connections, 4);
	lab_free(&lab);
}

static void
test_tls_refused(void **state)
{
	static const struct rule rules[] = {{"STARTTLS", SAY, "454 4.7.0 not now\r\n", 0, 0}};
	struct server like[] = {{.offer = "STARTTLS", .rules = rules, .n_rules = 1}, {0}};
	struct lab *lab = lab_new(NULL, 0, like, 2);
	struct deliver_destination to = mx(lab, "two.example");

	(void)state;
	do_job(lab, &to, 31);
	expect(lab, 0, END_DONE, "250");
	to.tls = TLS_NEVER;
	do_job(lab, &to, 32);
	to.tls = TLS_ENCRYPT;
	do_job(lab, &to, 33); /* the other host has no TLS either */
	expect(lab, 0, END_DEFERRED, "451 4.7.4");
	lab_join(lab);
	expect_log(lab, " in-clear host=mx1.example address=127.0.0.1:");
	expect_log(lab, " reason=454 4.7.0 not now");
	assert_null(strstr(strstr(log_text(lab), " in-clear ") + 1, " in-clear "));
	lab_free(&lab);
}

static void
test_login_refused(void **state)
{
	static const struct rule rules[] = {{"AUTH", SAY, "535 5.7.8 wrong\r\n", 0, 0}};
	struct server like[] = {{.offer = "AUTH PLAIN", .rules = rules, .n_rules = 1}, {0}};
	struct lab *lab = lab_new(NULL, 0, like, 2);
	struct deliver_destination to = mx(lab, "two.example");

	(void)state;
	to.user = span_of("isp-user");
	to.password = span_of("isp-secret");
	to.auth_in_clear = true;
	do_job(lab, &to, 30);
	assert_int_equal(lab->results[0].result.end, END_DEFERRED);
	assert_int_equal(lab->done.end, DELIVER_NOT_NOW);
	lab_join(lab);
	assert_int_equal(halt_server(lab, 1)->n_connections, 0);
	assert_null(strstr(log_text(lab), "isp-secret"));
	lab_free(&lab);
}

/* ---- TLS ---- */

static char *
tlsa_of(const struct identity *id)
{
	unsigned char digest[32], *der = NULL;
	int len = i2d_PUBKEY(id->key, &der);
	char *text = xstrdup("");

	EVP_Digest(der, len, digest, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
	for (size_t i = 0; i < sizeof digest; i++) {
		char *longer = xasprintf("%s%02x", text, digest[i]);

		free(text);
		text = longer;
	}
	return text;
}

/* The server's record, and one that is another key's. */
static void
test_dane(void **state)
{
	struct identity id = identity_new("DNS:other.example", NULL, -100, 10000);
	struct identity other = identity_new("DNS:mx1.example", NULL, -100, 10000);
	SSL_CTX *ctx = identity_context(&id, NULL);

	(void)state;
	for (int right = 0; right < 2; right++) {
		struct server like[] = {{.offer = "STARTTLS", .tls = ctx}};
		struct lab *lab = lab_new(NULL, 0, like, 1);
		struct deliver_destination to = mx(lab, "one.example");
		char *key = tlsa_of(right ? &id : &other);
		char *name = xasprintf("_%u._tcp.mx1.example", lab->port);
		char *record = xasprintf("%s. 60 IN TLSA 3 1 1 %s", name, key);
		struct dns_rule rules[nitems(dns_rules) + 1];

		memcpy(rules, dns_rules, sizeof dns_rules);
		rules[nitems(dns_rules)] = (struct dns_rule){
		    .name = name, .type = DNS_TLSA, .answer = record, .secure = true};
		lab->dns.rules = rules;
		lab->dns.n_rules = nitems(rules);
		to.dane = true;
		do_job(lab, &to, 40);
		assert_int_equal(lab->results[0].result.end, right ? END_DONE : END_DEFERRED);
		to.dane = false; /* as somebody who does not ask */
		do_job(lab, &to, 41);
		expect(lab, 0, END_DONE, "250");
		lab_join(lab);
		if (right)
			expect_log(lab, " tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 "
					"verified=dane-3-1-1 reply=250");
		lab_free(&lab);
		free(key);
		free(name);
		free(record);
	}
	SSL_CTX_free(ctx);
	identity_free(&id);
	identity_free(&other);
}

/* What the first host takes of the time is not the look-ups' of the second. */
static void
test_dane_behind_a_slow_host(void **state)
{
	static const struct rule rules[] = {{"greeting", STALL, NULL, 0, 0}};
	struct server like[] = {{.rules = rules, .n_rules = 1}, {0}};
	struct lab *lab = lab_new(NULL, 0, like, 2);
	struct deliver_destination to = mx(lab, "two.example");

	(void)state;
	to.dane = true;
	send_job(lab, &to, 42, bob, 1);
	while (__atomic_load_n(&lab->v[0]->n_connections, __ATOMIC_ACQUIRE) == 0)
		event_base_loop(lab->base, EVLOOP_NONBLOCK);
	*clock_leap_us += 2 * DNS_BUDGET_MS * UINT64_C(1000);
	halt_server(lab, 0); /* the host hangs up */
	wait_done(lab);
	expect(lab, 0, END_DONE, "250");
	assert_string_equal(lab->results[0].route, "smtp:mx2.example");
	lab_free(&lab);
}

static void
test_verify(void **state)
{
	static const struct {
		const char *certificate, *names;
		bool roots;
		enum delivery_end end;
	} rows[] = {
	    {"DNS:mx1.example", "", true, END_DONE}, /* MX is secure */
	    {"DNS:one.example", "", true, END_DONE},
	    {"DNS:mail.one.example", "", true, END_DONE},
	    {"DNS:other.example", "", true, END_DEFERRED},
	    {"DNS:other.example", "x.example other.example", true, END_DONE},
	    {"DNS:mx1.example", "other.example", true, END_DEFERRED},
	    {"DNS:mx1.example", "", false, END_DEFERRED},
	};
	struct identity root = identity_new(NULL, NULL, -100, 10000);
	char path[] = "/tmp/roots-XXXXXX", *pem = identity_pem(&root, false);
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, pem, strlen(pem)), strlen(pem));
	closefd(&fd);
	for (size_t i = 0; i < nitems(rows); i++) {
		struct identity id = identity_new(rows[i].certificate, &root, -100, 10000);
		SSL_CTX *ctx = identity_context(&id, NULL);
		struct server like[] = {{.offer = "STARTTLS", .tls = ctx}};
		struct setting_line roots[] = {{"tls", "Trusted Roots", path}};
		struct lab *lab = lab_new(roots, rows[i].roots ? 1 : 0, like, 1);
		struct deliver_destination to = mx(lab, "one.example");

		to.tls = TLS_VERIFY;
		to.tls_names = span_of(rows[i].names);
		do_job(lab, &to, 50);
		if (lab->results[0].result.end != rows[i].end)
			fail_msg("row %zu: %s", i, lab->results[0].reply);
		lab_join(lab);
		assert_int_equal(halt_server(lab, 0)->n_messages, rows[i].end == END_DONE);
		if (rows[i].end == END_DONE)
			expect_log(lab, " verified=name reply=250");
		if (!rows[i].roots)
			expect_log(lab, " no-roots reason=/nonexistent: ");
		lab_free(&lab);
		SSL_CTX_free(ctx);
		identity_free(&id);
	}
	unlink(path);
	free(pem);
	identity_free(&root);
}

static void
test_implicit(void **state)
{
	struct identity id = identity_new("DNS:mx1.example", NULL, -100, 10000);
	SSL_CTX *ctx = identity_context(&id, NULL);
	struct server like[] = {{.tls = ctx, .implicit_tls = true}};
	struct lab *lab = lab_new(NULL, 0, like, 1);
	struct deliver_destination to = mx(lab, "mx1.example");

	(void)state;
	to.kind = DELIVER_HOST;
	to.tls = TLS_ENCRYPT;
	to.implicit_tls = true;
	do_job(lab, &to, 60);
	expect(lab, 0, END_DONE, "250");
	to.tls = TLS_VERIFY;
	do_job(lab, &to, 61);
	expect(lab, 0, END_DEFERRED, "451 4.7.5");
	lab_free(&lab);
	SSL_CTX_free(ctx);
	identity_free(&id);
}

/* ---- the connection between the two ---- */

static void
test_bad_spool_files(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_job job = {
	    .id = 70, .to = mx(lab, "one.example"), .recipients = numbers, .n = 1};
	static const uint32_t beyond[] = {5};
	int empty = memfd_create("empty", MFD_CLOEXEC);

	(void)state;
	deliver_child_send(lab->child, &job, empty);
	wait_done(lab);
	expect(lab, 0, END_DEFERRED, "451 4.3.0 the message in the spool: ");
	lab->is_done = false;
	deliver_child_send(lab->child, &job, spool_file(71, bob, 1)); /* another's */
	wait_done(lab);
	expect(lab, 1, END_DEFERRED, "451 4.3.0 the message in the spool: it is not");
	lab->is_done = false;
	job.recipients = beyond;
	deliver_child_send(lab->child, &job, spool_file(70, bob, 1));
	wait_done(lab);
	expect(lab, 2, END_DEFERRED, "451 4.3.0 the message in the spool: it is not");
	assert_int_equal(lab->done.end, DELIVER_REACHED);
	lab_join(lab);
	assert_int_equal(halt_server(lab, 0)->n_connections, 0);
	lab_free(&lab);
}

static void
put_fields(struct writer *w, uint64_t ahead, uint64_t kind, uint64_t port, uint64_t tls,
    uint64_t implicit, uint64_t flag, size_t n)
{
	ipc_write(w, DELIVER_JOB, 0);
	put_u64(w, 80);
	put_u64(w, ahead);
	put_u64(w, kind);
	put_text(w, "one.example");
	put_u64(w, port);
	put_u64(w, tls);
	put_u64(w, implicit);
	put_u64(w, flag);
	put_text(w, "");
	put_text(w, "");
	put_text(w, "");
	put_u64(w, flag);
	put_text(w, "");
	for (size_t i = 0; i < n; i++)
		put_u64(w, i);
}

/* A child that is told nonsense closes, and ends in order. */
static void
test_malformed_jobs(void **state)
{
	(void)state;
	for (int row = 0; row < 12; row++) {
		struct lab *lab = lab_start(NULL, 0, NULL, 0);
		int sock = ipc_connect(lab->path), fd = row == 11 ? -1 : spool_file(80, bob, 1);
		struct writer w;
		char byte[10];

		switch (row) {
		case 0:
			put_fields(&w, 0, 2, 25, 0, 0, 0, 1);
			break;
		case 1:
			put_fields(&w, 0, 0, 0, 0, 0, 0, 1);
			break;
		case 2:
			put_fields(&w, 0, 0, 65536, 0, 0, 0, 1);
			break;
		case 3:
			put_fields(&w, 0, 0, 25, 4, 0, 0, 1);
			break;
		case 4:
			put_fields(&w, 0, 0, 25, 0, 0, 2, 1);
			break;
		case 5:
			put_fields(&w, 0, 0, 25, 0, 0, 0, 0);
			break;
		case 6:
			put_fields(&w, 0, 0, 25, 0, 0, 0, 1001);
			break;
		case 7:
			put_fields(&w, 0, 0, 25, 2, 2, 0, 1);
			break;
		case 8:
			put_fields(&w, 0, 0, 25, 1, 1, 0, 1); /* in clear, with TLS */
			break;
		case 9:
			ipc_write(&w, 77, 0);
			break;
		case 10:
			put_fields(&w, 2, 0, 25, 0, 0, 0, 1);
			break;
		default:
			put_fields(&w, 0, 0, 25, 0, 0, 0, 1); /* without a file */
		}
		assert_int_equal(ipc_send_now(sock, &w, fd), 0);
		closefd(&fd);
		assert_true(recv(sock, byte, sizeof byte, 0) <= 0);
		closefd(&sock);
		lab_join(lab);
		expect_log(lab, " refused: ");
		lab_free(&lab);
	}
}

static void
test_retire(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	do_job(lab, &to, 90);
	send_job(lab, &to, 91, bob, 1);
	kill(lab->pid, SIGUSR1);
	while (!lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_true(lab->is_done && lab->n_results == 1);
	expect(lab, 0, END_DONE, "250");
	assert_int_equal(lab->n_left, 0);
	lab_join(lab);
	expect_heard(halt_server(lab, 0), "QUIT\r\n");
	lab_free(&lab);
}

static void
test_child_dies(void **state)
{
	static const struct rule rules[] = {{"MAIL", STALL, NULL, 0, 0}};
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{.rules = rules, .n_rules = 1}}, 1);
	struct deliver_destination to = mx(lab, "one.example");
	int status;

	(void)state;
	send_job(lab, &to, 92, three, 3);
	event_base_loop(lab->base, EVLOOP_ONCE);
	kill(lab->pid, SIGKILL);
	while (!lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(lab->n_left, 3);
	assert_false(lab->is_done);
	assert_int_equal(waitpid(lab->pid, &status, 0), lab->pid);
	lab->pid = -1;
	lab_free(&lab);
}

/* Nobody would hear what became of it: the next host is not tried. */
static void
test_router_goes(void **state)
{
	static const struct rule rules[] = {{"EHLO", STALL, NULL, 0, 0}};
	struct server like[] = {{.rules = rules, .n_rules = 1}, {0}};
	struct lab *lab = lab_new(NULL, 0, like, 2);
	struct deliver_destination to = mx(lab, "two.example");

	(void)state;
	send_job(lab, &to, 93, bob, 1);
	while (__atomic_load_n(&lab->v[0]->n_connections, __ATOMIC_ACQUIRE) == 0)
		event_base_loop(lab->base, EVLOOP_NONBLOCK);
	deliver_child_free(&lab->child);
	halt_server(lab, 0); /* the host hangs up */
	lab_join(lab);
	assert_int_equal(halt_server(lab, 1)->n_connections, 0);
	expect_log(lab, " router has gone");
	lab_free(&lab);
}

/* ---- a child that does not keep its promises ---- */

/* DONE_WITH: of the job, with the result of a recipient */
enum said { RESULT_OF, DONE_OF, DONE_WITH, RETIRE_SAID, NONSENSE };

static void
put_said_result(struct writer *w, uint64_t number, uint64_t end)
{
	put_u64(w, number);
	put_u64(w, end);
	put_u64(w, 0);
	put_text(w, "250 ok");
	put_text(w, "smtp:x");
}

static void
say_as_child(int fd, enum said what, uint64_t number, uint64_t end)
{
	struct writer w;

	ipc_write(&w,
	    what == RESULT_OF			   ? DELIVER_RESULT
	    : what == DONE_OF || what == DONE_WITH ? DELIVER_DONE
	    : what == NONSENSE			   ? 99
						   : DELIVER_RETIRE,
	    0);
	if (what == RESULT_OF) {
		put_said_result(&w, number, end);
	} else if (what == DONE_OF || what == DONE_WITH) {
		put_u64(&w, what == DONE_OF ? number : 100);
		put_u64(&w, 0);
		put_u64(&w, what == DONE_OF ? end : 0);
		put_text(&w, "");
		if (what == DONE_WITH)
			put_said_result(&w, number, end);
	}
	assert_int_equal(ipc_send_now(fd, &w, -1), 0);
}

static void
test_false_children(void **state)
{
	static const struct {
		struct {
			enum said what;
			uint64_t number, end;
		} said[4];
		size_t n, left;
		bool done;
	} rows[] = {
	    {{{RESULT_OF, 5, 0}}, 1, 2, false},			   /* not of the job */
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 0, 0}}, 2, 1, false}, /* twice */
	    {{{RESULT_OF, 0, 3}}, 1, 2, false},			   /* no such end */
	    {{{RESULT_OF, 0, 0}, {DONE_OF, 100, 0}}, 2, 1, false}, /* too early */
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 1, 0}, {DONE_OF, 7, 0}}, 3, 0, false}, /* another's */
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 1, 0}, {DONE_OF, 100, 3}}, 3, 0, false},
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 1, 0}, {DONE_OF, 100, 0}, {NONSENSE, 0, 0}}, 4, 0,
		true},
	    {{{RESULT_OF, 0, 0}, {DONE_WITH, 1, 0}, {NONSENSE, 0, 0}}, 3, 0, true},
	    {{{DONE_WITH, 1, 0}}, 1, 1, false},			   /* too early */
	    {{{RESULT_OF, 0, 0}, {DONE_WITH, 0, 0}}, 2, 1, false}, /* twice */
	    {{{RESULT_OF, 0, 0}, {DONE_WITH, 1, 3}}, 2, 1, false}, /* no such end */
	    {{{NONSENSE, 0, 0}}, 1, 2, false},
	    {{{RETIRE_SAID, 0, 0}, {NONSENSE, 0, 0}}, 2, 2, false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct lab lab = {0};
		struct deliver_job job = {.id = 100,
		    .to = {.kind = DELIVER_HOST, .name = span_of("x"), .port = 25},
		    .recipients = numbers,
		    .n = 2};
		int listen_fd, fd;

		make_directory(&lab);
		listen_fd = listen_at(lab.path);
		lab.base = event_base_new();
		lab.child = deliver_child_new(lab.base, lab.path, &ops, &lab);
		deliver_child_send(lab.child, &job, spool_file(100, three, 2));
		fd = accept(listen_fd, NULL, NULL);
		for (size_t n = 0; n < rows[i].n; n++)
			say_as_child(
			    fd, rows[i].said[n].what, rows[i].said[n].number, rows[i].said[n].end);
		while (!lab.closed)
			event_base_loop(lab.base, EVLOOP_ONCE);
		assert_true(lab.is_done == rows[i].done);
		assert_int_equal(lab.n_left, rows[i].left);
		assert_null(lab.child);
		closefd(&fd);
		closefd(&listen_fd);
		event_base_free(lab.base);
		remove_directory(&lab);
	}
}

/* ---- settings ---- */

static bool
has_address(const struct ip_list *list, const char *text)
{
	struct sockaddr_storage address;

	assert_true(socket_address_parse(text, &address));
	return ip_list_has(list, (const struct sockaddr *)&address);
}

static void
test_own_addresses(void **state)
{
	struct deliver_config c = {.listens = (char[]){"0.0.0.0:25 [::]:25 192.0.2.7:587"},
	    .interfaces = (char[]){"127.0.0.1 192.0.2.1 ::1 2001:db8::1"},
	    .own_addresses = (char[]){"198.51.100.1"}};
	struct ip_list *own = deliver_own_addresses(&c, 25);

	(void)state;
	assert_true(has_address(own, "192.0.2.1") && has_address(own, "2001:db8::1"));
	assert_true(has_address(own, "198.51.100.1") && !has_address(own, "192.0.2.7"));
	ip_list_free(&own);
	own = deliver_own_addresses(&c, 587);
	assert_true(has_address(own, "192.0.2.7") && !has_address(own, "192.0.2.1"));
	ip_list_free(&own);
	own = deliver_own_addresses(&c, 2525);
	assert_true(has_address(own, "198.51.100.1") && !has_address(own, "192.0.2.1"));
	ip_list_free(&own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sessions),
	    cmocka_unit_test(test_jobs_ahead),
	    cmocka_unit_test(test_jobs_go_back),
	    cmocka_unit_test(test_reverse_path),
	    cmocka_unit_test(test_idle_session_is_closed),
	    cmocka_unit_test(test_recipients_end_apart),
	    cmocka_unit_test(test_next_host),
	    cmocka_unit_test(test_no_host),
	    cmocka_unit_test(test_many_hosts_refuse),
	    cmocka_unit_test(test_session_that_died),
	    cmocka_unit_test(test_tls_refused),
	    cmocka_unit_test(test_login_refused),
	    cmocka_unit_test(test_dane),
	    cmocka_unit_test(test_dane_behind_a_slow_host),
	    cmocka_unit_test(test_verify),
	    cmocka_unit_test(test_implicit),
	    cmocka_unit_test(test_bad_spool_files),
	    cmocka_unit_test(test_malformed_jobs),
	    cmocka_unit_test(test_retire),
	    cmocka_unit_test(test_child_dies),
	    cmocka_unit_test(test_router_goes),
	    cmocka_unit_test(test_false_children),
	    cmocka_unit_test(test_own_addresses),
	};

	clock_leap_us = mmap(
	    NULL, sizeof *clock_leap_us, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (clock_leap_us == MAP_FAILED)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
