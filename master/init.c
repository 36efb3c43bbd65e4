/*
 * Making an instance: directories, the shipped configuration with the instance's values, a
 * certificate. Writes below the instance's directory only.
 */
#include "master/init.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config.h"
#include "common/memory.h"
#include "master/init_certificate.h"
#include "master/shipped_conf.h"

/* config/ appears by a rename. Programs under their own accounts pass through the 0711 ones. */
static const struct {
	const char *name;
	mode_t mode;
} directories[] = {{"mail", 0711}, {"mail/mbox", 0700}, {"spool", 0700}, {"failures", 0700},
    {"log", 0750}, {"run", 0711}, {"backup", 0700}};

static const struct {
	const char *key;
	unsigned port;
} ports[] = {{"SMTP", 25}, {"Submission", 587}, {"SMTPS", 465}, {"POP3", 110}, {"POP3S", 995},
    {"HTTP", 80}, {"HTTPS", 443}};

/* Files of the configuration being made, below its own temporary root. */
static const char *const made[] = {
    "config/config.ini", "config/mail.ini", "config/tls.crt", "config/tls.key", "config"};

static int
refuse(char **why, int code, const char *path)
{
	*why = xasprintf("%s: %s", path, strerror(errno));
	return code;
}

/* ---- the directory ---- */

static int
make_directory(const char *path, mode_t mode, char **why)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	return refuse(why, EX_CANTCREAT, path);
}

static int
check_is_free(const char *dir, char **why)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, made[i]);
		if (access(path, F_OK) == 0) {
			*why = xasprintf("%s is an instance already: it has %s", dir, made[i]);
			return EX_CANTCREAT;
		}
	}
	return 0;
}

/* The supervisor would refuse it: sockets lie below, and their paths are short. */
static int
check_length(const char *dir, char **why)
{
	char *absolute = realpath(dir, NULL);
	bool too_long = absolute != NULL && strlen(absolute) > INIT_DIR_MAX_BYTES;

	if (too_long)
		*why =
		    xasprintf("%s: the path is longer than %d bytes", absolute, INIT_DIR_MAX_BYTES);
	free(absolute);
	return too_long ? EX_CANTCREAT : 0;
}

static int
make_directories(const char *dir, char **why)
{
	char path[PATH_MAX];
	int code = 0;

	for (size_t i = 0; i < nitems(directories) && code == 0; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, directories[i].name);
		code = make_directory(path, directories[i].mode, why);
	}
	return code;
}

/* ---- the configuration ---- */

static int
write_file(const char *root, const char *name, struct span text, char **why)
{
	char path[PATH_MAX];
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "%s/%s", root, name);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640)) == -1)
		return refuse(why, EX_CANTCREAT, path);
	n = write(fd, text.at, text.len);
	closefd(&fd);
	if (n == (ssize_t)text.len)
		return 0;
	if (n >= 0)
		errno = ENOSPC;
	return refuse(why, EX_IOERR, path);
}

static int
set(const char *root, const char *section, const char *key, const char *value, char **why)
{
	return config_set(root, section, key, value, why) == 0 ? 0 : EX_DATAERR;
}

static int
set_values(const char *root, const struct init_wishes *wishes, char **why)
{
	char value[64];
	int code = set(root, "mail", "Mail Server", wishes->host, why);

	if (code == 0 && strcasecmp(wishes->host, wishes->domain) != 0)
		code = set(root, "smtpd", "Local Domains", wishes->domain, why);
	if (code == 0)
		code = set(root, "common", "Act As Mail Server", "true", why);
	for (size_t i = 0; i < nitems(ports) && code == 0; i++) {
		snprintf(
		    value, sizeof value, "127.0.0.1:%" PRIu64, wishes->port_base + ports[i].port);
		code = set(root, "listen", ports[i].key, value, why);
	}
	if (code == 0 && wishes->uid_base != 0) {
		snprintf(value, sizeof value, "%" PRIu64, wishes->uid_base);
		code = set(root, "common", "Uid Base", value, why);
	}
	return code;
}

static int
write_certificate(const char *root, const char *host, char **why)
{
	char certificate[PATH_MAX], key[PATH_MAX];

	snprintf(certificate, sizeof certificate, "%s/config/tls.crt", root);
	snprintf(key, sizeof key, "%s/config/tls.key", root);
	return init_certificate(host, certificate, key, why) == 0 ? 0 : EX_SOFTWARE;
}

static int
make_configuration(const char *root, const struct init_wishes *wishes, char **why)
{
	char path[PATH_MAX];
	int code;

	snprintf(path, sizeof path, "%s/config", root);
	if ((code = make_directory(path, 0711, why)) != 0 ||
	    (code = write_file(root, made[0], shipped_config_ini(), why)) != 0 ||
	    (code = write_file(root, made[1], shipped_mail_ini(), why)) != 0 ||
	    (code = set_values(root, wishes, why)) != 0)
		return code;
	return write_certificate(root, wishes->host, why);
}

/* The commit point: from here on it is an instance. */
static int
publish(const char *root, const char *dir, char **why)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof from, "%s/config", root);
	snprintf(to, sizeof to, "%s/config", dir);
	return rename(from, to) == 0 ? 0 : refuse(why, EX_CANTCREAT, to);
}

static void
clean_up(const char *root)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < nitems(made); i++) {
		snprintf(path, sizeof path, "%s/%s", root, made[i]);
		(void)remove(path); /* what was published is not there any more */
	}
	(void)rmdir(root);
}

int
init_instance(const char *dir, const struct init_wishes *wishes, char **why)
{
	char root[PATH_MAX];
	int code;

	umask(022);
	if (snprintf(root, sizeof root, "%s/.init-XXXXXX", dir) > PATH_MAX - 64) {
		errno = ENAMETOOLONG;
		return refuse(why, EX_CANTCREAT, dir);
	}
	if ((code = make_directory(dir, 0755, why)) != 0 || (code = check_is_free(dir, why)) != 0 ||
	    (code = check_length(dir, why)) != 0)
		return code;
	if (mkdtemp(root) == NULL)
		return refuse(why, EX_CANTCREAT, root);
	if ((code = make_configuration(root, wishes, why)) == 0 &&
	    (code = make_directories(dir, why)) == 0)
		code = publish(root, dir, why);
	clean_up(root);
	return code;
}
