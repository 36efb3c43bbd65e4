/*
 * What the commands of sambarctl share. Talks to the supervisor, or in its place runs what a
 * request needs.
 */
#include "master/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/command_fail.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/control.h"
#include "master/ctl_quiet.h"
#include "master/describe.h"
#include "master/offline.h"

/* ---- arguments ---- */

int
ctl_verb(struct ctl *ctl, const struct ctl_verb *verbs, size_t n_verbs, char **args, size_t n)
{
	for (size_t i = 0; n > 0 && i < n_verbs; i++)
		if (strcmp(verbs[i].name, args[0]) == 0) {
			ctl->verb = verbs[i].name;
			if (n - 1 < verbs[i].min || n - 1 > verbs[i].max)
				return ctl_misuse(ctl, args + 1, n - 1, verbs[i].max);
			return verbs[i].run(ctl, args + 1, n - 1);
		}
	if (n > 0)
		ctl_fail(EX_USAGE, "%s: there is no command \"%s\"", ctl->command->name,
		    log_printable(span_of(args[0])));
	return ctl_usage(ctl);
}

static void
take_out(char **args, size_t *n, size_t at, size_t count)
{
	memmove(args + at, args + at + count, (*n - at - count) * sizeof *args);
	*n -= count;
}

bool
ctl_flag(char **args, size_t *n, const char *flag)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(args[i], flag) == 0) {
			take_out(args, n, i, 1);
			return true;
		}
	return false;
}

const char *
ctl_option(char **args, size_t *n, const char *option)
{
	size_t len = strlen(option);

	for (size_t i = 0; i < *n; i++) {
		const char *value;

		if (strncmp(args[i], option, len) != 0)
			continue;
		if (args[i][len] == '=') {
			value = args[i] + len + 1;
			take_out(args, n, i, 1);
			return value;
		}
		if (args[i][len] == '\0' && i + 1 < *n) {
			value = args[i + 1];
			take_out(args, n, i, 2);
			return value;
		}
	}
	return NULL;
}

/* ---- what is said ---- */

int
ctl_fail(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	code = command_fail("sambarctl", code, format, ap);
	va_end(ap);
	return code;
}

/* Whether a form of the command, "add NAME", is one of the verb. */
static bool
is_form_of(const char *form, const char *verb)
{
	size_t len = strlen(verb);

	return strncmp(form, verb, len) == 0 && strchr(" \n", form[len]) != NULL;
}

int
ctl_usage(const struct ctl *ctl)
{
	const char *form = ctl->command->usage, *end, *head = "usage:";

	for (;; form = end + 1) {
		end = strchrnul(form, '\n');
		if (ctl->verb == NULL || is_form_of(form, ctl->verb)) {
			fprintf(stderr, "%s sambarctl [-d DIR] %s%s%.*s\n", head,
			    ctl->command->name, end > form ? " " : "", (int)(end - form), form);
			head = "      ";
		}
		if (*end == '\0')
			break;
	}
	return EX_USAGE;
}

int
ctl_misuse(const struct ctl *ctl, char **args, size_t n, size_t max)
{
	size_t option = 0;
	char what[64];

	snprintf(what, sizeof what, "%s%s%s", ctl->command->name, ctl->verb != NULL ? " " : "",
	    ctl->verb != NULL ? ctl->verb : "");
	while (option < n && (args[option][0] != '-' || args[option][1] == '\0'))
		option++;
	if (option < n)
		ctl_fail(EX_USAGE, "%s: \"%s\" is no option here, or lacks its value", what,
		    log_printable(span_of(args[option])));
	else if (n > max)
		ctl_fail(EX_USAGE, "%s: \"%s\" is one argument too many", what,
		    log_printable(span_of(args[max])));
	else
		ctl_fail(EX_USAGE, "%s: an argument is missing", what);
	return ctl_usage(ctl);
}

int
ctl_code_of(int error, int code)
{
	return error == EACCES || error == EPERM ? EX_NOPERM : code;
}

int
ctl_print_json(json_t *doc)
{
	int rv = json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	json_decref(doc);
	putchar('\n');
	if (rv != 0 || fflush(stdout) != 0)
		return ctl_fail(EX_IOERR, "the JSON document cannot be printed");
	return 0;
}

int
ctl_done(const struct ctl *ctl, const char *format, ...)
{
	va_list ap;

	if (ctl->json)
		return ctl_print_json(json_object());
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	return 0;
}

const char *
ctl_text(const json_t *doc, const char *key)
{
	const char *text = json_string_value(json_object_get(doc, key));

	return text != NULL ? log_printable(span_of(text)) : "";
}

json_int_t
ctl_number(const json_t *doc, const char *key)
{
	return json_integer_value(json_object_get(doc, key));
}

/* ---- requests ---- */

/*
 * A socket that we may not use says nothing about whether anyone listens: the lock does. One that
 * was left behind is no reason to refuse; *code stays 0 then.
 */
static void
tell_no_access(const struct ctl *ctl, int *code)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (snprintf(path, sizeof path, "%s/run/master.pid", ctl->root) >= (int)sizeof path)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if ((fd == -1 && errno == ENOENT) || (fd != -1 && flock(fd, LOCK_SH | LOCK_NB) == 0)) {
		closefd(&fd);
		return;
	}
	if (fd == -1 || fstat(fd, &st) == -1)
		*code = ctl_fail(EX_NOPERM, "%s: %s", path, strerror(errno));
	else
		*code = ctl_fail(EX_NOPERM,
		    "%s was started by %s: only %s may speak to its supervisor", ctl->root,
		    describe_user(st.st_uid), st.st_uid == 0 ? "root" : "root and that user");
	closefd(&fd);
}

int
ctl_connect(const struct ctl *ctl, int *code)
{
	int sock = control_connect(ctl->root);

	*code = 0;
	if (sock != -1 || errno == ENOENT || errno == ECONNREFUSED)
		return sock;
	if (errno == EACCES || errno == EPERM)
		tell_no_access(ctl, code);
	else
		*code = ctl_fail(EX_UNAVAILABLE, "cannot reach the supervisor of %s: %s", ctl->root,
		    strerror(errno));
	return -1;
}

void
ctl_print_problems(const json_t *doc)
{
	const json_t *problem;
	size_t i;

	json_array_foreach(json_object_get(doc, "problems"), i, problem)
	    fprintf(stderr, "%s: %s%s\n", ctl_text(problem, "where"),
		json_is_true(json_object_get(problem, "warning")) ? "warning: " : "",
		ctl_text(problem, "text"));
}

void
ctl_print_notices(const json_t *doc)
{
	const json_t *notice;
	size_t i;

	json_array_foreach(json_object_get(doc, "notices"), i, notice)
	    fprintf(stderr, "sambarctl: %s\n", log_printable(span_of(json_string_value(notice))));
}

static int
tell_failure(int code, const json_t *doc)
{
	const char *error = ctl_text(doc, "error");

	return ctl_fail(code, "%s", error[0] != '\0' ? error : "the request failed");
}

static int
request_offline(const struct ctl *ctl, const char *const *words, size_t n, json_t **doc)
{
	int code;

	ctl_quiet_begin();
	code = offline_request(ctl->root, words, n, doc);
	ctl_quiet_end();
	return code;
}

int
ctl_try(const struct ctl *ctl, bool offline, const char *const *words, size_t n, json_t **doc)
{
	int code, sock = ctl_connect(ctl, &code);

	*doc = NULL;
	if (code != 0)
		return code;
	if (sock == -1 && !offline)
		return ctl_fail(EX_UNAVAILABLE, "%s does not run (sambarctl start)", ctl->root);
	code =
	    sock != -1 ? control_request(sock, words, n, doc) : request_offline(ctl, words, n, doc);
	closefd(&sock);
	return code;
}

int
ctl_ask(const struct ctl *ctl, bool offline, const char *const *words, size_t n, json_t **doc)
{
	int code = ctl_try(ctl, offline, words, n, doc);

	if (code == 0 || *doc == NULL)
		return code;
	ctl_print_problems(*doc);
	code = tell_failure(code, *doc);
	json_decref(*doc);
	*doc = NULL;
	return code;
}

int
ctl_tell(const struct ctl *ctl, bool offline, const char *const *words, size_t n)
{
	json_t *doc;
	int code = ctl_ask(ctl, offline, words, n, &doc);

	json_decref(doc);
	return code;
}

int
ctl_reload_if_running(const struct ctl *ctl, bool *running)
{
	static const char *const words[] = {"reload"};
	int code, sock = ctl_connect(ctl, &code);
	json_t *doc;

	*running = sock != -1;
	if (*running)
		ctl_owners_before_reload(ctl, sock);
	closefd(&sock);
	if (code != 0 || !*running)
		return code;
	if ((code = ctl_ask(ctl, false, words, 1, &doc)) == 0)
		ctl_print_notices(doc);
	else if (code == EX_CONFIG || code == EX_OSERR)
		ctl_fail(code,
		    "the file was changed, but is not in effect: the running programs keep what "
		    "they had. Mend what is wrong and say sambarctl reload, or set it back");
	else
		ctl_fail(code, "the file was changed; mend what is wrong and say sambarctl reload");
	json_decref(doc);
	return code;
}

char *
ctl_join(char **words, size_t n)
{
	size_t size = 1;
	char *text;

	for (size_t i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	text = xcalloc(1, size);
	for (size_t i = 0; i < n; i++) {
		strlcat(text, i > 0 ? " " : "", size);
		strlcat(text, words[i], size);
	}
	return text;
}
