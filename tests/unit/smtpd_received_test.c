/* The trace field, dates and protocol names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/address.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "smtpd/received.h"

static struct received
example(void)
{
	return (struct received){
	    .helo = span_of("mail.example.org"),
	    .client_address = "192.0.2.1",
	    .tls_version = "",
	    .tls_cipher = "",
	    .server = "sambar.example",
	    .protocol = "ESMTP",
	    .id = 1,
	    .recipient = span_of("ann@sambar.example"),
	    .at = 1795534200,
	};
}

static void
check(const struct received *r, const char *expected)
{
	char out[RECEIVED_MAX_BYTES];
	size_t n = received_print(r, out);

	assert_int_equal(n, strlen(expected));
	assert_memory_equal(out, expected, n);
}

static void
fields(void **state)
{
	struct received r = example();

	(void)state;
	check(&r, "Received: from mail.example.org ([192.0.2.1])\r\n"
		  "\tby sambar.example (Sambar Mail) with ESMTP id 000000001\r\n"
		  "\tfor <ann@sambar.example>;\r\n"
		  "\tTue, 24 Nov 2026 15:30:00 +0000\r\n");
	r.recipient = (struct span){NULL, 0};
	r.client_address = "2001:db8::1";
	r.tls_version = "TLSv1.3";
	r.tls_cipher = "TLS_AES_256_GCM_SHA384";
	r.protocol = "ESMTPSA";
	check(&r, "Received: from mail.example.org ([IPv6:2001:db8::1])\r\n"
		  "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
		  "\tby sambar.example (Sambar Mail) with ESMTPSA id 000000001;\r\n"
		  "\tTue, 24 Nov 2026 15:30:00 +0000\r\n");
	r.client_address = "local";
	r.tls_version = "";
	check(&r, "Received: from mail.example.org (local)\r\n"
		  "\tby sambar.example (Sambar Mail) with ESMTPSA id 000000001;\r\n"
		  "\tTue, 24 Nov 2026 15:30:00 +0000\r\n");
}

static void
limits(void **state)
{
	char long_text[ADDRESS_PATH_MAX_BYTES], out[RECEIVED_MAX_BYTES];
	struct received r = example();

	(void)state;
	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	r.helo = r.recipient = span_of(long_text);
	r.server = r.tls_cipher = long_text;
	r.tls_version = "TLSv1.3";
	r.id = UINT64_MAX;
	assert_in_range(received_print(&r, out), 700, RECEIVED_MAX_BYTES - 1);
	assert_null(memchr(out, '\0', received_print(&r, out)));
}

static void
dates(void **state)
{
	(void)state;
	assert_string_equal(received_date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
	assert_string_equal(received_date(951782400), "Tue, 29 Feb 2000 00:00:00 +0000");
	assert_string_equal(received_date(951782400), "Tue, 29 Feb 2000 00:00:00 +0000");
}

static void
protocols(void **state)
{
	(void)state;
	assert_string_equal(received_protocol(false, false, false, false), "SMTP");
	assert_string_equal(received_protocol(true, false, false, false), "ESMTP");
	assert_string_equal(received_protocol(true, true, false, false), "ESMTPS");
	assert_string_equal(received_protocol(true, false, true, false), "ESMTPA");
	assert_string_equal(received_protocol(true, true, true, false), "ESMTPSA");
	assert_string_equal(received_protocol(true, true, true, true), "UTF8SMTPSA");
	assert_string_equal(received_protocol(true, false, false, true), "UTF8SMTP");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(protocols),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
