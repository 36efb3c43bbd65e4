/*
 * The whole guardian in one process: what it takes from a submitter, what it refuses, and what
 * becomes of it when connections end and queue is started anew. The spool directory is looked at.
 * What router reports and parks: queue_results_test.c.
 */
#include "tests/unit/queue_play_support.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "queue/journal.h"

/* ---- acceptance ---- */

static void
accepts_and_forgets(void **state)
{
	uint64_t id = accepted(1);
	char buf[256];
	unsigned char *storage;
	struct envelope e;
	const char *why;

	(void)state;
	assert_int_equal(support_incoming(t.f.spool), 1);
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(t.due[0].id, id);
	assert_int_equal(t.due[0].attempts, 0);
	assert_int_equal(fcntl(t.due[0].fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(envelope_read(&e, t.due[0].fd, &storage, &why), 0);
	assert_true(span_is(e.recipients[0].address, "u0@example.org"));
	assert_int_equal(pread(t.due[0].fd, buf, sizeof buf, e.message_offset), strlen(message));
	assert_memory_equal(buf, message, strlen(message));
	envelope_clear(&e);
	free(storage);
	result(id, 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_incoming(t.f.spool), 0);
	assert_int_equal(support_count(t.f.spool, "cur"), 0);
}

static void
keeps_until_synced(void **state)
{
	uint64_t id = accepted(1), batches;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	batches = commit_counters(t.f.q.commit)->batches;
	result(id, 0, END_DONE, false, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(commit_counters(t.f.q.commit)->batches, batches + 1);
	assert_int_equal(support_incoming(t.f.spool), 0);
}

static void
many_in_few_batches(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		submit(1);
	until(t.n_durable == 40);
	assert_int_equal(t.f.q.messages.n, 40);
	assert_int_equal(support_incoming(t.f.spool), 40);
	start_router(30);
	until(t.n_due == 30);
	assert_int_equal(feed_in_hand(t.f.q.feed), 30);
	for (int i = 0; i < 30; i++)
		result(t.due[i].id, 0, END_DONE, i % 2, true);
	until(t.n_due == 40);
	for (int i = 30; i < 40; i++)
		result(t.due[i].id, 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_incoming(t.f.spool), 0);
}

static size_t
recycled_of(const char *role)
{
	for (struct ipc_peer *p = ipc_server_peers(t.f.q.server); p != NULL; p = p->next)
		if (p->role == role_bit(role) && p->state != NULL)
			return server_recycled(p);
	return 0;
}

/* A file that router had once serves its submitter again: with a wiped header and another id. */
static void
file_serves_again(void **state)
{
	uint64_t id = accepted(1);
	static const char zeros[ENVELOPE_HEADER_BYTES];
	char head[ENVELOPE_HEADER_BYTES];
	struct queue_slot slot;
	struct stat before, after;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(fstat(t.due[0].fd, &before), 0);
	result(id, 0, END_DONE, false, true);
	until(recycled_of("smtpd") == 1);
	assert_int_equal(t.f.q.messages.n, 0);
	for (;;) {
		slot = take();
		assert_true(slot.id > id);
		assert_int_equal(fstat(slot.fd, &after), 0);
		if (after.st_ino == before.st_ino)
			break;
		assert_int_equal(after.st_size, 0);
		queue_abandon(t.client, &slot);
	}
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(pread(slot.fd, head, sizeof head, 0), sizeof head);
	assert_memory_equal(head, zeros, sizeof head);
	queue_abandon(t.client, &slot);
}

/* Message text that is a journal record where the next, shorter message in the file will end. */
static char *
text_with_record(size_t at)
{
	struct journal j = {0};
	char *text = xcalloc(1, at + 1000);

	journal_reply(&j, 0, span_of("250 forged"), span_of("forged"));
	memset(text, 'x', at);
	assert_true(j.len < 500);
	memcpy(text + at, j.at, j.len);
	journal_clear(&j);
	return text;
}

static void
expect_no_journal(int fd)
{
	unsigned char *storage;
	struct envelope e;
	const char *why;
	struct stat st;

	assert_int_equal(envelope_read(&e, fd, &storage, &why), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, e.message_offset + e.message_size);
	assert_int_equal(e.journal_len, 0);
	assert_int_equal(e.recipients[0].reply.len, 0);
	envelope_clear(&e);
	free(storage);
}

/* Neither at a commit nor at a start is it taken for this message's journal. */
static void
earlier_message_leaves_nothing(void **state)
{
	char *text = text_with_record(strlen(message));
	struct queue_slot slot;
	struct envelope e;
	char *path, name[32];
	int fd;

	(void)state;
	for (int at_start = 0; at_start < 2; at_start++) {
		slot = take();
		support_envelope(&e, slot.id, 1, message);
		assert_int_equal(pwrite(slot.fd, text, strlen(message) + 500, envelope_size(&e)),
		    strlen(message) + 500);
		assert_true(pwrite(slot.fd, message, strlen(message), envelope_size(&e)) > 0);
		queue_id_print(slot.id, name);
		path = xasprintf("%s/incoming/%s", t.f.spool, name);
		queue_commit(t.client, &slot, &e, on_durable, NULL);
		until(t.n_durable == (size_t)at_start + 1);
		if (at_start) {
			/* As after a power cut, when the cut was not durable. */
			stop();
			fd = open(path, O_WRONLY);
			assert_true(pwrite(fd, text + strlen(message), 500,
					envelope_size(&e) + strlen(message)) == 500);
			close(fd);
			start_with("300 900", "12");
		}
		support_free_envelope(&e);
		fd = open(path, O_RDONLY);
		expect_no_journal(fd);
		close(fd);
		free(path);
	}
	assert_int_equal(t.f.q.messages.n, 2);
	assert_int_equal(support_count(t.f.spool, "bad"), 0);
	free(text);
}

/* Nobody would ever find what is written into it. */
static void
removed_file_takes_no_message(void **state)
{
	struct envelope e;
	struct queue_slot slot = draft(&e, 1);
	char *path = xasprintf("%s/incoming/%s", t.f.spool, queue_id_text(slot.id));

	(void)state;
	assert_int_equal(unlink(path), 0);
	free(path);
	submit_draft(slot, &e);
	until(t.n_refused == 1);
	assert_int_equal(t.last_error, ENOENT);
	assert_int_equal(t.f.q.messages.n, 0);
	assert_int_equal(t.f.q.n_kept, 0);
}

/* An error that another sync has heard may be about this message's delivery. */
static void
failed_sync_counts_for_what_was_under_way(void **state)
{
	uint64_t id = accepted(1);

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	((struct commit_counters *)(uintptr_t)commit_counters(t.f.q.commit))->failed_syncs++;
	result(id, 0, END_DONE, false, true);
	until(commit_is_idle(t.f.q.commit) && server_message(&t.f.q, id)->state == MESSAGE_WAITING);
	assert_int_equal(t.f.q.messages.n, 1);
}

/* Before a leak checker runs, which needs descriptors itself. */
static void
leave(void)
{
	_exit(71);
}

/* Without descriptors a start ends, and touches nothing. */
static void
start_without_descriptors(void **state)
{
	struct rlimit limit;
	int status, null;
	pid_t pid;

	(void)state;
	accepted(1);
	stop();
	if ((pid = fork()) == 0) {
		struct spool sp;

		atexit(leave);
		spool_open(&sp, open(t.f.spool, O_PATH | O_DIRECTORY | O_CLOEXEC),
		    open(t.f.failures, O_PATH | O_DIRECTORY | O_CLOEXEC));
		/* Two more: to read the directory with, and none for a file. */
		null = open("/dev/null", O_RDONLY);
		limit.rlim_cur = limit.rlim_max = null + 1;
		close(null);
		setrlimit(RLIMIT_NOFILE, &limit);
		spool_recover(&sp, NULL, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	assert_int_equal(support_count(t.f.spool, "bad"), 0);
	start_with("300 900", "12");
	assert_int_equal(t.f.q.messages.n, 1);
}

/* Parts of two messages in one file, as a power cut may leave them: no message. */
static void
torn_is_set_aside(void **state)
{
	uint64_t whole = accepted(1), torn = accepted(1);
	char *path = xasprintf("%s/incoming/%s", t.f.spool, queue_id_text(torn));
	struct stat st;
	int fd;

	(void)state;
	stop();
	fd = open(path, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "?", 1, st.st_size - 4), 1);
	close(fd);
	free(path);
	start_with("300 900", "12");
	assert_int_equal(t.f.q.messages.n, 1);
	assert_non_null(server_message(&t.f.q, whole));
	assert_int_equal(support_count(t.f.spool, "bad"), 1);
}

/* Not when an earlier router may still read it. */
static void
file_serves_not_again(void **state)
{
	uint64_t id = accepted(1);

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	queue_feed_free(&t.feed);
	start_router(10);
	until(t.n_due == 2);
	result(id, 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(recycled_of("smtpd"), 0);
}

static void
long_envelope(void **state)
{
	uint64_t id = accepted(9000);
	unsigned char *storage;
	struct envelope e;
	const char *why;

	(void)state;
	start_router(1);
	until(t.n_due == 1);
	assert_int_equal(t.due[0].id, id);
	assert_int_equal(envelope_read(&e, t.due[0].fd, &storage, &why), 0);
	assert_int_equal(e.n_recipients, 9000);
	assert_true(span_is(e.recipients[8999].address, "u8999@example.org"));
	envelope_clear(&e);
	free(storage);
}

/* ---- refusals ---- */

/* How the file, the envelope or the commit is spoiled. */
enum spoil {
	FILE_SHORT,
	FILE_EMPTY,
	OTHER_SIZE,
	OTHER_CRC,
	OTHER_ID,
	NO_RECIPIENT,
	RELEASE_FAR,
	ENVELOPE_CUT,
	NOTHING_WRONG,
	SPOILS
};

/* A program of its own, which speaks the messages directly. */
static struct {
	struct ipc_channel *channel;
	size_t n_answers;
	uint32_t type;
	uint64_t number;
	int fd;
	bool closed;
} raw;

static void
on_raw_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	(void)arg;
	assert_int_equal(tag, 77);
	raw.n_answers++;
	raw.type = type;
	raw.number = get_u64(r);
	closefd(&raw.fd);
	if (type == QUEUE_TAKEN)
		raw.fd = get_fd(r);
	assert_int_equal(get_end(r), 0);
}

static void
on_raw_close(void *arg)
{
	(void)arg;
	raw.closed = true;
	ipc_channel_free(&raw.channel);
}

static void
raw_open(const char *role)
{
	struct writer w;

	memset(&raw, 0, sizeof raw);
	raw.fd = -1;
	raw.channel =
	    ipc_channel_new(t.f.base, ipc_connect(t.f.socket), on_raw_message, on_raw_close, NULL);
	ipc_write(&w, 0, 0);
	put_text(&w, role);
	ipc_channel_send(raw.channel, &w, -1);
}

static void
raw_close(void)
{
	ipc_channel_free(&raw.channel);
	closefd(&raw.fd);
}

/* Sends and waits for the answer, which is its type. */
static uint32_t
raw_ask(struct writer *w)
{
	size_t before = raw.n_answers;

	ipc_channel_send(raw.channel, w, -1);
	until(raw.n_answers > before);
	return raw.type;
}

static uint64_t
raw_take(void)
{
	struct writer w;

	ipc_write(&w, QUEUE_TAKE, 77);
	assert_int_equal(raw_ask(&w), QUEUE_TAKEN);
	return raw.number;
}

static void
spoil_and_commit(enum spoil how)
{
	uint64_t id = raw_take();
	unsigned char bytes[4096];
	struct envelope e;
	struct writer w;
	size_t at;

	support_envelope(&e, how == OTHER_ID ? id + 1000000 : id, 1, message);
	at = envelope_size(&e);
	if (how == RELEASE_FAR)
		e.release_s = 100000000000;
	e.n_recipients = how != NO_RECIPIENT;
	if (how != FILE_EMPTY)
		assert_true(pwrite(raw.fd, message, strlen(message) - (how == FILE_SHORT), at) > 0);
	envelope_encode(&e, bytes);
	ipc_write(&w, QUEUE_COMMIT, 77);
	put_u64(&w, id);
	put_u64(&w, e.message_size + (how == OTHER_SIZE));
	put_u64(&w, e.message_crc + (how == OTHER_CRC));
	put_str(&w, (struct span){(char *)bytes, e.message_offset - (how == ENVELOPE_CUT)});
	e.n_recipients = 1;
	support_free_envelope(&e);
	assert_int_equal(raw_ask(&w), how == NOTHING_WRONG ? QUEUE_DURABLE : QUEUE_REFUSED);
	assert_int_equal(raw.number, how == NOTHING_WRONG ? id : EPROTO);
}

static void
refuses_what_does_not_fit(void **state)
{
	(void)state;
	raw_open("smtpd");
	for (enum spoil how = 0; how < SPOILS; how++)
		spoil_and_commit(how);
	assert_int_equal(t.f.q.messages.n, 1);
	assert_int_equal(support_incoming(t.f.spool), 1);
	until(chores_is_idle(t.f.q.chores));
	assert_int_equal(t.f.q.slots.n, 0);
	raw_close();
}

static void
commit_of_what_is_unknown(void **state)
{
	uint64_t id = accepted(1);
	struct writer w;

	(void)state;
	raw_open("fetcher");
	for (int known = 0; known < 2; known++) {
		ipc_write(&w, QUEUE_COMMIT, 77);
		put_u64(&w, known ? id : 12345);
		put_u64(&w, 1);
		put_u64(&w, 1);
		put_text(&w, "");
		assert_int_equal(raw_ask(&w), known ? QUEUE_DURABLE : QUEUE_REFUSED);
		assert_int_equal(raw.number, known ? id : ESTALE);
	}
	raw_close();
}

/* Another program's slot is none of ours. */
static void
slots_belong_to_their_peer(void **state)
{
	struct queue_slot slot = take();
	struct writer w;

	(void)state;
	raw_open("webd");
	ipc_write(&w, QUEUE_ABANDON, 0);
	put_u64(&w, slot.id);
	ipc_channel_send(raw.channel, &w, -1);
	ipc_write(&w, QUEUE_COMMIT, 77);
	put_u64(&w, slot.id);
	put_u64(&w, 1);
	put_u64(&w, 1);
	put_text(&w, "x");
	assert_int_equal(raw_ask(&w), QUEUE_REFUSED);
	assert_int_equal(raw.number, ESTALE);
	assert_non_null(id_map_get(&t.f.q.slots, slot.id));
	queue_abandon(t.client, &slot);
	until(id_map_get(&t.f.q.slots, slot.id) == NULL);
	raw_close();
}

static void
slots_go_with_their_peer(void **state)
{
	struct writer w;

	(void)state;
	raw_open("smtpd");
	for (int i = 0; i < 5; i++)
		raw_take();
	ipc_write(&w, QUEUE_TAKE, 77); /* asked for, not answered */
	ipc_channel_send(raw.channel, &w, -1);
	raw_close();
	until(t.f.q.slots.n == 0 || t.f.q.slots.n == 2); /* those of t.client may be there */
	until(chores_is_idle(t.f.q.chores));
	assert_int_equal(
	    support_count(t.f.spool, "incoming"), t.f.q.slots.n + spares_count(t.f.q.spares));
}

/* What each role may not say, and what is no message: the connection is closed, all else goes on.
 */
static void
garbage_closes_one_connection(void **state)
{
	static const struct {
		const char *role;
		uint32_t type;
		size_t numbers;
		const char *text;
	} rows[] = {
	    {"smtpd", 0, 0, NULL},
	    {"smtpd", 50, 0, NULL},
	    {"smtpd", QUEUE_WINDOW, 1, NULL},
	    {"smtpd", QUEUE_RESULTS, 3, NULL},
	    {"smtpd", QUEUE_EXPAND, 3, NULL},
	    {"pop3d", QUEUE_TAKE, 0, NULL},
	    {"nobody", QUEUE_TAKE, 0, NULL},
	    {"smtpd", QUEUE_TAKE, 1, NULL},
	    {"smtpd", QUEUE_COMMIT, 2, NULL},
	    {"smtpd", QUEUE_COMMIT, 3, NULL},
	    {"smtpd", QUEUE_ABANDON, 0, NULL},
	    {"smtpd", QUEUE_ENVELOPE_PART, 1, NULL},
	    {"smtpd", QUEUE_ABANDON, 1, "more"},
	    {"router", QUEUE_WINDOW, 2, NULL},
	    {"router", QUEUE_RESULTS, 2, NULL},
	    {"router", QUEUE_RESULTS, 4, NULL},
	    {"router", QUEUE_RESULTS, 3, "odd"},
	    {"router", QUEUE_EXPAND, 2, NULL},
	    {"router", QUEUE_EXPAND, 4, NULL},
	    {"smtpd", QUEUE_PARK, 1, "a"},
	    {"smtpd", QUEUE_FETCH, 1, "a"},
	    {"router", QUEUE_PARK, 1, NULL},
	    {"router", QUEUE_PARK, 1, ""},
	    {"router", QUEUE_PARK, 2, "a"},
	    {"router", QUEUE_FETCH, 1, "a"},
	    {"router", QUEUE_RESULTS, 6, NULL},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct writer w;

		raw_open(rows[i].role);
		ipc_write(&w, rows[i].type, 77);
		for (size_t k = 0; k < rows[i].numbers; k++)
			put_u64(&w, 7);
		if (rows[i].text != NULL)
			put_text(&w, rows[i].text);
		ipc_channel_send(raw.channel, &w, -1);
		until(raw.closed);
	}
	accepted(1);
}

/* ---- connections and restarts ---- */

static void
router_lost(void **state)
{
	uint64_t id = accepted(1);

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	queue_feed_free(&t.feed);
	until(feed_in_hand(t.f.q.feed) == 0);
	forget_dues();
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(t.due[0].id, id);
	assert_int_equal(t.due[0].attempts, 0);
}

static void
newest_router_wins(void **state)
{
	uint64_t id = accepted(1);
	struct queue_feed *old;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	old = t.feed;
	start_router(10);
	until(t.n_due == 2);
	assert_int_equal(t.due[1].id, id);
	queue_results(old, id, true, true, &(struct queue_result){.end = END_DONE}, 1);
	accepted(1);
	assert_int_equal(t.f.q.messages.n, 2);
	queue_feed_free(&old);
}

static void
restarted(void **state)
{
	uint64_t first = accepted(1), second;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	result(first, 0, END_DEFERRED, true, true);
	second = accepted(2);
	until(t.n_due == 2);
	stop();
	start_with("300 900", "12");
	assert_int_equal(t.f.q.messages.n, 2);
	assert_int_equal(server_message(&t.f.q, first)->name.attempts, 1);
	assert_int_equal(support_count(t.f.spool, "incoming"), support_incoming(t.f.spool));
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(t.due[0].id, second);
	assert_true(take().id > second);
}

static void
drain_finishes_what_was_begun(void **state)
{
	uint64_t id = accepted(1);

	(void)state;
	start_router(2);
	until(t.n_due == 1);
	result(id, 0, END_DONE, false, true);
	for (int i = 0; i < 5; i++)
		submit(1);
	until(t.n_due == 3);
	server_drain(&t.f.q);
	for (size_t i = 1; i < t.n_due; i++)
		result(t.due[i].id, 0, END_DONE, false, true);
	event_base_dispatch(t.f.base);
	assert_true(t.f.q.drained);
	assert_int_equal(t.n_durable, 6);
	assert_int_equal(t.n_due, 3);
	assert_int_equal(support_incoming(t.f.spool), 3);
}

static void
make_file(const char *name, const char *bytes, size_t n)
{
	char *path = xasprintf("%s/%s", t.f.spool, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	free(path);
}

/* Everything that is not ours ends in bad/, and what is ours is delivered. */
static void
odd_files(void **state)
{
	uint64_t id = accepted(1);
	char *path;

	(void)state;
	stop();
	make_file("incoming/0WVTyqYqR", "", 0); /* spare files, removed */
	make_file("incoming/0WVTyqYqS", "\0\0\0", 3);
	make_file("incoming/0WVTyqYqT", "torn", 4);
	make_file("incoming/0WVTyqYqU,S=4", "name", 4);
	make_file("incoming/\nx<script>", "name", 4);
	make_file("cur/0WVTyqYqW,S=100,A=1,N=5", "torn", 4);
	make_file("cur/0WVTyqYqX,S=4", "name", 4);
	make_file("cur/0WVTyqYqY,S=4,A=1,N=5", "good", 4); /* only its envelope is not */
	make_file("cur/0WVTyqYqV,S=04,A=1,N=5", "name", 4);
	path = xasprintf("%s/incoming/0WVTyqYqZ", t.f.spool);
	assert_int_equal(mkfifo(path, 0600), 0);
	free(path);
	path = xasprintf("%s/incoming/0WVTyqYqa", t.f.spool);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	free(path);
	path = xasprintf("%s/cur/0WVTyqYqb,S=10,A=0,N=0", t.f.spool);
	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
	path = xasprintf("%s/incoming/0WVTyqYqc", t.f.spool);
	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
	start_with("300 900", "12");
	assert_int_equal(t.f.q.messages.n, 2);
	assert_int_equal(support_count(t.f.spool, "bad"), 10);
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(t.due[0].id, id);
	until(t.f.q.messages.n == 1);
	assert_int_equal(support_count(t.f.spool, "bad"), 11);
	assert_int_equal(support_incoming(t.f.spool), 1);
	assert_int_equal(support_count(t.f.spool, "cur"), 0);
	assert_int_equal(support_count(t.f.spool, "incoming"), 1 + spares_count(t.f.q.spares));
}

static void
held_stays(void **state)
{
	(void)state;
	stop();
	make_file("cur/0WVTyqYqY,S=4,A=1,N=5,H", "good", 4);
	start_with("300 900", "12");
	assert_int_equal(t.f.q.n_held, 1);
	assert_null(schedule_first(&t.f.q.schedule));
}

static void
release_waits(void **state)
{
	uint64_t release_s = wall_clock_now() / 1000000 + 3600;
	struct envelope e;
	struct queue_slot slot = draft(&e, 1);
	char name[256];

	(void)state;
	e.release_s = release_s;
	accepted_draft(slot, &e);
	support_only(t.f.spool, "cur", name);
	assert_non_null(strstr(name, ",A=0,N=0,R="));
	assert_int_equal(schedule_first(&t.f.q.schedule)->due_us, release_s * 1000000);
}

/* ---- the client ---- */

static void
cancelled_calls(void **state)
{
	struct queue_call *call;

	(void)state;
	t.has_slot = false;
	while ((call = queue_take(t.client, on_slot, NULL)) == NULL) {
		queue_abandon(t.client, &t.slot);
		t.has_slot = false;
	}
	queue_call_cancel(&call);
	assert_null(call);
	queue_call_cancel(&call);
	accepted(1);
}

static void
status_counts(void **state)
{
	json_t *counters = json_object();

	(void)state;
	accepted(1);
	accepted(1);
	server_status(&t.f.q, counters);
	assert_int_equal(json_integer_value(json_object_get(counters, "messages")), 2);
	assert_int_equal(json_integer_value(json_object_get(counters, "due")), 2);
	assert_int_equal(json_integer_value(json_object_get(counters, "in_hand")), 0);
	assert_int_equal(json_integer_value(json_object_get(counters, "commits")), 2);
	assert_int_equal(json_integer_value(json_object_get(counters, "failed_commits")), 0);
	json_decref(counters);
}

#define row(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    row(accepts_and_forgets),
	    row(keeps_until_synced),
	    row(many_in_few_batches),
	    row(file_serves_again),
	    row(file_serves_not_again),
	    row(earlier_message_leaves_nothing),
	    row(torn_is_set_aside),
	    row(removed_file_takes_no_message),
	    row(failed_sync_counts_for_what_was_under_way),
	    row(start_without_descriptors),
	    row(long_envelope),
	    row(refuses_what_does_not_fit),
	    row(commit_of_what_is_unknown),
	    row(slots_belong_to_their_peer),
	    row(slots_go_with_their_peer),
	    row(garbage_closes_one_connection),
	    row(router_lost),
	    row(newest_router_wins),
	    row(restarted),
	    row(drain_finishes_what_was_begun),
	    row(odd_files),
	    row(held_stays),
	    row(release_waits),
	    row(cancelled_calls),
	    row(status_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
