/*
 * store's side of store.sock: who may ask what, and the answers. Touches the mail directory through
 * mailboxes.c, maildir.c and remover.c.
 */
#include "store/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/wall_clock.h"
#include "store/vacation.h"

/* ---- answers that wait ---- */

struct answer {
	TAILQ_ENTRY(answer) entry;
	struct store *store;
	struct ipc_peer *peer; /* NULL: gone */
	uint64_t tag;
	size_t waiting; /* file systems that are not durable yet */
	int error;
	answer_cb send;
	void *arg;
};

static void
say_idle(struct store *s)
{
	if (s->on_idle != NULL && TAILQ_EMPTY(&s->answers) && boxes_are_idle(s->boxes))
		s->on_idle(s->idle_arg);
}

static void
on_durable(void *arg, int error)
{
	struct answer *a = arg;
	struct store *s = a->store;

	if (error != 0)
		a->error = error;
	if (--a->waiting > 0)
		return;
	if (a->error != 0)
		log_warn("cannot make mail durable: %s", strerror(a->error));
	if (a->peer != NULL)
		a->send(a->peer, a->tag, a->arg, a->error);
	TAILQ_REMOVE(&s->answers, a, entry);
	free(a->arg);
	free(a);
	say_idle(s);
}

void
answer_when_durable(
    struct ipc_peer *p, uint64_t tag, const int *fds, size_t n, answer_cb send, void *arg)
{
	struct store *s = p->arg;
	struct answer *a = xcalloc(1, sizeof *a);

	*a = (struct answer){
	    .store = s, .peer = p, .tag = tag, .waiting = n, .send = send, .arg = arg};
	TAILQ_INSERT_TAIL(&s->answers, a, entry);
	for (size_t i = 0; i < n; i++)
		durable_wait(s->durable, fds[i], on_durable, a);
}

static void
on_peer_close(struct ipc_peer *p)
{
	struct store *s = p->arg;
	struct answer *a;

	TAILQ_FOREACH (a, &s->answers, entry)
		if (a->peer == p)
			a->peer = NULL;
}

/* ---- simple answers ---- */

static void
send_refusal(struct ipc_peer *p, uint64_t tag, int reason)
{
	struct writer w;

	ipc_write(&w, STORE_REFUSED, tag);
	put_u64(&w, reason);
	ipc_peer_send(p, &w, -1);
}

static void
send_done(struct ipc_peer *p, uint64_t tag, void *arg, int error)
{
	struct writer w;

	(void)arg;
	if (error != 0) {
		send_refusal(p, tag, STORE_TROUBLE);
		return;
	}
	ipc_write(&w, STORE_DONE, tag);
	ipc_peer_send(p, &w, -1);
}

/* DONE when all that was changed in the mail directory is durable. */
static void
done_when_durable(struct ipc_peer *p, uint64_t tag)
{
	struct store *s = p->arg;
	int fd = openat(s->mail, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		send_done(p, tag, NULL, errno);
	else
		answer_when_durable(p, tag, &fd, 1, send_done, NULL);
}

static void
refuse_errno(struct ipc_peer *p, uint64_t tag, const char *what, struct span mailbox)
{
	int error = errno;

	if (error == ENOENT) {
		send_refusal(p, tag, STORE_NO_MAILBOX);
		return;
	}
	log_warn("cannot %s mailbox=%s: %s", what, log_safe(mailbox), strerror(error));
	send_refusal(p, tag, STORE_TROUBLE);
}

/* ---- LOOKUP, FORGET ---- */

static void
send_forget(void *arg, const char *name)
{
	struct store *s = arg;
	struct ipc_peer *p = s->server != NULL ? ipc_server_peers(s->server) : NULL;
	struct writer w;

	for (; p != NULL; p = p->next) {
		if (p->role != ROLE_ROUTER)
			continue;
		ipc_write(&w, STORE_FORGET, 0);
		put_text(&w, name);
		ipc_peer_send(p, &w, -1);
	}
}

static enum store_state
look_up(struct store *s, struct span name, uint64_t *room, uint64_t *limit)
{
	uint64_t shared = mailboxes_limit(s->mailboxes);
	struct maildir *m = mailboxes_get(s->mailboxes, name);

	*room = *limit = STORE_NO_LIMIT;
	if (m == NULL && errno == ENOENT)
		return STORE_NONE;
	if (m == NULL || maildir_room(m, shared, room) == -1) {
		log_warn("cannot look up mailbox=%s: %s", log_safe(name), strerror(errno));
		return STORE_UNCLEAR;
	}
	*limit = maildir_limit(m, shared);
	mailboxes_tell(m, *room);
	return *room == 0 ? STORE_FULL : STORE_EXISTS;
}

static void
on_lookup(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct store *s = p->arg;
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	char text[MAILBOX_NAME_MAX_BYTES + 1];
	uint64_t room, limit;
	enum store_state state;
	struct writer w;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "LOOKUP");
		return;
	}
	state = look_up(s, name, &room, &limit);
	ipc_write(&w, STORE_FOUND, tag);
	put_u64(&w, state);
	put_u64(&w, room);
	put_u64(&w, limit);
	ipc_peer_send(p, &w, -1);
	/* Good for this once. */
	if (!mailboxes_would_notice(s->mailboxes) && span_copy(name, text, sizeof text))
		send_forget(s, text);
}

/* ---- VACATION ---- */

static void
send_away(struct ipc_peer *p, uint64_t tag, void *arg, int error)
{
	const struct vacation_reply *v = error == 0 ? arg : NULL;
	struct writer w;

	ipc_write(&w, STORE_AWAY, tag);
	put_u64(&w, v != NULL);
	put_text(&w, v != NULL ? v->subject : "");
	put_text(&w, v != NULL ? v->text : "");
	put_text(&w, v != NULL ? v->name : "");
	ipc_peer_send(p, &w, -1);
}

static void
on_vacation(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct store *s = p->arg;
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	struct span sender = get_str(r, ADDRESS_TEXT_SIZE);
	struct vacation_reply *v = NULL;
	struct maildir *m;
	int fd = -1;

	if (get_end(r) == -1 || sender.len == 0) {
		ipc_peer_refuse(p, "VACATION");
		return;
	}
	if ((m = mailboxes_get(s->mailboxes, name)) != NULL)
		v = vacation_claim(m, sender, &fd);
	if (v == NULL)
		send_away(p, tag, NULL, 0);
	else
		answer_when_durable(p, tag, &fd, 1, send_away, v);
}

/* ---- OPEN ---- */

static void
on_open(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct store *s = p->arg;
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	uint64_t kind = get_u64(r);
	struct span program = get_str(r, STORE_PROGRAM_MAX_BYTES);
	struct span client = get_str(r, STORE_CLIENT_MAX_BYTES);
	struct maildir *m;
	struct writer w;
	int refusal, fd = -1;

	if (get_end(r) == -1 || kind == 0 || kind > STORE_KIND_LAST) {
		ipc_peer_refuse(p, "OPEN");
		return;
	}
	if ((m = mailboxes_get(s->mailboxes, name)) == NULL) {
		refuse_errno(p, tag, "open", name);
		return;
	}
	refusal = kind == STORE_MAILDROP ? sessions_open(s->sessions, m, &fd)
					 : boxes_open(s->boxes, m, &fd);
	if (refusal != 0) {
		send_refusal(p, tag, refusal);
		return;
	}
	log_debug("session mailbox=%s program=%s client=%s", m->name, log_safe(program),
	    log_safe(client));
	ipc_write(&w, STORE_SESSION, tag);
	ipc_peer_send(p, &w, fd);
}

/* ---- CREATE, REMOVE, SET_QUOTA ---- */

static void
on_create(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct store *s = p->arg;
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	char text[MAILBOX_NAME_MAX_BYTES + 1];

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "CREATE");
		return;
	}
	if (!address_is_user_name(name) || !span_copy(name, text, sizeof text)) {
		send_refusal(p, tag, STORE_NO_MAILBOX);
	} else if (maildir_create(s->mail, text) == 0) {
		log_info("created mailbox=%s", text);
		send_forget(s, text);
		done_when_durable(p, tag);
	} else if (errno == EEXIST) {
		send_refusal(p, tag, STORE_EXISTS_ALREADY);
	} else {
		log_warn("cannot create mailbox=%s: %s", text, strerror(errno));
		send_refusal(p, tag, STORE_TROUBLE);
	}
}

static void
on_remove(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct store *s = p->arg;
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	struct maildir *m;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "REMOVE");
		return;
	}
	m = mailboxes_get(s->mailboxes, name);
	if (m == NULL || remover_take(s->remover, m->name) == -1) {
		refuse_errno(p, tag, "remove", name);
		return;
	}
	log_info("removed mailbox=%s", m->name);
	sessions_close(m);
	boxes_close(m);
	mailboxes_reset(s->mailboxes, m);
	remover_run(s->remover);
	done_when_durable(p, tag);
}

static void
on_set_quota(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct store *s = p->arg;
	struct span name = get_str(r, MAILBOX_NAME_MAX_BYTES);
	uint64_t bytes = get_u64(r);
	struct maildir *m;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "SET_QUOTA");
		return;
	}
	m = mailboxes_get(s->mailboxes, name);
	if (m == NULL || maildir_set_limit(m, bytes) == -1) {
		refuse_errno(p, tag, "set the quota of", name);
		return;
	}
	send_forget(s, m->name);
	done_when_durable(p, tag);
}

/* ---- all of it ---- */

static const struct ipc_handler handlers[] = {
    {STORE_DELIVER, ROLE_ROUTER, deliver_message},
    {STORE_VACATION, ROLE_ROUTER, on_vacation},
    {STORE_LOOKUP, ROLE_ROUTER | ROLE_AUTH, on_lookup},
    {STORE_OPEN, ROLE_AUTH | ROLE_MASTER, on_open},
    {STORE_CREATE, ROLE_AUTH, on_create},
    {STORE_REMOVE, ROLE_AUTH, on_remove},
    {STORE_SET_QUOTA, ROLE_AUTH, on_set_quota},
};

static const struct ipc_server_ops server_ops = {
    .handlers = handlers, .n_handlers = nitems(handlers), .on_close = on_peer_close};

struct store *
store_new(struct event_base *base, int mail, int backup, int listen_fd, size_t max_mailboxes,
    const char *indexer_path)
{
	struct store *s = xcalloc(1, sizeof *s);

	s->base = base;
	s->started_us = wall_clock_now();
	s->mail = openat(mail, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->mail == -1)
		fatal("cannot open the mail directory");
	closefd(&mail);
	TAILQ_INIT(&s->answers);
	s->chores = worker_new(base);
	s->syncer = worker_new(base);
	s->durable = durable_new(s->syncer);
	s->remover = remover_new(s->chores, s->mail);
	s->mailboxes = mailboxes_new(base, s->mail, max_mailboxes, send_forget, s);
	s->sessions = sessions_new(base, s->mailboxes, s->chores);
	s->boxes = boxes_new(base, s->mailboxes, s->sessions, s->durable, indexer_path);
	if (backup != -1)
		s->backups = backup_keeper_new(base, s->mail, backup);
	s->server = ipc_server_new(base, listen_fd, &server_ops, s);
	remover_run(s->remover);
	return s;
}

void
store_free(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	ipc_server_free(&s->server);
	backup_keeper_free(&s->backups);
	worker_free(&s->syncer); /* boxes wait for it */
	boxes_free(&s->boxes);
	worker_free(&s->counter);
	worker_free(&s->chores);
	sessions_free(&s->sessions);
	mailboxes_free(&s->mailboxes);
	remover_free(&s->remover);
	durable_free(&s->durable);
	closefd(&s->mail);
	free(s);
}

void
store_settings(struct store *s, const struct settings *settings)
{
	struct span size = span_of(settings_text(settings, "mail", "Maximum Mailbox Size"));
	uint64_t limit = STORE_NO_LIMIT;

	if (size.len > 0 && !span_u64(size, STORE_NO_LIMIT - 1, &limit))
		log_warn("the setting Maximum Mailbox Size is no number: ignored");
	mailboxes_set_limit(s->mailboxes, limit);
	sessions_set_max_users(s->sessions, settings_u64(settings, "mail", "Maximum Users"));
	maildir_name_host(settings_text(settings, "mail", "Mail Server"), s->host);
	boxes_set_host(s->boxes, s->host);
	if (s->backups != NULL)
		backup_keeper_set_daily(
		    s->backups, settings_bool(settings, "mail", "Backup Mailboxes"));
}

void
store_status(const struct store *s, json_t *counters)
{
	json_object_set_new(counters, "messages_delivered", json_integer(s->n_messages));
	json_object_set_new(counters, "mailboxes_delivered_to", json_integer(s->n_mailboxes));
	json_object_set_new(
	    counters, "mailboxes_open", json_integer(mailboxes_count(s->mailboxes)));
	json_object_set_new(counters, "sessions",
	    json_integer(sessions_count(s->sessions) + boxes_sessions(s->boxes)));
	json_object_set_new(
	    counters, "sessions_of_folders", json_integer(boxes_sessions(s->boxes)));
	json_object_set_new(counters, "messages_indexed", json_integer(boxes_indexed(s->boxes)));
	json_object_set_new(counters, "users", json_integer(sessions_users(s->sessions)));
	if (s->backups != NULL)
		backup_keeper_status(s->backups, counters);
}

void
store_usage(struct store *s, usage_cb cb, void *arg)
{
	if (s->counter == NULL)
		s->counter = worker_new(s->base);
	usage_count(s->counter, s->mail, mailboxes_limit(s->mailboxes), cb, arg);
}

void
store_backup(struct store *s, backup_made_cb cb, void *arg)
{
	if (s->backups == NULL)
		cb(arg, NULL, "find the directory backup", ENOENT);
	else
		backup_keeper_make(s->backups, cb, arg);
}

json_t *
store_backups(struct store *s)
{
	errno = ENOENT;
	return s->backups != NULL ? backup_keeper_list(s->backups) : NULL;
}

static void
on_boxes_idle(void *arg)
{
	say_idle(arg);
}

void
store_drain(struct store *s, void (*on_idle)(void *arg), void *arg)
{
	s->on_idle = on_idle;
	s->idle_arg = arg;
	boxes_on_idle(s->boxes, on_boxes_idle, s);
	say_idle(s);
}
