/*
 * Commands: fork, execve, what they print, and their end, which is that of their first process.
 */
#include "master/command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "common/command_line.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/logfile.h"
#include "master/process.h"

enum {
	NO_GROUP = 65534, /* "nogroup": no file and no socket of ours is open to it */
	NOT_EXECUTED = 127
};

struct command {
	struct command *next;
	pid_t pid;
	int out;
	struct event *readable, *limit;
	struct log_pipe *log;
	unsigned limit_s;
	uid_t uid;
	size_t n, room;
	char *output;		    /* room is one byte more than allowed: then it was too much */
	char why[COMMAND_WHY_SIZE]; /* we have killed it for that, or "" */
	command_cb cb;		    /* NULL: dropped */
	void *arg;
};

static struct command *commands;

/* ---- the child's side ---- */

static void
reset_signals(void)
{
	static const int ours[] = {SIGPIPE, SIGINT, SIGHUP, SIGTERM, SIGCHLD};
	sigset_t none;

	for (size_t i = 0; i < nitems(ours); i++)
		signal(ours[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
become(const struct command_order *order)
{
	uid_t uid = order->uid;

	if (order->keeps_rights)
		return 0;
	if (uid == (uid_t)-1)
		return geteuid() == 0 ? 0 : capabilities_drop();
	if (setgroups(0, NULL) == -1 || setresgid(NO_GROUP, NO_GROUP, NO_GROUP) == -1)
		return -1;
	return setresuid(uid, uid, uid) == 0 ? capabilities_drop() : -1;
}

static void __attribute__((noreturn))
execute(char *const *words, const struct command_order *order, int out, int err)
{
	static char path[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C.UTF-8";
	char *const env[] = {path, locale, NULL};
	int null = open("/dev/null", O_RDONLY);

	/* The ends of the pipes are above 2, where master's own standard streams are. */
	if (null == -1 || dup2(err, 2) == -1 || dup2(out, 1) == -1 || dup2(null, 0) == -1)
		_exit(NOT_EXECUTED);
	closefrom(3);
	reset_signals();
	umask(077);
	if (setpgid(0, 0) == -1 || chdir("/") == -1 || become(order) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 || execve(words[0], words, env) == -1)
		log_warn("- not-executed command=%s error=\"%s\"", log_safe(span_of(words[0])),
		    strerror(errno));
	log_flush();
	_exit(NOT_EXECUTED);
}

/* ---- what it prints ---- */

/* Its whole group: it may have started others. */
static void
stop(struct command *c, const char *why)
{
	if (c->why[0] == '\0')
		strlcpy(c->why, why, sizeof c->why);
	process_kill(-c->pid, c->uid);
}

/* False: there is no more, for now or at all. */
static bool
read_some(struct command *c)
{
	ssize_t n = read(c->out, c->output + c->n, c->room - c->n);

	if (n == -1 && errno == EINTR)
		return true;
	if (n > 0)
		c->n += n;
	if (n == 0 || (n == -1 && errno != EAGAIN))
		event_del(c->readable);
	if (c->n == c->room) {
		event_del(c->readable);
		stop(c, "has printed too much");
		return false;
	}
	return n > 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	(void)read_some(arg);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct command *c = arg;
	char why[COMMAND_WHY_SIZE];

	(void)fd, (void)what;
	snprintf(why, sizeof why, "has taken longer than %u s", c->limit_s);
	stop(c, why);
}

/* ---- life ---- */

static void
command_free(struct command *c)
{
	for (struct command **at = &commands; *at != NULL; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->limit != NULL)
		event_free(c->limit);
	if (c->log != NULL)
		log_pipe_release(c->log);
	closefd(&c->out);
	if (c->output != NULL)
		explicit_bzero(c->output, c->n);
	free(c->output);
	free(c);
}

/* The child's ends of both pipes. */
static int
open_pipes(struct command *c, struct event_base *base, const char *log, int *out, int *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	c->out = ends[0];
	*out = ends[1];
	if (fcntl(c->out, F_SETFL, O_NONBLOCK) == -1)
		return -1;
	*err = log_pipe_new(base, log, &c->log);
	return *err == -1 ? -1 : 0;
}

static int
watch(struct command *c, struct event_base *base)
{
	struct timeval limit = {c->limit_s, 0};

	c->readable = event_new(base, c->out, EV_READ | EV_PERSIST, on_readable, c);
	c->limit = evtimer_new(base, on_limit, c);
	if (c->readable == NULL || c->limit == NULL || event_add(c->readable, NULL) == -1 ||
	    evtimer_add(c->limit, &limit) == -1) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

struct command *
command_start(struct event_base *base, const struct command_order *order, command_cb cb, void *arg)
{
	struct command *c = xcalloc(1, sizeof *c);
	char *text = order->words == NULL ? xstrdup(order->line) : NULL;
	char *split[COMMAND_WORDS_MAX + 1], *const *words = split;
	int out = -1, err = -1, error;

	c->out = -1;
	c->limit_s = order->limit_s;
	c->uid = order->uid;
	c->cb = cb;
	c->arg = arg;
	c->room = (order->output_max != 0 ? order->output_max : COMMAND_OUTPUT_MAX_BYTES) + 1;
	c->output = malloc(c->room);
	if (order->words != NULL)
		words = order->words;
	errno = c->output != NULL ? EINVAL : ENOMEM;
	if (c->output == NULL || (text != NULL && command_line_split(text, split) == 0) ||
	    open_pipes(c, base, order->log, &out, &err) == -1 || watch(c, base) == -1)
		goto fail;
	log_flush(); /* or the child would write our lines again */
	if ((c->pid = fork()) == -1)
		goto fail;
	if (c->pid == 0)
		execute(words, order, out, err);
	setpgid(c->pid, c->pid); /* both do it: whoever is first */
	log_pipe_set_pid(c->log, c->pid);
	c->next = commands;
	commands = c;
	closefd(&out);
	closefd(&err);
	free(text);
	return c;
fail:
	error = errno;
	closefd(&out);
	closefd(&err);
	command_free(c);
	free(text);
	errno = error;
	return NULL;
}

void
command_drop(struct command **cp)
{
	struct command *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	c->cb = NULL;
	stop(c, "is of no more use");
}

static void
describe(struct command *c, int status)
{
	if (c->why[0] != '\0')
		return;
	if (WIFSIGNALED(status))
		snprintf(c->why, sizeof c->why, "was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(c->why, sizeof c->why, "has ended with status %d", WEXITSTATUS(status));
}

bool
command_on_death(pid_t pid, int status)
{
	struct command *c = commands;

	while (c != NULL && c->pid != pid)
		c = c->next;
	if (c == NULL)
		return false;
	while (read_some(c))
		continue;
	process_kill(-c->pid, c->uid); /* what it has left behind */
	describe(c, status);
	if (c->cb != NULL && c->why[0] != '\0')
		c->cb(c->arg, (struct span){"", 0}, c->why);
	else if (c->cb != NULL)
		c->cb(c->arg, (struct span){c->output, c->n}, NULL);
	command_free(c);
	return true;
}
