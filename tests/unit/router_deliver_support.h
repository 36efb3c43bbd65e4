/*
 * deliver's child against SMTP and DNS servers of the test: the child's code runs in a process of
 * its own, router's handle of it in this one. For cmocka tests of deliver; each includes it once.
 */
#ifndef TESTS_UNIT_ROUTER_DELIVER_SUPPORT_H
#define TESTS_UNIT_ROUTER_DELIVER_SUPPORT_H

#include "tests/unit/common_dns_support.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <zlib.h>

#include "common/ipc.h"
#include "common/log.h"
#include "router/deliver_private.h"
#include "tests/unit/router_smtp_support.h"

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

static inline struct settings *
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

static inline void
on_child_end(void *arg)
{
	event_base_loopexit(arg, NULL);
}

static inline void
on_retire(evutil_socket_t number, short what, void *arg)
{
	(void)number, (void)what;
	deliver_retire(*(struct deliver **)arg);
}

static inline void __attribute__((noreturn))
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

static inline int
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

static inline void
on_result(void *arg, const struct deliver_result *result)
{
	struct lab *lab = arg;
	struct heard *h = &lab->results[lab->n_results++];

	assert_true(lab->n_results <= RESULTS_MAX);
	h->result = *result;
	assert_true(span_copy(result->reply, h->reply, sizeof h->reply));
	assert_true(span_copy(result->route, h->route, sizeof h->route));
}

static inline void
on_done(void *arg, const struct deliver_done *done)
{
	struct lab *lab = arg;

	lab->done = *done;
	lab->is_done = true;
	assert_true(span_copy(done->text, lab->done_text, sizeof lab->done_text));
	event_base_loopbreak(lab->base);
}

static inline void
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

static inline void
make_directory(struct lab *lab)
{
	strlcpy(lab->directory, "/tmp/deliver-XXXXXX", sizeof lab->directory);
	assert_non_null(mkdtemp(lab->directory));
	snprintf(lab->path, sizeof lab->path, "%s/deliver.sock", lab->directory);
}

static inline void
remove_directory(struct lab *lab)
{
	unlink(lab->path);
	rmdir(lab->directory);
}

/* On one port of 127.0.0.1, 127.0.0.2, ... */
static inline void
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
static inline struct lab *
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

static inline struct lab *
lab_new(const struct setting_line *more, size_t n_more, const struct server *like, size_t n)
{
	struct lab *lab = lab_start(more, n_more, like, n);

	lab->child = deliver_child_new(lab->base, lab->path, &ops, lab);
	assert_non_null(lab->child);
	return lab;
}

/* The child ends by itself when its connection is closed. */
static inline void
lab_join(struct lab *lab)
{
	int status;

	deliver_child_free(&lab->child);
	assert_int_equal(waitpid(lab->pid, &status, 0), lab->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	lab->pid = -1;
}

/* What a server has counted and heard is settled then. Nobody talks to it any more, or soon. */
static inline struct server *
halt_server(struct lab *lab, size_t i)
{
	if (!lab->halted[i])
		server_stop(lab->v[i]);
	lab->halted[i] = true;
	return lab->v[i];
}

static inline void
expect_heard(const struct server *v, const char *text)
{
	assert_non_null(memmem(v->heard, v->heard_len, text, strlen(text)));
}

static inline void
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
static inline const char *
log_text(const struct lab *lab)
{
	static char text[65536];
	ssize_t n = pread(lab->log, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static inline void
expect_log(const struct lab *lab, const char *part)
{
	if (strstr(log_text(lab), part) == NULL)
		fail_msg("the log has no \"%s\":\n%s", part, log_text(lab));
}

/* ---- jobs ---- */

static inline int
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

static inline struct deliver_destination
mx(const struct lab *lab, const char *domain)
{
	return (struct deliver_destination){
	    .kind = DELIVER_MX, .name = span_of(domain), .port = lab->port, .tls = TLS_MAY};
}

static inline void
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
static inline void
wait_done(struct lab *lab)
{
	while (!lab->is_done && !lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
}

static inline void
do_job(struct lab *lab, const struct deliver_destination *to, uint64_t id)
{
	send_job(lab, to, id, bob, 1);
	wait_done(lab);
	assert_true(lab->is_done);
	assert_int_equal(lab->done.id, id);
	assert_int_equal(lab->n_results, 1);
}

static inline void
expect(const struct lab *lab, size_t i, enum delivery_end end, const char *reply)
{
	const struct heard *h = &lab->results[i];

	if (h->result.end != end || strncmp(h->reply, reply, strlen(reply)) != 0)
		fail_msg("recipient %u ended %d with \"%s\", not %d with \"%s\"",
		    h->result.recipient, h->result.end, h->reply, end, reply);
}

#endif
