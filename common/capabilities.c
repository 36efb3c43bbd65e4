/*
 * Capabilities, by the system calls for which glibc has no functions.
 */
#include "common/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

bool
capabilities_have(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, have) == 0 &&
	       (have[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

int
capabilities_drop(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	/* What is inheritable no more is ambient no more. */
	return syscall(SYS_capset, &header, none);
}
