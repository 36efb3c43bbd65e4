/*
 * Folders come to be: those that each mailbox has, CREATE, and the making of a Maildir++ directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "store/index_folders.h"

static int
make_file(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

	if (fd == -1)
		return -1;
	closefd(&fd);
	return 0;
}

/* One with maildirfolder in it is complete; a half made one is completed when it is read. */
int
index_make_directory(struct index *x, const char *directory)
{
	int at, rv = 0;

	if (mkdirat(x->directory, directory, DIRECTORY_MODE) == -1)
		return -1;
	at = openat(x->directory, directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at == -1)
		return -1;
	for (size_t i = 0; i < MAILDIR_FOLDERS && rv == 0; i++)
		rv = mkdirat(at, maildir_folder_name(i), DIRECTORY_MODE);
	if (rv == 0)
		rv = make_file(at, "maildirfolder");
	closefd(&at);
	return rv;
}

int
index_make_roles(struct index *x)
{
	bool made = subscriptions_are_new(x);

	for (size_t i = 0; made && i < x->n_folders; i++)
		x->folders[i]->subscribed = true;
	for (int role = FOLDER_INBOX; role <= FOLDER_ARCHIVE; role++) {
		struct folder *f = index_folder_named(x, folder_role_name(role));
		char directory[FOLDER_DIRECTORY_SIZE];

		if (f == NULL) {
			(void)folder_name_directory(span_of(folder_role_name(role)), directory);
			if (index_make_directory(x, directory) == -1)
				return -1;
			index_add_folder(x, directory, folder_role_name(role));
			f = x->folders[x->n_folders - 1];
			made = f->subscribed = true;
		}
	}
	return made && x->subscriptions_known ? subscriptions_save(x) : 0;
}

/* ---- requests ---- */

enum folders_refusal
index_refusal_of(int error)
{
	switch (error) {
	case EEXIST:
	case ENOTEMPTY:
		return FOLDERS_EXISTS;
	case ENOENT:
		return FOLDERS_NO_FOLDER;
	case ENOSPC:
	case EDQUOT:
	case EMLINK:
		return FOLDERS_FULL;
	case ENAMETOOLONG:
		return FOLDERS_BAD_NAME;
	}
	return FOLDERS_TROUBLE;
}

void
index_create(struct index *x, struct index_request *q)
{
	struct span text = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
	char directory[FOLDER_DIRECTORY_SIZE], name[FOLDERS_NAME_MAX_BYTES + 1];

	if (get_end(&q->fields) == -1)
		q->malformed = true;
	else if (!folder_name_directory(text, directory) || !folder_name_of(directory, name))
		q->refusal = FOLDERS_BAD_NAME;
	else if (index_folder_named(x, name) != NULL)
		q->refusal = FOLDERS_EXISTS;
	else if (x->n_folders >= FOLDERS_MAX)
		q->refusal = FOLDERS_FULL;
	else if (index_make_directory(x, directory) == -1)
		q->refusal = index_refusal_of(errno);
	if (q->malformed || q->refusal != FOLDERS_GRANTED)
		return;
	index_add_folder(x, directory, name);
	x->folders[x->n_folders - 1]->subscribed = true;
	if (subscriptions_save(x) == -1)
		x->folders[x->n_folders - 1]->subscribed = false;
	q->number = x->folders[x->n_folders - 1]->id;
}
