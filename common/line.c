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
