/* The sentence of a command that has failed. Writes to standard error. */
#include "common/command_fail.h"

#include <stdio.h>

int
command_fail(const char *command, int code, const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", command);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	return code;
}
