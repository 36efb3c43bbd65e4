/* Owners and modes of an instance: what only some may read or write, only they can. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "master/accounts.h"
#include "master/doctor_local.h"
#include "master/finding.h"
#include "master/programs.h"

enum {
	OTHERS = 0007,	      /* nothing for others */
	ALL_BUT_OWNER = 0077, /* nothing for group and others */
	NO_WRITING = 0022,
	KEY = 0027 /* a group such as ssl-cert may read it */
};

struct look {
	json_t *findings;
	const char *root;
	bool running;
	uid_t owner;	  /* of the instance */
	uid_t supervisor; /* its account, or (uid_t)-1 */
	struct accounts accounts;
	unsigned n_wrong;
};

static json_t *
tell(struct look *l, enum finding_verdict verdict, const char *path, const char *sentence)
{
	char about[PATH_MAX + 32];

	l->n_wrong++;
	snprintf(about, sizeof about, "permissions of %s", path);
	return finding_add(l->findings, verdict, about, "%s", sentence);
}

static void
look_at_mode(struct look *l, const char *path, const struct stat *st, mode_t forbidden)
{
	char question[PATH_MAX + 8], answer[24];
	json_t *finding;

	if ((st->st_mode & forbidden) == 0)
		return;
	finding = tell(l, FINDING_WRONG, path, "others than should can use it");
	snprintf(question, sizeof question, "stat %s", path);
	snprintf(answer, sizeof answer, "mode %04o", st->st_mode & 07777);
	finding_asked(finding, question, answer);
	finding_mend(finding, "chmod %04o %s", st->st_mode & 07777 & ~forbidden, path);
}

/* (uid_t)-1: the instance's own. Before the first start everything is root's. */
static void
look_at_owner(struct look *l, const char *path, const struct stat *st, uid_t owner)
{
	char question[PATH_MAX + 8], answer[40];
	uid_t expected = owner != (uid_t)-1 ? owner : l->owner;
	json_t *finding;

	if (st->st_uid == expected || (st->st_uid == 0 && (owner == (uid_t)-1 || !l->running)) ||
	    (owner == (uid_t)-1 && st->st_uid == l->supervisor))
		return;
	finding = tell(l, FINDING_WRONG, path, "it belongs to another account than should have it");
	snprintf(question, sizeof question, "stat %s", path);
	snprintf(answer, sizeof answer, "owner %lu", (unsigned long)st->st_uid);
	finding_asked(finding, question, answer);
	finding_mend(finding, "chown -R %lu %s", (unsigned long)expected, path);
}

static void
look_at(struct look *l, const char *path, mode_t forbidden, uid_t owner)
{
	char question[PATH_MAX + 8];
	struct stat st;

	if (stat(path, &st) == 0) {
		look_at_mode(l, path, &st, forbidden);
		look_at_owner(l, path, &st, owner);
		return;
	}
	/* What is missing is made by a start, or told of by the configuration. */
	if (errno == ENOENT)
		return;
	snprintf(question, sizeof question, "stat %s", path);
	finding_asked(
	    tell(l, FINDING_UNCLEAR, path, "it cannot be looked at"), question, strerror(errno));
}

static void
look_below_root(struct look *l, const char *name, mode_t forbidden, uid_t owner)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", l->root, name) < (int)sizeof path)
		look_at(l, path, forbidden, owner);
}

static void
look_at_directories(struct look *l, const struct config *c)
{
	for (size_t i = 0; i < n_program_directories; i++) {
		const struct program_directory *p = &program_directories[i];
		uid_t owner = accounts_uid(&l->accounts, p->owner);

		if (p->key != NULL)
			look_at(l, config_text(c, p->section, p->key), ALL_BUT_OWNER, owner);
		else
			look_below_root(l, p->fixed, ALL_BUT_OWNER, owner);
	}
}

static void
look_at_keys(struct look *l, const struct config *c)
{
	const char *section;

	look_at(l, config_text(c, "tls", "Private Key"), KEY, (uid_t)-1);
	for (size_t i = 0; (section = config_section_at(c, "certificate *", i)) != NULL; i++)
		look_at(l, config_text(c, section, "Private Key"), KEY, (uid_t)-1);
}

static void
look_at_all(struct look *l, const struct config *c)
{
	look_at(l, l->root, NO_WRITING, (uid_t)-1);
	look_below_root(l, "config", NO_WRITING, (uid_t)-1);
	look_below_root(l, "config/config.ini", OTHERS, (uid_t)-1);
	look_below_root(l, "config/mail.ini", OTHERS, (uid_t)-1);
	look_below_root(l, "config/history", ALL_BUT_OWNER, (uid_t)-1);
	look_below_root(l, "log", OTHERS, (uid_t)-1);
	look_below_root(l, "run", NO_WRITING, (uid_t)-1);
	look_at_keys(l, c);
	look_at_directories(l, c);
}

static void
look_at_accounts(struct look *l, const struct config *c)
{
	char *problem = accounts_warning(config_u64(c, "common", "Uid Base"));

	if (problem != NULL) {
		l->n_wrong++;
		finding_mend(finding_add(l->findings, FINDING_WRONG, "accounts of the programs",
				 "%s", problem),
		    "make the accounts, or give the programs numbers: Uid Base");
	}
	free(problem);
}

void
doctor_permissions(json_t *findings, const char *root, const struct config *c, bool running)
{
	struct look l = {.findings = findings, .root = root, .running = running};
	struct stat st;
	gid_t group;
	char *why = NULL;

	if (stat(root, &st) == -1)
		return; /* its configuration was just read: it has gone */
	l.owner = st.st_uid;
	if (geteuid() == 0 &&
	    accounts_find(&l.accounts, config_u64(c, "common", "Uid Base"), &why) == -1) {
		l.accounts.separated = false; /* accounts_warning() says so */
		free(why);
	}
	if (accounts_find_supervisor(&l.supervisor, &group, &why) == -1)
		free(why);
	look_at_accounts(&l, c);
	look_at_all(&l, c);
	if (l.n_wrong == 0)
		finding_add(findings, FINDING_RIGHT, "permissions",
		    "directories and files belong to whom they should, and are closed to others");
}
