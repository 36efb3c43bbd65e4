/*
 * Whether each listener really answers, in clear and inside TLS, and what its certificate is worth
 * to clients. In the confined child.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/client_wire.h"
#include "common/config_tls_check.h"
#include "common/host_lookup.h"
#include "common/host_port.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "common/tls.h"
#include "common/tls_client.h"
#include "master/doctor.h"

enum { REPLY_LINE_MAX_BYTES = 1024, REPLY_LINES_MAX = 100, DAY_S = 86400 };

/* One conversation. */
struct talk {
	struct doctor *d;
	const char *key, *protocol, *tls;
	const char *name;	     /* for SNI */
	struct host_port at, target; /* the listener's; where it is reached */
	struct client_wire *wire;
	char said[REPLY_LINE_MAX_BYTES]; /* the first line, or why there is none */
	const char *complaint;		 /* what is not as it should be; NULL: nothing */
	bool starttls;			 /* it was offered */
};

static const char *
text_in(const json_t *listener, const char *key)
{
	return json_string_value(json_object_get(listener, key));
}

/* ---- lines ---- */

static int
say(struct talk *t, const char *line)
{
	client_wire_deadline(t->wire, DOCTOR_STEP_S);
	return client_wire_put(t->wire, span_of(line)) == 0 ? client_wire_flush(t->wire) : -1;
}

static int
hear(struct talk *t, struct span *line)
{
	client_wire_deadline(t->wire, DOCTOR_STEP_S);
	if (client_wire_line(t->wire, REPLY_LINE_MAX_BYTES, line) == 0)
		return 0;
	strlcpy(t->said, client_wire_why(t->wire), sizeof t->said);
	return -1;
}

static bool
begins(struct span line, const char *with)
{
	return line.len >= strlen(with) && memcmp(line.at, with, strlen(with)) == 0;
}

/* All lines of an SMTP reply. -1: it is another one, or none. */
static int
hear_smtp(struct talk *t, const char *code)
{
	struct span line;

	for (unsigned n = 0; n < REPLY_LINES_MAX; n++) {
		if (hear(t, &line) == -1)
			return -1;
		if (n == 0)
			strlcpy(t->said, log_printable(line), sizeof t->said);
		if (!begins(line, code))
			return -1;
		t->starttls |=
		    line.len == 12 && span_is_nocase((struct span){line.at + 4, 8}, "STARTTLS");
		if (line.len < 4 || line.at[3] != '-')
			return 0;
	}
	return -1;
}

static int
hear_pop3(struct talk *t)
{
	struct span line;

	if (hear(t, &line) == -1)
		return -1;
	strlcpy(t->said, log_printable(line), sizeof t->said);
	return begins(line, "+OK") ? 0 : -1;
}

/* ---- TLS ---- */

static int
start_tls(struct talk *t)
{
	struct tls_client demand = {
	    .policy = TLS_CLIENT_ENCRYPT, .context = t->d->tls, .host = t->name};
	const char *why = "";
	SSL *ssl = t->d->tls != NULL ? tls_client_new(&demand, &why) : NULL;

	client_wire_deadline(t->wire, DOCTOR_STEP_S);
	if (ssl != NULL && client_wire_start_tls(t->wire, ssl) == 0)
		return 0;
	t->complaint = "TLS does not begin";
	strlcpy(t->said, ssl != NULL ? client_wire_why(t->wire) : why, sizeof t->said);
	return -1;
}

static int
ask_for_tls(struct talk *t)
{
	bool smtp = strcmp(t->protocol, "smtp") == 0;
	char greeting[sizeof t->said];

	strlcpy(greeting, t->said, sizeof greeting);
	if (smtp && !t->starttls) {
		t->complaint = "it offers no STARTTLS";
		return -1;
	}
	if (say(t, smtp ? "STARTTLS\r\n" : "STLS\r\n") == -1 ||
	    (smtp ? hear_smtp(t, "220") : hear_pop3(t)) == -1) {
		t->complaint = smtp ? "STARTTLS is refused" : "STLS is refused";
		return -1;
	}
	if (start_tls(t) == -1)
		return -1;
	strlcpy(t->said, greeting, sizeof t->said);
	return 0;
}

/* ---- conversations ---- */

static int
greet_smtp(struct talk *t)
{
	char line[DNS_HOST_SIZE + 16], greeting[sizeof t->said];
	int rv;

	if (hear_smtp(t, "220") == -1)
		return -1;
	strlcpy(greeting, t->said, sizeof greeting);
	snprintf(line, sizeof line, "EHLO %s\r\n", t->d->host);
	rv = say(t, line) == 0 ? hear_smtp(t, "250") : -1;
	if (rv == 0)
		strlcpy(t->said, greeting, sizeof t->said);
	return rv;
}

static int
greet_http(struct talk *t)
{
	char line[DNS_HOST_SIZE + 64];
	struct span answer;

	snprintf(line, sizeof line, "HEAD / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
	    t->d->host);
	if (say(t, line) == -1 || hear(t, &answer) == -1)
		return -1;
	strlcpy(t->said, log_printable(answer), sizeof t->said);
	return begins(answer, "HTTP/1.1 ") ? 0 : -1;
}

static int
greet(struct talk *t)
{
	return strcmp(t->protocol, "smtp") == 0	  ? greet_smtp(t)
	       : strcmp(t->protocol, "pop3") == 0 ? hear_pop3(t)
						  : greet_http(t);
}

/* A listener on all addresses is reached at the loopback one. */
static void
set_target(struct talk *t)
{
	t->target = t->at;
	if (strcmp(t->at.host, "0.0.0.0") == 0)
		strlcpy(t->target.host, "127.0.0.1", sizeof t->target.host);
	else if (strcmp(t->at.host, "::") == 0)
		strlcpy(t->target.host, "::1", sizeof t->target.host);
}

static int
reach(struct talk *t)
{
	struct sockaddr_storage address;

	client_wire_limit(t->wire, DOCTOR_TALK_S);
	client_wire_deadline(t->wire, DOCTOR_STEP_S);
	if (host_address(span_of(t->target.host), t->target.port, &address) &&
	    client_wire_connect(t->wire, (const struct sockaddr *)&address,
		socket_address_length((const struct sockaddr *)&address)) == 0)
		return 0;
	t->complaint = "it cannot be reached";
	strlcpy(t->said, client_wire_why(t->wire), sizeof t->said);
	return -1;
}

/* The connection stays for who looks at its certificate. */
static int
hold(struct talk *t)
{
	t->wire = client_wire_new();
	if (reach(t) == -1 || (strcmp(t->tls, "implicit") == 0 && start_tls(t) == -1))
		return -1;
	if (greet(t) == -1) {
		t->complaint = "it does not greet as it should";
		return -1;
	}
	return strcmp(t->tls, "start") == 0 ? ask_for_tls(t) : 0;
}

/* ---- certificates ---- */

static json_t *
judge_names(struct talk *t, X509 *x, const char *about)
{
	json_t *finding;

	if (X509_check_host(x, t->name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1)
		return finding_add(t->d->findings, FINDING_RIGHT, about, "it is for this name");
	finding = finding_add(
	    t->d->findings, FINDING_WRONG, about, "it is for other names: clients refuse it");
	finding_mend(
	    finding, "have one made for %s, and put it where [tls] Certificate says", t->name);
	return finding;
}

static json_t *
judge_issuer(struct talk *t, X509 *x, STACK_OF(X509) * chain, const char *about)
{
	X509_STORE_CTX *ctx;
	json_t *finding;
	int error = X509_V_ERR_UNSPECIFIED;

	if (t->d->roots == NULL)
		return finding_add(t->d->findings, FINDING_UNCLEAR, about,
		    "the certificates of known issuers cannot be read: %s", t->d->no_roots);
	ctx = X509_STORE_CTX_new();
	if (ctx != NULL && X509_STORE_CTX_init(ctx, t->d->roots, x, chain) == 1) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		X509_STORE_CTX_set_default(ctx, "ssl_server");
		error = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	if (error == X509_V_OK)
		return finding_add(t->d->findings, FINDING_RIGHT, about,
		    "it leads to an issuer that clients know");
	finding = finding_add(t->d->findings, FINDING_WRONG, about,
	    "it leads to no issuer that clients know: %s", X509_verify_cert_error_string(error));
	finding_mend(finding, "get one from a known issuer, and put the whole chain where [tls] "
			      "Certificate says");
	return finding;
}

static json_t *
judge_time(struct talk *t, X509 *x, const char *about)
{
	int days, seconds;
	json_t *finding;

	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		finding = finding_add(t->d->findings, FINDING_WRONG, about,
		    "it is not valid yet: it begins later, or the clock is wrong");
	else if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) != 1 || days < 0 ||
		 seconds < 0)
		finding = finding_add(t->d->findings, FINDING_WRONG, about, "it has ended");
	else if (days < CERTIFICATE_WARN_DAYS)
		finding = finding_add(
		    t->d->findings, FINDING_WRONG, about, "it ends within %d day(s)", days + 1);
	else
		return finding_add(
		    t->d->findings, FINDING_RIGHT, about, "it is valid for %d more days", days);
	finding_mend(finding, "renew it");
	return finding;
}

/* "subject=CN = mail.example.org, issuer ..., until ...", for who has to find the file. */
static void
describe(X509 *x, char text[DOCTOR_ANSWER_SIZE])
{
	BIO *out = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	text[0] = '\0';
	if (out == NULL)
		return;
	BIO_puts(out, "subject ");
	X509_NAME_print_ex(out, X509_get_subject_name(x), 0, XN_FLAG_ONELINE);
	BIO_puts(out, ", issuer ");
	X509_NAME_print_ex(out, X509_get_issuer_name(x), 0, XN_FLAG_ONELINE);
	BIO_puts(out, ", until ");
	ASN1_TIME_print(out, X509_get0_notAfter(x));
	len = BIO_get_mem_data(out, &bytes);
	strlcpy(text, log_printable((struct span){bytes, len}), DOCTOR_ANSWER_SIZE);
	BIO_free(out);
}

static void
judge_certificate(struct talk *t, const char *question)
{
	SSL *ssl = client_wire_ssl(t->wire);
	X509 *x = ssl != NULL ? SSL_get0_peer_certificate(ssl) : NULL;
	STACK_OF(X509) *chain = ssl != NULL ? SSL_get_peer_cert_chain(ssl) : NULL;
	char about[DNS_HOST_SIZE + 40], shown[DOCTOR_ANSWER_SIZE];

	if (x == NULL)
		return;
	describe(x, shown);
	snprintf(about, sizeof about, "certificate for %s: names", t->name);
	finding_asked(judge_names(t, x, about), question, shown);
	snprintf(about, sizeof about, "certificate for %s: issuer", t->name);
	finding_asked(judge_issuer(t, x, chain, about), question, shown);
	snprintf(about, sizeof about, "certificate for %s: time", t->name);
	finding_asked(judge_time(t, x, about), question, shown);
}

/* ---- listeners ---- */

static void
question_of(const struct talk *t, char *out, size_t size)
{
	char at[HOST_PORT_SIZE];

	host_port_print(t->target.host, t->target.port, at);
	snprintf(out, size, "connect to %s%s%s", at,
	    strcmp(t->tls, "none") != 0 ? ", TLS for " : "",
	    strcmp(t->tls, "none") != 0 ? t->name : "");
}

static void
tell(const struct talk *t, const char *question)
{
	json_t *finding;
	char at[HOST_PORT_SIZE], about[HOST_PORT_SIZE + 24];

	host_port_print(t->at.host, t->at.port, at);
	snprintf(about, sizeof about, "%s at %s", t->key, at);
	if (t->complaint == NULL) {
		finding = finding_add(t->d->findings, FINDING_RIGHT, about, "it answers%s%s",
		    strcmp(t->tls, "none") != 0 ? ", and speaks TLS" : "",
		    host_port_is_loopback(&t->at) ? "; only this host reaches it" : "");
	} else {
		finding = finding_add(t->d->findings, FINDING_WRONG, about, "%s", t->complaint);
		finding_mend(finding,
		    "sambarctl status says what is served, and why not; sambarctl "
		    "check, what is wrong with the configuration");
	}
	finding_asked(finding, question, t->said);
}

/* name NULL: the listener itself is told of, too. True: it had a certificate to be judged. */
static bool
visit(struct doctor *d, const json_t *listener, const char *name, bool certificate)
{
	struct talk t = {.d = d,
	    .key = text_in(listener, "key"),
	    .protocol = text_in(listener, "protocol"),
	    .tls = text_in(listener, "tls"),
	    .name = name != NULL ? name : d->host};
	char question[HOST_PORT_SIZE + DNS_HOST_SIZE + 40];
	bool shown;

	if (!host_port_parse(span_of(text_in(listener, "address")), &t.at))
		return false;
	set_target(&t);
	question_of(&t, question, sizeof question);
	shown = hold(&t) == 0 && client_wire_ssl(t.wire) != NULL;
	if (name == NULL)
		tell(&t, question);
	if (shown && certificate)
		judge_certificate(&t, question);
	client_wire_free(&t.wire);
	return shown;
}

/* All listeners have the same certificates: those that the first one shows are judged. */
static void
visit_names(struct doctor *d, const json_t *listener)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(d->plan, "own_names"), i, name)
	    visit(d, listener, json_string_value(name), true);
}

void
doctor_connect(struct doctor *d)
{
	const json_t *listeners = json_object_get(d->plan, "listeners"), *one, *secure = NULL;
	size_t i;

	json_array_foreach(listeners, i,
	    one) if (visit(d, one, NULL, secure == NULL) && secure == NULL) secure = one;
	if (secure != NULL)
		visit_names(d, secure);
	else
		finding_add(d->findings, FINDING_UNCLEAR, "certificate",
		    "no port that speaks TLS answers: sambarctl check looks at the files");
}
