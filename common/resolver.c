/*
 * What a program takes from its settings to find other hosts.
 */
#include "common/resolver.h"

#include <string.h>
#include <sys/socket.h>

#include "common/memory.h"
#include "common/nameserver.h"
#include "common/socket_address.h"

void
resolver_settings(const struct settings *s, struct dns_settings *dns)
{
	struct span rest = span_of(settings_text(s, "resolver", "Servers")), one;
	bool more;

	do {
		more = span_take(&rest, ' ', &one);
		if (dns->n_servers < nitems(dns->servers) &&
		    nameserver_parse(one, &dns->servers[dns->n_servers]))
			dns->n_servers++;
	} while (more);
	dns->trust_ad = settings_bool(s, "resolver", "Trust AD");
	dns->timeout_ms = settings_u64(s, "timeouts", "DNS Reply") * 1000;
}

/* Nothing is sent: connect() of a datagram socket looks for a route only. */
static bool
has_route(const char *somewhere)
{
	struct sockaddr_storage address;
	int fd;
	bool routed;

	if (!nameserver_parse(span_of(somewhere), &address))
		return false;
	fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	routed = fd != -1 && connect(fd, (const struct sockaddr *)&address,
				 socket_address_length((const struct sockaddr *)&address)) == 0;
	closefd(&fd);
	return routed;
}

void
resolver_choose_protocol(const char *choice, bool *ipv4, bool *ipv6)
{
	*ipv4 = strcmp(choice, "IPv6") != 0;
	*ipv6 = strcmp(choice, "IPv4") != 0;
	if (strcmp(choice, "auto") != 0)
		return;
	/* Any addresses that the world routes: those of two root servers. */
	*ipv4 = has_route("198.41.0.4");
	*ipv6 = has_route("2001:503:ba3e::2:30");
	if (!*ipv4 && !*ipv6) /* a network of its own */
		*ipv4 = *ipv6 = true;
}
