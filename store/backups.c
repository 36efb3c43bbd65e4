/*
 * Reads which backups there are.
 */
#include "store/backups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"

enum { DAYS_MAX = 1000, SUMMARY_MAX_BYTES = 4096 };

bool
backup_is_day(const char *name)
{
	static const char form[] = "dddd-dd-dd";

	for (size_t i = 0; i < sizeof form; i++)
		if (form[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
			return false;
	return true;
}

void
backup_day_of(time_t at, char day[BACKUP_DAY_SIZE])
{
	struct tm tm;

	if (localtime_r(&at, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
	    strftime(day, BACKUP_DAY_SIZE, "%Y-%m-%d", &tm) == 0)
		strlcpy(day, "0000-00-00", BACKUP_DAY_SIZE);
}

/* ---- the summary ---- */

static const struct {
	const char *key;
	size_t offset;
} numbers[] = {{"serial", offsetof(struct backup, serial)},
    {"made", offsetof(struct backup, made_s)}, {"seconds", offsetof(struct backup, took_s)},
    {"mailboxes", offsetof(struct backup, mailboxes)},
    {"messages", offsetof(struct backup, messages)}, {"bytes", offsetof(struct backup, bytes)},
    {"copied", offsetof(struct backup, copied)}, {"skipped", offsetof(struct backup, skipped)}};

json_t *
backup_to_json(const struct backup *b)
{
	json_t *doc = json_object();

	json_object_set_new(doc, "day", json_string(b->day));
	for (size_t i = 0; i < nitems(numbers); i++)
		json_object_set_new(doc, numbers[i].key,
		    json_integer(*(const uint64_t *)((const char *)b + numbers[i].offset)));
	json_object_set_new(doc, "verified", json_boolean(b->verified));
	return doc;
}

static bool
from_json(const json_t *doc, struct backup *b)
{
	for (size_t i = 0; i < nitems(numbers); i++) {
		const json_t *value = json_object_get(doc, numbers[i].key);

		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return false;
		*(uint64_t *)((char *)b + numbers[i].offset) = json_integer_value(value);
	}
	b->verified = json_is_true(json_object_get(doc, "verified"));
	return true;
}

static bool
read_summary(int directory, struct backup *b)
{
	char path[BACKUP_DAY_SIZE + sizeof "/summary.json"], text[SUMMARY_MAX_BYTES];
	json_t *doc;
	ssize_t n;
	bool good;
	int fd;

	snprintf(path, sizeof path, "%s/summary.json", b->day);
	fd = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd != -1 ? read(fd, text, sizeof text) : -1;
	closefd(&fd);
	if (n <= 0 || (doc = json_loadb(text, n, 0, NULL)) == NULL)
		return false;
	good = from_json(doc, b);
	json_decref(doc);
	return good;
}

/* ---- all of them ---- */

static int
compare(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;

	if (x->serial != y->serial)
		return x->serial < y->serial ? -1 : 1;
	return strcmp(x->day, y->day);
}

int
backups_read(int directory, struct backup **list, size_t *n)
{
	DIR *d = directory_read(directory, "");
	struct backup b;
	struct dirent *e;

	*list = NULL;
	*n = 0;
	if (d == NULL)
		return -1;
	while (*n < DAYS_MAX && (e = readdir(d)) != NULL) {
		b = (struct backup){.serial = 0};
		if (!backup_is_day(e->d_name))
			continue;
		strlcpy(b.day, e->d_name, sizeof b.day);
		if (!read_summary(directory, &b))
			continue;
		*list = xrealloc(*list, (*n + 1) * sizeof **list);
		(*list)[(*n)++] = b;
	}
	closedir(d);
	if (*n > 0)
		qsort(*list, *n, sizeof **list, compare);
	return 0;
}
