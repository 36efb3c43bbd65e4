/*
 * The history of the configuration's changes. Touches config/ of an instance only.
 */
#include "master/history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/config.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "common/span.h"

static const char name[] = "history", new_name[] = "history.new";

/* ---- the file ---- */

static int
open_config(const char *root)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/config", root) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The whole text, to be freed; "" when there is none yet. NULL with errno. */
static char *
read_text(int config, size_t *len)
{
	int fd = openat(config, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *text;

	*len = 0;
	if (fd == -1)
		return errno == ENOENT ? xstrdup("") : NULL;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size > 4 * HISTORY_MAX_BYTES) {
		closefd(&fd);
		errno = EINVAL;
		return NULL;
	}
	text = xmalloc(st.st_size + 1);
	if (pread_all(fd, text, st.st_size, 0) == -1) {
		closefd(&fd);
		free(text);
		return NULL;
	}
	closefd(&fd);
	text[st.st_size] = '\0';
	*len = st.st_size;
	return text;
}

/* A change of a line; NULL: it is torn, or somebody's own. */
static json_t *
parse(struct span line)
{
	json_t *doc = line.len > 0 ? json_loadb(line.at, line.len, 0, NULL) : NULL;

	if (doc == NULL || json_is_integer(json_object_get(doc, "id")))
		return doc;
	json_decref(doc);
	return NULL;
}

static uint64_t
id_of(const json_t *change)
{
	return json_integer_value(json_object_get(change, "id"));
}

/* Takes the last line off the text. False at the start. */
static bool
take_last(struct span *text, struct span *line)
{
	size_t end = text->len, start;

	while (end > 0 && text->at[end - 1] == '\n')
		end--;
	for (start = end; start > 0 && text->at[start - 1] != '\n';)
		start--;
	*line = (struct span){text->at + start, end - start};
	text->len = start;
	return end > 0;
}

/* ---- adding ---- */

static uint64_t
last_id(struct span text)
{
	struct span line;
	uint64_t id = 0;

	while (id == 0 && take_last(&text, &line)) {
		json_t *change = parse(line);

		id = change != NULL ? id_of(change) : 0;
		json_decref(change);
	}
	return id;
}

static int
write_once(int fd, struct span text)
{
	ssize_t n = write(fd, text.at, text.len);

	if (n == (ssize_t)text.len)
		return fdatasync(fd);
	if (n >= 0)
		errno = ENOSPC;
	return -1;
}

/* The newer half, from the start of a line. */
static void
shorten(int config, struct span text)
{
	size_t from = text.len / 2;
	const char *lf = memchr(text.at + from, '\n', text.len - from);
	int fd =
	    openat(config, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (lf == NULL || fd == -1) {
		closefd(&fd);
		return;
	}
	text = (struct span){lf + 1, text.at + text.len - (lf + 1)};
	if (write_once(fd, text) == 0)
		(void)renameat(config, new_name, config, name);
	closefd(&fd);
}

/* A line that a crash has torn is ended first. */
static int
append(int config, struct span text, const char *line)
{
	bool torn = text.len > 0 && text.at[text.len - 1] != '\n';
	char *whole = xasprintf("%s%s\n", torn ? "\n" : "", line);
	int fd = openat(config, name,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int rv = fd != -1 ? write_once(fd, span_of(whole)) : -1;

	closefd(&fd);
	free(whole);
	return rv;
}

static json_t *
describe(uint64_t id, const char *who, const char *client, uint64_t undo, const json_t *what)
{
	return json_pack("{s:I, s:I, s:s, s:s, s:o, s:O}", "id", (json_int_t)id, "when",
	    (json_int_t)time(NULL), "who", who, "client", client, "undo",
	    undo != 0 ? json_integer(undo) : json_null(), "what", what);
}

static uint64_t
add(int config, const char *who, const char *client, uint64_t undo, const json_t *what)
{
	struct span text;
	char *old = read_text(config, &text.len), *line;
	uint64_t id;
	json_t *change;

	if (old == NULL)
		return 0;
	text.at = old;
	if (text.len > HISTORY_MAX_BYTES)
		shorten(config, text);
	id = last_id(text) + 1;
	change = describe(id, who, client, undo, what);
	line = change != NULL ? json_dumps(change, JSON_COMPACT) : NULL;
	if (line == NULL) {
		errno = EINVAL; /* no UTF-8 */
		id = 0;
	} else if (append(config, text, line) == -1) {
		id = 0;
	}
	json_decref(change);
	free(line);
	free(old);
	return id;
}

uint64_t
history_add(
    const char *root, const char *who, const char *client, uint64_t undo, const json_t *what)
{
	int config = config_lock(root);
	uint64_t id = config != -1 ? add(config, who, client, undo, what) : 0;

	closefd(&config);
	return id;
}

/* ---- reading ---- */

static char *
read_history(const char *root, size_t *len)
{
	int config = open_config(root);
	char *text = config != -1 ? read_text(config, len) : NULL;

	closefd(&config);
	return text;
}

json_t *
history_page(const char *root, uint64_t after)
{
	struct span text, line;
	char *whole = read_history(root, &text.len);
	json_t *changes = json_array(), *next = json_null();

	if (whole == NULL) {
		json_decref(changes);
		return NULL;
	}
	text.at = whole;
	while (take_last(&text, &line)) {
		json_t *change = parse(line);

		if (change == NULL || (after != 0 && id_of(change) >= after)) {
			json_decref(change);
			continue;
		}
		if (json_array_size(changes) == HISTORY_PAGE) {
			const json_t *last = json_array_get(changes, HISTORY_PAGE - 1);

			next = json_integer(id_of(last));
			json_decref(change);
			break;
		}
		json_array_append_new(changes, change);
	}
	free(whole);
	return json_pack("{s:o, s:o}", "changes", changes, "next", next);
}

json_t *
history_find(const char *root, uint64_t id)
{
	struct span text, line;
	char *whole = read_history(root, &text.len);
	json_t *found = NULL;

	if (whole == NULL)
		return NULL;
	text.at = whole;
	while (found == NULL && take_last(&text, &line)) {
		found = parse(line);
		if (found != NULL && id_of(found) != id) {
			json_decref(found);
			found = NULL;
		}
	}
	free(whole);
	if (found == NULL)
		errno = ENOENT;
	return found;
}
