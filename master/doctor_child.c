/*
 * The process in which sambarctl doctor asks the network. Forked before the configuration is read,
 * it has no secret of it; it gets a plan, confines itself as the programs do that talk to other
 * hosts (role.h), and writes its findings. Nothing that it says is believed more than that.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/resolver.h"
#include "common/role.h"
#include "common/tls_client.h"
#include "master/ctl_quiet.h"
#include "master/doctor.h"

enum { DOCUMENT_MAX_BYTES = 4 << 20, CHILD_FD = 3 };

/* ---- documents on the socket: all that comes until the other side has said all ---- */

static json_t *
receive(int sock)
{
	char *text = xmalloc(DOCUMENT_MAX_BYTES);
	size_t len = 0;
	ssize_t n = 1;
	json_t *doc = NULL;

	while (len < DOCUMENT_MAX_BYTES && n != 0) {
		n = read(sock, text + len, DOCUMENT_MAX_BYTES - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		len += n;
	}
	if (n == 0)
		doc = json_loadb(text, len, 0, NULL);
	free(text);
	return doc;
}

static int
send_all(int sock, const json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	size_t len = text != NULL ? strlen(text) : 0, sent = 0;

	while (sent < len) {
		ssize_t n = send(sock, text + sent, len - sent, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		sent += n;
	}
	free(text);
	return len > 0 && sent == len && shutdown(sock, SHUT_WR) == 0 ? 0 : -1;
}

/* ---- the child ---- */

static struct settings *
settings_of(const struct doctor *d)
{
	struct settings *s = settings_new();
	char number[24];

	settings_add(s, "instance", "Chroot", doctor_text(d, "chroot"));
	settings_add(s, "instance", "Uid", doctor_text(d, "uid"));
	settings_add(s, "instance", "Gid", doctor_text(d, "gid"));
	settings_add(s, "resolver", "Servers", doctor_text(d, "servers"));
	settings_add(s, "resolver", "Trust AD",
	    json_is_true(json_object_get(d->plan, "trust_ad")) ? "true" : "false");
	snprintf(number, sizeof number, "%lld",
	    (long long)json_integer_value(json_object_get(d->plan, "dns_reply_s")));
	settings_add(s, "timeouts", "DNS Reply", number);
	return s;
}

/* Nothing that the caller has open is the child's; sock becomes the fourth descriptor. */
static int
leave_descriptors(int sock)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1 ||
	    (sock != CHILD_FD && dup2(sock, CHILD_FD) == -1))
		fatal("cannot leave the caller's descriptors");
	closefrom(CHILD_FD + 1);
	return CHILD_FD;
}

/* What needs a file. */
static void
prepare(struct doctor *d)
{
	const char *why;

	d->roots = tls_client_roots(doctor_text(d, "roots"), &d->no_roots);
	d->tls = tls_client_context(d->roots, NULL, NULL, false, &why);
}

static void
confine(struct settings *settings)
{
	static struct role role = {.name = "doctor"};

	role.settings = settings;
	role_confine(&role, CONFINE_OUTGOING);
}

static void
look(struct doctor *d, const struct settings *settings)
{
	struct dns_settings dns = {.rounds = 1, .budget_ms = DOCTOR_DNS_BUDGET_MS};

	resolver_settings(settings, &dns);
	d->dns = dns_new(&dns);
	d->deadline = dns_deadline(d->dns);
	d->host = doctor_text(d, "host");
	doctor_connect(d);
	doctor_look_up(d);
	doctor_send(d);
}

static void
clean_up(struct doctor *d)
{
	dns_free(&d->dns);
	SSL_CTX_free(d->tls);
	X509_STORE_free(d->roots);
	json_decref(d->host_addresses);
	json_decref(d->findings);
}

static void
run(int sock)
{
	json_t *plan = receive(sock);
	struct doctor d = {.plan = plan, .findings = json_array()};
	struct settings *settings;
	int code;

	if (plan == NULL)
		_exit(0); /* there is no question */
	ctl_quiet_begin();
	settings = settings_of(&d);
	prepare(&d);
	confine(settings);
	look(&d, settings);
	code = send_all(sock, d.findings) == 0 ? 0 : 1;
	clean_up(&d);
	settings_free(&settings);
	json_decref(plan);
	ctl_quiet_end();
	_exit(code); /* what else is to be done at an end is the parent's */
}

/* ---- the parent ---- */

int
doctor_child_start(struct doctor_child *c)
{
	int pair[2];

	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	if ((c->pid = fork()) == -1) {
		closefd(&pair[0]);
		closefd(&pair[1]);
		return -1;
	}
	if (c->pid == 0) {
		closefd(&pair[0]);
		signal(SIGPIPE, SIG_IGN);
		run(leave_descriptors(pair[1]));
	}
	closefd(&pair[1]);
	c->sock = pair[0];
	return 0;
}

/* The status of its end. */
static int
wait_for(struct doctor_child *c)
{
	int status = 0;

	closefd(&c->sock);
	while (c->pid > 0 && waitpid(c->pid, &status, 0) == -1 && errno == EINTR)
		;
	c->pid = -1;
	return status;
}

json_t *
doctor_child_ask(struct doctor_child *c, const json_t *plan, char **why)
{
	json_t *findings = send_all(c->sock, plan) == 0 ? receive(c->sock) : NULL;
	int status = wait_for(c);

	if (json_is_array(findings) && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return findings;
	json_decref(findings);
	*why = WIFSIGNALED(status)
		   ? xasprintf("the process that looks at the network was killed by signal %d",
			 WTERMSIG(status))
		   : xasprintf("the process that looks at the network ended without an answer");
	return NULL;
}

void
doctor_child_end(struct doctor_child *c)
{
	(void)wait_for(c);
}
