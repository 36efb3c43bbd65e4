/*
 * sambarctl backup restore: back into the mailbox what is in a backup of it. Reads backup/, which
 * only the owner may; store takes the messages.
 */
#include "master/ctl_restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/header_field.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/import_report.h"
#include "master/import_run.h"
#include "master/kept.h"

enum { HEAD_MAX_BYTES = 64 * 1024 };

/* Which message: its number in the folder's list, the name of its file, or its Message-ID. */
struct choice {
	const char *what;
	uint64_t number; /* 0: none */
	uint64_t found;
};

static struct span
bare_id(struct span id)
{
	id = span_trim(id);
	if (id.len > 2 && id.at[0] == '<' && id.at[id.len - 1] == '>')
		return (struct span){id.at + 1, id.len - 2};
	return id;
}

static bool
has_id(int fd, const char *what)
{
	static char head[HEAD_MAX_BYTES];
	ssize_t n = pread(fd, head, sizeof head, 0);
	struct span header = {head, n > 0 ? n : 0}, name, value;

	while (header_field_next(&header, &name, &value))
		if (span_is_nocase(name, "Message-ID"))
			return span_equal(bare_id(value), bare_id(span_of(what)));
	return false;
}

static bool
is_chosen(void *arg, const struct maildir_contents *c, size_t at)
{
	struct choice *choice = arg;
	const struct maildir_message *m = &c->messages[at];
	bool chosen = choice->number == at + 1;
	int fd = -1;

	if (choice->number == 0) {
		chosen =
		    strcmp(m->file, choice->what) == 0 || span_is(maildir_base(m), choice->what);
		if (!chosen && strchr(choice->what, '@') != NULL &&
		    (fd = maildir_open_message(c, m)) != -1)
			chosen = has_id(fd, choice->what);
		closefd(&fd);
	}
	choice->found += chosen;
	return chosen;
}

/* folder NULL: all of them. choice NULL: all messages. */
static bool
restore_messages(struct import *im, const struct kept *k, const struct maildir_folder_found *folder,
    struct choice *choice)
{
	bool whole = true;

	for (size_t i = 0; i < k->n_folders && !import_is_over(im); i++) {
		const struct maildir_folder_found *f = &k->folders[i];

		if (folder != NULL && folder != f)
			continue;
		if (f->why_not != NULL) {
			ctl_fail(EX_DATAERR, "passed over the folder %s: %s",
			    log_printable(span_of(f->directory)), f->why_not);
			whole = false;
		} else if (!import_maildir_folder(im, k->maildir, f->directory, f->name, true,
			       choice != NULL ? is_chosen : NULL, choice)) {
			whole = false;
		}
	}
	return whole;
}

/* Settings, contacts and the like, where there are none now. */
static bool
restore_documents(struct import *im, const struct kept *k)
{
	DIR *d = directory_read(k->maildir, "documents");
	const struct dirent *e;
	bool whole = true;

	if (d == NULL && errno != ENOENT) {
		ctl_fail(EX_IOERR, "the backup's documents: %s", strerror(errno));
		whole = false;
	}
	while (d != NULL && (e = readdir(d)) != NULL) {
		int fd;

		if (e->d_name[0] == '.' || strchr(e->d_name, '.') != NULL)
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd == -1)
			ctl_fail(EX_IOERR, "the document \"%s\": %s",
			    log_printable(span_of(e->d_name)), strerror(errno));
		whole &= fd != -1 && import_document(im, e->d_name, fd);
		closefd(&fd);
	}
	if (d != NULL)
		closedir(d);
	return whole;
}

static int
restore(const struct ctl *ctl, const struct kept *k, const struct maildir_folder_found *folder,
    struct choice *choice)
{
	struct import *im;
	int code;
	bool whole;

	if ((im = import_open(ctl, k->user, &code)) == NULL)
		return code;
	kept_confine(k);
	whole = restore_messages(im, k, folder, choice);
	if (folder == NULL && choice == NULL)
		whole &= restore_documents(im, k);
	if (choice != NULL && choice->found == 0) {
		ctl_fail(EX_NOINPUT, "the backup of %s of that day has no message \"%s\"", k->user,
		    log_printable(span_of(choice->what)));
		import_close(&im);
		return EX_NOINPUT;
	}
	return import_report(ctl, &im, "restored", whole);
}

int
ctl_backup_restore(struct ctl *ctl, char **args, size_t n)
{
	const char *day = ctl_option(args, &n, "--from");
	const struct maildir_folder_found *folder = NULL;
	struct choice choice = {.what = NULL};
	struct kept k;
	int code;

	if (n < 1 || n > 3)
		return ctl_usage(ctl);
	if ((code = kept_open(ctl, args[0], day, &k)) == 0) {
		if (n > 1)
			folder = kept_folder(&k, args[1]);
		if (n == 3)
			choice.what = args[2];
		else if (n == 2 && folder == NULL)
			choice.what = args[1];
		if (n == 3 && !span_u64(span_of(choice.what), UINT32_MAX, &choice.number))
			choice.number = 0;
		code = n == 3 && folder == NULL
			   ? kept_no_folder(&k, args[1])
			   : restore(ctl, &k, folder, choice.what != NULL ? &choice : NULL);
	}
	kept_close(&k);
	return code;
}
