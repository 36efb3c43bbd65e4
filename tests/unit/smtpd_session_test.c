/*
 * Whole conversations against a real session on a socket pair; queue, router and auth are replaced
 * by the functions below. Each script is sent at once, then byte by byte: the replies and what was
 * kept must be the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "common/address.h"
#include "common/ip_list.h"
#include "common/ipc.h"
#include "common/memory.h"
#include "queue/queue.h"
#include "router/router.h"
#include "smtpd/session.h"

enum { KEPT_MAX_BYTES = 1 << 20, OUTPUT_MAX_BYTES = 1 << 20 };

static struct smtpd smtpd;

/* ---- what was kept ---- */

static struct {
	unsigned n, slots;	   /* messages; slots given and not yet back */
	size_t n_recipients;	   /* of the last one */
	char text[KEPT_MAX_BYTES]; /* the last one without our Received: */
	char reverse_path[300], recipient[300], original[600], envid[200], submitter[100];
	unsigned notify, ret, flags;
} kept;

static struct {
	int slot_error, commit_error;
	bool later;			       /* slots come from the loop */
	bool reverse;			       /* router answers the last question first */
	bool no_slot, no_verdict, no_standing; /* never answered */
} fake;

static void
copy(struct span text, char *out, size_t size)
{
	assert_true(span_copy(text, out, size));
}

static void
keep(const struct envelope *e, int fd)
{
	ssize_t n = pread(fd, kept.text, sizeof kept.text - 1, envelope_size(e));
	char *end;

	assert_int_equal(n, e->message_size);
	kept.text[n] = '\0';
	assert_int_equal(strncmp(kept.text, "Received: from ", 15), 0);
	for (end = strstr(kept.text, "\r\n"); end[2] == '\t'; end = strstr(end + 2, "\r\n"))
		;
	memmove(kept.text, end + 2, strlen(end + 2) + 1);
	kept.n++;
	kept.n_recipients = e->n_recipients;
	copy(e->reverse_path, kept.reverse_path, sizeof kept.reverse_path);
	copy(e->recipients[0].address, kept.recipient, sizeof kept.recipient);
	copy(e->recipients[0].original, kept.original, sizeof kept.original);
	copy(e->envid, kept.envid, sizeof kept.envid);
	copy(e->submitter, kept.submitter, sizeof kept.submitter);
	kept.notify = e->recipients[0].notify;
	kept.ret = e->ret;
	kept.flags = e->flags;
}

/* ---- queue ---- */

struct queue_call {
	queue_slot_cb on_slot;
	queue_durable_cb on_durable;
	void *arg;
	uint64_t id;
};

static uint64_t last_id;

static void
give_slot(queue_slot_cb cb, void *arg)
{
	struct queue_slot slot = {++last_id, memfd_create("slot", MFD_CLOEXEC)};

	assert_int_not_equal(slot.fd, -1);
	if (fake.slot_error != 0) {
		close(slot.fd);
		cb(arg, NULL, fake.slot_error);
		return;
	}
	kept.slots++;
	cb(arg, &slot, 0);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct queue_call call = *(struct queue_call *)arg;

	(void)fd, (void)what;
	free(arg);
	if (call.on_slot != NULL)
		give_slot(call.on_slot, call.arg);
	else if (call.on_durable != NULL)
		call.on_durable(call.arg, call.id, fake.commit_error);
}

static struct queue_call *
call_later(struct queue_call call)
{
	struct queue_call *c = xmalloc(sizeof *c);

	*c = call;
	event_base_once(smtpd.base, -1, EV_TIMEOUT, on_later, c, &(struct timeval){0, 0});
	return c;
}

/* Questions that are never answered: they must be cancelled. */
static struct queue_call silent_queue;
static unsigned n_silent;

static struct queue_call *
never(struct queue_call *call)
{
	n_silent++;
	return call;
}

struct queue_call *
queue_take(struct queue_client *q, queue_slot_cb cb, void *arg)
{
	(void)q;
	if (fake.no_slot)
		return never(&silent_queue);
	if (fake.later)
		return call_later((struct queue_call){.on_slot = cb, .arg = arg});
	give_slot(cb, arg);
	return NULL;
}

struct queue_call *
queue_commit(struct queue_client *q, struct queue_slot *slot, struct envelope *e,
    queue_durable_cb cb, void *arg)
{
	(void)q;
	if (fake.commit_error == 0)
		keep(e, slot->fd);
	kept.slots--;
	closefd(&slot->fd);
	return call_later((struct queue_call){.on_durable = cb, .arg = arg, .id = e->id});
}

void
queue_abandon(struct queue_client *q, struct queue_slot *slot)
{
	(void)q;
	kept.slots--;
	closefd(&slot->fd);
}

void
queue_call_cancel(struct queue_call **call)
{
	n_silent -= *call == &silent_queue;
	if (*call != NULL) {
		(*call)->on_slot = NULL;
		(*call)->on_durable = NULL;
	}
	*call = NULL;
}

/* ---- router and auth ---- */

struct ipc_call {
	struct ipc_call *next;
	router_answer_cb on_verdict;
	router_standing_cb on_standing;
	auth_answer_cb on_login;
	void *arg;
	enum router_standing standing;
	enum router_verdict verdict;
	uint64_t targets, room;
	bool granted;
};

static struct ipc_call *asked, silent_router;
static unsigned n_asked;

static struct {
	const char *local;
	enum router_verdict verdict;
	uint64_t targets;
} const known[] = {
    {"tight", ROUTER_LOCAL, 1},
    {"tiny", ROUTER_LOCAL, 1},
    {"ann", ROUTER_LOCAL, 1},
    {"bob", ROUTER_LOCAL, 1},
    {"postmaster", ROUTER_LOCAL, 1},
    {"all", ROUTER_LOCAL, 3},
    {"everyone", ROUTER_LOCAL, 100},
    {"null", ROUTER_LOCAL, 0},
    {"peer", ROUTER_RELAY, 1},
    {"else", ROUTER_REMOTE, 1},
    {"full", ROUTER_FULL, 0},
    {"small", ROUTER_TOO_BIG, 0},
    {"loop", ROUTER_LOOP, 0},
    {"later", ROUTER_LATER, 0},
};

/* Mailboxes with a limit: what they have room for, and how large they may be. */
static const struct {
	const char *local;
	uint64_t room, limit;
} limited[] = {{"tight", 300, 1000}, {"tiny", 300, 300}};

static void
judge_room(struct ipc_call *c, struct span local, uint64_t size)
{
	c->room = ROUTER_NO_LIMIT;
	for (size_t i = 0; i < nitems(limited); i++)
		if (span_is(local, limited[i].local)) {
			c->room = limited[i].room;
			if (size > limited[i].room)
				c->verdict = size > limited[i].limit ? ROUTER_TOO_BIG : ROUTER_FULL;
		}
}

static void
on_asked(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_call *c = asked, **last = &asked;

	(void)fd, (void)what, (void)arg;
	if (c == NULL)
		return;
	if (!fake.reverse)
		while ((*last)->next != NULL)
			last = &(*last)->next;
	c = *last;
	*last = c->next;
	if (c->on_verdict != NULL)
		c->on_verdict(c->arg, c->verdict, c->targets, c->room, span_of(""));
	free(c);
}

struct ipc_call *
router_ask(struct router_client *r, struct span reverse_path, struct span recipient, uint64_t size,
    router_answer_cb cb, void *arg)
{
	struct ipc_call *c;
	struct span local, domain;

	(void)r, (void)reverse_path;
	if (fake.no_verdict) {
		n_silent++;
		return &silent_router;
	}
	c = xcalloc(1, sizeof *c);
	address_split(recipient, &local, &domain);
	c->on_verdict = cb;
	c->arg = arg;
	c->verdict = ROUTER_UNKNOWN;
	n_asked++;
	for (size_t i = 0; i < nitems(known); i++)
		if (span_is(local, known[i].local)) {
			c->verdict = known[i].verdict;
			c->targets = known[i].targets;
		}
	if (local.len > 1 && local.at[0] == 'u' && local.at[1] == '+') {
		c->verdict = ROUTER_LOCAL;
		c->targets = 1;
	}
	judge_room(c, local, size);
	c->next = asked;
	asked = c;
	event_base_once(smtpd.base, -1, EV_TIMEOUT, on_asked, NULL, &(struct timeval){0, 0});
	return c;
}

static unsigned n_senders;

static void
on_sender(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_call *c = arg;

	(void)fd, (void)what;
	if (c->on_standing != NULL)
		c->on_standing(c->arg, c->standing);
	free(c);
}

/* Everything of c.test is own, and of later.test not yet known. */
struct ipc_call *
router_sender(struct router_client *r, struct span address, struct span user, router_standing_cb cb,
    void *arg)
{
	struct ipc_call *c;
	struct span local, domain;

	(void)r;
	if (fake.no_standing) {
		n_silent++;
		return &silent_router;
	}
	c = xcalloc(1, sizeof *c);
	assert_true(user.len == 0 || span_is(user, "ann"));
	address_split(address, &local, &domain);
	c->on_standing = cb;
	c->arg = arg;
	c->standing = span_is(domain, "c.test")	      ? ROUTER_OWN
		      : span_is(domain, "later.test") ? ROUTER_STANDING_LATER
						      : ROUTER_FOREIGN;
	n_senders++;
	event_base_once(smtpd.base, -1, EV_TIMEOUT, on_sender, c, &(struct timeval){0, 0});
	return c;
}

static void
on_login(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_call *c = arg;
	struct auth_answer answer = {.user = "ann", .session = -1};

	(void)fd, (void)what;
	answer.refusal = c->granted ? AUTH_GRANTED : AUTH_BAD_CREDENTIALS;
	if (c->on_login != NULL)
		c->on_login(c->arg, &answer);
	free(c);
}

struct ipc_call *
auth_login(struct auth_client *a, const char *service, struct span name, struct span password,
    const char *client_address, enum auth_want want, auth_answer_cb cb, void *arg)
{
	struct ipc_call *c = xcalloc(1, sizeof *c);

	(void)a, (void)client_address;
	assert_string_equal(service, "smtp");
	assert_int_equal(want, AUTH_WANT_NONE);
	c->on_login = cb;
	c->arg = arg;
	c->granted = span_is(name, "ann") && span_is(password, "secret");
	event_base_once(smtpd.base, -1, EV_TIMEOUT, on_login, c, &(struct timeval){0, 0});
	return c;
}

void
ipc_call_cancel(struct ipc_call **call)
{
	n_silent -= *call == &silent_router;
	if (*call != NULL) {
		(*call)->on_verdict = NULL;
		(*call)->on_standing = NULL;
		(*call)->on_login = NULL;
	}
	*call = NULL;
}

/* ---- the client ---- */

struct client {
	int fd;
	char *output;
	size_t n;
	struct event *readable;
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	ssize_t n = read(fd, c->output + c->n, OUTPUT_MAX_BYTES - 1 - c->n);

	(void)what;
	if (n > 0) {
		c->n += n;
		c->output[c->n] = '\0';
		return;
	}
	event_free(c->readable);
	c->readable = NULL;
	closefd(&c->fd);
}

static struct client
connect_client(enum session_kind kind, bool local)
{
	struct client c = {.output = xcalloc(1, OUTPUT_MAX_BYTES)};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	c.fd = pair[1];
	session_new(&smtpd, pair[0], NULL, kind, false);
	LIST_FIRST(&smtpd.sessions)->local = local;
	return c;
}

static void
watch(struct client *c)
{
	c->readable = event_new(smtpd.base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	event_add(c->readable, NULL);
}

/* Sends in pieces, letting the server work in between; what it does not take any more is lost. */
static void
talk(struct client *c, struct span script, size_t piece)
{
	size_t n = 0;

	while (n < script.len && c->fd != -1 && !LIST_EMPTY(&smtpd.sessions)) {
		size_t len = script.len - n < piece ? script.len - n : piece;
		ssize_t sent = send(c->fd, script.at + n, len, MSG_NOSIGNAL);

		if (sent > 0)
			n += sent;
		event_base_loop(smtpd.base, sent > 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
	}
}

static void
until_end(void)
{
	while (!LIST_EMPTY(&smtpd.sessions))
		assert_int_equal(event_base_loop(smtpd.base, EVLOOP_ONCE), 0);
	event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
}

static char *
converse(enum session_kind kind, bool local, struct span script, size_t piece)
{
	struct client *c = xmalloc(sizeof *c);
	char *output;

	memset(&kept, 0, sizeof kept);
	last_id = 0;
	*c = connect_client(kind, local);
	watch(c);
	talk(c, script, piece);
	until_end();
	assert_int_equal(kept.slots, 0);
	output = c->output;
	if (c->readable != NULL)
		event_free(c->readable);
	closefd(&c->fd);
	free(c);
	return output;
}

/* ---- scripts ---- */

#define BANNER	 "220 mx.test ESMTP Sambar Mail\r\n"
#define HELO	 "250 mx.test\r\n"
#define OK	 "250 2.0.0 Ok\r\n"
#define MAIL_OK	 "250 2.1.0 Ok\r\n"
#define RCPT_OK	 "250 2.1.5 Ok\r\n"
#define GO	 "354 End with <CR><LF>.<CR><LF>\r\n"
#define KEPT(n)	 "250 2.0.0 Ok: queued as 00000000" #n "\r\n"
#define BYE	 "221 2.0.0 Bye\r\n"
#define START	 "HELO c.test\r\n"
#define ANN	 "MAIL FROM:<s@c.test>\r\nRCPT TO:<ann@mx.test>\r\n"
#define ANN_OK	 MAIL_OK RCPT_OK
#define QUIT	 "QUIT\r\n"
#define NO_MAIL	 "503 5.5.1 Say MAIL first\r\n"
#define UNKNOWN	 "550 5.1.1 Unknown mailbox\r\n"
#define BARE_LF	 "554 5.6.0 Message has a LF without CR\r\n"
#define BARE_CR	 "554 5.6.0 Message has a CR without LF\r\n"
#define TOO_BIG	 "552 5.3.4 Message too big\r\n"
#define TOO_MANY "452 4.5.3 Too many recipients\r\n"

struct script {
	const char *in, *out;
	unsigned kept;
	const char *text; /* of the last one kept */
};

static const struct script scripts[] = {
    {QUIT, BANNER BYE, 0, NULL},
    {START ANN "DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n" QUIT, BANNER HELO ANN_OK GO KEPT(1) BYE, 1,
	"Subject: x\r\n\r\nhi\r\n"},
    {START ANN "DATA\r\n.\r\n" ANN "DATA\r\nb\r\n.\r\n" QUIT,
	BANNER HELO ANN_OK GO KEPT(1) ANN_OK GO KEPT(2) BYE, 2, "b\r\n"},
    /* order */
    {ANN "DATA\r\n" QUIT,
	BANNER "503 5.5.1 Say EHLO first\r\n503 5.5.1 Say EHLO first\r\n"
	       "503 5.5.1 Say EHLO first\r\n" BYE,
	0, NULL},
    {START "RCPT TO:<ann@mx.test>\r\nDATA\r\n" QUIT, BANNER HELO NO_MAIL NO_MAIL BYE, 0, NULL},
    {START "MAIL FROM:<>\r\nMAIL FROM:<>\r\nDATA\r\n" QUIT,
	BANNER HELO MAIL_OK "503 5.5.1 Not within a mail transaction\r\n"
			    "554 5.5.1 No valid recipients\r\n" BYE,
	0, NULL},
    {START ANN "RSET\r\nRCPT TO:<ann@mx.test>\r\n" QUIT, BANNER HELO ANN_OK OK NO_MAIL BYE, 0,
	NULL},
    {START ANN START "DATA\r\n" QUIT, BANNER HELO ANN_OK HELO NO_MAIL BYE, 0, NULL},
    {"NOOP x\r\nVRFY ann\r\nVRFY\r\nEXPN all\r\nFOO\r\nDATA x\r\nRSET x\r\n" QUIT,
	BANNER OK "252 2.5.0 Send some mail, I will try\r\n"
		  "501 5.5.4 An argument is missing\r\n502 5.5.1 Not implemented\r\n"
		  "500 5.5.1 Unknown command\r\n503 5.5.1 Say EHLO first\r\n"
		  "501 5.5.4 No argument is allowed\r\n" BYE,
	0, NULL},
    {"HELO\r\nHELO a b\r\nHELO a/b\r\nHELO [1.2.3.4]\r\nHELO [1.2.3]\r\nHELO a_b.\r\n" QUIT,
	BANNER "501 5.5.4 An argument is missing\r\n"
	       "501 5.5.4 Neither a domain nor an address literal\r\n"
	       "501 5.5.4 Neither a domain nor an address literal\r\n" HELO
	       "501 5.5.4 Neither a domain nor an address literal\r\n" HELO BYE,
	0, NULL},
    /* recipients: replies in order, also of those refused without asking */
    {START "MAIL FROM:<>\r\nRCPT TO:<x@mx.test>\r\nRCPT TO:<bad@\r\nRCPT TO:<ann@mx.test>\r\n"
	   "RCPT TO:<full@mx.test>\r\nRCPT TO:<small@mx.test>\r\nRCPT TO:<loop@mx.test>\r\n"
	   "RCPT TO:<later@mx.test>\r\nRCPT TO:<PostMaster>\r\nRCPT TO:<>\r\n"
	   "RCPT TO:<ann>\r\nDATA\r\na\r\n.\r\n" QUIT,
	BANNER HELO MAIL_OK UNKNOWN "501 5.1.3 Recipient: domain is missing\r\n" RCPT_OK
				    "452 4.2.2 Mailbox is full\r\n"
				    "552 5.2.2 Message is larger than the mailbox\r\n"
				    "550 5.4.6 Aliases lead in a circle\r\n"
				    "451 4.3.0 Mailboxes do not answer; try again later\r\n" RCPT_OK
				    "501 5.1.3 Recipient: local part is missing\r\n"
				    "501 5.1.3 Recipient: domain is missing\r\n" GO KEPT(1) BYE,
	1, "a\r\n"},
    {START "MAIL FROM:<>\r\nRCPT TO:<x@mx.test>\r\nDATA\r\n" QUIT,
	BANNER HELO MAIL_OK UNKNOWN "554 5.5.1 No valid recipients\r\n" BYE, 0, NULL},
    /* at most 5 targets */
    {START "MAIL FROM:<>\r\nRCPT TO:<all@mx.test>\r\nRCPT TO:<all@mx.test>\r\n"
	   "RCPT TO:<ann@mx.test>\r\nRCPT TO:<everyone@mx.test>\r\nRCPT TO:<bob@mx.test>\r\n"
	   "RCPT TO:<u+1@mx.test>\r\nRCPT TO:<null@mx.test>\r\n" QUIT,
	BANNER HELO MAIL_OK RCPT_OK RCPT_OK RCPT_OK
	"550 5.5.3 Expands to too many recipients\r\n" RCPT_OK TOO_MANY TOO_MANY BYE,
	0, NULL},
    /* parameters and UTF-8 */
    {START "MAIL FROM:<> SIZE=2001\r\nMAIL FROM:<> SIZE=99999999999999999999\r\n"
	   "MAIL FROM:<> SIZE=-1\r\nMAIL FROM:<>SIZE=1\r\n"
	   "MAIL TO:<>\r\nMAIL FROM:<\xc3\xbc@x>\r\nMAIL FROM:<\xc3\xbc@x> SMTPUTF8\r\n"
	   "RCPT TO:<\xc3\xbc@mx.test>\r\nRSET\r\nMAIL FROM: <a@b> SIZE=2000\r\n"
	   "RCPT TO: <\xc3\xbc@mx.test>\r\nRCPT TO:<ann@mx.test> NOTIFY=NEVER,DELAY\r\n" QUIT,
	BANNER HELO TOO_BIG TOO_BIG
	"501 5.5.4 SIZE is not a number\r\n"
	"501 5.5.4 A blank is missing after the path\r\n"
	"501 5.5.4 MAIL FROM:<address> is expected\r\n"
	"553 5.6.7 The address needs SMTPUTF8\r\n" MAIL_OK UNKNOWN OK MAIL_OK
	"553 5.6.7 The address needs SMTPUTF8\r\n"
	"501 5.5.4 NOTIFY is not NEVER or a list of SUCCESS,FAILURE,DELAY\r\n" BYE,
	0, NULL},
    /* smuggling: one message or a refusal, never two; the state after it is that of no mail */
    {START ANN "DATA\r\na\n.\nMAIL FROM:<>\n.\r\n\r\n.\r\nRCPT TO:<ann@mx.test>\r\n" QUIT,
	BANNER HELO ANN_OK GO BARE_LF NO_MAIL BYE, 0, NULL},
    {START ANN "DATA\r\n\r\n.\r\r\nMAIL FROM:<>\r\n.\r\n" QUIT, BANNER HELO ANN_OK GO BARE_CR BYE,
	0, NULL},
    {START ANN "DATA\r\n\r.\r\n\r\n.\r\n" QUIT, BANNER HELO ANN_OK GO BARE_CR BYE, 0, NULL},
    /* hops: at most 3 */
    {START ANN "DATA\r\nReceived: 1\r\nReceived: 2\r\nReceived: 3\r\n\r\n.\r\n" ANN
	       "DATA\r\nReceived: 1\r\nReceived: 2\r\nReceived: 3\r\nreceived: 4\r\n\r\n.\r\n" QUIT,
	BANNER HELO ANN_OK GO KEPT(1) ANN_OK GO
	"554 5.4.6 Message loops: too many Received fields\r\n" BYE,
	1, NULL},
    /* BDAT */
    {START ANN "BDAT 3\r\na\r\nBDAT 7 LAST\r\n.\r\nb\r\nc" QUIT,
	BANNER HELO ANN_OK "250 2.0.0 3 bytes received\r\n" KEPT(1) BYE, 1, "a\r\n.\r\nb\r\nc\r\n"},
    {START ANN "BDAT 0 LAST\r\n" QUIT, BANNER HELO ANN_OK KEPT(1) BYE, 1, ""},
    {START ANN "BDAT 0\r\nBDAT 2\r\na\rBDAT 1 last\r\n\n" QUIT,
	BANNER HELO ANN_OK "250 2.0.0 0 bytes received\r\n250 2.0.0 2 bytes received\r\n" KEPT(1)
	    BYE,
	1, "a\r\n"},
    {START ANN "BDAT 2\r\na\nBDAT 6 LAST\r\nQUIT\r\n" QUIT, BANNER HELO ANN_OK BARE_LF NO_MAIL BYE,
	0, NULL},
    {START ANN "BDAT 2 LAST\r\na\r" QUIT, BANNER HELO ANN_OK BARE_CR BYE, 0, NULL},
    {START "BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\nBDAT 6\r\nQUIT\r\n" QUIT,
	BANNER HELO NO_MAIL MAIL_OK "554 5.5.1 No valid recipients\r\n" BYE, 0, NULL},
    {START ANN "BDAT 1\r\naDATA\r\nRCPT TO:<bob@mx.test>\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\n" QUIT,
	BANNER HELO ANN_OK "250 2.0.0 1 bytes received\r\n"
			   "503 5.5.1 A message by BDAT is under way\r\n"
			   "503 5.5.1 A message by BDAT is under way\r\n" OK NO_MAIL BYE,
	0, NULL},
    {START ANN "BDAT -1\r\n",
	BANNER HELO ANN_OK "501 5.5.4 BDAT size [LAST] is expected; closing the connection\r\n", 0,
	NULL},
    {START ANN "BDAT 18446744073709551616 LAST\r\n",
	BANNER HELO ANN_OK "501 5.5.4 BDAT size [LAST] is expected; closing the connection\r\n", 0,
	NULL},
    {START ANN "BDAT 1 FIRST\r\n",
	BANNER HELO ANN_OK "501 5.5.4 BDAT size [LAST] is expected; closing the connection\r\n", 0,
	NULL},
    /* lines */
    {"NOOP\nQUIT\r\n", BANNER "554 5.5.2 Lines end with CR LF; closing the connection\r\n", 0,
	NULL},
    {"\n", BANNER "554 5.5.2 Lines end with CR LF; closing the connection\r\n", 0, NULL},
    {"NO\rOP\r\n\r\r\n\r\nHELO a\x01\r\n" QUIT,
	BANNER "500 5.5.2 Control character in a command\r\n"
	       "500 5.5.2 Control character in a command\r\n500 5.5.1 Unknown command\r\n"
	       "500 5.5.2 Control character in a command\r\n" BYE,
	0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", BANNER "554 5.5.1 This is SMTP\r\n", 0, NULL},
    /* 10 errors */
    {"a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\nNOOP\r\n",
	BANNER "500 5.5.1 Unknown command\r\n500 5.5.1 Unknown command\r\n"
	       "500 5.5.1 Unknown command\r\n500 5.5.1 Unknown command\r\n"
	       "500 5.5.1 Unknown command\r\n500 5.5.1 Unknown command\r\n"
	       "500 5.5.1 Unknown command\r\n500 5.5.1 Unknown command\r\n"
	       "500 5.5.1 Unknown command\r\n500 5.5.1 Unknown command\r\n"
	       "421 4.7.0 Too many errors\r\n",
	0, NULL},
    /* AUTH */
    {START "AUTH PLAIN AGFubgBzZWNyZXQ=\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n" ANN
	   "DATA\r\n.\r\n" QUIT,
	BANNER HELO "235 2.7.0 Welcome\r\n503 5.5.1 Already logged in\r\n" ANN_OK GO KEPT(1) BYE, 1,
	""},
    {START "AUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\n" QUIT,
	BANNER HELO "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 Welcome\r\n" BYE, 0, NULL},
    {START "AUTH PLAIN\r\n*\r\nAUTH GSSAPI\r\nAUTH PLAIN =\r\nAUTH PLAIN !\r\n" QUIT,
	BANNER HELO "334 \r\n501 5.7.0 Login cancelled\r\n504 5.5.4 Unknown mechanism\r\n"
		    "501 5.5.2 Malformed response\r\n501 5.5.2 Malformed response\r\n" BYE,
	0, NULL},
    {START "AUTH PLAIN AGFubgB4\r\nAUTH PLAIN AGFubgB4\r\nAUTH PLAIN AGFubgB4\r\n" QUIT,
	BANNER HELO "535 5.7.8 User name or password is wrong\r\n"
		    "535 5.7.8 User name or password is wrong\r\n"
		    "535 5.7.8 User name or password is wrong\r\n"
		    "421 4.7.0 Too many failed logins\r\n",
	0, NULL},
    {START ANN "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n" QUIT,
	BANNER HELO ANN_OK "503 5.5.1 Not within a mail transaction\r\n" BYE, 0, NULL},
    {"STARTTLS\r\n" QUIT, BANNER "502 5.5.1 TLS is not offered\r\n" BYE, 0, NULL},
};

static void
check_text(const char *what, const char *got, const char *expected)
{
	if (strcmp(got, expected) == 0)
		return;
	/* fail_msg() would cut it */
	fprintf(stderr, "%s\n--- expected\n%s\n--- got\n%s\n", what, expected, got);
	fail();
}

static void
check_script(const struct script *s, size_t piece)
{
	char *out = converse(KIND_SMTP, true, span_of(s->in), piece);

	check_text(s->in, out, s->out);
	assert_int_equal(kept.n, s->kept);
	if (s->text != NULL)
		check_text(s->in, kept.text, s->text);
	free(out);
}

static void
all_scripts(size_t piece)
{
	for (size_t i = 0; i < nitems(scripts); i++)
		check_script(&scripts[i], piece);
}

static void
whole(void **state)
{
	(void)state;
	all_scripts(SIZE_MAX);
}

static void
byte_by_byte(void **state)
{
	(void)state;
	all_scripts(1);
}

static void
answers_out_of_order(void **state)
{
	(void)state;
	fake.reverse = fake.later = true;
	all_scripts(SIZE_MAX);
	all_scripts(7);
	fake.reverse = fake.later = false;
}

/* ---- what does not fit a table ---- */

static void
check_one(enum session_kind kind, bool local, const char *in, const char *expected)
{
	char *out = converse(kind, local, span_of(in), SIZE_MAX);

	check_text(in, out, expected);
	free(out);
}

static void
who_may_send(void **state)
{
	static const char relay[] = START "MAIL FROM:<>\r\nRCPT TO:<else@far.test>\r\n"
					  "RCPT TO:<peer@peer.test>\r\n" QUIT;

	(void)state;
	check_one(KIND_SMTP, true, relay, BANNER HELO MAIL_OK RCPT_OK RCPT_OK BYE);
	check_one(KIND_SMTP, false, relay,
	    BANNER HELO MAIL_OK "550 5.7.1 Relaying denied without a login\r\n" RCPT_OK BYE);
	check_one(KIND_SUBMISSION, true, START "MAIL FROM:<>\r\n" QUIT,
	    BANNER HELO "530 5.7.0 Authentication required\r\n" BYE);
	check_one(KIND_SMTP, false, START "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n" QUIT,
	    BANNER HELO "538 5.7.11 Encryption is required for a login\r\n" BYE);
}

#define LOGIN	"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"
#define WELCOME "235 2.7.0 Welcome\r\n"
#define ELSE	"RCPT TO:<else@far.test>\r\n"

/* Whose the sender is, router is asked once a transaction, and only where it matters. */
static void
whose_sender(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned asked;
	} rows[] = {
	    {START ANN "RCPT TO:<peer@peer.test>\r\n" QUIT, BANNER HELO ANN_OK RCPT_OK BYE, 0},
	    {START "MAIL FROM:<x@no.test>\r\nRCPT TO:<ann@mx.test>\r\n" ELSE ELSE
		   "RCPT TO:<bob@mx.test>\r\n" QUIT,
		BANNER HELO ANN_OK "550 5.7.1 Relaying denied to this sender\r\n"
				   "550 5.7.1 Relaying denied to this sender\r\n" RCPT_OK BYE,
		1},
	    {START "MAIL FROM:<x@c.test>\r\n" ELSE "RCPT TO:<nobody@mx.test>\r\n" ELSE
		   "DATA\r\n.\r\nMAIL FROM:<x@no.test>\r\n" ELSE QUIT,
		BANNER HELO ANN_OK UNKNOWN RCPT_OK GO KEPT(1) MAIL_OK
		"550 5.7.1 Relaying denied to this sender\r\n" BYE,
		2},
	    {START "MAIL FROM:<x@later.test>\r\n" ELSE "RCPT TO:<ann@mx.test>\r\n" QUIT,
		BANNER HELO MAIL_OK
		"451 4.3.0 The sender cannot be checked now; try again later\r\n" RCPT_OK BYE,
		1},
	    {START LOGIN "MAIL FROM:<x@c.test>\r\n" ELSE "RCPT TO:<ann@mx.test>\r\n" QUIT,
		BANNER HELO WELCOME ANN_OK RCPT_OK BYE, 1},
	    {START LOGIN "MAIL FROM:<x@no.test>\r\n" ELSE "MAIL FROM:<>\r\n" ELSE QUIT,
		BANNER HELO WELCOME "553 5.7.1 Sender address is not yours\r\n" NO_MAIL ANN_OK BYE,
		1},
	    {START LOGIN "MAIL FROM:<x@later.test>\r\nMAIL FROM:<x@c.test>\r\nRSET\r\n" QUIT,
		BANNER HELO WELCOME
		"451 4.3.0 The sender cannot be checked now; try again later\r\n" MAIL_OK OK BYE,
		2},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (int way = 0; way < 3; way++) {
			struct span in = span_of(rows[i].in);
			char *out;

			n_senders = 0;
			fake.reverse = way == 2;
			out = converse(KIND_SMTP, true, in, way == 1 ? 1 : SIZE_MAX);
			check_text(rows[i].in, out, rows[i].out);
			assert_int_equal(n_senders, rows[i].asked);
			free(out);
		}
	fake.reverse = false;
}

static void
what_is_offered(void **state)
{
#define OFFER                                                                                \
	"250-mx.test\r\n250-SIZE 2000\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n" \
	"250-CHUNKING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
	(void)state;
	check_one(KIND_SMTP, true, "EHLO c.test\r\n" QUIT,
	    BANNER OFFER "250-AUTH PLAIN LOGIN\r\n250 HELP\r\n" BYE);
	check_one(KIND_SMTP, false, "EHLO c.test\r\n" QUIT, BANNER OFFER "250 HELP\r\n" BYE);
}

static void
submission_fills_in(void **state)
{
	static const char in[] = "EHLO c.test\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n" ANN
				 "DATA\r\nFrom: ann\r\n\r\nhi\r\n.\r\n" QUIT;
	char *out = converse(KIND_SUBMISSION, true, span_of(in), SIZE_MAX);

	(void)state;
	assert_int_equal(kept.n, 1);
	assert_string_equal(kept.submitter, "ann");
	assert_true(kept.flags & ENVELOPE_AUTHENTICATED);
	assert_int_equal(strncmp(kept.text, "From: ann\r\nDate: ", 17), 0);
	assert_non_null(strstr(kept.text, "\r\nMessage-ID: <000000001."));
	assert_non_null(strstr(kept.text, "@mx.test>\r\n\r\nhi\r\n"));
	free(out);
}

static void
envelope(void **state)
{
	static const char in[] =
	    START "MAIL FROM:<@a,@b:\"s\"@C.Test> BODY=8BITMIME RET=HDRS ENVID=e+2B1\r\n"
		  "RCPT TO:<Ann@Mx.Test.> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ann+2B@x\r\n"
		  "RCPT TO:<ann@mx.test>\r\nRCPT TO:<ann@MX.test>\r\nDATA\r\n.\r\n" QUIT;
	char *out = converse(KIND_SMTP, true, span_of(in), SIZE_MAX);

	(void)state;
	assert_int_equal(kept.n, 1);
	assert_int_equal(kept.n_recipients, 1); /* Ann is unknown, ann was said twice */
	assert_string_equal(kept.reverse_path, "s@c.test");
	assert_string_equal(kept.recipient, "ann@mx.test");
	assert_string_equal(kept.envid, "e+2B1");
	assert_int_equal(kept.ret, RET_HDRS);
	assert_int_equal(kept.flags, ENVELOPE_8BITMIME);
	free(out);
}

static void
dsn_of_recipient(void **state)
{
	static const char in[] = START
	    "MAIL FROM:<>\r\nRCPT TO:<ann@mx.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@x\r\n"
	    "DATA\r\n.\r\n" QUIT;
	char *out = converse(KIND_SMTP, true, span_of(in), 5);

	(void)state;
	assert_string_equal(kept.original, "rfc822;a+2Bb@x");
	assert_int_equal(kept.notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
	free(out);
}

/* head, filling of n bytes in lines of 100, tail. */
static struct span
with_filling(const char *head, size_t n, const char *tail)
{
	size_t len = strlen(head), end = strlen(tail);
	char *text = xmalloc(len + n + end + 1);

	memcpy(text, head, len);
	for (size_t i = 0; i < n; i++)
		text[len + i] = i % 100 == 98 ? '\r' : i % 100 == 99 ? '\n' : 'x';
	memcpy(text + len + n, tail, end + 1);
	return (struct span){text, len + n + end};
}

static void
sizes(void **state)
{
	(void)state;
	for (size_t n = 1900; n <= 2100; n += 100) {
		struct span in = with_filling(START ANN "DATA\r\n", n, ".\r\n" QUIT);
		char *out = converse(KIND_SMTP, true, in, 1000);

		check_text("sizes", out,
		    n > 2000 ? BANNER HELO ANN_OK GO TOO_BIG BYE
			     : BANNER HELO ANN_OK GO KEPT(1) BYE);
		assert_int_equal(kept.n, n <= 2000);
		free(out);
		free((char *)in.at);
	}
}

static void
chunk_over_the_limit(void **state)
{
	struct span in = with_filling(START ANN "BDAT 300000 LAST\r\n", 300000, QUIT);
	char *out = converse(KIND_SMTP, true, in, SIZE_MAX);

	(void)state;
	check_text("chunk", out, BANNER HELO ANN_OK TOO_BIG BYE);
	free(out);
	free((char *)in.at);
}

static void
long_lines(void **state)
{
	static const size_t limits[] = {COMMAND_LINE_MAX_BYTES, AUTH_LINE_MAX_BYTES, 1000000};
	char *text = xmalloc(1000000 + 100);

	(void)state;
	for (size_t i = 0; i < nitems(limits); i++)
		for (int more = -1; more <= 1; more++) {
			size_t n = limits[i] + more;
			char *out;

			memset(text, 'x', n);
			memcpy(text, "NOOP ", 5);
			memcpy(text + n - 2, "\r\n" QUIT, sizeof "\r\n" QUIT);
			out = converse(KIND_SMTP, true, span_of(text), SIZE_MAX);
			check_text("long line", out,
			    n <= COMMAND_LINE_MAX_BYTES ? BANNER OK BYE
							: BANNER "500 5.5.2 Line too long\r\n" BYE);
			free(out);
		}
	free(text);
}

/* Only CRLF ends a line, however long: what follows a bare LF is not heard. */
static void
long_lines_with_a_bare_lf(void **state)
{
	static const size_t lengths[] = {
	    AUTH_LINE_MAX_BYTES, AUTH_LINE_MAX_BYTES + 1, AUTH_LINE_MAX_BYTES + 70000};
	char *text = xmalloc(200000);

	(void)state;
	for (size_t i = 0; i < nitems(lengths); i++) {
		char *out;

		memset(text, 'x', lengths[i]);
		memcpy(text + lengths[i], "\nNOOP\r\n" QUIT, sizeof "\nNOOP\r\n" QUIT);
		out = converse(KIND_SMTP, true, span_of(text), SIZE_MAX);
		check_text("bare LF", out,
		    BANNER "554 5.5.2 Lines end with CR LF; closing the connection\r\n");
		free(out);
	}
	free(text);
}

/* 100 recipients at least, more than router is asked at one time, and 5,000 over the limit. */
static void
many_recipients(void **state)
{
	char *text = xmalloc(400000), *out;
	size_t n = 0, accepted = 0;

	(void)state;
	smtpd.settings.policy.recipients_max = 100;
	n += sprintf(text + n, START "MAIL FROM:<>\r\n");
	for (int i = 0; i < 1000; i++)
		n += sprintf(text + n, "RCPT TO:<u+%d@mx.test>\r\n", i);
	n += sprintf(text + n, "DATA\r\n.\r\n" QUIT);
	fake.reverse = true;
	out = converse(KIND_SMTP, true, (struct span){text, n}, SIZE_MAX);
	fake.reverse = false;
	for (const char *at = out; (at = strstr(at, RCPT_OK)) != NULL; at++)
		accepted++;
	assert_int_equal(accepted, 100);
	assert_int_equal(kept.n_recipients, 100);
	assert_non_null(strstr(out, TOO_MANY GO KEPT(1) BYE));
	free(out);
	n = sprintf(text, START "MAIL FROM:<>\r\nRCPT TO:<everyone@mx.test>\r\n");
	for (int i = 0; i < 5000; i++)
		n += sprintf(text + n, "RCPT TO:<u+%d@mx.test>\r\n", i);
	out = converse(KIND_SMTP, true, (struct span){text, n}, SIZE_MAX);
	assert_non_null(strstr(out, TOO_MANY "421 4.5.3 Too many recipients\r\n"));
	free(out);
	free(text);
	smtpd.settings.policy.recipients_max = 5;
}

static void
commands_without_mail(void **state)
{
	char text[2000] = START, *out;

	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(text, "NOOP\r\n");
	out = converse(KIND_SMTP, true, span_of(text), SIZE_MAX);
	assert_non_null(strstr(out, OK "421 4.7.0 Too many commands without mail\r\n"));
	free(out);
}

static void
queue_refuses(void **state)
{
	static const char data[] = START ANN "DATA\r\nRCPT TO:<ann@mx.test>\r\n" QUIT;
	static const char full[] = "452 4.3.1 No space for the message now; try again later\r\n";
	char *out;

	(void)state;
	for (int later = 0; later <= 1; later++) {
		fake.later = later;
		fake.slot_error = ENOSPC;
		out = converse(KIND_SMTP, true, span_of(data), SIZE_MAX);
		assert_non_null(strstr(out, full));
		assert_non_null(strstr(out, NO_MAIL BYE));
		free(out);
		check_one(KIND_SMTP, true, START ANN "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" QUIT,
		    BANNER HELO ANN_OK
		    "452 4.3.1 No space for the message now; try again later\r\n" OK BYE);
		fake.slot_error = 0;
		fake.commit_error = EIO;
		check_one(KIND_SMTP, true, START ANN "DATA\r\n.\r\n" QUIT,
		    BANNER HELO ANN_OK GO
		    "451 4.3.0 Message cannot be kept now; try again later\r\n" BYE);
		fake.commit_error = 0;
	}
	fake.later = false;
}

/* The client goes away at each byte of a conversation: nothing half-kept, nothing left over. */
static void
hang_ups(void **state)
{
	static const char in[] =
	    START ANN "BDAT 3\r\na\r\nRSET\r\nAUTH LOGIN\r\nYW5u\r\nc2Vj\r\n" ANN
		      "DATA\r\nhi\r\n.\r\nNOOP\r\n";

	(void)state;
	for (int later = 0; later <= 1; later++)
		for (size_t n = 0; n < sizeof in; n++) {
			struct client c = connect_client(KIND_SMTP, true);

			fake.later = later;
			memset(&kept, 0, sizeof kept);
			watch(&c);
			talk(&c, (struct span){in, n}, 11);
			event_free(c.readable);
			closefd(&c.fd);
			until_end();
			assert_int_equal(kept.slots, 0);
			free(c.output);
		}
	fake.later = false;
}

static void
timeouts(void **state)
{
	(void)state;
	smtpd.settings.command_s = 0; /* at once */
	check_one(KIND_SMTP, true, "", BANNER "421 4.4.2 Timeout; closing the connection\r\n");
	smtpd.settings.command_s = 300;
	smtpd.settings.transaction_s = 0;
	check_one(KIND_SMTP, true, START "MAIL FROM:<>\r\n",
	    BANNER HELO MAIL_OK "421 4.4.2 Timeout; closing the connection\r\n");
	smtpd.settings.transaction_s = 300;
}

/* router or queue is silent: the client hears so before its patience ends, and may go on. */
static void
no_answer_from_within(void **state)
{
#define LATER	 "451 4.3.0 Mailboxes do not answer; try again later\r\n"
#define NOT_KEPT "451 4.3.0 Message cannot be kept now; try again later\r\n"
	(void)state;
	smtpd.settings.inner_s = 0; /* at once */
	fake.no_slot = true;
	check_one(
	    KIND_SMTP, true, START ANN "DATA\r\nNOOP\r\n" QUIT, BANNER HELO ANN_OK NOT_KEPT OK BYE);
	check_one(KIND_SMTP, true, START ANN "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n" QUIT,
	    BANNER HELO ANN_OK NOT_KEPT "503 5.5.1 Say MAIL first\r\n" BYE);
	fake.no_slot = false;
	fake.no_verdict = true;
	check_one(KIND_SMTP, true,
	    START "MAIL FROM:<>\r\nRCPT TO:<ann@mx.test>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\n" QUIT,
	    BANNER HELO MAIL_OK LATER LATER "554 5.5.1 No valid recipients\r\n" BYE);
	fake.no_verdict = false;
	fake.no_standing = true;
	smtpd.settings.policy.allow_any_from = false;
	check_one(KIND_SMTP, true,
	    START "MAIL FROM:<a@else.test>\r\nRCPT TO:<else@far.test>\r\n" QUIT,
	    BANNER HELO MAIL_OK
	    "451 4.3.0 The sender cannot be checked now; try again later\r\n" BYE);
	fake.no_standing = false;
	smtpd.settings.inner_s = 30;
	assert_int_equal(n_silent, 0);
}

/* Who did not say how large it is hears at the end of it that it fits nowhere. */
static void
size_shows_at_the_end(void **state)
{
	static const struct {
		const char *to[3];
		size_t size;
		const char *reply;
		unsigned asked;
	} rows[] = {
	    {{"tight"}, 100, "250 2.0.0", 1},
	    {{"tight"}, 500, "250 2.0.0", 2}, /* another day */
	    {{"tight"}, 1500, "552 5.2.2 Message is larger than the mailbox", 2},
	    {{"tiny"}, 500, "552 5.2.2 Message is larger than the mailbox", 2},
	    {{"tiny", "tight"}, 500, "250 2.0.0", 4},
	    {{"tiny", "tight"}, 1500, "552 5.2.2 Message is larger than the mailbox", 4},
	    {{"tiny", "ann"}, 1500, "250 2.0.0", 4},
	    {{"ann", "tiny"}, 1500, "250 2.0.0", 3},
	    {{"tiny", "all", "tight"}, 1500, "250 2.0.0", 5},
	};
	char start[600], *out;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (int bdat = 0; bdat <= 1; bdat++) {
			struct span in;
			size_t n = sprintf(start, START "MAIL FROM:<s@c.test>\r\n");

			for (size_t k = 0; k < 3 && rows[i].to[k] != NULL; k++)
				n += sprintf(start + n, "RCPT TO:<%s@mx.test>\r\n", rows[i].to[k]);
			if (bdat)
				sprintf(start + n, "BDAT %zu LAST\r\n", rows[i].size);
			else
				strcpy(start + n, "DATA\r\n");
			in = with_filling(
			    start, rows[i].size, bdat ? "NOOP\r\n" QUIT : ".\r\nNOOP\r\n" QUIT);
			n_asked = 0;
			out = converse(KIND_SMTP, true, in, SIZE_MAX);
			if (strstr(out, rows[i].reply) == NULL || strstr(out, OK BYE) == NULL ||
			    n_asked != rows[i].asked)
				fail_msg("%zu: asked %u: %s", i, n_asked, out);
			assert_int_equal(kept.n, rows[i].reply[0] == '2');
			free(out);
			free((char *)in.at);
		}
}

static bool emptied;

static void
on_empty(struct smtpd *d)
{
	(void)d;
	emptied = true;
}

static void
drain(void **state)
{
	(void)state;
	smtpd.draining = true;
	emptied = false;
	check_one(KIND_SMTP, true, START, BANNER "421 4.3.0 The service restarts; come back\r\n");
	assert_true(emptied);
	smtpd.draining = false;
}

/* A transaction that is under way when the drain begins is finished. */
static void
drain_within_a_transaction(void **state)
{
	struct client c = connect_client(KIND_SMTP, true);

	(void)state;
	memset(&kept, 0, sizeof kept);
	last_id = 0;
	watch(&c);
	talk(&c, span_of(START ANN "DATA\r\n"), SIZE_MAX);
	while (strstr(c.output, "354 ") == NULL)
		event_base_loop(smtpd.base, EVLOOP_ONCE);
	smtpd.draining = true;
	talk(&c, span_of("hi\r\n.\r\n" ANN), SIZE_MAX);
	until_end();
	check_text("drain", c.output,
	    BANNER HELO ANN_OK GO KEPT(1) "421 4.3.0 The service restarts; come back\r\n");
	assert_int_equal(kept.n, 1);
	smtpd.draining = false;
	if (c.readable != NULL)
		event_free(c.readable);
	closefd(&c.fd);
	free(c.output);
}

/* Replies that nobody reads stop the reading of commands. */
static void
client_that_never_reads(void **state)
{
	struct client c;
	struct span in = {xmalloc(6 << 20), 6 << 20};
	size_t n = 0;
	ssize_t sent = 1;

	(void)state;
	smtpd.settings.commands_max = 100000000;
	for (size_t i = 0; i < in.len; i += 6)
		memcpy((char *)in.at + i, "NOOP\r\n", 6);
	c = connect_client(KIND_SMTP, true);
	for (int idle = 0; idle < 10; idle++) {
		while ((sent = send(c.fd, in.at + n, in.len - n, MSG_NOSIGNAL)) > 0 && n < in.len) {
			n += sent;
			event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
			idle = 0;
		}
		event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
	}
	assert_true(n < in.len);
	assert_true(LIST_FIRST(&smtpd.sessions)->full);
	watch(&c);
	while (n < in.len) {
		if ((sent = send(c.fd, in.at + n, in.len - n, MSG_NOSIGNAL)) > 0)
			n += sent;
		event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
		if (c.n > OUTPUT_MAX_BYTES / 2)
			c.n = 0;
	}
	event_free(c.readable);
	closefd(&c.fd);
	until_end();
	free(c.output);
	free((char *)in.at);
	smtpd.settings.commands_max = 50;
}

static int
set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	smtpd.base = event_base_new();
	LIST_INIT(&smtpd.sessions);
	smtpd.on_empty = on_empty;
	smtpd.settings = (struct smtpd_settings){.server = "mx.test",
	    .message_max = 2000,
	    .hops_max = 3,
	    .errors_max = 10,
	    .commands_max = 50,
	    .login_failures_max = 3,
	    .command_s = 300,
	    .data_s = 300,
	    .transaction_s = 300,
	    .handshake_s = 60,
	    .inner_s = 30,
	    .policy = {.require_auth = true,
		.restrict_relay = true,
		.relay_ips = ip_list_new(span_of("127.0.0.1")),
		.recipients_max = 5}};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	event_base_free(smtpd.base);
	smtpd_settings_clear(&smtpd.settings);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(answers_out_of_order),
	    cmocka_unit_test(who_may_send),
	    cmocka_unit_test(whose_sender),
	    cmocka_unit_test(what_is_offered),
	    cmocka_unit_test(submission_fills_in),
	    cmocka_unit_test(envelope),
	    cmocka_unit_test(dsn_of_recipient),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(chunk_over_the_limit),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(long_lines_with_a_bare_lf),
	    cmocka_unit_test(many_recipients),
	    cmocka_unit_test(commands_without_mail),
	    cmocka_unit_test(queue_refuses),
	    cmocka_unit_test(hang_ups),
	    cmocka_unit_test(timeouts),
	    cmocka_unit_test(no_answer_from_within),
	    cmocka_unit_test(size_shows_at_the_end),
	    cmocka_unit_test(drain),
	    cmocka_unit_test(drain_within_a_transaction),
	    cmocka_unit_test(client_that_never_reads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
