/* Sends entries to the journal's socket. */
#include "master/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/memory.h"

/* Room for a burst while the journal is busy. */
enum { SEND_BUFFER_BYTES = 8 * 1024 * 1024 };

static int journal = -1;

static bool
leads_there(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (stream == NULL || fstat(fd, &st) == -1)
		return false;
	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, ours) == 0;
}

bool
journal_open(int fd)
{
	static const struct sockaddr_un at = {AF_UNIX, "/run/systemd/journal/socket"};
	const int size = SEND_BUFFER_BYTES;

	if (!leads_there(fd))
		return false;
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal != -1 && connect(journal, (const struct sockaddr *)&at, sizeof at) == -1)
		closefd(&journal);
	if (journal != -1) /* as far as the system lets us */
		(void)setsockopt(journal, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return journal != -1;
}

void
journal_send(const char *program, pid_t pid, int level, struct span text)
{
	static char entry[JOURNAL_ENTRY_MAX_BYTES];
	size_t n;

	if (journal == -1 || (n = journal_entry(entry, program, pid, level, text)) == 0)
		return;
	(void)send(journal, entry, n, MSG_NOSIGNAL);
}
