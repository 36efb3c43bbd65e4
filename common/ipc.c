/*
 * The encoding of our messages, blocking send and receive, and the event-driven channel. The other
 * two halves, ipc_server.c and ipc_client.c, are made of channels.
 */
#include "common/ipc.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc_private.h"
#include "common/log.h"
#include "common/memory.h"

enum {
	HEAD_BYTES = sizeof(uint32_t) + sizeof(uint64_t),
	KEEP_BUFFER_BYTES = 16384,
	SOCKET_BUFFER_BYTES = 1024 * 1024
};

/* ---- fields ---- */

static unsigned char scratch[IPC_MESSAGE_MAX_BYTES];

static void
put_bytes(struct writer *w, const void *bytes, size_t len)
{
	if (len > IPC_MESSAGE_MAX_BYTES - w->len) {
		w->full = true;
		return;
	}
	if (len)
		memcpy(w->at + w->len, bytes, len);
	w->len += len;
}

void
ipc_write_into(struct writer *w, unsigned char *buffer, uint32_t type, uint64_t tag)
{
	*w = (struct writer){.at = buffer};
	put_bytes(w, &type, sizeof type);
	put_bytes(w, &tag, sizeof tag);
}

void
ipc_write(struct writer *w, uint32_t type, uint64_t tag)
{
	ipc_write_into(w, scratch, type, tag);
}

void
put_u64(struct writer *w, uint64_t value)
{
	put_bytes(w, &value, sizeof value);
}

void
put_str(struct writer *w, struct span text)
{
	uint32_t len = text.len;

	if (text.len > IPC_MESSAGE_MAX_BYTES) {
		w->full = true;
		return;
	}
	put_bytes(w, &len, sizeof len);
	put_bytes(w, text.at, text.len);
}

void
put_text(struct writer *w, const char *text)
{
	put_str(w, span_of(text));
}

size_t
put_room(const struct writer *w)
{
	return IPC_MESSAGE_MAX_BYTES - w->len;
}

static bool
get_bytes(struct reader *r, void *out, size_t len)
{
	if (r->bad || len > r->left) {
		r->bad = true;
		memset(out, 0, len);
		return false;
	}
	memcpy(out, r->at, len);
	r->at += len;
	r->left -= len;
	return true;
}

uint64_t
get_u64(struct reader *r)
{
	uint64_t value;

	get_bytes(r, &value, sizeof value);
	return value;
}

struct span
get_str(struct reader *r, size_t max)
{
	uint32_t len;
	struct span text;

	if (!get_bytes(r, &len, sizeof len) || len > max || len > r->left) {
		r->bad = true;
		return (struct span){"", 0};
	}
	text = (struct span){(const char *)r->at, len};
	r->at += len;
	r->left -= len;
	return text;
}

void
get_text(struct reader *r, char *out, size_t size)
{
	if (!span_copy(get_str(r, size - 1), out, size))
		r->bad = true;
}

int
get_fd(struct reader *r)
{
	int fd = r->fd;

	if (fd == -1)
		r->bad = true;
	r->fd = -1;
	return fd;
}

bool
get_more(const struct reader *r)
{
	return !r->bad && r->left > 0;
}

int
get_end(struct reader *r)
{
	return r->bad || r->left > 0 ? -1 : 0;
}

int
ipc_read_head(struct reader *r, uint32_t *type, uint64_t *tag)
{
	get_bytes(r, type, sizeof *type);
	get_bytes(r, tag, sizeof *tag);
	return r->bad ? -1 : 0;
}

void
ipc_set_tag(unsigned char *message, uint64_t tag)
{
	memcpy(message + sizeof(uint32_t), &tag, sizeof tag);
}

/* ---- descriptors that travel with a message ---- */

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void
attach_fd(struct msghdr *m, union control *c, int fd)
{
	struct cmsghdr *h;

	if (fd == -1)
		return;
	memset(c, 0, sizeof *c);
	m->msg_control = c;
	m->msg_controllen = sizeof c->bytes;
	h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
}

static int
detach_fd(struct msghdr *m)
{
	int fd = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
		    h->cmsg_len == CMSG_LEN(sizeof(int))) {
			closefd(&fd);
			memcpy(&fd, CMSG_DATA(h), sizeof fd);
		}
	return fd;
}

/* ---- blocking ---- */

int
ipc_send_now(int sock, struct writer *w, int fd)
{
	struct iovec io = {w->at, w->len};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
	union control c;
	ssize_t n;

	if (w->full) {
		errno = EMSGSIZE;
		return -1;
	}
	attach_fd(&m, &c, fd);
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
ipc_receive_now(int sock, unsigned char *buf, uint32_t *type, uint64_t *tag, struct reader *r)
{
	union control c;
	struct iovec io = {buf, IPC_MESSAGE_MAX_BYTES};
	struct msghdr m = {.msg_iov = &io,
	    .msg_iovlen = 1,
	    .msg_control = &c,
	    .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return n;
	*r = (struct reader){.at = buf, .left = n, .fd = detach_fd(&m)};
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || ipc_read_head(r, type, tag) == -1) {
		closefd(&r->fd);
		errno = EPROTO;
		return -1;
	}
	return 1;
}

static int
connect_with(const char *path, int flags)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int sock;

	if (strlen(path) >= sizeof un.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path) + 1);
	if ((sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0)) == -1)
		return -1;
	if (connect(sock, (struct sockaddr *)&un, sizeof un) == -1)
		closefd(&sock);
	return sock;
}

int
ipc_connect(const char *path)
{
	return connect_with(path, 0);
}

int
ipc_connect_nonblocking(const char *path)
{
	return connect_with(path, SOCK_NONBLOCK);
}

uid_t
ipc_peer_uid(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return (uid_t)-1;
	return peer.uid;
}

/* ---- channel ---- */

/* In the outgoing buffer, before each message's bytes. */
struct packet {
	uint32_t len;
	int fd;
	bool owned;
};

enum { PACKET_ALIGN = 8 };

struct ipc_channel {
	struct event readable, writable, again;
	int fd;
	ipc_message_cb on_message;
	ipc_close_cb on_close;
	void *arg;
	unsigned char *out;
	size_t head, tail, size;
	unsigned depth; /* callbacks of ours on the stack */
	bool freed, broken, waiting;
	bool unheard; /* the other end has closed: nothing is sent, and what it said is read */
};

static size_t
packet_bytes(const struct packet *p)
{
	return (sizeof *p + p->len + PACKET_ALIGN - 1) & ~(size_t)(PACKET_ALIGN - 1);
}

static struct packet *
packet_at(struct ipc_channel *ch, size_t at)
{
	return (struct packet *)(void *)(ch->out + at);
}

static void
destroy(struct ipc_channel *ch)
{
	while (ch->head < ch->tail) {
		struct packet *p = packet_at(ch, ch->head);

		if (p->owned)
			closefd(&p->fd);
		ch->head += packet_bytes(p);
		explicit_bzero(p + 1, p->len);
	}
	free(ch->out);
	closefd(&ch->fd);
	free(ch);
}

void
ipc_channel_free(struct ipc_channel **chp)
{
	struct ipc_channel *ch = *chp;

	if (ch == NULL)
		return;
	*chp = NULL;
	event_del(&ch->readable);
	event_del(&ch->writable);
	event_del(&ch->again);
	ch->freed = true;
	if (ch->depth == 0)
		destroy(ch);
}

static void
leave(struct ipc_channel *ch)
{
	if (--ch->depth == 0 && ch->freed)
		destroy(ch);
}

/* The channel is of no more use: its owner hears it once. */
static void
report_close(struct ipc_channel *ch)
{
	if (ch->freed)
		return;
	event_del(&ch->readable);
	event_del(&ch->writable);
	event_del(&ch->again);
	ch->broken = true;
	ch->depth++;
	ch->on_close(ch->arg);
	leave(ch);
}

/* ---- channel: receiving ---- */

static struct batch {
	struct mmsghdr m[IPC_BATCH];
	struct iovec io[IPC_BATCH];
	union control c[IPC_BATCH];
	unsigned char bytes[IPC_BATCH][IPC_MESSAGE_MAX_BYTES];
} in;

static int
receive_batch(int fd)
{
	for (size_t i = 0; i < IPC_BATCH; i++) {
		in.io[i] = (struct iovec){in.bytes[i], IPC_MESSAGE_MAX_BYTES};
		in.m[i].msg_hdr = (struct msghdr){.msg_iov = &in.io[i],
		    .msg_iovlen = 1,
		    .msg_control = &in.c[i],
		    .msg_controllen = CMSG_LEN(sizeof(int))}; /* one; more are MSG_CTRUNC */
	}
	return recvmmsg(fd, in.m, IPC_BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
}

/* False: malformed, or the end. */
static bool
deliver(struct ipc_channel *ch, struct mmsghdr *m, unsigned char *bytes)
{
	struct reader r = {.at = bytes, .left = m->msg_len, .fd = detach_fd(&m->msg_hdr)};
	uint32_t type;
	uint64_t tag;
	bool ok = true;

	if (m->msg_len == 0 || (m->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    ipc_read_head(&r, &type, &tag) == -1) {
		if (m->msg_len != 0)
			log_warn("malformed message on a socket: %u bytes", m->msg_len);
		ok = false;
	} else
		ch->on_message(ch->arg, type, tag, &r);
	closefd(&r.fd);
	explicit_bzero(bytes, m->msg_len); /* there may be a password in it */
	return ok;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_channel *ch = arg;
	int n = receive_batch(fd), i;
	bool ok = true;

	(void)what;
	/* The kernel tells first that the other end closed with messages of ours unread, and gives
	 * then what that end had sent before. */
	if (n == -1 && errno == ECONNRESET)
		n = receive_batch(fd);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		report_close(ch);
		return;
	}
	ch->depth++;
	for (i = 0; i < n && ok && !ch->freed && !ch->broken; i++)
		ok = deliver(ch, &in.m[i], in.bytes[i]);
	for (; i < n; i++) {
		int left = detach_fd(&in.m[i].msg_hdr);

		closefd(&left);
	}
	if (!ok)
		report_close(ch);
	leave(ch);
}

/* ---- channel: sending ---- */

static void
make_room(struct ipc_channel *ch, size_t bytes)
{
	if (ch->head == ch->tail)
		ch->head = ch->tail = 0;
	if (ch->tail + bytes <= ch->size)
		return;
	if (ch->head > 0) {
		memmove(ch->out, ch->out + ch->head, ch->tail - ch->head);
		ch->tail -= ch->head;
		ch->head = 0;
	}
	if (ch->tail + bytes <= ch->size)
		return;
	if (ch->size == 0)
		ch->size = 256;
	while (ch->tail + bytes > ch->size)
		ch->size *= 2;
	ch->out = xrealloc(ch->out, ch->size);
}

void
ipc_channel_send_bytes(
    struct ipc_channel *ch, const unsigned char *bytes, size_t len, int fd, bool owned)
{
	struct packet p = {.len = len, .fd = fd, .owned = owned};

	if (ch->broken || ch->unheard || ch->freed) {
		if (owned)
			closefd(&fd);
		return;
	}
	make_room(ch, packet_bytes(&p));
	memcpy(ch->out + ch->tail, &p, sizeof p);
	memcpy(ch->out + ch->tail + sizeof p, bytes, len);
	ch->tail += packet_bytes(&p);
	if (ch->tail - ch->head > IPC_BACKLOG_MAX_BYTES) {
		log_warn(
		    "a program does not read its messages: %zu bytes wait", ch->tail - ch->head);
		ch->broken = true;
	}
	if (!ch->waiting || ch->broken)
		event_active(&ch->writable, EV_WRITE, 0);
}

void
ipc_channel_send(struct ipc_channel *ch, struct writer *w, int pass_fd)
{
	if (w->full) {
		log_warn("a message of ours is longer than %d bytes", IPC_MESSAGE_MAX_BYTES);
		closefd(&pass_fd);
		ch->broken = true;
		event_active(&ch->writable, EV_WRITE, 0);
		return;
	}
	ipc_channel_send_bytes(ch, w->at, w->len, pass_fd, true);
}

/* How many packets were sent, or -1 with errno. */
static int
send_batch(struct ipc_channel *ch)
{
	struct mmsghdr m[IPC_BATCH];
	struct iovec io[IPC_BATCH];
	union control c[IPC_BATCH];
	unsigned n = 0;

	for (size_t at = ch->head; at < ch->tail && n < IPC_BATCH; n++) {
		struct packet *p = packet_at(ch, at);

		io[n] = (struct iovec){(unsigned char *)(p + 1), p->len};
		m[n].msg_hdr = (struct msghdr){.msg_iov = &io[n], .msg_iovlen = 1};
		attach_fd(&m[n].msg_hdr, &c[n], p->fd);
		at += packet_bytes(p);
	}
	return sendmmsg(ch->fd, m, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
drop_sent(struct ipc_channel *ch, int n)
{
	for (; n > 0; n--) {
		struct packet *p = packet_at(ch, ch->head);

		if (p->owned)
			closefd(&p->fd);
		ch->head += packet_bytes(p);
		explicit_bzero(p + 1, p->len);
	}
	if (ch->head < ch->tail || ch->size <= KEEP_BUFFER_BYTES)
		return;
	free(ch->out);
	ch->out = NULL;
	ch->head = ch->tail = ch->size = 0;
}

static void
wait_to_send(struct ipc_channel *ch, int error)
{
	const struct timeval short_wait = {0, 10 * 1000};

	ch->waiting = true;
	if (error == EAGAIN)
		event_add(&ch->writable, NULL);
	else
		event_add(
		    &ch->again, &short_wait); /* too many descriptors under way, or no memory */
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_channel *ch = arg;

	(void)fd, (void)what;
	ch->waiting = false;
	while (ch->head < ch->tail && !ch->broken) {
		int n = send_batch(ch);

		if (n > 0) {
			drop_sent(ch, n);
		} else if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS ||
			   errno == ENOMEM) {
			wait_to_send(ch, errno);
			return;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* It hears no more, but what it has said may still be there to read. */
			ch->unheard = true;
			while (ch->head < ch->tail)
				drop_sent(ch, 1);
		} else if (errno != EINTR) {
			ch->broken = true;
		}
	}
	if (ch->broken)
		report_close(ch);
}

struct ipc_channel *
ipc_channel_new(
    struct event_base *base, int fd, ipc_message_cb on_message, ipc_close_cb on_close, void *arg)
{
	struct ipc_channel *ch = xcalloc(1, sizeof *ch);
	int size = SOCKET_BUFFER_BYTES;

	ch->fd = fd;
	ch->on_message = on_message;
	ch->on_close = on_close;
	ch->arg = arg;
	/* Best effort: the default holds a few hundred messages, and EAGAIN is handled. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	evutil_make_socket_nonblocking(fd);
	event_assign(&ch->readable, base, fd, EV_READ | EV_PERSIST, on_readable, ch);
	event_assign(&ch->writable, base, fd, EV_WRITE, on_writable, ch);
	event_assign(&ch->again, base, -1, EV_TIMEOUT, on_writable, ch);
	event_add(&ch->readable, NULL);
	return ch;
}

size_t
ipc_channel_waiting(const struct ipc_channel *ch)
{
	return ch->tail - ch->head;
}

uid_t
ipc_channel_peer_uid(const struct ipc_channel *ch)
{
	return ipc_peer_uid(ch->fd);
}
