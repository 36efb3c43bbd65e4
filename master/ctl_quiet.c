/*
 * Keeps log lines from the terminal while sambarctl acts as a supervisor.
 */
#include "master/ctl_quiet.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"

enum { KEPT_MAX_BYTES = 65536 };

static int terminal = -1, kept = -1;

/* The program ends in between: a fatal sentence is for whoever called it. */
static void
say_last_words(void)
{
	static char bytes[KEPT_MAX_BYTES];
	struct span rest, line;
	ssize_t n;

	if (terminal == -1 || (n = pread(kept, bytes, sizeof bytes, 0)) <= 0)
		return;
	rest = (struct span){bytes, n};
	while (span_take(&rest, '\n', &line))
		if (line.len > LOG_HEAD_BYTES && line.at[1] == '0' + LOG_LEVEL_FATAL)
			dprintf(terminal, "%.*s\n", (int)(line.len - LOG_HEAD_BYTES),
			    line.at + LOG_HEAD_BYTES);
}

void
ctl_quiet_begin(void)
{
	static bool registered;

	if (!registered && atexit(say_last_words) == 0)
		registered = true;
	if (!registered || (kept = memfd_create("log", MFD_CLOEXEC)) == -1)
		return;
	if ((terminal = dup(STDERR_FILENO)) == -1 || dup2(kept, STDERR_FILENO) == -1) {
		closefd(&terminal);
		closefd(&kept);
	}
}

void
ctl_quiet_end(void)
{
	log_flush();
	if (terminal == -1)
		return;
	(void)dup2(terminal, STDERR_FILENO);
	closefd(&terminal);
	closefd(&kept);
}
