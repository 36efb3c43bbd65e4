/* The parameters of MAIL and RCPT: what is taken, and the reply to what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "queue/envelope.h"
#include "smtpd/parameters.h"

#define X10  "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const char no_size[] = "501 5.5.4 SIZE is not a number",
		  no_value[] = "501 5.5.4 Parameter without a value",
		  a_value[] = "501 5.5.4 Parameter takes no value",
		  bad_value[] = "501 5.5.4 Malformed value of a parameter",
		  twice[] = "501 5.5.4 Parameter is given twice",
		  unknown[] = "555 5.5.4 Unknown parameter",
		  blank[] = "501 5.5.4 A blank is missing after the path",
		  bad_envid[] = "501 5.5.4 ENVID is not xtext",
		  bad_ret[] = "501 5.5.4 RET is neither FULL nor HDRS",
		  bad_body[] = "501 5.5.4 BODY is neither 7BIT nor 8BITMIME",
		  bad_notify[] = "501 5.5.4 NOTIFY is not NEVER or a list of SUCCESS,FAILURE,DELAY",
		  bad_orcpt[] = "501 5.5.4 ORCPT is not a type, a semicolon and xtext";

/* In memory of exactly its size. */
static struct span
exact(const char *text)
{
	size_t len = strlen(text);

	return (struct span){memcpy(xmalloc(len ? len : 1), text, len), len};
}

static void
of_mail(void **state)
{
	static const struct {
		const char *in, *refusal;
		uint64_t size;
		unsigned flags, ret;
		const char *envid;
	} rows[] = {
	    {"", NULL, 0, 0, 0, ""},
	    {" ", NULL, 0, 0, 0, ""},
	    {" SIZE=1000", NULL, 1000, 0, 0, ""},
	    {" size=0", NULL, 0, 0, 0, ""},
	    {"  SIZE=1   BODY=7BIT  ", NULL, 1, 0, 0, ""},
	    {" SIZE=18446744073709551615", NULL, UINT64_MAX, 0, 0, ""},
	    {" SIZE=18446744073709551616", NULL, UINT64_MAX, 0, 0, ""},
	    {" SIZE=99999999999999999999", NULL, UINT64_MAX, 0, 0, ""},
	    {" BODY=8bitmime SMTPUTF8", NULL, 0, ENVELOPE_8BITMIME | ENVELOPE_SMTPUTF8, 0, ""},
	    {" AUTH=<>", NULL, 0, 0, 0, ""},
	    {" AUTH=e+3Dmc2@example.org", NULL, 0, 0, 0, ""},
	    {" RET=FULL ENVID=QQ314159", NULL, 0, 0, RET_FULL, "QQ314159"},
	    {" RET=hdrs", NULL, 0, 0, RET_HDRS, ""},
	    {" ENVID=a+2Bb", NULL, 0, 0, 0, "a+2Bb"},
	    {" ENVID=" X100, NULL, 0, 0, 0, X100},
	    {" ENVID=" X100 "x", "501 5.5.4 ENVID is longer than 100 bytes", 0, 0, 0, NULL},
	    {"SIZE=1", blank, 0, 0, 0, NULL},
	    {"x", blank, 0, 0, 0, NULL},
	    {"\tSIZE=1", blank, 0, 0, 0, NULL},
	    {" SIZE=", bad_value, 0, 0, 0, NULL},
	    {" SIZE", no_value, 0, 0, 0, NULL},
	    {" SIZE=-1", no_size, 0, 0, 0, NULL},
	    {" SIZE=+1", no_size, 0, 0, 0, NULL},
	    {" SIZE=1k", no_size, 0, 0, 0, NULL},
	    {" SIZE=0x10", no_size, 0, 0, 0, NULL},
	    {" SIZE=123456789012345678901", no_size, 0, 0, 0, NULL},
	    {" SIZE=1=2", bad_value, 0, 0, 0, NULL},
	    {" SIZE=1 SIZE=1", twice, 0, 0, 0, NULL},
	    {" SIZE=1 size=2", twice, 0, 0, 0, NULL},
	    {" BODY=", bad_value, 0, 0, 0, NULL},
	    {" BODY=BINARYMIME", bad_body, 0, 0, 0, NULL},
	    {" BODY=7BITS", bad_body, 0, 0, 0, NULL},
	    {" SMTPUTF8=1", a_value, 0, 0, 0, NULL},
	    {" SMTPUTF8=", a_value, 0, 0, 0, NULL},
	    {" RET=BOTH", bad_ret, 0, 0, 0, NULL},
	    {" ENVID=+", bad_envid, 0, 0, 0, NULL},
	    {" ENVID=a+2", bad_envid, 0, 0, 0, NULL},
	    {" ENVID=a+2b", bad_envid, 0, 0, 0, NULL},	   /* lower case is no xtext */
	    {" ENVID=a+0D+0Ab", bad_envid, 0, 0, 0, NULL}, /* a line end for our bounce */
	    {" ENVID=a+00", bad_envid, 0, 0, 0, NULL},
	    {" ENVID=gr\xc3\xbc", bad_envid, 0, 0, 0, NULL},
	    {" AUTH=+0A", "501 5.5.4 AUTH is not xtext", 0, 0, 0, NULL},
	    {" AUTH=\xff", "501 5.5.4 AUTH is not xtext", 0, 0, 0, NULL},
	    {" NOTIFY=NEVER", unknown, 0, 0, 0, NULL},
	    {" X=1", unknown, 0, 0, 0, NULL},
	    {" =1", unknown, 0, 0, 0, NULL},
	    {" =", unknown, 0, 0, 0, NULL},
	    {" SIZE =1", no_value, 0, 0, 0, NULL},
	    {" <x@y>", unknown, 0, 0, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span in = exact(rows[i].in);
		struct mail_parameters p;
		const char *no = parameters_of_mail(in, &p);

		if (rows[i].refusal != NULL) {
			if (no == NULL)
				fail_msg("%s is taken", rows[i].in);
			assert_string_equal(no, rows[i].refusal);
		} else {
			if (no != NULL)
				fail_msg("%s: %s", rows[i].in, no);
			assert_int_equal(p.size, rows[i].size);
			assert_int_equal(p.flags, rows[i].flags);
			assert_int_equal(p.ret, rows[i].ret);
			assert_true(span_is(p.envid, rows[i].envid));
		}
		free((char *)in.at);
	}
}

static void
of_recipient(void **state)
{
	static const struct {
		const char *in, *refusal;
		bool utf8;
		unsigned notify;
		const char *original;
	} rows[] = {
	    {"", NULL, false, 0, ""},
	    {" NOTIFY=NEVER", NULL, false, NOTIFY_NEVER, ""},
	    {" notify=success,DELAY", NULL, false, NOTIFY_SUCCESS | NOTIFY_DELAY, ""},
	    {" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb@x", NULL, false,
		NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, "rfc822;a+2Bb@x"},
	    {" ORCPT=utf-8;gr\xc3\xbc@x", NULL, true, 0, "utf-8;gr\xc3\xbc@x"},
	    {" ORCPT=rfc822;a;b", NULL, false, 0, "rfc822;a;b"},
	    {" NOTIFY", no_value, false, 0, NULL},
	    {" NOTIFY=", bad_value, false, 0, NULL},
	    {" NOTIFY=,", bad_notify, false, 0, NULL},
	    {" NOTIFY=SUCCESS,", bad_notify, false, 0, NULL},
	    {" NOTIFY=NEVER,SUCCESS", bad_notify, false, 0, NULL},
	    {" NOTIFY=SUCCESS,NEVER", bad_notify, false, 0, NULL},
	    {" NOTIFY=ALWAYS", bad_notify, false, 0, NULL},
	    {" NOTIFY=SUCCESS NOTIFY=DELAY", twice, false, 0, NULL},
	    {" ORCPT=rfc822", bad_orcpt, false, 0, NULL},
	    {" ORCPT=rfc822;", bad_orcpt, false, 0, NULL},
	    {" ORCPT=;a@x", bad_orcpt, false, 0, NULL},
	    {" ORCPT=rfc 822;a@x", bad_orcpt, false, 0, NULL},
	    {" ORCPT=r@c;a@x", bad_orcpt, false, 0, NULL},
	    {" ORCPT=rfc822;a+0D+0A@x", bad_orcpt, false, 0, NULL},
	    {" ORCPT=rfc822;a+4@x", bad_orcpt, false, 0, NULL},
	    {" ORCPT=utf-8;gr\xc3\xbc@x", bad_orcpt, false, 0, NULL},
	    {" ORCPT=utf-8;gr\xc3@x", bad_orcpt, true, 0, NULL},
	    {" ORCPT=rfc822;" X100 X100 X100 X100 X100, "501 5.5.4 ORCPT is longer than 500 bytes",
		false, 0, NULL},
	    {" SIZE=1", unknown, false, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span in = exact(rows[i].in);
		struct recipient_parameters p;
		const char *no = parameters_of_recipient(in, rows[i].utf8, &p);

		if (rows[i].refusal != NULL) {
			if (no == NULL)
				fail_msg("%s is taken", rows[i].in);
			assert_string_equal(no, rows[i].refusal);
		} else {
			if (no != NULL)
				fail_msg("%s: %s", rows[i].in, no);
			assert_int_equal(p.notify, rows[i].notify);
			assert_true(span_is(p.original, rows[i].original));
		}
		free((char *)in.at);
	}
}

static void
nul_bytes(void **state)
{
	struct mail_parameters p;

	(void)state;
	assert_non_null(parameters_of_mail((struct span){" SIZE=1\0", 8}, &p));
	assert_non_null(parameters_of_mail((struct span){" \0", 2}, &p));
	assert_non_null(parameters_of_mail((struct span){" ENVID=a\0b", 10}, &p));
	assert_non_null(parameters_of_mail((struct span){" ENVID=a\nb", 10}, &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_mail),
	    cmocka_unit_test(of_recipient),
	    cmocka_unit_test(nul_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
