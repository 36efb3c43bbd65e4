/*
 * A user's mailbox in the backup of a day, for sambarctl. Reads backup/.
 */
#include "master/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/address.h"
#include "common/capabilities.h"
#include "common/file_rights.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "store/backups.h"

#ifdef SANITIZE
#include <sanitizer/lsan_interface.h>
#endif

void
kept_close(struct kept *k)
{
	closefd(&k->maildir);
	free(k->folders);
}

bool
kept_rights_take(const struct ctl *ctl)
{
	char *path = xasprintf("%s/backup", ctl->root);
	struct stat st;
	bool taken = stat(path, &st) == 0 && file_rights_take(st.st_uid);

	free(path);
	return taken;
}

static int
open_maildir(const struct ctl *ctl, struct kept *k)
{
	char *path = xasprintf("%s/backup/%s/%s", ctl->root, k->day, k->user);
	bool taken = kept_rights_take(ctl);
	int rv = -1;

	k->maildir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (k->maildir != -1)
		rv = maildir_list_folders(k->maildir, &k->folders, &k->n_folders);
	file_rights_return(taken);
	free(path);
	return rv;
}

int
kept_open(const struct ctl *ctl, const char *user, const char *day, struct kept *k)
{
	*k = (struct kept){.maildir = -1, .user = user, .day = day};
	if (day == NULL)
		return ctl_usage(ctl);
	if (!backup_is_day(day) || !address_is_user_name(span_of(user)))
		return ctl_fail(EX_USAGE, "a day is written as 2026-11-26, a user as in user list");
	if (open_maildir(ctl, k) == 0)
		return 0;
	if (errno == ENOENT)
		return ctl_fail(EX_NOINPUT,
		    "there is no backup of %s of that day: sambarctl backup list prints the days",
		    user);
	return ctl_fail(
	    ctl_code_of(errno, EX_IOERR), "the backup of %s: %s", user, strerror(errno));
}

const struct maildir_folder_found *
kept_folder(const struct kept *k, const char *name)
{
	for (size_t i = 0; i < k->n_folders; i++)
		if (k->folders[i].why_not == NULL && strcmp(k->folders[i].name, name) == 0)
			return &k->folders[i];
	return NULL;
}

int
kept_no_folder(const struct kept *k, const char *name)
{
	return ctl_fail(EX_NOINPUT, "the backup of %s has no folder \"%s\"", k->user,
	    log_printable(span_of(name)));
}

static void
add_number(struct settings *s, const char *key, bool there, uint64_t number)
{
	char text[24] = "";

	if (there)
		snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	settings_add(s, "instance", key, text);
}

/* Nobody has use for root's rights, or the supervisor's, where a stranger's mail is looked into. */
static struct settings *
account_of(const struct kept *k)
{
	struct settings *s = settings_new();
	struct stat st = {.st_uid = 0};
	bool can_become = geteuid() == 0 || capabilities_have(CAP_SETUID);
	char root[40] = "";

	if (can_become && fstat(k->maildir, &st) == -1)
		fatal("cannot tell whose the backup is");
	if (can_become)
		snprintf(root, sizeof root, "/proc/self/fd/%d", k->maildir);
	/* To enter it as the root directory; the account follows. */
	if (can_become)
		(void)file_rights_take(st.st_uid);
	settings_add(s, "instance", "Chroot", root);
	add_number(s, "Uid", st.st_uid != 0, st.st_uid);
	add_number(s, "Gid", st.st_uid != 0, st.st_gid);
	return s;
}

void
kept_confine(const struct kept *k)
{
	static struct role role = {.name = "backup"};

#ifdef SANITIZE
	__lsan_do_leak_check(); /* at the end, when it is out of reach, it is not done again */
#endif
	role.settings = account_of(k);
	if ((role.directories[0] = fcntl(k->maildir, F_DUPFD_CLOEXEC, 0)) == -1)
		fatal("cannot keep the backup open");
	role.n_directories = 1;
	role_confine(&role, CONFINE_FILES);
	settings_free(&role.settings);
}
