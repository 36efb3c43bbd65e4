/*
 * Tells senders what became of their messages, in a helper thread. Touches the spool through
 * spool.h and reads the original's file. A crash between any two steps costs nothing: the notice is
 * a message before the original's journal says that its sender was told, at worst it comes twice.
 */
#include "queue/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/wall_clock.h"
#include "queue/journal.h"
#include "queue/queue.h"

void
notify_rules_read(struct notify_rules *rules, const struct settings *s)
{
	const char *name = settings_text(s, "mail", "Mail Server");

	strlcpy(rules->server, name[0] != '\0' ? name : "localhost", sizeof rules->server);
	rules->maximum = settings_u64(s, "smtpd", "Maximum Bounces");
	rules->whole_max_bytes = settings_u64(s, "smtpd", "Maximum Bounce Size");
}

/* ---- what there is to tell ---- */

bool
notify_is_late(const struct envelope *e, const struct retry *retry, uint64_t now_s)
{
	return !e->delay_told && dsn_is_late(e->arrival_us / 1000000, now_s, retry->notice_s);
}

bool
notify_wants_success(const struct envelope *e)
{
	for (size_t i = 0; i < e->n_recipients && e->reverse_path.len > 0; i++)
		if ((e->recipients[i].notify & (NOTIFY_SUCCESS | NOTIFY_NEVER)) == NOTIFY_SUCCESS)
			return true;
	return false;
}

static bool
is_remote(struct span route)
{
	return route.len > 5 && memcmp(route.at, "smtp:", 5) == 0;
}

static enum dsn_action
delivery_of(const struct recipient *r)
{
	if (r->has_done && !is_remote(r->route))
		return DSN_DELIVERED;
	/* Without its record (a power cut) it is not known how far it went: the lesser promise. */
	return r->has_done && (r->flags & DSN_PASSED_ON) ? DSN_NONE : DSN_RELAYED;
}

static enum dsn_action
event_of(const struct recipient *r, bool late)
{
	if (r->told)
		return DSN_NONE;
	switch (r->status) {
	case RECIPIENT_PENDING:
		return late ? DSN_DELAYED : DSN_NONE;
	case RECIPIENT_DONE:
		return delivery_of(r);
	case RECIPIENT_FAILED:
		return DSN_FAILED;
	case RECIPIENT_EXPANDED:
		return DSN_EXPANDED;
	}
	return DSN_NONE;
}

/* False: nothing at all. */
static bool
find_events(const struct notify *n, bool late, unsigned char *events)
{
	bool any = false;

	for (size_t i = 0; i < n->envelope->n_recipients; i++) {
		events[i] = event_of(&n->envelope->recipients[i], late);
		any |= events[i] != DSN_NONE;
	}
	return any;
}

/* ---- writing ---- */

/* The message first: what has no envelope in front is no message. */
static int
fill(struct notify *n, struct dsn *d, struct envelope *e, int fd)
{
	size_t size = envelope_size(e);
	unsigned char *head;
	struct dsn_written written;
	int rv;

	if (dsn_write(d, fd, size, &written) == -1)
		return -1;
	e->message_size = written.size;
	e->message_crc = written.crc;
	e->flags = written.flags;
	if ((head = malloc(size)) == NULL)
		return -1;
	envelope_encode(e, head);
	rv = spool_pwrite(fd, head, size, 0);
	free(head);
	if (rv == -1 || fdatasync(fd) == -1)
		return -1;
	n->notice.name = (struct spool_name){.file = e->id, .size = size + written.size};
	return spool_sync_incoming(n->spool);
}

static int
write_new(struct notify *n, struct dsn *d, struct envelope *e)
{
	int fd = spool_create(n->spool, e->id), saved;

	if (fd == -1)
		return -1;
	if (fill(n, d, e, fd) == 0) {
		closefd(&fd);
		n->notice.id = e->id;
		return 0;
	}
	saved = errno;
	closefd(&fd);
	(void)spool_discard(n->spool, e->id); /* a start removes what holds no message */
	errno = saved;
	return -1;
}

static int
write_notice(struct notify *n, struct original *o, const unsigned char *events)
{
	struct dsn d = {.now_s = n->now_s,
	    .whole_max_bytes = n->rules->whole_max_bytes,
	    .server = n->rules->server,
	    .envelope = n->envelope,
	    .events = events,
	    .fates = n->fates,
	    .original = o};
	struct envelope e;
	struct recipient r;

	if (n->retry->maximum_s > 0)
		d.retry_until_s = n->envelope->arrival_us / 1000000 + n->retry->maximum_s;
	if (getrandom(&d.nonce, sizeof d.nonce, 0) != sizeof d.nonce)
		return -1;
	if ((d.id = spool_new_id(n->spool)) == 0)
		return -1;
	if (dsn_envelope(n->envelope, d.id, wall_clock_now(), &e, &r) == -1)
		return -1;
	return write_new(n, &d, &e);
}

/* ---- all of it ---- */

/* What need not be looked at again. A failure that is kept is told again at each end: by then the
 * limit may allow it. */
static void
note_told(const struct notify *n, bool late, const unsigned char *events, struct journal *j)
{
	size_t count = n->envelope->n_recipients;
	unsigned char *told = xcalloc(count, 1);

	for (size_t i = 0; i < count; i++)
		told[i] = events[i] != DSN_DELAYED &&
			  (n->fates[i] == DSN_TELL ||
			      (n->fates[i] == DSN_IGNORE && events[i] == DSN_FAILED));
	journal_told(j, told, count);
	if (late)
		journal_delayed(j);
	free(told);
}

static void
count_told(struct notify *n, const unsigned char *events)
{
	for (size_t i = 0; i < n->envelope->n_recipients; i++)
		n->notice.count[events[i]] += n->fates[i] == DSN_TELL;
}

static int
tell(struct notify *n, struct original *o, const unsigned char *events)
{
	size_t count = n->envelope->n_recipients;
	struct dsn_decision decision;

	if (dsn_decide(n->envelope, original_is_automatic(o), events, n->fates, &decision) == -1)
		return -1;
	if (decision.n_tell > 0 &&
	    !bounce_limit_take(n->limit, n->envelope->reverse_path, n->rules->maximum, n->now_s))
		dsn_withhold(count, events, n->fates, &decision);
	if (decision.n_tell > 0 && write_notice(n, o, events) == -1) {
		/* EINVAL: the sender is no address; EPROTO: no boundary. Both are for good. */
		if (errno != EINVAL && errno != EPROTO)
			return -1;
		dsn_withhold(count, events, n->fates, &decision);
	}
	n->n_keep = decision.n_keep;
	return 0;
}

static int
tell_and_record(struct notify *n, struct original *o, bool late, const unsigned char *events)
{
	struct journal j = {0};
	int rv, saved;

	if (tell(n, o, events) == -1)
		return -1;
	note_told(n, late, events, &j);
	rv = spool_append(n->fd, n->envelope, &j);
	saved = errno;
	if (rv == 0)
		count_told(n, events);
	else if (n->notice.id != 0 && spool_discard(n->spool, n->notice.id) == 0)
		n->notice.id = 0;
	journal_clear(&j);
	errno = saved;
	return rv;
}

int
notify(struct notify *n)
{
	const struct envelope *e = n->envelope;
	bool late = notify_is_late(e, n->retry, n->now_s);
	unsigned char *events = xcalloc(e->n_recipients, 1);
	struct original o;
	int rv = 0, saved;

	n->fates = xcalloc(e->n_recipients, 1);
	if (find_events(n, late, events)) {
		rv = original_open(&o, n->fd, e->message_offset, e->message_size);
		if (rv == 0) {
			rv = tell_and_record(n, &o, late, events);
			saved = errno;
			original_close(&o);
			errno = saved;
		}
	}
	saved = errno;
	free(events);
	errno = saved;
	return rv;
}
