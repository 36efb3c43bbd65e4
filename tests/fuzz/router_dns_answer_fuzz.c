/* An answer of a DNS server, behind a byte that chooses the type asked for: judged as it is and
 * with the id and the question that we had sent. What is taken is whole, and its names are names
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/dns_wire.h"
#include "common/memory.h"
#include "router/tlsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER_BYTES = 12 };

static void
check_name(const char *name)
{
	struct dns_query q;

	if (strlen(name) >= DNS_NAME_SIZE || dns_query_build(&q, name, DNS_A, false) == -1)
		abort();
}

static void
check_record(const struct dns_record *r, enum dns_type type)
{
	struct tlsa_record tlsa;

	if ((r->name != NULL) !=
	    (type == DNS_MX || type == DNS_CNAME || type == DNS_PTR || type == DNS_SRV))
		abort();
	if (r->name != NULL)
		check_name(r->name);
	if ((type == DNS_A && r->data.len != 4) || (type == DNS_AAAA && r->data.len != 16))
		abort();
	if (type == DNS_TLSA && tlsa_parse(r->data, &tlsa) && tlsa.data.len == 0)
		abort();
}

static void
judge(const struct dns_query *q, struct span packet)
{
	struct dns_answer *a;
	const char *why = NULL;
	enum dns_verdict is = dns_judge(q, packet, 0, &a, &why);

	if ((a != NULL) != (is == DNS_IS_ANSWER || is == DNS_IS_CHAIN) ||
	    (why != NULL) != (is == DNS_IS_USELESS))
		abort();
	if (a == NULL)
		return;
	if ((a->status == DNS_FOUND) != (a->n > 0) || a->status == DNS_LATER ||
	    a->hops > DNS_HOPS_MAX || (is == DNS_IS_CHAIN && a->hops == 0))
		abort();
	check_name(a->name);
	for (size_t i = 0; i < a->n; i++)
		check_record(&a->records[i], q->type);
	dns_answer_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {
	    DNS_A, DNS_AAAA, DNS_MX, DNS_TLSA, DNS_CNAME, DNS_PTR, DNS_TXT, DNS_SRV};
	struct dns_query q;
	char *packet;

	if (size == 0 ||
	    dns_query_build(&q, "a.example", types[data[0] % nitems(types)], true) == -1)
		return 0;
	size--;
	packet = xmalloc(size);
	memcpy(packet, data + 1, size);
	judge(&q, (struct span){packet, size});
	if (size >= HEADER_BYTES + q.question_len) {
		memcpy(packet, q.wire, 2);
		packet[2] = (char)(0x80 | (packet[2] & 0x07)); /* an answer to a query */
		packet[4] = 0;
		packet[5] = 1;
		memcpy(packet + HEADER_BYTES, q.wire + HEADER_BYTES, q.question_len);
		judge(&q, (struct span){packet, size});
	}
	free(packet);
	return 0;
}
