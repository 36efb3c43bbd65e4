/*
 * One account as a line of config/users/passwd: name:hash:rights:quota, see sambar-users(5). Pure.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include <crypt.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	ACCOUNT_HASH_SIZE = CRYPT_OUTPUT_SIZE,
	ACCOUNT_LINE_MAX_BYTES = 1024,
	ACCOUNT_PASSWORD_MAX_BYTES = CRYPT_MAX_PASSPHRASE_SIZE - 1
};
#define ACCOUNT_NO_QUOTA  UINT64_MAX
#define ACCOUNT_QUOTA_MAX ((uint64_t)INT64_MAX)

struct account {
	struct span name, hash; /* borrowed */
	bool admin;
	uint64_t quota; /* bytes, or ACCOUNT_NO_QUOTA: Maximum Mailbox Size holds */
};

/* True for an empty line and a comment (#). */
bool account_line_is_blank(struct span line);

/* What stands before the first colon: whose line it is, even when the rest is malformed. */
struct span account_line_name(struct span line);

/* Reads a line without its line feed. -1 with *why, a phrase for a log line. */
int account_parse(struct span line, struct account *a, const char **why);

/* Writes the line with its line feed and a NUL. Returns its length. */
size_t account_print(const struct account *a, char line[ACCOUNT_LINE_MAX_BYTES + 2]);

#endif
