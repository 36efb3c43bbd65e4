/*
 * sambarctl owners: files to their accounts, where the supervisor has one of its own. Before a
 * reload it is done without being asked for.
 */
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "master/accounts.h"
#include "master/ctl.h"
#include "master/ctl_quiet.h"
#include "master/owners.h"

static int
give(const struct ctl *ctl, const struct owners_order *order)
{
	json_t *notices = json_array(), *doc = json_pack("{s:o}", "notices", notices);
	char *why = NULL;
	int code = 0, rv;

	ctl_quiet_begin();
	rv = owners_give(ctl->root, order, notices, &why);
	ctl_quiet_end();
	if (rv == -1)
		code = ctl_fail(EX_CONFIG, "%s", why);
	ctl_print_notices(doc);
	json_decref(doc);
	free(why);
	return code;
}

int
ctl_owners(struct ctl *ctl, char **args, size_t n)
{
	struct owners_order order = {.only_new = false};
	char *why;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if (geteuid() != 0)
		return ctl_fail(EX_NOPERM, "only root can give files to other accounts");
	if (accounts_find_supervisor(&order.uid, &order.gid, &why) == -1) {
		code = ctl_fail(EX_CONFIG, "%s", why);
		free(why);
		return code;
	}
	code = give(ctl, &order);
	return code != 0 ? code : ctl_done(ctl, "files and directories have their owners");
}

void
ctl_owners_before_reload(const struct ctl *ctl, int sock)
{
	struct owners_order order = {.only_new = true};
	char *why;

	if (geteuid() != 0)
		return;
	if (accounts_find_supervisor(&order.uid, &order.gid, &why) == -1)
		free(why);
	else if (ipc_peer_uid(sock) == order.uid)
		(void)give(ctl, &order);
}
