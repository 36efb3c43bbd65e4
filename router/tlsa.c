/*
 * TLSA records for DANE: which name they are looked up at, and which of them can be used. Asks
 * dns.c.
 */
#include "router/tlsa.h"

#include <stdio.h>
#include <string.h>

#include "common/dns.h"
#include "common/log.h"
#include "common/memory.h"
#include "router/mx.h"

enum { HEAD_BYTES = 3, SHA256_BYTES = 32, SHA512_BYTES = 64 };
enum { USAGE_DANE_TA = 2, USAGE_DANE_EE = 3, SELECTOR_CERT = 0, SELECTOR_SPKI = 1 };
enum { MATCHING_FULL = 0, MATCHING_SHA256 = 1, MATCHING_SHA512 = 2 }; /* RFC 7218 2.3 */

/* ---- records ---- */

static bool
has_right_length(const struct tlsa_record *r)
{
	switch (r->matching) {
	case MATCHING_FULL:
		return r->data.len > 0;
	case MATCHING_SHA256:
		return r->data.len == SHA256_BYTES;
	case MATCHING_SHA512:
		return r->data.len == SHA512_BYTES;
	default:
		return false;
	}
}

bool
tlsa_parse(struct span data, struct tlsa_record *record)
{
	if (data.len <= HEAD_BYTES)
		return false;
	record->usage = data.at[0];
	record->selector = data.at[1];
	record->matching = data.at[2];
	record->data = (struct span){data.at + HEAD_BYTES, data.len - HEAD_BYTES};
	return (record->usage == USAGE_DANE_TA || record->usage == USAGE_DANE_EE) &&
	       (record->selector == SELECTOR_CERT || record->selector == SELECTOR_SPKI) &&
	       has_right_length(record);
}

static void
take_records(struct tlsa_set *set)
{
	const struct dns_answer *a = set->answer;

	for (size_t i = 0; i < a->n && set->n < TLSA_RECORDS_MAX; i++)
		if (tlsa_parse(a->records[i].data, &set->records[set->n]))
			set->n++;
	set->state = set->n > 0 ? TLSA_USABLE : TLSA_UNUSABLE;
}

/* ---- look-ups ---- */

static void
set_later(struct tlsa_set *set, const char *name, const char *why)
{
	set->state = TLSA_LATER;
	snprintf(set->text, sizeof set->text, "cannot look up the TLSA records of <%.255s> now: %s",
	    log_safe(span_of(name)), why);
}

/* True when that settles it. */
static bool
try_base(struct dns *d, const char *base, uint16_t port, int64_t deadline, struct tlsa_set *set)
{
	char name[DNS_NAME_SIZE];
	struct dns_answer *a;

	snprintf(name, sizeof name, "_%u._tcp.%s", port, base);
	a = dns_lookup(d, name, DNS_TLSA, deadline);
	if (a->status == DNS_LATER)
		set_later(set, base, a->why);
	if (a->status == DNS_FOUND && a->secure) {
		strlcpy(set->base, base, sizeof set->base);
		set->answer = dns_answer_keep(a);
		take_records(set);
	}
	dns_answer_free(&a);
	return set->state != TLSA_NONE;
}

/* The alias itself may be secure where the zone that it leads to is not. TLSA_NONE: look there. */
static enum tlsa_state
ask_for_alias(struct dns *d, const struct mx_host *host, int64_t deadline, struct tlsa_set *set)
{
	struct dns_answer *a = dns_lookup(d, host->name, DNS_CNAME, deadline);
	enum tlsa_state state = TLSA_INSECURE;

	if (a->status == DNS_FOUND && a->secure)
		state = TLSA_NONE;
	if (a->status == DNS_LATER) {
		set_later(set, host->name, a->why);
		state = TLSA_LATER;
	}
	dns_answer_free(&a);
	return state;
}

void
tlsa_lookup(struct dns *d, const struct mx_list *list, const struct mx_host *host, uint16_t port,
    int64_t deadline, struct tlsa_set *set)
{
	*set = (struct tlsa_set){.state = TLSA_INSECURE};
	if (!list->secure || (!host->secure && host->alias[0] == '\0'))
		return;
	set->state = host->secure ? TLSA_NONE : ask_for_alias(d, host, deadline, set);
	if (set->state != TLSA_NONE)
		return;
	if (host->secure && host->alias[0] != '\0' && try_base(d, host->alias, port, deadline, set))
		return;
	try_base(d, host->name, port, deadline, set);
}

void
tlsa_set_clear(struct tlsa_set *set)
{
	dns_answer_free(&set->answer);
	*set = (struct tlsa_set){.state = TLSA_INSECURE};
}
