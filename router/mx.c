/*
 * From a destination to the hosts that take its mail.
 */
#include "router/mx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/dns.h"
#include "common/local_address.h"
#include "common/log.h"
#include "common/memory.h"

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

/* ---- the addresses of one host ---- */

static bool
has(const struct ip_list *l, const struct sockaddr_storage *address)
{
	return l != NULL && ip_list_has(l, (const struct sockaddr *)address);
}

static bool
is_own(const struct mx_settings *s, const struct sockaddr_storage *address)
{
	bool interfaces = address->ss_family == AF_INET ? s->interfaces_ipv4 : s->interfaces_ipv6;

	return has(s->own_addresses, address) ||
	       (interfaces && local_address((const struct sockaddr *)address));
}

/* Of what the configuration names any address is good. */
static enum host_verdict
judge(void *arg, const struct sockaddr_storage *address)
{
	const struct search *q = arg;

	if (q->trusted)
		return HOST_TAKE;
	if (is_own(q->s, address))
		return HOST_STOP;
	return has(q->s->unusable, address) ? HOST_SKIP : HOST_TAKE;
}

static bool
is_own_name(const struct search *q, const char *name)
{
	return !q->trusted && address_match_list(q->s->own_names, span_of(name));
}

/* Adds the host if it has addresses. False: that is us. */
static bool
add_host(struct search *q, const char *name, uint16_t preference)
{
	struct mx_host *host = &q->list->hosts[q->list->n];
	const struct host_question question = {.dns = q->d,
	    .deadline = q->deadline,
	    .port = q->port,
	    .ipv4 = q->s->ipv4,
	    .ipv6 = q->s->ipv6,
	    .judge = judge,
	    .judge_arg = q};
	struct host_addresses found;

	if (host_lookup(&question, name, &found) == -1 ||
	    (found.found && is_own_name(q, found.alias)))
		return false;
	*host = (struct mx_host){.preference = preference, .secure = found.secure, .n = found.n};
	strlcpy(host->name, name, sizeof host->name);
	strlcpy(host->alias, found.alias, sizeof host->alias);
	memcpy(host->addresses, found.addresses, sizeof host->addresses);
	if (found.n > 0)
		q->list->n++; /* what the other family would have said is not needed */
	else if (found.later != NULL)
		q->later = found.later;
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

	*host = (struct mx_host){.n = 1};
	if (!host_address(text, q->port, &host->addresses[0]) ||
	    !span_copy(host_without_brackets(text), host->name, sizeof host->name))
		return false;
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
	else if (is_own(q->s, address))
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
	else if (!host_name(domain, name))
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
	if (!host_name(name, host)) {
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
