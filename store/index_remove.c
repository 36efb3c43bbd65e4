/*
 * REMOVE: a folder is gone in one moment, by a rename into the inbox's tmp/; its files are removed
 * later, in portions.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"
#include "store/index_folders.h"

enum { REMOVE_AT_ONCE = 500, REMOVE_DEPTH_MAX = 8 };

static const char removing_prefix[] = "removing-";

static int
take_away(struct index *x, const struct folder *f)
{
	struct folder *inbox = index_folder_named(x, folder_role_name(FOLDER_INBOX));
	int tmp = inbox != NULL ? index_open_place(x, inbox, MAILDIR_TMP, O_PATH) : -1, rv = -1;
	struct timespec now;
	char name[64];

	if (tmp == -1)
		return -1;
	if (clock_gettime(CLOCK_REALTIME, &now) == 0) {
		snprintf(name, sizeof name, "%s%lld.%09ld", removing_prefix, (long long)now.tv_sec,
		    now.tv_nsec);
		rv = renameat2(x->directory, f->directory, tmp, name, RENAME_NOREPLACE);
	}
	closefd(&tmp);
	return rv;
}

void
index_remove(struct index *x, struct index_request *q)
{
	uint64_t id = get_u64(&q->fields);
	struct folder *f = index_folder(x, id);

	if (get_end(&q->fields) == -1)
		q->malformed = true;
	else if (f == NULL)
		q->refusal = FOLDERS_NO_FOLDER;
	else if (f->role != FOLDER_PLAIN)
		q->refusal = FOLDERS_BAD_REQUEST;
	else if (take_away(x, f) == -1)
		q->refusal = index_refusal_of(errno);
	if (q->malformed || q->refusal != FOLDERS_GRANTED)
		return;
	x->has_removed = true;
	if (f->subscribed) {
		f->subscribed = false;
		(void)subscriptions_save(x);
	}
	for (size_t i = 0; i < x->n_folders; i++)
		if (x->folders[i]->id == id) {
			index_drop_folder(x, i);
			return;
		}
}

/* Removes what is below at, about max entries in this call. True: it is empty. */
static bool
empty_directory(int at, int depth, int *max)
{
	DIR *d = directory_read(at, "");
	const struct dirent *e;
	bool empty = true;

	if (d == NULL)
		return false;
	while (empty && (e = readdir(d)) != NULL) {
		int below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (--*max < 0) {
			empty = false;
			break;
		}
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		below = depth < REMOVE_DEPTH_MAX ? directory_open(dirfd(d), e->d_name) : -1;
		empty = below != -1 && empty_directory(below, depth + 1, max) &&
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) == 0;
		closefd(&below);
	}
	closedir(d);
	return empty;
}

/* A portion of what was removed. True: there is more of it. */
bool
index_remove_files(struct index *x)
{
	struct folder *inbox = index_folder_named(x, folder_role_name(FOLDER_INBOX));
	int tmp = inbox != NULL ? index_open_place(x, inbox, MAILDIR_TMP, O_RDONLY) : -1;
	DIR *d = tmp != -1 ? fdopendir(tmp) : NULL;
	int max = REMOVE_AT_ONCE;
	const struct dirent *e;

	if (d == NULL) {
		closefd(&tmp);
		return x->has_removed = false;
	}
	while (max > 0 && (e = readdir(d)) != NULL) {
		int fd;

		if (strncmp(e->d_name, removing_prefix, sizeof removing_prefix - 1) != 0)
			continue;
		fd = directory_open(tmp, e->d_name);
		if (fd != -1 && empty_directory(fd, 0, &max))
			(void)unlinkat(tmp, e->d_name, AT_REMOVEDIR);
		closefd(&fd);
	}
	closedir(d);
	return x->has_removed = max <= 0;
}
