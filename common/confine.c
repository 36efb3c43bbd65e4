/*
 * Gives up rights for good: account, chroot, no_new_privs, Landlock, seccomp. Called once by each
 * program, when all that it needs by name is open.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"

static void
note(struct role *r, const char *protection)
{
	if (r->protections[0] != '\0')
		strlcat(r->protections, " ", sizeof r->protections);
	strlcat(r->protections, protection, sizeof r->protections);
}

/* ---- account and root directory ---- */

static void
change_root(struct role *r)
{
	const char *directory = settings_text(r->settings, "instance", "Chroot");

	if (directory[0] == '\0')
		return;
	if (chroot(directory) == -1 || chdir("/") == -1)
		fatal("cannot change the root directory to %s", directory);
	note(r, "chroot");
}

static void
change_account(struct role *r)
{
	const char *text = settings_text(r->settings, "instance", "Uid");
	uid_t uid;
	gid_t gid;

	if (text[0] == '\0') {
		if (geteuid() != 0 && capabilities_drop() == -1)
			fatal("cannot give up capabilities");
		return;
	}
	uid = settings_u64(r->settings, "instance", "Uid");
	gid = settings_u64(r->settings, "instance", "Gid");
	if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		fatal("cannot become user %s", text);
	/* From root's account the kernel takes them away by itself, from another it does not. */
	if (capabilities_drop() == -1)
		fatal("cannot give up capabilities");
	if (setuid(0) != -1)
		fatalx("the rights of root were not given up");
	note(r, "account");
}

static void
forbid_new_privileges(struct role *r)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("cannot set no_new_privs");
	note(r, "no_new_privs");
#ifndef SANITIZE
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("cannot become undumpable");
#endif
}

/* ---- Landlock: files below the given directories only, no TCP of its own but what the profile has
 * ---- */

/* Newer than Debian 12's headers; see linux/landlock.h of Linux 6.12. */
struct ruleset_v6 {
	uint64_t handled_access_fs, handled_access_net, scoped;
};
enum {
	ABI_REFER = 2,
	ABI_TRUNCATE = 3,
	ABI_NETWORK = 4,
	ABI_IOCTL = 5,
	ABI_SCOPE = 6,
	NET_BIND_TCP = 1,
	NET_CONNECT_TCP = 2,
	SCOPE_ABSTRACT_UNIX_AND_SIGNAL = 3
};
static const uint64_t fs_v1 = (1 << 13) - 1, fs_refer = 1 << 13, fs_truncate = 1 << 14,
		      fs_ioctl = 1 << 15;

static uint64_t
handled_files(int abi)
{
	return fs_v1 | (abi >= ABI_REFER ? fs_refer : 0) | (abi >= ABI_TRUNCATE ? fs_truncate : 0) |
	       (abi >= ABI_IOCTL ? fs_ioctl : 0);
}

static void
allow_directory(int ruleset, int directory, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.parent_fd = directory,
	    .allowed_access = access & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE};

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == -1)
		fatal("cannot add a Landlock rule");
}

static void
restrict_files(struct role *r, enum confine_profile profile)
{
	int abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_v6 attr = {0};
	size_t size = sizeof attr.handled_access_fs;
	int ruleset;

	if (abi < 1)
		return; /* this kernel has none: status shows it */
	attr.handled_access_fs = handled_files(abi);
	if (abi >= ABI_NETWORK) {
		attr.handled_access_net =
		    NET_BIND_TCP | (profile == CONFINE_OUTGOING ? 0 : NET_CONNECT_TCP);
		size += sizeof attr.handled_access_net;
	}
	if (abi >= ABI_SCOPE) {
		attr.scoped = SCOPE_ABSTRACT_UNIX_AND_SIGNAL;
		size += sizeof attr.scoped;
	}
	if ((ruleset = syscall(SYS_landlock_create_ruleset, &attr, size, 0)) == -1)
		fatal("cannot make a Landlock ruleset");
	for (size_t i = 0; i < r->n_directories; i++)
		allow_directory(ruleset, r->directories[i], attr.handled_access_fs);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		fatal("cannot enforce Landlock");
	close(ruleset);
	note(r, "landlock");
}

/* ---- system calls ---- */

static const int calls_of_all[] = {SCMP_SYS(accept4), SCMP_SYS(brk), SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(close), SCMP_SYS(close_range),
    SCMP_SYS(connect), SCMP_SYS(dup), SCMP_SYS(dup3), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait), SCMP_SYS(eventfd2),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(futex),
    SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpeername), SCMP_SYS(getpid),
    SCMP_SYS(getrandom), SCMP_SYS(getrlimit), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
    SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(getuid), SCMP_SYS(lseek), SCMP_SYS(madvise),
    SCMP_SYS(membarrier), SCMP_SYS(mmap), SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat), SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(pread64),
    SCMP_SYS(preadv), SCMP_SYS(prlimit64), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(read),
    SCMP_SYS(readv), SCMP_SYS(recvfrom), SCMP_SYS(recvmmsg), SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(set_robust_list), SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown), SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(time),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(uname), SCMP_SYS(write),
    SCMP_SYS(writev)};

static const int calls_of_guardians[] = {SCMP_SYS(copy_file_range), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(fadvise64), SCMP_SYS(fallocate), SCMP_SYS(fchdir),
    SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(fstatfs),
    SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(getdents64), SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_init1), SCMP_SYS(inotify_rm_watch), SCMP_SYS(linkat), SCMP_SYS(memfd_create),
    SCMP_SYS(mkdirat), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(readlinkat),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(sendfile), SCMP_SYS(statx),
    SCMP_SYS(sync_file_range), SCMP_SYS(syncfs), SCMP_SYS(unlinkat), SCMP_SYS(utimensat)};

/* Files that have no name. */
static const int calls_of_web[] = {SCMP_SYS(ftruncate), SCMP_SYS(memfd_create)};

/* Whoever tries one of these has been taken over: it is killed, and master says so loudly. */
static const int calls_that_kill[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(mount), SCMP_SYS(umount2),
    SCMP_SYS(pivot_root), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(init_module),
    SCMP_SYS(finit_module), SCMP_SYS(kexec_load), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
    SCMP_SYS(keyctl), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(kill)};

#ifdef SANITIZE
static void
restrict_calls(struct role *r, enum confine_profile profile)
{
	(void)calls_of_all, (void)calls_of_guardians, (void)calls_of_web, (void)calls_that_kill,
	    (void)profile;
	note(r, "(seccomp: not with sanitizers)");
}
#else
/* Without SOCK_CLOEXEC and SOCK_NONBLOCK. */
enum { SOCKET_TYPE_MASK = 0xf };

static void
add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(filter, action, calls[i], 0) != 0)
			fatalx("cannot add a system call to the filter");
}

/* Calls whose arguments matter. */
static int
allow_outgoing(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	int bad = 0;

	for (size_t f = 0; f < nitems(families); f++)
		for (size_t t = 0; t < nitems(types); t++)
			bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			    SCMP_A0(SCMP_CMP_EQ, families[f]),
			    SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, types[t]));
	/* To learn which addresses are this machine's; nobody can listen. */
	bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0);
	return bad;
}

static int
add_careful_rules(scmp_filter_ctx filter, enum confine_profile profile)
{
	int bad = 0;

	/* UNIX sockets only, outgoing ones only, or none: what else is open came from master. */
	if (profile == CONFINE_OUTGOING)
		bad |= allow_outgoing(filter);
	else if (profile != CONFINE_READER)
		bad |= seccomp_rule_add(
		    filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	bad |= seccomp_rule_add(
	    filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	/* Threads, no processes. clone3, whose flags a filter cannot see, is answered ENOSYS. */
	bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	/* Memory is never made executable. */
	bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	/* The name of a thread. */
	bad |= seccomp_rule_add(
	    filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	return bad;
}

/* What is on no list is answered "no such system call", so that a newer libc falls back. */
static void
restrict_calls(struct role *r, enum confine_profile profile)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	if (filter == NULL)
		fatalx("cannot make a system call filter");
	add_rules(filter, SCMP_ACT_ALLOW, calls_of_all, nitems(calls_of_all));
	if (profile == CONFINE_FILES)
		add_rules(filter, SCMP_ACT_ALLOW, calls_of_guardians, nitems(calls_of_guardians));
	if (profile == CONFINE_WEB)
		add_rules(filter, SCMP_ACT_ALLOW, calls_of_web, nitems(calls_of_web));
	add_rules(filter, SCMP_ACT_KILL_PROCESS, calls_that_kill, nitems(calls_that_kill));
	if (add_careful_rules(filter, profile) != 0)
		fatalx("cannot add a system call to the filter");
	if (seccomp_load(filter) != 0)
		fatalx("cannot load the system call filter");
	seccomp_release(filter);
	note(r, "seccomp");
}
#endif

void
role_confine(struct role *r, enum confine_profile profile)
{
	change_root(r);
	change_account(r);
	forbid_new_privileges(r);
	restrict_files(r, profile);
	for (size_t i = 0; i < r->n_directories; i++)
		closefd(&r->directories[i]);
	restrict_calls(r, profile);
}
