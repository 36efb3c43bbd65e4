/*
 * Lists of IP addresses as the configuration writes them.
 */
#include "common/ip_list.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"

enum { BINARY_BYTES = 16, ITEM_SIZE = 64 };

struct item {
	int family; /* AF_UNSPEC: a pattern */
	unsigned bits;
	unsigned char binary[BINARY_BYTES];
	char pattern[ITEM_SIZE];
};

struct ip_list {
	struct item *items;
	size_t n;
};

/* ---- reading ---- */

static bool
is_pattern(const char *text)
{
	return strchr(text, '*') != NULL &&
	       strspn(text, "0123456789abcdefABCDEF.:*") == strlen(text);
}

static unsigned
bits_of(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool
read_address(struct item *item, const char *text)
{
	item->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	item->bits = bits_of(item->family);
	return inet_pton(item->family, text, item->binary) == 1;
}

static bool
read_item(struct item *item, struct span text)
{
	struct span address;
	uint64_t bits;
	bool cidr;

	*item = (struct item){.family = AF_UNSPEC};
	cidr = span_take(&text, '/', &address);
	if (!span_copy(address, item->pattern, sizeof item->pattern))
		return false;
	if (!cidr && is_pattern(item->pattern))
		return true;
	if (!read_address(item, item->pattern))
		return false;
	if (!cidr)
		return true;
	if (!span_u64(text, item->bits, &bits))
		return false;
	item->bits = bits;
	return true;
}

bool
ip_list_is_item(struct span text)
{
	struct item item;

	return read_item(&item, text);
}

struct ip_list *
ip_list_new(struct span text)
{
	struct ip_list *l = xcalloc(1, sizeof *l);
	struct span one;
	bool more;

	do {
		more = span_take(&text, ' ', &one);
		if (one.len == 0)
			continue;
		l->items = xrealloc(l->items, (l->n + 1) * sizeof *l->items);
		if (read_item(&l->items[l->n], one))
			l->n++;
	} while (more);
	return l;
}

void
ip_list_free(struct ip_list **l)
{
	if (*l == NULL)
		return;
	free((*l)->items);
	free(*l);
	*l = NULL;
}

/* ---- asking ---- */

/* The binary address and its family, AF_UNSPEC when it is no IP address. */
static int
binary_of(const struct sockaddr *address, const unsigned char **binary)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;

	if (address->sa_family == AF_INET) {
		*binary = (const unsigned char *)&in->sin_addr;
		return AF_INET;
	}
	if (address->sa_family != AF_INET6)
		return AF_UNSPEC;
	*binary = in6->sin6_addr.s6_addr;
	if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return AF_INET6;
	*binary += 12;
	return AF_INET;
}

static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	unsigned char mask = rest ? 0xff << (8 - rest) : 0;

	return memcmp(a, b, bytes) == 0 && (rest == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0);
}

bool
ip_list_has(const struct ip_list *l, const struct sockaddr *address)
{
	const unsigned char *binary;
	int family = binary_of(address, &binary);
	char text[INET6_ADDRSTRLEN];

	if (family == AF_UNSPEC || inet_ntop(family, binary, text, sizeof text) == NULL)
		return false;
	for (size_t i = 0; i < l->n; i++) {
		const struct item *item = &l->items[i];

		if (item->family == AF_UNSPEC
			? address_match(span_of(item->pattern), span_of(text))
			: item->family == family && same_bits(item->binary, binary, item->bits))
			return true;
	}
	return false;
}
