/*
 * What sambarctl doctor asks the DNS: whether what is to be published is, and whether the addresses
 * lead back to the host's name. In the confined child.
 */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/span.h"
#include "master/doctor.h"
#include "master/machine.h"

/* ---- what names lead to ---- */

static const char *
text_in(const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));

	return text != NULL ? text : "";
}

static bool
is_our_name(const struct doctor *d, const char *name)
{
	const json_t *own;
	size_t i;

	if (strcasecmp(name, d->host) == 0)
		return true;
	json_array_foreach(json_object_get(d->plan, "own_names"), i,
	    own) if (strcasecmp(name, json_string_value(own)) == 0) return true;
	return false;
}

static bool
share_one(const json_t *a, const json_t *b)
{
	const json_t *address;
	size_t i;

	json_array_foreach(
	    a, i, address) if (machine_has_address(b, json_string_value(address))) return true;
	return false;
}

/* *later: it cannot be told, as when not all addresses could be found. */
static bool
are_here(struct doctor *d, const json_t *found, const char **later)
{
	bool here = share_one(found, doctor_addresses(d));

	if (here)
		*later = NULL;
	else if (json_array_size(found) > 0 && json_array_size(doctor_addresses(d)) == 0)
		*later = "which addresses this host has is not known";
	return here;
}

static bool
leads_here(struct doctor *d, const char *name, const char **later)
{
	json_t *found = doctor_resolve(d, name, later);
	bool here = are_here(d, found, later);

	json_decref(found);
	return here;
}

static void
mend_by_publishing(json_t *finding, const json_t *record)
{
	finding_mend(finding, "publish: %s. IN %s %s", text_in(record, "name"),
	    text_in(record, "type"), text_in(record, "value"));
}

/* A question and what came of it. */
struct looked_up {
	char about[DNS_NAME_SIZE + 16], question[DNS_NAME_SIZE + 16], text[DOCTOR_ANSWER_SIZE];
	struct dns_answer *answer; /* NULL: addresses were asked for */
	json_t *addresses;	   /* of a name; NULL: a record was */
	const char *later;	   /* why not all addresses are known, or NULL */
};

static void
look_up(struct doctor *d, struct looked_up *l, const char *name, const char *type_name,
    enum dns_type type)
{
	snprintf(l->about, sizeof l->about, "%s of %s", type_name, name);
	snprintf(l->question, sizeof l->question, "%s %s.", type_name, name);
	l->answer = doctor_ask(d, name, type, l->text);
	l->addresses = NULL;
	l->later = NULL;
}

static json_t *
conclude(struct doctor *d, struct looked_up *l, enum finding_verdict verdict, const char *sentence)
{
	json_t *finding = finding_add(d->findings, verdict, l->about, "%s", sentence);

	finding_asked(finding, l->question, l->text);
	dns_answer_free(&l->answer);
	json_decref(l->addresses);
	return finding;
}

/* ---- MX ---- */

static bool
any_mx_is_here(struct doctor *d, const struct dns_answer *a, const char **later)
{
	const char *one = NULL;
	bool here = false;

	for (size_t i = 0; i < a->n && !here; i++) {
		if (strcmp(a->records[i].name, ".") == 0)
			continue; /* no mail at all: RFC 7505 */
		here =
		    is_our_name(d, a->records[i].name) || leads_here(d, a->records[i].name, &one);
		if (one != NULL)
			*later = one;
	}
	return here;
}

/* Without an MX the domain's own address counts: RFC 5321 5.1. */
static void
check_mx(struct doctor *d, const json_t *record)
{
	const char *domain = text_in(record, "name"), *later = NULL;
	struct looked_up l;
	bool here;

	look_up(d, &l, domain, "MX", DNS_MX);
	if (l.answer->status == DNS_LATER) {
		conclude(d, &l, FINDING_UNCLEAR, "the DNS does not say where its mail goes");
		return;
	}
	if (l.answer->status == DNS_NODATA)
		here = leads_here(d, domain, &later);
	else
		here = any_mx_is_here(d, l.answer, &later);
	if (here)
		conclude(d, &l, FINDING_RIGHT,
		    l.answer->n > 0 ? "its mail comes here"
				    : "its mail comes here, by the address of the domain");
	else if (later != NULL)
		conclude(d, &l, FINDING_UNCLEAR, "the DNS does not say where its hosts are");
	else
		mend_by_publishing(
		    conclude(d, &l, FINDING_WRONG, "its mail does not come here"), record);
}

/* ---- services ---- */

static bool
srv_fits(const struct doctor *d, const struct dns_answer *a, const char *value)
{
	struct span rest = span_of(value);
	uint64_t port = 0;

	span_take_word(&rest);
	span_take_word(&rest);
	span_u64(span_take_word(&rest), UINT16_MAX, &port);
	for (size_t i = 0; i < a->n; i++)
		if (a->records[i].port == port && is_our_name(d, a->records[i].name))
			return true;
	return false;
}

static void
check_srv(struct doctor *d, const json_t *record)
{
	struct looked_up l;

	look_up(d, &l, text_in(record, "name"), "SRV", DNS_SRV);
	if (l.answer->status == DNS_LATER)
		conclude(d, &l, FINDING_UNCLEAR, "the DNS does not say where the service is");
	else if (srv_fits(d, l.answer, text_in(record, "value")))
		conclude(d, &l, FINDING_RIGHT, "clients find the service");
	else
		mend_by_publishing(
		    conclude(d, &l, FINDING_WRONG, "clients do not find the service by it"),
		    record);
}

/* ---- the host ---- */

static void
join(const json_t *list, char text[DOCTOR_ANSWER_SIZE])
{
	const json_t *one;
	size_t i;

	text[0] = '\0';
	json_array_foreach(list, i, one)
	{
		strlcat(text, i > 0 ? ", " : "", DOCTOR_ANSWER_SIZE);
		strlcat(text, json_string_value(one), DOCTOR_ANSWER_SIZE);
	}
}

/* What is to be published for the host, or what is known of that. */
static void
mend_addresses(const struct doctor *d, json_t *finding)
{
	char text[DOCTOR_ANSWER_SIZE] = "";
	const json_t *records = json_object_get(d->plan, "records"), *r;
	size_t i;

	json_array_foreach(records, i, r)
	{
		const char *type = text_in(r, "type");
		size_t len = strlen(text);

		if ((strcmp(type, "A") == 0 || strcmp(type, "AAAA") == 0) &&
		    text_in(r, "value")[0] != '\0')
			snprintf(text + len, sizeof text - len, "%s%s. IN %s %s",
			    len > 0 ? "; " : "", text_in(r, "name"), type, text_in(r, "value"));
	}
	if (text[0] == '\0')
		finding_mend(finding,
		    "publish: %s. IN A, with the address under which the world "
		    "reaches this host",
		    d->host);
	else
		finding_mend(finding,
		    "publish: %s; or, where others reach this host by another "
		    "address: sambarctl config set 'Own Addresses' ADDRESS",
		    text);
}

static json_t *
judge_host(struct doctor *d, const char *about, const json_t *own, const char *later)
{
	char ours[DOCTOR_ANSWER_SIZE];
	json_t *finding;

	join(own, ours);
	if (json_array_size(d->host_addresses) == 0 && later != NULL)
		return finding_add(
		    d->findings, FINDING_UNCLEAR, about, "the DNS does not say its address");
	if (json_array_size(d->host_addresses) == 0) {
		finding = finding_add(d->findings, FINDING_WRONG, about, "it has no address");
		mend_addresses(d, finding);
	} else if (json_array_size(own) == 0) {
		finding = finding_add(d->findings, FINDING_UNCLEAR, about,
		    "it has an address, and no interface of this machine has a public one, as "
		    "behind NAT: whether it leads here, only a host outside can tell");
		finding_mend(
		    finding, "if it does, say so: sambarctl config set 'Own Addresses' ADDRESS");
	} else if (share_one(d->host_addresses, own)) {
		finding = finding_add(d->findings, FINDING_RIGHT, about, "it leads here");
	} else {
		finding = finding_add(d->findings, FINDING_WRONG, about,
		    "it leads to another machine: this one has %s", ours);
		mend_addresses(d, finding);
	}
	return finding;
}

static void
look_up_addresses(struct doctor *d, struct looked_up *l, const char *name)
{
	l->answer = NULL;
	l->addresses = doctor_resolve(d, name, &l->later);
	snprintf(l->about, sizeof l->about, "address of %s", name);
	snprintf(l->question, sizeof l->question, "A and AAAA %s.", name);
	join(l->addresses, l->text);
	if (l->text[0] == '\0')
		strlcpy(l->text, l->later != NULL ? l->later : "none", sizeof l->text);
}

static void
check_host(struct doctor *d)
{
	struct looked_up l;

	look_up_addresses(d, &l, d->host);
	json_decref(d->host_addresses);
	d->host_addresses = l.addresses;
	finding_asked(judge_host(d, l.about, json_object_get(d->plan, "addresses"), l.later),
	    l.question, l.text);
}

/* ---- names at which clients look for their settings ---- */

static void
check_alias(struct doctor *d, const json_t *record)
{
	struct looked_up l;

	look_up_addresses(d, &l, text_in(record, "name"));
	if (are_here(d, l.addresses, &l.later))
		conclude(d, &l, FINDING_RIGHT, "mail clients find their settings");
	else if (l.later != NULL)
		conclude(d, &l, FINDING_UNCLEAR,
		    "whether mail clients find their settings by it is not known");
	else
		mend_by_publishing(
		    conclude(d, &l, FINDING_WRONG, "mail clients do not find their settings by it"),
		    record);
}

/* ---- names of addresses ---- */

/* "1.2.0.192.in-addr.arpa". False: it is none. */
static bool
reverse_name(const char *address, char out[DNS_NAME_SIZE])
{
	bool ipv6 = strchr(address, ':') != NULL;
	ldns_rdf *rdf = ldns_rdf_new_frm_str(ipv6 ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, address);
	ldns_rdf *reverse = rdf != NULL ? ldns_rdf_address_reverse(rdf) : NULL;
	char *text = reverse != NULL ? ldns_rdf2str(reverse) : NULL;
	bool ok = text != NULL && span_copy(span_of(text), out, DNS_NAME_SIZE);

	if (ok && out[0] != '\0' && out[strlen(out) - 1] == '.')
		out[strlen(out) - 1] = '\0';
	free(text);
	ldns_rdf_deep_free(reverse);
	ldns_rdf_deep_free(rdf);
	return ok;
}

static bool
names_host(const struct doctor *d, const struct dns_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcasecmp(a->records[i].name, d->host) == 0)
			return true;
	return false;
}

/* What other servers look at before they take mail: RFC 1912 2.1. */
static void
check_name_of(struct doctor *d, const char *address)
{
	char name[DNS_NAME_SIZE];
	struct looked_up l;
	json_t *finding;

	if (!reverse_name(address, name))
		return;
	look_up(d, &l, name, "PTR", DNS_PTR);
	snprintf(l.about, sizeof l.about, "name of %s", address);
	if (l.answer->status == DNS_LATER) {
		conclude(d, &l, FINDING_UNCLEAR, "the DNS does not say its name");
		return;
	}
	if (!names_host(d, l.answer)) {
		finding = conclude(d, &l, FINDING_WRONG,
		    "it does not lead back to what this host calls itself: many servers refuse "
		    "its mail");
		finding_mend(finding, "who gives you the address sets its PTR, to %s.", d->host);
		return;
	}
	if (machine_has_address(d->host_addresses, address)) {
		conclude(d, &l, FINDING_RIGHT, "it leads back to this host's name");
		return;
	}
	finding = conclude(d, &l, FINDING_WRONG,
	    "it has this host's name, which does not have it among its addresses");
	finding_mend(finding, "publish: %s. IN %s %s", d->host,
	    strchr(address, ':') != NULL ? "AAAA" : "A", address);
}

static void
check_names(struct doctor *d)
{
	const json_t *addresses = doctor_addresses(d), *address;
	size_t i;

	if (!json_is_true(json_object_get(d->plan, "sends")))
		return;
	if (json_array_size(addresses) == 0)
		finding_add(d->findings, FINDING_UNCLEAR, "name of the address",
		    "from which address other hosts see mail come is not known");
	json_array_foreach(addresses, i, address) check_name_of(d, json_string_value(address));
}

/* ---- all ---- */

void
doctor_look_up(struct doctor *d)
{
	const json_t *records = json_object_get(d->plan, "records"), *r;
	size_t i;

	check_host(d);
	check_names(d);
	json_array_foreach(records, i, r)
	{
		const char *type = text_in(r, "type");

		if (strcmp(type, "MX") == 0)
			check_mx(d, r);
		else if (strcmp(type, "SRV") == 0)
			check_srv(d, r);
		else if (strcmp(type, "CNAME") == 0)
			check_alias(d, r);
		else if (strcmp(type, "TXT") == 0)
			doctor_look_at_spf(d, r);
	}
}
