/*
 * mailit [-v] SERVER FROM TO SUBJECT [BODY [ATTACHMENT]]: see mailit.h.
 */
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/command_fail.h"
#include "common/log.h"
#include "common/memory.h"
#include "router/mailit.h"

enum { WORDS_MIN = 4, WORDS_MAX = 6 };

int
mailit_fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	code = command_fail("mailit", code, format, args);
	va_end(args);
	return code;
}

static int
usage(void)
{
	fputs(
	    "usage: mailit [-v] server[:port] from to subject [body-file [attachment]]\n", stderr);
	return EX_USAGE;
}

struct reading {
	struct mime_addresses *out;
	int code;
};

static void
on_member(void *arg, struct span member, struct span address)
{
	struct mime_addresses named = {0};
	struct reading *r = arg;
	char canonical[ADDRESS_TEXT_SIZE];
	const char *why;

	if (r->code != 0)
		return;
	if (address_parse(address, 0, canonical, &why) == -1) {
		r->code = mailit_fail(EX_DATAERR, "%s: %s", log_printable(address), why);
		return;
	}
	mime_addresses_parse(member, &named);
	mime_addresses_add(r->out, named.n == 1 ? named.list[0].name : "", canonical);
	mime_addresses_free(&named);
}

/* "Ann <ann@example.org>, bob@example.org" */
static int
read_addresses(const char *text, struct mime_addresses *out)
{
	struct reading r = {.out = out};

	for (const char *c = text; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			return mailit_fail(EX_DATAERR, "%s: a control character in an address",
			    log_printable(span_of(text)));
	address_list_members(span_of(text), on_member, &r);
	if (r.code == 0 && out->n == 0)
		return mailit_fail(EX_DATAERR, "%s: no address", log_printable(span_of(text)));
	return r.code;
}

static int
read_letter(struct mailit_letter *letter, char **words, int n)
{
	int code = read_addresses(words[1], &letter->from);

	if (code == 0 && letter->from.n != 1)
		code = mailit_fail(EX_DATAERR, "%s: a message is from one address",
		    log_printable(span_of(words[1])));
	if (code == 0)
		code = read_addresses(words[2], &letter->to);
	letter->subject = words[3];
	letter->body = n > 4 ? words[4] : NULL;
	letter->attachment = n > 5 ? words[5] : NULL;
	return code;
}

int
main(int argc, char **argv)
{
	struct mailit_letter letter = {.subject = NULL};
	bool verbose = false;
	uint64_t size;
	int letter_of_option, code, fd = -1;

	while ((letter_of_option = getopt(argc, argv, "+v")) != -1) {
		if (letter_of_option != 'v')
			return usage();
		verbose = true;
	}
	argc -= optind;
	argv += optind;
	if (argc < WORDS_MIN || argc > WORDS_MAX)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	mime_prepare();
	if ((code = read_letter(&letter, argv, argc)) == 0 &&
	    (code = mailit_compose(&letter, &fd, &size)) == 0)
		code = mailit_send(argv[0], &letter, fd, size, verbose);
	closefd(&fd);
	mime_addresses_free(&letter.from);
	mime_addresses_free(&letter.to);
	return code;
}
