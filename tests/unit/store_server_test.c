/*
 * store as its callers see it: deliveries, look-ups, sessions, limits, removal, and what others do
 * to a Maildir by hand. One process: server and clients share the loop.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "store/server.h"
#include "store/store.h"
#include "store/vacation.h"

enum { PATIENCE_S = 20, MAX_MAILBOXES = 8 };
static const uint64_t first_id = 1700000000000001;
static const char return_path[] = "Return-Path: <a@example.org>\r\n";

/* ---- the house ---- */

static char root[64], mail[80], sock[80];
static struct event_base *base;
static struct store *store;
static struct store_client *router, *auth;
static bool waiting;
static char forgotten[4096];

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail_msg("nothing happened for %d s", PATIENCE_S);
}

/* Until something calls go_on(). */
static void
wait_here(void)
{
	const struct timeval patience = {PATIENCE_S, 0};
	struct event *e = event_new(base, -1, EV_TIMEOUT, on_patience, NULL);

	event_add(e, &patience);
	waiting = true;
	while (waiting)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	event_free(e);
}

static void
go_on(void)
{
	waiting = false;
}

static void
on_forget(void *arg, const char *mailbox)
{
	(void)arg;
	strlcat(forgotten, " ", sizeof forgotten);
	strlcat(forgotten, *mailbox ? mailbox : "*", sizeof forgotten);
	if (strlen(forgotten) > sizeof forgotten - 100)
		forgotten[0] = '\0';
	go_on();
}

/* Waits until router was told to forget name. */
static void
expect_forget(const char *name)
{
	char word[80];

	snprintf(word, sizeof word, " %s", name);
	while (strstr(forgotten, word) == NULL)
		wait_here();
	forgotten[0] = '\0';
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void
start_store(const char *max_size, const char *max_users)
{
	struct settings *settings = settings_new();

	unlink(sock);
	settings_add(settings, "mail", "Maximum Mailbox Size", max_size);
	settings_add(settings, "mail", "Maximum Users", max_users);
	settings_add(settings, "mail", "Mail Server", "example.org");
	store = store_new(base, open(mail, O_PATH | O_DIRECTORY | O_CLOEXEC), -1, listen_at(sock),
	    MAX_MAILBOXES, NULL);
	store_settings(store, settings);
	settings_free(&settings);
	forgotten[0] = '\0';
}

static int
setup_with(const char *max_size, const char *max_users)
{
	strlcpy(root, "/tmp/store-test-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	snprintf(mail, sizeof mail, "%s/mbox", root);
	snprintf(sock, sizeof sock, "%s/store.sock", root);
	assert_int_equal(mkdir(mail, 0700), 0);
	base = event_base_new();
	start_store(max_size, max_users);
	router = store_client_new(base, sock, "router", on_forget, NULL);
	auth = store_client_new(base, sock, "auth", NULL, NULL);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return setup_with("", "1000");
}

static int
setup_small(void **state)
{
	(void)state;
	return setup_with("1000", "2");
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	store_client_free(&router);
	store_client_free(&auth);
	store_free(&store);
	event_base_free(base);
	assert_int_equal(chdir("/"), 0);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- files ---- */

static const char *
path_of(const char *name)
{
	static char path[4][512];
	static unsigned turn;

	turn++;
	snprintf(path[turn % 4], sizeof path[0], "%s/%s", mail, name);
	return path[turn % 4];
}

static void
write_at(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
make_mailbox(const char *name)
{
	char inbox[100];

	assert_int_equal(mkdir(path_of(name), 0700), 0);
	snprintf(inbox, sizeof inbox, "%s/inbox.fld", name);
	write_at(inbox, "");
}

static size_t
count_files(const char *folder, char *last, size_t size)
{
	DIR *d = opendir(path_of(folder));
	struct dirent *e;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			n++;
			if (last != NULL)
				strlcpy(last, e->d_name, size);
		}
	closedir(d);
	return n;
}

static size_t
count_in(const char *folder)
{
	return count_files(folder, NULL, 0);
}

/* A spool file: ten bytes of envelope, then the text. */
static int
spool_file(const char *where, const char *text, size_t len)
{
	int fd = open(where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(write(fd, text, len), len);
	return fd;
}

/* ---- asking ---- */

static struct {
	enum delivery_end ends[STORE_DELIVER_MAX_MAILBOXES];
	bool away[STORE_DELIVER_MAX_MAILBOXES];
	char text[STORE_DELIVER_MAX_MAILBOXES][STORE_TEXT_MAX_BYTES + 1];
	size_t n;
	bool durable;
} delivered;

static void
on_delivered(void *arg, bool durable, const struct store_result *results, size_t n)
{
	(void)arg;
	delivered.durable = durable;
	delivered.n = n;
	for (size_t i = 0; i < n; i++) {
		delivered.ends[i] = results[i].end;
		delivered.away[i] = results[i].away;
		assert_true(
		    span_copy(results[i].text, delivered.text[i], sizeof delivered.text[i]));
	}
	go_on();
}

/* Each message at a time of its own. */
static uint64_t
arrival_of(uint64_t id)
{
	return id - first_id + 1700000000123456;
}

static void
deliver_from(int fd, uint64_t id, size_t len, const char *names)
{
	struct span list[STORE_DELIVER_MAX_MAILBOXES], rest = span_of(names);
	size_t n = 0;

	while (rest.len > 0)
		span_take(&rest, ' ', &list[n++]);
	delivered.n = SIZE_MAX;
	store_deliver(router, id, arrival_of(id), fd, 10, len, span_of(return_path), list, n,
	    on_delivered, NULL);
	close(fd);
	while (delivered.n == SIZE_MAX)
		wait_here();
	assert_int_equal(delivered.n, n);
}

static void
deliver(uint64_t id, const char *text, const char *names)
{
	deliver_from(spool_file(root, text, strlen(text)), id, strlen(text), names);
}

static enum store_state found_state;
static uint64_t found_room, found_limit;

static void
on_found(void *arg, enum store_state state, uint64_t room, uint64_t limit)
{
	(void)arg;
	found_state = state;
	found_room = room;
	found_limit = limit;
	go_on();
}

static enum store_state
look_up_as(struct store_client *who, const char *name)
{
	found_state = 99;
	store_lookup(who, span_of(name), on_found, NULL);
	while (found_state == 99)
		wait_here();
	return found_state;
}

static enum store_state
look_up(const char *name)
{
	return look_up_as(router, name);
}

static int done_refusal, done_session;

static void
on_done(void *arg, int refusal, int session)
{
	(void)arg;
	done_refusal = refusal;
	done_session = session;
	go_on();
}

static int
await_done(void)
{
	while (done_refusal == -1)
		wait_here();
	return done_refusal;
}

static int
create(const char *name)
{
	done_refusal = -1;
	store_create(auth, span_of(name), on_done, NULL);
	return await_done();
}

static int
remove_mailbox(const char *name)
{
	done_refusal = -1;
	store_remove(auth, span_of(name), on_done, NULL);
	return await_done();
}

static int
set_quota(const char *name, uint64_t bytes)
{
	done_refusal = -1;
	store_set_quota(auth, span_of(name), bytes, on_done, NULL);
	return await_done();
}

/* ---- sessions ---- */

struct holder {
	struct mailbox *m;
	bool listed, closed;
	uint64_t deleted, n_got;
	int fds[MAILBOX_GET_MAX * 4];
	uint64_t want;
};

static void
on_listing(void *arg)
{
	struct holder *h = arg;

	h->listed = true;
	go_on();
}

static void
on_message(void *arg, uint64_t index, int fd)
{
	struct holder *h = arg;

	(void)index;
	assert_true(h->n_got < nitems(h->fds));
	h->fds[h->n_got++] = fd;
	if (h->n_got == h->want)
		go_on();
}

static void
on_deleted(void *arg, uint64_t count)
{
	struct holder *h = arg;

	h->deleted = count;
	go_on();
}

static void
on_closed(void *arg)
{
	struct holder *h = arg;

	h->closed = true;
	mailbox_free(&h->m);
	go_on();
}

static const struct mailbox_ops holder_ops = {on_listing, on_message, on_deleted, on_closed};

static int
open_session(struct holder *h, const char *name)
{
	*h = (struct holder){0};
	done_refusal = -1;
	store_open(
	    auth, span_of(name), STORE_MAILDROP, "pop3d", span_of("192.0.2.1"), on_done, NULL);
	if (await_done() != 0)
		return done_refusal;
	h->m = mailbox_new(base, done_session, &holder_ops, h);
	while (!h->listed && !h->closed)
		wait_here();
	return h->closed ? -1 : 0;
}

static void
get(struct holder *h, uint64_t first, uint64_t count)
{
	h->n_got = 0;
	h->want = count;
	mailbox_get(h->m, first, count);
	while (h->n_got < count && !h->closed)
		wait_here();
}

static void
drop_all(struct holder *h)
{
	for (uint64_t i = 0; i < h->n_got; i++)
		closefd(&h->fds[i]);
	h->n_got = 0;
}

static void
expect_text(int fd, const char *text)
{
	char buf[4096];
	ssize_t n;

	assert_int_not_equal(fd, -1);
	n = read(fd, buf, sizeof buf - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static uint64_t
delete_range(struct holder *h, uint64_t first, uint64_t n)
{
	uint64_t *indexes = xcalloc(n, sizeof *indexes);

	for (uint64_t i = 0; i < n; i++)
		indexes[i] = first + i;
	h->deleted = UINT64_MAX;
	mailbox_delete(h->m, indexes, n);
	free(indexes);
	while (h->deleted == UINT64_MAX && !h->closed)
		wait_here();
	return h->deleted;
}

/* ---- delivery ---- */

static void
delivers(void **state)
{
	char name[256], path[400];

	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	deliver(first_id, "Subject: x\r\n\r\nhello\r\n", "ann bob nobody");
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_int_equal(delivered.ends[1], END_DONE);
	assert_int_equal(delivered.ends[2], END_FAILED);
	assert_string_equal(delivered.text[2], "550 5.1.1 no such mailbox");
	assert_false(delivered.durable);
	assert_int_equal(count_files("ann/new", name, sizeof name), 1);
	assert_int_equal(count_in("bob/new"), 1);
	assert_int_equal(count_in("ann/tmp"), 0);
	snprintf(path, sizeof path, "ann/new/%s", name);

	int fd = open(path_of(path), O_RDONLY);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mode & 07777, 0600);
	expect_text(fd, "Return-Path: <a@example.org>\r\nSubject: x\r\n\r\nhello\r\n");
	close(fd);

	char expected[100];

	snprintf(expected, sizeof expected, "1700000000.M123456Q%s.example.org,S=%d",
	    queue_id_text(first_id), (int)st.st_size);
	assert_string_equal(name, expected);
}

/* What a power cut has torn is not taken for a delivery. */
static void
torn_files_are_replaced(void **state)
{
	static const char *const folders[] = {"ann/new", "bob/new"};
	static const char *const orders[] = {"ann bob", "bob ann"};
	char name[256], path[400];

	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	for (size_t o = 0; o < nitems(orders); o++)
		for (size_t torn = 0; torn < 3; torn++) {
			deliver(first_id, "whole", orders[o]);
			for (size_t i = 0; i < nitems(folders); i++) {
				count_files(folders[i], name, sizeof name);
				snprintf(path, sizeof path, "%s/%s", folders[i], name);
				if (torn == 2 || torn == i)
					assert_int_equal(truncate(path_of(path), 0), 0);
			}
			deliver(first_id, "whole", orders[o]);
			for (size_t i = 0; i < nitems(folders); i++) {
				int fd;

				assert_int_equal(delivered.ends[i], END_DONE);
				assert_int_equal(count_files(folders[i], name, sizeof name), 1);
				snprintf(path, sizeof path, "%s/%s", folders[i], name);
				fd = open(path_of(path), O_RDONLY);
				expect_text(fd, "Return-Path: <a@example.org>\r\nwhole");
				close(fd);
			}
			assert_int_equal(count_in("ann/tmp") + count_in("bob/tmp"), 0);
		}
}

static void
repeats_find_themselves(void **state)
{
	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	deliver(first_id, "x", "ann");
	deliver(first_id, "x", "ann bob");
	deliver(first_id, "x", "bob ann");
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_int_equal(delivered.ends[1], END_DONE);
	assert_int_equal(count_in("ann/new"), 1);
	assert_int_equal(count_in("bob/new"), 1);
	assert_int_equal(count_in("ann/tmp") + count_in("bob/tmp"), 0);
	deliver(first_id + 1, "x", "ann bob");
	assert_int_equal(count_in("ann/new"), 2);
}

static void
leftovers_in_tmp_are_replaced(void **state)
{
	char name[256], tmp[400];

	(void)state;
	make_mailbox("ann");
	deliver(first_id, "x", "ann");
	count_files("ann/new", name, sizeof name);
	snprintf(tmp, sizeof tmp, "ann/new/%s", name);
	assert_int_equal(unlink(path_of(tmp)), 0);
	snprintf(tmp, sizeof tmp, "ann/tmp/%s", name);
	assert_int_equal(symlink("/etc/passwd", path_of(tmp)), 0);
	deliver(first_id, "x", "ann");
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_int_equal(count_in("ann/new"), 1);
	assert_int_equal(count_in("ann/tmp"), 0);
}

/* Also in a mailbox that is not the first one any more. */
static void
leftovers_in_tmp_are_removed(void **state)
{
	char name[256], tmp[400];

	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	deliver(first_id, "x", "ann");
	count_files("ann/new", name, sizeof name);
	snprintf(tmp, sizeof tmp, "ann/new/%s", name);
	assert_int_equal(unlink(path_of(tmp)), 0);
	snprintf(tmp, sizeof tmp, "ann/tmp/%s", name);
	write_at(tmp, "torn");
	deliver(first_id, "x", "bob ann");
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_int_equal(delivered.ends[1], END_DONE);
	assert_int_equal(count_in("ann/new"), 1);
	assert_int_equal(count_in("ann/tmp") + count_in("bob/tmp"), 0);
}

static void
long_messages_and_torn_ones(void **state)
{
	size_t len = 3 * 1000 * 1000 + 7;
	char *text = xmalloc(len), name[256], path[400];
	struct stat st;

	(void)state;
	memset(text, 'y', len);
	make_mailbox("ann");
	deliver_from(spool_file(root, text, len), first_id, len, "ann");
	assert_int_equal(delivered.ends[0], END_DONE);
	count_files("ann/new", name, sizeof name);
	snprintf(path, sizeof path, "ann/new/%s", name);
	assert_int_equal(stat(path_of(path), &st), 0);
	assert_int_equal(st.st_size, len + strlen(return_path));
	/* the spool file ends one byte early */
	deliver_from(spool_file(root, text, len - 1), first_id + 1, len, "ann");
	assert_int_equal(delivered.ends[0], END_DEFERRED);
	assert_int_equal(count_in("ann/new"), 1);
	assert_int_equal(count_in("ann/tmp"), 0);
	/* no regular file at all */
	deliver_from(open("/dev/zero", O_RDONLY), first_id + 2, 5, "ann");
	assert_int_equal(delivered.ends[0], END_DEFERRED);
	free(text);
}

static void
other_file_systems_are_synced(void **state)
{
	struct stat here, there;

	(void)state;
	assert_int_equal(stat(root, &here), 0);
	if (stat("/dev/shm", &there) == -1 || here.st_dev == there.st_dev)
		skip();
	make_mailbox("ann");
	deliver_from(spool_file("/dev/shm", "x", 1), first_id, 1, "ann");
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_true(delivered.durable);
	deliver_from(spool_file("/dev/shm", "x", 1), first_id + 1, 1, "ann nobody");
	assert_true(delivered.durable);
	assert_int_equal(delivered.ends[1], END_FAILED);
}

static void
many_mailboxes(void **state)
{
	char names[STORE_DELIVER_MAX_MAILBOXES * 8] = "", name[16];

	(void)state;
	for (int i = 0; i < STORE_DELIVER_MAX_MAILBOXES; i++) {
		snprintf(name, sizeof name, "u%d", i);
		make_mailbox(name);
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? " " : "",
		    name);
	}
	deliver(first_id, "x", names);
	for (size_t i = 0; i < delivered.n; i++)
		assert_int_equal(delivered.ends[i], END_DONE);
	assert_int_equal(count_in("u0/new"), 1);
	assert_int_equal(count_in("u499/new"), 1);
	assert_true(mailboxes_count(store->mailboxes) <= MAX_MAILBOXES);
}

static void
strange_names_are_no_mailboxes(void **state)
{
	static const char *const names[] = {
	    "", ".", "..", "../mbox", "ann/new", "Ann", "a.b", "null", "-x", "ann\n"};

	(void)state;
	make_mailbox("ann");
	for (size_t i = 0; i < nitems(names); i++) {
		struct span name = span_of(names[i]);
		int fd = spool_file(root, "x", 1);

		store_deliver(router, first_id, arrival_of(first_id), fd, 10, 1, span_of(""), &name,
		    1, on_delivered, NULL);
		close(fd);
		delivered.n = SIZE_MAX;
		while (delivered.n == SIZE_MAX)
			wait_here();
		assert_int_equal(delivered.ends[0], END_FAILED);
		assert_int_equal(look_up(names[i]), STORE_NONE);
	}
}

/* What others may have put there: nothing is written through it, nobody else suffers. */
static void
hostile_directories(void **state)
{
	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	assert_int_equal(symlink(path_of("bob"), path_of("eve")), 0);
	assert_int_equal(mkdir(path_of("target"), 0700), 0);
	assert_int_equal(symlink("../target", path_of("ann/new")), 0);
	write_at("bob/tmp", "a file");
	make_mailbox("carl");
	deliver(first_id, "x", "ann bob eve carl");
	assert_int_equal(delivered.ends[0], END_DEFERRED);
	assert_int_equal(delivered.ends[1], END_DONE); /* a link needs no tmp/ */
	assert_int_equal(delivered.ends[2], END_DEFERRED);
	assert_int_equal(delivered.ends[3], END_DONE);
	deliver(first_id + 1, "x", "bob");
	assert_int_equal(delivered.ends[0], END_DEFERRED);
	assert_int_equal(count_in("target"), 0);
	assert_int_equal(count_in("carl/new"), 1);
}

static void
folders_that_vanish_are_made_again(void **state)
{
	char name[256], path[400];

	(void)state;
	make_mailbox("ann");
	deliver(first_id, "x", "ann");
	count_files("ann/new", name, sizeof name);
	snprintf(path, sizeof path, "ann/new/%s", name);
	assert_int_equal(unlink(path_of(path)), 0);
	assert_int_equal(rmdir(path_of("ann/new")), 0);
	assert_int_equal(rmdir(path_of("ann/tmp")), 0);
	deliver(first_id + 1, "x", "ann");
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_int_equal(count_in("ann/new"), 1);
}

/* ---- what is where ---- */

static void
hand_made_mailboxes_are_seen(void **state)
{
	(void)state;
	assert_int_equal(look_up("ann"), STORE_NONE);
	assert_int_equal(mkdir(path_of("ann"), 0700), 0);
	expect_forget("ann");
	assert_int_equal(look_up("ann"), STORE_NONE);
	write_at("ann/inbox.fld", "");
	expect_forget("ann");
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	assert_true(found_room == STORE_NO_LIMIT && found_limit == STORE_NO_LIMIT);
	assert_int_equal(unlink(path_of("ann/inbox.fld")), 0);
	expect_forget("ann");
	assert_int_equal(look_up("ann"), STORE_NONE);
	deliver(first_id, "x", "ann");
	assert_int_equal(delivered.ends[0], END_FAILED);
	write_at("ann/inbox.fld", "");
	expect_forget("ann");
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	assert_int_equal(rename(path_of("ann"), path_of("bob")), 0);
	expect_forget("ann");
	assert_int_equal(look_up("ann"), STORE_NONE);
	assert_int_equal(look_up("bob"), STORE_EXISTS);
}

static void
creates_and_removes(void **state)
{
	struct holder h;

	(void)state;
	assert_int_equal(create("ann"), 0);
	assert_int_equal(create("ann"), STORE_EXISTS_ALREADY);
	assert_int_equal(create("a.b"), STORE_NO_MAILBOX);
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	assert_int_equal(look_up_as(auth, "ann"), STORE_EXISTS);
	assert_int_equal(look_up_as(auth, "bob"), STORE_NONE);
	deliver(first_id, "x", "ann");
	assert_int_equal(mkdir(path_of("ann/a"), 0700), 0);
	assert_int_equal(mkdir(path_of("ann/a/b"), 0700), 0);
	write_at("ann/a/b/c", "x");
	assert_int_equal(symlink(root, path_of("ann/a/link")), 0);
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(remove_mailbox("ann"), 0);
	while (!h.closed)
		wait_here();
	assert_int_equal(access(path_of("ann"), F_OK), -1);
	assert_int_equal(look_up("ann"), STORE_NONE);
	assert_int_equal(remove_mailbox("ann"), STORE_NO_MAILBOX);
	assert_int_equal(create("ann"), 0);
	assert_int_equal(count_in("ann/new"), 0);
	assert_int_equal(access(root, F_OK), 0);
}

static bool
has_leftovers(void)
{
	DIR *d = opendir(mail);
	struct dirent *e;
	bool found = false;

	while ((e = readdir(d)) != NULL)
		found |= strncmp(e->d_name, ".removing", 9) == 0;
	closedir(d);
	return found;
}

static void
leftovers_of_removals_go_at_start(void **state)
{
	char name[64];

	(void)state;
	store_free(&store);
	assert_int_equal(mkdir(path_of(".removing-1-ann"), 0700), 0);
	assert_int_equal(mkdir(path_of(".removing-1-ann/new"), 0700), 0);
	for (int i = 0; i < 1200; i++) {
		snprintf(name, sizeof name, ".removing-1-ann/new/%d", i);
		write_at(name, "x");
	}
	start_store("", "10");
	while (has_leftovers())
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_int_equal(look_up("ann"), STORE_NONE);
}

/* ---- limits ---- */

static char hundred[101];

static void
full_mailboxes(void **state)
{
	struct holder h;

	(void)state;
	memset(hundred, 'z', 100);
	make_mailbox("ann");
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	assert_int_equal(found_room, 1000);
	assert_int_equal(found_limit, 1000);
	forgotten[0] = '\0';
	for (int i = 0; i < 7; i++) {
		deliver(first_id + i, hundred, "ann");
		assert_int_equal(delivered.ends[0], END_DONE);
	}
	expect_forget("ann"); /* more than half of the room is gone */
	deliver(first_id + 7, hundred, "ann");
	assert_int_equal(delivered.ends[0], END_DEFERRED);
	assert_string_equal(delivered.text[0], "452 4.2.2 mailbox full");
	deliver(first_id + 6, hundred, "ann"); /* a repeat is no new one */
	assert_int_equal(delivered.ends[0], END_DONE);
	assert_int_equal(set_quota("ann", 50), 0);
	deliver(first_id + 8, hundred, "ann");
	assert_int_equal(delivered.ends[0], END_FAILED);
	assert_int_equal(look_up("ann"), STORE_FULL);
	assert_int_equal(found_limit, 50);
	assert_int_equal(set_quota("ann", STORE_NO_LIMIT), 0);
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	assert_int_equal(found_room, 1000 - 7 * 130);
	forgotten[0] = '\0';
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(delete_range(&h, 0, 3), 3);
	expect_forget("ann"); /* room was made */
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	assert_int_equal(found_room, 1000 - 4 * 130);
	mailbox_free(&h.m);
}

static void
others_change_the_usage(void **state)
{
	(void)state;
	make_mailbox("ann");
	assert_int_equal(look_up("ann"), STORE_EXISTS);
	write_at("ann/cur/1.x.host:2,S", "12345");
	write_at("ann/new/2.x.host,S=100", "short");
	assert_int_equal(mkdir(path_of("ann/new/dir"), 0700), 0);
	look_up("ann");
	assert_int_equal(found_room, 1000 - 105);
	write_at("ann/quota", "500\n");
	expect_forget("ann");
	look_up("ann");
	assert_int_equal(found_room, 500 - 105);
	write_at("ann/quota", "lots\n");
	expect_forget("ann");
	look_up("ann");
	assert_int_equal(found_room, 1000 - 105);
}

static void
users_are_counted(void **state)
{
	struct holder h[4];

	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	make_mailbox("carl");
	assert_int_equal(open_session(&h[0], "ann"), 0);
	assert_int_equal(open_session(&h[1], "ann"), 0);
	assert_int_equal(open_session(&h[2], "bob"), 0);
	assert_int_equal(open_session(&h[3], "carl"), STORE_TOO_MANY_USERS);
	assert_int_equal(sessions_users(store->sessions), 2);
	mailbox_free(&h[2].m);
	while (sessions_users(store->sessions) == 2)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_int_equal(open_session(&h[3], "carl"), 0);
	assert_int_equal(open_session(&h[2], "nobody"), STORE_NO_MAILBOX);
	mailbox_free(&h[0].m);
	mailbox_free(&h[1].m);
	mailbox_free(&h[3].m);
}

/* ---- sessions ---- */

static void
lists_gets_and_deletes(void **state)
{
	struct holder h, h2;
	char uidl[2][80], path[400], name[256];

	(void)state;
	make_mailbox("ann");
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(mailbox_count(h.m), 0);
	mailbox_free(&h.m);
	deliver(first_id, "one\r\n", "ann");
	deliver(first_id + 5000000, "two\r\n", "ann");
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(mailbox_count(h.m), 2);
	assert_int_equal(mailbox_size(h.m, 0), 35);
	assert_int_equal(mailbox_total_bytes(h.m), 70);
	assert_true(span_copy(mailbox_uidl(h.m, 0), uidl[0], sizeof uidl[0]));
	assert_true(span_copy(mailbox_uidl(h.m, 1), uidl[1], sizeof uidl[1]));
	assert_true(strcmp(uidl[0], uidl[1]) < 0);
	assert_int_equal(mailbox_uidl(h.m, 2).len, 0);
	get(&h, 0, 2);
	expect_text(h.fds[0], "Return-Path: <a@example.org>\r\none\r\n");
	expect_text(h.fds[1], "Return-Path: <a@example.org>\r\ntwo\r\n");
	assert_int_equal(write(h.fds[0], "x", 1), -1);
	drop_all(&h);

	/* another client has read the first one */
	snprintf(path, sizeof path, "ann/cur/%s:2,S", uidl[0]);
	strlcpy(name, path_of(path), sizeof name);
	snprintf(path, sizeof path, "ann/new/%s", uidl[0]);
	assert_int_equal(rename(path_of(path), name), 0);
	get(&h, 0, 1);
	expect_text(h.fds[0], "Return-Path: <a@example.org>\r\none\r\n");
	drop_all(&h);
	assert_int_equal(open_session(&h2, "ann"), 0);
	assert_int_equal(mailbox_count(h2.m), 2);
	assert_true(span_is(mailbox_uidl(h2.m, 0), uidl[0]));
	assert_int_equal(delete_range(&h, 0, 2), 2);
	assert_int_equal(count_in("ann/new") + count_in("ann/cur"), 0);
	get(&h2, 0, 2);
	assert_int_equal(h2.fds[0], -1);
	assert_int_equal(h2.fds[1], -1);
	assert_int_equal(delete_range(&h2, 0, 2), 2);
	mailbox_free(&h.m);
	mailbox_free(&h2.m);
}

static void
foreign_files(void **state)
{
	static const struct {
		const char *name, *text;
		uint64_t size;
	} files[] = {
	    {"cur/5.a.host:2,S", "a\nb\n", 6},
	    {"new/6.b.host", "a\r\nb", 6},
	    {"new/7.c.host,S=4", "a\nb\n", 6},
	    {"new/8.d.host,S=4,W=6", "a\nb\n", 6},
	    {"cur/9.e host", "", 0},
	    {"cur/.hidden", "x", 0},
	};
	struct holder h;

	(void)state;
	make_mailbox("ann");
	deliver(first_id, "x\r\n", "ann");
	for (size_t i = 0; i < nitems(files); i++) {
		char path[100];

		snprintf(path, sizeof path, "ann/%s", files[i].name);
		if (i == 0)
			assert_int_equal(mkdir(path_of("ann/cur"), 0700), 0);
		write_at(path, files[i].text);
	}
	assert_int_equal(mkfifo(path_of("ann/new/1.fifo"), 0600), 0);
	assert_int_equal(symlink("/etc/passwd", path_of("ann/new/2.link")), 0);
	assert_int_equal(mkdir(path_of("ann/new/3.dir"), 0700), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(open_session(&h, "ann"), 0);
		assert_int_equal(mailbox_count(h.m), 6);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(mailbox_size(h.m, i), files[i].size);
		assert_int_equal(mailbox_uidl(h.m, 4).len, 64);
		assert_true(span_is(mailbox_uidl(h.m, 0), "5.a.host"));
		mailbox_free(&h.m);
	}
	/* a file turns into a FIFO under a session: no harm */
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(unlink(path_of("ann/new/6.b.host")), 0);
	assert_int_equal(mkfifo(path_of("ann/new/6.b.host"), 0600), 0);
	assert_int_equal(unlink(path_of("ann/new/7.c.host,S=4")), 0);
	assert_int_equal(symlink("/etc/passwd", path_of("ann/new/7.c.host,S=4")), 0);
	get(&h, 0, 4);
	assert_int_equal(h.fds[1], -1);
	assert_int_equal(h.fds[2], -1);
	expect_text(h.fds[3], "a\nb\n");
	drop_all(&h);
	mailbox_free(&h.m);
}

static void
large_mailboxes(void **state)
{
	enum { N = 5000 };
	struct holder h, h2;
	char name[128];

	(void)state;
	make_mailbox("ann");
	deliver(first_id, "x", "ann");
	for (int i = 1; i < N; i++) {
		snprintf(name, sizeof name, "ann/new/17%08d.Qx.host,S=1,W=1", i);
		write_at(name, "x");
	}
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(mailbox_count(h.m), N);
	/* a second session while nothing has changed, then one after a delivery */
	assert_int_equal(open_session(&h2, "ann"), 0);
	assert_int_equal(mailbox_count(h2.m), N);
	mailbox_free(&h2.m);
	deliver(first_id + 1, "x", "ann");
	assert_int_equal(open_session(&h2, "ann"), 0);
	assert_int_equal(mailbox_count(h2.m), N + 1);
	get(&h, 100, 100);
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(h.fds[i], -1);
	drop_all(&h);
	assert_int_equal(delete_range(&h, 0, N), N);
	get(&h2, 0, 1);
	mailbox_free(&h.m);
	drop_all(&h2);
	assert_int_equal(count_in("ann/new"), 1);
	mailbox_free(&h2.m);
}

/* Two sessions open while a scan runs in the thread; one goes away before it ends. */
static void
sessions_that_wait_for_a_scan(void **state)
{
	struct holder h;
	char name[128];
	int first;

	(void)state;
	make_mailbox("ann");
	deliver(first_id, "x", "ann");
	for (int i = 1; i < 3000; i++) {
		snprintf(name, sizeof name, "ann/new/17%08d.Qx.host", i);
		write_at(name, "x\n");
	}
	done_refusal = -1;
	store_open(auth, span_of("ann"), STORE_MAILDROP, "pop3d", span_of(""), on_done, NULL);
	assert_int_equal(await_done(), 0);
	first = done_session;
	closefd(&first);
	assert_int_equal(open_session(&h, "ann"), 0);
	assert_int_equal(mailbox_count(h.m), 3000);
	assert_int_equal(remove_mailbox("ann"), 0);
	while (!h.closed)
		wait_here();
}

/* ---- what a session's holder may not do ---- */

static void
raw_session(uint32_t type, const uint64_t *fields, size_t n)
{
	static unsigned char buf[IPC_MESSAGE_MAX_BYTES];
	struct reader r;
	struct writer w;
	uint64_t tag;
	uint32_t got;
	int rv;

	done_refusal = -1;
	store_open(auth, span_of("ann"), STORE_MAILDROP, "pop3d", span_of(""), on_done, NULL);
	assert_int_equal(await_done(), 0);
	ipc_write(&w, type, 0);
	for (size_t i = 0; i < n; i++)
		put_u64(&w, fields[i]);
	assert_int_equal(ipc_send_now(done_session, &w, -1), 0);
	while (sessions_count(store->sessions) > 0)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	while ((rv = ipc_receive_now(done_session, buf, &got, &tag, &r)) == 1)
		closefd(&r.fd);
	assert_int_equal(rv, 0);
	close(done_session);
}

static void
malformed_requests_close_a_session(void **state)
{
	static const struct {
		uint32_t type;
		size_t n;
		uint64_t fields[3];
	} rows[] = {
	    {MAILBOX_GET, 0, {0}},
	    {MAILBOX_GET, 1, {0}},
	    {MAILBOX_GET, 3, {0, 1, 0}},
	    {MAILBOX_GET, 2, {0, 2}},
	    {MAILBOX_GET, 2, {1, 1}},
	    {MAILBOX_GET, 2, {UINT64_MAX, 2}},
	    {MAILBOX_GET, 2, {0, UINT64_MAX}},
	    {MAILBOX_DELETE, 1, {1}},
	    {MAILBOX_DELETE, 2, {0, UINT64_MAX}},
	    {MAILBOX_LISTING, 0, {0}},
	    {77, 0, {0}},
	};

	(void)state;
	make_mailbox("ann");
	deliver(first_id, "x", "ann");
	for (size_t i = 0; i < nitems(rows); i++)
		raw_session(rows[i].type, rows[i].fields, rows[i].n);
	assert_int_equal(count_in("ann/new"), 1);
}

/* Speaks for role, sends one message, and is hung up on. */
static void
expect_hang_up(const char *role, struct writer *(*write_message)(size_t), size_t i)
{
	static unsigned char buf[IPC_MESSAGE_MAX_BYTES];
	int fd = ipc_connect(sock);
	struct reader r;
	struct writer w;
	uint64_t tag;
	uint32_t type;

	assert_int_not_equal(fd, -1);
	ipc_write(&w, 0, 0);
	put_text(&w, role);
	assert_int_equal(ipc_send_now(fd, &w, -1), 0);
	assert_int_equal(ipc_send_now(fd, write_message(i), STDERR_FILENO), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (ipc_receive_now(fd, buf, &type, &tag, &r) == -1 && errno == EAGAIN)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_int_equal(ipc_receive_now(fd, buf, &type, &tag, &r), 0);
	close(fd);
}

static const struct {
	uint64_t id, offset, size;
	const char *return_path, *mailbox;
} bad_deliveries[] = {
    {0, 0, 1, "", "ann"},
    {1, UINT64_MAX, 1, "", "ann"},
    {1, INT64_MAX, INT64_MAX, "", "ann"},
    {1, 0, UINT64_MAX, "", "ann"},
    {1, 0, 1, "no line end", "ann"},
    {1, 0, 1, "two\r\nlines\r\n", "ann"},
    {1, 0, 1, "bare\n", "ann"},
    {1, 0, 1, "b\rare\r\n", "ann"},
    {1, 0, 1, "\r\n", "ann"},
    {1, 0, 1, "", NULL},
    {1, 0, 1, "", "a-name-that-is-longer-than-sixty-four-bytes-so-that-it-is-no-name-at"},
};

static struct writer *
write_bad_delivery(size_t i)
{
	static struct writer w;

	ipc_write(&w, STORE_DELIVER, 1);
	put_u64(&w, bad_deliveries[i].id);
	put_u64(&w, arrival_of(first_id));
	put_u64(&w, bad_deliveries[i].offset);
	put_u64(&w, bad_deliveries[i].size);
	put_text(&w, bad_deliveries[i].return_path);
	if (bad_deliveries[i].mailbox != NULL)
		put_text(&w, bad_deliveries[i].mailbox);
	return &w;
}

static void
malformed_deliveries(void **state)
{
	(void)state;
	make_mailbox("ann");
	for (size_t i = 0; i < nitems(bad_deliveries); i++)
		expect_hang_up("router", write_bad_delivery, i);
	assert_int_equal(count_in("ann/new") + count_in("ann/tmp"), 0);
}

/* A write that fails half-way: nothing is left, and the next message is not disturbed. */
static void
writes_that_fail(void **state)
{
	struct rlimit old, small;
	static char text[20000];

	(void)state;
	memset(text, 'y', sizeof text - 1);
	make_mailbox("ann");
	make_mailbox("bob");
	int fd = spool_file(root, text, sizeof text - 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){10000, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	deliver_from(fd, first_id, sizeof text - 1, "ann bob");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(delivered.ends[0], END_DEFERRED);
	assert_int_equal(delivered.ends[1], END_DEFERRED);
	assert_int_equal(count_in("ann/tmp") + count_in("bob/tmp"), 0);
	assert_int_equal(count_in("ann/new") + count_in("bob/new"), 0);
	deliver(first_id, text, "ann bob");
	assert_int_equal(delivered.ends[1], END_DONE);
}

static const struct {
	const char *role;
	uint32_t type;
} forbidden[] = {
    {"auth", STORE_DELIVER},
    {"router", STORE_OPEN},
    {"router", STORE_REMOVE},
    {"router", STORE_CREATE},
    {"router", STORE_SET_QUOTA},
    {"smtpd", STORE_LOOKUP},
    {"pop3d", STORE_OPEN},
    {"auth", STORE_FORGET},
};

static struct writer *
write_forbidden(size_t i)
{
	static struct writer w;

	ipc_write(&w, forbidden[i].type, 1);
	put_text(&w, "ann");
	return &w;
}

/* auth may not deliver, router may not open. */
static void
roles_are_kept_apart(void **state)
{
	(void)state;
	make_mailbox("ann");
	for (size_t i = 0; i < nitems(forbidden); i++)
		expect_hang_up(forbidden[i].role, write_forbidden, i);
	assert_int_equal(access(path_of("ann/inbox.fld"), F_OK), 0);
}

/* ---- vacation ---- */

static char said[30000];

static void
on_vacation(void *arg, const struct store_vacation *v)
{
	(void)arg;
	strlcpy(said, "none", sizeof said);
	if (v != NULL)
		snprintf(said, sizeof said, "%.*s|%.*s|%.*s", (int)v->subject.len, v->subject.at,
		    (int)v->text.len, v->text.at, (int)v->name.len, v->name.at);
	go_on();
}

static const char *
claim(const char *mailbox, const char *sender)
{
	said[0] = '\0';
	store_vacation(router, span_of(mailbox), span_of(sender), on_vacation, NULL);
	while (said[0] == '\0')
		wait_here();
	return said;
}

static void
set_vacation(const char *document)
{
	write_at("ann/documents/vacation", document);
	store_free(&store);
	start_store("", "1000");
}

static bool
is_away(uint64_t id)
{
	deliver(id, "x", "bob ann");
	assert_int_equal(delivered.ends[1], END_DONE);
	assert_false(delivered.away[0]);
	return delivered.away[1];
}

static void
vacation(void **state)
{
	static const struct {
		const char *document;
		bool on;
	} rows[] = {
	    {"", false},
	    {"{", false},
	    {"[]", false},
	    {"{\"on\": false, \"text\": \"x\"}", false},
	    {"{\"on\": true}", false},
	    {"{\"on\": true, \"text\": \"\"}", false},
	    {"{\"on\": 1, \"text\": \"x\"}", false},
	    {"{\"on\": true, \"text\": \"x\", \"until\": 1000}", false},
	    {"{\"on\": true, \"text\": \"x\", \"from\": 99999999999}", false},
	    {"{\"on\": true, \"text\": \"x\", \"from\": 1000, \"until\": 99999999999}", true},
	    {"{\"on\": true, \"text\": \"x\", \"from\": null, \"until\": null}", true},
	};
	uint64_t id = first_id;

	(void)state;
	make_mailbox("ann");
	make_mailbox("bob");
	assert_false(is_away(id++));
	assert_string_equal(claim("ann", "s@far.example"), "none");
	assert_int_equal(mkdir(path_of("ann/documents"), 0700), 0);
	for (size_t i = 0; i < nitems(rows); i++) {
		set_vacation(rows[i].document);
		if (is_away(id++) != rows[i].on)
			fail_msg("%s", rows[i].document);
		if (!rows[i].on)
			assert_string_equal(claim("ann", "s@far.example"), "none");
	}
	write_at("ann/documents/settings", "{\"display_name\": \"Ann\"}");
	set_vacation("{\"on\": true, \"subject\": \"S\", \"text\": \"T\\n\"}");
	assert_string_equal(claim("ann", "s@far.example"), "S|T\n|Ann");
	assert_string_equal(claim("ann", "S@far.example"), "none");
	assert_string_equal(claim("nobody", "s@far.example"), "none");
	assert_string_equal(claim("bob", "s@far.example"), "none");
	assert_string_equal(claim("ann", "t@far.example"), "S|T\n|Ann");
}

/* As many as there is room for; then nobody else, until one is a week old. */
static void
vacation_is_bounded(void **state)
{
	char record[VACATION_RECORD_BYTES] = {0};
	uint64_t now = time(NULL), old = now - VACATION_PAUSE_S - 5;
	struct stat st;
	FILE *f;

	(void)state;
	make_mailbox("ann");
	assert_int_equal(mkdir(path_of("ann/documents"), 0700), 0);
	set_vacation("{\"on\": true, \"text\": \"T\"}");
	assert_non_null(f = fopen(path_of("ann/vacation.told"), "w"));
	for (int i = 0; i < VACATION_TOLD_MAX; i++) {
		memcpy(record, &now, sizeof now);
		memcpy(record + sizeof now, &i, sizeof i);
		assert_int_equal(fwrite(record, sizeof record, 1, f), 1);
	}
	fclose(f);
	assert_string_equal(claim("ann", "s@far.example"), "none");
	assert_non_null(f = fopen(path_of("ann/vacation.told"), "r+"));
	memcpy(record, &old, sizeof old);
	fseek(f, 77 * VACATION_RECORD_BYTES, SEEK_SET);
	assert_int_equal(fwrite(record, sizeof record, 1, f), 1);
	fclose(f);
	assert_string_equal(claim("ann", "s@far.example"), "|T|");
	assert_string_equal(claim("ann", "s@far.example"), "none");
	assert_int_equal(stat(path_of("ann/vacation.told"), &st), 0);
	assert_int_equal(st.st_size, VACATION_TOLD_MAX * VACATION_RECORD_BYTES);
	/* A name that leads elsewhere is not followed. */
	assert_int_equal(unlink(path_of("ann/vacation.told")), 0);
	assert_int_equal(symlink("documents/vacation", path_of("ann/vacation.told")), 0);
	assert_string_equal(claim("ann", "t@far.example"), "none");
}

int
main(void)
{
#define WITH(test)	 cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_SMALL(test) cmocka_unit_test_setup_teardown(test, setup_small, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(delivers),
	    WITH(repeats_find_themselves),
	    WITH(torn_files_are_replaced),
	    WITH(leftovers_in_tmp_are_replaced),
	    WITH(leftovers_in_tmp_are_removed),
	    WITH(long_messages_and_torn_ones),
	    WITH(other_file_systems_are_synced),
	    WITH(many_mailboxes),
	    WITH(strange_names_are_no_mailboxes),
	    WITH(hostile_directories),
	    WITH(folders_that_vanish_are_made_again),
	    WITH(hand_made_mailboxes_are_seen),
	    WITH(creates_and_removes),
	    WITH(leftovers_of_removals_go_at_start),
	    WITH_SMALL(full_mailboxes),
	    WITH_SMALL(others_change_the_usage),
	    WITH_SMALL(users_are_counted),
	    WITH(lists_gets_and_deletes),
	    WITH(foreign_files),
	    WITH(large_mailboxes),
	    WITH(sessions_that_wait_for_a_scan),
	    WITH(malformed_requests_close_a_session),
	    WITH(malformed_deliveries),
	    WITH(writes_that_fail),
	    WITH(roles_are_kept_apart),
	    WITH(vacation),
	    WITH(vacation_is_bounded),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
