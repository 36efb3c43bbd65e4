/*
 * sambarctl import: an mbox or a Maildir of another system into a user's mailbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/import_report.h"
#include "master/import_run.h"

struct wishes {
	const char *file, *user, *folder; /* folder NULL: INBOX */
};

static int
fail_open(const char *file)
{
	return ctl_fail(ctl_code_of(errno, EX_NOINPUT), "%s: %s", log_printable(span_of(file)),
	    strerror(errno));
}

/* 0, or the exit code of what was told. */
static int
read_wishes(const struct ctl *ctl, char **args, size_t *n, struct wishes *w)
{
	w->user = ctl_option(args, n, "--user");
	w->folder = ctl_option(args, n, "--folder");
	if (w->user == NULL || *n != 1 || (args[0][0] == '-' && args[0][1] != '\0'))
		return ctl_usage(ctl);
	w->file = args[0];
	return 0;
}

static int
import_from_mbox(struct ctl *ctl, char **args, size_t n)
{
	struct wishes w;
	struct import *im;
	int code = read_wishes(ctl, args, &n, &w), fd;
	bool whole;

	if (code != 0)
		return code;
	fd = strcmp(w.file, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				      : open(w.file, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return fail_open(w.file);
	if ((im = import_open(ctl, w.user, &code)) != NULL) {
		whole = import_mbox(im, fd, w.folder != NULL ? w.folder : "INBOX");
		code = import_report(ctl, &im, "imported", whole);
	}
	closefd(&fd);
	return code;
}

/* Below --folder, or by its own name. */
static bool
print_target(const struct maildir_folder_found *f, const char *below, char *out, size_t size)
{
	if (below == NULL)
		return strlcpy(out, f->name, size) < size;
	if (f->directory[0] == '\0')
		return strlcpy(out, below, size) < size;
	return (size_t)snprintf(out, size, "%s/%s", below, f->name) < size;
}

static bool
import_folders(struct import *im, int maildir, const char *below,
    const struct maildir_folder_found *f, size_t n)
{
	char to[FOLDERS_NAME_MAX_BYTES + 1];
	bool whole = true;

	for (size_t i = 0; i < n && !import_is_over(im); i++)
		if (f[i].why_not != NULL || !print_target(&f[i], below, to, sizeof to)) {
			ctl_fail(EX_DATAERR, "passed over the folder %s: %s",
			    log_printable(span_of(f[i].directory)),
			    f[i].why_not != NULL ? f[i].why_not : "its name would be too long");
			whole = false;
		} else if (!import_maildir_folder(
			       im, maildir, f[i].directory, to, false, NULL, NULL)) {
			whole = false;
		}
	return whole;
}

static int
import_from_maildir(struct ctl *ctl, char **args, size_t n)
{
	struct maildir_folder_found *list = NULL;
	struct wishes w;
	struct import *im;
	size_t n_folders;
	int code = read_wishes(ctl, args, &n, &w), fd;

	if (code != 0)
		return code;
	fd = open(w.file, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fail_open(w.file);
	if (maildir_list_folders(fd, &list, &n_folders) == -1)
		code = errno == ENOTDIR
			   ? ctl_fail(EX_DATAERR, "%s is no Maildir: it has no cur or new",
				 log_printable(span_of(w.file)))
			   : fail_open(w.file);
	else if ((im = import_open(ctl, w.user, &code)) != NULL)
		code = import_report(
		    ctl, &im, "imported", import_folders(im, fd, w.folder, list, n_folders));
	free(list);
	closefd(&fd);
	return code;
}

int
ctl_import(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {
	    {"mbox", 1, 5, import_from_mbox}, {"maildir", 1, 5, import_from_maildir}};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
