/*
 * The end of an attempt, in a helper thread: it may take its time, and logs nothing. Touches the
 * spool file of its message and the directory of failures.
 */
#include "queue/conclude.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memory.h"
#include "queue/failures.h"
#include "queue/journal.h"

/* Replies are kept while the journal is below this; what adds recipients or counts attempts always.
 */
enum { REPLIES_JOURNAL_BYTES = 8 * 1024 * 1024, GIVEN_UP_BYTES = REPLY_MAX_BYTES };

/* ---- reading ---- */

int
conclude_open(struct spool *sp, const struct message *m, int flags, struct envelope *e,
    unsigned char **storage, const char **why)
{
	int fd = spool_message_open(sp, m->node.id, &m->name, flags);

	*why = "the file cannot be opened";
	if (fd == -1)
		return -1;
	if (envelope_read(e, fd, storage, why) == -1) {
		closefd(&fd);
		return -1;
	}
	if (e->id == m->node.id && e->message_offset + e->message_size == m->name.size)
		return fd;
	envelope_clear(e);
	free(*storage);
	*storage = NULL;
	closefd(&fd);
	*why = "the envelope is that of another message";
	errno = EPROTO;
	return -1;
}

static int
read_file(struct conclusion *c)
{
	int fd = conclude_open(c->spool, c->message, O_RDWR, &c->envelope, &c->storage, &c->why);

	if (fd == -1)
		return -1;
	c->why = NULL;
	if (c->hand == NULL) {
		c->hand = hand_from_envelope(c->message, &c->envelope);
		c->hand->interrupted = true; /* no attempt */
	}
	if (c->hand->n == c->envelope.n_recipients)
		return fd;
	c->why = "the number of recipients has changed";
	closefd(&fd);
	errno = EPROTO;
	return -1;
}

static int
read_again(struct conclusion *c, int fd)
{
	const char *why;

	envelope_clear(&c->envelope);
	free(c->storage);
	c->storage = NULL;
	if (envelope_read(&c->envelope, fd, &c->storage, &why) == 0)
		return 0;
	if (errno == EPROTO)
		c->why = why;
	return -1;
}

/* ---- writing ---- */

static bool
is_final(unsigned char status)
{
	return status == RECIPIENT_DONE || status == RECIPIENT_FAILED;
}

/* Status bytes of the envelope lie together and go in one write; those of added recipients alone.
 */
static int
write_status(struct conclusion *c, int fd, const unsigned char *status)
{
	const struct envelope *e = &c->envelope;
	unsigned char *first = (unsigned char *)c->storage + ENVELOPE_HEADER_BYTES;
	size_t n_first = 0;
	bool changed = false;

	for (size_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];
		bool differs = is_final(status[i]) && status[i] != r->status;

		if (r->parent == -1) {
			n_first++;
			if (differs)
				first[i] = status[i];
			changed |= differs;
		} else if (differs && spool_pwrite(fd, &status[i], 1, r->status_at) == -1)
			return -1;
	}
	return changed ? spool_pwrite(fd, first, n_first, ENVELOPE_HEADER_BYTES) : 0;
}

static void
add_replies(struct conclusion *c, struct journal *j)
{
	struct hand_reply *r;

	STAILQ_FOREACH (r, &c->hand->replies, link) {
		const struct recipient *was = &c->envelope.recipients[r->recipient];
		struct span reply = {r->text, r->reply_len};
		struct span route = {r->text + r->reply_len, r->route_len};

		if (c->hand->status[r->recipient] == RECIPIENT_DONE)
			continue;
		if (!span_equal(was->reply, reply) || !span_equal(was->route, route))
			journal_reply(j, r->recipient, reply, route);
	}
}

/* Of deliveries that the sender wants to hear of: or, perhaps, of one to which such a recipient was
 * expanded. */
static void
add_deliveries(struct conclusion *c, struct journal *j)
{
	struct hand_reply *r;

	STAILQ_FOREACH (r, &c->hand->replies, link) {
		const struct recipient *was = &c->envelope.recipients[r->recipient];

		if (c->hand->status[r->recipient] == RECIPIENT_DONE &&
		    (was->parent != -1 || (was->notify & NOTIFY_SUCCESS)))
			journal_done(j, r->recipient, r->flags,
			    (struct span){r->text, r->reply_len},
			    (struct span){r->text + r->reply_len, r->route_len});
	}
}

static void
add_expansions(struct conclusion *c, struct journal *j)
{
	struct hand_expansion *x;

	STAILQ_FOREACH (x, &c->hand->expansions, link)
		if (!x->open)
			journal_expand(j, x->recipient, x->count, &x->addresses);
}

/* What router has said. Added recipients that are not kept leave their parent pending. */
static int
record(struct conclusion *c, int fd)
{
	struct journal j = {0};
	bool roomy = c->envelope.journal_len < REPLIES_JOURNAL_BYTES;
	int rv;

	if (roomy)
		add_replies(c, &j);
	add_deliveries(c, &j);
	add_expansions(c, &j);
	if (!c->hand->interrupted)
		journal_attempt(&j, c->name.attempts, c->name.next_s,
		    roomy ? hand_last_reply(c->hand) : span_of(""));
	rv = spool_append(fd, &c->envelope, &j);
	if (write_status(c, fd, c->hand->status) == -1)
		rv = -1;
	if (rv == 0 && c->hand->has_expanded && fdatasync(fd) == -1)
		rv = -1;
	journal_clear(&j);
	return rv;
}

/* ---- giving up ---- */

static void
add_given_up(struct conclusion *c, struct journal *j, uint32_t i)
{
	struct span last = c->envelope.recipients[i].reply;
	char text[GIVEN_UP_BYTES];
	int n;

	if (c->reason != NULL)
		n = snprintf(text, sizeof text, "5.0.0 given up by %s", c->reason);
	else
		n = snprintf(text, sizeof text, "given up after %u attempts%s%.*s",
		    c->name.attempts, last.len ? ": " : "", (int)last.len, last.len ? last.at : "");

	if ((size_t)n >= sizeof text)
		n = sizeof text - 1;
	journal_reply(j, i, (struct span){text, n}, c->envelope.recipients[i].route);
}

/* The rest of the recipients fails. */
static int
give_up(struct conclusion *c, int fd)
{
	struct journal j = {0};
	size_t n = c->envelope.n_recipients;
	unsigned char *status = xmalloc(n);
	int rv;

	for (size_t i = 0; i < n; i++) {
		status[i] = c->envelope.recipients[i].status;
		if (status[i] != RECIPIENT_PENDING)
			continue;
		status[i] = RECIPIENT_FAILED;
		add_given_up(c, &j, i);
	}
	/* Without room for the reasons they fail all the same. */
	rv = write_status(c, fd, status);
	if (rv == 0)
		(void)spool_append(fd, &c->envelope, &j);
	journal_clear(&j);
	free(status);
	return rv == 0 ? read_again(c, fd) : -1;
}

/* ---- the end ---- */

static bool
has_pending(const struct envelope *e)
{
	for (size_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i].status == RECIPIENT_PENDING)
			return true;
	return false;
}

static int
tell(struct conclusion *c, int fd)
{
	struct notify n = {.spool = c->spool,
	    .limit = c->limit,
	    .rules = &c->rules,
	    .retry = &c->retry,
	    .envelope = &c->envelope,
	    .fd = fd,
	    .now_s = c->now_s};
	int rv = notify(&n);

	c->fates = n.fates;
	c->n_keep = n.n_keep;
	c->notice = n.notice;
	return rv;
}

static int
finish(struct conclusion *c, int fd)
{
	if (c->n_keep > 0 &&
	    failures_write(c->spool, fd, &c->envelope, c->fates, c->rules.server, c->now_s) == -1)
		return -1;
	if (spool_message_remove(c->spool, c->message->node.id, &c->at) == -1 && errno != ENOENT)
		return -1;
	c->outcome = CONCLUDE_GONE;
	return 0;
}

static bool
is_over(const struct conclusion *c)
{
	const struct hand *h = c->hand;

	if (c->reason != NULL)
		return true;
	/* Added recipients are owed a first attempt. */
	return !h->interrupted && !h->has_expanded && h->n_pending > 0 &&
	       retry_is_over(&c->retry, c->now_s, c->envelope.arrival_us / 1000000);
}

static void
move(struct conclusion *c)
{
	c->name.in_cur = true;
	if (!c->hand->interrupted &&
	    spool_message_move(c->spool, c->message->node.id, &c->at, &c->name) == -1)
		c->error = errno;
	c->name = c->at;
}

static void
plan(struct conclusion *c)
{
	c->name = c->at = c->message->name;
	c->due_s = c->now_s;
	if (c->hand->interrupted)
		return;
	/* What is new after an expansion has not been tried yet; and who has it tried now and then
	 * does not make it wait longer for its own turn. */
	if (!c->hand->has_expanded && (!c->hand->ordered || c->name.attempts == 0))
		c->name.attempts++;
	if (!c->hand->has_expanded)
		c->due_s = retry_next_s(
		    &c->retry, c->name.attempts, c->now_s, c->envelope.arrival_us / 1000000);
	c->name.next_s = c->due_s;
}

static bool
has_news(const struct conclusion *c)
{
	return c->hand->has_failed || c->hand->wants_success ||
	       notify_is_late(&c->envelope, &c->retry, c->now_s);
}

static int
settle(struct conclusion *c, int fd)
{
	const struct hand *h = c->hand;
	bool over = is_over(c), gather = h->interrupted || h->has_expanded, ends;

	if (spool_message_leave_incoming(c->spool, c->message->node.id, &c->at) == -1 ||
	    record(c, fd) == -1)
		return -1;
	/* What else is to be told soon goes into the same notification. */
	if (!over && h->n_pending > 0 && (gather || !has_news(c)))
		return 0;
	/* From here on the file tells all: a restart would come to the same end. */
	if (read_again(c, fd) == -1 || (over && give_up(c, fd) == -1))
		return -1;
	ends = !has_pending(&c->envelope);
	if (!ends && gather)
		return 0;
	if (tell(c, fd) == -1)
		return -1;
	return ends ? finish(c, fd) : 0;
}

static void
refuse(struct conclusion *c)
{
	const struct message *m = c->message;

	c->error = errno;
	c->name = m->name;
	c->due_s = c->now_s + c->retry.intervals_s[0];
	if (!spool_is_bad(c->error))
		return;
	c->outcome = CONCLUDE_BAD;
	c->aside = spool_message_set_aside(c->spool, m->node.id, &m->name) == 0;
}

void
conclude(struct conclusion *c)
{
	int fd = read_file(c);

	if (fd == -1) {
		refuse(c);
		return;
	}
	plan(c);
	if (settle(c, fd) == -1) {
		c->error = errno;
		if (c->due_s == c->now_s)
			c->due_s += c->retry.intervals_s[0];
		c->name.next_s = c->due_s;
	}
	if (c->outcome == CONCLUDE_AGAIN)
		move(c);
	closefd(&fd);
}

void
conclude_clear(struct conclusion *c)
{
	free(c->reason);
	c->reason = NULL;
	free(c->fates);
	c->fates = NULL;
	envelope_clear(&c->envelope);
	free(c->storage);
	c->storage = NULL;
}
