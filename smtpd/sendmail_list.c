/* Addresses of the command line and of header fields. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/address_list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/mime.h"
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

static int
add_bare(struct sendmail_list *l, struct span text, const char *server)
{
	char *copy = xcalloc(text.len + 1, 1);
	int code;

	memcpy(copy, text.at, text.len);
	code = add(l, copy, server);
	free(copy);
	return code;
}

int
sendmail_list_add(struct sendmail_list *l, struct span text, const char *server)
{
	struct mime_addresses found = {0};
	int code = 0;

	text = span_trim(text);
	if (address_list_is_bare(text))
		return add_bare(l, text, server);

	mime_addresses_parse(text, &found);
	for (size_t i = 0; i < found.n && code == 0; i++)
		code = add(l, found.list[i].address, server);
	if (found.n == 0 && text.len > 0)
		code = sendmail_fail(EX_DATAERR, "%s: no address", log_printable(text));
	mime_addresses_free(&found);
	return code;
}

void
sendmail_list_free(struct sendmail_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->addresses[i]);
	free(l->addresses);
	*l = (struct sendmail_list){0};
}
