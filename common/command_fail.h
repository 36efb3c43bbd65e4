/* How the commands say what went wrong: on standard error, behind their name. */
#ifndef COMMON_COMMAND_FAIL_H
#define COMMON_COMMAND_FAIL_H

#include <stdarg.h>

/* Returns code, an exit status of sysexits.h. What was printed before comes first. */
int command_fail(const char *command, int code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
