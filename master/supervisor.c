/*
 * The supervisor: a table of slots, each with at most one process; deaths are answered at once,
 * then with growing delay.
 */
#include "master/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/connections.h"
#include "common/file_rights.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/role.h"
#include "master/ask.h"
#include "master/command.h"
#include "master/contents.h"
#include "master/demand.h"
#include "master/programs.h"
#include "master/slice.h"
#include "master/token.h"

enum {
	BACKOFF_MAX_S = 60,
	LIVED_LONG_US = 30 * 1000000,
	LOUD_DEATHS = 3,
	LAST_STAGE = 5,
	NO_LIMIT_S = 3600
};

static void advance_stop(struct supervisor *s);

const char *
slot_state_name(const struct slot *slot)
{
	static const char *const names[] = {"off", "starting", "running", "stopping", "backoff"};

	return names[slot->state];
}

static void
look_for_demand(struct supervisor *s)
{
	for (size_t i = 0; i < n_programs; i++)
		if (s->demands[i] != NULL)
			demand_look(s->demands[i]);
}

/* NULL for a program that runs all the time. */
static struct demand *
demand_of(const struct slot *slot)
{
	return slot->supervisor->demands[slot->program - programs];
}

/* Is to have a process, whether there is work or not. */
static bool
must_run(const struct slot *slot)
{
	return slot->wanted && !slot->program->on_demand;
}

/* ---- what processes say ---- */

static void
tell_change(struct supervisor *s)
{
	if (s->ops->on_change != NULL)
		s->ops->on_change(s->arg);
}

static bool
all_run(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n_slots; i++)
		if (must_run(&s->slots[i]) && s->slots[i].state != SLOT_RUNNING)
			return false;
	return true;
}

const struct process *
supervisor_unsettled(const struct supervisor *s)
{
	for (const struct process *p = s->processes; p != NULL; p = p->next)
		if (p->slot != NULL && !p->slot->program->on_demand && (!p->ready || p->draining))
			return p;
	return NULL;
}

bool
supervisor_is_settled(const struct supervisor *s)
{
	if (supervisor_unsettled(s) != NULL)
		return false;
	for (size_t i = 0; i < s->n_slots; i++)
		if (must_run(&s->slots[i]) && s->slots[i].process == NULL &&
		    s->slots[i].state != SLOT_BACKOFF)
			return false;
	return true;
}

static void
on_ready(struct process *p, struct reader *r)
{
	struct supervisor *s = p->supervisor;

	get_text(r, p->protections, sizeof p->protections);
	p->ready = true;
	if (p->slot == NULL || p->slot->state != SLOT_STARTING) {
		tell_change(s);
		return;
	}
	p->slot->state = SLOT_RUNNING;
	if (p->slot->program->on_demand) {
		log_debug("%s[%d] runs: %s", p->program->name, p->pid, p->protections);
		demand_look(demand_of(p->slot));
	} else {
		log_info("%s[%d] runs: %s", p->program->name, p->pid, p->protections);
	}
	if (!s->was_ready && all_run(s)) {
		s->was_ready = true;
		s->ops->on_ready(s->arg);
	}
	tell_change(s);
}

static void
on_process_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct process *p = arg;

	switch (type) {
	case CONTROL_READY:
		on_ready(p, r);
		break;
	case CONTROL_ADMIN_REPLY:
		ask_on_reply(p->supervisor, p, tag, r);
		break;
	case CONTROL_TOKEN:
		token_on_request(p->supervisor, p, tag, r);
		break;
	default:
		if (p->supervisor->ops->on_message != NULL &&
		    !p->supervisor->ops->on_message(p->supervisor->arg, p, type, tag, r))
			log_warn(
			    "%s[%d] sent an unknown message %u", p->program->name, p->pid, type);
	}
}

/* It has hung up: its death follows. */
static void
on_process_close(void *arg)
{
	struct process *p = arg;

	ipc_channel_free(&p->control);
}

/* ---- starting ---- */

static void
on_backoff(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	supervisor_start_slot(arg);
}

unsigned
supervisor_backoff_s(const struct program *program, unsigned deaths)
{
	unsigned seconds = deaths == 0 ? 0 : deaths > 6 ? BACKOFF_MAX_S : 1u << (deaths - 1);

	if (deaths + 1 >= LOUD_DEATHS)
		log_warn("%s KEEPS DYING: %u times in a row; started again in %u s", program->name,
		    deaths + 1, seconds);
	return seconds;
}

static void
start_later(struct slot *slot, bool lived_long)
{
	struct timeval wait = {0};

	if (slot->program->on_demand) {
		slot->state = SLOT_OFF;
		demand_on_death(demand_of(slot), lived_long);
		return;
	}
	if (lived_long)
		slot->fast_deaths = 0;
	wait.tv_sec = supervisor_backoff_s(slot->program, slot->fast_deaths++);
	slot->state = SLOT_BACKOFF;
	evtimer_add(slot->backoff, &wait);
}

/* One that no living process of this program has. */
static unsigned
free_row(const struct supervisor *s, const struct program *program)
{
	bool taken[ROWS_MAX] = {false};
	unsigned row = 0;

	for (const struct process *p = s->processes; p != NULL; p = p->next)
		if (p->program == program)
			taken[p->row] = true;
	while (row < ROWS_MAX - 1 && taken[row])
		row++;
	return row;
}

void
supervisor_start_slot(struct slot *slot)
{
	struct supervisor *s = slot->supervisor;
	struct process *p;

	p = process_start(
	    s->base, s->instance->programs, slot->program, on_process_message, on_process_close);
	if (p == NULL) {
		log_warn("cannot start %s: %s", slot->program->name, strerror(errno));
		start_later(slot, false);
		return;
	}
	p->supervisor = s;
	p->slot = slot;
	p->row = free_row(s, slot->program);
	p->next = s->processes;
	s->processes = p;
	slot->process = p;
	slot->state = SLOT_STARTING;
	slice_send(s, p, slot, true);
}

/* ---- ending ---- */

static void
on_kill_timer(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;

	(void)fd, (void)what;
	log_warn("%s[%d] does not finish: killed", p->program->name, p->pid);
	process_kill(p->pid, instance_uid(p->supervisor->instance, p->program->role));
}

static void
drain(struct process *p)
{
	struct supervisor *s = p->supervisor;
	uint64_t seconds = config_u64(s->instance->config, "timeouts", "Shutdown");
	struct timeval limit = {seconds ? seconds : NO_LIMIT_S, 0};
	struct writer w;

	if (p->draining)
		return;
	p->draining = true;
	if (p->control != NULL) {
		ipc_write(&w, CONTROL_DRAIN, 0);
		ipc_channel_send(p->control, &w, -1);
	}
	p->kill_timer = evtimer_new(s->base, on_kill_timer, p);
	evtimer_add(p->kill_timer, &limit);
}

/* Ends a slot's process; what follows depends on `wanted`. */
static void
end_slot(struct slot *slot)
{
	struct process *p = slot->process;

	evtimer_del(slot->backoff);
	if (p == NULL) {
		slot->state = SLOT_OFF;
		if (must_run(slot))
			supervisor_start_slot(slot);
		return;
	}
	if (slot->program->overlaps) {
		p->slot = NULL;
		slot->process = NULL;
		slot->state = SLOT_OFF;
		drain(p);
		if (must_run(slot))
			supervisor_start_slot(slot);
		return;
	}
	slot->state = SLOT_STOPPING;
	drain(p);
}

static void
fail_start(struct supervisor *s, struct process *p, const char *how)
{
	char sentence[700];
	const char *last = log_pipe_last_words(p->log);

	snprintf(sentence, sizeof sentence, "%s", last[0] ? last : how);
	s->ops->on_failed(s->arg, sentence);
	supervisor_stop(s);
}

static void
slot_lost(struct supervisor *s, struct slot *slot, struct process *p, const char *how)
{
	bool planned = slot->state == SLOT_STOPPING || p->draining;

	slot->process = NULL;
	slot->state = SLOT_OFF;
	if (s->stopping || !slot->wanted)
		return;
	if (planned) {
		supervisor_start_slot(slot);
		return;
	}
	if (!s->was_ready) {
		fail_start(s, p, how);
		return;
	}
	slot->restarts++;
	start_later(slot, monotonic_us() - p->started_us > LIVED_LONG_US);
}

/* It ends by itself when there is no more work. */
static void
on_demand_slot_lost(struct slot *slot, struct process *p, bool ordinary)
{
	slot->process = NULL;
	slot->state = SLOT_OFF;
	if (ordinary) {
		demand_on_end(demand_of(slot));
	} else {
		slot->restarts++;
		start_later(slot, monotonic_us() - p->started_us > LIVED_LONG_US);
	}
}

static void
describe_exit(char *out, size_t size, const struct process *p, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(out, size, "%s[%d] was killed for a FORBIDDEN SYSTEM CALL",
		    p->program->name, p->pid);
	else if (WIFSIGNALED(status))
		snprintf(out, size, "%s[%d] was killed by signal %d (%s)", p->program->name, p->pid,
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "%s[%d] ended with status %d", p->program->name, p->pid,
		    WEXITSTATUS(status));
}

/* Its connections have ended with it. */
static void
clear_counts(const struct supervisor *s, const struct process *p)
{
	int table = s->connections[p->program - programs];

	if (table != -1)
		connections_clear(table, p->row);
}

static void
process_ended(struct supervisor *s, struct process *p, int status)
{
	bool on_demand = p->program->on_demand;
	char how[128];

	describe_exit(how, sizeof how, p, status);
	if (on_demand && status == 0)
		log_debug("%s", how);
	else if (p->draining && status == 0)
		log_info("%s", how);
	else
		log_warn("%s", how);
	for (struct process **at = &s->processes; *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	ask_forget_process(s, p);
	token_forget_process(s, p);
	clear_counts(s, p);
	if (p->slot != NULL && on_demand)
		on_demand_slot_lost(p->slot, p, status == 0);
	else if (p->slot != NULL)
		slot_lost(s, p->slot, p, how);
	process_free(&p);
	tell_change(s);
	look_for_demand(s);
	if (s->stopping)
		advance_stop(s);
}

static struct process *
process_by_pid(struct supervisor *s, pid_t pid)
{
	struct process *p = s->processes;

	while (p != NULL && p->pid != pid)
		p = p->next;
	return p;
}

static void
on_sigchld(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *s = arg;
	int status;
	pid_t pid;

	(void)fd, (void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct process *p = process_by_pid(s, pid);

		if (command_on_death(pid, status))
			continue;
		if (p != NULL)
			process_ended(s, p, status);
	}
}

/* ---- stopping all, stage by stage ---- */

static bool
stage_is_over(struct supervisor *s)
{
	for (struct process *p = s->processes; p != NULL; p = p->next)
		if (p->program->stop_stage <= s->stop_stage)
			return false;
	return true;
}

static void
drain_stage(struct supervisor *s)
{
	for (struct process *p = s->processes; p != NULL; p = p->next)
		if (p->program->stop_stage == s->stop_stage)
			drain(p);
}

static void
advance_stop(struct supervisor *s)
{
	while (stage_is_over(s)) {
		if (s->stop_stage == LAST_STAGE) {
			s->ops->on_stopped(s->arg);
			return;
		}
		s->stop_stage++;
		drain_stage(s);
	}
}

void
supervisor_stop(struct supervisor *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	for (size_t i = 0; i < s->n_slots; i++) {
		s->slots[i].wanted = false;
		evtimer_del(s->slots[i].backoff);
		if (s->slots[i].process == NULL)
			s->slots[i].state = SLOT_OFF;
	}
	look_for_demand(s);
	drain_stage(s);
	advance_stop(s);
}

/* ---- what the configuration wants ---- */

static void
set_wanted(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_slots; i++) {
		struct slot *slot = &s->slots[i];

		slot->wanted = slot->worker < slice_workers(s, slot->program);
	}
}

static void
start_and_end_slots(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_slots; i++) {
		struct slot *slot = &s->slots[i];

		if (must_run(slot) && slot->state == SLOT_OFF)
			supervisor_start_slot(slot);
		else if (!slot->wanted && slot->state != SLOT_OFF && slot->state != SLOT_STOPPING)
			end_slot(slot);
	}
	look_for_demand(s);
}

static const char *
directory_path(const struct instance *in, size_t which)
{
	return program_directory_path(&program_directories[which], in->root, in->config);
}

static bool
uses_directory(const struct program *program, const char *name)
{
	for (size_t i = 0; i < nitems(program->directories) && program->directories[i]; i++)
		if (strcmp(program->directories[i], name) == 0)
			return true;
	return false;
}

static char *
refused_directory(const struct instance *in, const char *path, int error)
{
	bool lacks_right = (error == EPERM || error == EACCES) && in->accounts.separated &&
			   !instance_gives_files(in);
	const char *what = "";

	if (lacks_right && instance_has_below(in->root, path))
		what =
		    "; root makes such a directory, and gives it to its account: sambarctl reload";
	else if (lacks_right)
		what = "; root must make it, and sambarctl reload says for which account";
	return xasprintf("%s: %s%s", path, strerror(error), what);
}

static int
open_directory(struct supervisor *s, size_t which, char **why)
{
	const char *path = directory_path(s->instance, which);
	int fd;

	if (instance_lacks_parent(s->instance->root, path, why))
		return -1;
	fd = instance_directory(s->instance, path, program_directories[which].owner);
	if (fd == -1) {
		*why = refused_directory(s->instance, path, errno);
		return -1;
	}
	closefd(&s->directories[which]);
	s->directories[which] = fd;
	free(s->directory_paths[which]);
	s->directory_paths[which] = xstrdup(path);
	if (program_directories[which].mailboxes)
		instance_adopt_mailboxes(s->instance, fd, NULL);
	return 0;
}

/* ---- start, reload, restart ---- */

static void
tell_listening(struct supervisor *s)
{
	if (s->ops->on_listening != NULL)
		s->ops->on_listening(s->arg, &s->tcp);
}

static int
open_unix_sockets(struct supervisor *s, char **why)
{
	const struct instance *in = s->instance;
	char path[PATH_MAX + 32];

	for (size_t i = 0; i < n_programs; i++) {
		if (programs[i].unix_socket == NULL)
			continue;
		snprintf(path, sizeof path, "%s/%s", in->run, programs[i].unix_socket);
		s->unix_sockets[i] = sockets_bind_unix(path, in->accounts.separated ? 0660 : 0600,
		    in->accounts.separated ? in->accounts.gid : (gid_t)-1);
		if (s->unix_sockets[i] == -1) {
			*why = xasprintf("%s: %s", path, strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* Whoever starts the instance next may not be able to use those of ours. */
static void
close_unix_sockets(struct supervisor *s)
{
	char path[PATH_MAX + 32];

	for (size_t i = 0; i < n_programs; i++) {
		if (s->unix_sockets[i] == -1)
			continue;
		snprintf(path, sizeof path, "%s/%s", s->instance->run, programs[i].unix_socket);
		(void)unlink(path);
		closefd(&s->unix_sockets[i]);
	}
}

static int
make_connection_tables(struct supervisor *s, char **why)
{
	for (size_t i = 0; i < n_programs; i++) {
		if (programs[i].workers_key == NULL || programs[i].on_demand)
			continue;
		s->connections[i] = memfd_create("connections", MFD_CLOEXEC);
		if (s->connections[i] == -1 ||
		    ftruncate(s->connections[i], connections_size(ROWS_MAX)) == -1) {
			*why = xasprintf("cannot make shared memory: %s", strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int
open_all(struct supervisor *s, char **why)
{
	struct sockets none = {0};
	bool network = s->roles & (ROLE_SMTPD | ROLE_POP3D | ROLE_WEBD);

	if (network &&
	    sockets_bind(&s->tcp, &none, s->instance->config, s->instance->run, why) == -1)
		return -1;
	for (size_t i = 0; i < n_program_directories; i++)
		if ((s->roles & program_directories[i].owner) && open_directory(s, i, why) == -1)
			return -1;
	if (open_unix_sockets(s, why) == -1)
		return -1;
	return make_connection_tables(s, why);
}

static unsigned
processes_max(const struct program *program)
{
	return program->on_demand ? ON_DEMAND_MAX : WORKERS_MAX;
}

static void
make_slots(struct supervisor *s)
{
	size_t at = 0;

	for (size_t i = 0; i < n_programs; i++)
		s->n_slots += processes_max(&programs[i]);
	s->slots = xcalloc(s->n_slots, sizeof *s->slots);
	for (size_t i = 0; i < n_programs; i++)
		for (unsigned worker = 0; worker < processes_max(&programs[i]); worker++)
			s->slots[at++] = (struct slot){
			    .supervisor = s, .program = &programs[i], .worker = worker};
	for (size_t i = 0; i < s->n_slots; i++)
		s->slots[i].backoff = evtimer_new(s->base, on_backoff, &s->slots[i]);
}

static void
watch_for_demand(struct supervisor *s)
{
	for (size_t i = 0; i < n_programs; i++)
		if (programs[i].on_demand)
			s->demands[i] = demand_new(s, &programs[i], s->unix_sockets[i]);
}

int
supervisor_start(struct supervisor *s, struct event_base *base, struct instance *in, unsigned roles,
    const struct supervisor_ops *ops, void *arg, char **why)
{
	*s = (struct supervisor){
	    .base = base, .instance = in, .roles = roles, .ops = ops, .arg = arg};
	s->started_us = monotonic_us();
	log_set_debug(config_bool(in->config, "log", "Debug"));
	memset(s->unix_sockets, -1, sizeof s->unix_sockets);
	memset(s->directories, -1, sizeof s->directories);
	for (size_t i = 0; i < nitems(s->left); i++)
		s->left[i].dir = -1;
	memset(s->connections, -1, sizeof s->connections);
	make_slots(s);
	if (open_all(s, why) == -1) {
		supervisor_free(s);
		return -1;
	}
	s->sigchld = evsignal_new(base, SIGCHLD, on_sigchld, s);
	event_add(s->sigchld, NULL);
	tell_listening(s);
	watch_for_demand(s);
	set_wanted(s);
	start_and_end_slots(s);
	return 0;
}

static void
forget_left(struct supervisor *s, size_t which)
{
	closefd(&s->left[which].dir);
	free(s->left[which].path);
	s->left[which].path = NULL;
}

void
supervisor_free(struct supervisor *s)
{
	ask_free(s);
	if (s->sigchld != NULL)
		event_free(s->sigchld);
	s->sigchld = NULL;
	for (size_t i = 0; i < n_programs; i++)
		demand_free(&s->demands[i]);
	for (size_t i = 0; i < s->n_slots; i++)
		event_free(s->slots[i].backoff);
	free(s->slots);
	s->slots = NULL;
	s->n_slots = 0;
	sockets_close(&s->tcp, s->instance->run);
	close_unix_sockets(s);
	for (size_t i = 0; i < nitems(s->directories); i++) {
		closefd(&s->directories[i]);
		free(s->directory_paths[i]);
		s->directory_paths[i] = NULL;
		forget_left(s, i);
	}
	for (size_t i = 0; i < nitems(s->connections); i++)
		closefd(&s->connections[i]);
}

static void
tell_notice(json_t *notices, const char *sentence)
{
	log_warn("%s", sentence);
	json_array_append_new(notices, json_string(sentence));
}

void
supervisor_tell_left(struct supervisor *s, json_t *notices)
{
	for (size_t i = 0; i < n_program_directories; i++) {
		const char *key = program_directories[i].key;
		char *sentence;
		bool taken;

		if (s->left[i].dir == -1 || key == NULL)
			continue;
		taken = file_rights_take(instance_uid(s->instance, program_directories[i].owner));
		sentence = contents_left_behind(key, s->left[i].dir, s->left[i].path);
		file_rights_return(taken);
		if (sentence != NULL)
			tell_notice(notices, sentence);
		free(sentence);
		forget_left(s, i);
	}
}

/* A guardian keeps its directory: another path takes another process. */
static void
move_directory(struct supervisor *s, size_t which, json_t *notices)
{
	char *why = NULL, *sentence;

	forget_left(s, which);
	s->left[which].dir = fcntl(s->directories[which], F_DUPFD_CLOEXEC, 3);
	s->left[which].path = xstrdup(s->directory_paths[which]);
	if (open_directory(s, which, &why) == -1) {
		sentence = xasprintf("%s: %s; %s stays in use", program_directories[which].key, why,
		    s->directory_paths[which]);
		tell_notice(notices, sentence);
		free(sentence);
		free(why);
		forget_left(s, which);
		return;
	}
	for (size_t i = 0; i < s->n_slots; i++)
		if ((s->slots[i].state == SLOT_RUNNING || s->slots[i].state == SLOT_STARTING) &&
		    uses_directory(s->slots[i].program, program_directories[which].name))
			end_slot(&s->slots[i]);
}

/* One that could not be moved by the last reload is tried, and told of, again. */
static void
renew_directories(struct supervisor *s, json_t *notices)
{
	for (size_t i = 0; i < n_program_directories; i++) {
		const char *path = directory_path(s->instance, i);

		if (s->directories[i] == -1)
			continue;
		if (strcmp(s->directory_paths[i], path) != 0)
			move_directory(s, i, notices);
		else if (program_directories[i].mailboxes)
			instance_adopt_mailboxes(s->instance, s->directories[i], NULL);
	}
}

static void
send_slices(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_slots; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->process != NULL && slot->wanted && !slot->process->draining)
			slice_send(s, slot->process, slot, false);
	}
	for (size_t i = 0; i < s->tcp.n; i++)
		s->tcp.items[i].fresh = false;
}

void
supervisor_renew(struct supervisor *s)
{
	s->renewing = true;
	send_slices(s);
	s->renewing = false;
}

int
supervisor_reload(struct supervisor *s, struct config *config, json_t *notices, char **why)
{
	struct sockets tcp;

	if (!config_bool(config, "common", "Act As Mail Server")) {
		*why = xstrdup("Act As Mail Server is false: use sambarctl stop");
		return -1;
	}
	if (sockets_bind(&tcp, &s->tcp, config, s->instance->run, why) == -1)
		return -1;
	s->tcp = tcp;
	tell_listening(s);
	if (instance_waits_for_accounts(s->instance, config))
		json_array_append_new(notices,
		    json_string("Uid Base takes effect at the next stop and start: until then the "
				"programs keep the accounts that they have"));
	instance_replace(s->instance, config);
	log_set_debug(config_bool(config, "log", "Debug"));
	set_wanted(s);
	send_slices(s);
	start_and_end_slots(s);
	renew_directories(s, notices);
	return 0;
}

int
supervisor_restart(struct supervisor *s, const char *program)
{
	bool known = false;
	int n = 0;

	for (size_t i = 0; i < s->n_slots; i++) {
		struct slot *slot = &s->slots[i];

		if (program != NULL && strcmp(slot->program->name, program) != 0)
			continue;
		known = true;
		n += slot->wanted;
		slot->fast_deaths = 0;
		if (slot->wanted && slot->state != SLOT_STOPPING)
			end_slot(slot);
	}
	for (size_t i = 0; i < n_programs; i++)
		if (s->demands[i] != NULL &&
		    (program == NULL || strcmp(programs[i].name, program) == 0))
			demand_forgive(s->demands[i]);
	return known ? n : -1;
}

struct process *
supervisor_process(struct supervisor *s, const char *program)
{
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].process != NULL && strcmp(s->slots[i].program->name, program) == 0)
			return s->slots[i].process;
	return NULL;
}
