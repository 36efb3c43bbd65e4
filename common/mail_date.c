/* Dates as header fields have them. */
#include "common/mail_date.h"

#include <string.h>

void
mail_date_print(time_t at, char out[MAIL_DATE_SIZE])
{
	struct tm tm;

	/* No program calls setlocale(): the names are those of RFC 5322. */
	if (localtime_r(&at, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
	    strftime(out, MAIL_DATE_SIZE, "%a, %d %b %Y %H:%M:%S %z", &tm) == 0)
		strlcpy(out, "Thu, 01 Jan 1970 00:00:00 +0000", MAIL_DATE_SIZE);
}
