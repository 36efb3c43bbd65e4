/*
 * What the parts of carrying a job share: deliver_carry.c (host by host, and what is told of
 * recipients), deliver_send.c (one conversation) and deliver_talk.c (a session, and its TLS).
 */
#ifndef ROUTER_CARRY_PRIVATE_H
#define ROUTER_CARRY_PRIVATE_H

#include "common/host_port.h"
#include "router/deliver_private.h"
#include "router/tlsa.h"

enum { TLS_NAMES_MAX = 32, SMTP_DEFAULT_PORT = 25 };

/* A session, and all that it borrows. */
struct talk {
	struct carrier *carrier;
	struct smtp_session *session;
	struct smtp_target target;
	char host[DNS_HOST_SIZE];
	struct tlsa_set tlsa;
	char *names_text;
	const char *names[TLS_NAMES_MAX];
	struct deliver_destination to; /* what its spans show belongs to it */
};

struct carrier {
	const struct deliver_config *config;
	const struct carrier_ops *ops;
	void *arg;
	struct dns *dns;
	struct talk *talk;	/* that the next job may use, or NULL */
	struct carriage *ahead; /* of the next job, or NULL */
	char trace_who[DNS_HOST_SIZE + HOST_PORT_SIZE + sizeof "[]"];
	char text[SMTP_REPLY_TEXT_SIZE]; /* deliver_done's */
	bool told_of_roots;
};

/* A job at work. */
struct carriage {
	struct carrier *c;
	const struct deliver_job *job;
	struct envelope e;
	unsigned char *storage;
	struct smtp_message message;
	/* recipients without an end, in the same order */
	size_t n;
	uint32_t *numbers;
	struct smtp_recipient *recipients;
	struct smtp_result *results;
	struct mx_list list;
	unsigned n_tried, n_talked;
	bool reached, all_refuse;
	struct smtp_reply last; /* why the last host was no good */
	struct smtp_info last_info;
	char last_host[DNS_HOST_SIZE];
	enum deliver_end end;
};

/* ---- deliver_carry.c ---- */

/* With the port where it is not the usual one. */
const char *carriage_address_text(const struct smtp_info *info);
/* host "": there was none. */
void carriage_report(const struct carriage *g, uint32_t number, enum delivery_end end,
    unsigned flags, const char *host, const struct smtp_info *info, const char *reply);
/* All that are left end alike, with the last reply. */
void carriage_settle(struct carriage *g, enum delivery_end end);

/* ---- deliver_talk.c ---- */

/* False: the host is not to be used now. */
bool talk_apply_tlsa(struct carriage *g, struct talk *t, const struct mx_host *host);
/* What a certificate may be for; deliver.h has the rules. */
void talk_choose_names(struct talk *t, bool secure);
/* A session with one may be used for the other. */
bool talk_is_same(const struct deliver_destination *a, const struct deliver_destination *b);
void talk_on_trace(void *arg, enum smtp_trace what, struct span line);
enum tls_client_policy talk_policy_of(enum tls_mode mode);
void talk_free(struct talk **tp);
/* Logs why the last conversation had no TLS, if it was to have some. */
void talk_tell_of_clear_text(const struct carriage *g);
/* Logs, once, that certificates cannot be verified. */
void talk_tell_of_roots(struct carrier *c, const struct talk *t);
/* TLSA records are to be looked for. */
bool talk_wants_dane(const struct deliver_destination *to);

/* ---- deliver_send.c ---- */

void carriage_free(struct carriage **gp);
struct carriage *carriage_new(struct carrier *c, const struct deliver_job *job);
/* False: *why. */
bool carriage_load(struct carriage *g, int fd, const char **why);
/* Sends what is left; keeps the session if it can go on. */
void carriage_send_by(struct carriage *g, struct talk *t);
struct talk *talk_new(struct carriage *g, const struct mx_host *host);
/* True: there is nothing more to try. Takes t. */
bool carriage_talk_to(struct carriage *g, struct talk *t, const struct mx_host *host);

#endif
