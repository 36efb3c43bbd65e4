/*
 * Whose a reverse-path is: one table of addresses and users, by one configuration.
 */
#include "tests/unit/router_resolve_support.h"

#include "router/sender.h"

static const char *const names[] = {"ann", "bob", "carl", NULL};

static const struct setting_line lines[] = {
    {"smtpd", "Local Domains", "shop.example two.example"},
    {"smtpd", "Relay Domains", "peer.example"},
    {"smtpd", "Unknown Mailbox", "ann"},
    {"aliases", "tod.sambar", "ann"},
    {"aliases", "all", "ann bob"},
    {"aliases", "everyone", "all carl"},
    {"aliases", "copied", "copied ann"},
    {"aliases", "bob", "bob ann"},
    {"aliases", "carl", "ann"},
    {"aliases", "noreply", "null"},
    {"aliases", "ann@shop.example", "bob"},
    {"aliases", "ann@isp.example", "ann"},
    {"aliases", "copy@isp.example", "copy@isp.example ann"},
    {"aliases", "remote", "ann@far.example"},
    {"aliases", "viaforward", "gone"},
    {"aliases", "tagged", "ann+list"},
    {"aliases", "circle", "circle2"},
    {"aliases", "circle2", "circle"},
    {"aliases", "a1", "a2"},
    {"aliases", "a2", "a3"},
    {"aliases", "a3", "a4"},
    {"aliases", "a4", "ann"},
    {"forward", "gone", "ann"},
    {"forward", "ann@two.example", "x@far.example"},
};

static int
setup(void **state)
{
	struct settings *s = settings_new();

	(void)state;
	begin(names);
	settings_add_lines(s, lines, nitems(lines));
	load_settings(s);
	return 0;
}

static void
of_a_user(void **state)
{
	static const struct {
		const char *address, *user;
		bool own;
	} rows[] = {
	    {"ann@our.example", "ann", true},
	    {"ANN@our.example", "ann", true},
	    {"ann+news@our.example", "ann", true},
	    {"ann@two.example", "ann", true}, /* a forward does not take a name away */
	    {"bob@our.example", "ann", false},
	    {"bob@our.example", "bob", true},
	    {"ann@our.example", "bob", false},
	    {"ann@sub.our.example", "ann", false},
	    {"ann@far.example", "ann", false},
	    {"ann@peer.example", "ann", false},
	    {"ann@[127.0.0.1]", "ann", false},
	    {"ann", "ann", true},
	    {"+ann@our.example", "ann", false},
	    /* a user without a mailbox */
	    {"dora@our.example", "dora", true},
	    /* aliases */
	    {"Tod.Sambar@our.example", "ann", true},
	    {"tod.sambar@shop.example", "ann", true},
	    {"tod.sambar+x@our.example", "ann", true},
	    {"tod.sambar@far.example", "ann", false},
	    {"tod.sambar@our.example", "bob", false},
	    {"all@our.example", "ann", true},
	    {"all@our.example", "bob", true},
	    {"all@our.example", "carl", false},
	    {"everyone@our.example", "bob", true},
	    {"everyone@our.example", "carl", true},
	    {"tagged@our.example", "ann", true},
	    {"noreply@our.example", "ann", false},
	    {"null@our.example", "null", true}, /* no user can have that name */
	    /* an alias that names itself gives copies away, not its name */
	    {"copied@our.example", "ann", false},
	    {"copied@our.example", "copied", true},
	    {"copy@isp.example", "ann", false},
	    /* a name that leads to another is still its user's, and the other's too */
	    {"carl@our.example", "carl", true},
	    {"carl@our.example", "ann", true},
	    /* complete addresses */
	    {"ann@shop.example", "ann", false},
	    {"ann@shop.example", "bob", true},
	    {"ann@isp.example", "ann", true},
	    {"ann@isp.example", "bob", false},
	    {"remote@our.example", "ann", false},
	    /* forwards and the Unknown Mailbox lend no name */
	    {"gone@our.example", "ann", false},
	    {"viaforward@our.example", "ann", false},
	    {"nobody@our.example", "ann", false},
	    /* circles, and deeper than 3 */
	    {"circle@our.example", "ann", false},
	    {"a2@our.example", "ann", true},
	    {"a1@our.example", "ann", false},
	    {"", "ann", false},
	    {"ann@our.example", "", false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if (sender_is_users(&result, tables, span_of(rows[i].address),
			span_of(rows[i].user)) != rows[i].own)
			fail_msg("%s of %s", rows[i].address, rows[i].user);
}

static void
of_any_account(void **state)
{
	static const struct {
		const char *address;
		enum mailbox_state state;
	} rows[] = {
	    {"ann@our.example", MAILBOX_IS},
	    {"Ann+x@two.example", MAILBOX_IS},
	    {"all@our.example", MAILBOX_IS},
	    {"noreply@our.example", MAILBOX_IS},
	    {"gone@our.example", MAILBOX_IS},
	    {"nobody@our.example", MAILBOX_NONE}, /* Unknown Mailbox or not */
	    {"dora+ann@our.example", MAILBOX_NONE},
	    {"null@our.example", MAILBOX_NONE},
	    {"a.b@our.example", MAILBOX_NONE},
	    {"ann@far.example", MAILBOX_NONE},
	    {"ann@isp.example", MAILBOX_NONE}, /* an alias does not make a domain ours */
	    {"ann@peer.example", MAILBOX_NONE},
	    {"", MAILBOX_NONE},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if (sender_is_account(&result, tables, span_of(rows[i].address), look, NULL) !=
		    rows[i].state)
			fail_msg("%s", rows[i].address);
	mailboxes.know_nothing = true;
	assert_int_equal(
	    sender_is_account(&result, tables, span_of("ann+x@our.example"), look, NULL),
	    MAILBOX_NOT_YET);
	assert_int_equal(result.missing.n, 1);
	assert_true(
	    span_is(result.missing.names[0], "ann+x") || span_is(result.missing.names[0], "ann"));
	mailboxes.know_nothing = false;
	mailboxes.unclear = "x";
	assert_int_equal(sender_is_account(&result, tables, span_of("x@our.example"), look, NULL),
	    MAILBOX_UNCLEAR);
}

static void
long_addresses(void **state)
{
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	memset(text, 'a', sizeof text);
	for (size_t len = ADDRESS_TEXT_SIZE - 1; len <= ADDRESS_TEXT_SIZE; len++) {
		assert_false(
		    sender_is_users(&result, tables, (struct span){text, len}, span_of("ann")));
		assert_int_equal(
		    sender_is_account(&result, tables, (struct span){text, len}, look, NULL),
		    MAILBOX_NONE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(of_a_user, setup, teardown),
	    cmocka_unit_test_setup_teardown(of_any_account, setup, teardown),
	    cmocka_unit_test_setup_teardown(long_addresses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
