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

/* The errors of the files when one of them has this text. */
static void
judge(const char *root, const struct config_source *sources, int which, struct span text,
    struct config_problems *problems)
{
	struct config_source with[CONFIG_SOURCES];
	struct config *c;

	memcpy(with, sources, sizeof with);
	/* it is only read */
	with[which] = (struct config_source){.text = (char *)text.at, .len = text.len};
	*problems = (struct config_problems){0};
	c = config_build(root, with, problems, false);
	config_free(&c);
}

/* Without regard to the numbers of lines, which a change moves. */
static bool
is_same_text(const char *a, const char *b)
{
	static const char line[] = " line ";

	for (; *a == *b && *a != '\0'; a++, b++)
		if (strncmp(a, line, sizeof line - 1) == 0 &&
		    strncmp(b, line, sizeof line - 1) == 0) {
			a += sizeof line - 1;
			b += sizeof line - 1;
			a += strspn(a, "0123456789") - 1;
			b += strspn(b, "0123456789") - 1;
		}
	return *a == *b;
}

static bool
has(const struct config_problems *problems, const struct config_problem *error)
{
	size_t file = strcspn(error->where, ":");

	for (size_t i = 0; i < problems->n; i++)
		if (!problems->items[i].warning &&
		    strncmp(problems->items[i].where, error->where, file) == 0 &&
		    is_same_text(problems->items[i].text, error->text))
			return true;
	return false;
}

/*
 * Errors that the files have anyhow do not keep anybody from mending them one by one: those that
 * are there before, and also would be without the key in question, are no reason to refuse.
 */
static int
check(const char *root, const struct config_source *sources, int which, struct span text,
    const struct splice_key *key, char **why)
{
	const struct config_source *old = &sources[which];
	struct config_problems now, before, without;
	struct span rest;
	char *removed;
	int rv = 0;

	removed = config_splice((struct span){old->text, old->len}, key, NULL, &rest.len);
	rest.at = removed;
	judge(root, sources, which, text, &now);
	judge(root, sources, which, (struct span){old->text, old->len}, &before);
	judge(root, sources, which, rest, &without);
	for (size_t i = 0; i < now.n && rv == 0; i++) {
		const struct config_problem *p = &now.items[i];

		if (!p->warning && !(has(&before, p) && has(&without, p)))
			rv = refuse(why, 0,
			    xasprintf("nothing was changed, since then %s would say: %s", p->where,
				p->text));
	}
	config_problems_free(&now);
	config_problems_free(&before);
	config_problems_free(&without);
	free(removed);
	return rv;
}

static int
commit(const char *root, int which, struct span text, char **why)
{
	char path[PATH_MAX], *real;
	int rv;

	snprintf(path, sizeof path, "%s/config/%s", root, config_source_names[which]);
	if ((real = realpath(path, NULL)) == NULL || (rv = replace(real, text.at, text.len)) == -1)
		rv = refuse(why, errno, xasprintf("%s: %s", path, strerror(errno)));
	free(real);
	return rv;
}

static int
splice_and_commit(const char *root, const struct config_source *sources, int which,
    const struct splice_key *key, const char *value, char **why)
{
	const struct config_source *old = &sources[which];
	struct span text;
	char *spliced;
	int rv = -1;

	if (old->text == NULL)
		return refuse(why, old->error,
		    xasprintf("config/%s cannot be read: %s", config_source_names[which],
			strerror(old->error)));
	spliced = config_splice((struct span){old->text, old->len}, key, value, &text.len);
	text.at = spliced;
	if (text.len > CONFIG_FILE_MAX_BYTES)
		refuse(why, 0, xstrdup("nothing was changed: the file would be larger than 4 MB"));
	else if (check(root, sources, which, text, key, why) == 0)
		rv = commit(root, which, text, why);
	free(spliced);
	return rv;
}

static int
change(const char *root, int which, const struct splice_key *key, const char *value, char **why)
{
	struct config_source sources[CONFIG_SOURCES];
	char *absolute = realpath(root, NULL);
	int rv, lock = absolute != NULL ? lock_directory(absolute, why) : -1;

	if (absolute == NULL)
		refuse(why, errno, xasprintf("%s: %s", root, strerror(errno)));
	if (lock == -1) {
		free(absolute);
		return -1;
	}
	for (size_t i = 0; i < CONFIG_SOURCES; i++)
		config_source_read(&sources[i], absolute, config_source_names[i]);
	rv = splice_and_commit(absolute, sources, which, key, value, why);
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
	char *text = NULL, spelled[CONFIG_SECTION_SIZE];
	int rv = -1, which;

	errno = 0;
	if (k == NULL || (value != NULL && check_one_line(value, why) == -1))
		return -1;
	config_section_spell(k, section, spelled);
	place.section = spelled;
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
