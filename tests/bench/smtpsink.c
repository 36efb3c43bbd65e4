/*
 * Takes mail by SMTP and throws it away, as smtp-sink does, but can answer each command late: as a
 * host does that is far away.
 *
 * usage: smtpsink PORT DELAY_MS MESSAGES
 *
 * Listens on 127.0.0.1. Each reply goes out DELAY_MS after its command came. Ends when the reply to
 * the last of MESSAGES is sent, and prints one line: the most connections there were at one time.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct talk {
	int fd; /* -1: the client has gone, replies are still under way */
	unsigned n_replies;
	bool in_data;
	unsigned matched; /* characters of end_of_data that were just read */
	size_t n_line;
	char line[2048];
};

/* All wait equally long: the first one is due first. */
struct reply {
	STAILQ_ENTRY(reply) entry;
	uint64_t due_ns;
	struct talk *talk;
	const char *text;
	bool counts, last;
};

static const char end_of_data[] = "\r\n.\r\n";
static STAILQ_HEAD(, reply) replies = STAILQ_HEAD_INITIALIZER(replies);
static uint64_t delay_ns;
static unsigned long taken, wanted;
static unsigned talks, most_talks;
static int poller;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void
release(struct talk *t)
{
	if (t->fd == -1 && t->n_replies == 0)
		free(t);
}

static void
hang_up(struct talk *t)
{
	if (t->fd == -1)
		return;
	close(t->fd);
	t->fd = -1;
	talks--;
}

static void
add_reply(struct talk *t, const char *text, bool counts, bool last)
{
	struct reply *r = malloc(sizeof *r);

	if (r == NULL)
		err(1, "malloc");
	*r = (struct reply){
	    .due_ns = now_ns() + delay_ns, .talk = t, .text = text, .counts = counts, .last = last};
	t->n_replies++;
	STAILQ_INSERT_TAIL(&replies, r, entry);
}

static void
send_reply(struct reply *r)
{
	struct talk *t = r->talk;
	size_t len = strlen(r->text);

	t->n_replies--;
	if (t->fd != -1 && send(t->fd, r->text, len, MSG_NOSIGNAL) != (ssize_t)len)
		hang_up(t);
	taken += r->counts;
	if (r->last)
		hang_up(t);
	release(t);
	free(r);
}

/* What is due; milliseconds until the next is, -1 without any. */
static int
send_due(void)
{
	uint64_t now = now_ns();
	struct reply *r;

	while ((r = STAILQ_FIRST(&replies)) != NULL && r->due_ns <= now) {
		STAILQ_REMOVE_HEAD(&replies, entry);
		send_reply(r);
	}
	return r == NULL ? -1 : (int)((r->due_ns - now + 999999) / 1000000);
}

static void
command(struct talk *t)
{
	if (strncasecmp(t->line, "EHLO", 4) == 0)
		add_reply(t, "250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n", false, false);
	else if (strncasecmp(t->line, "DATA", 4) == 0) {
		add_reply(t, "354 End data with <CR><LF>.<CR><LF>\r\n", false, false);
		t->in_data = true;
		t->matched = 2;
	} else if (strncasecmp(t->line, "QUIT", 4) == 0)
		add_reply(t, "221 2.0.0 Bye\r\n", false, true);
	else
		add_reply(t, "250 2.0.0 Ok\r\n", false, false);
}

static void
take(struct talk *t, char c)
{
	if (t->in_data) {
		t->matched = c == end_of_data[t->matched] ? t->matched + 1 : c == '\r';
		if (t->matched < sizeof end_of_data - 1)
			return;
		t->in_data = false;
		t->n_line = 0;
		add_reply(t, "250 2.0.0 Ok\r\n", true, false);
	} else if (c == '\n') {
		t->line[t->n_line] = '\0';
		t->n_line = 0;
		command(t);
	} else if (t->n_line < sizeof t->line - 1)
		t->line[t->n_line++] = c;
}

static void
on_input(struct talk *t)
{
	static char in[65536];
	ssize_t n = recv(t->fd, in, sizeof in, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t i = 0; i < n; i++)
		take(t, in[i]);
	if (n <= 0) {
		hang_up(t);
		release(t);
	}
}

static void
on_connection(int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	struct talk *t = calloc(1, sizeof *t);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = t};

	if (t == NULL || fd == -1)
		err(1, "a connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	t->fd = fd;
	talks++;
	most_talks = talks > most_talks ? talks : most_talks;
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) == -1)
		err(1, "epoll_ctl");
	add_reply(t, "220 sink.test ESMTP\r\n", false, false);
}

static int
listen_on(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};

	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1 ||
	    bind(fd, (struct sockaddr *)&at, sizeof at) == -1 || listen(fd, 1000) == -1)
		err(1, "port %d", port);
	if ((poller = epoll_create1(EPOLL_CLOEXEC)) == -1 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) == -1)
		err(1, "epoll");
	return fd;
}

int
main(int argc, char **argv)
{
	int listening;

	if (argc != 4)
		errx(64, "usage: smtpsink PORT DELAY_MS MESSAGES");
	delay_ns = strtoull(argv[2], NULL, 10) * 1000000;
	wanted = strtoul(argv[3], NULL, 10);
	listening = listen_on(atoi(argv[1]));
	for (int wait_ms; wait_ms = send_due(), taken < wanted;) {
		struct epoll_event events[64];
		int n = epoll_wait(poller, events, 64, wait_ms);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == NULL)
				on_connection(listening);
			else
				on_input(events[i].data.ptr);
	}
	printf("%u\n", most_talks);
	return 0;
}
