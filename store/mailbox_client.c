/*
 * The holder's side of a session: one mailbox's listing in shared memory, its messages as
 * descriptors, and deletion. Used by pop3d. Trusts store no further than the memory's bounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "store/store.h"

struct mailbox {
	struct ipc_channel *channel;
	const struct mailbox_ops *ops;
	void *arg;
	const unsigned char *memory; /* the listing; NULL before it has come */
	size_t memory_len;
	uint64_t count, total_bytes;
	uint64_t next, asked, last; /* GET: answered before next, asked for before asked */
	uint64_t *to_delete;
	size_t n_delete, deleting; /* DELETE was sent for those before deleting */
	uint64_t deleted, deleted_before;
};

/* ---- the listing ---- */

static bool
map_listing(struct mailbox *m, int fd)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK;
	struct mailbox_listing head;
	struct stat st;
	void *memory;

	/* Sealed, so that nobody can cut it short or change it under us. */
	if ((fcntl(fd, F_GET_SEALS) & seals) != seals || fstat(fd, &st) == -1)
		return false;
	if (st.st_size < (off_t)sizeof head)
		return false;
	memory = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	m->memory = memory;
	m->memory_len = st.st_size;
	memcpy(&head, m->memory, sizeof head);
	m->count = head.count;
	m->total_bytes = head.total_bytes;
	return head.count <= (m->memory_len - sizeof head) / sizeof(struct mailbox_entry);
}

static struct mailbox_entry
entry_at(const struct mailbox *m, uint64_t index)
{
	struct mailbox_entry e = {0};

	if (index < m->count)
		memcpy(&e, m->memory + sizeof(struct mailbox_listing) + index * sizeof e, sizeof e);
	if (e.uidl > m->memory_len || e.uidl_len > m->memory_len - e.uidl ||
	    e.uidl_len > MAILBOX_UIDL_MAX_BYTES)
		return (struct mailbox_entry){0};
	return e;
}

uint64_t
mailbox_count(const struct mailbox *m)
{
	return m->count;
}

uint64_t
mailbox_total_bytes(const struct mailbox *m)
{
	return m->total_bytes;
}

uint64_t
mailbox_size(const struct mailbox *m, uint64_t index)
{
	return entry_at(m, index).size;
}

struct span
mailbox_uidl(const struct mailbox *m, uint64_t index)
{
	struct mailbox_entry e = entry_at(m, index);

	return e.uidl_len ? (struct span){(const char *)m->memory + e.uidl, e.uidl_len}
			  : (struct span){"", 0};
}

/* ---- messages from store: each says false when it is not what was asked for ---- */

static bool
take_listing(struct mailbox *m, struct reader *r)
{
	int fd = get_fd(r);
	bool sound = get_end(r) == 0 && m->memory == NULL && map_listing(m, fd);

	closefd(&fd);
	if (sound)
		m->ops->on_listing(m->arg);
	return sound;
}

static void
ask_more(struct mailbox *m)
{
	uint64_t n = m->last - m->asked;
	struct writer w;

	/* The next portion leaves when half of the last one is here, so that store never waits. */
	if (n == 0 || m->asked - m->next > MAILBOX_GET_MAX / 2)
		return;
	if (n > MAILBOX_GET_MAX / 2)
		n = MAILBOX_GET_MAX / 2;
	ipc_write(&w, MAILBOX_GET, 0);
	put_u64(&w, m->asked);
	put_u64(&w, n);
	m->asked += n;
	ipc_channel_send(m->channel, &w, -1);
}

static bool
take_message(struct mailbox *m, bool gone, struct reader *r)
{
	uint64_t index = get_u64(r);
	int fd = gone ? -1 : get_fd(r);

	if (get_end(r) == -1 || index != m->next || m->next == m->asked) {
		closefd(&fd);
		return false;
	}
	m->next++;
	ask_more(m);
	m->ops->on_message(m->arg, index, fd);
	return true;
}

static void
delete_more(struct mailbox *m)
{
	struct writer w;

	ipc_write(&w, MAILBOX_DELETE, 0);
	for (size_t i = 0; i < MAILBOX_DELETE_MAX && m->deleting < m->n_delete; i++)
		put_u64(&w, m->to_delete[m->deleting++]);
	ipc_channel_send(m->channel, &w, -1);
}

static bool
take_deleted(struct mailbox *m, struct reader *r)
{
	uint64_t number = get_u64(r);

	if (get_end(r) == -1 || m->to_delete == NULL || number < m->deleted)
		return false;
	m->deleted = number;
	if (m->deleting < m->n_delete) {
		delete_more(m);
		return true;
	}
	free(m->to_delete);
	m->to_delete = NULL;
	m->ops->on_deleted(m->arg, m->deleted - m->deleted_before);
	return true;
}

static bool
take(struct mailbox *m, uint32_t type, struct reader *r)
{
	switch (type) {
	case MAILBOX_LISTING:
		return take_listing(m, r);
	case MAILBOX_MESSAGE:
		return take_message(m, false, r);
	case MAILBOX_GONE:
		return take_message(m, true, r);
	case MAILBOX_DELETED:
		return take_deleted(m, r);
	}
	return false;
}

static void
on_channel_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct mailbox *m = arg;

	(void)tag;
	/* True may mean that the owner has freed it. */
	if (take(m, type, r))
		return;
	log_warn("store sent a malformed message %u on a mailbox session", type);
	m->ops->on_close(m->arg);
}

static void
on_channel_close(void *arg)
{
	struct mailbox *m = arg;

	m->ops->on_close(m->arg);
}

/* ---- what the holder does ---- */

struct mailbox *
mailbox_new(struct event_base *base, int session_fd, const struct mailbox_ops *ops, void *arg)
{
	struct mailbox *m = xcalloc(1, sizeof *m);

	m->ops = ops;
	m->arg = arg;
	m->channel = ipc_channel_new(base, session_fd, on_channel_message, on_channel_close, m);
	return m;
}

void
mailbox_free(struct mailbox **mp)
{
	struct mailbox *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	ipc_channel_free(&m->channel);
	if (m->memory != NULL)
		munmap((void *)(uintptr_t)m->memory, m->memory_len);
	free(m->to_delete);
	free(m);
}

void
mailbox_get(struct mailbox *m, uint64_t first, uint64_t count)
{
	if (first > m->count)
		first = m->count;
	if (count > m->count - first)
		count = m->count - first;
	m->next = m->asked = first;
	m->last = first + count;
	ask_more(m);
}

void
mailbox_delete(struct mailbox *m, const uint64_t *indexes, size_t n)
{
	free(m->to_delete);
	m->to_delete = xmalloc(n * sizeof *indexes);
	if (n)
		memcpy(m->to_delete, indexes, n * sizeof *indexes);
	m->n_delete = n;
	m->deleting = 0;
	m->deleted_before = m->deleted;
	delete_more(m);
}
