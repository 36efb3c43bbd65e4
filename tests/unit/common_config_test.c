/*
 * The loader: every mistake with its place and what would be right; what the values are; what is
 * worth a warning.
 */
#include "tests/unit/common_config_support.h"

#include "common/config.h"
#include "common/config_private.h"
#include "common/ipc.h"
#include "common/memory.h"

/* One problem that a text of mail.ini (or config.ini) has: its place and a part of its sentence. */
struct row {
	const char *text;
	unsigned line;
	const char *says;
};

static struct config *
build(const char *config_ini, const char *mail_ini, struct config_problems *problems)
{
	struct config_source sources[CONFIG_SOURCES] = {
	    {(char *)(uintptr_t)config_ini, strlen(config_ini), 0},
	    {(char *)(uintptr_t)mail_ini, strlen(mail_ini), 0}};

	*problems = (struct config_problems){0};
	return config_build("/srv/mail", sources, problems, false);
}

static const struct row mistakes[] = {
    {"Mail Server = a.example\n", 1, "Mail Server stands before the first [section]"},
    {"[mail]\nMail Sever = a.example\n", 2,
	"there is no key \"Mail Sever\" in [mail]; the nearest is \"Mail Server\""},
    {"[mail]\nMaximum Recipients = 5\n", 2, "; it belongs to [smtpd] of mail.ini"},
    {"[mail]\nDNS Primary = 192.0.2.1\n", 2, "; it belongs to [common] of config.ini"},
    {"[mail]\nMaximum Recipient = 5\n", 2,
	"; the nearest is \"Maximum Recipients\" in [smtpd] of mail.ini"},
    {"[mail]\nFrobnicate = 5\n", 2, "there is no key \"Frobnicate\" in [mail]"},
    {"[mial]\n", 1, "there is no section [mial]; the nearest is [mail]"},
    {"[listen]\nSMTP = none\n", 1, "there is no section [listen]; [listen] belongs to config.ini"},
    {"[alias]\ntod = stacia\n", 1, "the nearest is [aliases]"},
    {"[]\n", 1, "there is no section []"},
    {"[fetch c d]\n", 1, "[fetch NAME], NAME: up to 32 letters, digits and hyphens"},
    {"[fetch]\nServer = x\n", 1, "there is no section [fetch]; right is [fetch NAME]"},
    {"[FETCH -x]\n", 1, "right is [fetch NAME]"},
    {"[fetch *]\n", 1, "[fetch *] cannot be: right is [fetch NAME]"},
    {"[fetch abcdefghijklmnopqrstuvwxyz0123456]\n", 1, "right is [fetch NAME]"},
    {"[certificate bad name]\n", 1, "right is [certificate NAME]"},
    {"\n\n# c\n[mail\n", 4, "a section is written [name]"},
    {"[mail] # c\n", 1, "a section is written [name]"},
    {"[mail]\n[smtpd]\n\n[MAIL]\n", 4, "section [mail] is there twice, first in line 1"},
    {"[aliases]\n[forward]\n[Aliases]\n", 3, "section [aliases] is there twice, first in line 1"},
    {"[mail]\nMaximum Users = 5\nmaximum users = 6\n", 3,
	"Maximum Users is there twice, first in line 2"},
    {"[mail]\nMaximum Users = many\n", 2,
	"Maximum Users: \"many\" is not a number from 1 to 1000000"},
    {"[mail]\nMaximum Users\n", 2, "a line is [section], key = value, or a comment"},
    {"[mail]\n= 5\n", 2, "the key before = is missing"},
    {"[mail]\nMaximum\vUsers = 5\n", 2, "control character"},
    {"[mail]\nMaximum Users = 5\r6\n", 2, "control character"},
    {"[mail]\n# a \033[1m comment\n", 2, "control character"},
    {"[smtpd]\nRelay Delivery = monthly\n", 2,
	"Relay Delivery: \"monthly\" is not one of ondemand never hourly daily"},
    {"[smtpd]\n\nLocal Domains = exa mple..org\n", 3, "Local Domains: \"mple..org\" is not"},
    {"[smtpd]\nRelay Domains = *.example .example\n", 2, "Relay Domains: \".example\" is not"},
    {"[smtpd]\nUnknown Mailbox = A.B\n", 2, "Unknown Mailbox: \"A.B\" is not a user's name"},
    {"[smtpd]\nSpool Directory = mail/mbox\n", 2, "must lie neither in nor around"},
    {"[smtpd]\nSpool Directory = mail/mbox/spool\n", 2, "must lie neither in nor around"},
    {"[mail]\nMail Directory = /srv/mail\n", 0, "must lie neither in nor around"},
    {"[smtpd]\nSpool Directory = failures\n", 0, "must be another one than the Spool Directory"},

    {"[aliases]\na*b = tod\n", 2, "a*b: names take no * (right is a name or a complete address)"},
    {"[aliases]\n*@x.example = tod\n", 2, "names take no *"},
    {"[aliases]\nnull = tod\n", 2, "null is where mail is dropped"},
    {"[aliases]\na b = tod\n", 2, "a b: "},
    {"[aliases]\na@ = tod\n", 2, "domain is missing"},
    {"[aliases]\n.a = tod\n", 2, "misplaced dot"},
    {"[aliases]\ntod =\n", 2, "tod: has no target"},
    {"[aliases]\nall = tod, stacia\n", 2, "all: target tod,: "},
    {"[aliases]\nall = tod <stacia@x.example>\n", 2, "all: target \\x3cstacia@x.example\\x3e"},
    {"[aliases]\nall = |prog\n", 0, NULL}, /* | is an ordinary character of a local part */
    {"[aliases]\nall = a@b@c\n", 2, "all: target a@b@c"},
    {"[aliases]\nTod = a\nstacia = b\ntod = c\n", 4, "tod is there twice, first in line 2"},
    {"[aliases]\ntod@X.example = a\nTod@x.Example. = b\n", 3, "is there twice, first in line 2"},
    {"[forward]\ntod = a\ntod = b\n", 3, "tod is there twice"},

    {"[routes]\na..b = mx\n", 2, "a..b: is no domain (right is a domain or a pattern"},
    {"[routes]\nann@x.example = mx\n", 2, "is no domain"},
    {"[routes]\nx.example =\n", 2, "x.example: says nothing (right is mx, smart host, or"},
    {"[routes]\nx.example = mx 5\n", 2, "x.example: \"5\" nothing may stand here"},
    {"[routes]\nx.example = smart host now\n", 2, "\"now\" nothing may stand here"},
    {"[routes]\nx.example = h.example smart host\n", 2, "\"smart\" is not \"implicit tls\""},
    {"[routes]\nx.example = h.example implicit\n", 2, "wants \"tls\" behind it"},
    {"[routes]\nx.example = h.example implicit tls verify\n", 2, "\"verify\" nothing may"},
    {"[routes]\nx.example = h.example:0\n", 2, "\"h.example:0\" is no host and no host:port"},
    {"[routes]\nx.example = h.example:65536\n", 2, "is no host and no host:port"},
    {"[routes]\nx.example = 2001:db8::25:25:1:1:1:1:1\n", 2, "is no host and no host:port"},
    {"[routes]\nx.example = [192.0.2.1]:25\n", 2, "is no host and no host:port"},
    {"[routes]\nx.example = 192.0.2\n", 2, "is no host and no host:port"},
    {"[routes]\nx.example = \"h.example\"\n", 2, "is no host and no host:port"},
    {"[routes]\nX.example = mx\n*.x.example = mx\nx.Example. = mx\n", 4,
	"x.example is there twice, first in line 2"},
    {"[routes]\n*.X.example = mx\n*.x.example = mx\n", 3, "is there twice, first in line 2"},
    {"[tls policy]\nx.example = always\n", 2,
	"x.example: \"always\" is no policy (right is none, may, dane, encrypt, or verify"},
    {"[tls policy]\nx.example =\n", 2, "x.example: says nothing"},
    {"[tls policy]\nx.example = may be\n", 2, "\"be\" nothing may stand here"},
    {"[tls policy]\nx.example = dane x.example\n", 2, "\"x.example\" nothing may stand here"},
    {"[tls policy]\nx.example = verify *.x.example\n", 2, "is no host name, .domain or address"},
    {"[tls policy]\nx.example = verify a.example:25\n", 2, "is no host name"},
    {"[tls policy]\nx.example = verify .192.0.2.1\n", 2, "is no host name"},
    {"[tls policy]\nx.example = verify a.example, b.example\n", 2, "\"a.example,\" is no host"},
    {"[tls policy]\n*. = may\n", 0, NULL},
    {"[tls policy]\n.x.example = may\n", 2, ".x.example: is no domain"},
    {"[tls policy]\nx = may\n[TLS Policy]\n", 3, "section [tls policy] is there twice"},
    {"[tls policies]\nx = may\n", 1, "the nearest is [tls policy]"},
    {"[tls]\nx = may\n", 1, "[tls] belongs to config.ini"},
    {"[aliases]\nx = ann\n[forward]\nx = ann\n[routes]\nx = mx\n[tls policy]\nx = may\n", 0, NULL},
};

static void
check_mistake(const struct row *row)
{
	struct config_problems problems;
	struct config *c = build("", row->text, &problems);
	char where[64];

	if (row->says == NULL) {
		assert_int_equal(problems.n, 0);
		config_free(&c);
		return;
	}
	if (problems.n_errors == 0)
		fail_msg("taken: %s", row->text);
	if (row->line != 0)
		snprintf(where, sizeof where, "config/mail.ini:%u", row->line);
	else
		snprintf(where, sizeof where, "config/mail.ini");
	assert_string_equal(problems.items[0].where, where);
	if (strstr(problems.items[0].text, row->says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", problems.items[0].text, row->says);
	assert_false(problems.items[0].warning);
	config_free(&c);
	config_problems_free(&problems);
}

static void
test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(mistakes); i++)
		check_mistake(&mistakes[i]);
}

/* Listeners: what a text of config.ini is told, NULL: nothing. */
static const struct row listeners[] = {
    {"[listen]\nSMTP = 127.0.0.1:25\nSubmission = 127.0.0.1:25\n", 3,
	"Submission: 127.0.0.1:25 meets 127.0.0.1:25 of SMTP in line 2: "},
    {"[listen]\nPOP3 = 127.0.0.1:25\n\nSMTP = 127.0.0.1:25\n", 4,
	"SMTP: 127.0.0.1:25 meets 127.0.0.1:25 of POP3 in line 2: "},
    {"[listen]\nSMTP = 127.0.0.1:26 0.0.0.0:25\nPOP3 = 127.0.0.1:25\n", 3,
	"POP3: 127.0.0.1:25 meets 0.0.0.0:25 of SMTP in line 2"},
    {"[listen]\nSMTP = 127.0.0.1:110\n", 2,
	"SMTP: 127.0.0.1:110 meets 0.0.0.0:110 of the default of POP3"},
    {"[listen]\nPOP3 = [::1]:25\n", 2, "POP3: [::1]:25 meets [::]:25 of the default of SMTP"},
    {"[listen]\nSMTP = [2001:DB8::1]:25\nPOP3 = [2001:db8:0:0::1]:25\n", 3,
	"POP3: [2001:db8::1]:25 meets [2001:db8::1]:25 of SMTP in line 2"},
    {"[listen]\nSMTP = 127.0.0.1:25 127.0.0.1:25\n", 2,
	"SMTP: 127.0.0.1:25 meets 127.0.0.1:25 of the same key"},
    {"[listen]\nSMTP = 0.0.0.0:25 [::]:25\n", 0, NULL},
    {"[listen]\nSMTP = 127.0.0.1:25\nPOP3 = 127.0.0.2:25 [::1]:25\n", 0, NULL},
    {"[listen]\nSMTP = none\nPOP3 = 0.0.0.0:25\n", 0, NULL},
};

static void
test_listeners(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(listeners); i++) {
		const struct row *row = &listeners[i];
		struct config_problems problems;
		struct config *c = build(row->text, "", &problems);
		char where[64];

		assert_int_equal(problems.n, row->says != NULL);
		assert_int_equal(problems.n_errors, row->says != NULL);
		if (row->says != NULL) {
			snprintf(where, sizeof where, "config/config.ini:%u", row->line);
			assert_string_equal(problems.items[0].where, where);
			if (strstr(problems.items[0].text, row->says) == NULL)
				fail_msg("\"%s\" does not say \"%s\"", problems.items[0].text,
				    row->says);
		}
		config_free(&c);
		config_problems_free(&problems);
	}
}

static void
test_too_many_listeners(void **state)
{
	struct config_problems problems;
	struct config *c;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	fputs("[listen]\nSMTP =", f);
	for (int i = 1; i <= 1100; i++)
		fprintf(f, " 127.0.0.1:%d", 2000 + i);
	fclose(f);
	c = build(text, "", &problems);
	assert_int_equal(problems.n_errors, 6); /* and the defaults of the other keys */
	assert_string_equal(problems.items[0].where, "config/config.ini:2");
	assert_string_equal(
	    problems.items[0].text, "SMTP: all keys together may have 1024 listeners");
	config_free(&c);
	config_problems_free(&problems);
	free(text);
}

static void
test_all_at_once(void **state)
{
	struct config_problems problems;
	struct config *c = build("[common]\nDNS Primary = x\n[log]\nDebg = true\n",
	    "[mail]\nTrace SMTP = perhaps\n\n[smtpd]\nUse MTA = so\nMaximum Retry = -1\n",
	    &problems);
	static const char *const where[] = {"config/config.ini:2", "config/config.ini:4",
	    "config/mail.ini:2", "config/mail.ini:5", "config/mail.ini:6"};

	(void)state;
	assert_int_equal(problems.n, nitems(where));
	assert_int_equal(problems.n_errors, nitems(where));
	for (size_t i = 0; i < nitems(where); i++)
		assert_string_equal(problems.items[i].where, where[i]);
	config_free(&c);
	config_problems_free(&problems);
}

static void
test_endless_mistakes(void **state)
{
	enum { LINES = 20000 };
	char *text = xcalloc(LINES, 4);
	struct config_problems problems;
	struct config *c;

	(void)state;
	for (size_t i = 0; i < LINES; i++)
		memcpy(text + 3 * i, "x=\n", 3);
	c = build("", text, &problems);
	assert_int_equal(problems.n_errors, LINES);
	assert_int_equal(problems.n, CONFIG_PROBLEMS_MAX + 1);
	assert_string_equal(problems.items[CONFIG_PROBLEMS_MAX].text, "there are more problems");
	config_free(&c);
	config_problems_free(&problems);
	free(text);
}

static void
test_values(void **state)
{
	struct config_problems problems;
	struct config *c = build("\xef\xbb\xbf[LISTEN]\r\nsmtp = none\r\n\r\n; c\r\n",
	    "  [mail]  \n\tmail server=Example.ORG\nMaximum Mailbox Size =\nTrace SMTP = YES\n"
	    "[smtpd]\nMaximum Message Size = 1 M\nSpool Directory = /var/x y/\n",
	    &problems);
	char *why = NULL;

	(void)state;
	assert_int_equal(problems.n, 0);
	assert_string_equal(config_text(c, "listen", "SMTP"), "");
	assert_string_equal(config_text(c, "listen", "POP3"), "0.0.0.0:110 [::]:110");
	assert_string_equal(config_text(c, "mail", "Mail Server"), "example.org");
	assert_string_equal(config_text(c, "mail", "Maximum Mailbox Size"), "");
	assert_int_equal(config_u64(c, "mail", "Maximum Mailbox Size"), 0);
	assert_true(config_bool(c, "mail", "Trace SMTP"));
	assert_false(config_bool(c, "mail", "Trace POP3"));
	assert_int_equal(config_u64(c, "smtpd", "Maximum Message Size"), 1048576);
	assert_string_equal(config_text(c, "smtpd", "Spool Directory"), "/var/x y");
	assert_string_equal(config_text(c, "mail", "Mail Directory"), "/srv/mail/mail/mbox");
	assert_string_equal(
	    config_text(c, "timeouts", "Retry Intervals"), "300 900 1800 3600 7200 14400");
	assert_string_equal(
	    config_written(c, "", config_find(NULL, "Maximum Message Size", &why)), "1 M");
	assert_string_equal(
	    config_written(c, "", config_find(NULL, "Mail Server", &why)), "Example.ORG");
	assert_string_equal(
	    config_written(c, "", config_find("TLS", "certificate", &why)), "config/tls.crt");
	config_free(&c);
}

static void
test_find(void **state)
{
	char *why = NULL;

	(void)state;
	assert_string_equal(config_find(NULL, "use mta", &why)->key, "Use MTA");
	assert_string_equal(config_find("listen", "SMTP", &why)->section, "listen");
	assert_null(config_find("mail", "Use MTA", &why));
	assert_string_equal(
	    why, "there is no key \"Use MTA\" in [mail]; it belongs to [smtpd] of mail.ini");
	free(why);
	assert_null(config_find(NULL, "Use MAT", &why));
	assert_non_null(strstr(why, "the nearest is \"Use MTA\" in [smtpd]"));
	free(why);
	assert_null(config_find(NULL, "", &why));
	free(why);
}

/* ---- slices ---- */

static void
print_setting(void *arg, const char *section, const char *key, const char *value)
{
	fprintf(arg, "[%s] %s = %s\n", section, key, value);
}

static char *
slice(const struct config *c, unsigned role)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	config_slice(c, role, print_setting, f);
	fclose(f);
	return text;
}

static void
test_slice(void **state)
{
	struct config_problems problems;
	struct config *c = build("",
	    "[aliases]\nTod.Sambar=TOD\nAll = Tod  Ann@X.Example\n"
	    "Support@Microsoft.COM = null\n[forward]\nchuck=Chuck+x@B.example\n",
	    &problems);
	char *text = slice(c, ROLE_ROUTER);

	(void)state;
	assert_int_equal(problems.n, 0);
	assert_non_null(strstr(text, "\n[aliases] tod.sambar = tod\n"
				     "[aliases] all = tod Ann@x.example\n"
				     "[aliases] support@microsoft.com = null\n"
				     "[forward] chuck = Chuck+x@b.example\n"));
	assert_non_null(strstr(text, "[limits] Maximum Alias Depth = 10\n"));
	assert_null(strstr(text, "Maximum Users"));
	free(text);
	text = slice(c, ROLE_SMTPD);
	assert_null(strstr(text, "aliases"));
	assert_non_null(strstr(text, "[smtpd] Maximum Message Size = 26214400\n"));
	assert_non_null(strstr(text, "[timeouts] SMTP Command = 300\n"));
	free(text);
	config_free(&c);
}

/* What router gets of each line, as written; sections in the file's order. */
static void
test_slice_of_routes(void **state)
{
	struct config_problems problems;
	struct config *c = build("[common]\nSMTP Server Password = two  words # ;\n",
	    "[tls policy]\n* = DANE\nBank.Example = Verify  BANK.example .bank.Example. ::1\n"
	    "old.example=None\nb.example = may\nc.example = encrypt\nd.example = verify\n"
	    "[routes]\n*.Net. = MX\nvia.example=Smart\tHost\nsmart.example = smart\n"
	    "a.example = Relay.Example.:0025\nb.example = 192.0.2.1\n"
	    "c.example = 2001:DB8:0::25 Implicit TLS\nd.example = [2001:db8::25]:465\n",
	    &problems);
	char *text = slice(c, ROLE_ROUTER);

	(void)state;
	assert_int_equal(problems.n, 0);
	assert_non_null(
	    strstr(text, "\n[tls policy] * = dane\n"
			 "[tls policy] bank.example = verify bank.example .bank.example ::1\n"
			 "[tls policy] old.example = none\n"
			 "[tls policy] b.example = may\n"
			 "[tls policy] c.example = encrypt\n"
			 "[tls policy] d.example = verify\n"
			 "[routes] *.net = mx\n"
			 "[routes] via.example = smart host\n"
			 "[routes] smart.example = smart\n"
			 "[routes] a.example = relay.example:25\n"
			 "[routes] b.example = 192.0.2.1\n"
			 "[routes] c.example = [2001:db8::25] implicit tls\n"
			 "[routes] d.example = [2001:db8::25]:465\n"));
	assert_non_null(strstr(text, "[common] SMTP Server Password = two  words # ;\n"));
	free(text);
	for (unsigned role = 1; role < ROLE_MASTER << 1; role <<= 1) {
		text = slice(c, role);
		assert_true(role == ROLE_ROUTER || strstr(text, "Password") == NULL);
		assert_true(role == ROLE_ROUTER || strstr(text, "[routes]") == NULL);
		free(text);
	}
	config_free(&c);
}

/* One line of a section, however its name is spelled. */
static void
test_entry_value(void **state)
{
	struct config_problems problems;
	struct config *c =
	    build("", "[aliases]\nAll = tod ANN\n[routes]\nX.example = H.example\n", &problems);
	const char *written, *normalized;

	(void)state;
	assert_int_equal(problems.n, 0);
	assert_true(config_entry_value(c, "routes", "x.EXAMPLE.", &written, &normalized));
	assert_string_equal(written, "H.example");
	assert_string_equal(normalized, "h.example");
	assert_true(config_entry_value(c, "aliases", "all", &written, &normalized));
	assert_string_equal(written, "tod ANN");
	assert_string_equal(normalized, "tod ann");
	assert_false(config_entry_value(c, "tls policy", "x.example", &written, &normalized));
	assert_false(config_entry_value(c, "routes", "all", &written, &normalized));
	assert_false(config_entry_value(c, "routes", "a b", &written, &normalized));
	assert_false(config_entry_value(c, "mail", "x.example", &written, &normalized));
	assert_string_equal(config_entries_section("TLS Policy"), "tls policy");
	assert_null(config_entries_section("mail"));
	config_free(&c);
}

/* A password is in no message. */
static void
test_secret_is_not_told(void **state)
{
	char text[400] = "[common]\nSMTP Server Password = hunter2";
	struct config_problems problems;
	struct config *c;

	(void)state;
	for (size_t i = 0; i < 300; i++)
		strlcat(text, "x", sizeof text);
	c = build(text, "", &problems);
	assert_int_equal(problems.n_errors, 1);
	assert_string_equal(
	    problems.items[0].text, "SMTP Server Password: it is not a text of up to 255 bytes");
	config_free(&c);
	config_problems_free(&problems);
}

static void
print_entry(void *arg, const char *name, const char *targets)
{
	fprintf(arg, "%s=%s;", name, targets);
}

static void
test_entries(void **state)
{
	struct config_problems problems;
	struct config *c = build("", "[aliases]\nTod.Sambar=TOD\n[forward]\nb=c  d\n", &problems);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	config_entries(c, "aliases", print_entry, f);
	config_entries(c, "forward", print_entry, f);
	fclose(f);
	assert_string_equal(text, "Tod.Sambar=TOD;b=c  d;");
	free(text);
	config_free(&c);
}

/* ---- with files ---- */

static void
load_files(struct config_problems *problems)
{
	struct config *c;

	*problems = (struct config_problems){0};
	c = config_load(root, problems);
	assert_non_null(c);
	config_free(&c);
}

static void
expect_error(const char *where, const char *says)
{
	struct config_problems problems;
	size_t i = 0;

	load_files(&problems);
	assert_true(problems.n_errors > 0);
	while (problems.items[i].warning)
		i++;
	assert_string_equal(problems.items[i].where, where);
	if (strstr(problems.items[i].text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", problems.items[i].text, says);
	config_problems_free(&problems);
}

static void
test_files(void **state)
{
	char path[160], *big;

	(void)state;
	put_file("config/mail.ini", "");
	expect_error("config/config.ini", "does not exist");
	path_of(path, "config/config.ini");
	assert_int_equal(mkdir(path, 0755), 0);
	expect_error("config/config.ini", "not a regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	expect_error("config/config.ini", "not a regular file");
	assert_int_equal(unlink(path), 0);
	put_file("config/config.ini", "");
	put_bytes_of("config/mail.ini", "[mail]\nMail\0 Server = x\n", 24);
	expect_error("config/mail.ini:2", "control character");
	big = xmalloc(5 * 1024 * 1024);
	memset(big, '#', 5 * 1024 * 1024);
	put_bytes_of("config/mail.ini", big, 5 * 1024 * 1024);
	expect_error("config/mail.ini", "larger than 4 MB");
	put_bytes_of("config/mail.ini", big, 40000);
	expect_error("config/mail.ini:1", "longer than 32768 bytes");
	free(big);
}

/* ---- warnings ---- */

static bool
warns(const struct config_problems *problems, const char *where, const char *says)
{
	for (size_t i = 0; i < problems->n; i++)
		if (strcmp(problems->items[i].where, where) == 0 &&
		    strstr(problems->items[i].text, says) != NULL)
			return problems->items[i].warning;
	return false;
}

static void
make_mailbox(void)
{
	char path[160];

	path_of(path, "mail");
	assert_int_equal(mkdir(path, 0755), 0);
	path_of(path, "mail/mbox");
	assert_int_equal(mkdir(path, 0755), 0);
	path_of(path, "mail/mbox/tod");
	assert_int_equal(mkdir(path, 0755), 0);
	put_file("mail/mbox/tod/inbox.fld", "");
}

/* By file, and by line in it. */
static bool
in_order(const struct config_problem *a, const struct config_problem *b)
{
	size_t file = strcspn(a->where, ":");

	if (file != strcspn(b->where, ":") || strncmp(a->where, b->where, file) != 0)
		return strncmp(a->where, "config/config.ini", 17) == 0;
	return b->where[file] == '\0' ||
	       (a->where[file] != '\0' && atoi(a->where + file + 1) <= atoi(b->where + file + 1));
}

static void
test_warnings(void **state)
{
	struct config_problems p;

	(void)state;
	make_mailbox();
	put_file("config/config.ini", "[listen]\nSMTP = 127.0.0.1:10025 127.0.0.1:10026\n"
				      "Submission = 127.0.0.1:10027\n");
	put_file("config/mail.ini", "[mail]\nMail Server = here\nEnable WebMail = YES\n"
				    "[smtpd]\nUse MTA = false\nUnknown Mailbox = nobody\n"
				    "Local Domains = *.here.example\n"
				    "[aliases]\n"
				    "all = tod@a.here.example tod+tag stacia@HERE ann@far.example\n"
				    "a = b\nb = c d@x.here.example\nc = null\nd = A@here\n"
				    "self = self\n"
				    "[forward]\ntod = tod tod@far.example\ntod@here = tod@here\n"
				    "ping@here = ping\nping = ping@here\n");
	load_files(&p);
	assert_int_equal(p.n_errors, 0);
	assert_true(warns(&p, "config/config.ini", "tls.crt: No such file"));
	assert_true(warns(&p, "config/mail.ini:2", "here is not fully qualified"));
	assert_true(warns(&p, "config/mail.ini:5",
	    "Use MTA: is false and there is no SMTP Server: only local mail is accepted"));
	assert_false(warns(&p, "config/mail.ini:3", "has no effect"));
	assert_true(warns(&p, "config/mail.ini:6", "there is no mailbox nobody"));
	assert_true(warns(&p, "config/mail.ini:9",
			"all: target stacia@HERE is neither a mailbox nor an alias") ||
		    warns(&p, "config/mail.ini:9",
			"all: target stacia@here is neither a mailbox nor an alias"));
	assert_false(warns(&p, "config/mail.ini:9", "target tod"));
	assert_false(warns(&p, "config/mail.ini:9", "target ann"));
	assert_true(warns(&p, "config/mail.ini:10", "leads in a circle: a -> b -> d -> a"));
	/* Who names himself means his mailbox. */
	assert_false(warns(&p, "config/mail.ini:14", "circle"));
	assert_true(warns(
	    &p, "config/mail.ini:14", "self: target self means the mailbox, which is not there"));
	assert_false(warns(&p, "config/mail.ini:16", "tod"));
	assert_false(warns(&p, "config/mail.ini:17", "tod@here"));
	assert_true(
	    warns(&p, "config/mail.ini:18", "leads in a circle: ping@here -> ping -> ping@here") ||
	    warns(&p, "config/mail.ini:19", "leads in a circle: ping -> ping@here -> ping"));
	for (size_t i = 1; i < p.n; i++)
		assert_true(in_order(&p.items[i - 1], &p.items[i]));
	assert_false(warns(&p, "config/mail.ini:8", "postmaster"));
	config_problems_free(&p);
}

static void
test_client_certificates(void **state)
{
	static const struct {
		const char *text, *where, *says;
	} rows[] = {
	    {"[tls]\nClient Certificate = a.crt\n", "config/config.ini:2",
		"Client Certificate: has no effect without Client Key"},
	    {"[tls]\nClient Key = a.key\n", "config/config.ini:2",
		"Client Key: has no effect without Client Certificate"},
	    {"[tls]\nClient Certificate = a.crt\nClient Key = a.key\n", "config/config.ini:2",
		"a.crt: No such file or directory; it is shown to nobody"},
	    {"[tls]\nTrusted Roots = roots.pem\n", "config/config.ini:2",
		"roots.pem: No such file or directory; no other host's certificate can be "
		"verified"},
	};
	struct config_problems p;

	(void)state;
	put_file("config/mail.ini", "");
	for (size_t i = 0; i < nitems(rows); i++) {
		put_file("config/config.ini", rows[i].text);
		load_files(&p);
		assert_int_equal(p.n_errors, 0);
		if (!warns(&p, rows[i].where, rows[i].says))
			fail_msg("row %zu: no warning %s", i, rows[i].says);
		config_problems_free(&p);
	}
}

/* ---- who may send ---- */

static void
test_relaying(void **state)
{
	static const struct {
		const char *smtpd;
		unsigned line;	  /* of the warning, 0: none */
		const char *text; /* of the warning */
	} rows[] = {
	    {"", 0, NULL},
	    {"Require AUTH = false\n", 0, NULL},
	    {"Restrict Relay = false\n", 0, NULL},
	    {"Restrict Relay IPs = *\n", 0, NULL},
	    {"Require AUTH = false\nRestrict Relay = false\n", 3, "an open relay"},
	    {"Require AUTH = false\nRestrict Relay IPs = 10.0.0.1 *\n", 3, "every host"},
	    {"Require AUTH = false\nRestrict Relay IPs = *.*.*.*\n", 3, "every host"},
	    {"Require AUTH = false\nRestrict Relay IPs = ::/0 ::1\n", 3, "every host"},
	    {"Require AUTH = false\nRestrict Relay IPs = 10.0.0.0/8 10.*\n", 0, NULL},
	    {"Relay Delivery = never\n", 0, NULL},
	    {"Relay Delivery = daily\n", 0, NULL},
	    {"Use MTA = false\n", 2, "only local mail is accepted"},
	};

	(void)state;
	put_file("config/config.ini", "");
	for (size_t i = 0; i < nitems(rows); i++) {
		char text[200], where[64];
		struct config_problems p;

		snprintf(text, sizeof text, "[smtpd]\n%s", rows[i].smtpd);
		put_file("config/mail.ini", text);
		load_files(&p);
		assert_int_equal(p.n_errors, 0);
		for (unsigned line = 2; line <= 3; line++) {
			snprintf(where, sizeof where, "config/mail.ini:%u", line);
			if (warns(&p, where, line == rows[i].line ? rows[i].text : "") !=
			    (line == rows[i].line))
				fail_msg("%s: line %u", rows[i].smtpd, line);
		}
		config_problems_free(&p);
	}
}

/* What belongs together is set one after the other, so what is missing is no error. */
static void
test_smart_host(void **state)
{
	static const struct {
		const char *common, *mail;
		unsigned line;	  /* of the warning in config.ini, 0: none */
		const char *text; /* of the warning */
	} cases[] = {
	    {"SMTP Server = h.example\n", "", 0, NULL},
	    {"SMTP Server = h.example\nSMTP Server User = tod\n", "", 3,
		"SMTP Server User: needs SMTP Server Password, which is missing"},
	    {"SMTP Server = h.example\nSMTP Server Password = x\n", "", 3,
		"SMTP Server Password: needs SMTP Server User, which is missing"},
	    {"SMTP Server User = tod\n", "", 2, "needs SMTP Server Password, which is missing"},
	    {"SMTP Server Password = x\n", "", 2, "needs SMTP Server User, which is missing"},
	    {"SMTP Server User = tod\n", "", 2, "has no effect without an SMTP Server"},
	    {"SMTP Server = A.example\n", "", 2, "a.example is this server itself"},
	    {"SMTP Server = a.example:25\n", "", 2, "a.example is this server itself"},
	    {"SMTP Server = a.example:10025\n", "", 0, NULL},
	    {"SMTP Server = h.example\nSMTP Server TLS = none\nSMTP Server User = tod\n"
	     "SMTP Server Password = x\n",
		"", 3, "no login is possible"},
	    {"SMTP Server = 127.0.0.1\nSMTP Server TLS = none\nSMTP Server User = tod\n"
	     "SMTP Server Password = x\n",
		"", 0, NULL},
	    {"SMTP Server = h.example\nSMTP Server TLS = none\nSMTP Server User = tod\n"
	     "SMTP Server Password = x\nSMTP Server AUTH Without TLS = true\n",
		"", 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++) {
		char text[400], where[64];
		struct config_problems p;

		snprintf(text, sizeof text, "[common]\n%s", cases[i].common);
		put_file("config/config.ini", text);
		put_file("config/mail.ini", "[mail]\nMail Server = a.example\n");
		load_files(&p);
		assert_int_equal(p.n_errors, 0);
		snprintf(where, sizeof where, "config/config.ini:%u", cases[i].line);
		if (cases[i].line != 0 && !warns(&p, where, cases[i].text))
			fail_msg("%s does not warn", text);
		for (size_t j = 0; j < p.n && cases[i].line == 0; j++)
			if (strstr(p.items[j].text, "SMTP Server") != NULL &&
			    strstr(p.items[j].text, "no effect yet") == NULL &&
			    strstr(p.items[j].text, "can read it") == NULL)
				fail_msg("%s warns: %s", text, p.items[j].text);
		config_problems_free(&p);
	}
}

static void
test_readable_password(void **state)
{
	struct config_problems p;
	char path[160];

	(void)state;
	put_file("config/config.ini", "[common]\nSMTP Server Password = hunter2\n");
	put_file("config/mail.ini",
	    "[routes]\nx.example = smart host\nb.example = mx\n*b.example = mx\n"
	    "[smtpd]\nLocal Domains = *.example\n");
	path_of(path, "config/config.ini");
	assert_int_equal(chmod(path, 0644), 0);
	load_files(&p);
	assert_true(warns(&p, "config/config.ini:2", "every user of this host can read it"));
	assert_true(warns(&p, "config/mail.ini:2", "x.example: there is no SMTP Server"));
	assert_true(
	    warns(&p, "config/mail.ini:3", "b.example: has no effect: the domain is local"));
	assert_false(warns(&p, "config/mail.ini:4", ""));
	for (size_t i = 0; i < p.n; i++)
		assert_null(strstr(p.items[i].text, "hunter2"));
	config_problems_free(&p);
	assert_int_equal(chmod(path, 0640), 0);
	load_files(&p);
	assert_false(warns(&p, "config/config.ini:2", "can read it"));
	config_problems_free(&p);
}

static void
test_postmaster(void **state)
{
	struct config_problems p;

	(void)state;
	make_mailbox();
	put_file("config/config.ini", "");
	put_file("config/mail.ini", "[mail]\nMail Server = a.example\n[aliases]\nx = tod\n");
	load_files(&p);
	assert_true(warns(&p, "config/mail.ini:3", "postmaster"));
	config_problems_free(&p);
	put_file(
	    "config/mail.ini", "[mail]\nMail Server = a.example\n[aliases]\nPostmaster = tod\n");
	load_files(&p);
	assert_false(warns(&p, "config/mail.ini:3", "postmaster"));
	config_problems_free(&p);
}

/* As deep as it may be: a chain of all entries, and no stack for it. */
static void
test_long_chain(void **state)
{
	enum { LINKS = 50000 };
	struct config_problems p;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	fputs("[aliases]\n", f);
	for (int i = 0; i < LINKS; i++)
		fprintf(f, "a%d = a%d\n", i, (i + 1) % LINKS);
	fclose(f);
	put_file("config/config.ini", "");
	put_file("config/mail.ini", text);
	free(text);
	load_files(&p);
	assert_int_equal(p.n_errors, 0);
	assert_true(warns(&p, "config/mail.ini:2", "leads in a circle: a0 -> a1 ->"));
	config_problems_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_listeners),
	    cmocka_unit_test(test_too_many_listeners),
	    cmocka_unit_test(test_all_at_once),
	    cmocka_unit_test(test_endless_mistakes),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_slice),
	    cmocka_unit_test(test_slice_of_routes),
	    cmocka_unit_test(test_entry_value),
	    cmocka_unit_test(test_secret_is_not_told),
	    cmocka_unit_test(test_entries),
	    cmocka_unit_test_setup_teardown(test_files, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_warnings, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_client_certificates, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_relaying, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_smart_host, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_readable_password, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_postmaster, make_root, remove_root),
	    cmocka_unit_test_setup_teardown(test_long_chain, make_root, remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
