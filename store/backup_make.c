/*
 * The backup of one day: all mailboxes, the summary, the name. Touches backup/.
 */
#include "store/backup_make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/directory.h"
#include "common/memory.h"
#include "common/write_all.h"

enum { DIRECTORY_MODE = 0700, FILE_MODE = 0600, NAME_SIZE = BACKUP_DAY_SIZE + 16 };

static const char making[] = ".making-", replaced[] = ".replaced-";

int
backup_fail(struct backup_run *r, const char *what)
{
	r->error = errno;
	r->failed = what;
	return -1;
}

/* ---- what is in it ---- */

static int
copy_mailboxes(struct backup_run *r, int day)
{
	DIR *d = directory_read(r->mail, "");
	int rv = 0;
	const struct dirent *e;

	if (d == NULL)
		return backup_fail(r, "read the mail directory");
	for (errno = 0; rv == 0 && (e = readdir(d)) != NULL; errno = 0)
		if (address_is_user_name(span_of(e->d_name)))
			rv = backup_mailbox(r, e->d_name, day);
	if (rv == 0 && errno != 0)
		rv = backup_fail(r, "read the mail directory");
	closedir(d);
	return rv;
}

static int
write_summary(struct backup_run *r, int day)
{
	json_t *doc = backup_to_json(&r->made);
	char *text = json_dumps(doc, JSON_INDENT(2));
	int fd = openat(
	    day, "summary.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	int rv = -1;

	json_decref(doc);
	if (fd != -1 && text != NULL && write_all(fd, text, strlen(text)) == 0 && fsync(fd) == 0)
		rv = 0;
	closefd(&fd);
	free(text);
	return rv == 0 ? 0 : backup_fail(r, "write the summary");
}

static int
set_serial(struct backup_run *r)
{
	struct backup *list;
	size_t n;

	if (backups_read(r->to, &list, &n) == -1)
		return backup_fail(r, "read backup/");
	r->made.serial = n > 0 ? list[n - 1].serial + 1 : 1;
	free(list);
	return 0;
}

static int
fill(struct backup_run *r, int day)
{
	struct timespec begun = {0}, now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	r->made.verified = true;
	if (set_serial(r) == -1 || copy_mailboxes(r, day) == -1)
		return -1;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	r->made.took_s = now.tv_sec - begun.tv_sec;
	if (write_summary(r, day) == -1)
		return -1;
	return syncfs(day) == 0 ? 0 : backup_fail(r, "make the backup durable");
}

/* ---- its name ---- */

/* Where two names cannot be exchanged; backup_recover() finishes it after a crash. */
static int
replace_in_steps(struct backup_run *r, const char *new, const char *old)
{
	if (renameat(r->to, r->made.day, r->to, old) == -1)
		return -1;
	if (renameat(r->to, new, r->to, r->made.day) == 0)
		return 0;
	backup_recover(r->to);
	return -1;
}

/* The commit point. */
static int
publish(struct backup_run *r)
{
	char new[NAME_SIZE], old[NAME_SIZE];
	int rv;

	snprintf(new, sizeof new, "%s%s", making, r->made.day);
	snprintf(old, sizeof old, "%s%s", replaced, r->made.day);
	rv = renameat2(r->to, new, r->to, r->made.day, RENAME_NOREPLACE);
	if (rv == -1 && (errno == EINVAL || errno == ENOSYS))
		rv = renameat(r->to, new, r->to, r->made.day);
	if (rv == -1 && (errno == EEXIST || errno == ENOTEMPTY)) {
		rv = renameat2(r->to, new, r->to, r->made.day, RENAME_EXCHANGE);
		if (rv == -1 && (errno == EINVAL || errno == ENOSYS))
			rv = replace_in_steps(r, new, old);
	}
	if (rv == -1)
		return backup_fail(r, "give the backup its name");
	return fsync(r->to) == 0 ? 0 : backup_fail(r, "make the backup durable");
}

bool
backup_is_leftover(const char *name)
{
	return strncmp(name, making, sizeof making - 1) == 0 ||
	       strncmp(name, replaced, sizeof replaced - 1) == 0;
}

void
backup_recover(int directory)
{
	DIR *d = directory_read(directory, "");
	const size_t n = sizeof replaced - 1;
	struct stat st;
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, replaced, n) == 0 && backup_is_day(e->d_name + n) &&
		    fstatat(directory, e->d_name + n, &st, AT_SYMLINK_NOFOLLOW) == -1 &&
		    errno == ENOENT)
			(void)renameat(directory, e->d_name, directory, e->d_name + n);
	closedir(d);
}

/* ---- all of it ---- */

void
backup_make(struct backup_run *r)
{
	char name[NAME_SIZE];
	int day = -1;

	snprintf(name, sizeof name, "%s%s", making, r->made.day);
	if (mkdirat(r->to, name, DIRECTORY_MODE) == -1 || (day = directory_open(r->to, name)) == -1)
		(void)backup_fail(r, "make a directory in backup/");
	else if (fill(r, day) == 0)
		(void)publish(r);
	closefd(&day);
}
