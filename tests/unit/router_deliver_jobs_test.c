/*
 * What deliver does with its jobs: what becomes of each recipient and of the session, which hosts
 * are tried, what TLS they must speak, and what the log says.
 */
#include "tests/unit/router_deliver_support.h"

#include "common/monotonic.h"

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
	    .own_addresses = (char[]){"198.51.100.1"}};
	struct mx_settings everywhere = {0}, one = {0}, none = {0};
	struct ip_list *own = deliver_own_addresses(&c, 25, &everywhere);

	(void)state;
	assert_true(everywhere.interfaces_ipv4 && everywhere.interfaces_ipv6);
	assert_true(everywhere.own_addresses == own);
	assert_true(has_address(own, "198.51.100.1") && !has_address(own, "192.0.2.7"));
	ip_list_free(&own);
	own = deliver_own_addresses(&c, 587, &one);
	assert_true(has_address(own, "192.0.2.7"));
	assert_false(one.interfaces_ipv4 || one.interfaces_ipv6);
	ip_list_free(&own);
	own = deliver_own_addresses(&c, 2525, &none);
	assert_true(has_address(own, "198.51.100.1") && !has_address(own, "192.0.2.7"));
	assert_false(none.interfaces_ipv4 || none.interfaces_ipv6);
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
	    cmocka_unit_test(test_own_addresses),
	};

	clock_leap_us = mmap(
	    NULL, sizeof *clock_leap_us, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (clock_leap_us == MAP_FAILED)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
