/*
 * sambarctl user: accounts and their mailboxes. auth does it; passwords come from standard input,
 * never from an argument, which every user of the host could see.
 */
#include <errno.h>
#include <inttypes.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sasl.h"
#include "master/ctl.h"
#include "master/ctl_table.h"

/* ---- passwords ---- */

static int
prompt(char password[SASL_PASSWORD_SIZE])
{
	char again[SASL_PASSWORD_SIZE];
	int code = 0;

	if (readpassphrase("Password: ", password, SASL_PASSWORD_SIZE, RPP_REQUIRE_TTY) == NULL ||
	    readpassphrase("Once more: ", again, sizeof again, RPP_REQUIRE_TTY) == NULL)
		code = ctl_fail(EX_NOINPUT, "no password was given");
	else if (strcmp(password, again) != 0)
		code = ctl_fail(EX_DATAERR, "the two passwords differ");
	explicit_bzero(again, sizeof again);
	return code;
}

/* The first line, byte by byte: what follows may be meant for another program. */
static int
read_line(char password[SASL_PASSWORD_SIZE])
{
	size_t len = 0;
	ssize_t n;
	char c;

	while ((n = read(STDIN_FILENO, &c, 1)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return ctl_fail(EX_IOERR, "standard input: %s", strerror(errno));
		if (c == '\n')
			break;
		if (c == '\0' || len == SASL_PASSWORD_SIZE - 1)
			return ctl_fail(EX_DATAERR, "a password has up to %d bytes and no NUL",
			    SASL_PASSWORD_SIZE - 1);
		password[len++] = c;
	}
	if (len > 0 && password[len - 1] == '\r')
		len--;
	password[len] = '\0';
	return 0;
}

int
ctl_password(char password[SASL_PASSWORD_SIZE])
{
	int code = isatty(STDIN_FILENO) ? prompt(password) : read_line(password);

	if (code == 0 && password[0] == '\0')
		code = ctl_fail(
		    EX_DATAERR, "the password is empty: it is the first line of standard input");
	return code;
}

/* ---- verbs ---- */

static int
set_admin(const struct ctl *ctl, const char *name, const char *on)
{
	const char *const words[] = {"user", "admin", name, on};

	return ctl_tell(ctl, true, words, nitems(words));
}

static int
add(struct ctl *ctl, char **args, size_t n)
{
	bool no_mailbox = ctl_flag(args, &n, "--no-mailbox");
	bool admin = ctl_flag(args, &n, "--admin");
	char password[SASL_PASSWORD_SIZE] = "";
	const char *words[] = {
	    "user", "add", args[0], password, no_mailbox ? "no-mailbox" : "mailbox"};
	int code;

	if (n != 1)
		return ctl_misuse(ctl, args, n, 1);
	code = ctl_password(password);
	if (code == 0)
		code = ctl_tell(ctl, true, words, nitems(words));
	explicit_bzero(password, sizeof password);
	if (code == 0 && admin)
		code = set_admin(ctl, args[0], "on");
	if (code != 0)
		return code;
	return ctl_done(ctl, "user %s was added, %s mailbox%s", args[0],
	    no_mailbox ? "without a" : "with a", admin ? ", as an administrator" : "");
}

static int
del(struct ctl *ctl, char **args, size_t n)
{
	bool purge = ctl_flag(args, &n, "--purge");
	const char *words[] = {"user", "del", args[0], purge ? "purge" : "keep"};
	int code;

	if (n != 1)
		return ctl_misuse(ctl, args, n, 1);
	if ((code = ctl_tell(ctl, true, words, nitems(words))) != 0)
		return code;
	return ctl_done(ctl, "user %s was removed%s", args[0],
	    purge ? ", with the mailbox"
		  : "; a mailbox stays, and goes on receiving (--purge removes it)");
}

static int
passwd(struct ctl *ctl, char **args, size_t n)
{
	char password[SASL_PASSWORD_SIZE] = "";
	const char *words[] = {"user", "passwd", args[0], password};
	int code = ctl_password(password);

	(void)n;
	if (code == 0)
		code = ctl_tell(ctl, true, words, nitems(words));
	explicit_bzero(password, sizeof password);
	return code != 0 ? code : ctl_done(ctl, "the password of %s was changed", args[0]);
}

static const char *
yes_no(const json_t *user, const char *key)
{
	return json_is_true(json_object_get(user, key)) ? "yes" : "no";
}

static void
print_users(const json_t *users)
{
	static const char *const headings[] = {"USER", "MAILBOX", "ADMIN", "QUOTA"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *user;
	size_t i;

	json_array_foreach(users, i, user)
	{
		const json_t *quota = json_object_get(user, "quota");

		ctl_table_add(t, "%s", ctl_text(user, "name"));
		ctl_table_add(t, "%s", yes_no(user, "mailbox"));
		ctl_table_add(t, "%s", yes_no(user, "admin"));
		ctl_table_add(
		    t, "%s", json_is_integer(quota) ? ctl_size(json_integer_value(quota)) : "-");
	}
	ctl_table_print(&t);
}

static int
list(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"user", "list"};
	json_t *doc;
	int code = ctl_ask(ctl, true, words, nitems(words), &doc);

	(void)args, (void)n;
	if (code != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	print_users(json_object_get(doc, "users"));
	json_decref(doc);
	return 0;
}

static int
check_on_or_off(const struct ctl *ctl, const char *word)
{
	if (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)
		return 0;
	ctl_fail(
	    EX_USAGE, "user %s: \"%s\" is neither on nor off", ctl->verb, log_safe(span_of(word)));
	return ctl_usage(ctl);
}

static int
mailbox(struct ctl *ctl, char **args, size_t n)
{
	const char *words[] = {"user", "mailbox", args[0], args[1]};
	int code;

	(void)n;
	if ((code = check_on_or_off(ctl, args[1])) != 0 ||
	    (code = ctl_tell(ctl, true, words, nitems(words))) != 0)
		return code;
	return ctl_done(ctl, "user %s %s", args[0],
	    strcmp(args[1], "on") == 0 ? "has a mailbox" : "has no mailbox any more");
}

static int
admin(struct ctl *ctl, char **args, size_t n)
{
	int code;

	(void)n;
	if ((code = check_on_or_off(ctl, args[1])) != 0 ||
	    (code = set_admin(ctl, args[0], args[1])) != 0)
		return code;
	return ctl_done(
	    ctl, "user %s is %s administrator", args[0], strcmp(args[1], "on") == 0 ? "an" : "no");
}

static int
quota(struct ctl *ctl, char **args, size_t n)
{
	char bytes[24] = "none";
	const char *words[] = {"user", "quota", args[0], bytes};
	bool none = strcmp(args[1], "none") == 0;
	uint64_t size = 0;
	int code;

	(void)n;
	if (!none && !config_parse_size(span_of(args[1]), &size))
		return ctl_fail(EX_DATAERR, "\"%s\" is no size: bytes, or with K, M, G; or none",
		    log_safe(span_of(args[1])));
	if (!none)
		snprintf(bytes, sizeof bytes, "%" PRIu64, size);
	if ((code = ctl_tell(ctl, true, words, nitems(words))) != 0)
		return code;
	return none ? ctl_done(ctl, "for %s Maximum Mailbox Size holds", args[0])
		    : ctl_done(ctl, "the mailbox of %s may have %s bytes", args[0], bytes);
}

int
ctl_user(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {
	    {"add", 1, SIZE_MAX, add},
	    {"del", 1, SIZE_MAX, del},
	    {"passwd", 1, 1, passwd},
	    {"list", 0, 0, list},
	    {"mailbox", 2, 2, mailbox},
	    {"admin", 2, 2, admin},
	    {"quota", 2, 2, quota},
	};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
