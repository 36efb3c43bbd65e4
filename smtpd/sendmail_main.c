/*
 * sendmail, mailq and newaliases: see sendmail.h. Which instance: $SAMBAR_DIR, or the one that it
 * was built for. Of what only sambarctl may do it leaves the work to that.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "smtpd/sendmail.h"

static const char *
instance(void)
{
	const char *dir = getenv("SAMBAR_DIR");

	return dir != NULL && dir[0] != '\0' ? dir : INSTANCE_DIR;
}

/* ---- who calls ---- */

struct caller {
	char *sender; /* to be freed, as is */
	char *full_name;
};

static char *
own_address(const char *server)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw != NULL ? xasprintf("%s@%s", pw->pw_name, server)
			  : xasprintf("%lu@%s", (unsigned long)getuid(), server);
}

/* The first field of gecos, in which & stands for the account's name; that is not filled in. */
static char *
own_name(void)
{
	const char *given = getenv("NAME");
	const struct passwd *pw = getpwuid(getuid());

	if (given != NULL)
		return xstrdup(given);
	if (pw == NULL || pw->pw_gecos == NULL || strchr(pw->pw_gecos, '&') != NULL)
		return xstrdup("");
	return strndup(pw->pw_gecos, strcspn(pw->pw_gecos, ","));
}

static int
read_sender(const char *given, const char *server, char **sender)
{
	struct sendmail_list l = {0};
	int code;

	if (given == NULL) {
		*sender = own_address(server);
		return 0;
	}
	if (given[0] == '\0' || strcmp(given, "<>") == 0) {
		*sender = xstrdup("");
		return 0;
	}
	code = sendmail_list_add(&l, span_of(given), server);
	if (code == 0 && l.n != 1)
		code = sendmail_fail(EX_USAGE, "-f %s: right is one address", given);
	if (code == 0)
		*sender = xstrdup(l.addresses[0]);
	sendmail_list_free(&l);
	return code;
}

/* ---- modes ---- */

static int
collect(const struct sendmail_options *o, const char *server, struct sendmail_message *m,
    struct sendmail_list *to)
{
	int code = 0;

	if (o->from_header)
		code = sendmail_message_recipients(m, to, server);
	for (size_t i = 0; i < o->n_recipients && code == 0; i++)
		code = sendmail_list_add(to, span_of(o->recipients[i]), server);
	if (code == 0 && to->n == 0)
		code = sendmail_fail(EX_DATAERR, "the message names no recipients");
	return code;
}

static int
converse(struct sendmail_server *s, const struct sendmail_options *o)
{
	struct sendmail_message *m = NULL;
	struct sendmail_list to = {0};
	struct caller from = {NULL, o->full_name != NULL ? xstrdup(o->full_name) : own_name()};
	const char *server = sendmail_server_name(s);
	int code = read_sender(o->sender, server, &from.sender);

	if (code == 0 && o->mode == SENDMAIL_DELIVER)
		code = sendmail_message_read(&m, stdin, o);
	if (code == 0)
		code = collect(o, server, m, &to);
	if (code == 0)
		code = o->mode == SENDMAIL_VERIFY
			   ? sendmail_verify(s, from.sender, &to)
			   : sendmail_submit(s, o, from.sender, from.full_name, &to, m);
	sendmail_message_free(&m);
	sendmail_list_free(&to);
	free(from.sender);
	free(from.full_name);
	return code;
}

static int
deliver(const struct sendmail_options *o)
{
	char path[PATH_MAX];
	struct sendmail_server *s;
	int code;

	snprintf(path, sizeof path, "%s/run/submit.sock", instance());
	if (o->mode == SENDMAIL_SMTP)
		return sendmail_pump(path);
	if ((s = sendmail_connect(path, o->verbose, &code)) == NULL)
		return code;
	code = converse(s, o);
	sendmail_disconnect(&s);
	return code;
}

/* sambarctl lies beside this program, or beside what the name that it was called by points to. */
static int
leave_to_sambarctl(const char *const words[3])
{
	char path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	path[n < 0 ? 0 : n] = '\0';
	if ((slash = strrchr(path, '/')) == NULL)
		return sendmail_fail(EX_OSERR, "where am I? %s", strerror(errno));
	strlcpy(slash, "/sambarctl", sizeof path - (slash - path));
	execl(path, path, "-d", instance(), words[0], words[1], words[2], (char *)NULL);
	return sendmail_fail(EX_OSFILE, "%s: %s", path, strerror(errno));
}

int
main(int argc, char **argv)
{
	static const char *const list[3] = {"queue", "list"}, *const reload[3] = {"reload"},
				 *const flush[3] = {"queue", "flush"};
	struct sendmail_options o;
	int code = sendmail_options(&o, argc, argv);

	signal(SIGPIPE, SIG_IGN);
	if (code != 0)
		return code;
	switch (o.mode) {
	case SENDMAIL_LIST:
		return leave_to_sambarctl(list);
	case SENDMAIL_ALIASES:
		return leave_to_sambarctl(reload);
	case SENDMAIL_QUEUE:
		return leave_to_sambarctl(flush);
	default:
		return deliver(&o);
	}
}
