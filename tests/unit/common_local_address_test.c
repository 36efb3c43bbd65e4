/*
 * Which addresses are this machine's: a loopback interface every machine has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/local_address.h"
#include "common/memory.h"
#include "common/socket_address.h"

static const struct {
	const char *address;
	bool local;
} rows[] = {
    {"127.0.0.1", true},
    {"127.0.0.2", true}, /* as a second address of an interface: the kernel prefers the first */
    {"0.0.0.0", false},
    {"224.0.0.1", false},
    {"192.0.2.1", false}, /* RFC 5737: nobody's */
    {"203.0.113.255", false},
    {"2001:db8::1", false}, /* RFC 3849 */
    {"ff02::1", false},
    {"local", false},
};

static void
test_addresses(void **state)
{
	struct sockaddr_storage address;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_true(socket_address_parse(rows[i].address, &address));
		if (local_address((struct sockaddr *)&address) != rows[i].local)
			fail_msg("%s", rows[i].address);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
