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
lengths_and_ports(void **state)
{
	static const struct {
		const char *text;
		socklen_t length;
		bool has_port;
	} rows[] = {
	    {"192.0.2.1", sizeof(struct sockaddr_in), true},
	    {"2001:db8::1", sizeof(struct sockaddr_in6), true},
	    {"local", sizeof(sa_family_t), false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct sockaddr_storage address, before;
		const struct sockaddr *any = (struct sockaddr *)&address;

		assert_true(socket_address_parse(rows[i].text, &address));
		before = address;
		assert_int_equal(socket_address_length(any), rows[i].length);
		assert_int_equal(socket_address_port(any), 0);
		socket_address_set_port(&address, 65534);
		assert_int_equal(socket_address_port(any), rows[i].has_port ? 65534 : 0);
		socket_address_set_port(&address, 0);
		assert_memory_equal(&address, &before, sizeof before);
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
	    cmocka_unit_test(lengths_and_ports),
	    cmocka_unit_test(no_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
