/*
 * Cuts lines. Pure.
 */
#include "common/line.h"

#include <string.h>

enum line_end
line_cut(struct span bytes, size_t max, struct span *line)
{
	size_t n = bytes.len < max ? bytes.len : max;
	const char *lf = n > 0 ? memchr(bytes.at, '\n', n) : NULL;

	if (lf == NULL)
		return n == max ? LINE_TOO_LONG : LINE_UNFINISHED;
	if (lf == bytes.at || lf[-1] != '\r')
		return LINE_BARE_LF;
	*line = (struct span){bytes.at, lf - 1 - bytes.at};
	return LINE_WHOLE;
}

size_t
line_pass_over(struct span bytes, bool *after_cr, enum line_end *end)
{
	const char *lf = memchr(bytes.at, '\n', bytes.len);
	bool cr_before = *after_cr;

	*after_cr = bytes.at[bytes.len - 1] == '\r';
	*end = LINE_UNFINISHED;
	if (lf == NULL)
		return bytes.len;
	if (lf > bytes.at)
		cr_before = lf[-1] == '\r';
	*end = cr_before ? LINE_WHOLE : LINE_BARE_LF;
	return lf + 1 - bytes.at;
}
