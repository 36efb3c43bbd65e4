/*
 * master, the supervisor: reads the configuration, binds every port and socket, spawns, restarts
 * and drains the other programs and writes their logs. Runs as root where ports and accounts need
 * it; reads no mail and talks to no stranger.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/backup_child.h"
#include "master/certwatch.h"
#include "master/control_server.h"
#include "master/inherited.h"
#include "master/instance.h"
#include "master/journal.h"
#include "master/logfile.h"
#include "master/mailwatch.h"
#include "master/mint.h"
#include "master/service_manager.h"
#include "master/supervisor.h"

struct master {
	struct event_base *base;
	struct instance instance;
	struct supervisor supervisor;
	struct control_server *control;
	struct log_pipe *own_log;
	struct event *signals[3];
	struct service_manager *manager; /* NULL: none */
	int notify;			 /* sambarctl start waits at its other end */
	int terminal;			 /* in the foreground: standard error as it was, else -1 */
	bool told_stop;
	int status;
};

static const unsigned all_roles = ROLE_AUTH | ROLE_STORE | ROLE_QUEUE | ROLE_ROUTER | ROLE_SMTPD |
				  ROLE_POP3D | ROLE_DELIVER | ROLE_FETCHER | ROLE_FETCH |
				  ROLE_INDEXER | ROLE_WEBD;

static void
notify(struct master *m, const char *text)
{
	if (m->notify != -1 && write(m->notify, text, strlen(text)) == -1)
		log_warn("sambarctl start did not wait: %s", strerror(errno));
	closefd(&m->notify);
}

/* Whoever started us learns why not: sambarctl, in whose place we run in the foreground, or which
 * waits. */
static void
tell_failure(struct master *m, const char *sentence)
{
	if (m->terminal != -1)
		dprintf(m->terminal, "sambarctl: %s\n", sentence);
	notify(m, sentence);
}

/* Before the loop. */
static void __attribute__((format(printf, 3, 4), noreturn))
refuse(struct master *m, int status, const char *format, ...)
{
	char sentence[1000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	if (m->notify == -1 && m->terminal == -1)
		dprintf(STDERR_FILENO, "master: fatal: %s\n", sentence);
	tell_failure(m, sentence);
	exit(status);
}

/* ---- what the supervisor tells ---- */

static void
on_ready(void *arg)
{
	struct master *m = arg;

	log_info("all programs run");
	notify(m, "ready\n");
	(void)service_manager_tell(m->manager, "READY=1");
}

static void
on_failed(void *arg, const char *sentence)
{
	struct master *m = arg;

	log_warn("start failed: %s", sentence);
	tell_failure(m, sentence);
	m->status = EX_SOFTWARE;
}

static void
on_change(void *arg)
{
	struct master *m = arg;

	control_server_on_change(m->control);
	if (m->supervisor.stopping && !m->told_stop) {
		m->told_stop = true;
		(void)service_manager_tell(m->manager, "STOPPING=1");
	}
}

static void
on_listening(void *arg, struct sockets *sockets)
{
	struct master *m = arg;

	inherited_close();
	service_manager_keep(m->manager, sockets);
}

static void
on_stopped(void *arg)
{
	struct master *m = arg;

	log_info("all programs have ended");
	event_base_loopexit(m->base, NULL);
}

/* Programs are started before control.sock is served, but heard after it. */
static bool
on_message(void *arg, struct process *p, uint32_t type, uint64_t tag, struct reader *r)
{
	struct master *m = arg;

	return mint_on_message(m->control, p, type, tag, r);
}

static const struct supervisor_ops ops = {
    on_ready, on_failed, on_change, on_listening, on_stopped, on_message};

/* ---- signals ---- */

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct master *m = arg;

	(void)what;
	if (number == SIGHUP) {
		logfile_reopen();
		log_info("logs reopened");
		return;
	}
	log_info("stopping: signal %d", (int)number);
	supervisor_stop(&m->supervisor);
}

static void
watch_signals(struct master *m)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < nitems(numbers); i++) {
		m->signals[i] = evsignal_new(m->base, numbers[i], on_signal, m);
		event_add(m->signals[i], NULL);
	}
}

/* ---- start ---- */

/* For all programs: they inherit it. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
			log_warn("cannot raise the limit of descriptors: %s", strerror(errno));
	}
}

static void
load_configuration(struct master *m)
{
	struct config_problems problems = {0};
	struct config *c = config_load(m->instance.root, &problems);
	char *why = NULL;

	for (size_t i = 0; i < problems.n; i++)
		if (!problems.items[i].warning)
			refuse(m, EX_CONFIG, "%s: %s (sambarctl check shows all of %zu error(s))",
			    problems.items[i].where, problems.items[i].text, problems.n_errors);
	config_problems_free(&problems);
	if (!config_bool(c, "common", "Act As Mail Server"))
		refuse(m, EX_CONFIG, "nothing is started: [common] Act As Mail Server is false");
	if (instance_use(&m->instance, c, &why) == -1)
		refuse(m, EX_CONFIG, "%s", why);
}

/* Our own lines take the way of everybody's: through a pipe, stamped, into a file. */
static void
open_logs(struct master *m)
{
	char path[PATH_MAX + 8];
	int end;

	snprintf(path, sizeof path, "%s/log", m->instance.root);
	if (logfile_open(path) == -1)
		refuse(m, EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (m->terminal != -1 && !journal_open(m->terminal))
		logfile_echo(m->terminal);
	if ((end = log_pipe_new(m->base, "master", &m->own_log)) == -1)
		refuse(m, EX_OSERR, "cannot make a pipe: %s", strerror(errno));
	log_pipe_set_pid(m->own_log, getpid());
	/* Never wait for ourselves: a full pipe loses a line. */
	if (fcntl(end, F_SETFL, O_NONBLOCK) == -1 || dup2(end, STDERR_FILENO) == -1)
		refuse(m, EX_OSERR, "cannot redirect standard error: %s", strerror(errno));
	closefd(&end);
}

static void
start(struct master *m, const char *root)
{
	char *why = NULL;

	umask(022);
	if (instance_open(&m->instance, root, &why) == -1)
		refuse(m, EX_CONFIG, "%s", why);
	load_configuration(m);
	if (instance_lock(&m->instance, &why) == -1)
		refuse(m, EX_TEMPFAIL, "%s", why);
	raise_descriptor_limit();
	if ((m->base = event_base_new()) == NULL)
		refuse(m, EX_OSERR, "cannot make an event base");
	watch_signals(m);
	open_logs(m);
	m->manager = service_manager_new(m->base);
	if (instance_runs_as_root(&m->instance))
		log_warn("there are no accounts sambar-<program> and no Uid Base: all programs run "
			 "as root");
	if (supervisor_start(&m->supervisor, m->base, &m->instance, all_roles, &ops, m, &why) == -1)
		refuse(m, EX_OSERR, "%s", why);
	if ((m->control = control_server_new(&m->supervisor)) == NULL)
		refuse(m, EX_OSERR, "cannot listen on control.sock: %s", strerror(errno));
	mailwatch_start(&m->supervisor);
	certwatch_start(&m->supervisor);
}

static void
loop(struct master *m)
{
	log_info("master " VERSION " started root=%s", m->instance.root);
	log_flush();
	while (!event_base_got_exit(m->base)) {
		if (event_base_loop(m->base, EVLOOP_ONCE) == -1)
			break;
		log_flush();
	}
}

static void
finish(struct master *m)
{
	mailwatch_stop();
	certwatch_stop();
	control_server_free(&m->control);
	service_manager_free(&m->manager);
	supervisor_free(&m->supervisor);
	log_flush();
	closefd(&(int){STDERR_FILENO});
	(void)log_pipe_last_words(m->own_log); /* reads and files the rest */
	log_pipe_release(m->own_log);
	for (size_t i = 0; i < nitems(m->signals); i++)
		event_free(m->signals[i]);
	event_base_free(m->base);
	instance_close(&m->instance);
}

static void __attribute__((noreturn)) usage(void)
{
	dprintf(STDERR_FILENO, "usage: master -d DIR [-f] [-n DESCRIPTOR]\n"
			       "Use sambarctl start.\n");
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	struct master m = {.notify = -1, .terminal = -1};
	const char *root = NULL;
	int option;

	if (argc > 1 && strcmp(argv[1], BACKUP_CHILD_OPTION) == 0)
		return backup_child(argv + 2, argc - 2);
	while ((option = getopt(argc, argv, "d:fn:")) != -1)
		switch (option) {
		case 'd':
			root = optarg;
			break;
		case 'f':
			m.terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
			break;
		case 'n':
			m.notify = atoi(optarg);
			fcntl(m.notify, F_SETFD, FD_CLOEXEC);
			break;
		default:
			usage();
		}
	if (root == NULL || optind != argc)
		usage();
	inherited_take();
	log_open("master");
	start(&m, root);
	loop(&m);
	finish(&m);
	return m.status;
}
