/*
 * Which reason a reply counts for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "smtpd/refusals.h"
#include "smtpd/replies.h"

static void
reasons_of_replies(void **state)
{
	static const struct {
		const char *reply;
		enum refusal why;
	} rows[] = {
	    {"550 5.1.1 Unknown mailbox", REFUSAL_UNKNOWN_USER},
	    {"550 5.7.1 Relaying denied", REFUSAL_RELAYING},
	    {"553 5.7.1 Sender address is not yours", REFUSAL_SENDER},
	    {"452 4.2.2 Mailbox is full", REFUSAL_QUOTA},
	    {"552 5.2.2 Message is larger than the mailbox", REFUSAL_QUOTA},
	    {"552 5.3.4 Message too big", REFUSAL_SIZE},
	    {"530 5.7.0 Authentication required", REFUSAL_AUTHENTICATION},
	    {"535 5.7.8 User name or password is wrong", REFUSAL_AUTHENTICATION},
	    {"538 5.7.11 Encryption is required for a login", REFUSAL_TLS},
	    {"421 4.7.0 TLS is not possible now", REFUSAL_TLS},
	    {"421 4.7.0 Too many errors", REFUSAL_LIMITS},
	    {"452 4.5.3 Too many recipients", REFUSAL_LIMITS},
	    {"554 5.4.6 Message loops: too many Received fields", REFUSAL_LOOP},
	    {"554 5.6.0 Message has a NUL byte", REFUSAL_CONTENT},
	    {"554 5.5.2 Lines end with CR LF; closing the connection", REFUSAL_CONTENT},
	    {"500 5.5.1 Unknown command", REFUSAL_SYNTAX},
	    {"501 5.1.3 Recipient: @ is missing", REFUSAL_SYNTAX},
	    {"503 5.5.1 Say MAIL first", REFUSAL_SYNTAX},
	    {"554 5.5.1 No valid recipients", REFUSAL_SYNTAX},
	    {"555 5.5.4 Unknown parameter", REFUSAL_SYNTAX},
	    {"451 4.3.0 Mailboxes do not answer; try again later", REFUSAL_TEMPORARY},
	    {"599 x", REFUSAL_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct refusals r = {{0}};

		refusals_count(&r, rows[i].reply);
		assert_int_equal(r.n[rows[i].why], 1);
	}
}

static void
not_refused(void **state)
{
	static const char *const replies[] = {"250 2.1.0 Ok", "354 Go on", "220 example.org",
	    "421 4.4.2 Timeout; closing the connection", REPLY_RESTARTS, ""};
	struct refusals r = {{0}}, none = {{0}};

	(void)state;
	for (size_t i = 0; i < nitems(replies); i++)
		refusals_count(&r, replies[i]);
	assert_memory_equal(&r, &none, sizeof r);
}

static void
names_are_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < REFUSALS; i++)
		assert_int_equal(strncmp(refusal_name(i), "refused_", 8), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reasons_of_replies),
	    cmocka_unit_test(not_refused),
	    cmocka_unit_test(names_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
