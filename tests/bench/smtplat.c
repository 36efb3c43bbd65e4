/*
 * Measures how long the answer to the end of a message takes, over connections that stay open.
 *
 * usage: smtplat HOST PORT CONNECTIONS MESSAGES BYTES RECIPIENT...
 *
 * Each connection sends its share, one message after the other, to the recipients in turn. Prints
 * one line: seconds messages failures p50_ms p90_ms p99_ms max_ms (from the last byte of the
 * message to its 250).
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address;
static int n_messages, n_recipients;
static char **recipients, *message;
static size_t message_len;
static double *took;
static atomic_int next_message, failures;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool
send_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

/* Reads one reply of any number of lines; its code, or -1. */
static int
reply(int fd)
{
	char buffer[4096];
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, buffer + len, sizeof buffer - 1 - len, 0);
		char *line = buffer, *end;

		if (n <= 0)
			return -1;
		len += n;
		buffer[len] = '\0';
		while ((end = strstr(line, "\r\n")) != NULL) {
			if (end - line >= 3 && line[3] != '-')
				return atoi(line);
			line = end + 2;
		}
		if (len == sizeof buffer - 1)
			return -1;
	}
}

static int
ask(int fd, const char *text)
{
	return send_all(fd, text, strlen(text)) ? reply(fd) : -1;
}

static int
connect_smtp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof address) == -1)
		err(69, "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (reply(fd) != 220 || ask(fd, "EHLO client.test\r\n") != 250)
		errx(69, "no greeting");
	return fd;
}

static bool
send_one(int fd, int i)
{
	char text[600];
	double start;

	snprintf(text, sizeof text, "RCPT TO:<%s>\r\n", recipients[i % n_recipients]);
	if (ask(fd, "MAIL FROM:<s@client.test>\r\n") != 250 || ask(fd, text) != 250 ||
	    ask(fd, "DATA\r\n") != 354 || !send_all(fd, message, message_len))
		return false;
	start = now();
	if (reply(fd) != 250)
		return false;
	took[i] = now() - start;
	return true;
}

static void *
worker(void *arg)
{
	int fd = connect_smtp(), i;

	(void)arg;
	while ((i = next_message++) < n_messages)
		if (!send_one(fd, i)) {
			failures++;
			close(fd);
			fd = connect_smtp();
		}
	ask(fd, "QUIT\r\n");
	close(fd);
	return NULL;
}

static void
make_message(size_t bytes)
{
	static const char head[] = "From: <s@client.test>\r\nSubject: load\r\n\r\n";
	static const char line[] =
	    "abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz 01234567890\r\n";

	message = malloc(bytes + sizeof head + sizeof line + 8);
	if (message == NULL)
		err(71, "malloc");
	message_len = sizeof head - 1;
	memcpy(message, head, message_len);
	while (message_len < bytes) {
		memcpy(message + message_len, line, sizeof line - 1);
		message_len += sizeof line - 1;
	}
	memcpy(message + message_len, ".\r\n", 3);
	message_len += 3;
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
	int connections;
	pthread_t *threads;
	double start, all;

	if (argc < 7)
		errx(64, "usage: smtplat HOST PORT CONNECTIONS MESSAGES BYTES RECIPIENT...");
	address.sin_family = AF_INET;
	address.sin_port = htons(atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
		errx(64, "not an address: %s", argv[1]);
	connections = atoi(argv[3]);
	n_messages = atoi(argv[4]);
	make_message(atoi(argv[5]));
	recipients = argv + 6;
	n_recipients = argc - 6;
	took = calloc(n_messages, sizeof *took);
	threads = calloc(connections, sizeof *threads);
	if (took == NULL || threads == NULL || n_messages < 1)
		errx(64, "nothing to send");
	start = now();
	for (int i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL) != 0)
			errx(71, "pthread_create");
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	all = now() - start;
	qsort(took, n_messages, sizeof *took, by_value);
	printf("%.3f %d %d %.2f %.2f %.2f %.2f\n", all, n_messages, (int)failures,
	    took[n_messages / 2] * 1e3, took[n_messages * 9 / 10] * 1e3,
	    took[n_messages * 99 / 100] * 1e3, took[n_messages - 1] * 1e3);
	return failures != 0;
}
