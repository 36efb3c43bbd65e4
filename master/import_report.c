/* What an import or a restore came to. */
#include "master/import_report.h"

#include <stdio.h>
#include <sysexits.h>

int
import_report(const struct ctl *ctl, struct import **im, const char *done, bool whole)
{
	int code = import_finish(*im), printed = 0;
	struct import_counts c = *import_counts(*im);

	import_close(im);
	if (code == 0 && !whole)
		code = EX_DATAERR;
	if (ctl->json)
		printed = ctl_print_json(json_pack("{s:I, s:I, s:I}", done, (json_int_t)c.added,
		    "there", (json_int_t)c.there, "failed", (json_int_t)c.failed));
	else
		printf("%s %llu message(s); %llu were there already; %llu failed\n", done,
		    (unsigned long long)c.added, (unsigned long long)c.there,
		    (unsigned long long)c.failed);
	return code != 0 ? code : printed;
}
