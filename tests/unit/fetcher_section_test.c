/*
 * What a section is made of: which settings make another one of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "fetcher/section.h"

static const struct {
	const char *section, *key, *value, *other;
	bool matters;
} keys[] = {
    {"mail", "Mail Server", "example.test", "example.org", true},
    {"smtpd", "Maximum Message Size", "1000", "2000", true},
    {"smtpd", "Maximum Received Hops", "30", "31", true},
    {"limits", "Maximum Fetches", "20", "21", false},
    {"fetch home", "User", "ann", "bob", false},
    {"fetch work", "Protocol", "pop3", "imap", true},
    {"fetch work", "Server", "pop.example", "pop.example:1995", true},
    {"fetch work", "TLS", "implicit", "starttls", true},
    {"fetch work", "Certificate Fingerprint", "", "00", true},
    {"fetch work", "User", "ann", "bob", true},
    {"fetch work", "Password", "secret", "secret2", true},
    {"fetch work", "OAuth Token Endpoint", "", "https://there.example/", true},
    {"fetch work", "OAuth Client ID", "", "me", true},
    {"fetch work", "OAuth Client Secret", "", "x", true},
    {"fetch work", "OAuth Refresh Token", "", "y", true},
    {"fetch work", "OAuth Token Command", "", "/bin/token", true},
    {"fetch work", "Folders", "INBOX", "INBOX Work", true},
    {"fetch work", "Interval", "600", "601", true},
    {"fetch work", "IDLE", "true", "false", true},
    {"fetch work", "Maximum Message Size", "", "500", true},
    {"fetch work", "At Server", "leave", "delete", true},
    {"fetch work", "Routing", "mailbox ann", "local", true},
    {"fetch work", "Local Domains", "", "isp.test", true},
    {"fetch work", "Unknown Mailbox", "", "lost", true},
};

/* changed: the key that has its other value. */
static struct section_conf *
conf_with(size_t changed)
{
	struct settings *s = settings_new();
	struct section_conf *c;

	for (size_t i = 0; i < nitems(keys); i++)
		settings_add(
		    s, keys[i].section, keys[i].key, i == changed ? keys[i].other : keys[i].value);
	c = section_conf_new(s, "fetch work");
	settings_free(&s);
	return c;
}

static void
test_what_makes_another_section(void **state)
{
	struct section_conf *first = conf_with(SIZE_MAX);

	(void)state;
	assert_string_equal(first->name, "work");
	assert_null(first->missing);
	assert_int_equal(first->port, 995);
	assert_int_equal(first->max_size, 1000);
	for (size_t i = 0; i < nitems(keys); i++) {
		struct section_conf *c = conf_with(i);

		if ((strcmp(first->all, c->all) != 0) != keys[i].matters)
			fail_msg("[%s] %s", keys[i].section, keys[i].key);
		section_conf_unref(&c);
	}
	section_conf_unref(&first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_makes_another_section)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
