/*
 * sambarctl backup: store makes backups; what is in them is read here, which only the owner may.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/memory.h"
#include "master/ctl_restore.h"
#include "master/ctl_table.h"
#include "store/backups.h"

/* ---- now ---- */

static int
backup_now(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"backup", "now"};
	json_t *doc;
	int code = ctl_ask(ctl, false, words, nitems(words), &doc);

	(void)args, (void)n;
	if (code != 0)
		return code;
	if (!json_is_true(json_object_get(doc, "verified")))
		fprintf(stderr,
		    "sambarctl: not all is verified: %lld file(s) were skipped; log/store.log has "
		    "more\n",
		    (long long)ctl_number(doc, "skipped"));
	if (ctl->json)
		return ctl_print_json(doc);
	printf("backup of %s: %lld mailbox(es), %lld message(s), %s\n", ctl_text(doc, "day"),
	    (long long)ctl_number(doc, "mailboxes"), (long long)ctl_number(doc, "messages"),
	    ctl_size(ctl_number(doc, "bytes")));
	json_decref(doc);
	return 0;
}

/* ---- list ---- */

static int
open_backups(const struct ctl *ctl)
{
	char *path = xasprintf("%s/backup", ctl->root);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		ctl_fail(ctl_code_of(errno, EX_NOINPUT), "%s: %s", path, strerror(errno));
	free(path);
	return fd;
}

static int
print_days_json(const struct backup *list, size_t n)
{
	json_t *days = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(days, backup_to_json(&list[i]));
	return ctl_print_json(json_pack("{s:o}", "backups", days));
}

static int
print_days(const struct backup *list, size_t n)
{
	static const char *const headings[] = {
	    "DAY", "MADE", "MAILBOXES", "MESSAGES", "SIZE", "COPIED", "VERIFIED"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));

	for (size_t i = 0; i < n; i++) {
		ctl_table_add(t, "%s", list[i].day);
		ctl_table_add(t, "%s", ctl_time(list[i].made_s));
		ctl_table_add(t, "%llu", (unsigned long long)list[i].mailboxes);
		ctl_table_add(t, "%llu", (unsigned long long)list[i].messages);
		ctl_table_add(t, "%s", ctl_size(list[i].bytes));
		ctl_table_add(t, "%llu", (unsigned long long)list[i].copied);
		if (list[i].verified)
			ctl_table_add(t, "yes");
		else
			ctl_table_add(t, "NO, %llu skipped", (unsigned long long)list[i].skipped);
	}
	ctl_table_print(&t);
	return 0;
}

static int
backup_list(struct ctl *ctl, char **args, size_t n)
{
	const char *day = ctl_option(args, &n, "--from");
	int directory, code;
	struct backup *list;
	size_t n_days;

	if (n > 0)
		return ctl_backup_contents(ctl, args, n, day);
	if (day != NULL)
		return ctl_backup_users(ctl, day);
	if ((directory = open_backups(ctl)) == -1)
		return ctl_code_of(errno, EX_NOINPUT);
	if (backups_read(directory, &list, &n_days) == -1)
		code = ctl_fail(EX_IOERR, "backup/ cannot be read: %s", strerror(errno));
	else
		code = ctl->json ? print_days_json(list, n_days) : print_days(list, n_days);
	free(list);
	closefd(&directory);
	return code;
}

int
ctl_backup(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {{"now", 0, 0, backup_now},
	    {"list", 0, 10, backup_list}, {"restore", 1, 5, ctl_backup_restore}};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
