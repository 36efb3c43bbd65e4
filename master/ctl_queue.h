/* What the files of sambarctl queue share: ctl_queue.c shows, ctl_queue_orders.c has orders. */
#ifndef MASTER_CTL_QUEUE_H
#define MASTER_CTL_QUEUE_H

#include "master/ctl.h"

enum { QUEUE_WORDS_MAX = 16 };

/* A request to queue in the words of control.h: "queue", VERB, "key=value"... */
struct queue_request {
	const char *words[QUEUE_WORDS_MAX];
	char *owned[QUEUE_WORDS_MAX];
	size_t n, n_owned;
};

void queue_request_start(struct queue_request *r, const char *verb);
void queue_request_add(struct queue_request *r, const char *key, const char *value);
/* Takes the filters out of the arguments. 0, or an exit status after an error was told. */
int queue_request_filters(struct queue_request *r, char **args, size_t *n);
/* Asks for what follows the cursor (NULL: for the first answer). As ctl_ask(). */
int
queue_request_ask(struct ctl *ctl, const struct queue_request *r, const char *after, json_t **doc);
void queue_request_clear(struct queue_request *r);

/* hold, release, retry, remove, bounce: ctl->verb says which. */
int ctl_queue_order(struct ctl *ctl, char **args, size_t n);
int ctl_queue_flush(struct ctl *ctl, char **args, size_t n);
int ctl_queue_reroute(struct ctl *ctl, char **args, size_t n);

#endif
