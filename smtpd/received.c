/* The trace field that every message gets in front, and dates. */
#include "smtpd/received.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail_date.h"
#include "common/queue_id.h"

/* Most messages of one second share their date. */
const char *
received_date(time_t at)
{
	static char text[MAIL_DATE_SIZE];
	static time_t last = -1;

	if (at == last && text[0] != '\0')
		return text;
	last = at;
	mail_date_print(at, text);
	return text;
}

const char *
received_protocol(bool esmtp, bool tls, bool authenticated, bool utf8)
{
	static const char *const names[2][4] = {
	    {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"},
	    {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"},
	};

	if (!esmtp && !tls && !authenticated && !utf8)
		return "SMTP";
	return names[utf8][tls * 2 + authenticated];
}

/* RFC 5321 4.4 TCP-info: an address literal. */
static void
print_address(const char *address, char *out, size_t size)
{
	if (strchr(address, ':') != NULL)
		snprintf(out, size, "[IPv6:%s]", address);
	else if (strchr(address, '.') != NULL)
		snprintf(out, size, "[%s]", address);
	else
		snprintf(out, size, "%s", address);
}

size_t
received_print(const struct received *r, char out[RECEIVED_MAX_BYTES])
{
	char address[80], tls[160] = "", recipient[400] = "";
	int n;

	print_address(r->client_address, address, sizeof address);
	if (r->tls_version[0] != '\0')
		snprintf(tls, sizeof tls, "\r\n\t(using %s with cipher %s)", r->tls_version,
		    r->tls_cipher);
	if (r->recipient.len > 0)
		snprintf(recipient, sizeof recipient, "\r\n\tfor <%.*s>", (int)r->recipient.len,
		    r->recipient.at);
	n = snprintf(out, RECEIVED_MAX_BYTES,
	    "Received: from %.*s (%s)%s\r\n\tby %s (Sambar Mail) with %s id %s%s;\r\n\t%s\r\n",
	    (int)r->helo.len, r->helo.at, address, tls, r->server, r->protocol,
	    queue_id_text(r->id), recipient, received_date(r->at));
	if (n < 0 || n >= RECEIVED_MAX_BYTES)
		abort(); /* all parts are limited: see received.h */
	return n;
}
