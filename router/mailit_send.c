/*
 * mailit's conversation with the server, by the SMTP client of deliver. Uses the network.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/address.h"
#include "common/host_port.h"
#include "common/log.h"
#include "common/memory.h"
#include "router/mailit.h"
#include "router/smtp_client.h"

enum { PORT_SMTP = 25, PORT_SMTPS = 465, HELO_SIZE = 256 };

static void
on_trace(void *arg, enum smtp_trace what, struct span line)
{
	static const char *const marks[] = {
	    [SMTP_TRACE_IN] = "<", [SMTP_TRACE_OUT] = ">", [SMTP_TRACE_NOTE] = "-"};

	(void)arg;
	printf("%s %s\n", marks[what], log_printable(line));
}

/* ---- the server ---- */

/* Its addresses, to be freed by freeaddrinfo(). NULL with *code. */
static struct addrinfo *
look_up(const struct host_port *at, int *code)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct addrinfo *found = NULL;
	char port[16];
	int error;

	snprintf(port, sizeof port, "%u", at->port);
	if ((error = getaddrinfo(at->host, port, &hints, &found)) != 0) {
		*code = mailit_fail(error == EAI_AGAIN ? EX_TEMPFAIL : EX_NOHOST, "%s: %s",
		    at->host, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
		return NULL;
	}
	return found;
}

/* RFC 5321 4.1.3: who has no name says his address; that of a client behind it is unknown. */
static void
own_name(char out[HELO_SIZE])
{
	if (gethostname(out, HELO_SIZE) == -1 || !address_is_domain(span_of(out)))
		strlcpy(out, "localhost", HELO_SIZE);
}

/* ---- the message ---- */

/* What became of all: told, with a code. */
static int
judge(const struct mailit_letter *letter, const struct smtp_result *results)
{
	int code = 0;

	for (size_t i = 0; i < letter->to.n; i++) {
		if (results[i].end == END_DONE)
			continue;
		mailit_fail(0, "%s: %s", letter->to.list[i].address, results[i].reply);
		if (results[i].end == END_FAILED)
			code = EX_UNAVAILABLE;
		else if (code == 0)
			code = EX_TEMPFAIL;
	}
	return code;
}

/* At one address. True: this is how it ended; else another one may do better. */
static bool
try_address(const struct smtp_target *target, const struct mailit_letter *letter,
    const struct smtp_mail *mail, int *code)
{
	struct smtp_session *s = smtp_session_new(target);
	enum smtp_state state = smtp_open(s);
	bool final = true;

	if (state == SMTP_USABLE) {
		state = smtp_send(s, mail);
		*code = judge(letter, mail->results);
		if (state == SMTP_USABLE)
			smtp_quit(&s);
	} else {
		*code =
		    mailit_fail(smtp_reply_class(smtp_reply(s)) == 5 ? EX_UNAVAILABLE : EX_TEMPFAIL,
			"%s", smtp_reply(s)->text);
		final = state == SMTP_BROKEN;
	}
	smtp_session_free(&s);
	return final;
}

static int
try_all(struct smtp_target *target, const struct addrinfo *addresses,
    const struct mailit_letter *letter, const struct smtp_mail *mail)
{
	int code = EX_TEMPFAIL;

	for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
		memcpy(&target->address, a->ai_addr, a->ai_addrlen);
		if (try_address(target, letter, mail, &code))
			break;
	}
	return code;
}

static int
send_to(struct smtp_target *target, const struct addrinfo *addresses,
    const struct mailit_letter *letter, const struct smtp_message *message)
{
	size_t n = letter->to.n;
	struct smtp_recipient *to = xcalloc(n, sizeof *to);
	struct smtp_mail mail = {.message = message, .to = to, .n = n};
	int code;

	for (size_t i = 0; i < n; i++)
		to[i].address = span_of(letter->to.list[i].address);
	mail.results = xcalloc(n, sizeof *mail.results);
	code = try_all(target, addresses, letter, &mail);
	free(mail.results);
	free(to);
	return code;
}

int
mailit_send(
    const char *server, const struct mailit_letter *letter, int fd, uint64_t size, bool verbose)
{
	const struct smtp_message message = {
	    .fd = fd, .size = size, .reverse_path = span_of(letter->from.list[0].address)};
	struct smtp_target target = {
	    .timeouts = smtp_timeouts_default, .trace = verbose ? on_trace : NULL};
	struct addrinfo *addresses;
	struct host_port at;
	char helo[HELO_SIZE];
	const char *why;
	int code;

	if (!host_port_parse(span_of(server), &at))
		return mailit_fail(
		    EX_USAGE, "%s: right is host or host:port", log_printable(span_of(server)));
	if (letter->to.n > SMTP_RECIPIENTS_MAX)
		return mailit_fail(EX_USAGE, "more than %d recipients", SMTP_RECIPIENTS_MAX);
	if (at.port == 0)
		at.port = PORT_SMTP;
	if ((addresses = look_up(&at, &code)) == NULL)
		return code;
	own_name(helo);
	target.host = at.host;
	target.helo = helo;
	target.implicit_tls = at.port == PORT_SMTPS;
	target.tls =
	    (struct tls_client){.policy = target.implicit_tls ? TLS_CLIENT_ENCRYPT : TLS_CLIENT_MAY,
		.context = tls_client_context(NULL, NULL, NULL, false, &why),
		.host = at.host};
	if (target.tls.context == NULL)
		code = mailit_fail(EX_OSERR, "TLS: %s", why);
	else
		code = send_to(&target, addresses, letter, &message);
	SSL_CTX_free(target.tls.context);
	freeaddrinfo(addresses);
	return code;
}
