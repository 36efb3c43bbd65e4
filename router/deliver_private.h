/*
 * The deliver program. Private to deliver_main.c, deliver.c (its end of the connection to router),
 * deliver_carry.c (one job; its parts share carry_private.h) and deliver_config.c.
 */
#ifndef ROUTER_DELIVER_PRIVATE_H
#define ROUTER_DELIVER_PRIVATE_H

#include "common/dns.h"
#include "common/ip_list.h"
#include "common/settings.h"
#include "router/deliver.h"
#include "router/mx.h"
#include "router/smtp_client.h"

/* ---- deliver_config.c ---- */

struct deliver_config {
	char *helo;		  /* Mail Server */
	char *own_names;	  /* with helo: for address_match_list() */
	char *listens;		  /* address:port, of all ports for SMTP */
	char *own_addresses;	  /* by the configuration */
	struct ip_list *unusable; /* of an MX */
	bool ipv4, ipv6;	  /* which addresses of other hosts are tried */
	struct dns_settings dns;
	struct smtp_timeouts timeouts;
	unsigned idle_s;  /* a session without a job */
	SSL_CTX *context; /* never NULL */
	char *roots_why;  /* why no issuer is known, or NULL */
	bool trace;
};

/* Reads Trusted Roots: before role_confine(). Ends the program when it
 * cannot have TLS at all. */
struct deliver_config *deliver_config_new(const struct settings *s);
void deliver_config_free(struct deliver_config **c);
/* Sets the addresses under which this host answers on a port, itself or by Own Addresses. The list
 * among them is what it returns, to be freed. */
struct ip_list *
deliver_own_addresses(const struct deliver_config *c, uint16_t port, struct mx_settings *to);

/* ---- deliver_carry.c ---- */

struct carrier;
struct carrier_ops {
	void (*on_result)(void *arg, const struct deliver_result *result);
	/* False: nobody is there any more to hear results. What was not begun is left. */
	bool (*is_wanted)(void *arg);
	/* The job that comes next and its descriptor, if it is there already: the next
	 * carrier_run() gets it, if there is a session then. Or NULL. */
	const struct deliver_job *(*next)(void *arg, int *fd);
};

/* config and ops are not copied. */
struct carrier *
carrier_new(const struct deliver_config *config, const struct carrier_ops *ops, void *arg);
void carrier_free(struct carrier **c);
/*
 * Carries one message, from start to end, within this call: a result for each recipient, unless it
 * is not wanted any more. done->text is valid until the next call. fd stays the caller's.
 */
void
carrier_run(struct carrier *c, const struct deliver_job *job, int fd, struct deliver_done *done);
bool carrier_has_session(const struct carrier *c);
/* Says QUIT, if there is a session. */
void carrier_quit(struct carrier *c);

/* ---- deliver.c ---- */

struct deliver;
/*
 * Accepts the one connection that this process serves; strangers' are refused. on_end is called
 * when it is over. NULL: nobody waits there any more. listen_fd stays the caller's and does not
 * block.
 */
struct deliver *deliver_new(struct event_base *base, int listen_fd,
    const struct deliver_config *config, void (*on_end)(void *arg), void *arg);
void deliver_free(struct deliver **d);
/* Asks router to close the connection once it has no job here. */
void deliver_retire(struct deliver *d);

#endif
