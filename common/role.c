/*
 * What every program that master starts has in common: settings and sockets from master, the
 * control connection, and the loop. confine.c gives up the rights.
 */
#include "common/role.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"

enum {
	ADMIN_WORDS_MAX = 64,
	ADMIN_TEXT_CHUNK_BYTES = 60000,
	NAME_SIZE = 256,
	SEND_TIMEOUT_S = 60,
	HEAP_KEPT_BYTES = 1024 * 1024,
	VALUE_SIZE = IPC_MESSAGE_MAX_BYTES
};

static uid_t role_uids[16];
static unsigned uids_known;

static unsigned
bit_index(unsigned bit)
{
	return __builtin_ctz(bit);
}

uid_t
role_uid(unsigned bit)
{
	return bit != 0 && (uids_known & bit) ? role_uids[bit_index(bit)] : (uid_t)-1;
}

void
role_set_uid(unsigned bit, uid_t uid)
{
	if (bit == 0 || bit_index(bit) >= nitems(role_uids))
		return;
	uids_known |= bit;
	role_uids[bit_index(bit)] = uid;
}

static bool
is_from(int fd, unsigned bit, const char *name)
{
	uid_t expected = role_uid(bit), peer;

	if (expected == (uid_t)-1)
		return true;
	peer = ipc_peer_uid(fd);
	if (peer != expected)
		log_warn("- refused: account %u is not %s", peer, name);
	return peer == expected;
}

int
role_accept_one(int listen_fd, unsigned bit, const char *name)
{
	struct timeval limit = {SEND_TIMEOUT_S, 0};
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) != -1 || errno == ECONNABORTED ||
	       errno == EINTR) {
		if (fd != -1 && is_from(fd, bit, name) &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0)
			return fd;
		closefd(&fd);
	}
	if (errno != EAGAIN)
		fatal("cannot accept a connection");
	return -1;
}

/* ---- what master sends ---- */

static void
take_setting(struct role *r, struct reader *in)
{
	static char value[VALUE_SIZE];
	char section[NAME_SIZE], key[NAME_SIZE];

	get_text(in, section, sizeof section);
	get_text(in, key, sizeof key);
	get_text(in, value, sizeof value);
	if (get_end(in) == -1)
		fatalx("malformed SETTING from master");
	if (r->incoming == NULL)
		r->incoming = settings_new();
	settings_add(r->incoming, section, key, value);
	explicit_bzero(value, strlen(value));
}

/* Landlock needs each directory once more, after the program has taken it. */
static void
remember_directory(struct role *r, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISDIR(st.st_mode) ||
	    r->n_directories == nitems(r->directories))
		return;
	if ((r->directories[r->n_directories] = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1)
		fatal("cannot duplicate a directory");
	r->n_directories++;
}

static size_t
socket_slot(struct role *r)
{
	for (size_t i = 0; i < r->n_sockets; i++)
		if (r->sockets[i].fd == -1) {
			free(r->sockets[i].name);
			return i;
		}
	if (r->n_sockets == ROLE_SOCKETS_MAX)
		fatalx("master sent more than %d sockets", ROLE_SOCKETS_MAX);
	return r->n_sockets++;
}

static void
take_socket(struct role *r, struct reader *in)
{
	char name[NAME_SIZE];
	size_t slot;
	int fd;

	get_text(in, name, sizeof name);
	fd = get_fd(in);
	if (get_end(in) == -1)
		fatalx("malformed SOCKET from master");
	remember_directory(r, fd);
	slot = socket_slot(r);
	r->sockets[slot].name = xstrdup(name);
	r->sockets[slot].fd = fd;
}

static void
learn_uids(struct role *r)
{
	for (size_t i = 0; i < r->settings->n; i++) {
		const struct setting *s = &r->settings->items[i];
		uint64_t uid;

		if (strcmp(s->section, "uids") == 0 &&
		    span_u64(span_of(s->value), UINT_MAX - 1, &uid))
			role_set_uid(role_bit(s->key), uid);
	}
}

static void
take_start(struct role *r, struct reader *in)
{
	r->worker = get_u64(in);
	r->workers = get_u64(in);
	if (get_end(in) == -1 || r->incoming == NULL)
		fatalx("malformed START from master");
	settings_free(&r->settings);
	r->settings = r->incoming;
	r->incoming = NULL;
	log_set_debug(settings_bool(r->settings, "log", "Debug"));
	learn_uids(r);
}

/* True when START has come. */
static bool
take_message(struct role *r, uint32_t type, struct reader *in)
{
	switch (type) {
	case CONTROL_SETTING:
		take_setting(r, in);
		return false;
	case CONTROL_SOCKET:
		take_socket(r, in);
		return false;
	case CONTROL_START:
		take_start(r, in);
		return true;
	default:
		fatalx("unexpected message %u from master", type);
	}
}

static void
read_until_start(struct role *r)
{
	unsigned char *buf = xmalloc(IPC_MESSAGE_MAX_BYTES);
	struct reader in;
	uint32_t type;
	uint64_t tag;
	bool started;
	int n;

	do {
		n = ipc_receive_now(ROLE_CONTROL_FD, buf, &type, &tag, &in);
		if (n == -1)
			fatal("cannot read from master");
		if (n == 0)
			exit(0);
		started = take_message(r, type, &in);
		closefd(&in.fd);
	} while (!started);
	explicit_bzero(buf, IPC_MESSAGE_MAX_BYTES);
	free(buf);
}

static void
require_control(const char *name)
{
	int type = 0;
	socklen_t len = sizeof type;

	if (getsockopt(ROLE_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_SEQPACKET)
		fatalx("%s is started by master: use sambarctl start", name);
	if (fcntl(ROLE_CONTROL_FD, F_SETFD, FD_CLOEXEC) == -1)
		fatal("fcntl");
}

void
role_start(struct role *r, const char *name, const struct role_ops *ops, void *arg)
{
	*r = (struct role){.name = name, .ops = ops, .arg = arg};
	/* What a message or a piece of one needed will be needed again: it does not go back to the
	 * kernel each time. */
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, HEAP_KEPT_BYTES);
	log_open(name);
	require_control(name);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* a terminal's ^C is for master */
	signal(SIGHUP, SIG_IGN);
	read_until_start(r);
	if ((r->base = event_base_new()) == NULL)
		fatalx("cannot make an event base");
}

/* ---- sockets ---- */

int
role_socket(struct role *r, const char *name)
{
	for (size_t i = 0; i < r->n_sockets; i++)
		if (r->sockets[i].fd != -1 && strcmp(r->sockets[i].name, name) == 0) {
			int fd = r->sockets[i].fd;

			r->sockets[i].fd = -1;
			return fd;
		}
	return -1;
}

int
role_required_socket(struct role *r, const char *name)
{
	int fd = role_socket(r, name);

	if (fd == -1)
		fatalx("master did not send %s", name);
	return fd;
}

int
role_socket_prefixed(struct role *r, const char *prefix, const char **name_out)
{
	for (size_t i = 0; i < r->n_sockets; i++)
		if (r->sockets[i].fd != -1 &&
		    strncmp(r->sockets[i].name, prefix, strlen(prefix)) == 0) {
			*name_out = r->sockets[i].name;
			return role_socket(r, r->sockets[i].name);
		}
	return -1;
}

const char *
role_peer_path(struct role *r, const char *socket_name)
{
	static char paths[8][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % nitems(paths)];
	const char *directory = settings_text(r->settings, "instance", "Sockets");

	if (snprintf(path, PATH_MAX, "%s/%s", directory, socket_name) >= PATH_MAX)
		fatalx("the path of the run directory is too long");
	return path;
}

/* ---- administrators' requests ---- */

static void
send_text(struct role *r, uint64_t tag, int code, const char *text)
{
	size_t left = strlen(text);

	do {
		size_t n = left < ADMIN_TEXT_CHUNK_BYTES ? left : ADMIN_TEXT_CHUNK_BYTES;
		struct writer w;

		ipc_write(&w, CONTROL_ADMIN_REPLY, tag);
		put_u64(&w, code);
		put_u64(&w, n < left);
		put_str(&w, (struct span){text, n});
		ipc_channel_send(r->control, &w, -1);
		text += n;
		left -= n;
	} while (left > 0);
}

void
role_admin_reply(struct role *r, uint64_t tag, int code, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);

	json_decref(doc);
	if (r->control != NULL)
		send_text(r, tag, code, text != NULL ? text : "{\"error\": \"out of memory\"}");
	free(text);
}

void
role_admin_error(struct role *r, uint64_t tag, int code, const char *format, ...)
{
	char sentence[LOG_LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	role_admin_reply(r, tag, code, json_pack("{s:s}", "error", sentence));
}

static json_t *
count(struct role *r)
{
	json_t *counters = json_object();

	if (r->ops->on_status != NULL)
		r->ops->on_status(r, counters);
	return counters;
}

static void
reply_status(struct role *r, uint64_t tag)
{
	role_admin_reply(r, tag, 0, count(r));
}

/* Cuts words from the message into text, which is large enough for all of it. */
static size_t
read_words(struct reader *in, char *text, char **words)
{
	size_t n = 0;

	while (get_more(in) && n < ADMIN_WORDS_MAX) {
		struct span word = get_str(in, in->left);

		words[n++] = text;
		span_copy(word, text, word.len + 1);
		text += word.len + 1;
	}
	return n;
}

static void
take_admin(struct role *r, uint64_t tag, struct reader *in)
{
	size_t size = in->left + 1; /* each length field is longer than a NUL */
	char *text = xmalloc(size), *words[ADMIN_WORDS_MAX];
	size_t n = read_words(in, text, words);

	if (get_end(in) == -1 || n == 0)
		role_admin_error(r, tag, 64, "malformed request");
	else if (n == 1 && strcmp(words[0], "status") == 0)
		reply_status(r, tag);
	else if (r->ops->on_admin == NULL)
		role_admin_error(r, tag, 64, "%s takes no requests", r->name);
	else
		r->ops->on_admin(r, tag, words, n);
	explicit_bzero(text, size);
	free(text);
}

/* ---- tokens ---- */

void
role_ask_token(struct role *r, uint64_t tag, const char *section)
{
	struct writer w;

	if (r->control == NULL)
		return; /* master has gone, and so do we */
	ipc_write(&w, CONTROL_TOKEN, tag);
	put_text(&w, section);
	ipc_channel_send(r->control, &w, -1);
}

static void
take_token(struct role *r, uint64_t tag, struct reader *in)
{
	uint64_t good = get_u64(in);
	struct span text = get_str(in, IPC_MESSAGE_MAX_BYTES);

	if (get_end(in) == -1 || r->ops->on_token == NULL)
		fatalx("malformed TOKEN_IS from master");
	r->ops->on_token(r, tag, good != 0, text);
}

/* ---- the loop ---- */

static void
send_ready(struct role *r)
{
	struct writer w;

	ipc_write(&w, CONTROL_READY, 0);
	put_text(&w, r->protections);
	ipc_channel_send(r->control, &w, -1);
}

static void
drain(struct role *r)
{
	if (r->ops->on_drain != NULL)
		r->ops->on_drain(r);
	else
		role_exit_when_done(r);
}

static void
on_control(void *arg, uint32_t type, uint64_t tag, struct reader *in)
{
	struct role *r = arg;

	if (type == CONTROL_ADMIN) {
		take_admin(r, tag, in);
	} else if (type == CONTROL_TOKEN_IS) {
		take_token(r, tag, in);
	} else if (type == CONTROL_DRAIN) {
		drain(r);
	} else if (type == CONTROL_MINTED || type == CONTROL_METRICS_TEXT) {
		if (role_take_answer(r, type, tag, in) == -1)
			fatalx("malformed answer from master");
	} else if (take_message(r, type, in)) {
		if (r->ops->on_reload != NULL)
			r->ops->on_reload(r);
		send_ready(r);
	}
}

/* Without master nobody would restart us, or learn of us: end. What is on disk is safe at any time.
 */
static void
on_control_close(void *arg)
{
	struct role *r = arg;

	ipc_channel_free(&r->control);
	event_base_loopbreak(r->base);
}

static void
on_terminate(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	drain(arg);
}

int
role_loop(struct role *r)
{
	struct event *terminate = evsignal_new(r->base, SIGTERM, on_terminate, r);

	if (terminate == NULL || event_add(terminate, NULL) == -1)
		fatalx("cannot watch for SIGTERM");
	r->control = ipc_channel_new(r->base, ROLE_CONTROL_FD, on_control, on_control_close, r);
	send_ready(r);
	log_flush();
	/* One turn at a time: log lines leave once for all events of a turn. */
	while (!event_base_got_break(r->base) && !event_base_got_exit(r->base)) {
		if (event_base_loop(r->base, EVLOOP_ONCE) == -1)
			fatalx("the event loop failed");
		log_flush();
	}
	event_free(terminate);
	return r->exit_code;
}

/* What was counted since master has asked last would be lost with us. */
static void
send_last_counters(struct role *r)
{
	json_t *counters;
	struct writer w;
	char *text;

	if (r->is_leaving || r->control == NULL || r->ops->on_status == NULL)
		return;
	r->is_leaving = true;
	counters = count(r);
	if ((text = json_dumps(counters, JSON_COMPACT)) != NULL) {
		ipc_write(&w, CONTROL_COUNTERS, 0);
		put_text(&w, text);
		ipc_channel_send(r->control, &w, -1);
	}
	free(text);
	json_decref(counters);
}

void
role_exit_when_done(struct role *r)
{
	send_last_counters(r);
	/* What was queued in this turn still leaves. */
	event_base_loopexit(r->base, NULL);
}
