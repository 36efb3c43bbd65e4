/*
 * Changes of accounts: each verb of sambarctl user that is no question, and the first
 * administrator. A request goes through some steps, each of which ends in a callback that takes the
 * next. See admin_private.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "auth/admin_private.h"
#include "auth/setup.h"
#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"

/* ---- add ---- */

static void
tell_added(struct request *r, bool mailbox)
{
	snprintf(r->done, sizeof r->done, "user-added user=%s mailbox=%s%s", r->name,
	    mailbox ? "yes" : "no", r->is_first ? " admin=yes" : "");
}

/* A mailbox that is there already, of an earlier user or made by hand, is this user's now. */
static void
on_created_for_add(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_EXISTS_ALREADY) {
		admin_fail_at_store(r);
		return;
	}
	tell_added(r, true);
	admin_save(r);
}

/* The mailbox first: an addition that was cut short can be repeated. */
static void
on_hashed_for_add(void *arg, const char *hash)
{
	struct request *r = arg;

	if (admin_take_hash(r, hash) == -1)
		return;
	if (strcmp(r->words[4], "mailbox") == 0) {
		store_create(r->admin->auth->store, r->account.name, on_created_for_add, r);
		return;
	}
	tell_added(r, false);
	admin_save(r);
}

void
admin_fail_name(struct request *r)
{
	admin_fail(r, EX_DATAERR,
	    "a user name is 1 to %d of a-z, 0-9, - and _, does not start with - and is "
	    "not null",
	    MAILBOX_NAME_MAX_BYTES);
}

void
admin_add(struct request *r)
{
	struct span name = span_of(r->words[2]);
	struct account found;
	bool mailbox;

	if (!address_is_user_name(name)) {
		admin_fail_name(r);
		return;
	}
	if (admin_read_switch(r, 4, "mailbox", "no-mailbox", &mailbox) == -1)
		return;
	r->account = (struct account){
	    .name = span_of(r->name), .quota = ACCOUNT_NO_QUOTA, .admin = r->is_first};
	switch (users_find(r->admin->auth->users, name, &found)) {
	case USERS_NONE:
		admin_hash_password(r, on_hashed_for_add);
		return;
	case USERS_TROUBLE:
		admin_fail(r, EX_IOERR, "%s", admin_unreadable);
		return;
	default:
		admin_fail(r, EX_DATAERR, "there is a user %s already", r->name);
	}
}

/* ---- the first administrator ---- */

void
admin_make_link(struct request *r)
{
	struct auth *a = r->admin->auth;
	char token[SETUP_TOKEN_SIZE];
	int64_t now = time(NULL);

	if (!first_is_open(a)) {
		admin_fail(r, EX_DATAERR, "there is an administrator already");
		return;
	}
	if (setup_make(a->directory, now, token) == -1) {
		admin_fail(
		    r, EX_IOERR, "config/users/setup cannot be written: %s", strerror(errno));
		return;
	}
	log_info("- setup-link-made");
	admin_reply(r, 0,
	    json_pack("{s:s, s:I}", "token", token, "until", (json_int_t)(now + SETUP_LIFE_S)));
	explicit_bzero(token, sizeof token);
}

void
admin_add_first(struct request *r)
{
	struct auth *a = r->admin->auth;

	if (!first_is_open(a) || !setup_is(a->directory, time(NULL), span_of(r->words[5]))) {
		admin_fail(r, EX_NOPERM, "this link cannot be used any more");
		return;
	}
	r->is_first = true;
	admin_add(r);
}

/* ---- del ---- */

static void
remove_account(struct request *r)
{
	r->revokes = true;
	snprintf(r->done, sizeof r->done, "user-removed user=%s", r->name);
	users_remove(
	    r->admin->auth->users, r->admin->writer, span_of(r->name), admin_on_changed, r);
}

/* The account last: a removal that was cut short can be repeated. */
static void
on_purged(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_NO_MAILBOX)
		admin_fail_at_store(r);
	else
		remove_account(r);
}

void
admin_del(struct request *r)
{
	struct users *users = r->admin->auth->users;
	struct account found;
	bool purge;

	if (admin_read_switch(r, 3, "purge", "keep", &purge) == -1)
		return;
	/* A malformed line with a name can be removed. */
	if ((r->name[0] == '\0' || users_find(users, span_of(r->name), &found) != USERS_BROKEN) &&
	    admin_load(r) == -1)
		return;
	if (purge)
		store_remove(r->admin->auth->store, span_of(r->name), on_purged, r);
	else
		remove_account(r);
}

/* ---- passwd, admin ---- */

static void
on_hashed_for_passwd(void *arg, const char *hash)
{
	struct request *r = arg;

	/* Meanwhile others may have edited the file. */
	if (admin_load(r) == -1 || admin_take_hash(r, hash) == -1)
		return;
	r->revokes = r->on_done == NULL; /* his own wish, at a session that goes on */
	snprintf(r->done, sizeof r->done, "password-changed user=%s", r->name);
	admin_save(r);
}

void
admin_passwd(struct request *r)
{
	if (admin_load(r) == 0)
		admin_hash_password(r, on_hashed_for_passwd);
}

void
admin_set_admin(struct request *r)
{
	bool on;

	if (admin_read_switch(r, 3, "on", "off", &on) == -1 || admin_load(r) == -1)
		return;
	r->account.admin = on;
	r->revokes = !on;
	snprintf(
	    r->done, sizeof r->done, "admin-changed user=%s admin=%s", r->name, on ? "on" : "off");
	admin_save(r);
}

/* ---- quota ---- */

/* Without a mailbox the quota waits in the users file for one. */
static void
on_quota_set(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_NO_MAILBOX) {
		admin_fail_at_store(r);
		return;
	}
	snprintf(r->done, sizeof r->done, "quota-changed user=%s quota=%s", r->name, r->words[3]);
	admin_save(r);
}

void
admin_set_quota(struct request *r)
{
	uint64_t bytes = ACCOUNT_NO_QUOTA;

	if (strcmp(r->words[3], "none") != 0 &&
	    !span_u64(span_of(r->words[3]), ACCOUNT_QUOTA_MAX, &bytes)) {
		admin_fail(r, EX_DATAERR, "the quota is no number of bytes");
		return;
	}
	if (admin_load(r) == -1)
		return;
	r->account.quota = bytes;
	store_set_quota(r->admin->auth->store, r->account.name,
	    bytes == ACCOUNT_NO_QUOTA ? STORE_NO_LIMIT : bytes, on_quota_set, r);
}

/* ---- mailbox ---- */

static void
on_mailbox_changed(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_NO_MAILBOX) {
		admin_fail_at_store(r);
		return;
	}
	snprintf(
	    r->done, sizeof r->done, "mailbox-changed user=%s mailbox=%s", r->name, r->words[3]);
	admin_succeed(r);
}

static void
on_created(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_EXISTS_ALREADY)
		admin_fail_at_store(r);
	else if (refusal == 0 && r->account.quota != ACCOUNT_NO_QUOTA)
		store_set_quota(r->admin->auth->store, r->account.name, r->account.quota,
		    on_mailbox_changed, r);
	else
		on_mailbox_changed(r, 0, -1);
}

void
admin_set_mailbox(struct request *r)
{
	struct store_client *store = r->admin->auth->store;
	bool on;

	if (admin_read_switch(r, 3, "on", "off", &on) == -1 || admin_load(r) == -1)
		return;
	if (on)
		store_create(store, r->account.name, on_created, r);
	else
		store_remove(store, r->account.name, on_mailbox_changed, r);
}
