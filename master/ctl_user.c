/*
 * sambarctl user: accounts and their mailboxes. auth does it; passwords come from standard input,
 * never from an argument, which every user of the host could see.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/auth.h"
#include "common/address.h"
#include "common/config.h"
#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sasl.h"
#include "master/contents.h"
#include "master/ctl.h"
#include "master/ctl_link.h"
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

/* The administrator may: there may be programs that know no other. */
int
ctl_new_password(char password[SASL_PASSWORD_SIZE])
{
	int code = ctl_password(password);

	if (code == 0 && strlen(password) < AUTH_NEW_PASSWORD_MIN_BYTES)
		fprintf(stderr,
		    "sambarctl: warning: the password has fewer than %d characters, which is easy "
		    "to guess: a user could not choose it himself\n",
		    AUTH_NEW_PASSWORD_MIN_BYTES);
	return code;
}

/* ---- verbs ---- */

static int
set_admin(const struct ctl *ctl, const char *name, const char *on)
{
	const char *const words[] = {"user", "admin", name, on};

	return ctl_tell(ctl, true, words, nitems(words));
}

/* Nobody is asked for a password that is of no use. 0, or the exit code of an error that was told.
 */
static int
look_before_asking(const struct ctl *ctl, const char *name, bool wanted)
{
	const char *const words[] = {"user", "find", name};
	json_t *doc;
	int code;

	if (!isatty(STDIN_FILENO))
		return 0;
	code = ctl_try(ctl, true, words, nitems(words), &doc);
	if (code == 0 && !wanted)
		code = ctl_fail(EX_DATAERR, "there is a user %s already", name);
	else if (code == EX_NOUSER && !wanted)
		code = 0;
	else if (code != 0 && doc != NULL)
		ctl_fail(code, "%s", ctl_text(doc, "error"));
	json_decref(doc);
	return code;
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
	if ((code = look_before_asking(ctl, args[0], false)) != 0)
		return code;
	code = ctl_new_password(password);
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

/* The mail directory, or -1. */
static int
open_mail(const struct ctl *ctl)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	int mail =
	    open(config_text(c, "mail", "Mail Directory"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	config_problems_free(&problems);
	config_free(&c);
	return mail;
}

/* What a user has, before it is taken away. */
struct belongings {
	bool unclear; /* the mail directory cannot be looked into */
	bool mailbox;
	size_t messages;
};

static struct belongings
belongings_of(const struct ctl *ctl, const char *name)
{
	int mail = open_mail(ctl);
	struct belongings b = {.unclear = mail == -1};

	if (mail != -1 && address_is_user_name(span_of(name)) && contents_has_mailbox(mail, name)) {
		b.mailbox = true;
		b.messages = contents_messages(mail, name);
	}
	closefd(&mail);
	return b;
}

static int
done_del(const struct ctl *ctl, const char *name, bool purge, struct belongings had)
{
	if (had.unclear)
		return ctl_done(ctl, "user %s was removed%s", name,
		    purge ? ", with any mailbox" : "; any mailbox stays");
	if (!had.mailbox)
		return ctl_done(ctl, "user %s was removed; there was no mailbox", name);
	if (!purge)
		return ctl_done(ctl,
		    "user %s was removed; the mailbox stays, and goes on receiving (--purge "
		    "removes it)",
		    name);
	return ctl_done(ctl, "user %s was removed, with the mailbox: %zu message(s) were deleted",
	    name, had.messages);
}

static int
del(struct ctl *ctl, char **args, size_t n)
{
	bool purge = ctl_flag(args, &n, "--purge");
	const char *words[] = {"user", "del", args[0], purge ? "purge" : "keep"};
	struct belongings had;
	int code;

	if (n != 1)
		return ctl_misuse(ctl, args, n, 1);
	had = belongings_of(ctl, args[0]);
	if ((code = ctl_tell(ctl, true, words, nitems(words))) != 0)
		return code;
	return done_del(ctl, args[0], purge, had);
}

static int
passwd(struct ctl *ctl, char **args, size_t n)
{
	char password[SASL_PASSWORD_SIZE] = "";
	const char *words[] = {"user", "passwd", args[0], password};
	int code = look_before_asking(ctl, args[0], true);

	(void)n;
	if (code != 0)
		return code;
	code = ctl_new_password(password);
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

/* ---- mailboxes without an account: of one that was removed, or made by hand ---- */

struct strays {
	json_t *users; /* by name */
	json_t *names;
};

static void
add_stray(void *arg, const char *name)
{
	const struct strays *s = arg;

	if (address_is_user_name(span_of(name)) && json_object_get(s->users, name) == NULL)
		json_array_append_new(s->names, json_string(name));
}

static json_t *
by_name(json_t *users)
{
	json_t *out = json_object(), *user;
	size_t i;

	json_array_foreach(users, i, user)
	    json_object_set(out, json_string_value(json_object_get(user, "name")), user);
	return out;
}

static json_t *
find_strays(const struct ctl *ctl, json_t *users)
{
	int mail = open_mail(ctl);
	struct strays s = {by_name(users), json_array()};

	if (mail != -1)
		contents_mailboxes(mail, add_stray, &s);
	closefd(&mail);
	json_decref(s.users);
	return s.names;
}

static void
print_strays(const json_t *names)
{
	const json_t *name;
	size_t i;

	if (json_array_size(names) > 0)
		printf("\nMailboxes without an account:");
	json_array_foreach(names, i, name) printf(" %s", json_string_value(name));
	if (json_array_size(names) > 0)
		putchar('\n');
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
	json_object_set_new(
	    doc, "mailboxes_without_account", find_strays(ctl, json_object_get(doc, "users")));
	if (ctl->json)
		return ctl_print_json(doc);
	print_users(json_object_get(doc, "users"));
	print_strays(json_object_get(doc, "mailboxes_without_account"));
	json_decref(doc);
	return 0;
}

static int
check_on_or_off(const struct ctl *ctl, const char *word)
{
	if (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)
		return 0;
	ctl_fail(EX_USAGE, "user %s: \"%s\" is neither on nor off", ctl->verb,
	    log_printable(span_of(word)));
	return ctl_usage(ctl);
}

static int
mailbox(struct ctl *ctl, char **args, size_t n)
{
	const char *words[] = {"user", "mailbox", args[0], args[1]};
	struct belongings had;
	int code;

	(void)n;
	if ((code = check_on_or_off(ctl, args[1])) != 0)
		return code;
	had = belongings_of(ctl, args[0]);
	if ((code = ctl_tell(ctl, true, words, nitems(words))) != 0)
		return code;
	if (strcmp(args[1], "on") == 0)
		return ctl_done(ctl, "user %s has a mailbox", args[0]);
	return had.mailbox
		   ? ctl_done(ctl, "user %s has no mailbox any more; %zu message(s) were deleted",
			 args[0], had.messages)
		   : ctl_done(ctl, "user %s has no mailbox", args[0]);
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
		    log_printable(span_of(args[1])));
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
	    {"setup-link", 0, 0, ctl_link},
	};

	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
