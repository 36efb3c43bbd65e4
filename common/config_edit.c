/*
 * The editor: sets one key or entry in config.ini or mail.ini and keeps everything else. Writes
 * below config/ of an instance: the new file beside the old one, then a rename, which is the commit
 * point.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address.h"
#include "common/config_lines.h"
#include "common/config_private.h"
#include "common/config_splice.h"
#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"

/* error: what the system said, 0 when the change itself is not right. Owns text. */
static int
refuse(char **why, int error, char *text)
{
	*why = text;
	errno = error;
	return -1;
}

/* ---- replacing a file ---- */

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		text += n;
		len -= n;
	}
	return 0;
}

/* Owner and mode of the old file, before there is anything to read in the new one. */
static int
take_over_rights(int fd, const char *old)
{
	struct stat st, mine;

	if (stat(old, &st) == -1 || fstat(fd, &mine) == -1)
		return -1;
	if ((st.st_uid != mine.st_uid || st.st_gid != mine.st_gid) &&
	    fchown(fd, st.st_uid, st.st_gid) == -1)
		return -1;
	return fchmod(fd, st.st_mode & 07777);
}

static int
sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	char *slash;
	int fd, rv;

	if (strlcpy(directory, path, sizeof directory) >= sizeof directory ||
	    (slash = strrchr(directory, '/')) == NULL)
		return -1;
	*slash = '\0';
	if ((fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	rv = fsync(fd);
	closefd(&fd);
	return rv;
}

/* path is free of symbolic links, so that the file itself is replaced. */
static int
replace(const char *path, const char *text, size_t len)
{
	char temporary[PATH_MAX + 16];
	int fd, rv = -1;

	snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
	if ((fd = mkostemp(temporary, O_CLOEXEC)) == -1)
		return -1;
	if (take_over_rights(fd, path) == 0 && write_all(fd, text, len) == 0 && fsync(fd) == 0)
		rv = rename(temporary, path);
	if (rv == -1) {
		int error = errno;

		unlink(temporary);
		errno = error;
	}
	closefd(&fd);
	return rv == 0 ? sync_directory_of(path) : -1;
}

/* ---- one change ---- */

/* Writers of one instance wait for each other. */
static int
lock_directory(const char *root, char **why)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/config", root);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    flock(fd, LOCK_EX) == -1) {
		refuse(why, errno, xasprintf("%s: %s", path, strerror(errno)));
		closefd(&fd);
	}
	return fd;
}

static char *
first_error(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		if (!problems->items[i].warning)
			return xasprintf("nothing was changed, since then %s would say: %s",
			    problems->items[i].where, problems->items[i].text);
	return xstrdup("nothing was changed: the configuration would have errors");
}

static int
check(const char *root, const struct config_source *sources, char **why)
{
	struct config_problems problems = {0};
	struct config *c = config_build(root, sources, &problems, false);
	int rv = problems.n_errors > 0 ? -1 : 0;

	if (rv == -1)
		refuse(why, 0, first_error(&problems));
	config_free(&c);
	config_problems_free(&problems);
	return rv;
}

static int
commit(const char *root, int which, const struct config_source *s, char **why)
{
	char path[PATH_MAX], *real;
	int rv;

	snprintf(path, sizeof path, "%s/config/%s", root, config_source_names[which]);
	if ((real = realpath(path, NULL)) == NULL || (rv = replace(real, s->text, s->len)) == -1)
		rv = refuse(why, errno, xasprintf("%s: %s", path, strerror(errno)));
	free(real);
	return rv;
}

static int
splice_source(
    struct config_source *s, int which, const struct splice_key *key, const char *value, char **why)
{
	size_t len;
	char *text;

	if (s->text == NULL)
		return refuse(why, s->error,
		    xasprintf("config/%s cannot be read: %s", config_source_names[which],
			strerror(s->error)));
	text = config_splice((struct span){s->text, s->len}, key, value, &len);
	free(s->text);
	s->text = text;
	s->len = len;
	if (len > CONFIG_FILE_MAX_BYTES)
		return refuse(
		    why, 0, xstrdup("nothing was changed: the file would be larger than 4 MB"));
	return 0;
}

static int
change(const char *root, int which, const struct splice_key *key, const char *value, char **why)
{
	struct config_source sources[CONFIG_SOURCES];
	char *absolute = realpath(root, NULL);
	int rv = -1, lock = absolute != NULL ? lock_directory(absolute, why) : -1;

	if (absolute == NULL)
		refuse(why, errno, xasprintf("%s: %s", root, strerror(errno)));
	if (lock == -1) {
		free(absolute);
		return -1;
	}
	for (size_t i = 0; i < CONFIG_SOURCES; i++)
		config_source_read(&sources[i], absolute, config_source_names[i]);
	if (splice_source(&sources[which], which, key, value, why) == 0 &&
	    check(absolute, sources, why) == 0)
		rv = commit(absolute, which, &sources[which], why);
	for (size_t i = 0; i < CONFIG_SOURCES; i++)
		config_source_free(&sources[i]);
	closefd(&lock);
	free(absolute);
	return rv;
}

/* ---- keys and entries ---- */

/* A value must stay one line and be read back as it was given. */
static int
check_one_line(const char *value, char **why)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return refuse(why, 0, xstrdup("the value holds a control character"));
	if (n <= CONFIG_LINE_MAX_BYTES)
		return 0;
	return refuse(
	    why, 0, xasprintf("the value is longer than %d bytes", CONFIG_LINE_MAX_BYTES));
}

static char *
trimmed(const char *value)
{
	return span_text(span_trim(span_of(value)));
}

static bool
is_key(const struct splice_key *key, struct span name)
{
	return span_is_nocase(name, key->name);
}

static int
check_value(const struct config_key *key, const char *root, const char *value, char **why)
{
	char *normalized, *phrase;

	if (value[0] == '\0')
		return 0;
	if (config_normalize(key, root, span_of(value), &normalized, &phrase) == -1) {
		refuse(why, 0, xasprintf("%s: %s", key->key, phrase));
		free(phrase);
		return -1;
	}
	free(normalized);
	return 0;
}

int
config_set(const char *root, const char *section, const char *key, const char *value, char **why)
{
	const struct config_key *k = config_find(section, key, why);
	struct splice_key place = {.is = is_key};
	char *text = NULL;
	int rv = -1, which;

	errno = 0;
	if (k == NULL || (value != NULL && check_one_line(value, why) == -1))
		return -1;
	place.section = k->section;
	place.name = k->key;
	which = strcmp(k->file, config_source_names[CONFIG_INI]) == 0 ? CONFIG_INI : MAIL_INI;
	if (value != NULL)
		text = trimmed(value);
	if (text == NULL || check_value(k, root, text, why) == 0)
		rv = change(root, which, &place, text, why);
	free(text);
	return rv;
}

/* Two spellings of one name, address or domain are one entry. */
static bool
is_entry(const struct splice_key *key, struct span name)
{
	char mine[ADDRESS_TEXT_SIZE], theirs[ADDRESS_TEXT_SIZE];
	int section = config_entries_index(span_of(key->section));
	const char *why;

	return config_entry_name(section, span_of(key->name), mine, &why) == 0 &&
	       config_entry_name(section, name, theirs, &why) == 0 && strcmp(mine, theirs) == 0;
}

int
config_set_entry(
    const char *root, const char *section, const char *name, const char *value, char **why)
{
	struct splice_key place = {.section = section, .name = name, .is = is_entry};
	char canonical[ADDRESS_TEXT_SIZE];
	int which = config_entries_index(span_of(section));
	const char *phrase;

	if (which == -1)
		fatalx("[%s] has no lines with names of their own", section);
	if (config_entry_name(which, span_of(name), canonical, &phrase) == -1)
		return refuse(why, 0, xasprintf("\"%s\": %s", log_safe(span_of(name)), phrase));
	/* These characters are good in an address, but not at the start of a line, and = ends a
	 * name. */
	if (strchr("#;[", name[0]) != NULL || strchr(name, '=') != NULL ||
	    name[strcspn(name, " \t")] != '\0')
		return refuse(why, 0,
		    xasprintf(
			"\"%s\": this name cannot stand in the file", log_safe(span_of(name))));
	if (value != NULL && check_one_line(value, why) == -1)
		return -1;
	return change(root, MAIL_INI, &place, value, why);
}
