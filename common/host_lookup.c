/*
 * From the name of a host to its addresses.
 */
#include "common/host_lookup.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/dns.h"
#include "common/socket_address.h"

enum { IP_TEXT_SIZE = 64 };

/* ---- names and addresses as text ---- */

bool
host_name(struct span domain, char out[DNS_HOST_SIZE])
{
	char text[ADDRESS_DOMAIN_MAX_BYTES + 2], *ascii = NULL;
	bool ok;

	if (domain.len > 1 && domain.at[domain.len - 1] == '.')
		domain.len--;
	if (!span_copy(domain, text, sizeof text))
		return false;
	/* idn2 refuses names with underscores, which are ASCII already */
	if (address_is_domain(domain)) {
		strlcpy(out, text, DNS_HOST_SIZE);
		for (char *c = out; *c != '\0'; c++)
			*c = *c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c;
		return true;
	}
	ok = idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&ascii,
		 IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
	     strlcpy(out, ascii, DNS_HOST_SIZE) < DNS_HOST_SIZE && address_is_domain(span_of(out));
	idn2_free(ascii);
	return ok;
}

struct span
host_without_brackets(struct span text)
{
	static const char tag[] = "IPv6:";
	const size_t tag_len = sizeof tag - 1;

	if (text.len < 2 || text.at[0] != '[' || text.at[text.len - 1] != ']')
		return text;
	text = (struct span){text.at + 1, text.len - 2};
	if (text.len > tag_len && span_is_nocase((struct span){text.at, tag_len}, tag))
		text = (struct span){text.at + tag_len, text.len - tag_len};
	return text;
}

static void
set_address(struct sockaddr_storage *out, int family, const void *binary, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	out->ss_family = family;
	if (family == AF_INET)
		memcpy(&v4->sin_addr, binary, sizeof v4->sin_addr);
	else
		memcpy(&v6->sin6_addr, binary, sizeof v6->sin6_addr);
	socket_address_set_port(out, port);
}

bool
host_address(struct span text, uint16_t port, struct sockaddr_storage *out)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char ip[IP_TEXT_SIZE];

	if (!span_copy(host_without_brackets(text), ip, sizeof ip))
		return false;
	if (inet_pton(AF_INET, ip, binary) == 1)
		set_address(out, AF_INET, binary, port);
	else if (inet_pton(AF_INET6, ip, binary) == 1)
		set_address(out, AF_INET6, binary, port);
	else
		return false;
	return true;
}

/* ---- look-ups ---- */

/* Of one family. */
struct found {
	size_t n;
	struct sockaddr_storage addresses[HOST_ADDRESSES_MAX];
};

static void
shuffle(struct sockaddr_storage *addresses, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = arc4random_uniform(i);
		struct sockaddr_storage kept = addresses[i - 1];

		addresses[i - 1] = addresses[j];
		addresses[j] = kept;
	}
}

static int
take_address(const struct host_question *q, int family, const void *binary, struct found *found)
{
	struct sockaddr_storage address;
	enum host_verdict verdict = HOST_TAKE;

	set_address(&address, family, binary, q->port);
	if (q->judge != NULL)
		verdict = q->judge(q->judge_arg, &address);
	if (verdict == HOST_TAKE && found->n < HOST_ADDRESSES_MAX)
		found->addresses[found->n++] = address;
	return verdict == HOST_STOP ? -1 : 0;
}

static int
take_addresses(
    const struct host_question *q, const struct dns_answer *a, int family, struct found *found)
{
	for (size_t i = 0; i < a->n; i++)
		if (take_address(q, family, a->records[i].data.at, found) == -1)
			return -1;
	shuffle(found->addresses, found->n);
	return 0;
}

/* RFC 6761 6.3: nobody is asked. */
static bool
is_localhost(const char *name)
{
	size_t length = strlen(name), suffix = strlen(".localhost");

	return strcmp(name, "localhost") == 0 ||
	       (length > suffix && strcmp(name + length - suffix, ".localhost") == 0);
}

static int
take_loopback(
    const struct host_question *q, int family, struct host_addresses *out, struct found *found)
{
	const struct in_addr v4 = {.s_addr = htonl(INADDR_LOOPBACK)};

	out->found = true;
	return take_address(
	    q, family, family == AF_INET ? (const void *)&v4 : &in6addr_loopback, found);
}

static int
look_up(const struct host_question *q, const char *name, int family, struct host_addresses *out,
    struct found *found)
{
	struct dns_answer *a;
	int rv = 0;

	if (is_localhost(name))
		return take_loopback(q, family, out, found);
	a = dns_lookup(q->dns, name, family == AF_INET ? DNS_A : DNS_AAAA, q->deadline);
	if (a->hops > 0 && address_is_domain(span_of(a->name)))
		strlcpy(out->alias, a->name, sizeof out->alias);
	if (a->status == DNS_FOUND) {
		out->found = true;
		rv = take_addresses(q, a, family, found);
	}
	if (found->n > 0)
		out->secure &= a->secure;
	if (a->status == DNS_LATER)
		out->later = a->why;
	dns_answer_free(&a);
	return rv;
}

/* In turn, the first family first. */
static void
merge(struct host_addresses *out, const struct found *a, const struct found *b)
{
	for (size_t i = 0; i < HOST_ADDRESSES_MAX; i++) {
		if (i < a->n && out->n < HOST_ADDRESSES_MAX)
			out->addresses[out->n++] = a->addresses[i];
		if (i < b->n && out->n < HOST_ADDRESSES_MAX)
			out->addresses[out->n++] = b->addresses[i];
	}
}

int
host_lookup(const struct host_question *q, const char *name, struct host_addresses *out)
{
	struct found v6 = {.n = 0}, v4 = {.n = 0};

	*out = (struct host_addresses){.secure = true};
	if ((q->ipv6 && look_up(q, name, AF_INET6, out, &v6) == -1) ||
	    (q->ipv4 && look_up(q, name, AF_INET, out, &v4) == -1))
		return -1;
	merge(out, &v6, &v4);
	return 0;
}
