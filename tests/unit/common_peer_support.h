/*
 * A server for tests of our clients: a thread on 127.0.0.1 that behaves, but for its rules, and
 * keeps what it heard. And certificates, made on the spot. Who includes this says how it behaves:
 * SERVER_GREETING, which is defined before, and server_command().
 */
#ifndef TESTS_COMMON_PEER_SUPPORT_H
#define TESTS_COMMON_PEER_SUPPORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/span.h"

enum act {
	SAY,	 /* text in place of the usual reply; "\r\n" is in it */
	SAY_TOO, /* text, then the usual reply */
	DROP,	 /* text, if any, then close */
	RESET,	 /* close so that the client gets a reset */
	SILENT,	 /* until the client has gone */
	STALL,	 /* the same, and nothing is read */
	FLOOD,	 /* text again and again, until the client has gone */
	DRIP	 /* text byte by byte, slowly, again and again, until the client has gone */
};

struct rule {
	const char *at; /* "greeting", "tls", a verb, "auth" (a further line of it), "end" */
	enum act act;
	const char *text;
	unsigned nth;	     /* which time of a connection; 0: each */
	unsigned connection; /* which connection; 0: each */
};

struct server {
	const char *offer; /* lines of EHLO's reply: "PIPELINING\nSIZE 1000" */
	const struct rule *rules;
	size_t n_rules;
	SSL_CTX *tls;
	bool implicit_tls;
	/* what was heard */
	char heard[1 << 20];
	size_t heard_len;
	size_t marks[1000], n_marks; /* where in heard each read() has ended */
	char body[1 << 20];
	size_t body_len;
	unsigned n_messages, n_connections, n_chunks;
	char sni[256];
	bool client_certificate;
	/* private */
	int listen_fd, fd, stop[2];
	SSL *ssl;
	size_t at;
	struct sockaddr_in address;
	pthread_t thread;
	struct {
		char at[24];
		unsigned n;
	} seen[40];
	const struct rule *obeyed; /* the last one */
	bool gone;
};

/* ---- bytes ---- */

static inline ssize_t
server_read(struct server *v, char *out, size_t size)
{
	if (v->ssl == NULL)
		return recv(v->fd, out, size, 0);
	return SSL_read(v->ssl, out, size);
}

static inline void
server_say(struct server *v, const char *bytes, size_t len)
{
	if (len == 0)
		return;
	if (v->ssl != NULL)
		v->gone |= SSL_write(v->ssl, bytes, len) <= 0;
	else
		v->gone |= send(v->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len;
}

static inline void
server_say_text(struct server *v, const char *text)
{
	server_say(v, text, strlen(text));
}

static inline bool
server_fill(struct server *v)
{
	ssize_t n = v->heard_len < sizeof v->heard
			? server_read(v, v->heard + v->heard_len, sizeof v->heard - v->heard_len)
			: -1;

	if (n <= 0) {
		v->gone = true;
		return false;
	}
	v->heard_len += n;
	if (v->n_marks < nitems(v->marks))
		v->marks[v->n_marks++] = v->heard_len;
	return true;
}

static inline bool
server_line(struct server *v, struct span *line)
{
	for (;;) {
		char *from = v->heard + v->at;
		char *lf = memmem(from, v->heard_len - v->at, "\r\n", 2);

		if (lf != NULL) {
			*line = (struct span){from, lf - from};
			v->at += line->len + 2;
			return true;
		}
		if (!server_fill(v))
			return false;
	}
}

static inline bool
server_bytes(struct server *v, size_t n)
{
	while (v->heard_len - v->at < n)
		if (!server_fill(v))
			return false;
	memcpy(v->body + v->body_len, v->heard + v->at, n);
	v->body_len += n;
	v->at += n;
	return true;
}

/* ---- rules ---- */

static inline void
server_close(struct server *v, bool reset)
{
	struct linger hard = {1, 0};

	if (reset)
		setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	v->gone = true;
}

static inline void
server_wait_gone(struct server *v)
{
	char byte[4096];

	while (recv(v->fd, byte, sizeof byte, 0) > 0)
		;
	v->gone = true;
}

static inline void
server_drip(struct server *v, const char *text)
{
	for (size_t i = 0; !v->gone; i = (i + 1) % strlen(text)) {
		struct pollfd p = {.fd = v->fd, .events = POLLIN | POLLRDHUP};

		server_say(v, text + i, 1);
		if (poll(&p, 1, 20) == 1 && (p.revents & (POLLRDHUP | POLLERR | POLLHUP)))
			v->gone = true;
	}
}

static inline void
server_obey(struct server *v, const struct rule *r)
{
	switch (r->act) {
	case SAY:
	case SAY_TOO:
		server_say_text(v, r->text);
		break;
	case DROP:
	case RESET:
		if (r->text != NULL)
			server_say_text(v, r->text);
		server_close(v, r->act == RESET);
		break;
	case SILENT:
		server_wait_gone(v);
		break;
	case STALL:
		poll(&(struct pollfd){.fd = v->stop[0], .events = POLLIN}, 1, -1);
		v->gone = true;
		break;
	case FLOOD:
		while (!v->gone)
			server_say_text(v, r->text);
		break;
	case DRIP:
		server_drip(v, r->text);
		break;
	}
}

/* True when a rule has replaced what usually happens. */
static inline bool
server_rule(struct server *v, const char *at)
{
	unsigned n = 0;

	for (size_t i = 0; i < nitems(v->seen); i++)
		if (v->seen[i].at[0] == '\0' || strcmp(v->seen[i].at, at) == 0) {
			strlcpy(v->seen[i].at, at, sizeof v->seen[i].at);
			n = ++v->seen[i].n;
			break;
		}
	for (size_t i = 0; i < v->n_rules; i++) {
		const struct rule *r = &v->rules[i];

		if (strcmp(r->at, at) != 0 || (r->nth != 0 && r->nth != n) ||
		    (r->connection != 0 && r->connection != v->n_connections))
			continue;
		v->obeyed = r;
		server_obey(v, r);
		return r->act != SAY_TOO;
	}
	return false;
}

/* The usual reply, unless a rule replaces it: then false. */
static inline bool
server_reply(struct server *v, const char *at, const char *usual)
{
	if (server_rule(v, at))
		return false;
	server_say_text(v, usual);
	return true;
}

/* ---- the conversation ---- */

/* What happens with a line that the client has sent. */
static inline void server_command(struct server *v, struct span line);

static inline void
server_handshake(struct server *v)
{
	SSL *ssl = SSL_new(v->tls);
	const char *sni;

	/* The client has begun: it is no more at the reply to STARTTLS. */
	poll(&(struct pollfd){.fd = v->fd, .events = POLLIN}, 1, -1);
	if (server_rule(v, "tls"))
		v->gone = true;
	SSL_set_fd(ssl, v->fd);
	if (v->gone || SSL_accept(ssl) != 1) {
		SSL_free(ssl);
		v->gone = true;
		ERR_clear_error();
		return;
	}
	v->ssl = ssl;
	if ((sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) != NULL)
		strlcpy(v->sni, sni, sizeof v->sni);
	v->client_certificate = SSL_get0_peer_certificate(ssl) != NULL;
}

static inline void
server_serve(struct server *v)
{
	struct timeval patience = {60, 0}; /* never reached by a test that passes */
	struct span line;

	setsockopt(v->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	v->gone = false;
	v->at = v->heard_len;
	memset(v->seen, 0, sizeof v->seen);
	if (v->implicit_tls)
		server_handshake(v);
	if (!v->gone)
		server_reply(v, "greeting", SERVER_GREETING);
	while (!v->gone && server_line(v, &line))
		server_command(v, line);
	SSL_free(v->ssl);
	v->ssl = NULL;
	close(v->fd);
	ERR_clear_error();
}

static inline void *
server_run(void *arg)
{
	struct server *v = arg;

	while ((v->fd = accept(v->listen_fd, NULL, NULL)) != -1) {
		v->n_connections++;
		server_serve(v);
	}
	OPENSSL_thread_stop();
	return NULL;
}

/* On an address of 127/8; port 0: any. False when it is taken. */
static inline bool
server_start_at(struct server *v, const char *ip, in_port_t port)
{
	socklen_t len = sizeof v->address;

	v->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, ip, &v->address.sin_addr);
	if ((v->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		abort();
	if (bind(v->listen_fd, (struct sockaddr *)&v->address, len) == -1) {
		close(v->listen_fd);
		return false;
	}
	if (listen(v->listen_fd, 10) == -1 ||
	    getsockname(v->listen_fd, (struct sockaddr *)&v->address, &len) == -1 ||
	    pipe(v->stop) == -1 || pthread_create(&v->thread, NULL, server_run, v) != 0)
		abort();
	return true;
}

static inline void
server_start(struct server *v)
{
	if (!server_start_at(v, "127.0.0.1", 0))
		abort();
}

/* After the client has closed. */
static inline void
server_stop(struct server *v)
{
	shutdown(v->listen_fd, SHUT_RDWR);
	close(v->stop[1]);
	pthread_join(v->thread, NULL);
	close(v->stop[0]);
	close(v->listen_fd);
}

/* ---- certificates ---- */

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
};

static inline void
identity_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	if ((e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value)) == NULL ||
	    X509_add_ext(x, e, -1) != 1)
		abort();
	X509_EXTENSION_free(e);
}

/* alt_name: "DNS:mx.example"; NULL: an issuer. issuer NULL: by itself. */
static inline struct identity
identity_new(const char *alt_name, const struct identity *issuer, long from_s, long until_s)
{
	static long serial;
	struct identity id = {X509_new(), EVP_EC_gen("P-256")};
	X509_NAME *name = X509_get_subject_name(id.certificate);
	X509 *by = issuer ? issuer->certificate : id.certificate;
	char text[30];

	snprintf(text, sizeof text, "test %ld", ++serial);
	X509_set_version(id.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), serial);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0);
	X509_set_issuer_name(id.certificate, X509_get_subject_name(by));
	X509_gmtime_adj(X509_getm_notBefore(id.certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(id.certificate), until_s);
	X509_set_pubkey(id.certificate, id.key);
	if (alt_name != NULL)
		identity_extend(id.certificate, by, NID_subject_alt_name, alt_name);
	else
		identity_extend(id.certificate, by, NID_basic_constraints, "critical,CA:TRUE");
	if (X509_sign(id.certificate, issuer ? issuer->key : id.key, EVP_sha256()) == 0)
		abort();
	return id;
}

static inline void
identity_free(struct identity *id)
{
	X509_free(id->certificate);
	EVP_PKEY_free(id->key);
	*id = (struct identity){0};
}

/* With a client's context, and the roots it was made of. */
static inline void
identities_free(struct identity *const *all, size_t n, X509_STORE *roots, SSL_CTX *client)
{
	for (size_t i = 0; i < n; i++)
		identity_free(all[i]);
	X509_STORE_free(roots);
	SSL_CTX_free(client);
}

/* A context for the server; chain: a further certificate it sends, or NULL. */
static inline SSL_CTX *
identity_context(const struct identity *id, const struct identity *chain)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (SSL_CTX_use_certificate(ctx, id->certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, id->key) != 1)
		abort();
	if (chain != NULL && SSL_CTX_add1_chain_cert(ctx, chain->certificate) != 1)
		abort();
	return ctx;
}

/* The two as PEM text, to be freed. */
static inline char *
identity_pem(const struct identity *id, bool key)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *at, *text;
	long len;

	if (key)
		PEM_write_bio_PrivateKey(out, id->key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_X509(out, id->certificate);
	len = BIO_get_mem_data(out, &at);
	text = strndup(at, len);
	BIO_free(out);
	return text;
}

#endif
