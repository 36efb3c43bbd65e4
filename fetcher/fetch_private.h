/*
 * The fetch program. Private to fetch_main.c, fetch_config.c, fetch_link.c (its end of the
 * connection to fetcher), fetch_body.c (a message on its way into the spool), fetch_session.c (the
 * conversation).
 */
#ifndef FETCHER_FETCH_PRIVATE_H
#define FETCHER_FETCH_PRIVATE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/dns.h"
#include "common/ipc.h"
#include "common/settings.h"
#include "fetcher/fetcher.h"
#include "fetcher/header.h"
#include "fetcher/remote.h"

/* ---- fetch_config.c ---- */

struct fetch_config {
	char *server; /* Mail Server */
	struct dns_settings dns;
	bool ipv4, ipv6; /* which addresses of other hosts are tried */
	struct remote_timeouts timeouts;
	SSL_CTX *context; /* never NULL */
	bool trace;
};

/* Reads Trusted Roots: before role_confine(). Ends the program when it cannot have TLS at all. */
struct fetch_config *fetch_config_new(const struct settings *s);
void fetch_config_free(struct fetch_config **c);

/* ---- fetch_link.c ---- */

/* What is to be done. */
struct fetch_job {
	enum fetch_mode mode;
	char section[FETCH_NAME_MAX_BYTES + 1];
	enum remote_protocol protocol;
	char host[FETCH_HOST_MAX_BYTES + 1];
	unsigned port;
	enum remote_tls tls;
	bool has_fingerprint;
	unsigned char fingerprint[REMOTE_FINGERPRINT_BYTES];
	char user[FETCH_CREDENTIAL_MAX_BYTES + 1], password[FETCH_CREDENTIAL_MAX_BYTES + 1];
	/* OAuth2, in place of the password, unless endpoint is "" */
	char endpoint[FETCH_CREDENTIAL_MAX_BYTES + 1], client_id[FETCH_CREDENTIAL_MAX_BYTES + 1],
	    client_secret[FETCH_CREDENTIAL_MAX_BYTES + 1],
	    refresh_token[FETCH_CREDENTIAL_MAX_BYTES + 1];
	bool command; /* in place of all these: ask fetcher for a token */
	enum fetch_action action;
	char move_to[FETCH_FOLDER_MAX_BYTES + 1];
	uint64_t max_size;
	bool idle, candidates;
	uint64_t room;
	char *folders[100];
	size_t n_folders;
};

struct fetch_slot {
	uint64_t id;
	int fd; /* -1: none */
};

/* A message that is safe, and whether something is to be done with it at the server. */
struct fetch_answer {
	uint32_t handle;
	int64_t row;
	bool act;
	enum fetch_taken taken;
};

struct fetch_link {
	int fd;
	bool over;  /* fetcher has gone, or does not keep to what was agreed */
	bool stop;  /* STOP was said, or it is over */
	bool again; /* AGAIN was said; the reader takes it back */
	bool has_job, has_known, has_token;
	struct fetch_job job;
	uint64_t number; /* of the collection: slots of others are dropped */
	struct fetch_slot slots[FETCH_SLOTS];
	size_t n_slots, n_outstanding; /* MESSAGEs without TAKEN */
	char known[FETCH_LISTED_MAX];
	size_t n_known;
	char token[FETCH_CREDENTIAL_MAX_BYTES + 1], token_why[FETCH_TEXT_MAX_BYTES + 1];
	void (*on_taken)(void *arg, const struct fetch_answer *answer);
	void *arg;
	unsigned char message[IPC_MESSAGE_MAX_BYTES];
};

/* Accepts the connection that this process serves. NULL: nobody waits there any more. */
struct fetch_link *fetch_link_new(int listen_fd);
void fetch_link_free(struct fetch_link **l);

/* All of them do nothing once it is over. */
void fetch_link_send(struct fetch_link *l, struct writer *w);
/* Takes the next message, and waits for it. -1: it is over. */
int fetch_link_receive(struct fetch_link *l);
/* Takes those that have come. */
void fetch_link_look(struct fetch_link *l);
/* A slot, when there is one at last. False: there is none, and none will come. */
bool fetch_link_slot(struct fetch_link *l, struct fetch_slot *slot);
/* A new collection: BEGIN. */
void fetch_link_begin(struct fetch_link *l);
void fetch_link_drop_slots(struct fetch_link *l);

/* ---- fetch_body.c ---- */

enum { BODY_BUFFER_BYTES = 65536 };

struct fetch_body {
	struct header *header;
	struct fetch_slot slot; /* fd -1: none */
	uint64_t offset, size;
	uint32_t crc;
	int error; /* errno of the first write that failed */
	size_t used;
	char buffer[BODY_BUFFER_BYTES];
};

/* prefix: our Received. */
void fetch_body_start(
    struct fetch_body *b, const struct fetch_slot *slot, uint64_t offset, struct span prefix);
void fetch_body_add(struct fetch_body *b, struct span bytes);
/* Writes what is left, and closes the slot's descriptor. */
void fetch_body_finish(struct fetch_body *b, unsigned char digest[FETCH_DIGEST_BYTES]);

/* ---- fetch_session.c ---- */

/* Does l->job, from start to end. */
void fetch_collect(struct fetch_link *l, const struct fetch_config *config);

#endif
