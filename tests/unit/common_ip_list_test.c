/* Lists of IP addresses: what is an item, and whom it holds. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "common/ip_list.h"
#include "common/memory.h"

static bool
has(const char *list, const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct ip_list *l = ip_list_new(span_of(list));
	bool found;

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		found = ip_list_has(l, (struct sockaddr *)&in);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		found = ip_list_has(l, (struct sockaddr *)&in6);
	}
	ip_list_free(&l);
	assert_null(l);
	ip_list_free(&l);
	return found;
}

static void
holds(void **state)
{
	static const struct {
		const char *list, *address;
		bool found;
	} rows[] = {
	    {"127.0.0.1 ::1", "127.0.0.1", true},
	    {"127.0.0.1 ::1", "::1", true},
	    {"127.0.0.1 ::1", "127.0.0.2", false},
	    {"127.0.0.1", "::ffff:127.0.0.1", true},
	    {"::ffff:127.0.0.1", "127.0.0.1", false},
	    {"140.175.165.*", "140.175.165.9", true},
	    {"140.175.165.*", "140.175.165.255", true},
	    {"140.175.165.*", "140.175.16.5", false},
	    {"*", "192.0.2.1", true},
	    {"*", "2001:db8::1", true},
	    {"2001:db8:*", "2001:db8::7", true},
	    {"192.0.2.0/24", "192.0.2.255", true},
	    {"192.0.2.0/24", "192.0.3.0", false},
	    {"192.0.2.128/25", "192.0.2.127", false},
	    {"192.0.2.128/25", "192.0.2.128", true},
	    {"192.0.2.7/31", "192.0.2.6", true},
	    {"0.0.0.0/0", "203.0.113.9", true},
	    {"0.0.0.0/0", "2001:db8::1", false},
	    {"::/0", "2001:db8::1", true},
	    {"::/0", "192.0.2.1", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"2001:db8::1/128", "2001:db8::2", false},
	    {"", "127.0.0.1", false},
	    {"  ", "127.0.0.1", false},
	    {"nonsense 127.0.0.1", "127.0.0.1", true},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if (has(rows[i].list, rows[i].address) != rows[i].found)
			fail_msg("%s in \"%s\"", rows[i].address, rows[i].list);
}

static void
items(void **state)
{
	static const char *const good[] = {
	    "127.0.0.1", "::1", "10.0.0.0/8", "10.*", "*", "2001:db8::/32", "192.0.2.1/32", "::/0"};
	static const char *const bad[] = {"", "127.0.0", "127.0.0.256", "1.2.3.4/33", "1.2.3.4/",
	    "1.2.3.4/-1", "::1/129", "10.*/8", "localhost", "host*", "1.2.3.4 ", "[::1]", "/8",
	    "fe80::1%lo", "1.2.3.4/8/8",
	    "1111111111111111111111111111111111111111111111111111111111111111*"};

	(void)state;
	for (size_t i = 0; i < nitems(good); i++)
		assert_true(ip_list_is_item(span_of(good[i])));
	for (size_t i = 0; i < nitems(bad); i++)
		if (ip_list_is_item(span_of(bad[i])))
			fail_msg("%s", bad[i]);
	assert_false(ip_list_is_item((struct span){"1.2.3.4\0", 8}));
}

static void
unix_sockets(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct ip_list *l = ip_list_new(span_of("*"));

	(void)state;
	assert_false(ip_list_has(l, (struct sockaddr *)&un));
	ip_list_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(holds),
	    cmocka_unit_test(items),
	    cmocka_unit_test(unix_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
