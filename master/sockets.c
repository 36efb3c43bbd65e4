/*
 * Listening sockets: TCP ports from [listen], and the guardians' UNIX sockets.
 */
#include "master/sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/host_port.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/inherited.h"

enum { TCP_BACKLOG = 4096, UNIX_BACKLOG = 1024 };

static const char LOCAL_NAME[] = "listen:Local:" SOCKETS_LOCAL;

static const struct {
	const char *key, *program;
	bool tls;
} listeners[] = {{"SMTP", "smtpd", false}, {"Submission", "smtpd", false}, {"SMTPS", "smtpd", true},
    {"POP3", "pop3d", false}, {"POP3S", "pop3d", true}, {"HTTP", "webd", false},
    {"HTTPS", "webd", true}};

static bool
is_wanted(const struct config *c, const char *program)
{
	if (!config_bool(c, "common", "Act As Mail Server"))
		return false;
	return strcmp(program, "smtpd") != 0 || config_bool(c, "mail", "Run SMTPD");
}

static int
resolve(const struct host_port *at, struct addrinfo **out)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	char port[8];

	snprintf(port, sizeof port, "%u", at->port);
	return getaddrinfo(at->host, port, &hints, out) == 0 ? 0 : -1;
}

static int
bind_tcp(const struct addrinfo *ai)
{
	int fd = inherited_socket(ai->ai_addr, SOCK_STREAM), on = 1;

	if (fd != -1)
		return fd;
	if ((fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
	    (ai->ai_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == -1) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 || listen(fd, TCP_BACKLOG) == -1)
		closefd(&fd);
	return fd;
}

static void
add(struct sockets *s, const char *name, const char *program, bool tls, int fd, bool fresh,
    bool kept)
{
	s->items = xrealloc(s->items, (s->n + 1) * sizeof *s->items);
	s->items[s->n++] = (struct listening){xstrdup(name), program, fd, tls, fresh, kept};
}

static struct listening *
find(struct sockets *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->items[i].name, name) == 0)
			return &s->items[i];
	return NULL;
}

/* A machine without IPv6 serves IPv4 only, without an error. */
static bool
is_excusable(const struct addrinfo *ai, int error)
{
	return ai->ai_family == AF_INET6 && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL);
}

/* A listener of the running instance that stands in the way, "POP3:127.0.0.1:110"; NULL: none. */
static const char *
own_in_the_way(const struct sockets *old, const struct host_port *at)
{
	struct host_port have;

	for (size_t i = 0; i < old->n; i++) {
		const char *name = strchr(old->items[i].name, ':') + 1;

		if (host_port_parse(span_of(strchr(name, ':') + 1), &have) &&
		    host_port_meet(&have, at))
			return name;
	}
	return NULL;
}

/* What the administrator can do about it. To be freed. */
static char *
hint(int error, const struct sockets *old, const struct host_port *at)
{
	const char *own = error == EADDRINUSE ? own_in_the_way(old, at) : NULL;
	int key = own != NULL ? strcspn(own, ":") : 0;

	if (own != NULL)
		return xasprintf(": this instance itself listens on %s for %.*s; set %.*s to none "
				 "first, and then to what it is to be",
		    own + key + 1, key, own, key, own);
	switch (error) {
	case EADDRINUSE:
		return xstrdup(": another program listens there");
	case EACCES:
		return xstrdup(": a port below 1024 takes root");
	case EADDRNOTAVAIL:
		return xstrdup(": it is no address of this machine");
	default:
		return xstrdup("");
	}
}

/* The descriptor; -1 where the machine has no such address and that is no error, or with *why. */
static int
open_one(const struct sockets *old, const char *key, struct span text, char **why)
{
	struct host_port at;
	struct addrinfo *ai;
	char *advice;
	int fd, error;

	if (!host_port_parse(text, &at) || resolve(&at, &ai) == -1) {
		*why = xasprintf("[listen] %s: not an address: %s", key, log_printable(text));
		return -1;
	}
	fd = bind_tcp(ai);
	error = errno;
	if (fd == -1 && is_excusable(ai, error)) {
		log_info("not listening on %.*s for %s: this machine has no such IPv6 address",
		    (int)text.len, text.at, key);
	} else if (fd == -1) {
		advice = hint(error, old, &at);
		*why = xasprintf("cannot listen on %.*s for %s: %s%s", (int)text.len, text.at, key,
		    strerror(error), advice);
		free(advice);
	}
	freeaddrinfo(ai);
	return fd;
}

static int
bind_one(struct sockets *s, struct sockets *old, size_t which, struct span text, char **why)
{
	char name[160];
	struct listening *have;
	int fd;

	snprintf(name, sizeof name, "listen:%s:%.*s", listeners[which].key, (int)text.len, text.at);
	if (find(s, name) != NULL)
		return 0;
	if ((have = find(old, name)) != NULL) {
		add(s, name, listeners[which].program, listeners[which].tls, have->fd, false,
		    have->kept);
		return 0;
	}
	*why = NULL;
	if ((fd = open_one(old, listeners[which].key, text, why)) != -1)
		add(s, name, listeners[which].program, listeners[which].tls, fd, true, false);
	return *why == NULL ? 0 : -1;
}

static int
bind_key(struct sockets *s, struct sockets *old, size_t which, const struct config *c, char **why)
{
	struct span rest = span_of(config_text(c, "listen", listeners[which].key)), text;
	bool more;

	if (!is_wanted(c, listeners[which].program))
		return 0;
	do {
		more = span_take(&rest, ' ', &text);
		if (text.len > 0 && bind_one(s, old, which, text, why) == -1)
			return -1;
	} while (more);
	return 0;
}

static void
forget(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->items[i].name);
	free(s->items);
	*s = (struct sockets){0};
}

void
sockets_close(struct sockets *s, const char *run)
{
	struct listening *local = find(s, LOCAL_NAME);
	char path[200];

	if (local == NULL || !local->kept) {
		snprintf(path, sizeof path, "%s/%s", run, SOCKETS_LOCAL);
		(void)unlink(path);
	}
	for (size_t i = 0; i < s->n; i++)
		closefd(&s->items[i].fd);
	forget(s);
}

static void
close_unless(struct sockets *s, struct sockets *kept)
{
	for (size_t i = 0; i < s->n; i++)
		if (find(kept, s->items[i].name) == NULL)
			closefd(&s->items[i].fd);
	forget(s);
}

/* In that group from the start, in which the supervisor need not be. */
static int
bind_in_group(int fd, const struct sockaddr_un *un, gid_t gid)
{
	struct stat st;
	int rv;

	if (gid == (gid_t)-1)
		return bind(fd, (const struct sockaddr *)un, sizeof *un);
	(void)setfsgid(gid);
	rv = bind(fd, (const struct sockaddr *)un, sizeof *un);
	(void)setfsgid(getegid());
	if (rv == -1 || lstat(un->sun_path, &st) == -1)
		return -1;
	/* A directory may have a group that is what is made in it gets. */
	return st.st_gid == gid ? 0 : lchown(un->sun_path, (uid_t)-1, gid);
}

static int
bind_unix(const char *path, int type, mode_t mode, gid_t gid)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd;

	if (strlcpy(un.sun_path, path, sizeof un.sun_path) >= sizeof un.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = inherited_socket((struct sockaddr *)&un, type)) != -1)
		return fd;
	if (unlink(path) == -1 && errno != ENOENT)
		return -1;
	if ((fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return -1;
	/* Nobody can connect before chmod: the socket is not listening yet. */
	if (bind_in_group(fd, &un, gid) == -1 || chmod(path, mode) == -1 ||
	    listen(fd, UNIX_BACKLOG) == -1)
		closefd(&fd);
	return fd;
}

int
sockets_bind_unix(const char *path, mode_t mode, gid_t gid)
{
	return bind_unix(path, SOCK_SEQPACKET, mode, gid);
}

/* Every user of this machine may connect: smtpd asks the kernel who it is. */
static int
bind_local(
    struct sockets *s, struct sockets *old, const struct config *c, const char *run, char **why)
{
	struct listening *have = find(old, LOCAL_NAME);
	char path[200];
	int fd;

	if (!is_wanted(c, "smtpd"))
		return 0;
	if (have != NULL) {
		add(s, LOCAL_NAME, "smtpd", false, have->fd, false, have->kept);
		return 0;
	}
	snprintf(path, sizeof path, "%s/%s", run, SOCKETS_LOCAL);
	if ((fd = bind_unix(path, SOCK_STREAM, 0666, (gid_t)-1)) == -1) {
		*why = xasprintf("cannot listen on %s: %s", path, strerror(errno));
		return -1;
	}
	add(s, LOCAL_NAME, "smtpd", false, fd, true, false);
	return 0;
}

int
sockets_bind(
    struct sockets *s, struct sockets *old, const struct config *c, const char *run, char **why)
{
	*s = (struct sockets){0};
	if (bind_local(s, old, c, run, why) == -1)
		return -1;
	for (size_t i = 0; i < nitems(listeners); i++)
		if (bind_key(s, old, i, c, why) == -1) {
			close_unless(s, old);
			return -1;
		}
	close_unless(old, s);
	return 0;
}
