/*
 * Addresses of DNS servers as text: one in a setting, and those of resolv.conf(5).
 */
#include "common/nameserver.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "common/socket_address.h"

enum { PORT_MAX = 65535 };

/* ---- one address ---- */

/* Cuts ":port" from "192.0.2.53:53" and "[::1]:53", and the brackets. False when it is malformed.
 */
static bool
take_port(struct span *text, uint64_t *port)
{
	struct span rest = *text, host;
	const char *close;

	if (text->len > 0 && text->at[0] == '[') {
		close = memchr(text->at, ']', text->len);
		if (close == NULL)
			return false;
		rest = (struct span){close + 1, text->at + text->len - close - 1};
		*text = (struct span){text->at + 1, close - text->at - 1};
		if (rest.len == 0)
			return true;
		return span_take(&rest, ':', &host) && host.len == 0 &&
		       span_u64(rest, PORT_MAX, port) && *port > 0;
	}
	if (!span_take(&rest, ':', &host) || (rest.len && memchr(rest.at, ':', rest.len)))
		return true; /* no port, or an IPv6 address */
	*text = host;
	return span_u64(rest, PORT_MAX, port) && *port > 0;
}

static bool
parse_v6(const char *host, struct span scope, struct sockaddr_in6 *v6)
{
	char name[IF_NAMESIZE];
	uint64_t number;

	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return false;
	if (scope.len == 0)
		return true;
	if (span_u64(scope, UINT32_MAX, &number))
		v6->sin6_scope_id = number;
	else if (span_copy(scope, name, sizeof name))
		v6->sin6_scope_id = if_nametoindex(name);
	return v6->sin6_scope_id != 0;
}

bool
nameserver_parse(struct span text, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	uint64_t port = NAMESERVER_PORT;
	struct span scope, host_text;
	char host[NAMESERVER_TEXT_SIZE];

	memset(address, 0, sizeof *address);
	if (!take_port(&text, &port))
		return false;
	scope = text;
	if (!span_take(&scope, '%', &host_text))
		scope.len = 0;
	if (!span_copy(host_text, host, sizeof host))
		return false;
	if (strchr(host, ':') != NULL) {
		address->ss_family = AF_INET6;
		socket_address_set_port(address, port);
		return parse_v6(host, scope, v6);
	}
	address->ss_family = AF_INET;
	socket_address_set_port(address, port);
	return scope.len == 0 && inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

/* ---- resolv.conf ---- */

static void
add_server(struct resolv_conf *conf, struct span word)
{
	struct sockaddr_storage address;

	if (conf->n < RESOLV_CONF_SERVERS_MAX && nameserver_parse(word, &address) &&
	    span_copy(word, conf->servers[conf->n], NAMESERVER_TEXT_SIZE))
		conf->n++;
}

void
resolv_conf_parse(struct span text, struct resolv_conf *conf)
{
	struct span line, word;
	bool more;

	*conf = (struct resolv_conf){.n = 0};
	do {
		more = span_take(&text, '\n', &line);
		line = span_trim(line);
		word = span_take_word(&line);
		if (span_is(word, "nameserver"))
			add_server(conf, span_take_word(&line));
		else if (span_is(word, "options"))
			while ((word = span_take_word(&line)).len > 0)
				conf->trust_ad |= span_is(word, "trust-ad");
	} while (more);
	if (conf->n == 0)
		add_server(conf, span_of("127.0.0.1"));
}
