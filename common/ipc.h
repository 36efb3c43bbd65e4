/*
 * How our programs talk: UNIX SOCK_SEQPACKET, one datagram a message: type, tag, then fields (u64,
 * string) read with bounds checks, and at most one descriptor. The only file that knows the
 * encoding. A malformed message closes the connection and is logged; it never crashes the reader.
 *
 * Encoding: u32 type, u64 tag, then for each field u64 (8 bytes) or string (u32 length, bytes);
 * host byte order, since both ends are on one machine.
 *
 * The tag is the caller's: an answer carries the tag of its request. Messages without an answer use
 * tag 0.
 */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum { IPC_MESSAGE_MAX_BYTES = 65536, IPC_BATCH = 32, IPC_BACKLOG_MAX_BYTES = 32 * 1024 * 1024 };

/* ---- fields ---- */

/* A message being written into the process's one scratch buffer: finish (send) one before starting
 * the next. */
struct writer {
	unsigned char *at;
	size_t len;
	bool full; /* something did not fit: sending fails with EMSGSIZE */
};

void ipc_write(struct writer *w, uint32_t type, uint64_t tag);
/* The same into a buffer of the caller's (IPC_MESSAGE_MAX_BYTES), from any thread. */
void ipc_write_into(struct writer *w, unsigned char *buffer, uint32_t type, uint64_t tag);
/* Another tag for a message that is written. */
void ipc_set_tag(unsigned char *message, uint64_t tag);
void put_u64(struct writer *w, uint64_t value);
void put_str(struct writer *w, struct span text);
void put_text(struct writer *w, const char *text);
/* Bytes still free for fields, so that long lists can be split over several messages. */
size_t put_room(const struct writer *w);

/* A message being read. Remembers its first error: read all fields, then ask get_end() once. */
struct reader {
	const unsigned char *at;
	size_t left;
	bool bad;
	int fd; /* the descriptor that came along, or -1; see get_fd() */
};

uint64_t get_u64(struct reader *r);
/* Bad when longer than max bytes. Borrowed from the message. */
struct span get_str(struct reader *r, size_t max);
/* Like get_str, copied with a NUL into out; bad when it does not fit or holds a NUL. */
void get_text(struct reader *r, char *out, size_t size);
/* Takes the descriptor: the caller closes it. Bad without one. What is not taken is closed after
 * the handler. */
int get_fd(struct reader *r);
/* True while fields are left (for lists that go on until the end). */
bool get_more(const struct reader *r);
/* 0 when everything was read without an error and nothing is left, else -1. */
int get_end(struct reader *r);

/* ---- blocking, for sequential programs ---- */

/* Sends one message, with a descriptor unless fd is -1 (it stays the caller's). -1 with errno. */
int ipc_send_now(int sock, struct writer *w, int fd);
/*
 * Receives one message into buf (IPC_MESSAGE_MAX_BYTES). 1 and the reader set, 0 at the end of the
 * connection, -1 with errno (EPROTO: malformed). The caller closes r->fd if it is not -1 after
 * handling.
 */
int ipc_receive_now(int sock, unsigned char *buf, uint32_t *type, uint64_t *tag, struct reader *r);
/* Connects to a listening socket by path. A descriptor or -1 with errno. */
int ipc_connect(const char *path);
/* The same; the descriptor does not block. */
int ipc_connect_nonblocking(const char *path);
/* The other side's account, from SO_PEERCRED. (uid_t)-1: nobody's. */
uid_t ipc_peer_uid(int sock);

/* ---- event-driven: one connection ---- */

struct ipc_channel;
typedef void (*ipc_message_cb)(void *arg, uint32_t type, uint64_t tag, struct reader *r);
typedef void (*ipc_close_cb)(void *arg);

/*
 * Owns fd from now on. on_message may free the channel. on_close is called once when the other side
 * has gone, sent something malformed or does not read (IPC_BACKLOG_MAX_BYTES waiting); the channel
 * is to be freed in it.
 */
struct ipc_channel *ipc_channel_new(
    struct event_base *base, int fd, ipc_message_cb on_message, ipc_close_cb on_close, void *arg);
void ipc_channel_free(struct ipc_channel **ch);
/*
 * Queues one message; it leaves, together with what else was queued, when the current event is
 * done. Owns pass_fd (or -1) from now on: closed when sent or when the channel is freed.
 */
void ipc_channel_send(struct ipc_channel *ch, struct writer *w, int pass_fd);
/* Bytes that were queued and have not left. */
size_t ipc_channel_waiting(const struct ipc_channel *ch);
/* The same as ipc_peer_uid(). */
uid_t ipc_channel_peer_uid(const struct ipc_channel *ch);

/* ---- event-driven: the side that answers ---- */

/* Who speaks. A guardian's table says which roles may send which message. */
enum role_bit {
	ROLE_MASTER = 1 << 0,
	ROLE_AUTH = 1 << 1,
	ROLE_STORE = 1 << 2,
	ROLE_QUEUE = 1 << 3,
	ROLE_ROUTER = 1 << 4,
	ROLE_SMTPD = 1 << 5,
	ROLE_POP3D = 1 << 6,
	ROLE_IMAPD = 1 << 7,
	ROLE_WEBD = 1 << 8,
	ROLE_FETCHER = 1 << 9,
	ROLE_DELIVER = 1 << 10,
	ROLE_FETCH = 1 << 11,
	ROLE_INDEXER = 1 << 12,
};

/* "smtpd" to ROLE_SMTPD, 0 for an unknown name; and back ("?" for an unknown bit). */
unsigned role_bit(const char *name);
const char *role_bit_name(unsigned bit);

struct ipc_server;
/* One connected program. state belongs to the guardian. */
struct ipc_peer {
	struct ipc_server *server;
	struct ipc_channel *channel;
	unsigned role;
	void *state;
	void *arg; /* as given to ipc_server_new */
	struct ipc_peer *next;
	bool closing;
};

struct ipc_handler {
	uint32_t type;
	unsigned roles;
	void (*handle)(struct ipc_peer *p, uint64_t tag, struct reader *r);
};

struct ipc_server_ops {
	const struct ipc_handler *handlers;
	size_t n_handlers;
	void (*on_open)(struct ipc_peer *p);  /* may be NULL */
	void (*on_close)(struct ipc_peer *p); /* may be NULL; p is freed after it */
};

/*
 * Serves a listening socket. The first message of each connection must be the client's greeting,
 * which names its role; started by root the role is checked against the peer's account (see
 * role_uid() in role.h).
 */
struct ipc_server *
ipc_server_new(struct event_base *base, int listen_fd, const struct ipc_server_ops *ops, void *arg);
void ipc_server_free(struct ipc_server **s);
/* Connections now. */
struct ipc_peer *ipc_server_peers(struct ipc_server *s);
void ipc_peer_send(struct ipc_peer *p, struct writer *w, int pass_fd);
/* Logs that the named message was malformed and closes this peer (after the handler has returned).
 */
void ipc_peer_refuse(struct ipc_peer *p, const char *message_name);

/* ---- event-driven: the side that asks ---- */

struct ipc_client;
struct ipc_call;
typedef void (*ipc_answer_cb)(void *arg, uint32_t type, struct reader *r);

struct ipc_client_ops {
	const char *own_role;	     /* for the greeting */
	void (*on_open)(void *arg);  /* connected, also again; may be NULL */
	void (*on_close)(void *arg); /* connection lost; may be NULL */
	void (*on_notice)(
	    void *arg, uint32_t type, struct reader *r); /* messages with tag 0; may be NULL */
};

/*
 * Connects to path, now and again whenever the connection is lost (at once, then with growing delay
 * up to 1 s). Never fails: calls wait until the other side is there. ops is not copied.
 */
struct ipc_client *ipc_client_new(
    struct event_base *base, const char *path, const struct ipc_client_ops *ops, void *arg);
void ipc_client_free(struct ipc_client **c);
bool ipc_client_is_open(const struct ipc_client *c);
/*
 * Sends a request, again after each lost connection until it is answered, so it must be safe to
 * repeat. The tag given to ipc_write() is replaced. Owns pass_fd. cb is called exactly once, never
 * from within ipc_call(), unless the call is cancelled. An answer that fails get_end() is the
 * caller's to judge.
 */
struct ipc_call *
ipc_call(struct ipc_client *c, struct writer *w, int pass_fd, ipc_answer_cb cb, void *arg);
/* Forgets a call: its answer will be dropped. Clears the caller's pointer; harmless on NULL. */
void ipc_call_cancel(struct ipc_call **call);
/* Memory that is freed with the call, after cb or when it is forgotten: what a door keeps for it.
 */
void ipc_call_own(struct ipc_call *call, void *memory);
/* Sends without expecting an answer; dropped when not connected. */
void ipc_client_send(struct ipc_client *c, struct writer *w, int pass_fd);

#endif
