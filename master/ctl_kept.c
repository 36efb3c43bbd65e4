/*
 * sambarctl backup list --from DAY: what is in a backup: users, their folders, a folder's messages.
 * Reads backup/, which only the owner may.
 */
#include "master/ctl_restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/address.h"
#include "common/file_rights.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/mime.h"
#include "common/monotonic.h"
#include "master/ctl_table.h"
#include "master/kept.h"
#include "store/backups.h"

/* SEARCH_MS: of a search that has a limit. */
enum { SHOWN_MAX_BYTES = 60, SEARCH_MS = 5000 };

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

	kept_confine(k);
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
print_message(struct ctl_table *t, const json_t *doc)
{
	ctl_table_add(t, "%lld", (long long)ctl_number(doc, "number"));
	ctl_table_add(t, "%s", ctl_time(ctl_number(doc, "arrival")));
	ctl_table_add(t, "%s", ctl_size(ctl_number(doc, "bytes")));
	ctl_table_add(t, "%.*s", SHOWN_MAX_BYTES, ctl_text(doc, "from"));
	ctl_table_add(t, "%.*s", SHOWN_MAX_BYTES, ctl_text(doc, "subject"));
	ctl_table_add(t, "%s", ctl_text(doc, "file"));
}

/* ---- which messages ---- */

/* The newest first; stops when there are enough, or enough time was spent. */
struct search {
	const char *find; /* "": all */
	uint64_t before;  /* numbers below this one only */
	uint64_t limit;	  /* UINT64_MAX: all, however long it takes */
	uint64_t next;	  /* to be given as before= for those that follow; 0: there are none */
};

/* 0, or the exit code of what was told. */
static int
read_search(const struct ctl *ctl, char **args, size_t *n, struct search *w)
{
	const char *find = ctl_option(args, n, "--find"), *before = ctl_option(args, n, "--before"),
		   *limit = ctl_option(args, n, "--limit");

	*w = (struct search){find != NULL ? find : "", UINT64_MAX, UINT64_MAX, 0};
	if ((before != NULL && !span_u64(span_of(before), UINT64_MAX, &w->before)) ||
	    (limit != NULL && (!span_u64(span_of(limit), UINT32_MAX, &w->limit) || w->limit == 0)))
		return ctl_usage(ctl);
	return 0;
}

static bool
fits(const struct search *w, const json_t *doc)
{
	return strcasestr(json_string_value(json_object_get(doc, "from")), w->find) != NULL ||
	       strcasestr(json_string_value(json_object_get(doc, "subject")), w->find) != NULL;
}

/* In the order of their numbers. */
static json_t *
find_messages(const struct maildir_contents *c, struct search *w)
{
	uint64_t at = w->before <= c->n ? w->before - (w->before > 0) : c->n;
	uint64_t deadline = monotonic_ms() + SEARCH_MS;
	json_t *list = json_array();

	while (at > 0 && json_array_size(list) < w->limit &&
	       (w->limit == UINT64_MAX || monotonic_ms() < deadline)) {
		json_t *doc = describe_message(c, --at);

		if (fits(w, doc))
			json_array_append_new(list, doc);
		else
			json_decref(doc);
	}
	w->next = at > 0 ? at + 1 : 0;
	for (size_t i = 0, n = json_array_size(list); i < n / 2; i++) {
		json_t *other = json_incref(json_array_get(list, n - 1 - i));

		json_array_set(list, n - 1 - i, json_array_get(list, i));
		json_array_set_new(list, i, other);
	}
	return list;
}

static int
print_messages(const struct ctl *ctl, json_t *list, const struct search *w)
{
	static const char *const headings[] = {
	    "NUMBER", "ARRIVED", "SIZE", "FROM", "SUBJECT", "FILE"};
	struct ctl_table *t;
	const json_t *doc;
	size_t i;

	if (ctl->json)
		return ctl_print_json(json_pack("{s:o, s:o}", "messages", list, "next",
		    w->next > 0 ? json_integer(w->next) : json_null()));
	t = ctl_table_new(headings, nitems(headings));
	json_array_foreach(list, i, doc) print_message(t, doc);
	ctl_table_print(&t);
	if (w->next > 0)
		printf("Older ones: --before %llu\n", (unsigned long long)w->next);
	json_decref(list);
	return 0;
}

static int
list_messages(const struct ctl *ctl, const struct kept *k, const struct maildir_folder_found *f,
    struct search *w)
{
	struct maildir_contents c;
	int code;

	mime_prepare();
	kept_confine(k);
	if ((code = read_folder(k, f, &c)) == 0)
		code = print_messages(ctl, find_messages(&c, w), w);
	maildir_contents_free(&c);
	return code;
}

/* ---- users ---- */

static int
is_user(const struct dirent *e)
{
	return address_is_user_name(span_of(e->d_name));
}

static void
print_users(const struct ctl *ctl, struct dirent **found, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++) {
		json_array_append_new(list, json_string(found[i]->d_name));
		if (!ctl->json)
			puts(found[i]->d_name);
		free(found[i]);
	}
	free(found);
	if (ctl->json)
		ctl_print_json(json_pack("{s:o}", "users", list));
	else
		json_decref(list);
}

int
ctl_backup_users(struct ctl *ctl, const char *day)
{
	struct dirent **found;
	char *path;
	bool taken;
	int n;

	if (!backup_is_day(day))
		return ctl_fail(EX_USAGE, "a day is written as 2026-11-26");
	path = xasprintf("%s/backup/%s", ctl->root, day);
	taken = kept_rights_take(ctl);
	n = scandir(path, &found, is_user, alphasort);
	file_rights_return(taken);
	free(path);
	if (n == -1)
		return ctl_fail(
		    ctl_code_of(errno, EX_NOINPUT), "the backup of %s: %s", day, strerror(errno));
	print_users(ctl, found, n);
	return 0;
}

int
ctl_backup_contents(struct ctl *ctl, char **args, size_t n, const char *day)
{
	const struct maildir_folder_found *f = NULL;
	struct search wish;
	struct kept k;
	int code = read_search(ctl, args, &n, &wish);

	if (code != 0)
		return code;
	if (n < 1 || n > 2)
		return ctl_usage(ctl);
	code = kept_open(ctl, args[0], day, &k);
	if (code == 0 && n > 1 && (f = kept_folder(&k, args[1])) == NULL)
		code = kept_no_folder(&k, args[1]);
	else if (code == 0)
		code = f != NULL ? list_messages(ctl, &k, f, &wish) : list_folders(ctl, &k);
	kept_close(&k);
	return code;
}
