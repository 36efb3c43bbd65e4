/*
 * sambarctl start, stop, restart, reload, check: the life of an instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config.h"
#include "common/memory.h"
#include "master/accounts.h"
#include "master/control.h"
#include "master/ctl.h"
#include "master/ctl_link.h"
#include "master/describe.h"

enum { SENTENCE_MAX_BYTES = 2000 };

/* ---- check ---- */

static void
print_problems(const struct config_problems *problems, FILE *f)
{
	for (size_t i = 0; i < problems->n; i++)
		fprintf(f, "%s: %s%s\n", problems->items[i].where,
		    problems->items[i].warning ? "warning: " : "", problems->items[i].text);
}

/* Known of this host, not of the files. To be freed; NULL: nothing, or the files have errors. */
static char *
accounts_problem(const struct config *c, const struct config_problems *problems)
{
	return problems->n_errors == 0 ? accounts_warning(config_u64(c, "common", "Uid Base"))
				       : NULL;
}

static void
print_accounts(const char *problem, FILE *f)
{
	if (problem != NULL)
		fprintf(f, "config/config.ini: warning: %s\n", problem);
}

static void
print_check(const struct ctl *ctl, const struct config_problems *problems, const char *accounts)
{
	json_t *list;

	if (!ctl->json) {
		print_accounts(accounts, stdout);
		print_problems(problems, stdout);
		return;
	}
	list = describe_problems(problems);
	if (accounts != NULL)
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:b}", "where", "config/config.ini", "text",
			      accounts, "warning", 1));
	ctl_print_json(
	    json_pack("{s:I, s:o}", "errors", (json_int_t)problems->n_errors, "problems", list));
}

int
ctl_check(struct ctl *ctl, char **args, size_t n)
{
	struct config_problems problems = {0};
	struct config *c;
	char *accounts;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	c = config_load(ctl->root, &problems);
	accounts = accounts_problem(c, &problems);
	code = problems.n_errors > 0 ? EX_CONFIG : 0;
	print_check(ctl, &problems, accounts);
	if (code != 0)
		ctl_fail(code, "the configuration has %zu error(s)", problems.n_errors);
	else if (!ctl->json)
		puts(problems.n > 0 || accounts != NULL
			 ? "The configuration can be used; see the warnings."
			 : "The configuration is in order.");
	free(accounts);
	config_problems_free(&problems);
	config_free(&c);
	return code;
}

/* ---- start ---- */

/* 0 when there is something to start. */
static int
check_before_start(const struct ctl *ctl)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	char *accounts = accounts_problem(c, &problems);
	int code = 0;

	print_accounts(accounts, stderr);
	print_problems(&problems, stderr);
	if (problems.n_errors > 0)
		code = ctl_fail(EX_CONFIG, "nothing is started: the configuration has %zu error(s)",
		    problems.n_errors);
	else if (!config_bool(c, "common", "Act As Mail Server"))
		code = ctl_fail(EX_CONFIG,
		    "nothing is started: [common] Act As Mail Server in config/config.ini is "
		    "false");
	free(accounts);
	config_problems_free(&problems);
	config_free(&c);
	return code;
}

/* master lies beside sambarctl, or in ../lib/sambar. */
static int
find_master(char path[PATH_MAX])
{
	static const char *const places[] = {"master", "../lib/sambar/master"};
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	if (len == -1)
		return ctl_fail(
		    EX_OSERR, "cannot find out where sambarctl lies: %s", strerror(errno));
	self[len] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	for (size_t i = 0; i < nitems(places); i++)
		if (snprintf(path, PATH_MAX, "%s%s", self, places[i]) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return 0;
	return ctl_fail(EX_UNAVAILABLE,
	    "the program master is neither in %s nor in %s../lib/sambar", self, self);
}

static int
run_in_foreground(const struct ctl *ctl, const char *master)
{
	execl(master, "master", "-d", ctl->root, "-f", (char *)NULL);
	return ctl_fail(EX_OSERR, "%s: %s", master, strerror(errno));
}

/* In the child: no terminal, nothing inherited but the pipe. */
static void __attribute__((noreturn))
become_master(const struct ctl *ctl, const char *master, int notify)
{
	int null = open("/dev/null", O_RDWR);
	char descriptor[16], sentence[SENTENCE_MAX_BYTES];

	for (int fd = 0; fd <= 2; fd++)
		if (null == -1 || dup2(null, fd) == -1)
			_exit(EX_OSERR);
	setsid();
	/* It may be descriptor 3 already: then only the flag is to go. */
	if (dup2(notify, 3) == -1 || fcntl(3, F_SETFD, 0) == -1)
		_exit(EX_OSERR);
	closefrom(4);
	snprintf(descriptor, sizeof descriptor, "%d", 3);
	execl(master, "master", "-d", ctl->root, "-n", descriptor, (char *)NULL);
	snprintf(sentence, sizeof sentence, "%s: %s", master, strerror(errno));
	(void)!write(3, sentence, strlen(sentence));
	_exit(EX_OSERR);
}

/* What master says until it closes the pipe. */
static void
read_sentence(int fd, char out[SENTENCE_MAX_BYTES])
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, out + len, SENTENCE_MAX_BYTES - 1 - len)) != 0) {
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0)
			len += n;
	}
	while (len > 0 && out[len - 1] == '\n')
		len--;
	out[len] = '\0';
}

static int
run_in_background(const struct ctl *ctl, const char *master)
{
	char sentence[SENTENCE_MAX_BYTES];
	int ends[2], status;
	pid_t pid;

	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		return ctl_fail(EX_OSERR, "cannot start a program: %s", strerror(errno));
	if (pid == 0)
		become_master(ctl, master, ends[1]);
	closefd(&ends[1]);
	read_sentence(ends[0], sentence);
	closefd(&ends[0]);
	if (strcmp(sentence, "ready") == 0) {
		ctl_done(ctl, "%s runs: pid %d", ctl->root, pid);
		ctl_link_tell(ctl);
		return 0;
	}
	/* until what had been started has ended */
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 0)
		status = EX_SOFTWARE;
	else
		status = WEXITSTATUS(status);
	return ctl_fail(status, "%s",
	    sentence[0] != '\0' ? sentence : "the supervisor ended; see log/master.log");
}

int
ctl_start(struct ctl *ctl, char **args, size_t n)
{
	bool foreground = ctl_flag(args, &n, "--foreground");
	char master[PATH_MAX];
	int code, sock;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	sock = ctl_connect(ctl, &code);
	if (code != 0)
		return code;
	if (sock != -1) {
		closefd(&sock);
		return ctl_done(ctl, "%s runs already", ctl->root);
	}
	if ((code = check_before_start(ctl)) != 0 || (code = find_master(master)) != 0)
		return code;
	return foreground ? run_in_foreground(ctl, master) : run_in_background(ctl, master);
}

/* ---- stop ---- */

/* The connection ends shortly before the process does, and its lock with it. */
static void
wait_for_lock(const struct ctl *ctl)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/run/master.pid", ctl->root);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	while (flock(fd, LOCK_SH) == -1 && errno == EINTR)
		;
	closefd(&fd);
}

static void
wait_for_end(int sock)
{
	char byte;
	ssize_t n;

	do
		n = read(sock, &byte, 1);
	while (n > 0 || (n == -1 && errno == EINTR));
}

int
ctl_stop(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"stop"};
	int code, sock;
	json_t *doc;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	sock = ctl_connect(ctl, &code);
	if (code != 0)
		return code;
	if (sock == -1)
		return ctl_done(ctl, "%s does not run", ctl->root);
	code = control_request(sock, words, 1, &doc);
	if (code == 0) {
		wait_for_end(sock);
		wait_for_lock(ctl);
		code = ctl_done(ctl, "%s has stopped", ctl->root);
	} else
		ctl_fail(code, "%s", ctl_text(doc, "error"));
	json_decref(doc);
	closefd(&sock);
	return code;
}

/* ---- restart, reload ---- */

/* A restart does not read the files: who has changed them may think so. */
static void
tell_unused_files(const struct ctl *ctl)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);

	if (problems.n_errors > 0)
		ctl_fail(0,
		    "the configuration has %zu error(s) (sambarctl check): the programs go on with "
		    "the settings of the last start or reload",
		    problems.n_errors);
	config_problems_free(&problems);
	config_free(&c);
}

int
ctl_restart(struct ctl *ctl, char **args, size_t n)
{
	const char *const words[] = {"restart", n > 0 ? args[0] : NULL};
	int code;

	if (n > 1 || (n == 1 && args[0][0] == '-'))
		return ctl_misuse(ctl, args, n, 1);
	code = ctl_tell(ctl, false, words, 1 + n);
	if (code != 0)
		return code;
	tell_unused_files(ctl);
	return n > 0 ? ctl_done(ctl, "%s was restarted", args[0])
		     : ctl_done(ctl, "all programs were restarted");
}

int
ctl_reload(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"reload"};
	json_t *doc;
	int code, sock;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if ((sock = ctl_connect(ctl, &code)) != -1)
		ctl_owners_before_reload(ctl, sock);
	closefd(&sock);
	if (code != 0 || (code = ctl_ask(ctl, false, words, 1, &doc)) != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	ctl_print_problems(doc);
	ctl_print_notices(doc);
	json_decref(doc);
	return ctl_done(ctl, "the configuration was reloaded");
}
