/*
 * sambarctl trace: one message's story across all logs, rotated ones too. Reads log/ and, for
 * what is local, the configuration.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/address.h"
#include "common/config.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "master/ctl.h"
#include "master/ctl_logs.h"

struct trace {
	char *address; /* as the logs write it; NULL: only ids */
	char *full;    /* of a name: name@Mail Server, or NULL */
	char *mailbox; /* the mailbox of that name or local address, or NULL */
	uint64_t *ids;
	size_t n_ids;
	struct log_lines lines;
};

/* ---- what a line is about ---- */

static bool
ends_address(char c)
{
	return c == '>' || c == '\0' || c == ' ' || c == '\n' || c == ',';
}

/* from=<address>, to=<address> or user=address. */
static bool
names_address(const char *line, const char *address)
{
	size_t len = strlen(address);

	for (const char *at = line; (at = strcasestr(at, address)) != NULL; at++)
		if (at > line && (at[-1] == '<' || at[-1] == '=') && ends_address(at[len]))
			return true;
	return false;
}

/* mailboxes=ann,bob: where router says which mailboxes a recipient led to. */
static bool
names_mailbox(const char *line, const char *mailbox)
{
	static const char key[] = " mailboxes=";
	const char *at = strstr(line, key);
	struct span list, one;
	bool more;

	if (at == NULL)
		return false;
	at += strlen(key);
	list = (struct span){at, strcspn(at, " ")};
	do {
		more = span_take(&list, ',', &one);
		if (span_is(one, mailbox))
			return true;
	} while (more);
	return false;
}

static bool
is_about(const struct trace *t, const char *line)
{
	return names_address(line, t->address) ||
	       (t->full != NULL && names_address(line, t->full)) ||
	       (t->mailbox != NULL && names_mailbox(line, t->mailbox));
}

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool
has_id(const struct trace *t, uint64_t id)
{
	return t->n_ids > 0 && bsearch(&id, t->ids, t->n_ids, sizeof id, compare_ids) != NULL;
}

/* Any word of the line is one of the ids: also parent=ID. */
static bool
names_id(const struct trace *t, struct span line)
{
	for (size_t i = 0; i < line.len;) {
		size_t n = 0;
		uint64_t id;

		while (i + n < line.len && isalnum((unsigned char)line.at[i + n]))
			n++;
		if (n == QUEUE_ID_TEXT_SIZE - 1 &&
		    queue_id_parse((struct span){line.at + i, n}, &id) && has_id(t, id))
			return true;
		i += n + 1;
	}
	return false;
}

/* ---- passes over all files ---- */

typedef void (*on_line)(struct trace *t, const char *line, struct span span, const char *stamp);

static int
read_file(struct trace *t, const char *root, const char *name, on_line each)
{
	char *line = NULL, stamp[LOG_STAMP_BYTES + 1] = "";
	FILE *f = log_open_file(root, name);
	size_t size = 0;
	ssize_t len;

	if (f == NULL)
		return errno == ENOENT ? 0
				       : ctl_fail(ctl_code_of(errno, EX_NOINPUT), "log/%s: %s",
					     name, strerror(errno));
	while ((len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		log_stamp((struct span){line, len}, stamp);
		each(t, line, (struct span){line, len}, stamp);
	}
	free(line);
	fclose(f);
	return 0;
}

static int
read_all(struct trace *t, const char *root, const struct log_names *names, on_line each)
{
	int code = 0;

	for (size_t i = 0; i < names->n && code == 0; i++)
		code = read_file(t, root, names->items[i], each);
	return code;
}

static void
collect_id(struct trace *t, const char *line, struct span span, const char *stamp)
{
	uint64_t id;

	(void)stamp;
	if (!is_about(t, line) || !log_line_id(span, &id))
		return;
	if (t->n_ids > 0 && t->ids[t->n_ids - 1] == id)
		return;
	if ((t->n_ids & (t->n_ids - 1)) == 0)
		t->ids = xrealloc(t->ids, (t->n_ids ? t->n_ids * 2 : 1) * sizeof *t->ids);
	t->ids[t->n_ids++] = id;
}

static void
keep_line(struct trace *t, const char *line, struct span span, const char *stamp)
{
	if (names_id(t, span) || (t->address != NULL && is_about(t, line)))
		log_lines_add(&t->lines, span, stamp);
}

static int
run(struct trace *t, const char *root, const struct log_names *names)
{
	int code = 0;

	if (t->address != NULL) {
		code = read_all(t, root, names, collect_id);
		if (t->n_ids > 0)
			qsort(t->ids, t->n_ids, sizeof *t->ids, compare_ids);
	}
	return code != 0 ? code : read_all(t, root, names, keep_line);
}

static json_t *
describe(struct log_lines *lines)
{
	json_t *list = json_array();

	log_lines_sort(lines);
	for (size_t i = 0; i < lines->n; i++) {
		json_t *line = json_string(lines->items[i].text);

		/* NULL: no UTF-8 */
		json_array_append_new(list,
		    line != NULL ? line : json_string(log_safe(span_of(lines->items[i].text))));
	}
	return json_pack("{s:o}", "lines", list);
}

static int
tell(const struct ctl *ctl, struct trace *t, const char *what)
{
	if (t->lines.n == 0)
		return ctl_fail(EX_NOINPUT, "no line of the logs is about %s",
		    t->address != NULL ? t->address : log_safe(span_of(what)));
	if (ctl->json)
		return ctl_print_json(describe(&t->lines));
	log_lines_print(&t->lines);
	return 0;
}

/* Without the brackets that it may be given in; <> is the null sender. To be freed. */
static char *
bare_address(const char *text)
{
	struct span s = span_of(text);

	if (s.len > 2 && s.at[0] == '<' && s.at[s.len - 1] == '>')
		s = (struct span){s.at + 1, s.len - 2};
	return xstrdup(span_is(s, "<>") ? "<>" : log_safe(s));
}

/* A tag's mail is a part of the mailbox's: ann+tag stands for itself only. */
static void
find_mailbox(struct trace *t, const struct ctl *ctl)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	char server[CONFIG_SERVER_NAME_SIZE], *domain;

	t->mailbox = xstrdup(t->address);
	for (char *at = t->mailbox; *at != '\0'; at++)
		*at = tolower((unsigned char)*at);
	if ((domain = strrchr(t->mailbox, '@')) != NULL)
		*domain++ = '\0';
	if (!address_is_user_name(span_of(t->mailbox)) ||
	    (domain != NULL && !config_is_local_domain(c, domain))) {
		free(t->mailbox);
		t->mailbox = NULL;
	} else if (domain == NULL) {
		config_server_name(c, server);
		t->full = xasprintf("%s@%s", t->mailbox, server);
	}
	config_problems_free(&problems);
	config_free(&c);
}

static int
trace(const struct ctl *ctl, struct trace *t, const char *what)
{
	struct log_names names;
	int code;

	if (log_names_read(&names, ctl->root, NULL, true) == -1)
		return ctl_fail(
		    ctl_code_of(errno, EX_NOINPUT), "%s/log: %s", ctl->root, strerror(errno));
	if ((code = run(t, ctl->root, &names)) == 0)
		code = tell(ctl, t, what);
	log_names_free(&names);
	log_lines_free(&t->lines);
	return code;
}

int
ctl_trace(struct ctl *ctl, char **args, size_t n)
{
	struct trace t = {0};
	uint64_t id;
	int code;

	if (n != 1 || args[0][0] == '\0' || (args[0][0] == '-' && strchr(args[0], '@') == NULL))
		return ctl_misuse(ctl, args, n, 1);
	if (log_is_id(span_of(args[0]), &id)) {
		t.ids = xmalloc(sizeof *t.ids);
		t.ids[t.n_ids++] = id;
	} else {
		t.address = bare_address(args[0]);
		find_mailbox(&t, ctl);
	}
	code = trace(ctl, &t, args[0]);
	free(t.address);
	free(t.full);
	free(t.mailbox);
	free(t.ids);
	return code;
}
