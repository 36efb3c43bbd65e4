/*
 * Whose the files of an instance are, where the supervisor is not root: root gives it the
 * configuration and the logs, and the guardians their directories, before a start and a reload.
 */
#ifndef MASTER_OWNERS_H
#define MASTER_OWNERS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct owners_order {
	uid_t uid; /* of the supervisor */
	gid_t gid;
	/* Directories of guardians that are there already are left to whom they belong: the
	 * configuration, or what is in a directory, may be the work of somebody who is not root. */
	bool only_new;
};

/*
 * For root. Makes directories that are missing. What cannot be given is left as it is, and a
 * sentence is added to notices. -1 with *why (to be freed): the instance cannot be used at all, or
 * an account is missing.
 */
int owners_give(const char *root, const struct owners_order *order, json_t *notices, char **why);

#endif
