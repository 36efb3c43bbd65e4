/* The command line of sendmail, mailq and newaliases. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/command_fail.h"
#include "common/memory.h"
#include "smtpd/sendmail.h"

int
sendmail_fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	code = command_fail("sendmail", code, format, args);
	va_end(args);
	return code;
}

static int
set_mode(struct sendmail_options *o, const char *letter)
{
	static const struct {
		const char *letter;
		enum sendmail_mode mode;
	} modes[] = {{"m", SENDMAIL_DELIVER}, {"a", SENDMAIL_DELIVER}, {"s", SENDMAIL_SMTP},
	    {"p", SENDMAIL_LIST}, {"v", SENDMAIL_VERIFY}, {"i", SENDMAIL_ALIASES}};

	for (size_t i = 0; i < nitems(modes); i++)
		if (strcmp(modes[i].letter, letter) == 0) {
			o->mode = modes[i].mode;
			return 0;
		}
	if (letter[0] == 'd' || letter[0] == 'D')
		return sendmail_fail(EX_USAGE, "the mail system is started by sambarctl start");
	return sendmail_fail(EX_USAGE, "-b%s is not known here", letter);
}

/* -oi and -OIgnoreDots are -i; all others are about what other sendmails do inside. */
static void
take_old_option(struct sendmail_options *o, const char *text, bool is_long)
{
	if (is_long ? strncasecmp(text, "IgnoreDots", 10) == 0 : strcmp(text, "i") == 0)
		o->dot_is_text = true;
}

static bool
is_notify(const char *text)
{
	static const char *const words[] = {"success", "failure", "delay"};
	struct span rest = span_of(text), word;
	bool more, good = true;

	if (strcasecmp(text, "never") == 0)
		return true;
	do {
		bool known = false;

		more = span_take(&rest, ',', &word);
		for (size_t i = 0; i < nitems(words); i++)
			known |= span_is_nocase(word, words[i]);
		good &= known;
	} while (more);
	return good;
}

static int
check_dsn(const struct sendmail_options *o)
{
	if (o->notify != NULL && !is_notify(o->notify))
		return sendmail_fail(
		    EX_USAGE, "-N %s: right is never, or some of success,failure,delay", o->notify);
	if (o->ret != NULL && strcasecmp(o->ret, "full") != 0 && strcasecmp(o->ret, "hdrs") != 0)
		return sendmail_fail(EX_USAGE, "-R %s: right is full or hdrs", o->ret);
	if (o->envelope_id != NULL && (o->envelope_id[0] == '\0' || strlen(o->envelope_id) > 100))
		return sendmail_fail(EX_USAGE, "-V: an id has 1 to 100 bytes");
	return 0;
}

static int
take(struct sendmail_options *o, int letter, const char *value)
{
	switch (letter) {
	case 'b':
		return set_mode(o, value);
	case 'f':
	case 'r':
		o->sender = value;
		return 0;
	case 'F':
		o->full_name = value;
		return 0;
	case 'i':
		o->dot_is_text = true;
		return 0;
	case 't':
		o->from_header = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'B':
		o->seven_bit = strcasecmp(value, "7BIT") == 0;
		return 0;
	case 'N':
		o->notify = value;
		return 0;
	case 'R':
		o->ret = value;
		return 0;
	case 'V':
		o->envelope_id = value;
		return 0;
	case 'I':
		o->mode = SENDMAIL_ALIASES;
		return 0;
	case 'q':
		o->mode = SENDMAIL_QUEUE;
		return 0;
	case 'o':
	case 'O':
		take_old_option(o, value, letter == 'O');
		return 0;
	case '?':
		return EX_USAGE; /* getopt() has said why */
	default:
		return 0;
	}
}

static void
set_mode_by_name(struct sendmail_options *o, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

	if (strcmp(name, "mailq") == 0)
		o->mode = SENDMAIL_LIST;
	else if (strcmp(name, "newaliases") == 0)
		o->mode = SENDMAIL_ALIASES;
}

int
sendmail_options(struct sendmail_options *o, int argc, char **argv)
{
	int letter, code = 0;

	*o = (struct sendmail_options){.mode = SENDMAIL_DELIVER};
	if (argc > 0)
		set_mode_by_name(o, argv[0]);
	/* With +: what comes behind the first recipient is a recipient. */
	while (code == 0 &&
	       (letter = getopt(argc, argv,
		    "+A:B:b:C:cd::D:e:F:f:GgHh:IiJ:L:mMnN:O:o:p:q::R:r:sTtUvV:X:x")) != -1)
		code = take(o, letter, optarg);
	if (code == 0)
		code = check_dsn(o);
	if (code != 0)
		return code;
	o->recipients = argv + optind;
	o->n_recipients = argc - optind;
	if (o->n_recipients == 0 &&
	    ((o->mode == SENDMAIL_DELIVER && !o->from_header) || o->mode == SENDMAIL_VERIFY))
		return sendmail_fail(EX_USAGE, "no recipients: name them, or say -t");
	return 0;
}
