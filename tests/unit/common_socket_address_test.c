/*
 * Addresses of clients: from text and back, and which are of this host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/socket_address.h"

static void
there_and_back(void **state)
{
	static const struct {
		const char *text, *back;
		int family;
		bool loopback;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", AF_INET, false},
	    {"127.0.0.1", "127.0.0.1", AF_INET, true},
	    {"127.255.0.9", "127.255.0.9", AF_INET, true},
	    {"128.0.0.1", "128.0.0.1", AF_INET, false},
	    {"2001:DB8:0::1", "2001:db8::1", AF_INET6, false},
	    {"::1", "::1", AF_INET6, true},
	    {"::", "::", AF_INET6, false},
	    {"::ffff:192.0.2.1", "192.0.2.1", AF_INET6, false},
	    {"::ffff:127.0.0.1", "127.0.0.1", AF_INET6, true},
	    {"local", "local", AF_UNIX, true},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct sockaddr_storage address;
		char text[SOCKET_ADDRESS_TEXT_SIZE];

		if (!socket_address_parse(rows[i].text, &address))
			fail_msg("%s", rows[i].text);
		assert_int_equal(address.ss_family, rows[i].family);
		socket_address_text((struct sockaddr *)&address, text);
		assert_string_equal(text, rows[i].back);
		assert_int_equal(
		    socket_address_is_loopback((struct sockaddr *)&address), rows[i].loopback);
	}
}

static void
no_addresses(void **state)
{
	static const char *const texts[] = {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ",
	    ":::", "[::1]", "::1%lo", "unknown", "Local", "192.0.2.*"};
	struct sockaddr_storage address;

	(void)state;
	for (size_t i = 0; i < nitems(texts); i++)
		if (socket_address_parse(texts[i], &address))
			fail_msg("%s", texts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(no_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
