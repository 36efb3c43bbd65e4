/*
 * The accounts that the programs run under when root starts them. Reads the user database, and
 * nothing else; called by instance.c.
 */
#ifndef MASTER_ACCOUNTS_H
#define MASTER_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { ACCOUNTS_MAX = 16 };

struct accounts {
	bool separated; /* each program under its own account, in a chroot */
	gid_t gid;	/* that all of them share, so that only they reach the sockets */
	uint64_t
	    base; /* the numbers in use come from here; 0: accounts have names, or there are none */
	uid_t uids[ACCOUNTS_MAX];
};

/*
 * Finds sambar-<program> and the group sambar. Where there is none of them the numbers from base on
 * are taken; with base 0 all programs run as root, and separated is false. -1 with *why (to be
 * freed), naming what is missing, when there are some but not all, or they cannot be told apart.
 */
int accounts_find(struct accounts *a, uint64_t base, char **why);

/*
 * For root, before programs are started: what is not well with the accounts, to be freed, or NULL.
 * Always NULL for others, whose programs run under their own account.
 */
char *accounts_warning(uint64_t base);

/* Whether this process may start programs under other accounts: it is root, or has CAP_SETUID. */
bool accounts_can_be_taken(void);

/* The account of a supervisor that is not root, sambar-master, and its group, which is not that of
 * the programs. -1 with *why: there is none. */
int accounts_find_supervisor(uid_t *uid, gid_t *gid, char **why);

/* The account of a role, (uid_t)-1 when they are not separated. */
uid_t accounts_uid(const struct accounts *a, unsigned role);

#endif
