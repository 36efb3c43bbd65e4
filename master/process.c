/*
 * One running program: fork, execve, and what connects it to master.
 */
#include "master/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/role.h"

/* All of a program's environment. The last one only means something to a build with sanitizers. */
static char env_path[] = "PATH=/usr/bin:/bin", env_locale[] = "LC_ALL=C.UTF-8",
	    env_asan[] = "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:disable_coredump=1";

/* The child's side, up to execve. */
static void
become(const char *directory, const char *name, int control, int standard_error)
{
	char *const env[] = {env_path, env_locale, env_asan, NULL};
	char path[PATH_MAX], *const argv[] = {(char *)(uintptr_t)name, NULL};
	int null = open("/dev/null", O_RDWR), moved;
	sigset_t none;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	/* Away from 0 to 3 first, so that nothing is overwritten that is still needed. */
	moved = fcntl(control, F_DUPFD, 10);
	if (null == -1 || moved == -1 || dup2(standard_error, 2) == -1 || dup2(null, 0) == -1 ||
	    dup2(null, 1) == -1 || dup2(moved, ROLE_CONTROL_FD) == -1)
		_exit(71);
	closefrom(ROLE_CONTROL_FD + 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, argv, env);
	fatal("cannot execute %s", path);
}

struct process *
process_start(struct event_base *base, const char *directory, const struct program *program,
    ipc_message_cb on_message, ipc_close_cb on_close)
{
	struct process *p = xcalloc(1, sizeof *p);
	int ends[2], standard_error;

	p->program = program;
	p->started_us = monotonic_us();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
		free(p);
		return NULL;
	}
	if ((standard_error = log_pipe_new(base, program->name, &p->log)) == -1)
		goto fail;
	log_flush(); /* or the child would write our lines again */
	p->pid = fork();
	if (p->pid == 0)
		become(directory, program->name, ends[1], standard_error);
	closefd(&standard_error);
	if (p->pid == -1) {
		log_pipe_release(p->log);
		goto fail;
	}
	closefd(&ends[1]);
	log_pipe_set_pid(p->log, p->pid);
	p->control = ipc_channel_new(base, ends[0], on_message, on_close, p);
	return p;
fail:
	closefd(&ends[0]);
	closefd(&ends[1]);
	free(p);
	return NULL;
}

/* Real and saved account stay, so that nobody else may send us a signal meanwhile. */
static int
kill_as(pid_t pid, uid_t uid)
{
	uid_t own = geteuid();
	int rv, error;

	if (seteuid(uid) == -1)
		return -1;
	rv = kill(pid, SIGKILL);
	error = errno;
	if (seteuid(own) == -1)
		fatal("another account cannot be given back");
	errno = error;
	return rv;
}

void
process_kill(pid_t pid, uid_t uid)
{
	int rv = kill(pid, SIGKILL);

	if (rv == -1 && errno == EPERM && uid != (uid_t)-1)
		rv = kill_as(pid, uid);
	if (rv == -1 && errno != ESRCH)
		log_warn("cannot kill process %d: %s", pid, strerror(errno));
}

void
process_free(struct process **pp)
{
	struct process *p = *pp;

	*pp = NULL;
	if (p->kill_timer != NULL)
		event_free(p->kill_timer);
	ipc_channel_free(&p->control);
	log_pipe_release(p->log);
	free(p);
}
