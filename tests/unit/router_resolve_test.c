/*
 * Where recipients go: one table of addresses and their targets, by one configuration.
 */
#include "tests/unit/router_resolve_support.h"

static const char *const names[] = {
    "tod", "stacia", "ann", "bob", "carl", "self", "x", "fulldup", "catchall", NULL};

static const struct setting_line lines[] = {
    {"smtpd", "Local Domains", "local.example *.inside.example"},
    {"smtpd", "Relay Domains", "peer.example *.peers.example"},
    {"aliases", "tod.sambar", "tod"},
    {"aliases", "all", "tod stacia"},
    {"aliases", "webmaster", "stacia"},
    {"aliases", "support@microsoft.com", "null"},
    {"aliases", "both@elsewhere.example", "ann far@elsewhere.example"},
    {"aliases", "twice", "ann all tod ann@our.example far@x.example FAR@x.example far@x.example"},
    {"aliases", "self", "self bob"},
    {"aliases", "selffull@our.example", "selffull@our.example bob"},
    {"aliases", "fulldup@our.example", "fulldup@our.example bob"},
    {"aliases", "far@self.example", "far@self.example ann"},
    {"aliases", "a1", "a2"},
    {"aliases", "a2", "a3"},
    {"aliases", "a3", "a4"},
    {"aliases", "a4", "ann"},
    {"aliases", "circle", "circle2 ann"},
    {"aliases", "circle2", "circle"},
    {"aliases", "tagged+list", "bob"},
    {"aliases", "tagged", "ann"},
    {"aliases", "ghosts", "ghost ann"},
    {"aliases", "onlyghost", "ghost"},
    {"aliases", "dropped", "null"},
    {"aliases", "half", "null ann"},
    {"aliases", "withtag", "ann+news"},
    {"aliases", "postmaster", "tod"},
    {"aliases", "carl", "bob"},
    {"aliases", "viaforward", "chuck"},
    {"aliases", "empty", ""},
    {"forward", "chuck", "sambar@earthlink.net"},
    {"forward", "mirrors", "niclas@skyweb.se sirjames@jalyn.com stacia"},
    {"forward", "ann.forward@our.example", "ann@far.example"},
    {"forward", "bob", "bob bob@far.example"},
    {"forward", "carl", "far@x.example"},
    {"forward", "topeer", "u@peer.example"},
    {"forward", "toalias", "support@microsoft.com webmaster@local.example"},
};

static void
load(const char *unknown)
{
	struct settings *s = settings_new();

	settings_add(s, "smtpd", "Unknown Mailbox", unknown);
	settings_add_lines(s, lines, nitems(lines));
	load_settings(s);
}

static int
setup(void **state)
{
	(void)state;
	begin(names);
	load("");
	return 0;
}

/* "ann bob > far@x.example relay dropped unknown loop unclear" */
static void
print(char *out, size_t size)
{
	const struct name_set *sets[] = {&result.mailboxes, &result.remotes};

	out[0] = '\0';
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < sets[s]->n; i++) {
			char name[ADDRESS_TEXT_SIZE];

			assert_true(span_copy(sets[s]->names[i], name, sizeof name));
			strlcat(out, s ? ">" : "", size);
			strlcat(out, name, size);
			strlcat(out, " ", size);
		}
	strlcat(out, result.relay ? "relay " : "", size);
	strlcat(out, result.dropped ? "dropped " : "", size);
	strlcat(out, result.unknown ? "unknown " : "", size);
	strlcat(out, result.unclear ? "unclear " : "", size);
	strlcat(out, result.loop ? "loop " : "", size);
	if (out[0] != '\0')
		out[strlen(out) - 1] = '\0';
}

static const struct row {
	const char *address, *goes;
} rows[] = {
    /* mailboxes of local domains */
    {"ann@our.example", "ann"},
    {"Ann@our.example", "ann"},
    {"ANN@local.example", "ann"},
    {"ann@deep.inside.example", "ann"},
    {"ann@inside.example", ">ann@inside.example"},
    {"ann", "ann"},
    {"ghost@our.example", "unknown"},
    {"ghost", "unknown"},
    {"", "unknown"},
    {"@our.example", "unknown"},
    /* other domains */
    {"ann@far.example", ">ann@far.example"},
    {"Ann@far.example", ">Ann@far.example"},
    {"ann@peer.example", ">ann@peer.example relay"},
    {"ann@a.peers.example", ">ann@a.peers.example relay"},
    {"ann@[127.0.0.1]", ">ann@[127.0.0.1]"},
    {"ann@[IPv6:::1]", ">ann@[IPv6:::1]"},
    {"null@far.example", ">null@far.example"},
    /* the manual's aliases */
    {"Tod.Sambar@our.example", "tod"},
    {"all@our.example", "tod stacia"},
    {"webmaster@local.example", "stacia"},
    {"support@microsoft.com", "dropped"},
    {"Support@microsoft.com", "dropped"},
    {"support@our.example", "unknown"},
    {"null@our.example", "dropped"},
    {"null", "dropped"},
    {"null+tag@our.example", "dropped"},
    {"postmaster", "tod"},
    {"Postmaster@our.example", "tod"},
    {"dropped@our.example", "dropped"},
    {"half@our.example", "ann dropped"},
    {"both@elsewhere.example", "ann >far@elsewhere.example"},
    /* each once */
    {"twice@our.example", "ann tod stacia >far@x.example >FAR@x.example"},
    /* an alias that names itself means the mailbox */
    {"self@our.example", "self bob >bob@far.example"},
    {"self+tag@our.example", "self bob >bob@far.example"},
    {"fulldup@our.example", "fulldup bob >bob@far.example"},
    {"selffull@our.example", "bob >bob@far.example unknown"},
    {"far@self.example", "ann >far@self.example"},
    /* depth and circles */
    {"a2@our.example", "ann"},
    {"a1@our.example", "loop"},
    {"circle@our.example", "ann loop"},
    {"circle2@our.example", "ann loop"},
    /* tags */
    {"ann+tag@our.example", "ann"},
    {"ann+a+b@our.example", "ann"},
    {"ann+@our.example", "ann"},
    {"+ann@our.example", "unknown"},
    {"+@our.example", "unknown"},
    {"tagged+list@our.example", "bob >bob@far.example"},
    {"tagged+other@our.example", "ann"},
    {"ghost+x@our.example", "unknown"},
    {"withtag@our.example", "ann"},
    {"ann+../../x@our.example", "ann"},
    /* targets that lead nowhere */
    {"ghosts@our.example", "ann unknown"},
    {"onlyghost@our.example", "unknown"},
    {"empty@our.example", ""},
    /* forwards; an alias comes first */
    {"chuck@our.example", ">sambar@earthlink.net"},
    {"viaforward@our.example", ">sambar@earthlink.net"},
    {"mirrors@our.example", "stacia >niclas@skyweb.se >sirjames@jalyn.com"},
    {"bob@our.example", "bob >bob@far.example"},
    {"carl@our.example", "bob >bob@far.example"},
    {"ann.forward@our.example", ">ann@far.example"},
    {"ann.forward@local.example", "unknown"},
    {"topeer@our.example", ">u@peer.example relay"},
    {"toalias@our.example", "stacia dropped"},
    /* what strangers try */
    {"a@b@our.example", "unknown"},
    {"\"ann\"@our.example", "unknown"},
    {"\"a b\"@our.example", "unknown"},
    {"ann%x@our.example", "unknown"},
    {"ann!x@our.example", "unknown"},
    {"|prog@our.example", "unknown"},
    {"/etc/passwd@our.example", "unknown"},
    {"../../x@our.example", "unknown"},
    {"..@our.example", "unknown"},
    {"ann/new@our.example", "unknown"},
};

static void
goes(void **state)
{
	char text[2000];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		resolve(&result, tables, span_of(rows[i].address), look, NULL);
		print(text, sizeof text);
		if (strcmp(text, rows[i].goes) != 0)
			fail_msg("%s: %s instead of %s", rows[i].address, text, rows[i].goes);
		assert_int_equal(result.missing.n, 0);
	}
}

static void
unknown_mailbox(void **state)
{
	static const struct row unknown_rows[] = {
	    {"ghost@our.example", "catchall"},
	    {"ghost+x@our.example", "catchall"},
	    {"ghosts@our.example", "catchall ann"},
	    {"ann@our.example", "ann"},
	    {"a.b@our.example", "catchall"},
	    {"null@our.example", "dropped"},
	    {"ghost@far.example", ">ghost@far.example"},
	};
	char text[2000];

	(void)state;
	load("catchall");
	for (size_t i = 0; i < nitems(unknown_rows); i++) {
		resolve(&result, tables, span_of(unknown_rows[i].address), look, NULL);
		print(text, sizeof text);
		assert_string_equal(text, unknown_rows[i].goes);
	}
	load("nobody");
	resolve(&result, tables, span_of("ghost@our.example"), look, NULL);
	assert_true(result.unknown);
}

/* What router has put in the place of another recipient is followed no further. */
static void
final_recipients(void **state)
{
	static const struct row final_rows[] = {
	    {"self@our.example", "self"},
	    {"bob@our.example", "bob"},
	    {"webmaster@our.example", "unknown"},
	    {"support@microsoft.com", ">support@microsoft.com"},
	    {"u@peer.example", ">u@peer.example relay"},
	    {"ghost@our.example", "unknown"},
	};
	char text[2000];

	(void)state;
	load("catchall");
	for (size_t i = 0; i < nitems(final_rows); i++) {
		resolve_final(&result, tables, span_of(final_rows[i].address), look, NULL);
		print(text, sizeof text);
		assert_string_equal(text, final_rows[i].goes);
	}
}

static void
asks_for_what_is_not_known(void **state)
{
	(void)state;
	mailboxes.know_nothing = true;
	resolve(&result, tables, span_of("twice@our.example"), look, NULL);
	assert_int_equal(result.missing.n, 3);
	assert_int_equal(result.mailboxes.n, 0);
	resolve(&result, tables, span_of("a.b@our.example"), look, NULL);
	assert_int_equal(result.missing.n, 0);
	assert_true(result.unknown);
	resolve(&result, tables, span_of("a.b+c@our.example"), look, NULL);
	assert_int_equal(result.missing.n, 0);
	mailboxes.know_nothing = false;
	mailboxes.unclear = "ann";
	resolve(&result, tables, span_of("half@our.example"), look, NULL);
	assert_true(result.unclear);
	assert_int_equal(result.mailboxes.n, 0);
}

static void
long_addresses_are_unknown(void **state)
{
	char text[ADDRESS_TEXT_SIZE + 1];

	(void)state;
	memset(text, 'a', sizeof text);
	resolve(&result, tables, (struct span){text, ADDRESS_TEXT_SIZE}, look, NULL);
	assert_true(result.unknown);
	resolve(&result, tables, (struct span){text, ADDRESS_TEXT_SIZE - 1}, look, NULL);
	assert_true(result.unknown);
}

static void
name_sets(void **state)
{
	struct name_set set;
	char name[16];

	(void)state;
	name_set_init(&set, true);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 1000; i++) {
			snprintf(name, sizeof name, "n%zu", i % 500);
			assert_int_equal(name_set_add(&set, span_of(name)), i % 500);
		}
		assert_int_equal(set.n, 500);
		assert_true(span_is(set.names[499], "n499"));
		name_set_reset(&set);
		assert_int_equal(set.n, 0);
	}
	name_set_clear(&set);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(goes),
	    WITH(unknown_mailbox),
	    WITH(final_recipients),
	    WITH(asks_for_what_is_not_known),
	    WITH(long_addresses_are_unknown),
	    WITH(name_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
