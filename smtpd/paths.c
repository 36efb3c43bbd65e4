/*
 * The addresses of MAIL and RCPT. Pure.
 */
#include "smtpd/paths.h"

#include <stdio.h>

int
path_sender(struct span *line, char out[ADDRESS_TEXT_SIZE], char reply[PATH_REPLY_SIZE])
{
	const char *why;

	if (address_parse_path(line, ADDRESS_ALLOW_NULL | ADDRESS_ALLOW_UTF8, out, &why) == 0)
		return 0;
	snprintf(reply, PATH_REPLY_SIZE, "501 5.1.7 Sender: %s", why);
	return -1;
}

/* <postmaster> without a domain is ours, in any case (RFC 5321 4.5.1); nobody else goes without. */
static bool
complete_domain(const char *server, char address[ADDRESS_TEXT_SIZE])
{
	struct span local, domain;

	address_split(span_of(address), &local, &domain);
	if (domain.len > 0)
		return true;
	if (!span_is_nocase(local, "postmaster"))
		return false;
	snprintf(address, ADDRESS_TEXT_SIZE, "postmaster@%s", server);
	return true;
}

int
path_recipient(
    struct span *line, const char *server, char out[ADDRESS_TEXT_SIZE], char reply[PATH_REPLY_SIZE])
{
	const char *why;

	if (address_parse_path(line, ADDRESS_ALLOW_UTF8 | ADDRESS_ALLOW_NO_DOMAIN, out, &why) ==
	    0) {
		if (complete_domain(server, out))
			return 0;
		why = "domain is missing";
	}
	snprintf(reply, PATH_REPLY_SIZE, "501 5.1.3 Recipient: %s", why);
	return -1;
}
