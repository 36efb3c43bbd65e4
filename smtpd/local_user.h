/*
 * Users of this machine, who hand in mail by sendmail(8) on a UNIX socket. The kernel says who
 * speaks; the names of accounts come from master ([local users]), since smtpd can read no file.
 */
#ifndef SMTPD_LOCAL_USER_H
#define SMTPD_LOCAL_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/settings.h"
#include "common/span.h"

struct local_users;

/* From [local users] and "[smtpd] Trusted Users". */
struct local_users *local_users_new(const struct settings *s);
void local_users_free(struct local_users **l);

/* The account's name, NULL when it has none here. */
const char *local_user_name(const struct local_users *l, uid_t uid);

/*
 * Whether mail of this sender need not be marked: root and Trusted Users may use any address,
 * others
 * <> and their own name (with a +tag) at server.
 */
bool local_user_may_send_as(
    const struct local_users *l, uid_t uid, const char *server, struct span reverse_path);

/* The field that marks it, with its CRLF, cut to size. Returns its length. */
size_t local_user_mark(const struct local_users *l, uid_t uid, const char *server,
    struct span reverse_path, char *out, size_t size);

#endif
