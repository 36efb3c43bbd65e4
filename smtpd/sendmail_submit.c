/*
 * The conversation with smtpd over submit.sock, which every user of this machine may open.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/client_wire.h"
#include "common/log.h"
#include "common/memory.h"
#include "smtpd/replies.h"
#include "smtpd/sendmail.h"

enum {
	REPLY_LINE_MAX_BYTES = 2000,
	REPLY_LINES_MAX = 200,
	TIMEOUT_S = 600, /* RFC 5321 4.5.3.2 */
	REPLACED_TIMES_MAX = 10,
	PUMP_BYTES = 16384
};

struct sendmail_server {
	struct client_wire *wire;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	unsigned replaced; /* times that we had to begin anew */
	bool verbose;
	bool can_8bit, can_utf8, can_dsn;
	char name[256];
	int code;			     /* of the last reply */
	char text[REPLY_LINE_MAX_BYTES + 1]; /* its last line */
};

static int
later(struct sendmail_server *s)
{
	return sendmail_fail(
	    EX_TEMPFAIL, "the mail system: %s; the message was not sent", client_wire_why(s->wire));
}

/* ---- replies ---- */

static void
note_capability(struct sendmail_server *s, const char *line)
{
	s->can_8bit |= strcasecmp(line, "8BITMIME") == 0;
	s->can_utf8 |= strcasecmp(line, "SMTPUTF8") == 0;
	s->can_dsn |= strcasecmp(line, "DSN") == 0;
}

/* 0, or -1 when there is none. */
static int
read_reply(struct sendmail_server *s)
{
	struct span line;

	for (unsigned i = 0; i < REPLY_LINES_MAX; i++) {
		if (client_wire_line(s->wire, REPLY_LINE_MAX_BYTES, &line) == -1)
			return -1;
		if (!span_copy(line, s->text, sizeof s->text) || line.len < 3)
			return -1;
		if (s->verbose)
			printf("%s\n", log_printable(line));
		s->code = atoi(s->text);
		if (line.len > 4)
			note_capability(s, s->text + 4);
		if (line.len == 3 || s->text[3] == ' ')
			return 0;
	}
	return -1;
}

static int
say(struct sendmail_server *s, const char *text)
{
	if (s->verbose)
		printf(">>> %s\n", text);
	if (client_wire_put(s->wire, span_of(text)) == -1 ||
	    client_wire_put(s->wire, span_of("\r\n")) == -1 || client_wire_flush(s->wire) == -1)
		return -1;
	return read_reply(s);
}

static int
exit_code(const struct sendmail_server *s, int for_good)
{
	return s->code >= 400 && s->code < 500 ? EX_TEMPFAIL : for_good;
}

static int
refused(const struct sendmail_server *s, const char *about, int for_good)
{
	return sendmail_fail(exit_code(s, for_good), "%s: %s", log_printable(span_of(about)),
	    log_printable(span_of(s->text)));
}

/* ---- the beginning ---- */

/* smtpd ends, as in an upgrade, and another one takes the next connection: what was said so far is
 * said again there. */
static bool
is_replaced(const struct sendmail_server *s)
{
	return strcmp(s->text, REPLY_RESTARTS) == 0 && s->replaced < REPLACED_TIMES_MAX;
}

/* As far as smtpd lets us: the code of its last reply tells. -1: the connection is lost. */
static int
greet(struct sendmail_server *s)
{
	char host[256], hello[300];
	const char *word;

	if (read_reply(s) == -1)
		return -1;
	if (s->code != 220)
		return 0;
	word = s->text + 4;
	(void)span_copy((struct span){word, strcspn(word, " ")}, s->name, sizeof s->name);
	if (gethostname(host, sizeof host) == -1 || !address_is_domain(span_of(host)))
		strlcpy(host, "localhost", sizeof host);
	snprintf(hello, sizeof hello, "EHLO %s", host);
	return say(s, hello);
}

static int
dial(struct sendmail_server *s)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	client_wire_free(&s->wire);
	s->wire = client_wire_new();
	client_wire_deadline(s->wire, TIMEOUT_S);
	strlcpy(un.sun_path, s->path, sizeof un.sun_path);
	if (client_wire_connect(s->wire, (struct sockaddr *)&un, sizeof un) == -1)
		return sendmail_fail(EX_TEMPFAIL, "the mail system does not run (%s: %s)", s->path,
		    client_wire_why(s->wire));
	return 0;
}

static int
begin(struct sendmail_server *s)
{
	int code;

	while ((code = dial(s)) == 0) {
		if (greet(s) == -1)
			return later(s);
		if (!is_replaced(s))
			break;
		s->replaced++;
	}
	if (code != 0)
		return code;
	return s->code == 250 ? 0 : refused(s, "the mail system", EX_TEMPFAIL);
}

static int
connect_to(struct sendmail_server *s, const char *path)
{
	if (strlcpy(s->path, path, sizeof s->path) >= sizeof s->path)
		return sendmail_fail(EX_CONFIG, "%s: the path is too long", path);
	return begin(s);
}

struct sendmail_server *
sendmail_connect(const char *path, bool verbose, int *code)
{
	struct sendmail_server *s = xcalloc(1, sizeof *s);

	s->verbose = verbose;
	if ((*code = connect_to(s, path)) != 0)
		sendmail_disconnect(&s);
	return s;
}

void
sendmail_disconnect(struct sendmail_server **s)
{
	if (*s == NULL)
		return;
	client_wire_free(&(*s)->wire);
	free(*s);
	*s = NULL;
}

const char *
sendmail_server_name(const struct sendmail_server *s)
{
	return s->name;
}

/* ---- a message ---- */

static void
print_envelope_id(const char *id, char *out, size_t size)
{
	size_t n = 0;

	for (; *id != '\0' && n + 4 < size; id++)
		if (*id <= ' ' || *id >= 127 || *id == '+' || *id == '=')
			n += snprintf(out + n, size - n, "+%02X", (unsigned char)*id);
		else
			out[n++] = *id;
	out[n] = '\0';
}

static void
print_mail(const struct sendmail_server *s, const struct sendmail_options *o, const char *sender,
    bool utf8, char *line, size_t size)
{
	char id[304];

	snprintf(line, size, "MAIL FROM:<%s>", sender);
	if (s->can_8bit && !o->seven_bit)
		strlcat(line, " BODY=8BITMIME", size);
	if (utf8)
		strlcat(line, " SMTPUTF8", size);
	if (s->can_dsn && o->ret != NULL) {
		strlcat(line, " RET=", size);
		strlcat(line, o->ret, size);
	}
	if (s->can_dsn && o->envelope_id != NULL) {
		print_envelope_id(o->envelope_id, id, sizeof id);
		strlcat(line, " ENVID=", size);
		strlcat(line, id, size);
	}
}

/* Before the message: no word of it is lost when all begins anew. */
static int
refused_yet(const struct sendmail_server *s, const char *about, int for_good)
{
	return is_replaced(s) ? EX_TEMPFAIL : refused(s, about, for_good);
}

static int
name_recipients(
    struct sendmail_server *s, const struct sendmail_options *o, const struct sendmail_list *to)
{
	char line[ADDRESS_TEXT_SIZE + 100];

	for (size_t i = 0; i < to->n; i++) {
		snprintf(line, sizeof line, "RCPT TO:<%s>", to->addresses[i]);
		if (s->can_dsn && o->notify != NULL) {
			strlcat(line, " NOTIFY=", sizeof line);
			strlcat(line, o->notify, sizeof line);
		}
		if (say(s, line) == -1)
			return later(s);
		if (s->code / 100 != 2)
			return refused_yet(s, to->addresses[i], EX_NOUSER);
	}
	return 0;
}

static int
put(void *arg, struct span bytes)
{
	struct sendmail_server *s = arg;

	return client_wire_put(s->wire, bytes);
}

static int
send_body(struct sendmail_server *s, const char *sender, const char *full_name,
    struct sendmail_message *m)
{
	int rv;

	rv = sendmail_message_send(m, sender, full_name, put, s);
	/* Without its end nothing of it is kept. */
	if (rv == -1)
		return sendmail_fail(EX_IOERR, "standard input: %s", strerror(errno));
	if (rv == 1 || say(s, ".") == -1)
		return later(s);
	return s->code / 100 == 2 ? 0 : refused(s, "the message", EX_UNAVAILABLE);
}

/* MAIL, RCPT and DATA. A code that was told, unless is_replaced(). */
static int
send_envelope(struct sendmail_server *s, const struct sendmail_options *o, const char *sender,
    const struct sendmail_list *to)
{
	char line[ADDRESS_TEXT_SIZE + 500];
	int code;

	print_mail(s, o, sender, to->utf8, line, sizeof line);
	if (say(s, line) == -1)
		return later(s);
	if (s->code / 100 != 2)
		return refused_yet(s, sender, EX_NOPERM);
	if ((code = name_recipients(s, o, to)) != 0)
		return code;
	if (say(s, "DATA") == -1)
		return later(s);
	return s->code == 354 ? 0 : refused_yet(s, "the message", EX_UNAVAILABLE);
}

int
sendmail_submit(struct sendmail_server *s, const struct sendmail_options *o, const char *sender,
    const char *full_name, const struct sendmail_list *to, struct sendmail_message *m)
{
	int code;

	while ((code = send_envelope(s, o, sender, to)) != 0 && is_replaced(s)) {
		s->replaced++;
		if ((code = begin(s)) != 0)
			return code;
	}
	if (code == 0)
		code = send_body(s, sender, full_name, m);
	if (code == 0)
		(void)say(s, "QUIT");
	return code;
}

int
sendmail_verify(struct sendmail_server *s, const char *sender, const struct sendmail_list *to)
{
	char line[ADDRESS_TEXT_SIZE + 100];
	int code = 0;

	snprintf(line, sizeof line, "MAIL FROM:<%s>", sender);
	if (say(s, line) == -1)
		return later(s);
	for (size_t i = 0; i < to->n; i++) {
		snprintf(line, sizeof line, "RCPT TO:<%s>", to->addresses[i]);
		if (say(s, line) == -1)
			return later(s);
		printf("%s... %s%s\n", to->addresses[i],
		    s->code / 100 == 2 ? "deliverable: " : "not deliverable: ",
		    log_printable(span_of(s->text)));
		if (s->code / 100 != 2 && code == 0)
			code = exit_code(s, EX_NOUSER);
	}
	return code;
}

/* ---- -bs ---- */

struct pipe {
	int from, to;
	bool open;
	size_t at, len;
	char bytes[PUMP_BYTES];
};

/* -1 with errno: of no more use. */
static int
move(struct pipe *p)
{
	ssize_t n;

	if (p->at == p->len) {
		n = read(p->from, p->bytes, sizeof p->bytes);
		if (n == -1)
			return errno == EINTR ? 0 : -1;
		p->open = n > 0;
		p->at = 0;
		p->len = n;
	}
	while (p->at < p->len) {
		n = write(p->to, p->bytes + p->at, p->len - p->at);
		if (n == -1 && errno != EINTR)
			return -1;
		p->at += n > 0 ? n : 0;
	}
	return 0;
}

int
sendmail_pump(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static struct pipe in, out;

	if (fd == -1 || strlcpy(un.sun_path, path, sizeof un.sun_path) >= sizeof un.sun_path ||
	    connect(fd, (struct sockaddr *)&un, sizeof un) == -1)
		return sendmail_fail(
		    EX_TEMPFAIL, "the mail system does not run (%s: %s)", path, strerror(errno));
	in = (struct pipe){.from = STDIN_FILENO, .to = fd, .open = true};
	out = (struct pipe){.from = fd, .to = STDOUT_FILENO, .open = true};
	while (out.open) {
		struct pollfd fds[] = {{.fd = in.open ? STDIN_FILENO : -1, .events = POLLIN},
		    {.fd = fd, .events = POLLIN}};

		if (poll(fds, nitems(fds), -1) == -1 && errno != EINTR)
			return sendmail_fail(EX_OSERR, "poll: %s", strerror(errno));
		if (fds[0].revents != 0 && (move(&in) == -1 || !in.open)) {
			in.open = false;
			(void)shutdown(fd, SHUT_WR);
		}
		if (fds[1].revents != 0 && move(&out) == -1)
			return sendmail_fail(EX_IOERR, "%s", strerror(errno));
	}
	return 0;
}
