/*
 * One running program: its pid, its control connection and its standard error.
 */
#ifndef MASTER_PROCESS_H
#define MASTER_PROCESS_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/ipc.h"
#include "master/logfile.h"
#include "master/programs.h"

struct process {
	struct process *next;
	struct supervisor *supervisor;
	struct slot *slot; /* NULL: retired, finishing its work beside its successor */
	const struct program *program;
	pid_t pid;
	unsigned row; /* its own in the program's shared tables, as long as it lives */
	struct ipc_channel *control; /* NULL when it has hung up */
	struct log_pipe *log;
	struct event *kill_timer;
	uint64_t started_us; /* monotonic */
	bool ready, draining;
	char protections[256];
};

/*
 * Forks and executes the program of that directory with its control connection on ROLE_CONTROL_FD.
 * The callbacks get the process. NULL with errno.
 */
struct process *process_start(struct event_base *base, const char *directory,
    const struct program *program, ipc_message_cb on_message, ipc_close_cb on_close);

/*
 * SIGKILL, to a child or (pid < 0) to a child's process group, that was to become this account,
 * (uid_t)-1: none. A supervisor that is not root may send it as that account only.
 */
void process_kill(pid_t pid, uid_t uid);

/* After waitpid(): frees all that belongs to it. */
void process_free(struct process **p);

#endif
