/*
 * Another account for opening files only: nobody else gets rights over the process by that.
 */
#include "common/file_rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "common/log.h"

/* setfsuid() tells no errors; of -1 it only says who we are. */
static bool
is_now(uid_t uid)
{
	return (uid_t)setfsuid((uid_t)-1) == uid;
}

bool
file_rights_take(uid_t uid)
{
	if (geteuid() == 0 || uid == geteuid() || !capabilities_have(CAP_SETUID))
		return false;
	(void)setfsuid(uid);
	return is_now(uid);
}

bool
file_rights_take_for(const char *path)
{
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 || errno != EACCES)
		return false;
	return file_rights_take(0);
}

void
file_rights_return(bool taken)
{
	int error = errno;

	if (!taken)
		return;
	(void)setfsuid(geteuid());
	if (!is_now(geteuid()))
		fatalx("another account's rights to files cannot be given back");
	errno = error;
}
