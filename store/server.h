/*
 * store as a whole, and its side of store.sock. Private to store/.
 */
#ifndef STORE_SERVER_H
#define STORE_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/settings.h"
#include "common/worker.h"
#include "store/backup.h"
#include "store/box.h"
#include "store/durable.h"
#include "store/mailboxes.h"
#include "store/maildir_name.h"
#include "store/remover.h"
#include "store/session.h"
#include "store/usage_all.h"

struct answer;
TAILQ_HEAD(answers, answer);

struct store {
	struct event_base *base;
	int mail; /* open for reading */
	struct ipc_server *server;
	struct mailboxes *mailboxes;
	struct sessions *sessions;
	struct boxes *boxes;
	struct worker *chores, *syncer;
	struct worker *counter; /* NULL: nobody has asked yet */
	struct durable *durable;
	struct remover *remover;
	struct backup_keeper *backups; /* NULL: in tests that need none */
	struct answers answers;	       /* those that wait to be durable */
	uint64_t started_us; /* what arrived before may have been in the hands of an earlier one */
	char host[MAILDIR_HOST_MAX_BYTES + 1];
	void (*on_idle)(void *arg); /* set while draining */
	void *idle_arg;
	uint64_t n_messages, n_mailboxes; /* delivered: messages, and mailboxes they went to */
};

/* mail: the mail directory, backup: that of the backups (O_PATH; -1: there are none), listen_fd:
 * store.sock. Takes them. indexer_path: of indexer.sock, NULL: messages are not looked into. After
 * role_confine(). */
struct store *store_new(struct event_base *base, int mail, int backup, int listen_fd,
    size_t max_mailboxes, const char *indexer_path);
/* Finishes what the threads do and frees all. */
void store_free(struct store **s);

void store_settings(struct store *s, const struct settings *settings);
void store_status(const struct store *s, json_t *counters);
/* How full all mailboxes are. */
void store_usage(struct store *s, usage_cb cb, void *arg);
/* Makes a backup now. */
void store_backup(struct store *s, backup_made_cb cb, void *arg);
/* As backup_keeper_list(). */
json_t *store_backups(struct store *s);
/* Calls on_idle once no answer waits to be durable. */
void store_drain(struct store *s, void (*on_idle)(void *arg), void *arg);

/* deliver.c: answers DELIVER. */
void deliver_message(struct ipc_peer *p, uint64_t tag, struct reader *r);

/*
 * An answer that is sent when something is durable. send is called with the peer, unless that has
 * gone meanwhile, and error (an errno). arg is freed afterwards, in any case.
 */
typedef void (*answer_cb)(struct ipc_peer *p, uint64_t tag, void *arg, int error);
void answer_when_durable(
    struct ipc_peer *p, uint64_t tag, const int *fds, size_t n, answer_cb send, void *arg);

#endif
