/* Addresses of the command line and of header fields. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/address_list.h"
#include "common/log.h"
#include "common/memory.h"
#include "smtpd/sendmail.h"

static bool
has_8bit(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return true;
	return false;
}

static int
add(struct sendmail_list *l, const char *address, const char *server)
{
	char canonical[ADDRESS_TEXT_SIZE];
	const char *why;

	if (address_parse(span_of(address), ADDRESS_ALLOW_UTF8 | ADDRESS_ALLOW_NO_DOMAIN, canonical,
		&why) == -1)
		return sendmail_fail(EX_DATAERR, "%s: %s", log_printable(span_of(address)), why);
	l->addresses = xrealloc(l->addresses, (l->n + 1) * sizeof *l->addresses);
	l->addresses[l->n++] = strchr(canonical, '@') != NULL
				   ? xstrdup(canonical)
				   : xasprintf("%s@%s", canonical, server);
	l->utf8 |= has_8bit(canonical);
	return 0;
}

struct adding {
	struct sendmail_list *list;
	const char *server;
	int code;
};

/* What is wrong with one must be told, not guessed around. */
static void
on_member(void *arg, struct span member, struct span address)
{
	struct adding *a = arg;
	char *copy = span_text(address);

	(void)member;
	if (a->code == 0)
		a->code = strlen(copy) == address.len
			      ? add(a->list, copy, a->server)
			      : sendmail_fail(EX_DATAERR, "%s: no address", log_printable(address));
	free(copy);
}

int
sendmail_list_add(struct sendmail_list *l, struct span text, const char *server)
{
	struct adding a = {.list = l, .server = server};

	address_list_members(text, on_member, &a);
	return a.code;
}

void
sendmail_list_free(struct sendmail_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->addresses[i]);
	free(l->addresses);
	*l = (struct sendmail_list){0};
}
