/*
 * Whether SPF lets this host send: check_host() of RFC 7208 4 for its own addresses. Macros,
 * "exists" and "ptr" depend on a message: where one is met the result is unclear. In the confined
 * child.
 */
#include <stdio.h>
#include <string.h>

#include "common/ip_list.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "common/span.h"
#include "master/doctor.h"
#include "master/spf_term.h"

enum {
	LOOKUPS_MAX = 10, /* RFC 7208 4.6.4 */
	MX_MAX = 10,
	TERM_SIZE = 300
};

enum spf_result {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_LATER,
	SPF_BROKEN,
	SPF_UNCLEAR
};

struct spf {
	struct doctor *d;
	struct sockaddr_storage address;
	unsigned lookups;
};

static enum spf_result evaluate(struct spf *s, const char *domain);

/* What a term has to say: it fits, it does not, or the look at the whole record ends with this. */
enum fit { FITS, FITS_NOT, ENDS };

static enum fit
end(enum spf_result *result, enum spf_result with)
{
	*result = with;
	return ENDS;
}

/* ---- addresses ---- */

static bool
is_within(const struct spf *s, const char *network)
{
	struct ip_list *list = ip_list_new(span_of(network));
	bool within = ip_list_has(list, (const struct sockaddr *)&s->address);

	ip_list_free(&list);
	return within;
}

/* 0: any of its addresses; else ENDS with the result. */
static enum fit
has_address_of(struct spf *s, const struct spf_term *t, const char *name, enum spf_result *result)
{
	const char *later;
	json_t *found = doctor_resolve(s->d, name, &later);
	const json_t *one;
	char network[SOCKET_ADDRESS_TEXT_SIZE + 8];
	bool fits = false;
	size_t i;

	json_array_foreach(found, i, one)
	{
		const char *address = json_string_value(one);

		snprintf(network, sizeof network, "%s/%u", address,
		    strchr(address, ':') != NULL ? t->bits6 : t->bits4);
		fits |= is_within(s, network);
	}
	json_decref(found);
	if (!fits && later != NULL)
		return end(result, SPF_LATER);
	return fits ? FITS : FITS_NOT;
}

/* ---- mechanisms ---- */

static enum fit
fit_all(struct spf *s, const struct spf_term *t, enum spf_result *result)
{
	(void)s, (void)t, (void)result;
	return FITS;
}

static enum fit
fit_ip(struct spf *s, const struct spf_term *t, enum spf_result *result)
{
	char network[TERM_SIZE];

	if (!span_copy(t->value, network, sizeof network) || strchr(network, '*') != NULL ||
	    !ip_list_is_item(t->value))
		return end(result, SPF_BROKEN);
	return is_within(s, network) ? FITS : FITS_NOT;
}

static enum fit
fit_a(struct spf *s, const struct spf_term *t, enum spf_result *result)
{
	return has_address_of(s, t, t->domain, result);
}

static enum fit
fit_mx(struct spf *s, const struct spf_term *t, enum spf_result *result)
{
	char text[DOCTOR_ANSWER_SIZE];
	struct dns_answer *a = doctor_ask(s->d, t->domain, DNS_MX, text);
	enum fit fit = FITS_NOT;

	if (a->status == DNS_LATER)
		fit = end(result, SPF_LATER);
	else if (a->n > MX_MAX)
		fit = end(result, SPF_BROKEN);
	for (size_t i = 0; i < a->n && fit == FITS_NOT; i++)
		fit = has_address_of(s, t, a->records[i].name, result);
	dns_answer_free(&a);
	return fit;
}

static enum fit
fit_include(struct spf *s, const struct spf_term *t, enum spf_result *result)
{
	enum spf_result other = evaluate(s, t->domain);

	if (other == SPF_NONE)
		return end(result, SPF_BROKEN);
	if (other == SPF_LATER || other == SPF_BROKEN || other == SPF_UNCLEAR)
		return end(result, other);
	return other == SPF_PASS ? FITS : FITS_NOT;
}

static enum fit
fit_unclear(struct spf *s, const struct spf_term *t, enum spf_result *result)
{
	(void)s, (void)t;
	return end(result, SPF_UNCLEAR);
}

static const struct {
	const char *name;
	bool asks; /* counts among the look-ups */
	bool needs_value, may_have_prefix;
	enum fit (*fit)(struct spf *s, const struct spf_term *t, enum spf_result *result);
} mechanisms[] = {
    {"all", false, false, false, fit_all},
    {"ip4", false, true, false, fit_ip},
    {"ip6", false, true, false, fit_ip},
    {"a", true, false, true, fit_a},
    {"mx", true, false, true, fit_mx},
    {"include", true, true, false, fit_include},
    {"exists", true, true, false, fit_unclear},
    {"ptr", true, false, false, fit_unclear},
};

static enum spf_result
result_of_qualifier(char c)
{
	return c == '-' ? SPF_FAIL : c == '~' ? SPF_SOFTFAIL : c == '?' ? SPF_NEUTRAL : SPF_PASS;
}

static enum fit
judge_mechanism(struct spf *s, struct span text, const char *domain, enum spf_result *result)
{
	struct span name = spf_mechanism_name(text);
	struct spf_term t;

	for (size_t i = 0; i < nitems(mechanisms); i++) {
		if (!span_is_nocase(name, mechanisms[i].name))
			continue;
		if (mechanisms[i].asks && s->lookups++ >= LOOKUPS_MAX)
			return end(result, SPF_BROKEN);
		if (!spf_term_read(&t, text, domain, mechanisms[i].may_have_prefix) ||
		    (mechanisms[i].needs_value && t.value.len == 0))
			return end(result, SPF_BROKEN);
		return mechanisms[i].fit(s, &t, result);
	}
	return end(result, SPF_BROKEN);
}

/* ---- records ---- */

static enum spf_result
follow_redirect(struct spf *s, const char *domain)
{
	enum spf_result result;

	if (domain[0] == '\0')
		return SPF_NEUTRAL;
	if (s->lookups++ >= LOOKUPS_MAX)
		return SPF_BROKEN;
	result = evaluate(s, domain);
	return result == SPF_NONE ? SPF_BROKEN : result;
}

static enum spf_result
evaluate_record(struct spf *s, struct span text, const char *domain)
{
	char redirect[DNS_HOST_SIZE] = "";
	enum spf_result result = SPF_NEUTRAL;
	struct span term, name;

	for (span_take_word(&text); (term = span_take_word(&text)).len > 0;) {
		char qualifier = strchr("+-~?", term.at[0]) != NULL ? term.at[0] : '\0';
		enum fit fit;

		if (memchr(term.at, '%', term.len) != NULL)
			return SPF_UNCLEAR;
		if (spf_is_modifier(term)) {
			span_take(&term, '=', &name);
			if (span_is_nocase(name, "redirect") &&
			    (redirect[0] != '\0' || !span_copy(term, redirect, sizeof redirect) ||
				redirect[0] == '\0'))
				return SPF_BROKEN;
			continue;
		}
		if (qualifier != '\0')
			term = (struct span){term.at + 1, term.len - 1};
		if ((fit = judge_mechanism(s, term, domain, &result)) == ENDS)
			return result;
		if (fit == FITS)
			return result_of_qualifier(qualifier);
	}
	return follow_redirect(s, redirect);
}

static enum spf_result
evaluate(struct spf *s, const char *domain)
{
	char shown[DOCTOR_ANSWER_SIZE];
	struct dns_answer *a = doctor_ask(s->d, domain, DNS_TXT, shown);
	const struct dns_record *found = NULL;
	enum spf_result result;
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		if (spf_is_record(a->records[i].data)) {
			found = &a->records[i];
			n++;
		}
	if (a->status == DNS_LATER)
		result = SPF_LATER;
	else if (n != 1)
		result = n == 0 ? SPF_NONE : SPF_BROKEN;
	else
		result = evaluate_record(s, found->data, domain);
	dns_answer_free(&a);
	return result;
}

/* ---- what is found ---- */

static const struct {
	enum finding_verdict verdict;
	const char *sentence;
} meanings[] = {
    [SPF_NONE] = {FINDING_WRONG, "it has no SPF: others cannot tell its mail from forged mail"},
    [SPF_NEUTRAL] = {FINDING_WRONG, "SPF says nothing about mail from"},
    [SPF_PASS] = {FINDING_RIGHT, "SPF lets this host send"},
    [SPF_FAIL] = {FINDING_WRONG, "SPF forbids mail from"},
    [SPF_SOFTFAIL] = {FINDING_WRONG, "SPF doubts mail from"},
    [SPF_LATER] = {FINDING_UNCLEAR, "the DNS does not say all of its SPF, for"},
    [SPF_BROKEN] = {FINDING_WRONG,
	"its SPF is not valid (RFC 7208): malformed, doubled, or of more than 10 look-ups, for"},
    [SPF_UNCLEAR] = {FINDING_UNCLEAR, "its SPF depends on the message (macros, exists, ptr), for"},
};

/* The first address that does not pass; SPF_PASS when all do. */
static enum spf_result
evaluate_addresses(struct doctor *d, const char *domain, const char **address)
{
	const json_t *one;
	enum spf_result result = SPF_UNCLEAR;
	size_t i;

	*address = "";
	json_array_foreach(doctor_addresses(d), i, one)
	{
		struct spf s = {.d = d};

		*address = json_string_value(one);
		if (!socket_address_parse(*address, &s.address))
			continue;
		if ((result = evaluate(&s, domain)) != SPF_PASS)
			return result;
	}
	return result;
}

static bool
has_record(const struct dns_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (spf_is_record(a->records[i].data))
			return true;
	return false;
}

static json_t *
judge(struct doctor *d, const char *domain, const char *about)
{
	const char *address;
	enum spf_result result;

	if (json_array_size(doctor_addresses(d)) == 0)
		return finding_add(d->findings, FINDING_UNCLEAR, about,
		    "from which address other hosts see mail come is not known");
	result = evaluate_addresses(d, domain, &address);
	if (result == SPF_PASS || result == SPF_NONE)
		return finding_add(
		    d->findings, meanings[result].verdict, about, "%s", meanings[result].sentence);
	return finding_add(d->findings, meanings[result].verdict, about, "%s %s",
	    meanings[result].sentence, address);
}

/* Mail leaves by another host: which addresses it has, and will have, only its owner knows. */
static json_t *
judge_relayed(struct doctor *d, const char *about, const struct dns_answer *a)
{
	if (has_record(a))
		return finding_add(d->findings, FINDING_UNCLEAR, about,
		    "mail leaves by %s: whether SPF includes what that sends from, its provider "
		    "says",
		    doctor_text(d, "relay"));
	return finding_add(d->findings, a->status == DNS_LATER ? FINDING_UNCLEAR : FINDING_WRONG,
	    about, "%s",
	    a->status == DNS_LATER ? "the DNS does not say whether it has SPF"
				   : meanings[SPF_NONE].sentence);
}

void
doctor_look_at_spf(struct doctor *d, const json_t *record)
{
	const char *domain = json_string_value(json_object_get(record, "name"));
	const char *value = json_string_value(json_object_get(record, "value"));
	char about[DNS_HOST_SIZE + 16], question[DNS_HOST_SIZE + 16], text[DOCTOR_ANSWER_SIZE];
	struct dns_answer *a = doctor_ask(d, domain, DNS_TXT, text);
	json_t *finding;

	snprintf(about, sizeof about, "SPF of %s", domain);
	snprintf(question, sizeof question, "TXT %s.", domain);
	finding = value != NULL ? judge(d, domain, about) : judge_relayed(d, about, a);
	finding_asked(finding, question, text);
	if (strcmp(json_string_value(json_object_get(finding, "verdict")),
		finding_word(FINDING_WRONG)) == 0) {
		if (value != NULL)
			finding_mend(finding, "publish%s: %s. IN TXT %s",
			    has_record(a) ? ", in the place of what is there" : "", domain, value);
		else
			finding_mend(finding, "publish what the provider of %s says for it",
			    doctor_text(d, "relay"));
	}
	dns_answer_free(&a);
}
