/*
 * Asks DNS servers, for a sequential process: servers in turn, UDP, TCP, time-outs, chains that an
 * answer leaves open. What the bytes mean is dns_wire.c's business.
 */
#include "common/dns.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/dns_cache.h"
#include "common/dns_wire.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/socket_address.h"

enum {
	STRANGE_MAX = 20,  /* datagrams that are no answer, before TCP is used */
	REST_MS = 60000,   /* a server that was out of reach comes last for so long */
	TCP_HEAD_BYTES = 2 /* the length; RFC 1035 4.2.2 */
};

struct server {
	struct sockaddr_storage address;
	int64_t rests_until;
};

struct dns {
	struct dns_settings settings;
	struct server servers[DNS_SERVERS_MAX];
	struct dns_cache *cache;
	uint8_t packet[TCP_HEAD_BYTES + DNS_PACKET_MAX_BYTES];
};

/* One question to one server. */
struct asking {
	struct dns *d;
	struct server *server;
	struct dns_query *q;
	unsigned hops;
	int64_t until;	     /* for this server */
	enum dns_verdict is; /* the last one */
	struct dns_answer *answer;
	const char *why;
};

static const char too_late[] = "the DNS took too long";

static uint64_t
monotonic_s(void)
{
	return monotonic_ms() / 1000;
}

/* ---- sockets ---- */

/* Connected, so that the kernel takes bytes from nobody else and tells of a closed port. */
static int
open_socket(const struct server *s, int type)
{
	const struct sockaddr *address = (const struct sockaddr *)&s->address;
	int fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd != -1 && connect(fd, address, socket_address_length(address)) == -1 &&
	    errno != EINPROGRESS)
		closefd(&fd);
	return fd;
}

/* -1: the time is over, with ETIMEDOUT, or poll failed. */
static int
wait_for(int fd, short events, int64_t until)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = until - (int64_t)monotonic_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

static bool
is_to_be_repeated(int error)
{
	return error == EINTR || error == EAGAIN;
}

/* All bytes to or from fd. -1 with errno, an end too early is EPIPE. */
static int
send_all(int fd, const uint8_t *bytes, size_t len, int64_t until)
{
	for (size_t done = 0; done < len;) {
		ssize_t n;

		if (wait_for(fd, POLLOUT, until) == -1)
			return -1;
		n = send(fd, bytes + done, len - done, MSG_NOSIGNAL);
		if (n == -1 && !is_to_be_repeated(errno))
			return -1;
		done += n > 0 ? n : 0;
	}
	return 0;
}

static int
recv_all(int fd, uint8_t *bytes, size_t len, int64_t until)
{
	for (size_t done = 0; done < len;) {
		ssize_t n;

		if (wait_for(fd, POLLIN, until) == -1)
			return -1;
		n = recv(fd, bytes + done, len - done, 0);
		if (n == 0)
			errno = EPIPE;
		if (n == 0 || (n == -1 && !is_to_be_repeated(errno)))
			return -1;
		done += n > 0 ? n : 0;
	}
	return 0;
}

/* ---- one server ---- */

static enum dns_verdict
judge(struct asking *a, const uint8_t *packet, size_t len)
{
	a->is =
	    dns_judge(a->q, (struct span){(const char *)packet, len}, a->hops, &a->answer, &a->why);
	return a->is;
}

/* errno says what happened on the way. */
static enum dns_verdict
out_of_reach(struct asking *a)
{
	a->why = errno == ETIMEDOUT ? "the DNS server does not answer"
				    : "the DNS server is out of reach";
	a->server->rests_until = (int64_t)monotonic_ms() + REST_MS;
	return DNS_IS_USELESS;
}

static enum dns_verdict
converse_udp(struct asking *a, int fd)
{
	unsigned strange = 0;

	if (send_all(fd, a->q->wire, a->q->len, a->until) == -1)
		return out_of_reach(a);
	while (strange < STRANGE_MAX) {
		enum dns_verdict is;
		ssize_t n;

		if (wait_for(fd, POLLIN, a->until) == -1)
			return out_of_reach(a);
		n = recv(fd, a->d->packet, sizeof a->d->packet, 0);
		if (n == -1 && is_to_be_repeated(errno))
			continue;
		if (n == -1)
			return out_of_reach(a);
		is = judge(a, a->d->packet, n);
		if (is != DNS_IS_STRANGE)
			return is;
		strange++;
	}
	return DNS_IS_CUT;
}

static enum dns_verdict
converse_tcp(struct asking *a, int fd)
{
	uint8_t *packet = a->d->packet, out[TCP_HEAD_BYTES + DNS_QUERY_MAX_BYTES];
	enum dns_verdict is;
	size_t len;

	out[0] = a->q->len >> 8;
	out[1] = a->q->len & 0xff;
	memcpy(out + TCP_HEAD_BYTES, a->q->wire, a->q->len);
	if (send_all(fd, out, TCP_HEAD_BYTES + a->q->len, a->until) == -1 ||
	    recv_all(fd, packet, TCP_HEAD_BYTES, a->until) == -1)
		return out_of_reach(a);
	len = (size_t)packet[0] << 8 | packet[1];
	if (recv_all(fd, packet + TCP_HEAD_BYTES, len, a->until) == -1)
		return out_of_reach(a);
	is = judge(a, packet + TCP_HEAD_BYTES, len);
	if (is != DNS_IS_CUT && is != DNS_IS_STRANGE)
		return is;
	a->why = "the DNS server's answer is cut";
	return DNS_IS_USELESS;
}

static enum dns_verdict
converse(struct asking *a, int type)
{
	int fd = open_socket(a->server, type);
	enum dns_verdict is;

	if (fd == -1)
		return out_of_reach(a);
	dns_query_draw_id(a->q);
	is = type == SOCK_DGRAM ? converse_udp(a, fd) : converse_tcp(a, fd);
	closefd(&fd);
	return is;
}

static enum dns_verdict
ask_as_it_is(struct asking *a)
{
	enum dns_verdict is = converse(a, SOCK_DGRAM);

	return is == DNS_IS_CUT ? converse(a, SOCK_STREAM) : is;
}

static void
log_complaint(const struct asking *a)
{
	char server[SOCKET_ADDRESS_TEXT_SIZE];

	socket_address_text((const struct sockaddr *)&a->server->address, server);
	log_debug("- dns-failure server=%s type=%d name=<%s> reason=<%s>", server, a->q->type,
	    log_safe(span_of(a->q->name)), a->why);
}

/* True when the server has answered: a->answer is set. Otherwise a->why. */
static bool
ask_server(struct asking *a, int64_t deadline)
{
	struct dns_query plain;

	a->until = (int64_t)monotonic_ms() + a->d->settings.timeout_ms;
	if (a->until > deadline)
		a->until = deadline;
	if (ask_as_it_is(a) == DNS_IS_NO_EDNS && a->answer == NULL) {
		a->why = "the DNS server did not understand the question";
		if (dns_query_build(&plain, a->q->name, a->q->type, false) == 0) {
			a->q = &plain;
			ask_as_it_is(a);
		}
	}
	if (a->answer != NULL)
		a->server->rests_until = 0;
	else
		log_complaint(a);
	return a->answer != NULL;
}

/* ---- all servers ---- */

/* Those that do not rest first, otherwise in their order. */
static void
order_servers(struct dns *d, struct server *order[DNS_SERVERS_MAX])
{
	int64_t now = (int64_t)monotonic_ms();
	size_t n = 0;

	for (size_t i = 0; i < d->settings.n_servers; i++)
		if (d->servers[i].rests_until <= now)
			order[n++] = &d->servers[i];
	for (size_t i = 0; i < d->settings.n_servers; i++)
		if (d->servers[i].rests_until > now)
			order[n++] = &d->servers[i];
}

/* One step of a chain; *open: it leads on. */
static struct dns_answer *
ask(struct dns *d, struct dns_query *q, unsigned hops, int64_t deadline, bool *open)
{
	struct asking a = {.d = d, .hops = hops, .why = "no DNS server is set"};
	struct server *order[DNS_SERVERS_MAX] = {NULL};

	*open = false;
	for (unsigned round = 0; round < d->settings.rounds; round++) {
		order_servers(d, order);
		for (size_t i = 0; i < d->settings.n_servers; i++) {
			if ((int64_t)monotonic_ms() >= deadline)
				return dns_answer_empty(DNS_LATER, q->name, too_late);
			a.server = order[i];
			a.q = q;
			if (ask_server(&a, deadline)) {
				*open = a.is == DNS_IS_CHAIN;
				return a.answer;
			}
		}
	}
	return dns_answer_empty(DNS_LATER, q->name, a.why);
}

/* Asks again where an answer ends in a CNAME: a resolver has followed it already, a lesser server
 * leaves that to us. */
static struct dns_answer *
ask_along_chain(struct dns *d, const char *name, enum dns_type type, int64_t deadline)
{
	struct dns_query q;
	struct dns_answer *a;
	unsigned hops = 0;
	uint32_t ttl = UINT32_MAX;
	bool secure = true, open;

	if (dns_query_build(&q, name, type, true) == -1)
		return dns_answer_empty(DNS_NXDOMAIN, name, "");
	/* each step follows at least one CNAME, and dns_judge() counts those */
	for (;;) {
		a = ask(d, &q, hops, deadline, &open);
		hops = a->hops;
		secure &= a->secure;
		ttl = a->ttl < ttl ? a->ttl : ttl;
		if (!open)
			break;
		if (dns_query_build(&q, a->name, type, true) == -1) {
			dns_answer_free(&a);
			return dns_answer_empty(DNS_LATER, name, "its DNS alias is broken");
		}
		dns_answer_free(&a);
	}
	a->secure = secure && d->settings.trust_ad;
	a->ttl = ttl;
	return a;
}

struct dns_answer *
dns_lookup(struct dns *d, const char *name, enum dns_type type, int64_t deadline)
{
	struct dns_answer *a = dns_cache_get(d->cache, name, type, d->settings.now_s());

	if (a != NULL)
		return a;
	a = ask_along_chain(d, name, type, deadline);
	/* that this caller had no time left says nothing to the next one */
	if (a->why != too_late)
		dns_cache_put(d->cache, name, type, a, d->settings.now_s());
	return a;
}

int64_t
dns_deadline(const struct dns *d)
{
	return (int64_t)monotonic_ms() + d->settings.budget_ms;
}

struct dns *
dns_new(const struct dns_settings *settings)
{
	struct dns *d = xcalloc(1, sizeof *d);
	struct dns_settings *s = &d->settings;

	*s = *settings;
	s->n_servers = s->n_servers < DNS_SERVERS_MAX ? s->n_servers : DNS_SERVERS_MAX;
	s->timeout_ms = s->timeout_ms ? s->timeout_ms : DNS_TIMEOUT_MS;
	s->rounds = s->rounds ? s->rounds : DNS_ROUNDS;
	s->budget_ms = s->budget_ms ? s->budget_ms : DNS_BUDGET_MS;
	s->now_s = s->now_s ? s->now_s : monotonic_s;
	d->cache = dns_cache_new(DNS_CACHE_ENTRIES, DNS_CACHE_BYTES);
	for (size_t i = 0; i < s->n_servers; i++)
		d->servers[i].address = s->servers[i];
	return d;
}

void
dns_free(struct dns **d)
{
	if (*d == NULL)
		return;
	dns_cache_free(&(*d)->cache);
	free(*d);
	*d = NULL;
}
