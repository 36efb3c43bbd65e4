/*
 * POP3 load: holds PARALLEL sessions at a time until SESSIONS have been done.
 *
 * usage: popload HOST PORT PARALLEL SESSIONS RETR PASSWORD USER...
 *
 * Session i logs in as the i-th user in turn and does STAT; with RETR above 0 also UIDL and that
 * many RETR; then QUIT. Prints one line: seconds sessions messages bytes failures p50_ms p99_ms
 * (the last two of a whole session).
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536 };

struct connection {
	int fd;
	size_t at, len;
	char buffer[BUFFER_BYTES];
};

static struct sockaddr_in address;
static int n_sessions, n_retr, n_users;
static const char *password;
static char **users;
static double *took;
static atomic_int next_session, failures;
static atomic_long messages, bytes;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The front of one line goes to line; returns its length on the wire, or -1. */
static long
read_line(struct connection *c, char *line, size_t size)
{
	long wire = 0;
	size_t kept = 0;

	for (;;) {
		char *from, *end;
		size_t n, copy;

		if (c->at == c->len) {
			ssize_t got = recv(c->fd, c->buffer, sizeof c->buffer, 0);

			if (got <= 0)
				return -1;
			c->at = 0;
			c->len = got;
		}
		from = c->buffer + c->at;
		end = memchr(from, '\n', c->len - c->at);
		n = end != NULL ? (size_t)(end + 1 - from) : c->len - c->at;
		copy = n < size - 1 - kept ? n : size - 1 - kept;
		memcpy(line + kept, from, copy);
		kept += copy;
		line[kept] = '\0';
		c->at += n;
		wire += n;
		if (end != NULL)
			return wire;
	}
}

/* Sends a command ("": none) and reads its answer. The bytes of a multi-line answer, or -1. */
static long
ask(struct connection *c, const char *command, int multi_line)
{
	char line[512];
	size_t len = strlen(command);
	long n, total = 0;

	if (len > 0 && send(c->fd, command, len, MSG_NOSIGNAL) != (ssize_t)len)
		return -1;
	if (read_line(c, line, sizeof line) == -1 || line[0] != '+')
		return -1;
	while (multi_line) {
		if ((n = read_line(c, line, sizeof line)) == -1)
			return -1;
		if (strcmp(line, ".\r\n") == 0)
			break;
		total += n;
	}
	return total;
}

static int
log_in(struct connection *c, const char *user)
{
	char command[300];

	snprintf(command, sizeof command, "USER %s\r\n", user);
	if (ask(c, "", 0) == -1 || ask(c, command, 0) == -1)
		return -1;
	snprintf(command, sizeof command, "PASS %s\r\n", password);
	return ask(c, command, 0) == -1 ? -1 : 0;
}

static int
retrieve(struct connection *c)
{
	char command[64];
	long n;

	if (n_retr > 0 && ask(c, "UIDL\r\n", 1) == -1)
		return -1;
	for (int i = 1; i <= n_retr; i++) {
		snprintf(command, sizeof command, "RETR %d\r\n", i);
		if ((n = ask(c, command, 1)) == -1)
			return -1;
		messages++;
		bytes += n;
	}
	return 0;
}

static int
session(struct connection *c, int number)
{
	int on = 1;

	c->at = c->len = 0;
	if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof address) == -1 ||
	    log_in(c, users[number % n_users]) == -1 || ask(c, "STAT\r\n", 0) == -1 ||
	    retrieve(c) == -1)
		return -1;
	return ask(c, "QUIT\r\n", 0) == -1 ? -1 : 0;
}

static void *
worker(void *arg)
{
	struct connection *c = malloc(sizeof *c);
	int i;

	(void)arg;
	if (c == NULL)
		err(71, "malloc");
	while ((i = next_session++) < n_sessions) {
		double start = now();

		if (session(c, i) == -1)
			failures++;
		if (c->fd != -1)
			close(c->fd);
		took[i] = now() - start;
	}
	free(c);
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	int parallel;
	pthread_t *threads;
	double start, all;

	if (argc < 8)
		errx(64, "usage: popload HOST PORT PARALLEL SESSIONS RETR PASSWORD USER...");
	address.sin_family = AF_INET;
	address.sin_port = htons(atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
		errx(64, "not an address: %s", argv[1]);
	parallel = atoi(argv[3]);
	n_sessions = atoi(argv[4]);
	n_retr = atoi(argv[5]);
	password = argv[6];
	users = argv + 7;
	n_users = argc - 7;
	took = calloc(n_sessions, sizeof *took);
	threads = calloc(parallel, sizeof *threads);
	if (took == NULL || threads == NULL || n_sessions < 1)
		errx(64, "no sessions");
	start = now();
	for (int i = 0; i < parallel; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL) != 0)
			errx(71, "pthread_create");
	for (int i = 0; i < parallel; i++)
		pthread_join(threads[i], NULL);
	all = now() - start;
	qsort(took, n_sessions, sizeof *took, by_value);
	printf("%.3f %d %ld %ld %d %.1f %.1f\n", all, n_sessions, (long)messages, (long)bytes,
	    (int)failures, took[n_sessions / 2] * 1e3, took[n_sessions * 99 / 100] * 1e3);
	return failures != 0;
}
