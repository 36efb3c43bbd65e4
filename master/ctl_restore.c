/*
 * sambarctl backup list USER and backup restore: what is in a backup, and back into the mailbox.
 * Reads backup/, which only the owner may; store takes the messages.
 */
#include "master/ctl_restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/address.h"
#include "common/directory.h"
#include "common/header_field.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/mime.h"
#include "master/ctl_table.h"
#include "master/import_report.h"
#include "master/import_run.h"
#include "store/backups.h"

enum { HEAD_MAX_BYTES = 64 * 1024, SHOWN_MAX_BYTES = 60 };

/* A user's mailbox of one day. */
struct kept {
	int maildir;
	const char *user, *day;
	struct maildir_folder_found *folders;
	size_t n_folders;
};

static void
close_kept(struct kept *k)
{
	closefd(&k->maildir);
	free(k->folders);
}

/* 0, or the exit code of what was told. */
static int
open_kept(const struct ctl *ctl, const char *user, const char *day, struct kept *k)
{
	char *path;

	*k = (struct kept){.maildir = -1, .user = user, .day = day};
	if (day == NULL)
		return ctl_usage(ctl);
	if (!backup_is_day(day) || !address_is_user_name(span_of(user)))
		return ctl_fail(EX_USAGE, "a day is written as 2026-11-26, a user as in user list");
	path = xasprintf("%s/backup/%s/%s", ctl->root, day, user);
	k->maildir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	if (k->maildir != -1 && maildir_list_folders(k->maildir, &k->folders, &k->n_folders) == 0)
		return 0;
	if (errno == ENOENT)
		return ctl_fail(EX_NOINPUT,
		    "there is no backup of %s of that day: sambarctl backup list prints the days",
		    user);
	return ctl_fail(
	    ctl_code_of(errno, EX_IOERR), "the backup of %s: %s", user, strerror(errno));
}

static const struct maildir_folder_found *
find_folder(const struct kept *k, const char *name)
{
	for (size_t i = 0; i < k->n_folders; i++)
		if (k->folders[i].why_not == NULL && strcmp(k->folders[i].name, name) == 0)
			return &k->folders[i];
	return NULL;
}

static int
no_folder(const struct kept *k, const char *name)
{
	return ctl_fail(EX_NOINPUT, "the backup of %s has no folder \"%s\"", k->user,
	    log_printable(span_of(name)));
}

/* ---- list ---- */

static int
read_folder(const struct kept *k, const struct maildir_folder_found *f, struct maildir_contents *c)
{
	if (maildir_read(k->maildir, f->directory, c) == 0)
		return 0;
	return ctl_fail(EX_IOERR, "%s: %s",
	    f->directory[0] != '\0' ? log_printable(span_of(f->directory)) : "INBOX",
	    strerror(errno));
}

/* code is set when it cannot be read. */
static json_t *
describe_folder(const struct kept *k, const struct maildir_folder_found *f, int *code)
{
	struct maildir_contents c;
	uint64_t bytes = 0;
	json_t *doc;
	int failed = read_folder(k, f, &c);

	if (failed != 0)
		*code = failed;
	for (size_t i = 0; i < c.n; i++)
		bytes += c.messages[i].size;
	doc = json_pack("{s:s, s:I, s:I}", "name", f->why_not == NULL ? f->name : f->directory,
	    "messages", (json_int_t)c.n, "bytes", (json_int_t)bytes);
	maildir_contents_free(&c);
	return doc;
}

static int
list_folders(const struct ctl *ctl, const struct kept *k)
{
	static const char *const headings[] = {"FOLDER", "MESSAGES", "SIZE"};
	json_t *list = json_array(), *f;
	struct ctl_table *t;
	int code = 0, printed;
	size_t i;

	for (i = 0; i < k->n_folders; i++)
		json_array_append_new(list, describe_folder(k, &k->folders[i], &code));
	if (ctl->json) {
		printed = ctl_print_json(json_pack("{s:o}", "folders", list));
		return printed != 0 ? printed : code;
	}
	t = ctl_table_new(headings, nitems(headings));
	json_array_foreach(list, i, f)
	{
		ctl_table_add(t, "%s", ctl_text(f, "name"));
		ctl_table_add(t, "%lld", (long long)ctl_number(f, "messages"));
		ctl_table_add(t, "%s", ctl_size(ctl_number(f, "bytes")));
	}
	ctl_table_print(&t);
	json_decref(list);
	return code;
}

static void
add_text(json_t *doc, const struct mime *m, const char *key, const char *field)
{
	char *text = m != NULL ? mime_field_text(m, field, MIME_ID_MAX_BYTES) : NULL;

	json_object_set_new(doc, key, json_string(text != NULL ? text : ""));
	free(text);
}

static json_t *
describe_message(const struct maildir_contents *c, size_t at)
{
	const struct maildir_message *found = &c->messages[at];
	int fd = maildir_open_message(c, found);
	struct mime *m = fd != -1 ? mime_open_file(fd) : NULL;
	struct span base = maildir_base(found);
	json_t *doc = json_pack("{s:I, s:I, s:I}", "number", (json_int_t)(at + 1), "arrival",
	    (json_int_t)found->arrival_s, "bytes", (json_int_t)found->size);

	add_text(doc, m, "from", "From");
	add_text(doc, m, "subject", "Subject");
	add_text(doc, m, "message_id", "Message-ID");
	json_object_set_new(doc, "file", json_string(log_printable(base)));
	if (m != NULL)
		mime_free(&m);
	closefd(&fd);
	return doc;
}

static void
print_message(struct ctl_table *t, json_t *doc)
{
	ctl_table_add(t, "%lld", (long long)ctl_number(doc, "number"));
	ctl_table_add(t, "%s", ctl_time(ctl_number(doc, "arrival")));
	ctl_table_add(t, "%s", ctl_size(ctl_number(doc, "bytes")));
	ctl_table_add(t, "%.*s", SHOWN_MAX_BYTES, ctl_text(doc, "from"));
	ctl_table_add(t, "%.*s", SHOWN_MAX_BYTES, ctl_text(doc, "subject"));
	ctl_table_add(t, "%s", ctl_text(doc, "file"));
	json_decref(doc);
}

static int
list_messages(const struct ctl *ctl, const struct kept *k, const struct maildir_folder_found *f)
{
	static const char *const headings[] = {
	    "NUMBER", "ARRIVED", "SIZE", "FROM", "SUBJECT", "FILE"};
	struct maildir_contents c;
	struct ctl_table *t;
	json_t *list;
	int code = read_folder(k, f, &c);

	if (code != 0) {
		maildir_contents_free(&c);
		return code;
	}
	list = ctl->json ? json_array() : NULL;
	t = ctl->json ? NULL : ctl_table_new(headings, nitems(headings));
	mime_prepare();
	for (size_t i = 0; i < c.n; i++)
		if (ctl->json)
			json_array_append_new(list, describe_message(&c, i));
		else
			print_message(t, describe_message(&c, i));
	maildir_contents_free(&c);
	if (ctl->json)
		return ctl_print_json(json_pack("{s:o}", "messages", list));
	ctl_table_print(&t);
	return 0;
}

int
ctl_backup_contents(struct ctl *ctl, char **args, size_t n, const char *day)
{
	const struct maildir_folder_found *f = NULL;
	struct kept k;
	int code = open_kept(ctl, args[0], day, &k);

	if (code == 0 && n > 1 && (f = find_folder(&k, args[1])) == NULL)
		code = no_folder(&k, args[1]);
	else if (code == 0)
		code = f != NULL ? list_messages(ctl, &k, f) : list_folders(ctl, &k);
	close_kept(&k);
	return code;
}

/* ---- restore ---- */

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
	if ((code = open_kept(ctl, args[0], day, &k)) == 0) {
		if (n > 1)
			folder = find_folder(&k, args[1]);
		if (n == 3)
			choice.what = args[2];
		else if (n == 2 && folder == NULL)
			choice.what = args[1];
		if (n == 3 && !span_u64(span_of(choice.what), UINT32_MAX, &choice.number))
			choice.number = 0;
		code = n == 3 && folder == NULL
			   ? no_folder(&k, args[1])
			   : restore(ctl, &k, folder, choice.what != NULL ? &choice : NULL);
	}
	close_kept(&k);
	return code;
}
