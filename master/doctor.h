/*
 * What sambarctl doctor looks at in the network, in a process of its own that reads what strangers
 * answer: confined, without the configuration and its secrets. Private to doctor_*.c and
 * ctl_doctor.c.
 */
#ifndef MASTER_DOCTOR_H
#define MASTER_DOCTOR_H

#include <jansson.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/dns.h"
#include "master/finding.h"

enum {
	DOCTOR_DNS_BUDGET_MS = 60000, /* all questions: what is left then cannot be told */
	DOCTOR_STEP_S = 10,	      /* a connection, a reply */
	DOCTOR_TALK_S = 30,	      /* one conversation */
	DOCTOR_ANSWER_SIZE = 1200
};

/* ---- the other side (doctor_child.c) ---- */

struct doctor_child {
	int sock, pid;
};

/* Starts it, before anything secret is read. -1 with errno. */
int doctor_child_start(struct doctor_child *c);
/*
 * The findings for a plan, and the end of the process. NULL with *why, to be freed. The plan:
 *
 * "host", "own_names": what this host is called; "addresses": of machine_public_addresses()
 * "records": of publish_records()
 * "sends": mail leaves by MX; "relay": else the host[:port] that takes it, or "";
 * "relay_implicit": with TLS from the start
 * "try": a host[:port] to which a connection is tried, or ""
 * "listeners": [{"key", "address" (with port), "protocol": smtp, pop3 or http, "tls": none, start
 * or implicit}]
 * "servers", "trust_ad", "dns_reply_s": as a program's settings have them
 * "roots": a path; "chroot", "uid", "gid": "" for none
 */
json_t *doctor_child_ask(struct doctor_child *c, const json_t *plan, char **why);
/* Without a question; harmless after doctor_child_ask(). */
void doctor_child_end(struct doctor_child *c);

/* ---- in the child ---- */

struct doctor {
	const json_t *plan;
	json_t *findings;
	const char *host; /* of the plan */
	struct dns *dns;
	int64_t deadline;
	SSL_CTX *tls;	   /* NULL: there is none */
	X509_STORE *roots; /* NULL: they cannot be read */
	const char *no_roots;
	json_t *host_addresses; /* what the DNS says of host; NULL: not asked yet */
};

/* doctor_dns.c: what was published, and the names of the addresses. */
void doctor_look_up(struct doctor *d);
/* doctor_spf.c: whether SPF lets this host send for the name of the record. */
void doctor_look_at_spf(struct doctor *d, const json_t *record);
/* doctor_ports.c: whether each listener answers; the certificate. */
void doctor_connect(struct doctor *d);
/* doctor_outgoing.c: whether mail can leave. */
void doctor_send(struct doctor *d);

/* Asks the DNS. The answer is the caller's to free; the text is what is to be shown of it. */
struct dns_answer *
doctor_ask(struct doctor *d, const char *name, enum dns_type type, char text[DOCTOR_ANSWER_SIZE]);
/* The addresses of a name, as text: a new list, to be freed. *later: why not all are known, or
 * NULL. */
json_t *doctor_resolve(struct doctor *d, const char *name, const char **later);
/* Of the plan, "" and an empty list when there is none. */
const char *doctor_text(const struct doctor *d, const char *key);
/* From which other hosts see this one send: those that it has, else those of its name. Borrowed. */
const json_t *doctor_addresses(struct doctor *d);

#endif
