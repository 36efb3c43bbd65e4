/*
 * The accounts of the programs: by name where there are any, else by number.
 */
#include "master/accounts.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "common/ipc.h"
#include "common/memory.h"
#include "master/programs.h"

enum { NAME_SIZE = 32 };

/* The order gives the numeric accounts of init --uid-base: base + position. */
static const unsigned roles[] = {ROLE_AUTH, ROLE_STORE, ROLE_QUEUE, ROLE_ROUTER, ROLE_SMTPD,
    ROLE_POP3D, ROLE_DELIVER, ROLE_FETCHER, ROLE_FETCH, ROLE_INDEXER, ROLE_WEBD, ROLE_IMAPD};

_Static_assert(nitems(roles) <= ACCOUNTS_MAX, "one account a role");

static void
numeric_accounts(struct accounts *a, uint64_t base)
{
	for (size_t i = 0; i < nitems(roles); i++)
		a->uids[i] = base + i;
	a->gid = base;
	a->base = base;
	a->separated = true;
}

static void
account_name(char out[NAME_SIZE], unsigned role)
{
	snprintf(out, NAME_SIZE, "sambar-%s", role_bit_name(role));
}

/* A database that cannot be read does not say that there is no such entry. */
static bool
is_not_found(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/* Both are -1 when there is no account of that name. */
static int
find_account(uid_t *uid, gid_t *gid, unsigned role, char **why)
{
	char name[NAME_SIZE];
	const struct passwd *pw;

	account_name(name, role);
	errno = 0;
	pw = getpwnam(name);
	*uid = pw != NULL ? pw->pw_uid : (uid_t)-1;
	*gid = pw != NULL ? pw->pw_gid : (gid_t)-1;
	if (pw != NULL || is_not_found(errno))
		return 0;
	*why = xasprintf("cannot look up the account %s: %s", name, strerror(errno));
	return -1;
}

static int
find_group(gid_t *gid, char **why)
{
	const struct group *gr;

	errno = 0;
	gr = getgrnam("sambar");
	*gid = gr != NULL ? gr->gr_gid : (gid_t)-1;
	if (gr != NULL || is_not_found(errno))
		return 0;
	*why = xasprintf("cannot look up the group sambar: %s", strerror(errno));
	return -1;
}

static bool
is_program(unsigned role)
{
	for (size_t i = 0; i < n_programs; i++)
		if (programs[i].role == role)
			return true;
	return false;
}

/* A program is known by its account: none may be root's, or another's. */
static int
check_one(const struct accounts *a, size_t which, char **why)
{
	char name[NAME_SIZE], other[NAME_SIZE];

	account_name(name, roles[which]);
	if (a->uids[which] == (uid_t)-1)
		*why = xasprintf("there is no account %s", name);
	else if (a->uids[which] == 0)
		*why = xasprintf("the account %s is root's: it needs a number of its own", name);
	else
		for (size_t i = 0; i < which; i++)
			if (a->uids[i] == a->uids[which]) {
				account_name(other, roles[i]);
				*why = xasprintf(
				    "the accounts %s and %s have one number", other, name);
				return -1;
			}
	return *why != NULL ? -1 : 0;
}

static int
check_all(const struct accounts *a, char **why)
{
	if (a->gid == (gid_t)-1)
		*why = xstrdup("there are accounts sambar-<program>, but no group sambar");
	else if (a->gid == 0)
		*why = xstrdup("the group sambar is root's: it needs a number of its own");
	for (size_t i = 0; *why == NULL && i < nitems(roles); i++)
		if (is_program(roles[i]) && check_one(a, i, why) == -1)
			return -1;
	return *why != NULL ? -1 : 0;
}

/* Logs and configuration are the supervisor's and its group's: a program that shared them could
 * read them. */
static int
check_own(const struct accounts *a, char **why)
{
	if (geteuid() == 0)
		return 0;
	for (size_t i = 0; i < nitems(roles); i++)
		if (a->uids[i] == geteuid())
			*why = xasprintf(
			    "the supervisor runs under the account of %s", role_bit_name(roles[i]));
	if (*why == NULL && a->gid == getegid())
		*why = xasprintf(
		    "the supervisor runs in the programs' group, %lu", (unsigned long)a->gid);
	return *why != NULL ? -1 : 0;
}

int
accounts_find(struct accounts *a, uint64_t base, char **why)
{
	bool any = false;
	gid_t own;

	*a = (struct accounts){.separated = false};
	*why = NULL;
	if (find_group(&a->gid, why) == -1)
		return -1;
	for (size_t i = 0; i < nitems(roles); i++) {
		if (find_account(&a->uids[i], &own, roles[i], why) == -1)
			return -1;
		any |= is_program(roles[i]) && a->uids[i] != (uid_t)-1;
	}
	if (any || (a->gid != (gid_t)-1 && base == 0)) {
		a->separated = true;
		if (check_all(a, why) == -1)
			return -1;
	} else if (base != 0) {
		numeric_accounts(a, base);
	}
	return a->separated ? check_own(a, why) : 0;
}

char *
accounts_warning(uint64_t base)
{
	struct accounts a;
	char *why, *text;

	if (!accounts_can_be_taken())
		return NULL;
	if (accounts_find(&a, base, &why) == -1) {
		text = xasprintf("%s: root cannot start the programs", why);
		free(why);
		return text;
	}
	return a.separated || base != 0 || geteuid() != 0
		   ? NULL
		   : xstrdup("Uid Base: is 0, and there are no accounts sambar-<program>: started "
			     "by root, all programs run as root");
}

int
accounts_find_supervisor(uid_t *uid, gid_t *gid, char **why)
{
	gid_t others;

	*why = NULL;
	if (find_account(uid, gid, ROLE_MASTER, why) == -1 || find_group(&others, why) == -1)
		return -1;
	if (*uid == (uid_t)-1 || *uid == 0)
		*why = xasprintf("there is no account sambar-%s, or it is root's",
		    role_bit_name(ROLE_MASTER));
	else if (*gid == others)
		*why = xasprintf("the account sambar-%s is in the programs' group",
		    role_bit_name(ROLE_MASTER));
	return *why != NULL ? -1 : 0;
}

bool
accounts_can_be_taken(void)
{
	return geteuid() == 0 || capabilities_have(CAP_SETUID);
}

uid_t
accounts_uid(const struct accounts *a, unsigned role)
{
	for (size_t i = 0; a->separated && i < nitems(roles); i++)
		if (roles[i] == role)
			return a->uids[i];
	return (uid_t)-1;
}
