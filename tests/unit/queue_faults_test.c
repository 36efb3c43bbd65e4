/*
 * Fails, cuts short, or dies at the 1st, 2nd, 3rd ... file system call of a small day's work, then
 * starts again and looks: what was acknowledged is there exactly, what was refused left nothing,
 * what was not answered is whole or not there; who sent what failed has a notification of it.
 *
 * The calls are those of the C library, defined here once more: the linker takes ours.
 */
#undef _FORTIFY_SOURCE
#include "tests/unit/queue_support.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/log.h"
#include "queue/conclude.h"
#include "queue/order.h"

enum fault { NO_FAULT, FAIL_ENOSPC, FAIL_EIO, WRITE_SHORT, DIE };

/* Of three recipients; the number of the message. */
enum { NULL_SENDER = 5 };

enum call { ANY_CALL, WRITE_FILE, REMOVE_FILE, SYNC_FILE, SYNC_DIRECTORY, SYNC_ALL };

static struct {
	enum fault fault;
	int at;		/* the call that it happens to, from 1 */
	enum call only; /* of this kind */
	atomic_int calls, spares;
} plan;

/* ---- the calls ---- */

/* True when this call is to fail: errno is set. */
static bool
struck_call(enum call call, bool is_write)
{
	int n;

	if (plan.fault == NO_FAULT || (plan.only != ANY_CALL && plan.only != call))
		return false;
	n = atomic_fetch_add(&plan.calls, 1) + 1;
	if (n != plan.at)
		return false;
	if (plan.fault == DIE)
		_exit(99);
	errno = plan.fault == FAIL_EIO ? EIO : ENOSPC;
	return plan.fault != WRITE_SHORT || is_write;
}

static bool
struck(void)
{
	return struck_call(ANY_CALL, false);
}

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	bool is_spare = (flags & (O_RDWR | O_EXCL)) == (O_RDWR | O_EXCL);
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	/* One spare is like another. */
	if (is_spare && atomic_fetch_add(&plan.spares, 1) >= 5)
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	return struck() ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	if (!struck_call(WRITE_FILE, true))
		return syscall(SYS_pwrite64, fd, bytes, n, at);
	return plan.fault == WRITE_SHORT ? syscall(SYS_pwrite64, fd, bytes, (n + 1) / 2, at) : -1;
}

ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
	return struck() ? -1 : syscall(SYS_pread64, fd, bytes, n, at);
}

int
fstat(int fd, struct stat *st)
{
	return struck() ? -1 : (int)syscall(SYS_fstat, fd, st);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return struck() ? -1 : (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

int
unlinkat(int dir, const char *path, int flags)
{
	return struck_call(REMOVE_FILE, false) ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

int
fdatasync(int fd)
{
	return struck_call(SYNC_FILE, false) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return struck_call(SYNC_DIRECTORY, false) ? -1 : (int)syscall(SYS_fsync, fd);
}

/* A real one would only slow down thousands of them: what they promise cannot be seen without a
 * power cut. */
int
syncfs(int fd)
{
	(void)fd;
	return struck_call(SYNC_ALL, false) ? -1 : 0;
}

int
ftruncate(int fd, off_t len)
{
	return struck() ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

ssize_t
copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	return struck() ? -1 : syscall(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
}

/* ---- a day's work, in a process of its own ---- */

static const char text[] = "Subject: x\r\n\r\nThe message.\r\n";

/* What the work tells: told through a pipe, so that it survives its end. */
struct note {
	enum { TAKEN, ACCEPTED, REFUSED, DELIVERED } what;
	uint64_t id;
	uint32_t recipients;
	bool null_sender;
};

static struct {
	struct fixture f;
	struct queue_client *client;
	struct queue_feed *feed;
	int notes;
	int answers, n_due;
	bool slot_answered;
} work;

static void
tell(int what, uint64_t id, uint32_t recipients)
{
	struct note n = {what, id, recipients, support_sender[0] == '\0'};

	assert_int_equal(write(work.notes, &n, sizeof n), sizeof n);
}

static void
on_durable(void *arg, uint64_t id, int error)
{
	(void)arg;
	tell(error == 0 ? ACCEPTED : REFUSED, id, 0);
	work.answers++;
}

static void
on_slot(void *arg, const struct queue_slot *given, int error)
{
	struct queue_slot slot;
	struct envelope e;

	(void)error;
	if (given == NULL) {
		work.answers++;
		return;
	}
	slot = *given;
	support_sender = (uintptr_t)arg == NULL_SENDER ? "" : "ann@example.org";
	support_envelope(&e, slot.id, (uintptr_t)arg % 3 + 1, text);
	tell(TAKEN, slot.id, e.n_recipients);
	syscall(SYS_pwrite64, slot.fd, text, strlen(text), envelope_size(&e));
	queue_commit(work.client, &slot, &e, on_durable, NULL);
	support_free_envelope(&e);
}

/* One recipient: delivered. Two: the second is deferred. Three: the first fails. A notification is
 * deferred. */
static void
on_due(void *arg, uint64_t id, unsigned attempts, bool ordered, struct span destination, int fd)
{
	struct queue_result r[3] = {{0}, {.recipient = 1}, {.recipient = 2}};
	unsigned char *storage;
	struct envelope e;
	const char *why;

	(void)arg, (void)attempts, (void)ordered, (void)destination;
	work.n_due++;
	if (envelope_read(&e, fd, &storage, &why) == 0) {
		if (span_is(e.program, "queue"))
			r[0].end = END_DEFERRED;
		else if (e.n_recipients == 1)
			tell(DELIVERED, id, 1);
		r[1].end = e.n_recipients == 2 ? END_DEFERRED : END_DONE;
		if (e.n_recipients == 3)
			r[0].end = END_FAILED;
		r[0].reply = r[1].reply = span_of("a reply");
		queue_results(work.feed, id, true, e.n_recipients == 2, r, e.n_recipients);
		envelope_clear(&e);
		free(storage);
	} else {
		queue_results(work.feed, id, true, true, NULL, 0);
	}
	close(fd);
}

static const struct queue_due_ops due_ops = {.on_due = on_due};

static bool
is_quiet(void)
{
	struct message *m = schedule_first(&work.f.q.schedule);

	return commit_is_idle(work.f.q.commit) && chores_is_idle(work.f.q.chores) &&
	       feed_in_hand(work.f.q.feed) == 0 &&
	       (m == NULL || m->due_us > wall_clock_now() + 1000000);
}

static void
submit(int from, int to)
{
	int want = work.answers + to - from;

	for (int i = from; i < to; i++)
		queue_take(work.client, on_slot, (void *)(uintptr_t)i);
	while (work.answers < want)
		event_base_loop(work.f.base, EVLOOP_ONCE);
}

/* An administrator holds one that waits, sends it elsewhere and releases it. */
static void
give_orders(void)
{
	static const enum order_kind kinds[] = {ORDER_HOLD, ORDER_REROUTE, ORDER_RELEASE};
	struct message *m = schedule_first(&work.f.q.schedule);

	for (size_t i = 0; m != NULL && i < nitems(kinds); i++) {
		struct order *o = order_new(kinds[i], NULL, NULL,
		    kinds[i] == ORDER_REROUTE ? xstrdup("smart.example") : NULL);

		order_give(&work.f.q, m, o);
		while (o->refs > 1)
			event_base_loop(work.f.base, EVLOOP_ONCE);
		order_release(&o);
		if (m->state != MESSAGE_HELD)
			return;
	}
}

/* Two messages by themselves, five at once; all are handed out; then a drain. */
static void
do_work(void)
{
	support_start(&work.f, "300", "12");
	work.client = queue_client_new(work.f.base, work.f.socket, "smtpd", 0);
	submit(0, 1);
	submit(1, 2);
	submit(2, 7);
	commit_hurry(work.f.q.commit);
	work.feed = queue_feed_new(work.f.base, work.f.socket, 4, &due_ops, NULL);
	do
		event_base_loop(work.f.base, EVLOOP_ONCE);
	while (!is_quiet());
	give_orders();
	while (!is_quiet())
		event_base_loop(work.f.base, EVLOOP_ONCE);
	submit(7, 10); /* some of them in files that have served before */
	while (!is_quiet())
		event_base_loop(work.f.base, EVLOOP_ONCE);
	server_drain(&work.f.q);
	event_base_dispatch(work.f.base);
}

/* With a fault at the n-th call; tells how many there were. */
static void
run_work(enum fault fault, int at, int notes)
{
	plan.fault = fault;
	plan.at = at;
	work.notes = notes;
	do_work();
	plan.fault = NO_FAULT;
	tell(TAKEN, 0, atomic_load(&plan.calls));
}

/* ---- looking at what is left ---- */

struct outcome {
	uint64_t id;
	uint32_t recipients;
	bool accepted, refused, delivered, null_sender, taken;
};

enum { OUTCOMES_MAX = 64 };

static struct outcome outcomes[OUTCOMES_MAX];
static size_t n_outcomes;

static struct outcome *
outcome_of(uint64_t id)
{
	for (size_t i = 0; i < n_outcomes; i++)
		if (outcomes[i].id == id)
			return &outcomes[i];
	assert_true(n_outcomes < OUTCOMES_MAX);
	outcomes[n_outcomes] = (struct outcome){.id = id};
	return &outcomes[n_outcomes++];
}

/* The number of calls, when the work came to its end. */
static int
read_notes(int fd)
{
	struct note n;
	int calls = 0;

	n_outcomes = 0;
	while (read(fd, &n, sizeof n) == sizeof n) {
		if (n.id == 0) {
			calls = n.recipients;
			continue;
		}
		if (n.what == TAKEN) {
			outcome_of(n.id)->recipients = n.recipients;
			outcome_of(n.id)->null_sender = n.null_sender;
			outcome_of(n.id)->taken = true;
		}
		outcome_of(n.id)->accepted |= n.what == ACCEPTED;
		outcome_of(n.id)->refused |= n.what == REFUSED;
		outcome_of(n.id)->delivered |= n.what == DELIVERED;
	}
	return calls;
}

static void
expect_text(int fd, off_t at)
{
	char bytes[sizeof text + 10];

	assert_int_equal(syscall(SYS_pread64, fd, bytes, strlen(text), at), strlen(text));
	assert_memory_equal(bytes, text, strlen(text));
}

static bool
is_in_failures(struct fixture *f, uint64_t id)
{
	char *path = xasprintf("%s/%s.eml", f->failures, queue_id_text(id));
	int fd = open(path, O_RDONLY);

	if (fd != -1) {
		expect_text(fd, 0);
		close(fd);
	}
	free(path);
	return fd != -1;
}

static void
expect_whole(struct fixture *f, const struct message *m, const struct outcome *o)
{
	unsigned char *storage;
	struct envelope e;
	const char *why;
	int fd = conclude_open(&f->q.spool, m, O_RDONLY, &e, &storage, &why);

	assert_int_not_equal(fd, -1);
	assert_int_equal(e.n_recipients, o->recipients);
	expect_text(fd, e.message_offset);
	if (o->recipients == 2)
		assert_int_equal(e.recipients[1].status, RECIPIENT_PENDING);
	envelope_clear(&e);
	free(storage);
	close(fd);
}

static bool
is_outcome(uint64_t id)
{
	for (size_t i = 0; i < n_outcomes; i++)
		if (outcomes[i].id == id)
			return true;
	return false;
}

/* Whole, and about a message of ours. */
static void
expect_notice(struct fixture *f, const struct message *m)
{
	unsigned char *storage;
	struct envelope e;
	const char *why;
	char *bytes;
	int fd = conclude_open(&f->q.spool, m, O_RDONLY, &e, &storage, &why);

	assert_int_not_equal(fd, -1);
	assert_string_equal("", e.reverse_path.len == 0 ? "" : "a sender");
	assert_true(span_is(e.program, "queue"));
	assert_int_equal(e.n_recipients, 1);
	assert_true(span_is(e.recipients[0].address, "ann@example.org"));
	bytes = xcalloc(1, e.message_size + 1);
	assert_int_equal(
	    syscall(SYS_pread64, fd, bytes, e.message_size, e.message_offset), e.message_size);
	assert_int_equal(crc32(0, (const unsigned char *)bytes, e.message_size), e.message_crc);
	assert_non_null(strstr(bytes, "Final-Recipient: rfc822; u0@example.org\r\nAction: failed"));
	assert_non_null(strstr(bytes, text));
	free(bytes);
	envelope_clear(&e);
	free(storage);
	close(fd);
}

static size_t
count_notices(struct fixture *f)
{
	size_t n = 0;

	for (struct id_node *node = NULL; (node = id_map_next(&f->q.messages, node)) != NULL;)
		if (!is_outcome(node->id)) {
			expect_notice(f, (struct message *)node);
			n++;
		}
	return n;
}

static void
check(struct fixture *f)
{
	size_t known = 0, gone = 0, unsettled = 0, notices;

	support_start(f, "300", "12");
	for (size_t i = 0; i < n_outcomes; i++) {
		struct outcome *o = &outcomes[i];
		struct message *m = server_message(&f->q, o->id);

		known += m != NULL;
		if (m != NULL) {
			assert_false(o->refused);
			expect_whole(f, m, o);
			unsettled += o->recipients == 3 && !o->null_sender;
		} else if (o->accepted && !o->delivered) {
			assert_int_equal(o->recipients, 3);
			assert_int_equal(is_in_failures(f, o->id), o->null_sender);
			gone += !o->null_sender;
		}
	}
	notices = count_notices(f);
	/* One whose original is still there will come twice. */
	assert_true(notices >= gone && notices <= gone + unsettled);
	assert_int_equal(f->q.messages.n, known + notices);
	assert_int_equal(support_count(f->spool, "incoming"), support_incoming(f->spool));
	assert_int_equal(support_count(f->spool, "bad"), 0);
	support_stop(f);
}

/* False when the work ended before its n-th call. */
static bool
try_at(enum fault fault, int at)
{
	int notes[2], status, calls;
	pid_t pid;

	memset(&work, 0, sizeof work);
	atomic_store(&plan.calls, 0);
	atomic_store(&plan.spares, 0);
	support_make(&work.f);
	assert_int_equal(pipe(notes), 0);
	if ((pid = fork()) == 0) {
		alarm(30);
		close(notes[0]);
		run_work(fault, at, notes[1]);
		_exit(0);
	}
	close(notes[1]);
	calls = read_notes(notes[0]);
	close(notes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Done, dead as planned, or unable to start, which ends with a sentence. */
	if (!WIFEXITED(status) || (WEXITSTATUS(status) == 99) != (fault == DIE && calls == 0))
		fail_msg("fault %d at call %d: status %x", fault, at, status);
	check(&work.f);
	support_clear(work.f.root);
	return calls == 0 || calls >= at;
}

static void
try_all(enum fault fault)
{
	int at = 1;

	while (try_at(fault, at))
		at++;
	assert_true(at > 60);
}

static void
disk_full(void **state)
{
	(void)state;
	try_all(FAIL_ENOSPC);
}

static void
input_output_error(void **state)
{
	(void)state;
	try_all(FAIL_EIO);
}

static void
short_write(void **state)
{
	(void)state;
	try_all(WRITE_SHORT);
}

static void
killed(void **state)
{
	(void)state;
	try_all(DIE);
}

/* Without its sync nothing is acknowledged, and nothing is kept. */
static void
sync_fails(void **state)
{
	static const struct {
		enum call only;
		int messages;
	} rows[] = {{SYNC_FILE, 1}, {SYNC_ALL, 5}};
	int notes[2];

	(void)state;
	memset(&work, 0, sizeof work);
	support_make(&work.f);
	assert_int_equal(pipe(notes), 0);
	work.notes = notes[1];
	support_start(&work.f, "300", "12");
	work.client = queue_client_new(work.f.base, work.f.socket, "smtpd", 0);
	/* A file whose name is not durable is given to nobody. */
	plan.at = 1;
	plan.only = SYNC_DIRECTORY;
	plan.fault = FAIL_EIO;
	submit(0, 1);
	assert_int_equal(atomic_load(&plan.calls), 1);
	assert_int_equal(support_count(work.f.spool, "incoming"), 0);
	plan.fault = NO_FAULT;
	submit(0, 1);
	for (size_t i = 0; i < nitems(rows); i++) {
		atomic_store(&plan.calls, 0);
		plan.at = 1;
		plan.only = rows[i].only;
		plan.fault = FAIL_EIO;
		submit(0, rows[i].messages);
		plan.fault = NO_FAULT;
		assert_int_equal(atomic_load(&plan.calls), 1);
		assert_int_equal(support_incoming(work.f.spool), 1);
		assert_int_equal(work.f.q.messages.n, 1);
	}
	plan.only = ANY_CALL;
	assert_int_equal(commit_counters(work.f.q.commit)->failed, 1 + 5);
	queue_client_free(&work.client);
	support_stop(&work.f);
	support_clear(work.f.root);
	close(notes[0]);
	close(notes[1]);
}

/* What log lines the function writes. Allocated. */
static char *
logged(void (*function)(void))
{
	int before = dup(STDERR_FILENO), log = memfd_create("log", MFD_CLOEXEC);
	char *lines;
	off_t size;

	log_flush();
	dup2(log, STDERR_FILENO);
	function();
	log_flush();
	dup2(before, STDERR_FILENO);
	close(before);
	size = lseek(log, 0, SEEK_END);
	lines = xcalloc(1, size + 1);
	assert_int_equal(syscall(SYS_pread64, log, lines, size, 0), size);
	close(log);
	return lines;
}

/* What all have got is not sent again when its file cannot be removed. */
static void
removed_in_the_end(void **state)
{
	static const enum order_kind kinds[] = {ORDER_BOUNCE, ORDER_HOLD, ORDER_RETRY};
	int notes[2];

	(void)state;
	memset(&work, 0, sizeof work);
	support_make(&work.f);
	assert_int_equal(pipe(notes), 0);
	work.notes = notes[1];
	support_start(&work.f, "300", "12");
	work.client = queue_client_new(work.f.base, work.f.socket, "smtpd", 0);
	submit(0, 1);
	queue_client_free(&work.client); /* nobody is there to use the file again */
	event_base_loop(work.f.base, EVLOOP_NONBLOCK);
	atomic_store(&plan.calls, 0);
	plan.at = 1;
	plan.only = REMOVE_FILE;
	plan.fault = FAIL_EIO;
	work.feed = queue_feed_new(work.f.base, work.f.socket, 4, &due_ops, NULL);
	while (work.n_due == 0 || !is_quiet())
		event_base_loop(work.f.base, EVLOOP_ONCE);
	plan.fault = NO_FAULT;
	plan.only = ANY_CALL;
	assert_int_equal(work.f.q.messages.n, 1);
	for (size_t i = 0; i < nitems(kinds); i++) {
		struct order *o = order_new(kinds[i], NULL, NULL, NULL);

		order_give(&work.f.q, schedule_first(&work.f.q.schedule), o);
		assert_int_equal(o->done, kinds[i] == ORDER_RETRY);
		order_release(&o);
	}
	while (work.f.q.messages.n > 0)
		event_base_loop(work.f.base, EVLOOP_ONCE);
	assert_int_equal(work.n_due, 1);
	assert_int_equal(support_count(work.f.spool, "cur"), 0);
	queue_feed_free(&work.feed);
	support_stop(&work.f);
	support_clear(work.f.root);
	close(notes[0]);
	close(notes[1]);
}

static void
give_up_in_vain(void)
{
	struct order *o = order_new(ORDER_BOUNCE, NULL, NULL, NULL);

	atomic_store(&plan.calls, 0);
	plan.at = 1;
	plan.only = WRITE_FILE;
	plan.fault = FAIL_ENOSPC;
	order_give(&work.f.q, schedule_first(&work.f.q.schedule), o);
	order_release(&o);
	while (!is_quiet())
		event_base_loop(work.f.base, EVLOOP_ONCE);
	plan.fault = NO_FAULT;
	plan.only = ANY_CALL;
}

/* The log says what failed, and that it was not the file's fault. */
static void
failed_write_is_told(void **state)
{
	int notes[2];
	char *log;

	(void)state;
	memset(&work, 0, sizeof work);
	support_make(&work.f);
	assert_int_equal(pipe(notes), 0);
	work.notes = notes[1];
	support_start(&work.f, "300", "12");
	work.client = queue_client_new(work.f.base, work.f.socket, "smtpd", 0);
	submit(0, 1);
	log = logged(give_up_in_vain);
	assert_int_equal(atomic_load(&plan.calls), 1);
	if (strstr(log, " cannot be written: No space left on device\n") == NULL)
		fail_msg("%s", log);
	free(log);
	assert_int_equal(work.f.q.messages.n, 1);
	queue_client_free(&work.client);
	support_stop(&work.f);
	support_clear(work.f.root);
	close(notes[0]);
	close(notes[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sync_fails),
	    cmocka_unit_test(failed_write_is_told),
	    cmocka_unit_test(removed_in_the_end),
	    cmocka_unit_test(disk_full),
	    cmocka_unit_test(input_output_error),
	    cmocka_unit_test(short_write),
	    cmocka_unit_test(killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
