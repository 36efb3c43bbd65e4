/*
 * What sambarctl user asks: accounts in the users file, and their mailboxes in store. A request
 * goes through some steps, each of which ends in a callback that takes the next.
 */
#include "auth/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "auth/auth.h"
#include "auth/setup.h"
#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"

enum { LOOKUPS_MAX = 32, SENTENCE_SIZE = 400, DONE_SIZE = 200 };

static const char unreadable[] = "config/users/passwd cannot be read: log/auth.log says why";

struct request;

/* A question to store whether a listed user has a mailbox. */
struct lookup {
	struct request *request;
	json_t *user; /* borrowed from the list; NULL: free for the next */
};

struct request {
	STAILQ_ENTRY(request) link;
	struct admin *admin;
	uint64_t tag;
	admin_done_cb on_done; /* of auth's own; else NULL */
	void *done_arg;
	char **words;
	size_t n_words;
	/* the account in question; its texts are in the arrays */
	struct account account;
	char name[AUTH_USER_SIZE], hash[ACCOUNT_HASH_SIZE];
	char done[DONE_SIZE]; /* a log line for the time when it is */
	bool is_first;	      /* of the first administrator */
	bool revokes;	      /* what the user has open with master ends then */
	/* of a list */
	json_t *users;
	size_t next;
	struct lookup lookups[LOOKUPS_MAX];
	size_t n_lookups;
};

struct admin {
	struct auth *auth;
	struct worker *writer;
	admin_reply_cb on_reply;
	void *arg;
	STAILQ_HEAD(, request) waiting;
	struct request *current;
	bool closed;
};

/* ---- answers ---- */

static void begin_next(struct admin *admin);

static void
free_request(struct request *r)
{
	for (size_t i = 0; i < r->n_words; i++) {
		explicit_bzero(r->words[i], strlen(r->words[i]));
		free(r->words[i]);
	}
	free(r->words);
	json_decref(r->users);
	explicit_bzero(r, sizeof *r);
	free(r);
}

/* Ends the request. Owns doc. */
static void
reply(struct request *r, int code, json_t *doc)
{
	struct admin *admin = r->admin;

	if (r->on_done != NULL)
		r->on_done(r->done_arg, code, doc);
	else
		admin->on_reply(admin->arg, r->tag, code, doc);
	admin->current = NULL;
	free_request(r);
	begin_next(admin);
}

static void
fail(struct request *r, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
fail(struct request *r, int code, const char *format, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	reply(r, code, json_pack("{s:s}", "error", sentence));
}

static void
succeed(struct request *r)
{
	log_info("- %s", r->done);
	if (r->is_first)
		setup_remove(r->admin->auth->directory);
	/* Before it is answered: who hears that it is done finds nothing open any more. */
	if (r->revokes)
		role_revoke(r->admin->auth->role, span_of(r->name));
	reply(r, 0, json_object());
}

static void
fail_at_store(struct request *r)
{
	fail(
	    r, EX_TEMPFAIL, "the mailbox of %s cannot be changed: log/store.log says why", r->name);
}

/* ---- the account ---- */

/* Fills r->account from the file. -1 when the request has failed, and is gone. */
static int
load(struct request *r)
{
	struct account found;

	switch (users_find(r->admin->auth->users, span_of(r->name), &found)) {
	case USERS_FOUND:
		break;
	case USERS_NONE:
		fail(r, EX_NOUSER, "there is no user %s", log_safe(span_of(r->words[2])));
		return -1;
	case USERS_BROKEN:
		fail(r, EX_DATAERR, "the line of %s in config/users/passwd is malformed", r->name);
		return -1;
	case USERS_TROUBLE:
		fail(r, EX_IOERR, "%s", unreadable);
		return -1;
	}
	r->account = found;
	span_copy(found.hash, r->hash, sizeof r->hash);
	r->account.name = span_of(r->name);
	r->account.hash = span_of(r->hash);
	return 0;
}

static void
on_changed(void *arg, int error)
{
	struct request *r = arg;

	if (error == 0)
		succeed(r);
	else
		fail(r, EX_IOERR, "config/users/passwd cannot be written: %s", strerror(error));
}

static void
save(struct request *r)
{
	users_put(r->admin->auth->users, r->admin->writer, &r->account, on_changed, r);
}

static bool
is_password(const char *word)
{
	size_t len = strlen(word);

	return len > 0 && len <= ACCOUNT_PASSWORD_MAX_BYTES;
}

static void
hash_password(struct request *r, password_hashed_cb cb)
{
	if (!is_password(r->words[3]))
		fail(r, EX_DATAERR, "a password has 1 to %d bytes", ACCOUNT_PASSWORD_MAX_BYTES);
	else
		password_hash(r->admin->auth->passwords, span_of(r->words[3]), cb, r);
}

/* -1 when the request has failed, and is gone. */
static int
take_hash(struct request *r, const char *hash)
{
	if (hash != NULL && strlcpy(r->hash, hash, sizeof r->hash) < sizeof r->hash) {
		r->account.hash = span_of(r->hash);
		return 0;
	}
	fail(r, EX_SOFTWARE, "the password cannot be hashed");
	return -1;
}

/* Reads a word that is one of two. -1 when the request has failed, and is gone. */
static int
read_switch(struct request *r, size_t index, const char *on, const char *off, bool *is_on)
{
	*is_on = strcmp(r->words[index], on) == 0;
	if (*is_on || strcmp(r->words[index], off) == 0)
		return 0;
	fail(r, EX_USAGE, "neither %s nor %s: %s", on, off, log_safe(span_of(r->words[index])));
	return -1;
}

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
		fail_at_store(r);
		return;
	}
	tell_added(r, true);
	save(r);
}

/* The mailbox first: an addition that was cut short can be repeated. */
static void
on_hashed_for_add(void *arg, const char *hash)
{
	struct request *r = arg;

	if (take_hash(r, hash) == -1)
		return;
	if (strcmp(r->words[4], "mailbox") == 0) {
		store_create(r->admin->auth->store, r->account.name, on_created_for_add, r);
		return;
	}
	tell_added(r, false);
	save(r);
}

static void
fail_name(struct request *r)
{
	fail(r, EX_DATAERR,
	    "a user name is 1 to %d of a-z, 0-9, - and _, does not start with - and is "
	    "not null",
	    MAILBOX_NAME_MAX_BYTES);
}

static void
add(struct request *r)
{
	struct span name = span_of(r->words[2]);
	struct account found;
	bool mailbox;

	if (!address_is_user_name(name)) {
		fail_name(r);
		return;
	}
	if (read_switch(r, 4, "mailbox", "no-mailbox", &mailbox) == -1)
		return;
	r->account = (struct account){
	    .name = span_of(r->name), .quota = ACCOUNT_NO_QUOTA, .admin = r->is_first};
	switch (users_find(r->admin->auth->users, name, &found)) {
	case USERS_NONE:
		hash_password(r, on_hashed_for_add);
		return;
	case USERS_TROUBLE:
		fail(r, EX_IOERR, "%s", unreadable);
		return;
	default:
		fail(r, EX_DATAERR, "there is a user %s already", r->name);
	}
}

/* ---- the first administrator ---- */

static void
make_link(struct request *r)
{
	struct auth *a = r->admin->auth;
	char token[SETUP_TOKEN_SIZE];
	int64_t now = time(NULL);

	if (!first_is_open(a)) {
		fail(r, EX_DATAERR, "there is an administrator already");
		return;
	}
	if (setup_make(a->directory, now, token) == -1) {
		fail(r, EX_IOERR, "config/users/setup cannot be written: %s", strerror(errno));
		return;
	}
	log_info("- setup-link-made");
	reply(r, 0,
	    json_pack("{s:s, s:I}", "token", token, "until", (json_int_t)(now + SETUP_LIFE_S)));
	explicit_bzero(token, sizeof token);
}

/* Requests are run one by one, so that a link makes one administrator only. */
static void
add_first(struct request *r)
{
	struct auth *a = r->admin->auth;

	if (!first_is_open(a) || !setup_is(a->directory, time(NULL), span_of(r->words[5]))) {
		fail(r, EX_NOPERM, "this link cannot be used any more");
		return;
	}
	r->is_first = true;
	add(r);
}

/* ---- del ---- */

static void
remove_account(struct request *r)
{
	r->revokes = true;
	snprintf(r->done, sizeof r->done, "user-removed user=%s", r->name);
	users_remove(r->admin->auth->users, r->admin->writer, span_of(r->name), on_changed, r);
}

/* The account last: a removal that was cut short can be repeated. */
static void
on_purged(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_NO_MAILBOX)
		fail_at_store(r);
	else
		remove_account(r);
}

static void
del(struct request *r)
{
	struct users *users = r->admin->auth->users;
	struct account found;
	bool purge;

	if (read_switch(r, 3, "purge", "keep", &purge) == -1)
		return;
	/* A malformed line with a name can be removed. */
	if ((r->name[0] == '\0' || users_find(users, span_of(r->name), &found) != USERS_BROKEN) &&
	    load(r) == -1)
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
	if (load(r) == -1 || take_hash(r, hash) == -1)
		return;
	r->revokes = r->on_done == NULL; /* his own wish, at a session that goes on */
	snprintf(r->done, sizeof r->done, "password-changed user=%s", r->name);
	save(r);
}

static void
passwd(struct request *r)
{
	if (load(r) == 0)
		hash_password(r, on_hashed_for_passwd);
}

static void
set_admin(struct request *r)
{
	bool on;

	if (read_switch(r, 3, "on", "off", &on) == -1 || load(r) == -1)
		return;
	r->account.admin = on;
	r->revokes = !on;
	snprintf(
	    r->done, sizeof r->done, "admin-changed user=%s admin=%s", r->name, on ? "on" : "off");
	save(r);
}

/* ---- quota ---- */

/* Without a mailbox the quota waits in the users file for one. */
static void
on_quota_set(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_NO_MAILBOX) {
		fail_at_store(r);
		return;
	}
	snprintf(r->done, sizeof r->done, "quota-changed user=%s quota=%s", r->name, r->words[3]);
	save(r);
}

static void
set_quota(struct request *r)
{
	uint64_t bytes = ACCOUNT_NO_QUOTA;

	if (strcmp(r->words[3], "none") != 0 &&
	    !span_u64(span_of(r->words[3]), ACCOUNT_QUOTA_MAX, &bytes)) {
		fail(r, EX_DATAERR, "the quota is no number of bytes");
		return;
	}
	if (load(r) == -1)
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
		fail_at_store(r);
		return;
	}
	snprintf(
	    r->done, sizeof r->done, "mailbox-changed user=%s mailbox=%s", r->name, r->words[3]);
	succeed(r);
}

static void
on_created(void *arg, int refusal, int session)
{
	struct request *r = arg;

	closefd(&session);
	if (refusal != 0 && refusal != STORE_EXISTS_ALREADY)
		fail_at_store(r);
	else if (refusal == 0 && r->account.quota != ACCOUNT_NO_QUOTA)
		store_set_quota(r->admin->auth->store, r->account.name, r->account.quota,
		    on_mailbox_changed, r);
	else
		on_mailbox_changed(r, 0, -1);
}

static void
set_mailbox(struct request *r)
{
	struct store_client *store = r->admin->auth->store;
	bool on;

	if (read_switch(r, 3, "on", "off", &on) == -1 || load(r) == -1)
		return;
	if (on)
		store_create(store, r->account.name, on_created, r);
	else
		store_remove(store, r->account.name, on_mailbox_changed, r);
}

/* ---- list ---- */

static void look_up_more(struct request *r);

static void
on_found(void *arg, enum store_state state, uint64_t room, uint64_t limit)
{
	struct lookup *l = arg;
	struct request *r = l->request;

	(void)room, (void)limit;
	json_object_set_new(l->user, "mailbox", json_boolean(state != STORE_NONE));
	l->user = NULL;
	r->n_lookups--;
	look_up_more(r);
}

static void
look_up(struct request *r, json_t *user)
{
	struct lookup *l = r->lookups;

	while (l->user != NULL)
		l++;
	*l = (struct lookup){.request = r, .user = user};
	r->n_lookups++;
	store_lookup(r->admin->auth->store,
	    span_of(json_string_value(json_object_get(user, "name"))), on_found, l);
}

static void
look_up_more(struct request *r)
{
	while (r->n_lookups < LOOKUPS_MAX && r->next < json_array_size(r->users))
		look_up(r, json_array_get(r->users, r->next++));
	if (r->n_lookups > 0)
		return;
	reply(r, 0, json_pack("{s:O}", "users", r->users));
}

static void
list(struct request *r)
{
	struct users *users = r->admin->auth->users;
	struct account a;

	if (users_refresh(users) == -1) {
		fail(r, EX_IOERR, "%s", unreadable);
		return;
	}
	r->users = json_array();
	for (size_t at = 0; users_next(users, &at, &a);) {
		json_t *user = json_object();

		json_object_set_new(user, "name", json_stringn(a.name.at, a.name.len));
		json_object_set_new(user, "admin", json_boolean(a.admin));
		json_object_set_new(user, "quota",
		    a.quota == ACCOUNT_NO_QUOTA ? json_null() : json_integer(a.quota));
		json_array_append_new(r->users, user);
	}
	look_up_more(r);
}

/* ---- find ---- */

/* Whether there is such an account, before more is asked for. */
static void
find(struct request *r)
{
	if (!address_is_user_name(span_of(r->words[2])))
		fail_name(r);
	else if (load(r) == 0)
		reply(r, 0, json_object());
}

/* ---- requests ---- */

static void
begin(struct request *r)
{
	static const struct {
		const char *verb;
		size_t n_words;
		void (*begin)(struct request *r);
	} verbs[] = {
	    {"add", 5, add}, {"del", 4, del}, {"passwd", 4, passwd}, {"list", 2, list},
	    {"find", 3, find}, {"mailbox", 4, set_mailbox}, {"admin", 4, set_admin},
	    {"quota", 4, set_quota}, {"setup-link", 2, make_link},
	    {"setup", 6, add_first}, /* NAME PASSWORD mailbox|no-mailbox TOKEN */
	};

	if (r->n_words > 2)
		span_copy(span_of(r->words[2]), r->name, sizeof r->name);
	for (size_t i = 0; r->n_words > 1 && strcmp(r->words[0], "user") == 0 && i < nitems(verbs);
	     i++)
		if (strcmp(r->words[1], verbs[i].verb) == 0 && r->n_words == verbs[i].n_words) {
			verbs[i].begin(r);
			return;
		}
	fail(r, EX_USAGE, "auth does not know this request");
}

static void
begin_next(struct admin *admin)
{
	while (!admin->closed && admin->current == NULL &&
	       (admin->current = STAILQ_FIRST(&admin->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&admin->waiting, link);
		begin(admin->current);
	}
	auth_settled(admin->auth);
}

static struct request *
new_request(struct auth *a, const char *const *words, size_t n)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->admin = a->admin;
	r->words = xcalloc(n, sizeof *r->words);
	for (size_t i = 0; i < n; i++)
		r->words[r->n_words++] = xstrdup(words[i]);
	STAILQ_INSERT_TAIL(&a->admin->waiting, r, link);
	return r;
}

void
admin_request(struct auth *a, uint64_t tag, char **words, size_t n)
{
	new_request(a, (const char *const *)words, n)->tag = tag;
	begin_next(a->admin);
}

void
admin_ask(struct auth *a, const char *const *words, size_t n, admin_done_cb on_done, void *arg)
{
	struct request *r = new_request(a, words, n);

	r->on_done = on_done;
	r->done_arg = arg;
	begin_next(a->admin);
}

bool
admin_is_idle(const struct admin *admin)
{
	return admin->current == NULL && STAILQ_EMPTY(&admin->waiting);
}

/* ---- life ---- */

struct admin *
admin_new(struct auth *a, admin_reply_cb on_reply, void *arg)
{
	struct admin *admin = xcalloc(1, sizeof *admin);

	admin->auth = a;
	admin->writer = worker_new(a->base);
	admin->on_reply = on_reply;
	admin->arg = arg;
	STAILQ_INIT(&admin->waiting);
	return admin;
}

void
admin_close(struct admin *admin)
{
	struct request *r;

	admin->closed = true;
	while ((r = STAILQ_FIRST(&admin->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&admin->waiting, link);
		free_request(r);
	}
}

void
admin_free(struct admin **admin)
{
	if (*admin == NULL)
		return;
	worker_free(&(*admin)->writer);
	if ((*admin)->current != NULL)
		free_request((*admin)->current);
	free(*admin);
	*admin = NULL;
}
