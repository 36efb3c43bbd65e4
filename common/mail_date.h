/* Dates as header fields have them (RFC 5322 3.3). For any thread. */
#ifndef COMMON_MAIL_DATE_H
#define COMMON_MAIL_DATE_H

#include <time.h>

enum { MAIL_DATE_SIZE = 40 };

/* In the local zone; the zone's file must have been read (tzset) before it is out of reach. */
void mail_date_print(time_t at, char out[MAIL_DATE_SIZE]);

#endif
