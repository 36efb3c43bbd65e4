/* Whether mail can leave for other hosts, as far as this one can tell. In the confined child. */
#include <stdio.h>
#include <string.h>

#include "common/client_wire.h"
#include "common/host_lookup.h"
#include "common/host_port.h"
#include "common/log.h"
#include "common/resolver.h"
#include "common/socket_address.h"
#include "common/tls_client.h"
#include "master/doctor.h"

enum { GREETING_MAX_BYTES = 1024, SMTP_PORT = 25, SMTPS_PORT = 465 };

static const char about[] = "outgoing mail";

/* Where a connection is tried. */
struct target {
	struct host_port at;
	unsigned port;
	bool implicit; /* TLS from the start */
};

static bool
begin_tls(struct doctor *d, const struct target *t, struct client_wire *w)
{
	struct tls_client demand = {
	    .policy = TLS_CLIENT_ENCRYPT, .context = d->tls, .host = t->at.host};
	const char *why;
	SSL *ssl = d->tls != NULL ? tls_client_new(&demand, &why) : NULL;

	return ssl != NULL && client_wire_start_tls(w, ssl) == 0;
}

/* said: the first line of the greeting, or why there is none. */
static bool
greets(struct doctor *d, const struct target *t, const struct sockaddr_storage *address,
    char said[GREETING_MAX_BYTES])
{
	struct client_wire *w = client_wire_new();
	const struct sockaddr *to = (const struct sockaddr *)address;
	struct span line;
	bool ok;

	client_wire_limit(w, DOCTOR_TALK_S);
	client_wire_deadline(w, DOCTOR_STEP_S);
	ok = client_wire_connect(w, to, socket_address_length(to)) == 0 &&
	     (!t->implicit || begin_tls(d, t, w)) &&
	     client_wire_line(w, GREETING_MAX_BYTES, &line) == 0;
	strlcpy(said, ok ? log_printable(line) : client_wire_why(w), GREETING_MAX_BYTES);
	ok = ok && strncmp(said, "220", 3) == 0;
	client_wire_free(&w);
	return ok;
}

static void
find_addresses(struct doctor *d, const struct target *t, struct host_addresses *out)
{
	struct host_question q = {.dns = d->dns, .deadline = d->deadline, .port = t->port};

	*out = (struct host_addresses){.n = 0};
	if (t->at.is_address) {
		out->n = host_address(span_of(t->at.host), t->port, &out->addresses[0]) ? 1 : 0;
		return;
	}
	resolver_choose_protocol(doctor_text(d, "ip_protocol"), &q.ipv4, &q.ipv6);
	(void)host_lookup(&q, t->at.host, out);
}

static json_t *
judge(struct doctor *d, const struct target *t, const struct host_addresses *found, bool ok)
{
	if (ok)
		return finding_add(
		    d->findings, FINDING_RIGHT, about, "%s can be reached", t->at.host);
	if (found->n == 0)
		return finding_add(d->findings,
		    found->later != NULL ? FINDING_UNCLEAR : FINDING_WRONG, about,
		    "%s has no address that this host can reach", t->at.host);
	return finding_add(
	    d->findings, FINDING_WRONG, about, "no mail server answers at %s", t->at.host);
}

static const char *
mend_of(const struct target *t, const struct host_addresses *found)
{
	if (found->n == 0)
		return "see whether the name is right";
	if (t->port != SMTP_PORT)
		return "see whether the server and its port are right";
	return "if the provider has blocked outgoing port 25, send by its server: SMTP Server, and "
	       "Use MTA false";
}

static void
try_host(struct doctor *d, const char *where, bool implicit)
{
	char question[HOST_PORT_SIZE + 20], said[GREETING_MAX_BYTES] = "it has no address";
	struct target t = {.implicit = implicit};
	struct host_addresses found;
	json_t *finding;
	bool ok = false;

	if (!host_port_parse(span_of(where), &t.at))
		return; /* who asked has looked */
	t.port = t.at.port != 0 ? t.at.port : implicit ? SMTPS_PORT : SMTP_PORT;
	find_addresses(d, &t, &found);
	if (found.n == 0 && found.later != NULL)
		strlcpy(said, found.later, sizeof said);
	for (size_t i = 0; i < found.n && !ok; i++)
		ok = greets(d, &t, &found.addresses[i], said);
	snprintf(question, sizeof question, "connect to %s, port %u", t.at.host, t.port);
	finding = judge(d, &t, &found, ok);
	finding_asked(finding, question, said);
	if (!ok && found.later == NULL)
		finding_mend(finding, "%s", mend_of(&t, &found));
}

void
doctor_send(struct doctor *d)
{
	const char *try = doctor_text(d, "try"), *relay = doctor_text(d, "relay");

	if (try[0] != '\0')
		try_host(d, try, false);
	if (!json_is_true(json_object_get(d->plan, "sends"))) {
		if (relay[0] != '\0')
			try_host(
			    d, relay, json_is_true(json_object_get(d->plan, "relay_implicit")));
	} else if (try[0] == '\0') {
		finding_add(d->findings, FINDING_UNCLEAR, about,
		    "whether others' port 25 can be reached: only a connection to one can tell; "
		    "name "
		    "a mail server outside: sambarctl doctor --try HOST");
	}
}
