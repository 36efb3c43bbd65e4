/*
 * From a destination to the hosts that take its mail.
 */
#include "router/mx.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/dns.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"

enum { IP_TEXT_SIZE = 64 };

/* What one resolution works with and has found out. */
struct search {
	struct dns *d;
	const struct mx_settings *s;
	uint16_t port;
	int64_t deadline;
	bool trusted; /* the configuration names it: any address is good */
	struct mx_list *list;
	const char *later; /* why a look-up failed, else NULL */
	bool us;	   /* we were among the hosts */
	bool more;	   /* hosts are left that nobody looked at */
};

static void end_with(struct mx_list *l, enum mx_end end, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void
end_with(struct mx_list *l, enum mx_end end, const char *code, const char *format, ...)
{
	va_list ap;

	l->end = end;
	l->n = 0;
	strlcpy(l->code, code, sizeof l->code);
	va_start(ap, format);
	vsnprintf(l->text, sizeof l->text, format, ap);
	va_end(ap);
}

/* ---- names and addresses as text ---- */

bool
mx_host_name(struct span domain, char out[DNS_HOST_SIZE])
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

static struct span
without_brackets(struct span text)
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

/* ---- the addresses of one host ---- */

static bool
has(const struct ip_list *l, const struct sockaddr_storage *address)
{
	return l != NULL && ip_list_has(l, (const struct sockaddr *)address);
}

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

/* Of one family; at most MX_ADDRESSES_MAX. */
struct found {
	size_t n;
	struct sockaddr_storage addresses[MX_ADDRESSES_MAX];
};

/* False: one of them is ours. */
static bool
take_addresses(const struct search *q, const struct dns_answer *a, int family, struct found *found)
{
	struct sockaddr_storage address;

	for (size_t i = 0; i < a->n; i++) {
		set_address(&address, family, a->records[i].data.at, q->port);
		if (!q->trusted && has(q->s->own_addresses, &address))
			return false;
		if (!q->trusted && has(q->s->unusable, &address))
			continue;
		if (found->n < MX_ADDRESSES_MAX)
			found->addresses[found->n++] = address;
	}
	shuffle(found->addresses, found->n);
	return true;
}

static bool
is_own_name(const struct search *q, const char *name)
{
	return !q->trusted && address_match_list(q->s->own_names, span_of(name));
}

/* False: that is us. */
static bool
look_up(struct search *q, struct mx_host *host, int family, struct found *found)
{
	struct dns_answer *a =
	    dns_lookup(q->d, host->name, family == AF_INET ? DNS_A : DNS_AAAA, q->deadline);
	bool ours = false;

	if (a->hops > 0 && address_is_domain(span_of(a->name)))
		strlcpy(host->alias, a->name, sizeof host->alias);
	if (a->status == DNS_FOUND)
		ours = is_own_name(q, host->alias) || !take_addresses(q, a, family, found);
	if (found->n > 0)
		host->secure &= a->secure;
	if (a->status == DNS_LATER)
		q->later = a->why;
	dns_answer_free(&a);
	return !ours;
}

/* In turn, the first family first. */
static void
merge(struct mx_host *host, const struct found *a, const struct found *b)
{
	for (size_t i = 0; i < MX_ADDRESSES_MAX; i++) {
		if (i < a->n && host->n < MX_ADDRESSES_MAX)
			host->addresses[host->n++] = a->addresses[i];
		if (i < b->n && host->n < MX_ADDRESSES_MAX)
			host->addresses[host->n++] = b->addresses[i];
	}
}

/* Adds the host if it has addresses. False: that is us. */
static bool
add_host(struct search *q, const char *name, uint16_t preference)
{
	struct mx_host *host = &q->list->hosts[q->list->n];
	struct found v6 = {.n = 0}, v4 = {.n = 0};
	const char *later = q->later;

	*host = (struct mx_host){.preference = preference, .secure = true};
	strlcpy(host->name, name, sizeof host->name);
	if ((q->s->ipv6 && !look_up(q, host, AF_INET6, &v6)) ||
	    (q->s->ipv4 && !look_up(q, host, AF_INET, &v4)))
		return false;
	merge(host, &v6, &v4);
	if (host->n == 0)
		return true;
	q->later = later; /* what the other family would have said is not needed */
	q->list->n++;
	return true;
}

/* ---- the MX ---- */

struct candidate {
	uint16_t preference;
	uint32_t draw; /* the order among equals */
	const char *name;
};

static int
compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->draw < y->draw ? -1 : x->draw > y->draw;
}

/* Those that are host names, sorted. Returns how many. */
static size_t
sort_candidates(const struct dns_answer *a, struct candidate *c)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		const struct dns_record *r = &a->records[i];

		if (address_is_domain(span_of(r->name)))
			c[n++] = (struct candidate){r->preference, arc4random(), r->name};
	}
	qsort(c, n, sizeof *c, compare);
	return n;
}

/* How many are better than the first of those that carry our name. */
static size_t
cut_at_us(struct search *q, const struct candidate *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_own_name(q, c[i].name))
			continue;
		q->us = true;
		while (i > 0 && c[i - 1].preference == c[i].preference)
			i--;
		return i;
	}
	return n;
}

/* A host turned out to be us by its address. */
static void
drop_from(struct search *q, uint16_t preference)
{
	q->us = true;
	while (q->list->n > 0 && q->list->hosts[q->list->n - 1].preference >= preference)
		q->list->n--;
}

/* Names that were looked at come together at the front of c. */
static bool
is_new(const struct candidate *c, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(c[i].name, name) == 0)
			return false;
	return true;
}

static void
add_candidates(struct search *q, struct candidate *c, size_t n)
{
	size_t looked = 0;

	for (size_t i = 0; i < n && q->list->n < MX_HOSTS_MAX; i++) {
		if (!is_new(c, looked, c[i].name))
			continue;
		if (looked == MX_LOOKED_MAX) {
			q->more = true;
			return;
		}
		c[looked++] = c[i];
		if (!add_host(q, c[i].name, c[i].preference)) {
			drop_from(q, c[i].preference);
			return;
		}
	}
}

static bool
is_null_mx(const struct dns_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->records[i].name, ".") != 0)
			return false;
	return true;
}

static void
take_mx(struct search *q, const struct dns_answer *a)
{
	struct candidate *c;

	if (is_null_mx(a)) {
		end_with(q->list, MX_FAILED, "5.1.10", "the domain takes no mail (null MX)");
		return;
	}
	/* a stranger chose how many */
	if ((c = calloc(a->n, sizeof *c)) == NULL) {
		q->later = "there is not enough memory";
		return;
	}
	add_candidates(q, c, cut_at_us(q, c, sort_candidates(a, c)));
	free(c);
}

/* ---- how it ends ---- */

static void
set_found(struct mx_list *l)
{
	l->end = MX_FOUND;
	l->code[0] = l->text[0] = '\0';
}

static void
conclude(const struct search *q, const char *domain)
{
	struct mx_list *l = q->list;
	const char *name = log_safe(span_of(domain));

	if (l->n > 0)
		set_found(l);
	else if (q->later != NULL)
		end_with(l, MX_LATER, "4.4.3", "cannot find the mail servers of <%.255s> now: %s",
		    name, q->later);
	else if (q->more)
		end_with(l, MX_LATER, "4.4.3",
		    "the first %d mail servers that the DNS names for <%.255s> have no address",
		    MX_LOOKED_MAX, name);
	else if (q->us)
		end_with(l, MX_FAILED, "5.4.6",
		    "mail for <%.255s> would come back here: the DNS names this host for it", name);
	else if (l->implicit)
		end_with(l, MX_FAILED, "5.1.2",
		    "the domain <%.255s> has neither mail servers nor an address", name);
	else
		end_with(l, MX_FAILED, "5.4.4",
		    "none of the mail servers that the DNS names for <%.255s> has a usable address",
		    name);
}

static void
no_domain(struct mx_list *l, struct span domain)
{
	end_with(l, MX_FAILED, "5.1.2", "<%.255s> is no domain name", log_safe(domain));
}

/* ---- without DNS ---- */

/* False: text is no address. */
static bool
set_only_address(struct search *q, struct span text)
{
	struct mx_host *host = &q->list->hosts[0];
	unsigned char binary[sizeof(struct in6_addr)];
	char ip[IP_TEXT_SIZE];

	if (!span_copy(without_brackets(text), ip, sizeof ip))
		return false;
	*host = (struct mx_host){.n = 1};
	if (inet_pton(AF_INET, ip, binary) == 1)
		set_address(&host->addresses[0], AF_INET, binary, q->port);
	else if (inet_pton(AF_INET6, ip, binary) == 1)
		set_address(&host->addresses[0], AF_INET6, binary, q->port);
	else
		return false;
	strlcpy(host->name, ip, sizeof host->name);
	q->list->n = 1;
	return true;
}

static void
resolve_literal(struct search *q, struct span literal)
{
	struct mx_list *l = q->list;
	const struct sockaddr_storage *address = &l->hosts[0].addresses[0];

	if (!set_only_address(q, literal))
		no_domain(l, literal);
	else if (has(q->s->own_addresses, address))
		end_with(l, MX_FAILED, "5.4.6", "mail for <%.255s> would come back here",
		    log_safe(literal));
	else if (has(q->s->unusable, address))
		end_with(l, MX_FAILED, "5.4.4", "<%.255s> is no address of another host",
		    log_safe(literal));
	else
		set_found(l);
}

/* ---- the doors ---- */

static void
resolve_name(struct search *q, const char *name)
{
	struct dns_answer *a = dns_lookup(q->d, name, DNS_MX, q->deadline);
	struct mx_list *l = q->list;

	l->secure = a->secure;
	switch (a->status) {
	case DNS_FOUND:
		take_mx(q, a);
		break;
	case DNS_NODATA:
		l->implicit = true; /* RFC 5321 5.1 */
		q->us = is_own_name(q, name) || !add_host(q, name, 0);
		break;
	case DNS_NXDOMAIN:
		end_with(l, MX_FAILED, "5.1.2", "the domain <%.255s> does not exist",
		    log_safe(span_of(name)));
		break;
	case DNS_LATER:
		q->later = a->why;
		break;
	}
	dns_answer_free(&a);
	if (l->code[0] == '\0')
		conclude(q, name);
}

static void
start(struct search *q, struct mx_list *list)
{
	q->list = list;
	list->end = MX_LATER;
	list->code[0] = list->text[0] = '\0';
	list->implicit = list->secure = false;
	list->n = 0;
}

void
mx_of_domain(struct dns *d, const struct mx_settings *s, struct span domain, uint16_t port,
    int64_t deadline, struct mx_list *list)
{
	struct search q = {.d = d, .s = s, .port = port, .deadline = deadline};
	char name[DNS_HOST_SIZE];

	start(&q, list);
	if (domain.len > 0 && domain.at[0] == '[')
		resolve_literal(&q, domain);
	else if (!mx_host_name(domain, name))
		no_domain(list, domain);
	else
		resolve_name(&q, name);
}

void
mx_of_host(struct dns *d, const struct mx_settings *s, struct span name, uint16_t port,
    int64_t deadline, struct mx_list *list)
{
	struct search q = {.d = d, .s = s, .port = port, .deadline = deadline, .trusted = true};
	char host[DNS_HOST_SIZE];

	start(&q, list);
	list->implicit = true;
	if (set_only_address(&q, name)) {
		set_found(list);
		return;
	}
	if (!mx_host_name(name, host)) {
		end_with(list, MX_LATER, "4.4.4", "<%.255s> is no host name", log_safe(name));
		return;
	}
	list->secure = true; /* nothing but the configuration led here */
	add_host(&q, host, 0);
	if (list->n > 0)
		set_found(list);
	else
		end_with(list, MX_LATER, "4.4.4", "cannot find the address of <%.255s>: %s",
		    log_safe(name), q.later != NULL ? q.later : "it has none");
}
