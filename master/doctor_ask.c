/* Questions of sambarctl doctor to the DNS, and their answers as text. In the confined child. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "master/doctor.h"

/* ---- answers as text ---- */

/* The period behind a name; the root is one. */
static const char *
period_of(const char *name)
{
	return strcmp(name, ".") == 0 ? "" : ".";
}

static void
put_record(const struct dns_record *r, enum dns_type type, char *out, size_t size)
{
	char address[SOCKET_ADDRESS_TEXT_SIZE];

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		inet_ntop(type == DNS_A ? AF_INET : AF_INET6, r->data.at, address, sizeof address);
		strlcpy(out, address, size);
		break;
	case DNS_MX:
		snprintf(out, size, "%u %s%s", r->preference, r->name, period_of(r->name));
		break;
	case DNS_SRV:
		snprintf(out, size, "%u %u %u %s%s", r->preference, r->weight, r->port, r->name,
		    period_of(r->name));
		break;
	case DNS_TXT:
		snprintf(out, size, "\"%s\"", log_printable(r->data));
		break;
	default:
		snprintf(out, size, "%s%s", r->name, period_of(r->name));
	}
}

static void
put_answer(const struct dns_answer *a, enum dns_type type, char text[DOCTOR_ANSWER_SIZE])
{
	char one[DOCTOR_ANSWER_SIZE];

	text[0] = '\0';
	if (a->status == DNS_NXDOMAIN)
		strlcpy(text, "there is no such name (NXDOMAIN)", DOCTOR_ANSWER_SIZE);
	else if (a->status == DNS_NODATA)
		strlcpy(text, "the name has no such record", DOCTOR_ANSWER_SIZE);
	else if (a->status == DNS_LATER)
		strlcpy(text, a->why, DOCTOR_ANSWER_SIZE);
	for (size_t i = 0; i < a->n; i++) {
		put_record(&a->records[i], type, one, sizeof one);
		strlcat(text, i > 0 ? ", " : "", DOCTOR_ANSWER_SIZE);
		strlcat(text, one, DOCTOR_ANSWER_SIZE);
	}
}

/* ---- questions ---- */

struct dns_answer *
doctor_ask(struct doctor *d, const char *name, enum dns_type type, char text[DOCTOR_ANSWER_SIZE])
{
	struct dns_answer *a = dns_lookup(d->dns, name, type, d->deadline);

	put_answer(a, type, text);
	return a;
}

json_t *
doctor_resolve(struct doctor *d, const char *name, const char **later)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	json_t *list = json_array();
	char text[SOCKET_ADDRESS_TEXT_SIZE];

	*later = NULL;
	for (size_t t = 0; t < nitems(types); t++) {
		struct dns_answer *a = dns_lookup(d->dns, name, types[t], d->deadline);

		if (a->status == DNS_LATER)
			*later = a->why; /* static */
		for (size_t i = 0; i < a->n; i++) {
			put_record(&a->records[i], types[t], text, sizeof text);
			json_array_append_new(list, json_string(text));
		}
		dns_answer_free(&a);
	}
	return list;
}

/* ---- the plan ---- */

const char *
doctor_text(const struct doctor *d, const char *key)
{
	const char *text = json_string_value(json_object_get(d->plan, key));

	return text != NULL ? text : "";
}

const json_t *
doctor_addresses(struct doctor *d)
{
	const json_t *own = json_object_get(d->plan, "addresses");
	const char *later;

	if (json_array_size(own) > 0)
		return own;
	if (d->host_addresses == NULL)
		d->host_addresses = doctor_resolve(d, d->host, &later);
	return d->host_addresses;
}
