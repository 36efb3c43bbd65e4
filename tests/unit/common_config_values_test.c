/*
 * Values of the configuration: what each type takes, what it makes of it, and what it says
 * otherwise.
 */
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config_values.h"
#include "common/memory.h"

/* In place of the kernel's: this machine has one interface. */
unsigned
if_nametoindex(const char *name)
{
	return strcmp(name, "enP9s0") == 0 ? 9 : 0;
}

/* normalized NULL: refused, and why holds what is said. */
struct row {
	enum config_type type;
	uint64_t min, max;
	const char *value, *normalized, *why;
};

static const struct row rows[] = {
    {CONFIG_TEXT, 0, 0, "a b", "a b", NULL},
    {CONFIG_TEXT, 0, 3, "a b", "a b", NULL},
    {CONFIG_TEXT, 0, 3, "a bc", NULL, "\"a bc\" is not a text of up to 3 bytes"},
    {CONFIG_SECRET, 0, 3, "a b", "a b", NULL},
    {CONFIG_SECRET, 0, 3, "a bc", NULL, "it is not a text of up to 3 bytes"},

    {CONFIG_BOOL, 0, 0, "true", "true", NULL},
    {CONFIG_BOOL, 0, 0, "YES", "true", NULL},
    {CONFIG_BOOL, 0, 0, "on", "true", NULL},
    {CONFIG_BOOL, 0, 0, "1", "true", NULL},
    {CONFIG_BOOL, 0, 0, "False", "false", NULL},
    {CONFIG_BOOL, 0, 0, "no", "false", NULL},
    {CONFIG_BOOL, 0, 0, "off", "false", NULL},
    {CONFIG_BOOL, 0, 0, "0", "false", NULL},
    {CONFIG_BOOL, 0, 0, "truee", NULL, "\"truee\" is not true or false"},
    {CONFIG_BOOL, 0, 0, "2", NULL, "true or false"},
    {CONFIG_BOOL, 0, 0, "true # yes", NULL, "a comment needs a line of its own"},

    {CONFIG_NUMBER, 0, 0, "0", "0", NULL},
    {CONFIG_NUMBER, 1, 30, "007", "7", NULL},
    {CONFIG_NUMBER, 1, 30, "30", "30", NULL},
    {CONFIG_NUMBER, 1, 30, "31", NULL, "\"31\" is not a number from 1 to 30"},
    {CONFIG_NUMBER, 1, 30, "0", NULL, "from 1 to 30"},
    {CONFIG_NUMBER, 1, 0, "0", NULL, "of at least 1"},
    {CONFIG_NUMBER, 0, 0, "18446744073709551615", "18446744073709551615", NULL},
    {CONFIG_NUMBER, 0, 0, "18446744073709551616", NULL, "not a number"},
    {CONFIG_NUMBER, 0, 0, "-1", NULL, "not a number"},
    {CONFIG_NUMBER, 0, 0, "+1", NULL, "not a number"},
    {CONFIG_NUMBER, 0, 0, "1.5", NULL, "not a number"},
    {CONFIG_NUMBER, 0, 0, "0x10", NULL, "not a number"},
    {CONFIG_NUMBER, 0, 0, "12K", NULL, "not a number"},
    {CONFIG_NUMBER, 0, 0, "twelve", NULL, "not a number"},

    {CONFIG_SIZE, 0, 0, "0", "0", NULL},
    {CONFIG_SIZE, 0, 0, "1023", "1023", NULL},
    {CONFIG_SIZE, 0, 0, "1K", "1024", NULL},
    {CONFIG_SIZE, 0, 0, "25M", "26214400", NULL},
    {CONFIG_SIZE, 0, 0, "25 m", "26214400", NULL},
    {CONFIG_SIZE, 0, 0, "2G", "2147483648", NULL},
    {CONFIG_SIZE, 0, 0, "17179869183G", "18446744072635809792", NULL},
    {CONFIG_SIZE, 0, 0, "17179869184G", NULL, "not a size"},
    {CONFIG_SIZE, 0, 0, "K", NULL, "not a size"},
    {CONFIG_SIZE, 0, 0, "1KB", NULL, "not a size"},
    {CONFIG_SIZE, 0, 0, "1KK", NULL, "not a size"},
    {CONFIG_SIZE, 0, 0, "1T", NULL, "not a size"},
    {CONFIG_SIZE, 0, 0, "-1M", NULL, "not a size"},
    {CONFIG_SIZE, 65536, 2147483648, "64K", "65536", NULL},
    {CONFIG_SIZE, 65536, 2147483648, "63K", NULL,
	"\"63K\" is not a size (bytes, or with K, M, G) from 64K to 2G"},
    {CONFIG_SIZE, 65536, 2147483648, "3G", NULL, "from 64K to 2G"},

    {CONFIG_DURATION, 0, 0, "0", "0", NULL},
    {CONFIG_DURATION, 0, 0, "90", "90", NULL},
    {CONFIG_DURATION, 0, 0, "30s", "30", NULL},
    {CONFIG_DURATION, 0, 0, "5m", "300", NULL},
    {CONFIG_DURATION, 0, 0, "2H", "7200", NULL},
    {CONFIG_DURATION, 0, 0, "4d", "345600", NULL},
    {CONFIG_DURATION, 0, 0, "1h30m", NULL, "not a time"},
    {CONFIG_DURATION, 0, 0, "1w", NULL, "not a time"},
    {CONFIG_DURATION, 0, 0, "m", NULL, "not a time"},
    {CONFIG_DURATION, 1, 86400, "25h", NULL,
	"\"25h\" is not a time (seconds, or with s, m, h, d) from 1s to 1d"},
    {CONFIG_DURATIONS, 1, 86400, "5m 15m\t 1h", "300 900 3600", NULL},
    {CONFIG_DURATIONS, 1, 86400, "5m 15x 1h", NULL, "\"15x\" is not a time"},
    {CONFIG_DURATIONS, 1, 86400, "5m,15m", NULL, "not a time"},

    {CONFIG_DOMAIN, 0, 0, "Mail.Example.ORG", "mail.example.org", NULL},
    {CONFIG_DOMAIN, 0, 0, "example.org.", "example.org", NULL},
    {CONFIG_DOMAIN, 0, 0, "localhost", "localhost", NULL},
    {CONFIG_DOMAIN, 0, 0, "ann@example.org", NULL, "is not a domain such as example.org"},
    {CONFIG_DOMAIN, 0, 0, "two words", NULL, "is not a domain"},
    {CONFIG_DOMAIN, 0, 0, "-a.example", NULL, "is not a domain"},
    {CONFIG_DOMAIN, 0, 0, "a..b", NULL, "is not a domain"},
    {CONFIG_DOMAIN, 0, 0, ".", NULL, "is not a domain"},
    {CONFIG_DOMAIN, 0, 0, "*.example.org", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "Example.org  *.Example.org *", "example.org *.example.org *", NULL},
    {CONFIG_DOMAINS, 0, 0, "*sambar.com", "*sambar.com", NULL},
    {CONFIG_DOMAINS, 0, 0, "*.* mail-* a*b.ex*e.org. *", "*.* mail-* a*b.ex*e.org *", NULL},
    {CONFIG_DOMAINS, 0, 0, "exa mple..org", NULL,
	"\"mple..org\" is not a domain such as example.org or *.example.org: "},
    {CONFIG_DOMAINS, 0, 0, "a.example .example.org", NULL, "\".example.org\" is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "*..org", NULL, "\"*..org\" is not"},
    {CONFIG_DOMAINS, 0, 0, "a.org..", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, ".", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "-a.org", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "a-.*", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "-*.org", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "ann@example.org", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "[192.0.2.1]", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "*?.org", NULL, "is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "a.example, b.example", NULL, "\"a.example,\" is not a domain"},
    {CONFIG_DOMAINS, 0, 0, "a.example b/example", NULL, "\"b/example\" is not a domain"},

    {CONFIG_ADDRESSES, 0, 0, "127.0.0.1 ::1", "127.0.0.1 ::1", NULL},
    {CONFIG_ADDRESSES, 0, 0, "140.175.165.*", "140.175.165.*", NULL},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.0/24 2001:DB8::/32", "192.0.2.0/24 2001:db8::/32", NULL},
    {CONFIG_ADDRESSES, 0, 0, "0.0.0.0/0 ::/0", "0.0.0.0/0 ::/0", NULL},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.1/32 ::1/128", "192.0.2.1/32 ::1/128", NULL},
    {CONFIG_ADDRESSES, 0, 0, "None", "none", NULL},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.0/33", NULL, "\"192.0.2.0/33\" is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "::/129", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.0/", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.0/-1", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.*/24", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "192.0.2.256", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "host.example", NULL, "is not an IP address"},
    {CONFIG_ADDRESSES, 0, 0, "*.example", NULL, "is not an IP address"},

    {CONFIG_LISTEN, 0, 0, "0.0.0.0:25 [::]:25", "0.0.0.0:25 [::]:25", NULL},
    {CONFIG_LISTEN, 0, 0, "  127.0.0.1:10025\t[::1]:10025 ", "127.0.0.1:10025 [::1]:10025", NULL},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1:0025", "127.0.0.1:25", NULL},
    {CONFIG_LISTEN, 0, 0, "[2001:DB8::1]:65535", "[2001:db8::1]:65535", NULL},
    {CONFIG_LISTEN, 0, 0, "[2001:db8:0::0001]:25", "[2001:db8::1]:25", NULL},
    {CONFIG_LISTEN, 0, 0, "none", "", NULL},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1:25 none", NULL, "\"none\" is not address:port"},
    {CONFIG_LISTEN, 0, 0, "25", NULL, "is not address:port such as 0.0.0.0:25"},
    {CONFIG_LISTEN, 0, 0, ":25", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "*:25", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1:", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1:0", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1:65536", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "127.0.0.1:smtp", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "::1:25", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "::1", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "[::1]", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "[127.0.0.1]:25", NULL, "is not address:port"},
    {CONFIG_LISTEN, 0, 0, "localhost:25", NULL, "is not address:port"},

    {CONFIG_HOST, 0, 0, "Smtp.Example.net", "smtp.example.net", NULL},
    {CONFIG_HOST, 0, 0, "smtp.example.net:587", "smtp.example.net:587", NULL},
    {CONFIG_HOST, 0, 0, "127.0.0.1:30026", "127.0.0.1:30026", NULL},
    {CONFIG_HOST, 0, 0, "2001:db8::1", "2001:db8::1", NULL},
    {CONFIG_HOST, 0, 0, "[2001:db8::1]:25", "[2001:db8::1]:25", NULL},
    {CONFIG_HOST, 0, 0, "[2001:db8::1]", "[2001:db8::1]", NULL},
    {CONFIG_HOST, 0, 0, "smtp.example.net:", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "smtp.example.net:0", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "smtp.example.net:25x", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, ":25", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "[]", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "[2001:db8::1", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "[2001:db8::g]:25", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "[192.0.2.1]:25", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "2001:db8::1::25", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "300.0.2.1", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "192.0.2", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "smtp.example.net:70000", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "smtp://example.net", NULL, "is not a host"},
    {CONFIG_HOST, 0, 0, "a b", NULL, "is not a host"},

    {CONFIG_NAMESERVER, 0, 0, "192.0.2.53", "192.0.2.53", NULL},
    {CONFIG_NAMESERVER, 0, 0, "2001:DB8::53", "2001:db8::53", NULL},
    {CONFIG_NAMESERVER, 0, 0, "192.0.2.53:5353", "192.0.2.53:5353", NULL},
    {CONFIG_NAMESERVER, 0, 0, "[2001:db8::53]:5353", "[2001:db8::53]:5353", NULL},
    {CONFIG_NAMESERVER, 0, 0, "FE80::1%enP9s0", "fe80::1%enP9s0", NULL},
    {CONFIG_NAMESERVER, 0, 0, "[FE80::1%enP9s0]:5353", "[fe80::1%enP9s0]:5353", NULL},
    {CONFIG_NAMESERVER, 0, 0, "fe80::1%enp9s0", NULL, "is not an IP address"},
    {CONFIG_NAMESERVER, 0, 0, "ns.example.org", NULL, "is not an IP address"},
    {CONFIG_NAMESERVER, 0, 0, "192.0.2.53:0", NULL, "is not an IP address"},
    {CONFIG_NAMESERVER, 0, 0, "192.0.2.53:70000", NULL, "is not an IP address"},
    {CONFIG_NAMESERVER, 0, 0, "1", NULL, "is not an IP address"},

    {CONFIG_MAILBOX, 0, 0, "billy-bob", "billy-bob", NULL},
    {CONFIG_MAILBOX, 0, 0, "Billy", NULL, "is not a user's name"},
    {CONFIG_MAILBOX, 0, 0, "a.b", NULL, "is not a user's name"},
    {CONFIG_MAILBOX, 0, 0, "../x", NULL, "is not a user's name"},
    {CONFIG_MAILBOX, 0, 0, "null", NULL, "is not a user's name"},

    {CONFIG_MAIL_ADDRESS, 0, 0, "Tod@Sambar.COM", "Tod@sambar.com", NULL},
    {CONFIG_MAIL_ADDRESS, 0, 0, "tod", NULL, "is not a mail address"},
    {CONFIG_MAIL_ADDRESS, 0, 0, "tod@", NULL, "is not a mail address"},
    {CONFIG_MAIL_ADDRESS, 0, 0, "<tod@sambar.com>", NULL, "is not a mail address"},

    {CONFIG_PATH, 0, 0, "mail/mbox", "/srv/mail/mail/mbox", NULL},
    {CONFIG_PATH, 0, 0, "./spool/", "/srv/mail/spool", NULL},
    {CONFIG_PATH, 0, 0, "/var/spool/sambar//", "/var/spool/sambar", NULL},
    {CONFIG_PATH, 0, 0, "with blank", "/srv/mail/with blank", NULL},
};

static void
check_row(const struct row *row)
{
	const struct config_key key = {
	    .key = "Key", .type = row->type, .min = row->min, .max = row->max};
	char *out = NULL, *why = NULL;
	int rv = config_normalize(&key, "/srv/mail", span_of(row->value), &out, &why);

	if (row->normalized != NULL) {
		if (rv == -1)
			fail_msg("%s was refused: %s", row->value, why);
		assert_string_equal(out, row->normalized);
	} else {
		if (rv == 0)
			fail_msg("%s was taken as %s", row->value, out);
		assert_null(out);
		if (strstr(why, row->why) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", row->value, why, row->why);
	}
	free(out);
	free(why);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		check_row(&rows[i]);
}

/* What was normalized is normal. */
static void
test_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct row again = rows[i];

		again.value = again.normalized;
		if (again.value != NULL && again.value[0] != '\0')
			check_row(&again);
	}
}

static void
test_choice(void **state)
{
	const struct config_key key = {
	    .key = "Key", .type = CONFIG_CHOICE, .words = "ondemand never hourly daily"};
	char *out, *why;

	(void)state;
	assert_int_equal(config_normalize(&key, "/", span_of("NEVER"), &out, &why), 0);
	assert_string_equal(out, "never");
	free(out);
	assert_int_equal(config_normalize(&key, "/", span_of("ondemand"), &out, &why), 0);
	free(out);
	assert_int_equal(config_normalize(&key, "/", span_of("daily"), &out, &why), 0);
	free(out);
	assert_int_equal(config_normalize(&key, "/", span_of("dail"), &out, &why), -1);
	assert_string_equal(why, "\"dail\" is not one of ondemand never hourly daily");
	free(why);
	assert_int_equal(config_normalize(&key, "/", span_of("never hourly"), &out, &why), -1);
	free(why);
}

static void
test_root(void **state)
{
	const struct config_key key = {.key = "Key", .type = CONFIG_PATH};
	char *out, *why;

	(void)state;
	assert_int_equal(config_normalize(&key, "/", span_of("spool"), &out, &why), 0);
	assert_string_equal(out, "/spool");
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_again),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
