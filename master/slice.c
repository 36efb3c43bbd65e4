/*
 * What a program is told: its slice of the settings, its sockets and directories, and START.
 */
#include "master/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_tls_check.h"
#include "common/file_rights.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/nameservers.h"

enum { PEM_MAX_BYTES = 60000, LOCAL_USERS_MAX = 10000, LOCAL_USER_NAME_MAX_BYTES = 64 };

static void
send_setting(void *arg, const char *section, const char *key, const char *value)
{
	struct process *p = arg;
	char host[CONFIG_SERVER_NAME_SIZE];
	struct writer w;

	if (strcmp(key, "Mail Server") == 0) {
		config_server_name(p->supervisor->instance->config, host);
		value = host;
	}
	ipc_write(&w, CONTROL_SETTING, 0);
	put_text(&w, section);
	put_text(&w, key);
	put_text(&w, value);
	ipc_channel_send(p->control, &w, -1);
}

static void
send_number(struct process *p, const char *section, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	send_setting(p, section, key, text);
}

/* ---- [instance] and [uids] ---- */

static void
send_instance(struct supervisor *s, struct process *p, const struct program *program)
{
	const struct instance *in = s->instance;
	uid_t uid = instance_uid(in, program->role);

	/* A program in a chroot sees its sockets below /. */
	send_setting(p, "instance", "Chroot", in->accounts.separated ? in->run : "");
	send_setting(p, "instance", "Sockets", in->accounts.separated ? "" : in->run);
	if (uid == (uid_t)-1) {
		send_setting(p, "instance", "Uid", "");
		return;
	}
	send_number(p, "instance", "Uid", uid);
	send_number(p, "instance", "Gid", in->accounts.gid);
	send_number(p, "uids", role_bit_name(ROLE_MASTER), geteuid());
	for (size_t i = 0; i < n_programs; i++)
		send_number(p, "uids", programs[i].name, instance_uid(in, programs[i].role));
}

/* ---- certificate and key: network programs cannot open files ---- */

static void
send_file(struct process *p, const char *section, const char *key, const char *path, const char *so)
{
	static char text[PEM_MAX_BYTES + 1];
	bool taken = file_rights_take_for(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	file_rights_return(taken);
	n = fd != -1 ? read(fd, text, PEM_MAX_BYTES) : -1;
	if (n == -1)
		log_warn("cannot read %s: %s; %s %s", path, strerror(errno), p->program->name, so);
	closefd(&fd);
	text[n < 0 ? 0 : n] = '\0';
	send_setting(p, section, key, text);
	explicit_bzero(text, sizeof text);
}

/* A pair's keys in the configuration, and what the program gets. */
static const char *const server_keys[2][2] = {
    {"Certificate", "Certificate PEM"}, {"Private Key", "Private Key PEM"}};
static const char *const client_keys[2][2] = {
    {"Client Certificate", "Client Certificate PEM"}, {"Client Key", "Client Key PEM"}};

static void
send_pair(struct supervisor *s, struct process *p, const char *section,
    const char *const keys[2][2], const char *so)
{
	for (size_t i = 0; i < 2; i++) {
		const char *path = config_text(s->instance->config, section, keys[i][0]);

		if (path[0] == '\0')
			send_setting(p, section, keys[i][1], "");
		else
			send_file(p, section, keys[i][1], path, so);
	}
}

static void
send_tls(struct supervisor *s, struct process *p)
{
	const struct config *c = s->instance->config;
	static const char kept[] = "goes on with what it has";
	const char *section;
	struct tls_check check;

	send_setting(p, "tls", "Keep", s->renewing ? "true" : "false");
	send_pair(s, p, "tls", server_keys, s->renewing ? kept : "offers no TLS");
	for (size_t i = 0; (section = config_section_at(c, "certificate *", i)) != NULL; i++)
		send_pair(s, p, section, server_keys, s->renewing ? kept : "goes on without it");
	config_tls_check(
	    &check, config_text(c, "tls", "Certificate"), config_text(c, "tls", "Private Key"));
	if (!s->renewing || !check.unusable)
		strlcpy(s->tls_problem, check.unusable ? check.text : "", sizeof s->tls_problem);
}

/* ---- [local users]: smtpd can read no file, and asks the kernel for numbers only ---- */

static void
send_local_users(struct process *p)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;
	char uid[24];

	if (f == NULL) {
		log_warn("cannot read /etc/passwd: %s; local users have no names", strerror(errno));
		return;
	}
	for (size_t n = 0; n < LOCAL_USERS_MAX && (pw = fgetpwent(f)) != NULL; n++) {
		snprintf(uid, sizeof uid, "%lu", (unsigned long)pw->pw_uid);
		if (strlen(pw->pw_name) <= LOCAL_USER_NAME_MAX_BYTES)
			send_setting(p, "local users", uid, pw->pw_name);
	}
	fclose(f);
}

static void
send_resolver(struct supervisor *s, struct process *p)
{
	char list[NAMESERVERS_SIZE];
	bool trust = nameservers_find(s->instance->config, list);

	send_setting(p, "resolver", "Servers", list);
	send_setting(p, "resolver", "Trust AD", trust ? "true" : "false");
}

/* ---- descriptors ---- */

static void
send_descriptor(struct process *p, const char *name, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct writer w;

	if (copy == -1) {
		log_warn("cannot give %s to %s: %s", name, p->program->name, strerror(errno));
		return;
	}
	ipc_write(&w, CONTROL_SOCKET, 0);
	put_text(&w, name);
	ipc_channel_send(p->control, &w, copy);
}

static void
send_listeners(struct supervisor *s, struct process *p, bool all)
{
	for (size_t i = 0; i < s->tcp.n; i++) {
		const struct listening *l = &s->tcp.items[i];

		if (strcmp(l->program, p->program->name) != 0)
			continue;
		send_setting(p, "listeners", l->name, "");
		if (all || l->fresh)
			send_descriptor(p, l->name, l->fd);
	}
}

static void
send_possessions(struct supervisor *s, struct process *p, const struct program *program)
{
	size_t index = program - programs;

	if (program->unix_socket != NULL)
		send_descriptor(p, program->unix_socket, s->unix_sockets[index]);
	for (size_t i = 0; i < nitems(program->directories); i++)
		for (size_t d = 0; program->directories[i] != NULL && d < n_program_directories;
		     d++)
			if (strcmp(program_directories[d].name, program->directories[i]) == 0)
				send_descriptor(p, program->directories[i], s->directories[d]);
	if (s->connections[index] != -1)
		send_descriptor(p, "connections", s->connections[index]);
}

unsigned
slice_workers(const struct supervisor *s, const struct program *program)
{
	const struct config *c = s->instance->config;
	unsigned n = 1;

	if (!(s->roles & program->role))
		return 0;
	if (program->run_key != NULL && !config_bool(c, "mail", program->run_key))
		return 0;
	if (program->workers_key != NULL)
		n = config_u64(c, program->workers_section, program->workers_key);
	if (program->on_demand)
		return n < ON_DEMAND_MAX ? n : ON_DEMAND_MAX;
	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

void
slice_send(struct supervisor *s, struct process *p, const struct slot *slot, bool first)
{
	const struct program *program = slot->program;
	struct writer w;

	if (p->control == NULL)
		return;
	p->ready = false;
	config_slice(s->instance->config, program->role, send_setting, p);
	send_instance(s, p, program);
	if (program->profile == CONFINE_NETWORK || program->profile == CONFINE_WEB)
		send_tls(s, p);
	if (program->profile == CONFINE_OUTGOING) {
		send_pair(s, p, "tls", client_keys, "shows no client certificate");
		send_resolver(s, p);
	}
	if (program->role == ROLE_SMTPD)
		send_local_users(p);
	send_listeners(s, p, first);
	if (first)
		send_possessions(s, p, program);
	ipc_write(&w, CONTROL_START, 0);
	put_u64(&w, p->row);
	put_u64(&w, ROWS_MAX);
	ipc_channel_send(p->control, &w, -1);
}
