/*
 * store, the guardian of the mailboxes: delivers into them, opens sessions on them, keeps their
 * limits, makes backups. Touches the mail directory and backup/. router and auth connect to it; it
 * connects to nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "store/server.h"

/* An open mailbox has up to four descriptors, and half of all is left for sessions and messages. */
enum { DESCRIPTORS_PER_MAILBOX = 4, MAILBOXES_MIN = 32, MAILBOXES_MAX = 4096 };

/* How many mailboxes may be kept open. */
static size_t
mailboxes_max(void)
{
	struct rlimit limit;
	size_t n;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("cannot read the limit of descriptors");
	n = limit.rlim_cur / 2 / DESCRIPTORS_PER_MAILBOX;
	return n < MAILBOXES_MIN ? MAILBOXES_MIN : n > MAILBOXES_MAX ? MAILBOXES_MAX : n;
}

static void
on_reload(struct role *role)
{
	store_settings(role->arg, role->settings);
}

static void
on_idle(void *arg)
{
	role_exit_when_done(arg);
}

static void
on_drain(struct role *role)
{
	store_drain(role->arg, on_idle, role);
}

static void
on_status(struct role *role, json_t *counters)
{
	store_status(role->arg, counters);
}

/* ---- an administrator's request ---- */

struct question {
	struct role *role;
	uint64_t tag;
};

static void
on_usage(void *arg, json_t *doc, int error)
{
	struct question *q = arg;

	if (doc != NULL)
		role_admin_reply(q->role, q->tag, 0, doc);
	else
		role_admin_error(q->role, q->tag, EX_IOERR, "the mail directory cannot be read: %s",
		    strerror(error));
	free(q);
}

static void
on_backup(void *arg, json_t *doc, const char *failed, int error)
{
	struct question *q = arg;

	if (doc != NULL)
		role_admin_reply(q->role, q->tag, 0, doc);
	else if (failed == NULL)
		role_admin_error(q->role, q->tag, EX_TEMPFAIL, "a backup is being made already");
	else
		role_admin_error(q->role, q->tag, error == ENOSPC ? EX_CANTCREAT : EX_IOERR,
		    "no backup was made: cannot %s: %s", failed, strerror(error));
	free(q);
}

static void
list_backups(struct role *role, uint64_t tag)
{
	json_t *doc = store_backups(role->arg);

	if (doc != NULL)
		role_admin_reply(role, tag, 0, doc);
	else
		role_admin_error(
		    role, tag, EX_IOERR, "backup/ cannot be read: %s", strerror(errno));
}

static void
on_admin(struct role *role, uint64_t tag, char **words, size_t n)
{
	bool usage = n == 1 && strcmp(words[0], "usage") == 0;
	bool backup = n == 2 && strcmp(words[0], "backup") == 0;
	struct question *q;

	if (backup && strcmp(words[1], "list") == 0) {
		list_backups(role, tag);
		return;
	}
	if (!usage && !(backup && strcmp(words[1], "now") == 0)) {
		role_admin_error(role, tag, EX_USAGE, "store does not know this request");
		return;
	}
	q = xmalloc(sizeof *q);
	*q = (struct question){role, tag};
	if (usage)
		store_usage(role->arg, on_usage, q);
	else
		store_backup(role->arg, on_backup, q);
}

static const struct role_ops ops = {
    .on_reload = on_reload, .on_drain = on_drain, .on_status = on_status, .on_admin = on_admin};

int
main(void)
{
	struct role role;
	struct store *s;
	int mail, backup, listening, rv;

	role_start(&role, "store", &ops, NULL);
	mail = role_required_socket(&role, "mail");
	backup = role_required_socket(&role, "backup");
	listening = role_required_socket(&role, "store.sock");
	umask(077);
	tzset(); /* a day of backups is a local one, and the zone's file is out of reach later */
	role_confine(&role, CONFINE_FILES);
	s = store_new(role.base, mail, backup, listening, mailboxes_max(),
	    role_peer_path(&role, "indexer.sock"));
	role.arg = s;
	store_settings(s, role.settings);
	rv = role_loop(&role);
	store_free(&s);
	return rv;
}
