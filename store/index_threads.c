/*
 * Conversations: a message is in the thread of what it answers (References, In-Reply-To) and of
 * what answers it, and an answer without either in that of the last message with its subject. Rows
 * of the tables threads and messages only.
 *
 * Each id that was seen in a message of a thread leads to that thread, by a digest of it.
 */
#include <openssl/sha.h>
#include <string.h>

#include "common/memory.h"
#include "store/index.h"
#include "store/subject.h"

enum { IDS_MAX = 100, THREADS_MAX = 20, MERGE_AT_ONCE = 200 };

/* ---- the newest one of a folder ---- */

static void
set_top(struct index *x, int64_t id, bool top)
{
	sqlite3_stmt *st = index_sql(x, SQL_SET_TOP);

	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int(st, 2, top);
	(void)index_run(x, st);
}

/* After one message has come into the thread, with top not set, or has left it. */
static void
mend_top(struct index *x, int64_t thread, uint64_t folder)
{
	sqlite3_stmt *st = index_sql(x, SQL_NEWEST_OF_THREAD);
	int64_t ids[2];
	bool tops[2];
	int n = 0;

	sqlite3_bind_int64(st, 1, thread);
	sqlite3_bind_int64(st, 2, folder);
	while (n < 2 && index_step(x, st)) {
		ids[n] = sqlite3_column_int64(st, 0);
		tops[n++] = sqlite3_column_int(st, 3);
	}
	if (st != NULL)
		(void)sqlite3_reset(st);
	if (n > 0 && !tops[0])
		set_top(x, ids[0], true);
	if (n > 1 && tops[1])
		set_top(x, ids[1], false);
}

void
thread_enter(struct index *x, const struct message *m)
{
	mend_top(x, m->thread, m->folder);
}

void
thread_leave(struct index *x, const struct message *m)
{
	mend_top(x, m->thread, m->folder);
}

/* ---- messages of threads ---- */

static void
move_message(struct index *x, int64_t id, uint64_t folder, int64_t from, int64_t to)
{
	sqlite3_stmt *st = index_sql(x, SQL_SET_THREAD);

	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, to);
	(void)index_run(x, st);
	mend_top(x, from, folder);
	mend_top(x, to, folder);
}

static uint64_t
count_messages(struct index *x, int64_t thread)
{
	sqlite3_stmt *st = index_sql(x, SQL_SIZE_OF_THREAD);
	uint64_t n = 0;

	sqlite3_bind_int64(st, 1, thread);
	if (index_step(x, st)) {
		n = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return n;
}

static void
move_all(struct index *x, int64_t from, int64_t to)
{
	for (int n = MERGE_AT_ONCE; n == MERGE_AT_ONCE;) {
		sqlite3_stmt *st = index_sql(x, SQL_OF_THREAD);
		struct {
			int64_t id;
			uint64_t folder;
		} found[MERGE_AT_ONCE];

		sqlite3_bind_int64(st, 1, from);
		sqlite3_bind_int(st, 2, MERGE_AT_ONCE);
		for (n = 0; n < MERGE_AT_ONCE && index_step(x, st); n++) {
			found[n].id = sqlite3_column_int64(st, 0);
			found[n].folder = sqlite3_column_int64(st, 1);
		}
		if (st != NULL)
			(void)sqlite3_reset(st);
		for (int i = 0; i < n; i++)
			move_message(x, found[i].id, found[i].folder, from, to);
		if (x->error != SQLITE_OK)
			return;
	}
}

/* The smaller one moves, so that nobody can make all messages move again and again. Returns the one
 * that is left. */
static int64_t
merge(struct index *x, int64_t a, int64_t b)
{
	bool swap = count_messages(x, a) < count_messages(x, b);
	int64_t from = swap ? a : b, to = swap ? b : a;
	sqlite3_stmt *st = index_sql(x, SQL_REMAP_THREAD);

	move_all(x, from, to);
	sqlite3_bind_int64(st, 1, from);
	sqlite3_bind_int64(st, 2, to);
	(void)index_run(x, st);
	return to;
}

/* ---- which thread ---- */

static int64_t
key_of(char kind, struct span text)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char bytes[1 + INDEXER_SUBJECT_MAX_BYTES + INDEXER_MESSAGE_ID_MAX_BYTES];
	size_t n = text.len < sizeof bytes - 1 ? text.len : sizeof bytes - 1;
	int64_t key;

	bytes[0] = kind;
	if (n > 0)
		memcpy(bytes + 1, text.at, n);
	SHA256((const unsigned char *)bytes, n + 1, digest);
	memcpy(&key, digest, sizeof key);
	return key;
}

struct keys {
	int64_t keys[IDS_MAX + 2];
	size_t n;
};

static void
add_key(struct keys *k, char kind, struct span text)
{
	if (text.len > 0 && k->n < nitems(k->keys))
		k->keys[k->n++] = key_of(kind, text);
}

/* Those of its own and of what it answers. */
static void
collect_keys(const struct indexer_result *r, struct keys *k)
{
	struct span rest = r->references, id;

	add_key(k, 'i', r->message_id);
	while (rest.len > 0 && k->n < IDS_MAX) {
		(void)span_take(&rest, ' ', &id);
		add_key(k, 'i', id);
	}
}

static int64_t
thread_of_key(struct index *x, int64_t key)
{
	sqlite3_stmt *st = index_sql(x, SQL_THREAD_OF);
	int64_t thread = 0;

	sqlite3_bind_int64(st, 1, key);
	if (index_step(x, st)) {
		thread = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return thread;
}

static void
map_key(struct index *x, int64_t key, int64_t thread)
{
	sqlite3_stmt *st = index_sql(x, SQL_MAP_THREAD);

	sqlite3_bind_int64(st, 1, key);
	sqlite3_bind_int64(st, 2, thread);
	(void)index_run(x, st);
}

/* The threads that the keys lead to, made one; 0: to none. */
static int64_t
find_thread(struct index *x, const struct keys *k)
{
	int64_t thread = 0;
	int merged = 0;

	for (size_t i = 0; i < k->n && merged < THREADS_MAX; i++) {
		int64_t other = thread_of_key(x, k->keys[i]);

		if (other == 0 || other == thread)
			continue;
		merged++;
		thread = thread == 0 ? other : merge(x, thread, other);
	}
	return thread;
}

void
thread_join(struct index *x, struct message *m, const struct indexer_result *r)
{
	char base[INDEXER_SUBJECT_MAX_BYTES + 1];
	bool is_answer = subject_base(r->subject, base, sizeof base);
	struct keys k = {.n = 0};
	int64_t thread, by_subject = key_of('s', span_of(base));

	collect_keys(r, &k);
	thread = find_thread(x, &k);
	if (thread == 0 && r->references.len == 0 && is_answer && base[0] != '\0')
		thread = thread_of_key(x, by_subject);
	if (thread != 0 && thread != m->thread) {
		move_message(x, m->id, m->folder, m->thread, thread);
		m->thread = thread;
	} else {
		mend_top(x, m->thread, m->folder);
	}
	for (size_t i = 0; i < k.n; i++)
		map_key(x, k.keys[i], m->thread);
	if (base[0] != '\0')
		map_key(x, by_subject, m->thread);
}

void
thread_forget_if_empty(struct index *x, int64_t thread)
{
	sqlite3_stmt *st = index_sql(x, SQL_OF_THREAD);
	bool is_empty;

	sqlite3_bind_int64(st, 1, thread);
	sqlite3_bind_int(st, 2, 1);
	is_empty = !index_step(x, st);
	if (st != NULL)
		(void)sqlite3_reset(st);
	if (!is_empty || x->error != SQLITE_OK)
		return;
	st = index_sql(x, SQL_UNMAP_THREAD);
	sqlite3_bind_int64(st, 1, thread);
	(void)index_run(x, st);
}
