/*
 * One instance: a directory with config/ mail/ spool/ failures/ log/ run/, and the accounts its
 * programs run under. Run by the supervisor, and by sambarctl for requests to a stopped instance.
 */
#ifndef MASTER_INSTANCE_H
#define MASTER_INSTANCE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"
#include "master/accounts.h"

struct instance {
	char root[PATH_MAX];	 /* absolute */
	char run[PATH_MAX];	 /* root/run: sockets, and the chroot */
	char programs[PATH_MAX]; /* where the other programs lie */
	struct config *config;
	struct accounts accounts; /* as they were at the start */
	int lock;
};

/* Finds the absolute root and the programs (beside our own, or in ../lib/sambar). -1 with *why (to
 * be freed). */
int instance_open(struct instance *in, const char *root, char **why);
/* Takes over the first checked configuration (owned on 0) and finds out the accounts. -1 with *why:
 * the configuration is the caller's. */
int instance_use(struct instance *in, struct config *config, char **why);
/* Takes over another one. The accounts stay: what lies in the directories belongs to them. */
void instance_replace(struct instance *in, struct config *config);
/* There are no accounts at all. */
bool instance_runs_as_root(const struct instance *in);
/* Programs have accounts, and this process can give files to them: it is root. */
bool instance_gives_files(const struct instance *in);
/* The configuration names other numbers than those in use, which only a new start takes. */
bool instance_waits_for_accounts(const struct instance *in, const struct config *config);
/* Makes this process the only supervisor of the instance. -1 with *why, a sentence that names the
 * other's pid. */
int instance_lock(struct instance *in, char **why);
void instance_close(struct instance *in);

/* The account of a role, (uid_t)-1 when they are not separated. */
uid_t instance_uid(const struct instance *in, unsigned role);

/*
 * Makes a directory (its parents too) that belongs to a role, mode 0700, or corrects its owner,
 * which only root can. An O_PATH descriptor or -1 with errno.
 */
int instance_directory(const struct instance *in, const char *path, unsigned role);
/* The owner of one that is there, and of all that is in it. -1 with errno. */
int instance_give_directory(const struct instance *in, int fd, unsigned role);
/* By its name, in which . and .. are not taken. */
bool instance_has_below(const char *root, const char *path);
/*
 * Below the root the directories above one are made, too. Elsewhere they must be there: what is
 * missing may be a disk that is not mounted. True with *why, a sentence to be freed, when path
 * cannot be made for that.
 */
bool instance_lacks_parent(const char *root, const char *path, char **why);

/*
 * Mailboxes made by hand belong to whoever made them: root gives those below the mail directory to
 * store. name NULL: all of them. Only directories and files with one link are changed, never
 * through a symbolic link.
 */
void instance_adopt_mailboxes(const struct instance *in, int mail, const char *name);

#endif
