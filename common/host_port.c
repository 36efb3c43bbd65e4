/*
 * A host with a port, as the configuration names servers. Pure.
 */
#include "common/host_port.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/socket_address.h"

enum { PORT_MAX = 65535 };

bool
host_port_is_address(struct span text, char out[HOST_SIZE])
{
	unsigned char binary[sizeof(struct in6_addr)];
	static const int families[] = {AF_INET, AF_INET6};

	if (!span_copy(text, out, HOST_SIZE))
		return false;
	for (size_t i = 0; i < 2; i++)
		if (inet_pton(families[i], out, binary) == 1)
			return inet_ntop(families[i], binary, out, HOST_SIZE) != NULL;
	return false;
}

/* Cuts :port, 1 to 65535, from the end of *text. False without a colon (*text stays then), and for
 * any other port. */
static bool
cut_port(struct span *text, unsigned *port)
{
	const char *colon = memrchr(text->at, ':', text->len);
	struct span digits;
	uint64_t number;

	if (colon == NULL)
		return false;
	digits = (struct span){colon + 1, text->at + text->len - (colon + 1)};
	text->len = colon - text->at;
	if (!span_u64(digits, PORT_MAX, &number) || number == 0)
		return false;
	*port = number;
	return true;
}

/* "192.0.2" and "300.1.1.1" are slips of an address, whatever DNS could make of them. */
static bool
ends_in_number(struct span name)
{
	const char *dot = memrchr(name.at, '.', name.len);
	const char *last = dot != NULL ? dot + 1 : name.at;
	uint64_t number;

	return span_u64((struct span){last, name.at + name.len - last}, UINT64_MAX, &number);
}

static bool
read_name(struct span name, char out[HOST_SIZE])
{
	if (name.len > 1 && name.at[name.len - 1] == '.')
		name.len--;
	if (!address_is_domain(name) || ends_in_number(name) || !span_copy(name, out, HOST_SIZE))
		return false;
	for (char *at = out; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	return true;
}

static bool
is_bracketed(struct span text)
{
	return text.len > 2 && text.at[0] == '[' && text.at[text.len - 1] == ']';
}

/* Within brackets only an IPv6 address is one, also as mail addresses write it (RFC 5321 4.1.3). */
static bool
read_bracketed(struct span text, char out[HOST_SIZE])
{
	static const char tag[] = "IPv6:";
	size_t n = sizeof tag - 1;

	text = (struct span){text.at + 1, text.len - 2};
	if (text.len > n && span_is_nocase((struct span){text.at, n}, tag))
		text = (struct span){text.at + n, text.len - n};
	return host_port_is_address(text, out) && strchr(out, ':') != NULL;
}

bool
host_port_parse(struct span text, struct host_port *out)
{
	*out = (struct host_port){.is_address = true};
	if (host_port_is_address(text, out->host))
		return true;
	if (text.len > 0 && !is_bracketed(text) && memchr(text.at, ':', text.len) != NULL &&
	    !cut_port(&text, &out->port))
		return false;
	if (is_bracketed(text))
		return read_bracketed(text, out->host);
	if (host_port_is_address(text, out->host))
		return strchr(out->host, ':') == NULL; /* where would the port begin? */
	out->is_address = false;
	return read_name(text, out->host);
}

void
host_port_print(const char *host, unsigned port, char out[HOST_PORT_SIZE])
{
	bool brackets = strchr(host, ':') != NULL;

	if (port == 0)
		snprintf(out, HOST_PORT_SIZE, brackets ? "[%s]" : "%s", host);
	else
		snprintf(out, HOST_PORT_SIZE, brackets ? "[%s]:%u" : "%s:%u", host, port);
}

bool
host_port_is_loopback(const struct host_port *at)
{
	struct sockaddr_storage address;

	return at->is_address && socket_address_parse(at->host, &address) &&
	       socket_address_is_loopback((const struct sockaddr *)&address);
}

static bool
is_ipv6(const struct host_port *at)
{
	return strchr(at->host, ':') != NULL;
}

static bool
is_any(const struct host_port *at)
{
	return strcmp(at->host, is_ipv6(at) ? "::" : "0.0.0.0") == 0;
}

bool
host_port_meet(const struct host_port *a, const struct host_port *b)
{
	return a->port == b->port && is_ipv6(a) == is_ipv6(b) &&
	       (is_any(a) || is_any(b) || strcmp(a->host, b->host) == 0);
}

bool
host_port_of_listener(struct span addresses, struct host_port *out)
{
	struct host_port one;
	struct span word;
	bool found = false;

	while ((word = span_take_word(&addresses)).len > 0) {
		if (!host_port_parse(word, &one) || (found && host_port_is_loopback(&one)))
			continue;
		*out = one;
		if (!host_port_is_loopback(&one))
			return true;
		found = true;
	}
	return found;
}
