/*
 * Which messages an administrator means: words "key=value" of a request, and whether a message
 * answers to them. Pure; for any thread once read.
 */
#ifndef QUEUE_ADMIN_FILTER_H
#define QUEUE_ADMIN_FILTER_H

#include "queue/envelope.h"
#include "queue/spool.h"

struct admin_filter {
	char *sender, *recipient, *domain, *reason; /* patterns with *; NULL: any */
	uint64_t older_s, younger_s;		    /* than so many seconds; 0: any */
	bool held, all;
	uint64_t *ids; /* only these, in the order given; NULL: any */
	size_t n_ids;
};

/*
 * One word: sender=, recipient=, domain=, reason=, older=, younger=, held=true, all=true, ids=
 * (with blanks between). 0 when it is none of these; 1 when it was taken; -1 when its value is
 * wrong (*why).
 */
int admin_filter_take(struct admin_filter *f, const char *word, const char **why);
void admin_filter_clear(struct admin_filter *f);

/* True when it says anything at all, so that a slip does not mean all. */
bool admin_filter_is_set(const struct admin_filter *f);
bool admin_filter_needs_envelope(const struct admin_filter *f);
/* Without its envelope: false when it is none of them for sure. */
bool admin_filter_may_match(const struct admin_filter *f, const struct message *m, uint64_t now_us);
/* recipient=, domain= and reason= are about recipients that are pending; reason= also about why it
 * is held, and needs no * at its ends. sender=<> is the null sender. */
bool admin_filter_matches(const struct admin_filter *f, const struct envelope *e, uint64_t now_us);

#endif
