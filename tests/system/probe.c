/*
 * Stands in for one of our programs, with its settings, account and confinement, and tries what an
 * intruder in it would try. What to try are the lines of <own file>.attempts, "WHAT ARGUMENT"; each
 * outcome is a log line "attempt WHAT ARGUMENT: done" or ": <error>".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"

static const struct {
	const char *name, *directory; /* the one that it owns */
	enum confine_profile profile;
} programs[] = {
    {"auth", "users", CONFINE_FILES},
    {"store", "mail", CONFINE_FILES},
    {"queue", "spool", CONFINE_FILES},
    {"router", NULL, CONFINE_ROUTER},
    {"smtpd", NULL, CONFINE_NETWORK},
    {"pop3d", NULL, CONFINE_NETWORK},
    {"webd", NULL, CONFINE_WEB},
    {"deliver", NULL, CONFINE_OUTGOING},
    {"fetcher", "fetcher", CONFINE_FILES},
    {"fetch", NULL, CONFINE_OUTGOING},
    {"indexer", NULL, CONFINE_READER},
};

static int own_directory = -1;

/* ---- attempts: 0 when it worked, -1 with errno ---- */

static int
done_with(int fd)
{
	return fd == -1 ? -1 : close(fd);
}

static int
try_read(const char *path)
{
	return done_with(open(path, O_RDONLY | O_NONBLOCK));
}

static int
try_create(const char *path)
{
	return done_with(open(path, O_WRONLY | O_CREAT, 0600));
}

static int
try_below(const char *path)
{
	return done_with(openat(own_directory, path, O_RDONLY | O_NONBLOCK));
}

static int
try_create_below(const char *path)
{
	return done_with(openat(own_directory, path, O_WRONLY | O_CREAT, 0600));
}

static int
try_link_below(const char *path)
{
	return symlinkat(path, own_directory, "probe-link");
}

static int
try_tcp(const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), rv;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1)
		return -1;
	rv = connect(fd, (struct sockaddr *)&in, sizeof in);
	closefd(&fd);
	return rv;
}

static int
try_udp(const char *unused)
{
	(void)unused;
	return done_with(socket(AF_INET, SOCK_DGRAM, 0));
}

static int
try_listen_on(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM, 0), rv = -1;

	if (fd == -1)
		return -1;
	if (bind(fd, address, len) == 0 || listen(fd, 1) == 0)
		rv = 0;
	closefd(&fd);
	return rv;
}

static int
try_listen(const char *unused)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	(void)unused;
	return try_listen_on((const struct sockaddr *)&in, sizeof in);
}

static int
try_listen6(const char *unused)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	(void)unused;
	return try_listen_on((const struct sockaddr *)&in6, sizeof in6);
}

static int
try_raw(const char *unused)
{
	(void)unused;
	return done_with(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
try_packet(const char *unused)
{
	(void)unused;
	return done_with(socket(AF_PACKET, SOCK_DGRAM, 0));
}

static int
try_netlink(const char *unused)
{
	(void)unused;
	return done_with(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
try_unix(const char *path)
{
	return done_with(ipc_connect(path));
}

static int
try_chmod(const char *path)
{
	return chmod(path, 0777);
}

static int
try_unlink(const char *path)
{
	return unlink(path);
}

static int
try_mkdir(const char *path)
{
	return mkdir(path, 0777);
}

static int
try_setuid(const char *uid)
{
	return setresuid(atoi(uid), atoi(uid), atoi(uid));
}

static int
try_chroot(const char *path)
{
	return chroot(path);
}

static int
try_code(const char *unused)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int
try_exec(const char *path)
{
	char *const argv[] = {(char *)(uintptr_t)path, NULL};

	return execv(path, argv);
}

static int
try_fork(const char *unused)
{
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int
try_kill(const char *pid)
{
	return kill(atoi(pid), 0);
}

static int
try_ptrace(const char *pid)
{
	return ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL) == -1 ? -1 : 0;
}

static int
try_mount(const char *path)
{
	return mount("none", path, "tmpfs", 0, NULL);
}

static const struct {
	const char *what;
	int (*try)(const char *argument);
} attempts[] = {
    {"read", try_read},
    {"create", try_create},
    {"below", try_below},
    {"create-below", try_create_below},
    {"link-below", try_link_below},
    {"tcp", try_tcp},
    {"udp", try_udp},
    {"listen", try_listen},
    {"listen6", try_listen6},
    {"raw", try_raw},
    {"packet", try_packet},
    {"netlink", try_netlink},
    {"unix", try_unix},
    {"chmod", try_chmod},
    {"unlink", try_unlink},
    {"mkdir", try_mkdir},
    {"setuid", try_setuid},
    {"chroot", try_chroot},
    {"code", try_code},
    {"exec", try_exec},
    {"fork", try_fork},
    {"kill", try_kill},
    {"ptrace", try_ptrace},
    {"mount", try_mount},
};

static void
attempt(const char *what, const char *argument)
{
	for (size_t i = 0; i < nitems(attempts); i++) {
		if (strcmp(attempts[i].what, what) != 0)
			continue;
		log_info("trying %s %s", what, argument);
		log_flush();
		if (attempts[i].try(argument) == 0)
			log_info("attempt %s %s: done", what, argument);
		else
			log_info("attempt %s %s: %s", what, argument, strerror(errno));
		return;
	}
	fatalx("no attempt is called %s", what);
}

/* Before the confinement: afterwards no file can be opened. */
static char *
read_attempts(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof ".attempts");
	char *text = xcalloc(1, 65536);
	int fd;

	if (n == -1)
		fatal("readlink");
	path[n] = '\0';
	strlcat(path, ".attempts", sizeof path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 || read(fd, text, 65535) == -1)
		fatal("%s", path);
	closefd(&fd);
	return text;
}

static void
run_attempts(char *text)
{
	char *rest = text, *line, *argument;

	while ((line = strsep(&rest, "\n")) != NULL)
		if ((argument = strchr(line, ' ')) != NULL) {
			*argument++ = '\0';
			attempt(line, argument);
		}
	free(text);
}

int
main(int argc, char **argv)
{
	static const struct role_ops ops = {0};
	static struct role role;
	size_t which = 0;
	char *text;

	(void)argc;
	while (which < nitems(programs) && strcmp(programs[which].name, argv[0]) != 0)
		which++;
	if (which == nitems(programs))
		return 64;
	role_start(&role, programs[which].name, &ops, NULL);
	text = read_attempts();
	if (programs[which].directory != NULL)
		own_directory = role_socket(&role, programs[which].directory);
	role_confine(&role, programs[which].profile);
	run_attempts(text);
	return role_loop(&role);
}
