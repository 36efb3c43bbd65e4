/*
 * Questions to the DNS and judging what comes back for them. The header and the question are
 * compared as bytes, before ldns reads the rest.
 */
#include "common/dns_wire.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER_BYTES = 12,
	QUESTION_TAIL_BYTES = 4, /* type and class */
	A_BYTES = 4,
	AAAA_BYTES = 16,
	TTL_SIGN_BIT = 31
};

/* ---- questions ---- */

static ldns_pkt *
new_query(const char *name, enum dns_type type, bool edns)
{
	ldns_rdf *rdf = ldns_dname_new_frm_str(name);
	ldns_pkt *pkt;

	if (rdf == NULL)
		return NULL;
	pkt = ldns_pkt_query_new(rdf, (ldns_rr_type)type, LDNS_RR_CLASS_IN, LDNS_RD);
	if (pkt == NULL) {
		ldns_rdf_deep_free(rdf);
		return NULL;
	}
	ldns_pkt_set_ad(pkt, true);
	if (edns) {
		ldns_pkt_set_edns_udp_size(pkt, DNS_UDP_BYTES);
		ldns_pkt_set_edns_do(pkt, true);
	}
	return pkt;
}

int
dns_query_build(struct dns_query *q, const char *name, enum dns_type type, bool edns)
{
	ldns_pkt *pkt = NULL;
	uint8_t *wire = NULL;
	size_t len = 0, name_len;
	int rv = -1;

	if (strlcpy(q->name, name, sizeof q->name) >= sizeof q->name)
		return -1;
	if ((pkt = new_query(name, type, edns)) == NULL)
		return -1;
	name_len = ldns_rdf_size(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(pkt), 0)));
	if (name_len > LDNS_MAX_DOMAINLEN || ldns_pkt2wire(&wire, pkt, &len) != LDNS_STATUS_OK ||
	    len > sizeof q->wire)
		goto out;
	memcpy(q->wire, wire, len);
	q->len = len;
	q->question_len = name_len + QUESTION_TAIL_BYTES;
	q->type = type;
	q->edns = edns;
	rv = 0;
out:
	free(wire);
	ldns_pkt_free(pkt);
	return rv;
}

void
dns_query_draw_id(struct dns_query *q)
{
	arc4random_buf(q->wire, 2);
}

/* ---- header and question ---- */

static bool
same_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (tolower(a[i]) != tolower(b[i])) /* a label's length is below 'A' */
			return false;
	return true;
}

static bool
repeats_question(const struct dns_query *q, const uint8_t *packet, size_t len)
{
	return LDNS_QDCOUNT(packet) == 1 && len >= HEADER_BYTES + q->question_len &&
	       same_nocase(packet + HEADER_BYTES, q->wire + HEADER_BYTES, q->question_len);
}

static const char *
complaint_of(unsigned rcode)
{
	switch (rcode) {
	case LDNS_RCODE_SERVFAIL:
		return "the DNS server answered SERVFAIL";
	case LDNS_RCODE_REFUSED:
		return "the DNS server refused the question";
	case LDNS_RCODE_FORMERR:
	case LDNS_RCODE_NOTIMPL:
		return "the DNS server did not understand the question";
	default:
		return "the DNS server answered with an error";
	}
}

/* DNS_IS_ANSWER: the rest is worth reading. */
static enum dns_verdict
judge_header(const struct dns_query *q, const uint8_t *packet, size_t len, const char **why)
{
	unsigned rcode;

	if (len < HEADER_BYTES || memcmp(packet, q->wire, 2) != 0 || !LDNS_QR_WIRE(packet) ||
	    LDNS_OPCODE_WIRE(packet) != LDNS_PACKET_QUERY)
		return DNS_IS_STRANGE;
	rcode = LDNS_RCODE_WIRE(packet);
	/* A server that could not read the question may leave it out. */
	if (!repeats_question(q, packet, len) &&
	    (LDNS_QDCOUNT(packet) != 0 || rcode == LDNS_RCODE_NOERROR ||
		rcode == LDNS_RCODE_NXDOMAIN))
		return DNS_IS_STRANGE;
	if ((rcode == LDNS_RCODE_FORMERR || rcode == LDNS_RCODE_NOTIMPL) && q->edns)
		return DNS_IS_NO_EDNS; /* RFC 6891 7 */
	if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN) {
		*why = complaint_of(rcode);
		return DNS_IS_USELESS;
	}
	return LDNS_TC_WIRE(packet) ? DNS_IS_CUT : DNS_IS_ANSWER;
}

/* ---- names and records ---- */

/* 0: out of memory. */
static size_t
name_text(const ldns_rdf *rdf, char out[DNS_NAME_SIZE])
{
	char *text = ldns_rdf2str(rdf);
	size_t len;

	if (text == NULL)
		return 0;
	len = strlcpy(out, text, DNS_NAME_SIZE);
	free(text);
	if (len >= DNS_NAME_SIZE)
		return 0;
	if (len > 1 && out[len - 1] == '.')
		out[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		out[i] = tolower((unsigned char)out[i]);
	return len;
}

static const ldns_rdf *
rdf_of(const ldns_rr *rr, size_t index, ldns_rdf_type type)
{
	const ldns_rdf *rdf = index < ldns_rr_rd_count(rr) ? ldns_rr_rdf(rr, index) : NULL;

	return rdf != NULL && ldns_rdf_get_type(rdf) == type ? rdf : NULL;
}

/* Where a record of this type has the name that it leads to; -1: it leads to none. */
static int
target_index(enum dns_type type)
{
	switch (type) {
	case DNS_CNAME:
	case DNS_PTR:
		return 0;
	case DNS_MX:
		return 1;
	case DNS_SRV:
		return 3;
	default:
		return -1;
	}
}

static const ldns_rdf *
target_of(const ldns_rr *rr, enum dns_type type)
{
	return rdf_of(rr, target_index(type), LDNS_RDF_TYPE_DNAME);
}

static bool
has_numbers(const ldns_rr *rr, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rdf_of(rr, i, LDNS_RDF_TYPE_INT16) == NULL)
			return false;
	return true;
}

static bool
has_strings(const ldns_rr *rr)
{
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = rdf_of(rr, i, LDNS_RDF_TYPE_STR);

		if (rdf == NULL || ldns_rdf_size(rdf) < 1)
			return false;
	}
	return true;
}

/* ldns gives the fields that were there: a short record has fewer. */
static bool
is_whole(const ldns_rr *rr, enum dns_type type)
{
	const ldns_rdf *first = ldns_rr_rd_count(rr) ? ldns_rr_rdf(rr, 0) : NULL;

	switch (type) {
	case DNS_A:
		return first != NULL && ldns_rdf_size(first) == A_BYTES;
	case DNS_AAAA:
		return first != NULL && ldns_rdf_size(first) == AAAA_BYTES;
	case DNS_MX:
	case DNS_SRV:
	case DNS_CNAME:
	case DNS_PTR:
		return has_numbers(rr, target_index(type)) && target_of(rr, type) != NULL;
	case DNS_TXT:
		return has_strings(rr);
	case DNS_TLSA:
		return true; /* RFC 7672 2.2: a malformed one is there, but not usable */
	}
	return false;
}

/* What the record takes of an answer's pool; 0: no memory. */
static size_t
pool_bytes(const ldns_rr *rr, enum dns_type type)
{
	char name[DNS_NAME_SIZE];
	size_t bytes = 1;

	if (target_index(type) != -1)
		return name_text(target_of(rr, type), name) ? strlen(name) + 1 : 0;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++)
		bytes += ldns_rdf_size(ldns_rr_rdf(rr, i));
	return bytes;
}

static void
copy_data(struct dns_answer *a, struct dns_record *r, const ldns_rr *rr, enum dns_type type)
{
	size_t len = 0, skip = type == DNS_TXT ? 1 : 0; /* each string's length */
	uint8_t data[LDNS_MAX_RDFLEN];

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
		size_t size = ldns_rdf_size(rdf) - skip;

		if (size > sizeof data - len)
			break;
		if (size)
			memcpy(data + len, ldns_rdf_data(rdf) + skip, size);
		len += size;
	}
	r->data = (struct span){(const char *)data, len};
	r->data.at = dns_answer_put(a, r->data);
}

/* -1: no memory. */
static int
copy_record(struct dns_answer *a, const ldns_rr *rr, enum dns_type type)
{
	struct dns_record *r = &a->records[a->n];
	char name[DNS_NAME_SIZE];

	if (target_index(type) != -1) {
		if (name_text(target_of(rr, type), name) == 0)
			return -1;
		r->name = dns_answer_put(a, span_of(name));
	}
	if (type == DNS_MX || type == DNS_SRV)
		r->preference = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
	if (type == DNS_SRV) {
		r->weight = ldns_rdf2native_int16(ldns_rr_rdf(rr, 1));
		r->port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
	}
	if (r->name == NULL)
		copy_data(a, r, rr, type);
	a->n++;
	return 0;
}

/* ---- the answer section ---- */

/* What is being read. */
struct reading {
	const struct dns_query *q;
	const ldns_pkt *pkt;
	const ldns_rdf *owner; /* whose records are looked for */
	unsigned hops;
	uint32_t ttl;
	const char *why;
};

static void
lower_ttl(struct reading *r, uint32_t ttl)
{
	if (ttl >> TTL_SIGN_BIT)
		ttl = 0; /* RFC 2181 8 */
	if (ttl < r->ttl)
		r->ttl = ttl;
}

/* The next record of the owner and the type from *at on, or NULL. */
static const ldns_rr *
next_record(const struct reading *r, enum dns_type type, size_t *at)
{
	const ldns_rr_list *list = ldns_pkt_answer(r->pkt);

	while (*at < ldns_rr_list_rr_count(list)) {
		const ldns_rr *rr = ldns_rr_list_rr(list, (*at)++);

		if (ldns_rr_get_type(rr) == (ldns_rr_type)type &&
		    ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
		    ldns_dname_compare(ldns_rr_owner(rr), r->owner) == 0)
			return rr;
	}
	return NULL;
}

/* Goes on to where CNAMEs lead. -1 with r->why. */
static int
follow_chain(struct reading *r)
{
	const ldns_rr *rr;
	size_t at = 0, from = 0;

	while (r->q->type != DNS_CNAME && next_record(r, r->q->type, &at) == NULL &&
	       (rr = next_record(r, DNS_CNAME, &from)) != NULL) {
		if (!is_whole(rr, DNS_CNAME)) {
			r->why = "the DNS server's answer is broken";
			return -1;
		}
		if (++r->hops > DNS_HOPS_MAX) {
			r->why = "its DNS aliases lead in a circle or too far";
			return -1;
		}
		lower_ttl(r, ldns_rr_ttl(rr));
		r->owner = target_of(rr, DNS_CNAME);
		at = from = 0;
	}
	return 0;
}

/* How many records, and the pool that they take. -1 with r->why. */
static int
measure(struct reading *r, size_t *n, size_t *pool)
{
	const ldns_rr *rr;
	size_t at = 0, bytes;

	*n = *pool = 0;
	while ((rr = next_record(r, r->q->type, &at)) != NULL) {
		if (!is_whole(rr, r->q->type)) {
			r->why = "the DNS server's answer is broken";
			return -1;
		}
		if ((bytes = pool_bytes(rr, r->q->type)) == 0) {
			r->why = "there is not enough memory";
			return -1;
		}
		lower_ttl(r, ldns_rr_ttl(rr));
		*pool += bytes;
		(*n)++;
	}
	return 0;
}

/* NULL with r->why. */
static struct dns_answer *
collect(struct reading *r, enum dns_status status, size_t n, size_t pool)
{
	char name[DNS_NAME_SIZE];
	struct dns_answer *a = NULL;
	const ldns_rr *rr;
	size_t at = 0;

	r->why = "there is not enough memory";
	if (name_text(r->owner, name) == 0 || (a = dns_answer_new(n, pool, name)) == NULL)
		return NULL;
	while (n > 0 && (rr = next_record(r, r->q->type, &at)) != NULL)
		if (copy_record(a, rr, r->q->type) == -1) {
			dns_answer_free(&a);
			return NULL;
		}
	a->status = status;
	a->secure = ldns_pkt_ad(r->pkt);
	a->ttl = r->ttl;
	a->hops = r->hops;
	return a;
}

/* ---- that there is nothing ---- */

static const ldns_rr *
authority(const struct reading *r, ldns_rr_type type)
{
	const ldns_rr_list *list = ldns_pkt_authority(r->pkt);

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		if (ldns_rr_get_type(ldns_rr_list_rr(list, i)) == type)
			return ldns_rr_list_rr(list, i);
	return NULL;
}

/* RFC 2308 5; without SOA it is not kept. */
static void
lower_negative_ttl(struct reading *r)
{
	const ldns_rr *soa = authority(r, LDNS_RR_TYPE_SOA);
	const ldns_rdf *minimum = soa != NULL ? rdf_of(soa, 6, LDNS_RDF_TYPE_PERIOD) : NULL;

	if (minimum == NULL || ldns_rdf_size(minimum) != sizeof(uint32_t)) {
		r->ttl = 0;
		return;
	}
	lower_ttl(r, ldns_rr_ttl(soa));
	lower_ttl(r, ldns_rdf2native_int32(minimum));
}

/* A server that neither resolves nor owns the zone proves nothing; nor does a referral to others
 * (RFC 2308 2.2). */
static bool
may_deny(const struct reading *r)
{
	return (ldns_pkt_ra(r->pkt) || ldns_pkt_aa(r->pkt)) &&
	       (authority(r, LDNS_RR_TYPE_NS) == NULL || authority(r, LDNS_RR_TYPE_SOA) != NULL);
}

static enum dns_verdict
useless(const char **why, const char *words)
{
	*why = words;
	return DNS_IS_USELESS;
}

static enum dns_verdict
judge_absence(struct reading *r, bool nxdomain, struct dns_answer **answer, const char **why)
{
	enum dns_status status = nxdomain ? DNS_NXDOMAIN : DNS_NODATA;
	bool open_end = r->hops > 0 && !nxdomain && authority(r, LDNS_RR_TYPE_SOA) == NULL;

	if (!open_end && !may_deny(r))
		return useless(why, "the DNS server does not resolve names");
	if (!open_end)
		lower_negative_ttl(r);
	*answer = collect(r, status, 0, 0);
	if (*answer == NULL)
		return useless(why, r->why);
	return open_end ? DNS_IS_CHAIN : DNS_IS_ANSWER;
}

static enum dns_verdict
judge_body(struct reading *r, struct dns_answer **answer, const char **why)
{
	bool nxdomain = ldns_pkt_get_rcode(r->pkt) == LDNS_RCODE_NXDOMAIN;
	size_t n, pool;

	if (ldns_pkt_edns_extended_rcode(r->pkt) != 0)
		return r->q->edns ? DNS_IS_NO_EDNS : useless(why, complaint_of(LDNS_RCODE_FORMERR));
	if (follow_chain(r) == -1 || measure(r, &n, &pool) == -1)
		return useless(why, r->why);
	if (n == 0)
		return judge_absence(r, nxdomain, answer, why);
	if (nxdomain)
		return useless(why, "the DNS server's answer contradicts itself");
	*answer = collect(r, DNS_FOUND, n, pool);
	return *answer != NULL ? DNS_IS_ANSWER : useless(why, r->why);
}

enum dns_verdict
dns_judge(const struct dns_query *q, struct span packet, unsigned hops, struct dns_answer **answer,
    const char **why)
{
	const uint8_t *bytes = (const uint8_t *)packet.at;
	struct reading r = {.q = q, .hops = hops, .ttl = UINT32_MAX >> 1};
	enum dns_verdict is = judge_header(q, bytes, packet.len, why);
	ldns_pkt *pkt = NULL;

	*answer = NULL;
	if (is != DNS_IS_ANSWER)
		return is;
	if (ldns_wire2pkt(&pkt, bytes, packet.len) != LDNS_STATUS_OK)
		return useless(why, "the DNS server's answer is broken");
	r.pkt = pkt;
	r.owner = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(pkt), 0));
	is = judge_body(&r, answer, why);
	ldns_pkt_free(pkt);
	return is;
}
