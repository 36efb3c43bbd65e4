/*
 * What sambarctl user asks: accounts in the users file, and their mailboxes in store. A request
 * goes through some steps, each of which ends in a callback that takes the next.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "auth/admin_private.h"
#include "auth/setup.h"
#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"

enum { SENTENCE_SIZE = 400 };

const char admin_unreadable[] = "config/users/passwd cannot be read: log/auth.log says why";

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

void
admin_reply(struct request *r, int code, json_t *doc)
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

void
admin_fail(struct request *r, int code, const char *format, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	admin_reply(r, code, json_pack("{s:s}", "error", sentence));
}

void
admin_succeed(struct request *r)
{
	log_info("- %s", r->done);
	if (r->is_first)
		setup_remove(r->admin->auth->directory);
	/* Before it is answered: who hears that it is done finds nothing open any more. */
	if (r->revokes)
		role_revoke(r->admin->auth->role, span_of(r->name));
	admin_reply(r, 0, json_object());
}

void
admin_fail_at_store(struct request *r)
{
	admin_fail(
	    r, EX_TEMPFAIL, "the mailbox of %s cannot be changed: log/store.log says why", r->name);
}

/* ---- the account ---- */

int
admin_load(struct request *r)
{
	struct account found;

	switch (users_find(r->admin->auth->users, span_of(r->name), &found)) {
	case USERS_FOUND:
		break;
	case USERS_NONE:
		admin_fail(r, EX_NOUSER, "there is no user %s", log_safe(span_of(r->words[2])));
		return -1;
	case USERS_BROKEN:
		admin_fail(
		    r, EX_DATAERR, "the line of %s in config/users/passwd is malformed", r->name);
		return -1;
	case USERS_TROUBLE:
		admin_fail(r, EX_IOERR, "%s", admin_unreadable);
		return -1;
	}
	r->account = found;
	span_copy(found.hash, r->hash, sizeof r->hash);
	r->account.name = span_of(r->name);
	r->account.hash = span_of(r->hash);
	return 0;
}

void
admin_on_changed(void *arg, int error)
{
	struct request *r = arg;

	if (error == 0)
		admin_succeed(r);
	else
		admin_fail(
		    r, EX_IOERR, "config/users/passwd cannot be written: %s", strerror(error));
}

void
admin_save(struct request *r)
{
	users_put(r->admin->auth->users, r->admin->writer, &r->account, admin_on_changed, r);
}

static bool
is_password(const char *word)
{
	size_t len = strlen(word);

	return len > 0 && len <= ACCOUNT_PASSWORD_MAX_BYTES;
}

void
admin_hash_password(struct request *r, password_hashed_cb cb)
{
	if (!is_password(r->words[3]))
		admin_fail(
		    r, EX_DATAERR, "a password has 1 to %d bytes", ACCOUNT_PASSWORD_MAX_BYTES);
	else
		password_hash(r->admin->auth->passwords, span_of(r->words[3]), cb, r);
}

int
admin_take_hash(struct request *r, const char *hash)
{
	if (hash != NULL && strlcpy(r->hash, hash, sizeof r->hash) < sizeof r->hash) {
		r->account.hash = span_of(r->hash);
		return 0;
	}
	admin_fail(r, EX_SOFTWARE, "the password cannot be hashed");
	return -1;
}

int
admin_read_switch(struct request *r, size_t index, const char *on, const char *off, bool *is_on)
{
	*is_on = strcmp(r->words[index], on) == 0;
	if (*is_on || strcmp(r->words[index], off) == 0)
		return 0;
	admin_fail(
	    r, EX_USAGE, "neither %s nor %s: %s", on, off, log_safe(span_of(r->words[index])));
	return -1;
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
	admin_reply(r, 0, json_pack("{s:O}", "users", r->users));
}

static void
list(struct request *r)
{
	struct users *users = r->admin->auth->users;
	struct account a;

	if (users_refresh(users) == -1) {
		admin_fail(r, EX_IOERR, "%s", admin_unreadable);
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
		admin_fail_name(r);
	else if (admin_load(r) == 0)
		admin_reply(r, 0, json_object());
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
	    {"add", 5, admin_add}, {"del", 4, admin_del}, {"passwd", 4, admin_passwd},
	    {"list", 2, list}, {"find", 3, find}, {"mailbox", 4, admin_set_mailbox},
	    {"admin", 4, admin_set_admin}, {"quota", 4, admin_set_quota},
	    {"setup-link", 2, admin_make_link},
	    {"setup", 6, admin_add_first}, /* NAME PASSWORD mailbox|no-mailbox TOKEN */
	};

	if (r->n_words > 2)
		span_copy(span_of(r->words[2]), r->name, sizeof r->name);
	for (size_t i = 0; r->n_words > 1 && strcmp(r->words[0], "user") == 0 && i < nitems(verbs);
	     i++)
		if (strcmp(r->words[1], verbs[i].verb) == 0 && r->n_words == verbs[i].n_words) {
			verbs[i].begin(r);
			return;
		}
	admin_fail(r, EX_USAGE, "auth does not know this request");
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
