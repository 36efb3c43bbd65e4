/*
 * What stream.c and stream_tls.c share: the fields of a connection, and the transport that reads
 * and writes it. Private to the two.
 */
#ifndef COMMON_STREAM_PRIVATE_H
#define COMMON_STREAM_PRIVATE_H

#include <event2/event_struct.h>
#include <netinet/in.h>

#include "common/socket_address.h"
#include "common/stream.h"

enum tls_phase { TLS_NONE, TLS_AFTER_CLEAR, TLS_HANDSHAKE, TLS_ACTIVE };

struct stream {
	struct event_base *base;
	const struct stream_ops *ops;
	void *arg;
	struct event readable, writable, deadline;
	struct event again; /* made active to give bytes or to send from the loop */
	SSL *ssl;
	char *rest; /* what on_bytes() left over, exactly so long */
	char *out;  /* what waits to be sent */
	size_t rest_len, out_at, out_len, out_size;
	size_t input_limit, given;
	size_t n_discarded; /* while lingering */
	int fd;
	unsigned depth; /* of callbacks under way: freed only at 0 */
	uint8_t tls;	/* enum tls_phase */
	uint8_t why;	/* enum stream_end, when broken */
	bool freed, broken;
	bool paused, resumed; /* resumed: the rest is to be given from the loop */
	bool want_drained;    /* the caller waits for on_drained() */
	bool finishing,
	    lingers; /* no more input; lingers: all was sent, the other side is awaited */
	bool ended;  /* the other side sends no more; on_end() follows what is sent */
	bool watching, blocked; /* the events readable and writable are added */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer;
	char peer_text[SOCKET_ADDRESS_TEXT_SIZE];
};

/* What a transport says when it moves no bytes. */
enum { TRANSPORT_WAIT = -1, TRANSPORT_END = -2, TRANSPORT_RESET = -3, TRANSPORT_TLS_FAILED = -4 };

/* Inside TLS: bytes read or written (more than 0), or one of the above. */
ssize_t stream_tls_read(struct stream *s, char *out, size_t size);
ssize_t stream_tls_write(struct stream *s, struct span bytes);
/* One step of the handshake: 0 when it is complete, or one of the above. */
ssize_t stream_tls_handshake(struct stream *s);
/* Says goodbye (close_notify), as far as the socket takes it at once. */
void stream_tls_shutdown(struct stream *s);
/* True when bytes were read from the socket that stream_tls_read() has not given yet. */
bool stream_tls_has_more(const struct stream *s);

#endif
