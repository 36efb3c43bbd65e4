/*
 * The editor: one change, and every other byte as it was; refused when the result would not check.
 */
#include "tests/unit/common_config_support.h"

#include <errno.h>

#include "common/config.h"
#include "common/config_private.h"
#include "common/config_splice.h"
#include "common/memory.h"

/* ---- the text ---- */

static bool
is_key(const struct splice_key *key, struct span name)
{
	return span_is_nocase(name, key->name);
}

struct row {
	const char *before, *section, *name, *value, *after;
};

static const struct row rows[] = {
    /* its own line: spelling, blanks and line end stay */
    {"[a]\nKey = 1\n", "a", "Key", "2", "[a]\nKey = 2\n"},
    {"[A]\r\n\tkEY=1 \t\r\nx=y\r\n", "a", "Key", "22", "[A]\r\n\tkEY=22 \t\r\nx=y\r\n"},
    {"[a]\nKey   =   a b c", "a", "Key", "2", "[a]\nKey   =   2"},
    {"[a]\nKey =\n", "a", "Key", "2", "[a]\nKey = 2\n"},
    {"[a]\nKey = \n", "a", "Key", "2", "[a]\nKey = 2\n"},
    {"[a]\nKey = 1\n", "a", "Key", "", "[a]\nKey = \n"},
    {"[a]\n# Key = 7\n# c\nKey = 1\n", "a", "Key", "2", "[a]\n# Key = 7\n# c\nKey = 2\n"},
    {"\xef\xbb\xbf[a]\nKey = 1\n", "a", "Key", "2", "\xef\xbb\xbf[a]\nKey = 2\n"},
    /* of another section, or a longer name: another key */
    {"[b]\nKey = 1\n[a]\nx=y\n", "a", "Key", "2", "[b]\nKey = 1\n[a]\nx=y\nKey = 2\n"},
    {"[a]\nKey 2 = 1\n", "a", "Key", "2", "[a]\nKey 2 = 1\nKey = 2\n"},
    /* behind its comment */
    {"[a]\n# Key = 7\n\nx = y\n", "a", "Key", "2", "[a]\n# Key = 7\nKey = 2\n\nx = y\n"},
    {"[a]\n;Key\t=\nx = y\n", "a", "Key", "2", "[a]\n;Key\t=\nKey = 2\nx = y\n"},
    {"[a]\r\n#key=7\r\n", "a", "Key", "2", "[a]\r\n#key=7\r\nKey = 2\r\n"},
    {"[a]\n;Key = 7", "a", "Key", "2", "[a]\n;Key = 7\nKey = 2\n"},
    {"[a]\n# Key 7 = 7\n# says Key = 7\n", "a", "Key", "2",
	"[a]\n# Key 7 = 7\n# says Key = 7\nKey = 2\n"},
    {"[b]\n;Key = 7\n[a]\nx=y\n[c]\n;Key = 7\n", "a", "Key", "2",
	"[b]\n;Key = 7\n[a]\nx=y\nKey = 2\n[c]\n;Key = 7\n"},
    /* behind the last key */
    {"[a]\nx = y\n\n# about b\n# more\n[b]\n", "a", "Key", "2",
	"[a]\nx = y\nKey = 2\n\n# about b\n# more\n[b]\n"},
    {"[a]\nx = y\n# about x\n\n\n[b]\n", "a", "Key", "2",
	"[a]\nx = y\nKey = 2\n# about x\n\n\n[b]\n"},
    {"[a]\nx = y\n\n# a note\n\n[b]\n", "a", "Key", "2",
	"[a]\nx = y\nKey = 2\n\n# a note\n\n[b]\n"},
    {"[a]\n\n# p\np = q\n\n# x\nx = y\n\n# z\n;z = 1\n\n# b\n[b]\n", "a", "Key", "2",
	"[a]\n\n# p\np = q\n\n# x\nx = y\nKey = 2\n\n# z\n;z = 1\n\n# b\n[b]\n"},
    {"[b]\np = q\n[a]\n# x\nx = y\n[c]\np = q\n", "a", "Key", "2",
	"[b]\np = q\n[a]\n# x\nx = y\nKey = 2\n[c]\np = q\n"},
    /* at the section's end: before blanks and before comments of the next section */
    {"[a]\n\n# x\n;x = 1\n\n# z\n;z = 1\n\n# about b\n# more\n[b]\n", "a", "Key", "2",
	"[a]\n\n# x\n;x = 1\n\n# z\n;z = 1\nKey = 2\n\n# about b\n# more\n[b]\n"},
    {"[a]\n\n# about a\n\n[b]\n", "a", "Key", "2", "[a]\n\n# about a\nKey = 2\n\n[b]\n"},
    {"[a]\n\n# the end\n", "a", "Key", "2", "[a]\n\n# the end\nKey = 2\n"},
    {"[a]\n\n# Key = about b\n[b]\n", "a", "Key", "2", "[a]\nKey = 2\n\n# Key = about b\n[b]\n"},
    {"[a]\n[b]\n", "a", "Key", "2", "[a]\nKey = 2\n[b]\n"},
    {"[a]", "a", "Key", "2", "[a]\nKey = 2\n"},
    {"[a]\nx = y\n\n# the end\n", "a", "Key", "2", "[a]\nx = y\nKey = 2\n\n# the end\n"},
    /* a new section */
    {"", "a", "Key", "2", "[a]\nKey = 2\n"},
    {"[b]\nx = y", "a", "Key", "2", "[b]\nx = y\n\n[a]\nKey = 2\n"},
    {"[b]\r\nx = y\r\n", "a", "Key", "2", "[b]\r\nx = y\r\n\r\n[a]\r\nKey = 2\r\n"},
    {"[a]\nx=y\r", "a", "Key", "2", "[a]\nx=y\r\nKey = 2\n"},
    /* removing */
    {"[a]\nx = y\nKey = 1\n# c\n", "a", "Key", NULL, "[a]\nx = y\n# c\n"},
    {"[a]\nx = y\n# Key = 1\n", "a", "Key", NULL, "[a]\nx = y\n# Key = 1\n"},
    {"[a]\nKey = 1", "a", "Key", NULL, "[a]\n"},
    {"[b]\nKey = 1\n", "a", "Key", NULL, "[b]\nKey = 1\n"},
    {"", "a", "Key", NULL, ""},
};

static void
test_splice(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		const struct splice_key key = {rows[i].section, rows[i].name, is_key};
		size_t len;
		char *text = config_splice(span_of(rows[i].before), &key, rows[i].value, &len);

		assert_string_equal(text, rows[i].after);
		assert_int_equal(len, strlen(rows[i].after));
		free(text);
	}
}

/* ---- the files ---- */

static const char mail_ini[] = "# ours\n[mail]\n;Maximum Users = 1000\n\n[smtpd]\n"
			       "Use MTA = true\n[aliases]\nTod.Sambar = tod\n";

static void
expect_file(const char *name, const char *text)
{
	char *now = get_file(name);

	assert_string_equal(now, text);
	free(now);
}

static void
accept(const char *section, const char *key, const char *value)
{
	char *why = NULL;

	if (config_set(root, section, key, value, &why) == -1)
		fail_msg("%s", why);
}

static void
refuse(const char *section, const char *key, const char *value, const char *says)
{
	char *why = NULL;

	assert_int_equal(config_set(root, section, key, value, &why), -1);
	assert_int_equal(errno == 0, strstr(why, "No such file") == NULL);
	if (strstr(why, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, says);
	free(why);
}

static int
make_files(void **state)
{
	if (make_root(state) == -1)
		return -1;
	put_file("config/config.ini", "");
	put_file("config/mail.ini", mail_ini);
	return 0;
}

static void
test_set(void **state)
{
	char path[160];
	struct stat st;

	(void)state;
	path_of(path, "config/mail.ini");
	assert_int_equal(chmod(path, 0604), 0);
	accept(NULL, "maximum users", " 50 ");
	expect_file("config/mail.ini",
	    "# ours\n[mail]\n;Maximum Users = 1000\nMaximum Users = 50\n\n[smtpd]\n"
	    "Use MTA = true\n[aliases]\nTod.Sambar = tod\n");
	accept("smtpd", "Use MTA", "false");
	accept("mail", "Maximum Users", "");
	expect_file("config/mail.ini",
	    "# ours\n[mail]\n;Maximum Users = 1000\nMaximum Users = \n\n[smtpd]\n"
	    "Use MTA = false\n[aliases]\nTod.Sambar = tod\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	accept("listen", "SMTP", "127.0.0.1:10025");
	expect_file("config/config.ini", "[listen]\nSMTP = 127.0.0.1:10025\n");
}

static void
test_unset(void **state)
{
	(void)state;
	accept(NULL, "Maximum Users", NULL); /* it is not there */
	expect_file("config/mail.ini", mail_ini);
	accept(NULL, "maximum users", "5");
	accept(NULL, "Maximum Users", NULL);
	expect_file("config/mail.ini", mail_ini);
	accept("smtpd", "use mta", NULL);
	expect_file("config/mail.ini", "# ours\n[mail]\n;Maximum Users = 1000\n\n[smtpd]\n"
				       "[aliases]\nTod.Sambar = tod\n");
	put_file("config/mail.ini", "[smtpd]\nSpool Directory = /srv/x\nMaximum Retry = many\n");
	accept(NULL, "Maximum Retry", NULL); /* what is wrong may go */
	expect_file("config/mail.ini", "[smtpd]\nSpool Directory = /srv/x\n");
	put_file("config/mail.ini", "[smtpd]\nSpool Directory = x\nFailures Directory = spool\n");
	refuse(NULL, "Spool Directory", NULL, "must be another one than the Spool Directory");
	expect_file(
	    "config/mail.ini", "[smtpd]\nSpool Directory = x\nFailures Directory = spool\n");
}

static void
test_set_refused(void **state)
{
	(void)state;
	refuse(NULL, "Maximum User", "5", "the nearest is \"Maximum Users\"");
	refuse("mail", "Use MTA", "true", "belongs to [smtpd]");
	refuse("certificate bad name", "Certificate", "/x",
	    "[certificate bad name] cannot be: right is [certificate NAME]");
	refuse("fetch", "Server", "x", "right is [fetch NAME]");
	refuse("fetch a b", NULL, NULL, "[fetch a b] cannot be: right is [fetch NAME]");
	refuse("smtpd", NULL, NULL, "[smtpd] is no section that can be removed");
	refuse("aliases", NULL, NULL, "[aliases] is no section that can be removed");
	refuse(NULL, "Maximum Users", "0", "Maximum Users: \"0\" is not a number from 1");
	refuse(NULL, "Maximum Users", "5\n[x]", "control character");
	refuse(NULL, "Spool Directory", "mail", "nothing was changed, since then config/mail.ini:");
	expect_file("config/mail.ini", mail_ini);
}

/* Errors that the files have anyhow refuse nothing, wherever the change moves them to. */
static void
test_set_beside_errors(void **state)
{
	(void)state;
	put_file("config/config.ini", "[log]\nDebg = 1\n");
	put_file("config/mail.ini", "[mail]\n[smtpd]\nMaximum Retry = many\nMaximum Retry = 3\n");
	accept(NULL, "Maximum Users", "5");
	expect_file("config/mail.ini", "[mail]\nMaximum Users = 5\n[smtpd]\n"
				       "Maximum Retry = many\nMaximum Retry = 3\n");
	refuse(NULL, "Spool Directory", "mail", "must lie neither in nor around the Mail");
	refuse(NULL, "Maximum Retry", "4", "Maximum Retry is there twice"); /* as it was */
	accept(NULL, "Maximum Retry", NULL);
	accept(NULL, "Maximum Retry", "4");
	accept(NULL, "Maximum Users", NULL);
	expect_file("config/mail.ini", "[mail]\n[smtpd]\nMaximum Retry = 4\n");
	/* one that is there, but because of this very key */
	put_file("config/config.ini", "[listen]\nSMTP = 127.0.0.1:10025\nPOP3 = 127.0.0.1:10025\n");
	refuse(NULL, "POP3", "127.0.0.1:10025", "config/config.ini:3 would say: POP3");
	accept(NULL, "POP3", "127.0.0.1:10110");
	put_file("config/config.ini", "[listen]\nSMTP = 127.0.0.1:10025\nPOP3 = 127.0.0.1:10025\n");
	accept(NULL, "SMTP", "127.0.0.1:10026");
}

static void
test_entries(void **state)
{
	char *why = NULL;

	(void)state;
	assert_int_equal(config_set_entry(root, "aliases", "tod.sambar", "tod stacia", &why), 0);
	assert_int_equal(config_set_entry(root, "aliases", "All", "tod", &why), 0);
	assert_int_equal(config_set_entry(root, "forward", "chuck", "c@x.example", &why), 0);
	expect_file("config/mail.ini",
	    "# ours\n[mail]\n;Maximum Users = 1000\n\n[smtpd]\nUse MTA = true\n"
	    "[aliases]\nTod.Sambar = tod stacia\nAll = tod\n\n[forward]\nchuck = c@x.example\n");
	assert_int_equal(config_set_entry(root, "aliases", "TOD.sambar", NULL, &why), 0);
	assert_int_equal(config_set_entry(root, "aliases", "all", NULL, &why), 0);
	expect_file("config/mail.ini",
	    "# ours\n[mail]\n;Maximum Users = 1000\n\n[smtpd]\nUse MTA = true\n"
	    "[aliases]\n\n[forward]\nchuck = c@x.example\n");
}

static void
set_line(const char *section, const char *name, const char *value)
{
	char *why = NULL;

	if (config_set_entry(root, section, name, value, &why) == -1)
		fail_msg("%s", why);
}

/* Two spellings of a domain are one line, and a pattern is another one. */
static void
test_domains(void **state)
{
	(void)state;
	put_file("config/mail.ini", "[mail]\n\n# c\n[routes]\nX.Example = mx\n");
	set_line("routes", "x.example.", "smart host");
	set_line("routes", "*.x.example", "192.0.2.1:2525");
	set_line("tls policy", "x.example", "verify");
	expect_file("config/mail.ini",
	    "[mail]\n\n# c\n[routes]\nX.Example = smart host\n*.x.example = 192.0.2.1:2525\n\n"
	    "[tls policy]\nx.example = verify\n");
	set_line("routes", "X.EXAMPLE", NULL);
	set_line("tls policy", "*.x.example", NULL); /* it is not there */
	expect_file("config/mail.ini", "[mail]\n\n# c\n[routes]\n*.x.example = 192.0.2.1:2525\n\n"
				       "[tls policy]\nx.example = verify\n");
}

static void
test_domains_refused(void **state)
{
	static const struct {
		const char *section, *name, *value, *says;
	} bad[] = {
	    {"routes", "a b", "mx", "is no domain"},
	    {"routes", "", "mx", "is no domain"},
	    {"routes", "[192.0.2.1]", "mx", "is no domain"},
	    {"routes", "x.example", "", "says nothing"},
	    {"routes", "x.example", "h:99999", "is no host"},
	    {"tls policy", "x.example", "dane!", "is no policy"},
	    {"tls policy", "x.example", "may\n[mail]", "control character"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++) {
		char *why = NULL;

		assert_int_equal(
		    config_set_entry(root, bad[i].section, bad[i].name, bad[i].value, &why), -1);
		if (strstr(why, bad[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why, bad[i].says);
		free(why);
	}
	expect_file("config/mail.ini", mail_ini);
}

static void
test_entries_refused(void **state)
{
	static const struct {
		const char *name, *value, *says;
	} bad[] = {
	    {"a*", "tod", "names take no *"},
	    {"", "tod", "address is empty"},
	    {"null", "tod", "null is where"},
	    {"a=b", "tod", "cannot stand in the file"},
	    {"#a", "tod", "cannot stand in the file"},
	    {"\"a b\"", "tod", "cannot stand in the file"},
	    {"a", "", "has no target"},
	    {"a", "tod,ann", "target tod,ann"},
	    {"a", "tod\n[mail]", "control character"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++) {
		char *why = NULL;

		assert_int_equal(
		    config_set_entry(root, "aliases", bad[i].name, bad[i].value, &why), -1);
		if (strstr(why, bad[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why, bad[i].says);
		free(why);
	}
	expect_file("config/mail.ini", mail_ini);
}

/* A link stays a link, and the file it leads to is changed. */
static void
test_link(void **state)
{
	char path[160];
	struct stat st;

	(void)state;
	path_of(path, "config/mail.ini");
	assert_int_equal(unlink(path), 0);
	put_file("config/real.ini", "[mail]\n");
	assert_int_equal(symlink("real.ini", path), 0);
	accept(NULL, "Maximum Users", "7");
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	expect_file("config/real.ini", "[mail]\nMaximum Users = 7\n");
}

static void
test_no_file(void **state)
{
	char path[160];

	(void)state;
	path_of(path, "config/mail.ini");
	assert_int_equal(unlink(path), 0);
	refuse(NULL, "Maximum Users", "5", "config/mail.ini cannot be read: No such file");
}

static void
test_splice_section(void **state)
{
	static const struct {
		const char *before, *after;
	} sections[] = {
	    {"[a]\nx = 1\n", ""},
	    {"[a]\nx = 1\n\n[b]\ny = 2\n", "[b]\ny = 2\n"},
	    {"[b]\ny = 2\n[A]\nx = 1\n[c]\n", "[b]\ny = 2\n[c]\n"},
	    {"[b]\n\n[a]\nx = 1\n# of a\n\n[c]\n", "[b]\n\n[c]\n"},
	    {"[b]\r\ny = 2\r\n[a]\r\nx = 1\r\n\r\n[c]\r\n", "[b]\r\ny = 2\r\n\r\n[c]\r\n"},
	    {"[b]\r\n\r\n[a]\r\nx = 1", "[b]\r\n"},
	    {"[b]\n\n[a]\nx = 1\n", "[b]\n"},
	    {"[a]\nx = 1\n\n# about c\n[c]\n", "# about c\n[c]\n"},
	    {"[a]\n[c]\n", "[c]\n"},
	    {"[b]\nx = 1\n", "[b]\nx = 1\n"},
	    {"", ""},
	    {"[a", "[a"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(sections); i++) {
		size_t len;
		char *out = config_splice_section(span_of(sections[i].before), "a", &len);

		assert_string_equal(out, sections[i].after);
		assert_int_equal(len, strlen(sections[i].after));
		free(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_splice),
	    cmocka_unit_test(test_splice_section),
	    cmocka_unit_test_setup_teardown(test_set, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_unset, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_set_refused, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_set_beside_errors, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_entries, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_entries_refused, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_domains, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_domains_refused, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_link, make_files, remove_root),
	    cmocka_unit_test_setup_teardown(test_no_file, make_files, remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
