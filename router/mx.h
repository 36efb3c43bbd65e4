/*
 * From a destination to the hosts that take its mail, in the order in which to try them (RFC 5321
 * 5.1, 7505). Asks dns.c; for the sequential deliver child.
 *
 * How it ends                                                        end     code
 *   hosts with addresses                                             FOUND   ""
 *   a look-up that was needed failed (SERVFAIL, refused, time-out,
 *   cut or broken answer), no host was left to use, and one of them
 *   might have been; or more hosts than are looked at                LATER   4.4.3
 *   no such domain                                                   FAILED  5.1.2
 *   no MX and no address, or a name that is none                     FAILED  5.1.2
 *   null MX: the domain takes no mail                                FAILED  5.1.10
 *   MX, but no host of them has a usable address                     FAILED  5.4.4
 *   we are the best host: mail would come back to us                 FAILED  5.4.6
 *   mx_of_host(): anything but addresses                             LATER   4.4.4
 *
 * Hosts that are us, by name (also at the end of a CNAME) or by address, are left out together with
 * all of equal or worse preference. Addresses that mean nothing from another host (loopback,
 * 0.0.0.0, multicast: the setting unusable) are left out as if they were not there, so a domain
 * whose MX is localhost fails with 5.4.4. So are MX that are no host names and MX beside a null MX.
 * A CNAME as MX is against RFC 2181 10.3 but followed. Addresses alternate between IPv6 and IPv4,
 * IPv6 first, and are shuffled within each; hosts of equal preference are shuffled.
 */
#ifndef ROUTER_MX_H
#define ROUTER_MX_H

#include <sys/socket.h>

#include "common/host_lookup.h"
#include "common/ip_list.h"

enum {
	MX_HOSTS_MAX = 10,  /* with addresses; RFC 5321 5.1 wants at least two to be tried */
	MX_LOOKED_MAX = 20, /* hosts whose addresses are looked up */
	MX_CODE_SIZE = 8,
	MX_TEXT_SIZE = 512
};

struct mx_settings {
	struct span own_names; /* blank-separated, with *: address_match_list() */
	const struct ip_list *own_addresses, *unusable; /* may be NULL: none */
	bool interfaces_ipv4, interfaces_ipv6; /* so are those of the interfaces, own addresses */
	bool ipv4, ipv6; /* which addresses are asked for: those that this machine can reach */
};

struct mx_host {
	/* A host name in lower case; with address literals the address, without brackets. */
	char name[DNS_HOST_SIZE];
	char alias[DNS_HOST_SIZE]; /* where its CNAMEs end, if it has any; else "" */
	uint16_t preference;
	bool secure; /* all these addresses were validated, with the chain that leads to them */
	size_t n;    /* at least one */
	struct sockaddr_storage addresses[HOST_ADDRESSES_MAX]; /* with the port */
};

enum mx_end { MX_FOUND, MX_LATER, MX_FAILED };

struct mx_list {
	enum mx_end end;
	char code[MX_CODE_SIZE]; /* enhanced status code, RFC 3463 */
	char
	    text[MX_TEXT_SIZE]; /* MX_LATER, MX_FAILED: a sentence for people, printable. Else "" */
	bool implicit;		/* there is no MX, the domain itself is the host */
	bool secure; /* the MX, or that there is none, was validated: DANE (tlsa.h) may be asked for
		      */
	size_t n;    /* > 0 exactly when MX_FOUND */
	struct mx_host hosts[MX_HOSTS_MAX];
};

struct dns;

/*
 * domain: of an address, in any case, perhaps in UTF-8 (which becomes its A-labels, RFC 5891), or
 * an address literal [192.0.2.1], [IPv6:2001:db8::1]. deadline: of dns_deadline(), for all
 * look-ups. A list is about 14 KB.
 */
void mx_of_domain(struct dns *d, const struct mx_settings *s, struct span domain, uint16_t port,
    int64_t deadline, struct mx_list *list);

/*
 * The addresses of a host that the configuration names (smart host, route): no MX, any address is
 * good, also our own. name may be an address, with or without brackets. Never fails for good: an
 * administrator's slip does not bounce mail.
 */
void mx_of_host(struct dns *d, const struct mx_settings *s, struct span name, uint16_t port,
    int64_t deadline, struct mx_list *list);

#endif
