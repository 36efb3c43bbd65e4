/*
 * DNS servers of a test: a thread each, UDP and TCP on one port of 127.0.0.1 that the kernel chose,
 * which answers by a table and misbehaves as the table says. For router's unit tests.
 */
#ifndef TESTS_UNIT_COMMON_DNS_SUPPORT_H
#define TESTS_UNIT_COMMON_DNS_SUPPORT_H

#include <errno.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* after the ones above */
#include <cmocka.h>

#include "common/dns.h"
#include "common/memory.h"

enum behaviour {
	B_PLAIN,
	B_SILENT,
	B_CUT_UDP,	 /* TC over UDP, all over TCP */
	B_CUT_ALWAYS,	 /* TC over both */
	B_TCP_CLOSES,	 /* TC, then no answer over TCP */
	B_TCP_HALF,	 /* TC, then half an answer over TCP */
	B_FAKE_ID,	 /* first the fake with another id, then the answer */
	B_FAKE_QUESTION, /* first the fake with another question */
	B_FAKE_SOURCE,	 /* first the fake from another port */
	B_FAKE_FORMS,	 /* first a few bytes, a query, and an empty datagram */
	B_FLOOD,	 /* fakes with other ids only; the answer over TCP */
	B_LOOP,		 /* an owner that is a pointer to itself */
	B_LOOP_TARGET,	 /* an MX target that points to itself, behind labels */
	B_GARBAGE,	 /* behind the question */
	B_COUNT_LIES,	 /* 10,000 answers are said to follow */
	B_NO_EDNS,	 /* FORMERR to a query with EDNS, without a question */
	B_BADVERS,	 /* an extended error to a query with EDNS */
	B_MANY		 /* `many` MX made up behind the answer, over TCP */
};

struct dns_rule {
	const char *name; /* of the question, lower case */
	int type;	  /* 0: any */
	enum behaviour how;
	const char *answer, *fake, *authority; /* records, a line each */
	int rcode;
	bool secure; /* AD */
	bool no_ra;
	/* A record with these bytes follows, which ldns would not make. */
	bool has_raw;
	int raw_type;
	size_t raw_len;
	const char *raw;
	unsigned many;
};

struct dns_server {
	const struct dns_rule *rules;
	size_t n_rules;
	bool secure_absence; /* AD when there is nothing */
	struct sockaddr_storage address;
	atomic_uint udp, tcp; /* questions */
	int udp_fd, tcp_fd, other_fd, stop[2];
	pthread_t thread;
};

enum { TEST_PACKET_BYTES = 65535 };
static const char TEST_SOA[] = "example. 300 IN SOA ns.example. root.example. 1 2 3 4 120";

/* ---- answers ---- */

static void
push_lines(ldns_pkt *pkt, ldns_pkt_section section, const char *lines)
{
	char *copy = xstrdup(lines ? lines : ""), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		ldns_rr *rr = NULL;

		if (*line == '\0')
			continue;
		if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK) {
			fprintf(stderr, "bad record in a test: %s\n", line);
			abort();
		}
		ldns_pkt_push_rr(pkt, section, rr);
	}
	free(copy);
}

static const struct dns_rule *
find_rule(const struct dns_server *s, const char *name, int type, bool *known)
{
	*known = false;
	for (size_t i = 0; i < s->n_rules; i++) {
		if (strcmp(s->rules[i].name, name) != 0)
			continue;
		*known = true;
		if (s->rules[i].type == 0 || s->rules[i].type == type)
			return &s->rules[i];
	}
	return NULL;
}

/* The whole answer as it would be sent. Returns its length. */
static size_t
make_answer(const struct dns_rule *r, ldns_pkt *query, const char *records, uint8_t *out)
{
	ldns_pkt *pkt = ldns_pkt_new();
	uint8_t *wire = NULL;
	size_t len = 0;

	ldns_pkt_set_id(pkt, ldns_pkt_id(query));
	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_rd(pkt, true);
	ldns_pkt_set_ra(pkt, !r->no_ra);
	ldns_pkt_set_ad(pkt, r->secure);
	ldns_pkt_set_rcode(pkt, r->rcode);
	ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION,
	    ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(query), 0)));
	push_lines(pkt, LDNS_SECTION_ANSWER, records);
	push_lines(pkt, LDNS_SECTION_AUTHORITY, r->authority);
	if (ldns_pkt2wire(&wire, pkt, &len) != LDNS_STATUS_OK)
		abort();
	memcpy(out, wire, len);
	free(wire);
	ldns_pkt_free(pkt);
	return len;
}

static void
set_count(uint8_t *packet, size_t offset, unsigned n)
{
	packet[offset] = n >> 8;
	packet[offset + 1] = n & 0xff;
}

static size_t
append(uint8_t *packet, size_t len, int type, const char *data, size_t data_len)
{
	uint8_t head[] = {
	    0xc0, 12, type >> 8, type & 0xff, 0, 1, 0, 0, 0, 60, data_len >> 8, data_len & 0xff};

	memcpy(packet + len, head, sizeof head);
	if (data_len)
		memcpy(packet + len + sizeof head, data, data_len);
	set_count(packet, 6, LDNS_ANCOUNT(packet) + 1);
	return len + sizeof head + data_len;
}

/* MX 1 to hosts hNNNN below the question's name. */
static size_t
append_many(uint8_t *packet, size_t len, unsigned many)
{
	for (unsigned i = 0; i < many && len < TEST_PACKET_BYTES - 40; i++) {
		char data[16] = {0, 1, 5};

		snprintf(data + 3, 6, "h%04u", i);
		data[8] = (char)0xc0;
		data[9] = 12;
		len = append(packet, len, DNS_MX, data, 10);
	}
	return len;
}

/* Where the question ends. */
static size_t
question_end(const uint8_t *packet)
{
	size_t at = 12;

	while (packet[at] != 0)
		at += packet[at] + 1;
	return at + 5;
}

static size_t
spoil(const struct dns_rule *r, uint8_t *out, size_t len)
{
	static const uint8_t loop[] = {0xc0, 0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
	char target[] = {0, 1, 1, 'a', (char)0xc0, 0};
	size_t end = question_end(out);

	switch (r->how) {
	case B_LOOP:
		memcpy(out + end, loop, sizeof loop);
		out[end] = 0xc0 | end >> 8;
		out[end + 1] = end & 0xff;
		set_count(out, 6, 1);
		return end + sizeof loop;
	case B_LOOP_TARGET:
		target[5] = end + 12 + 2;
		return append(out, end, DNS_MX, target, sizeof target);
	case B_GARBAGE:
		set_count(out, 6, 3);
		memset(out + end, 0xee, 100);
		return end + 100;
	case B_COUNT_LIES:
		set_count(out, 6, 10000);
		return len;
	case B_MANY:
		return append_many(out, len, r->many);
	default:
		return r->has_raw ? append(out, len, r->raw_type, r->raw, r->raw_len) : len;
	}
}

/* ---- sending ---- */

struct client {
	struct dns_server *s;
	bool tcp;
	int fd; /* TCP */
	struct sockaddr_storage address;
	socklen_t address_len;
};

static void
send_from(int fd, const struct client *c, const uint8_t *packet, size_t len)
{
	if (sendto(fd, packet, len, 0, (const struct sockaddr *)&c->address, c->address_len) == -1)
		perror("test's DNS server: sendto");
}

static void
send_answer(const struct client *c, uint8_t *packet, size_t len, size_t of_it)
{
	uint8_t head[2] = {len >> 8, len & 0xff};

	if (!c->tcp) {
		send_from(c->s->udp_fd, c, packet, len);
		return;
	}
	if (send(c->fd, head, 2, MSG_NOSIGNAL) == 2)
		for (size_t done = 0; done < of_it;) {
			ssize_t n = send(c->fd, packet + done, of_it - done, MSG_NOSIGNAL);

			if (n <= 0)
				return;
			done += n;
		}
}

static void
send_cut(const struct client *c, uint8_t *packet)
{
	size_t end = question_end(packet);

	packet[2] |= 2; /* TC */
	memset(packet + 6, 0, 6);
	send_answer(c, packet, end, end);
}

static void
send_fakes(const struct client *c, const struct dns_rule *r, ldns_pkt *query)
{
	uint8_t fake[TEST_PACKET_BYTES];
	size_t len = make_answer(r, query, r->fake, fake);

	switch (r->how) {
	case B_FAKE_ID:
		fake[0] ^= 1;
		send_from(c->s->udp_fd, c, fake, len);
		break;
	case B_FAKE_QUESTION:
		fake[13] ^= 1;
		send_from(c->s->udp_fd, c, fake, len);
		fake[13] ^= 1;
		set_count(fake, 4, 0);
		send_from(c->s->udp_fd, c, fake, len);
		break;
	case B_FAKE_SOURCE:
		send_from(c->s->other_fd, c, fake, len);
		break;
	case B_FAKE_FORMS:
		send_from(c->s->udp_fd, c, fake, 0);
		send_from(c->s->udp_fd, c, fake, 5);
		fake[2] &= 0x7f; /* QR */
		send_from(c->s->udp_fd, c, fake, len);
		break;
	case B_FLOOD:
		for (int i = 1; i < 100; i++) {
			fake[1] = ldns_pkt_id(query) ^ i;
			send_from(c->s->udp_fd, c, fake, len);
		}
		break;
	default:
		break;
	}
}

static void
refuse_edns(const struct client *c, enum behaviour how, uint8_t *packet)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0};
	size_t end = 12;

	memset(packet + 4, 0, 8);
	if (how == B_BADVERS) {
		set_count(packet, 4, 1);
		set_count(packet, 10, 1);
		end = question_end(packet);
		memcpy(packet + end, opt, sizeof opt);
		end += sizeof opt;
	} else {
		packet[3] |= LDNS_RCODE_FORMERR;
	}
	send_answer(c, packet, end, end);
}

static void
obey(const struct client *c, const struct dns_rule *r, ldns_pkt *query)
{
	uint8_t out[TEST_PACKET_BYTES];
	size_t len = spoil(r, out, make_answer(r, query, r->answer, out));
	bool over_udp_only = r->how == B_CUT_UDP || r->how == B_TCP_CLOSES ||
			     r->how == B_TCP_HALF || r->how == B_MANY;

	if (r->how == B_SILENT || (r->how == B_TCP_CLOSES && c->tcp))
		return;
	if ((r->how == B_NO_EDNS || r->how == B_BADVERS) && ldns_pkt_edns(query)) {
		refuse_edns(c, r->how, out);
		return;
	}
	if (r->how == B_CUT_ALWAYS || (over_udp_only && !c->tcp)) {
		send_cut(c, out);
		return;
	}
	if (!c->tcp)
		send_fakes(c, r, query);
	if (r->how == B_FLOOD && !c->tcp)
		return;
	send_answer(c, out, len, r->how == B_TCP_HALF ? len / 2 : len);
}

static void
answer(const struct client *c, const uint8_t *bytes, size_t len)
{
	ldns_pkt *query = NULL;
	struct dns_rule nothing = {.authority = TEST_SOA, .secure = c->s->secure_absence};
	const struct dns_rule *r;
	const ldns_rr *question;
	char *name;
	bool known;

	if (ldns_wire2pkt(&query, bytes, len) != LDNS_STATUS_OK)
		return;
	question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
	name = ldns_rdf2str(ldns_rr_owner(question));
	name[strlen(name) - 1] = '\0';
	r = find_rule(c->s, name, ldns_rr_get_type(question), &known);
	if (!known)
		nothing.rcode = LDNS_RCODE_NXDOMAIN;
	obey(c, r ? r : &nothing, query);
	free(name);
	ldns_pkt_free(query);
}

/* ---- the thread ---- */

static void
serve_udp(struct dns_server *s)
{
	struct client c = {.s = s, .address_len = sizeof c.address};
	uint8_t packet[TEST_PACKET_BYTES];
	ssize_t n = recvfrom(
	    s->udp_fd, packet, sizeof packet, 0, (struct sockaddr *)&c.address, &c.address_len);

	if (n <= 0)
		return;
	s->udp++;
	answer(&c, packet, n);
}

static void
serve_tcp(struct dns_server *s)
{
	struct client c = {.s = s, .tcp = true, .fd = accept(s->tcp_fd, NULL, NULL)};
	uint8_t packet[TEST_PACKET_BYTES];
	size_t len;

	if (c.fd == -1)
		return;
	s->tcp++;
	if (recv(c.fd, packet, 2, MSG_WAITALL) == 2) {
		len = packet[0] << 8 | packet[1];
		if (recv(c.fd, packet, len, MSG_WAITALL) == (ssize_t)len)
			answer(&c, packet, len);
	}
	close(c.fd);
}

static void *
serve(void *arg)
{
	struct dns_server *s = arg;
	struct pollfd p[] = {{.fd = s->udp_fd, .events = POLLIN},
	    {.fd = s->tcp_fd, .events = POLLIN}, {.fd = s->stop[0], .events = POLLIN}};

	while (poll(p, 3, -1) > 0 || errno == EINTR) {
		if (p[2].revents)
			break;
		if (p[0].revents)
			serve_udp(s);
		if (p[1].revents)
			serve_tcp(s);
	}
	return NULL;
}

/* A socket on a port of 127.0.0.1; 0: any. -1 when it is taken. */
static int
bind_to(int type, struct sockaddr_storage *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	socklen_t len = sizeof *address;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_not_equal(fd, -1);
	if (bind(fd, (struct sockaddr *)in, sizeof *in) == -1 ||
	    (type == SOCK_STREAM && listen(fd, 16) == -1)) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

/* Its address is known then, and no thread runs yet. */
static void
dns_server_bind(struct dns_server *s, const struct dns_rule *rules, size_t n_rules)
{
	struct sockaddr_storage other = {0};

	memset(s, 0, sizeof *s);
	s->rules = rules;
	s->n_rules = n_rules;
	s->udp_fd = -1;
	do {
		closefd(&s->udp_fd);
		memset(&s->address, 0, sizeof s->address);
		s->udp_fd = bind_to(SOCK_DGRAM, &s->address);
		s->tcp_fd = bind_to(SOCK_STREAM, &s->address);
	} while (s->tcp_fd == -1);
	s->other_fd = bind_to(SOCK_DGRAM, &other);
	assert_int_equal(pipe(s->stop), 0);
}

static void
dns_server_run(struct dns_server *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void
dns_server_start(struct dns_server *s, const struct dns_rule *rules, size_t n_rules)
{
	dns_server_bind(s, rules, n_rules);
	dns_server_run(s);
}

static void
dns_server_stop(struct dns_server *s)
{
	assert_int_equal(write(s->stop[1], "", 1), 1);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	close(s->udp_fd);
	close(s->tcp_fd);
	close(s->other_fd);
	close(s->stop[0]);
	close(s->stop[1]);
}

/* Asks this server, believes its AD, and waits for it longer than any test takes. */
static inline struct dns_settings
settings_for(const struct dns_server *s)
{
	struct dns_settings settings = {.n_servers = 1,
	    .timeout_ms = 60000,
	    .rounds = 1,
	    .budget_ms = 600000,
	    .trust_ad = true};

	settings.servers[0] = s->address;
	return settings;
}

#endif
