/* The addresses of this machine, as others see it. */
#include "master/machine.h"

#include <ifaddrs.h>
#include <string.h>

#include "common/host_port.h"
#include "common/ip_list.h"
#include "common/socket_address.h"
#include "common/span.h"

/* What no router of the internet forwards: RFC 6890, but the networks of documentation. */
static const char inner[] = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 "
			    "172.16.0.0/12 192.168.0.0/16 224.0.0.0/3 ::/127 fc00::/7 fe80::/10 "
			    "ff00::/8";

bool
machine_has_address(const json_t *addresses, const char *address)
{
	const json_t *one;
	size_t i;

	json_array_foreach(
	    addresses, i, one) if (strcmp(json_string_value(one), address) == 0) return true;
	return false;
}

static void
add(json_t *list, const char *address)
{
	if (!machine_has_address(list, address))
		json_array_append_new(list, json_string(address));
}

static void
add_interfaces(json_t *list, const struct ifaddrs *interfaces)
{
	struct ip_list *not_routed = ip_list_new(span_of(inner));
	char text[SOCKET_ADDRESS_TEXT_SIZE];

	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		if (ip_list_has(not_routed, i->ifa_addr))
			continue;
		socket_address_text(i->ifa_addr, text);
		add(list, text);
	}
	ip_list_free(&not_routed);
}

/* Networks and patterns name no address. */
static void
add_own(json_t *list, struct span items)
{
	char address[HOST_SIZE];
	struct span word;

	while ((word = span_take_word(&items)).len > 0)
		if (host_port_is_address(word, address))
			add(list, address);
}

json_t *
machine_public_addresses(const struct config *c)
{
	struct ifaddrs *interfaces;
	json_t *list;

	if (getifaddrs(&interfaces) == -1)
		return NULL;
	list = json_array();
	add_interfaces(list, interfaces);
	freeifaddrs(interfaces);
	add_own(list, span_of(config_text(c, "outgoing", "Own Addresses")));
	return list;
}
