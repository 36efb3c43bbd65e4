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
#include "common/log.h"
#include "common/memory.h"
#include "router/mailit.h"

enum { WORDS_MIN = 4, WORDS_MAX = 6 };

int
mailit_fail(int code, const char *format, ...)
{
	va_list args;

	fputs("mailit: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static int
usage(void)
{
	fputs(
	    "usage: mailit [-v] server[:port] from to subject [body-file [attachment]]\n", stderr);
	return EX_USAGE;
}

/* "Ann <ann@example.org>, bob@example.org" */
static int
read_addresses(const char *text, struct mime_addresses *out)
{
	for (const char *c = text; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			return mailit_fail(EX_DATAERR, "%s: a control character in an address",
			    log_printable(span_of(text)));
	if (address_list_is_bare(span_of(text)))
		mime_addresses_add(out, "", text);
	else
		mime_addresses_parse(span_of(text), out);
	for (size_t i = 0; i < out->n; i++) {
		char canonical[ADDRESS_TEXT_SIZE];
		const char *why, *address = out->list[i].address;

		if (address_parse(span_of(address), 0, canonical, &why) == -1)
			return mailit_fail(
			    EX_DATAERR, "%s: %s", log_printable(span_of(address)), why);
		free(out->list[i].address);
		out->list[i].address = xstrdup(canonical);
	}
	if (out->n == 0)
		return mailit_fail(EX_DATAERR, "%s: no address", log_printable(span_of(text)));
	return 0;
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
