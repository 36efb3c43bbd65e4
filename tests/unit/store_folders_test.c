/* Sessions with folders: a real store over a directory in /tmp, the door at its other side. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* cmocka needs these before it */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/sqlite_files.h"
#include "store/folders.h"
#include "store/server.h"
#include "store/store.h"

static char root[64], mail[80], sock[80];
static struct event_base *base;
static struct store *store;
static struct store_client *auth;

/* ---- the loop ---- */

static void
on_tired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail_msg("nothing has happened for a long time");
}

static bool waiting;

static void
wait_here(void)
{
	const struct timeval tired = {60, 0};
	struct event *e = evtimer_new(base, on_tired, NULL);

	evtimer_add(e, &tired);
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

/* ---- the house ---- */

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
start_store(const char *max_size)
{
	struct settings *settings = settings_new();

	unlink(sock);
	settings_add(settings, "mail", "Maximum Mailbox Size", max_size);
	settings_add(settings, "mail", "Maximum Users", "3");
	settings_add(settings, "mail", "Mail Server", "example.org");
	store = store_new(
	    base, open(mail, O_PATH | O_DIRECTORY | O_CLOEXEC), -1, listen_at(sock), 8, NULL);
	store_settings(store, settings);
	settings_free(&settings);
}

static const char *
path_of(const char *name)
{
	static char path[4][400];
	static unsigned turn;

	turn++;
	snprintf(path[turn % 4], sizeof path[0], "%s/%s", mail, name);
	return path[turn % 4];
}

static void
make_file(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
make_mailbox(const char *name)
{
	char text[100];

	assert_int_equal(mkdir(path_of(name), 0700), 0);
	for (size_t i = 0; i < 3; i++) {
		snprintf(
		    text, sizeof text, "%s/%s", name, (const char *[]){"new", "cur", "tmp"}[i]);
		assert_int_equal(mkdir(path_of(text), 0700), 0);
	}
	snprintf(text, sizeof text, "%s/inbox.fld", name);
	make_file(text, "");
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(root, "/tmp/store-folders-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	snprintf(mail, sizeof mail, "%s/mbox", root);
	snprintf(sock, sizeof sock, "%s/store.sock", root);
	assert_int_equal(mkdir(mail, 0700), 0);
	base = event_base_new();
	start_store("");
	auth = store_client_new(base, sock, "auth", NULL, NULL);
	make_mailbox("ann");
	return 0;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	store_client_free(&auth);
	store_free(&store);
	event_base_free(base);
	snprintf(command, sizeof command, "rm -rf %s", root);
	assert_int_equal(system(command), 0);
	return 0;
}

/* ---- a session, and its answers one at a time ---- */

struct visit {
	struct folders *folders;
	size_t n_changes;
	struct folder_info changed[20]; /* the last notice of each folder; names are not kept */
	size_t n_changed;
	bool closed;
	/* the last answer, copied */
	enum folders_refusal refusal;
	uint64_t number, modseq;
	size_t n_folders, n_rows, n_uids;
	struct {
		struct folder_info info;
		char name[FOLDERS_NAME_MAX_BYTES + 1];
	} infos[200];
	struct folder_row rows[1000];
	char keywords[1000][100];
	char labels[1000]; /* "name total/unread ..." */
	uint64_t uids[12000];
	char text[4000]; /* of a message or document */
	bool answered;
};

static void
on_changed(void *arg, const struct folder_info *f, bool gone)
{
	struct visit *v = arg;
	size_t i = 0;

	(void)gone;
	while (i < v->n_changed && v->changed[i].id != f->id)
		i++;
	if (i == v->n_changed && v->n_changed < nitems(v->changed))
		v->n_changed++;
	if (i < nitems(v->changed))
		v->changed[i] = *f;
	v->n_changes++;
	go_on();
}

static void
on_close(void *arg)
{
	struct visit *v = arg;

	v->closed = true;
	folders_free(&v->folders);
	go_on();
}

static const struct folders_ops ops = {on_changed, on_close};

static int opened_fd, opened_refusal;

static void
on_opened(void *arg, int refusal, int session)
{
	(void)arg;
	opened_fd = session;
	opened_refusal = refusal;
	go_on();
}

static int
try_open(const char *name)
{
	store_open(
	    auth, span_of(name), STORE_FOLDERS, "webd", span_of("192.0.2.1"), on_opened, NULL);
	wait_here();
	return opened_refusal;
}

static struct visit *
visit(const char *name)
{
	struct visit *v = xcalloc(1, sizeof *v);

	assert_int_equal(try_open(name), 0);
	v->folders = folders_new(base, opened_fd, &ops, v);
	folders_watch(v->folders, true);
	return v;
}

static void
leave(struct visit *v)
{
	folders_free(&v->folders);
	free(v);
}

static void
on_answer(void *arg, const struct folders_answer *a)
{
	struct visit *v = arg;
	ssize_t n;

	v->answered = true;
	v->refusal = a->refusal;
	v->number = a->number;
	v->modseq = a->modseq;
	v->n_folders = a->n_folders;
	v->n_rows = a->n_rows;
	v->n_uids = a->n_uids;
	for (size_t i = 0; i < a->n_folders && i < nitems(v->infos); i++) {
		v->infos[i].info = a->folders[i];
		strlcpy(v->infos[i].name, a->folders[i].name, sizeof v->infos[i].name);
	}
	for (size_t i = 0; i < a->n_rows && i < nitems(v->rows); i++) {
		v->rows[i] = a->rows[i];
		strlcpy(v->keywords[i], a->rows[i].keywords, sizeof v->keywords[i]);
	}
	for (size_t i = 0; i < a->n_uids && i < nitems(v->uids); i++)
		v->uids[i] = a->uids[i];
	v->labels[0] = '\0';
	for (size_t i = 0, len = 0; i < a->n_labels && len < sizeof v->labels; i++)
		len += snprintf(v->labels + len, sizeof v->labels - len, "%s%s %d/%d",
		    i > 0 ? " " : "", a->labels[i].name, (int)a->labels[i].total,
		    (int)a->labels[i].unread);
	v->text[0] = '\0';
	if (a->fd != -1) {
		n = read(a->fd, v->text, sizeof v->text - 1);
		v->text[n > 0 ? n : 0] = '\0';
		close(a->fd);
	}
	go_on();
}

static enum folders_refusal
wait_for(struct visit *v)
{
	v->answered = false;
	while (!v->answered)
		wait_here();
	return v->refusal;
}

static enum folders_refusal
list(struct visit *v)
{
	folders_list(v->folders, on_answer, v);
	return wait_for(v);
}

static const struct folder_info *
info_of(struct visit *v, const char *name)
{
	assert_int_equal(list(v), 0);
	for (size_t i = 0; i < v->n_folders; i++)
		if (strcmp(v->infos[i].name, name) == 0)
			return &v->infos[i].info;
	return NULL;
}

static uint64_t
id_of(struct visit *v, const char *name)
{
	const struct folder_info *f = info_of(v, name);

	assert_non_null(f);
	return f->id;
}

/* Waits until the folder has so many messages and unread ones. */
static void
expect_counts(struct visit *v, const char *name, uint64_t total, uint64_t unread)
{
	for (;;) {
		const struct folder_info *f = info_of(v, name);

		assert_non_null(f);
		if (f->total == total && f->unread == unread)
			return;
		wait_here();
	}
}

static enum folders_refusal
view(struct visit *v, uint64_t folder, enum folders_order order, bool descending)
{
	const struct folders_view how = {
	    .folder = folder, .order = order, .descending = descending, .limit = 500};

	folders_view(v->folders, &how, on_answer, v);
	return wait_for(v);
}

static enum folders_refusal
flag(
    struct visit *v, uint64_t folder, unsigned add, unsigned remove, const uint64_t *uids, size_t n)
{
	const struct folders_flags change = {.add = add, .remove = remove};

	folders_flag(v->folders, folder, &change, uids, n, on_answer, v);
	return wait_for(v);
}

static int
file_with(const char *text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static enum folders_refusal
append(struct visit *v, uint64_t folder, unsigned flags, const char *text)
{
	int fd = file_with(text);

	folders_append(v->folders, folder, flags, 1700000000, NULL, 0, fd, on_answer, v);
	close(fd);
	return wait_for(v);
}

/* The number of files in a directory; name: of the last one. */
static size_t
count_in(const char *directory, char name[NAME_MAX + 1])
{
	DIR *d = opendir(path_of(directory));
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			n++;
			if (name != NULL)
				strlcpy(name, e->d_name, NAME_MAX + 1);
		}
	closedir(d);
	return n;
}

/* ---- tests ---- */

static void
folders_of_a_new_mailbox(void **state)
{
	static const char *const names[] = {"INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"};
	struct visit *v = visit("ann");

	(void)state;
	assert_int_equal(list(v), 0);
	assert_int_equal(v->n_folders, nitems(names));
	for (size_t i = 0; i < nitems(names); i++) {
		const struct folder_info *f = info_of(v, names[i]);

		assert_non_null(f);
		assert_int_equal(f->role, FOLDER_INBOX + i);
		assert_true(f->subscribed);
		assert_int_equal(f->total, 0);
		assert_int_equal(f->uid_next, 1);
		assert_true(f->uid_validity > 1700000000);
	}
	assert_int_equal(access(path_of("ann/.Sent/maildirfolder"), F_OK), 0);
	assert_int_equal(access(path_of("ann/.Sent/cur"), F_OK), 0);
	assert_int_equal(access(path_of("ann/subscriptions"), F_OK), 0);
	leave(v);
}

static void
views_and_flags(void **state)
{
	struct visit *v;
	uint64_t inbox, uids[2];
	char name[NAME_MAX + 1];

	(void)state;
	make_file("ann/new/1700000002.b,S=4", "two\n");
	make_file("ann/new/1700000001.a,S=20", "one\n");
	make_file("ann/cur/1700000003.c:2,FS", "three\n");
	make_file("ann/cur/.hidden", "no\n");
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	assert_int_equal(info_of(v, "INBOX")->total, 3);
	assert_int_equal(info_of(v, "INBOX")->unread, 2);
	assert_int_equal(count_in("ann/new", NULL), 0);
	assert_int_equal(view(v, inbox, ORDER_DATE, true), 0);
	assert_int_equal(v->number, 3);
	assert_int_equal(v->n_rows, 3);
	assert_int_equal(v->rows[0].uid, 3);
	assert_int_equal(v->rows[0].flags, FLAG_FLAGGED | FLAG_SEEN);
	assert_int_equal(v->rows[0].size, 6);
	assert_int_equal(v->rows[2].uid, 1);
	assert_int_equal(v->rows[2].arrival, 1700000001);
	assert_int_equal(v->rows[2].size, 20);
	assert_false(v->rows[2].is_read);
	assert_int_equal(view(v, inbox, ORDER_SIZE, false), 0);
	assert_int_equal(v->rows[0].uid, 2);
	uids[0] = 1;
	uids[1] = 99;
	assert_int_equal(flag(v, inbox, FLAG_SEEN | FLAG_ANSWERED, 0, uids, 2), 0);
	assert_int_equal(v->n_uids, 0);
	assert_int_equal(access(path_of("ann/cur/1700000001.a,S=20:2,RS"), F_OK), 0);
	expect_counts(v, "INBOX", 3, 1);
	assert_int_equal(flag(v, inbox, 0, FLAG_SEEN, uids, 1), 0);
	assert_int_equal(access(path_of("ann/cur/1700000001.a,S=20:2,R"), F_OK), 0);
	folders_get(v->folders, inbox, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_string_equal(v->text, "one\n");
	folders_get(v->folders, inbox, 4, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_NO_MESSAGE);
	folders_expunge(v->folders, inbox, uids, 2, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->number, 1);
	assert_int_equal(count_in("ann/cur", name), 2);
	leave(v);
	/* the same numbers when it is opened again */
	v = visit("ann");
	assert_int_equal(id_of(v, "INBOX"), inbox);
	assert_int_equal(view(v, inbox, ORDER_ARRIVAL, false), 0);
	assert_int_equal(v->n_rows, 2);
	assert_int_equal(v->rows[0].uid, 2);
	assert_int_equal(v->rows[1].uid, 3);
	assert_int_equal(info_of(v, "INBOX")->uid_next, 4);
	leave(v);
}

static void
moves_and_copies(void **state)
{
	struct visit *v;
	uint64_t inbox, trash, modseq, uids[3] = {1, 2, 7};

	(void)state;
	make_file("ann/cur/1700000001.a:2,S", "one\n");
	make_file("ann/cur/1700000002.b:2,", "two\n");
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	trash = id_of(v, "Trash");
	folders_move(v->folders, inbox, trash, uids, 3, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->n_uids, 3);
	assert_int_equal(v->uids[0], 1);
	assert_int_equal(v->uids[1], 2);
	assert_int_equal(v->uids[2], 0);
	expect_counts(v, "INBOX", 0, 0);
	expect_counts(v, "Trash", 2, 1);
	assert_int_equal(access(path_of("ann/.Trash/cur/1700000001.a:2,S"), F_OK), 0);
	folders_copy(v->folders, trash, inbox, uids, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->uids[0], 3);
	folders_get(v->folders, inbox, 3, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_string_equal(v->text, "one\n");
	folders_move(v->folders, trash, inbox, uids, 2, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->uids[0], 4);
	expect_counts(v, "INBOX", 3, 1);
	folders_changes(v->folders, inbox, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->n_rows, 3);
	assert_int_equal(v->n_uids, 2);
	modseq = v->modseq;
	assert_int_equal(info_of(v, "INBOX")->modseq, modseq);
	folders_changes(v->folders, inbox, modseq, on_answer, v);
	folders_move(v->folders, 12345, inbox, uids, 2, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(wait_for(v), FOLDERS_NO_FOLDER);
	leave(v);
}

static void
appends(void **state)
{
	static const struct span keywords[] = {{"work", 4}, {"$Forwarded", 10}};
	struct visit *v = visit("ann");
	uint64_t drafts = id_of(v, "Drafts"), uid = 1;
	struct folders_flags change = {.add_keywords = keywords, .n_add = 2};
	char name[NAME_MAX + 1];
	struct stat st;
	char path[300];

	(void)state;
	assert_int_equal(
	    append(v, drafts, FLAG_DRAFT | FLAG_SEEN, "Subject: x\r\n\r\nhello\r\n"), 0);
	assert_int_equal(v->number, 1);
	assert_int_equal(count_in("ann/.Drafts/cur", name), 1);
	assert_int_equal(count_in("ann/.Drafts/tmp", NULL), 0);
	assert_non_null(strstr(name, ",S=21:2,DS"));
	snprintf(path, sizeof path, "ann/.Drafts/cur/%s", name);
	assert_int_equal(stat(path_of(path), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1700000000);
	folders_flag(v->folders, drafts, &change, &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(view(v, drafts, ORDER_DATE, true), 0);
	assert_string_equal(v->keywords[0], "work $Forwarded");
	assert_int_equal(count_in("ann/.Drafts/cur", name), 1);
	assert_non_null(strstr(name, ":2,DSab"));
	/* the letters of another folder are others */
	make_file("ann/dovecot-keywords", "0 other\n");
	folders_move(v->folders, drafts, id_of(v, "INBOX"), &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(count_in("ann/cur", name), 1);
	assert_non_null(strstr(name, ":2,DSbc"));
	leave(v);
}

static void
many_uids_at_once(void **state)
{
	struct visit *v = visit("ann");
	uint64_t inbox = id_of(v, "INBOX"), *uids = xcalloc(11000, sizeof *uids);

	(void)state;
	assert_int_equal(append(v, inbox, 0, "a\r\n"), 0);
	for (size_t i = 0; i < 11000; i++)
		uids[i] = i + 1;
	folders_copy(v->folders, inbox, inbox, uids, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	folders_move(v->folders, inbox, id_of(v, "Junk"), uids, 11000, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->n_uids, 11000);
	assert_int_equal(v->uids[0], 1);
	assert_int_equal(v->uids[1], 2);
	assert_int_equal(v->uids[2], 0);
	free(uids);
	leave(v);
}

static void
creates_renames_removes(void **state)
{
	struct visit *v = visit("ann");
	uint64_t id, below;

	(void)state;
	folders_create(v->folders, span_of("Projekte/H\xc3\xa4user"), on_answer, v);
	assert_int_equal(wait_for(v), 0);
	below = v->number;
	folders_create(v->folders, span_of("Projekte"), on_answer, v);
	assert_int_equal(wait_for(v), 0);
	id = v->number;
	assert_int_equal(access(path_of("ann/.Projekte.H&AOQ-user/maildirfolder"), F_OK), 0);
	folders_create(v->folders, span_of("Projekte"), on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_EXISTS);
	folders_create(v->folders, span_of("inbox"), on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_EXISTS);
	assert_int_equal(append(v, below, 0, "a\r\n"), 0);
	folders_rename(v->folders, id, span_of("Alt"), on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(id_of(v, "Alt"), id);
	assert_int_equal(id_of(v, "Alt/H\xc3\xa4user"), below);
	assert_int_equal(info_of(v, "Alt/H\xc3\xa4user")->total, 1);
	assert_true(info_of(v, "Alt")->subscribed);
	assert_int_equal(access(path_of("ann/.Alt.H&AOQ-user/cur"), F_OK), 0);
	folders_rename(v->folders, id, span_of("Alt/tief"), on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_REQUEST);
	folders_rename(v->folders, id_of(v, "Sent"), span_of("Gesendet"), on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_REQUEST);
	folders_subscribe(v->folders, id, false, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_false(info_of(v, "Alt")->subscribed);
	folders_remove(v->folders, below, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_null(info_of(v, "Alt/H\xc3\xa4user"));
	folders_remove(v->folders, id_of(v, "Trash"), on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_REQUEST);
	folders_remove(v->folders, 77, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_NO_FOLDER);
	while (count_in("ann/tmp", NULL) > 0)
		assert_int_equal(list(v), 0);
	leave(v);
}

static void
hostile_names(void **state)
{
	static const char *const bad[] = {"", "/", "a/", "/a", "a//b", "../x", "..", ".", "a.b",
	    "/abs", "a\nb", "a\r\nb", "a\x7f", "\xff", "\xc3", "\xed\xa0\x80",
	    "\xe2\x80\xae"
	    "x",
	    " a", "a ", "INBOX/x", "inbox/y", "a/ /b"};
	static const char *const odd[] = {"cur", "new", "tmp", "~root", "&", "a&b", "&AOQ-", "*%",
	    "\xf0\x9f\x93\xac", "\"q\\\"", "-", "maildirfolder"};
	struct visit *v = visit("ann");
	char text[5000];

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++) {
		folders_create(v->folders, span_of(bad[i]), on_answer, v);
		assert_int_equal(wait_for(v), FOLDERS_BAD_NAME);
	}
	folders_create(v->folders, (struct span){"a\0b", 3}, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_NAME);
	memset(text, 'x', sizeof text);
	folders_create(v->folders, (struct span){text, 4096}, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_NAME);
	folders_create(v->folders, (struct span){text, 200}, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	for (size_t i = 1; i < 1000; i += 2)
		text[i] = '/';
	folders_create(v->folders, (struct span){text, 999}, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_NAME);
	folders_create(v->folders, (struct span){text, 199}, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	for (size_t i = 0; i < nitems(odd); i++) {
		uint64_t id;

		folders_create(v->folders, span_of(odd[i]), on_answer, v);
		assert_int_equal(wait_for(v), 0);
		id = v->number;
		assert_int_equal(id_of(v, odd[i]), id);
	}
	/* directories that are no folders */
	mkdir(path_of("ann/.&bad"), 0700);
	mkdir(path_of("ann/.&AGE-"), 0700); /* "a", which needs no shift */
	mkdir(path_of("ann/..x"), 0700);
	assert_int_equal(symlink("/etc", path_of("ann/.Link")), 0);
	make_file("ann/.File", "");
	make_file("ann/cur/1.x:2,", "a");
	assert_int_equal(mkfifo(path_of("ann/cur/2.fifo:2,"), 0600), 0);
	assert_int_equal(symlink("/etc/passwd", path_of("ann/cur/3.link:2,")), 0);
	assert_int_equal(mkdir(path_of("ann/cur/4.dir:2,"), 0700), 0);
	expect_counts(v, "INBOX", 1, 1);
	assert_null(info_of(v, "Link"));
	assert_null(info_of(v, "File"));
	assert_null(info_of(v, "a"));
	leave(v);
}

static void
others_changes_are_noticed(void **state)
{
	struct visit *v = visit("ann"), *w = visit("ann");
	uint64_t inbox = id_of(v, "INBOX");

	(void)state;
	folders_watch(v->folders, true);
	assert_int_equal(list(v), 0);
	make_file("ann/tmp/1700000001.a", "one\n");
	assert_int_equal(
	    rename(path_of("ann/tmp/1700000001.a"), path_of("ann/new/1700000001.a")), 0);
	while (v->n_changed == 0 || v->changed[0].total != 1)
		wait_here();
	assert_int_equal(v->changed[0].id, inbox);
	/* another program marks it, then moves it, then removes it */
	assert_int_equal(
	    rename(path_of("ann/cur/1700000001.a:2,"), path_of("ann/cur/1700000001.a:2,S")), 0);
	while (v->changed[0].unread != 0)
		wait_here();
	assert_int_equal(view(w, inbox, ORDER_DATE, true), 0);
	assert_int_equal(w->rows[0].uid, 1);
	assert_int_equal(w->rows[0].flags, FLAG_SEEN);
	assert_int_equal(
	    rename(path_of("ann/cur/1700000001.a:2,S"), path_of("ann/.Junk/cur/1700000001.a:2,S")),
	    0);
	expect_counts(v, "INBOX", 0, 0);
	expect_counts(v, "Junk", 1, 0);
	unlink(path_of("ann/.Junk/cur/1700000001.a:2,S"));
	expect_counts(v, "Junk", 0, 0);
	/* what one session does, the other hears */
	v->n_changes = 0;
	assert_int_equal(append(w, inbox, 0, "x\r\n"), 0);
	while (v->changed[0].total != 1)
		wait_here();
	/* folders come and go */
	assert_int_equal(mkdir(path_of("ann/.Neu"), 0700), 0);
	while (info_of(v, "Neu") == NULL)
		wait_here();
	assert_int_equal(system("rm -r "
				"/tmp/store-folders-*/mbox/ann/.Neu"),
	    0);
	while (info_of(v, "Neu") != NULL)
		wait_here();
	leave(v);
	leave(w);
}

static void
lost_and_torn_databases(void **state)
{
	struct visit *v = visit("ann");
	uint64_t inbox = id_of(v, "INBOX"), validity = info_of(v, "INBOX")->uid_validity;
	struct stat st;

	(void)state;
	assert_int_equal(append(v, inbox, FLAG_SEEN, "x\r\n"), 0);
	leave(v);
	for (int how = 0; how < 5; how++) {
		v = visit("ann");
		assert_int_equal(list(v), 0);
		leave(v);
		/* the session's end closes the database */
		store_client_free(&auth);
		store_free(&store);
		if (how == 0)
			unlink(path_of("ann/index.db"));
		else if (how == 1)
			assert_int_equal(truncate(path_of("ann/index.db"), 5000), 0);
		else if (how == 2)
			make_file("ann/index.db", "this is no database at all, but it is here\n");
		else if (how == 3)
			make_file("ann/index.db", "");
		else if (stat(path_of("ann/index.db"), &st) == 0) {
			/* flipped bytes all over it */
			int fd = open(path_of("ann/index.db"), O_RDWR);

			for (off_t at = 100; at < st.st_size; at += 997)
				assert_int_equal(pwrite(fd, "\x5a\x5a\x5a\x5a", 4, at), 4);
			close(fd);
		}
		start_store("");
		auth = store_client_new(base, sock, "auth", NULL, NULL);
		v = visit("ann");
		if (list(v) != 0) /* found to be torn: made anew for the next one */
			assert_int_equal(list(v), 0);
		assert_int_equal(info_of(v, "INBOX")->total, 1);
		assert_int_equal(info_of(v, "INBOX")->unread, 0);
		if (how < 4) {
			assert_true(info_of(v, "INBOX")->uid_validity >= validity);
			assert_int_not_equal(id_of(v, "INBOX"), inbox);
		}
		inbox = id_of(v, "INBOX");
		validity = info_of(v, "INBOX")->uid_validity;
		leave(v);
	}
}

static void
limits(void **state)
{
	struct visit *v, *w;
	uint64_t inbox, uid = 1;
	char text[2000];

	(void)state;
	store_client_free(&auth);
	store_free(&store);
	start_store("1500");
	auth = store_client_new(base, sock, "auth", NULL, NULL);
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	memset(text, 'x', sizeof text);
	text[1000] = '\0';
	assert_int_equal(append(v, inbox, 0, text), 0);
	assert_int_equal(list(v), 0);
	assert_int_equal(v->number, 1000);
	assert_int_equal(v->modseq, 1500);
	assert_int_equal(append(v, inbox, 0, text), FOLDERS_FULL);
	folders_copy(v->folders, inbox, id_of(v, "Sent"), &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_FULL);
	folders_move(v->folders, inbox, id_of(v, "Sent"), &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(append(v, inbox, 0, text), FOLDERS_FULL);
	/* Maximum Users counts mailboxes */
	make_mailbox("bob");
	make_mailbox("cid");
	make_mailbox("dan");
	w = visit("ann");
	assert_int_equal(try_open("bob"), 0);
	close(opened_fd);
	leave(w);
	leave(v);
}

/* ---- without descriptors ---- */

static struct rlimit descriptors;

static void
leave_descriptors(int n)
{
	struct rlimit limit;
	int free_one = dup(0);

	close(free_one);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
	limit = (struct rlimit){free_one + n, descriptors.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
give_descriptors(void)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
}

/* A label that cannot be read for a moment keeps its letter. */
static void
labels_out_of_reach(void **state)
{
	const struct span labels[] = {span_of("one"), span_of("two")};
	struct folders_flags change = {.add_keywords = labels, .n_add = 1};
	struct visit *v;
	uint64_t inbox, uid = 1;

	(void)state;
	make_file("ann/cur/1700000001.a,S=4:2,", "one\n");
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	folders_flag(v->folders, inbox, &change, &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(view(v, inbox, ORDER_DATE, true), 0);
	assert_string_equal(v->keywords[0], "one");
	assert_int_equal(utimensat(AT_FDCWD, path_of("ann/dovecot-keywords"), NULL, 0), 0);
	leave_descriptors(1);
	(void)view(v, inbox, ORDER_DATE, true);
	give_descriptors();
	change.add_keywords = labels + 1;
	folders_flag(v->folders, inbox, &change, &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(view(v, inbox, ORDER_DATE, true), 0);
	assert_string_equal(v->keywords[0], "one two");
	leave(v);
}

static void
expect_labels(struct visit *v, const char *expected)
{
	folders_labels(v->folders, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	if (strcasecmp(v->labels, expected) != 0) /* as either folder writes them */
		fail_msg("%s, not %s", v->labels, expected);
}

static void
label(struct visit *v, uint64_t folder, const char *add, const char *remove, uint64_t uid)
{
	const struct span names[] = {span_of(add), span_of(remove)};
	const struct folders_flags change = {.add_keywords = &names[0],
	    .remove_keywords = &names[1],
	    .n_add = add[0] != '\0',
	    .n_remove = remove[0] != '\0'};

	folders_flag(v->folders, folder, &change, &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
}

/* Whatever happens to messages, and whoever does it. */
static void
counts_labels(void **state)
{
	struct visit *v;
	uint64_t inbox, archive, trash, one = 1, two = 2;

	(void)state;
	make_file("ann/cur/1700000001.a,S=4:2,", "one\n");
	make_file("ann/cur/1700000002.b,S=4:2,S", "two\n");
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	archive = id_of(v, "Archive");
	trash = id_of(v, "Trash");
	expect_labels(v, "");
	label(v, inbox, "work", "", 1);
	label(v, inbox, "Work", "", 2);
	label(v, inbox, "home", "", 2);
	expect_labels(v, "home 1/0 work 2/1");
	assert_int_equal(flag(v, inbox, FLAG_SEEN, 0, &one, 1), 0);
	assert_int_equal(flag(v, inbox, 0, FLAG_SEEN, &two, 1), 0);
	expect_labels(v, "home 1/1 work 2/1");
	/* In another folder it is another letter, and may be written otherwise. */
	make_file("ann/.Archive/dovecot-keywords", "3 WORK\n");
	folders_copy(v->folders, inbox, archive, &two, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	expect_labels(v, "home 2/2 work 3/2");
	folders_move(v->folders, inbox, trash, &two, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	expect_labels(v, "home 1/1 work 2/1");
	one = 1;
	folders_expunge(v->folders, archive, &one, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	expect_labels(v, "home 0/0 work 1/0");
	label(v, inbox, "home", "work", 1);
	leave(v);
	/* They are kept; what another program does is counted, too. */
	store_free(&store);
	start_store("");
	v = visit("ann");
	expect_labels(v, "home 1/0 work 0/0");
	make_file("ann/cur/1700000003.c,S=4:2,a", "new\n");
	expect_counts(v, "INBOX", 2, 1);
	expect_labels(v, "home 1/0 work 1/1");
	leave(v);
}

/* Keywords of which there are more than letters stay in Dovecot's file. */
static void
further_keywords(void **state)
{
	const struct span label = span_of("ours");
	struct folders_flags change = {.add_keywords = &label, .n_add = 1};
	struct visit *v;
	uint64_t inbox, uid = 1;
	char text[200];
	ssize_t n;
	int fd;

	(void)state;
	make_file("ann/cur/1700000001.a,S=4:2,", "one\n");
	make_file("ann/dovecot-keywords", "0 theirs\n26 more\n31 and more\n");
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	folders_flag(v->folders, inbox, &change, &uid, 1, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	fd = open(path_of("ann/dovecot-keywords"), O_RDONLY);
	n = read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	assert_string_equal(text, "0 theirs\n1 ours\n26 more\n31 and more\n");
	leave(v);
}

/* What cannot be read is not taken for empty, and written over. */
static void
subscriptions_out_of_reach(void **state)
{
	struct visit *v = visit("ann");
	uint64_t archive = id_of(v, "Archive");
	char link[20];

	(void)state;
	assert_true(info_of(v, "Archive")->subscribed);
	assert_int_equal(unlink(path_of("ann/subscriptions")), 0);
	assert_int_equal(symlink("elsewhere", path_of("ann/subscriptions")), 0);
	folders_subscribe(v->folders, archive, false, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_TROUBLE);
	assert_true(info_of(v, "Archive")->subscribed);
	assert_int_equal(readlink(path_of("ann/subscriptions"), link, sizeof link), 9);
	assert_int_equal(unlink(path_of("ann/subscriptions")), 0);
	folders_subscribe(v->folders, archive, false, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	leave(v);
}

static void
documents(void **state)
{
	const struct timespec future[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
	struct visit *v = visit("ann");
	int fd = file_with("{\"theme\": \"dark\"}");
	uint64_t first, second;

	(void)state;
	folders_document(v->folders, "settings", on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_NO_MESSAGE);
	folders_keep(v->folders, "settings", 1, fd, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_OTHER);
	folders_keep(v->folders, "settings", 0, fd, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	first = v->number;
	folders_keep(v->folders, "settings", 0, fd, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_OTHER);
	folders_keep(v->folders, "settings", first, fd, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	second = v->number;
	assert_true(second > first);
	folders_keep(v->folders, "settings", first, fd, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_OTHER);
	/* A clock that went back makes no version a second time. */
	assert_int_equal(utimensat(AT_FDCWD, path_of("ann/documents/settings"), future, 0), 0);
	folders_keep(v->folders, "settings", 4000000000000000000, fd, on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_true(v->number == 4000000000000000001);
	folders_document(v->folders, "settings", on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_true(v->number == 4000000000000000001);
	assert_string_equal(v->text, "{\"theme\": \"dark\"}");
	/* What cannot be opened now is not missing. */
	leave_descriptors(0);
	folders_document(v->folders, "settings", on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_TROUBLE);
	give_descriptors();
	folders_keep(v->folders, "../x", 0, fd, on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_BAD_NAME);
	folders_document(v->folders, "../inbox.fld", on_answer, v);
	assert_int_equal(wait_for(v), FOLDERS_NO_MESSAGE);
	close(fd);
	leave(v);
}

/* The end of store, after which nobody waits for what becomes durable just then. */
static void
ends_while_the_disk_works(void **state)
{
	struct visit *v = visit("ann");
	uint64_t inbox = id_of(v, "INBOX");
	int fd = file_with("one\r\n");

	(void)state;
	folders_append(v->folders, inbox, 0, 0, NULL, 0, fd, on_answer, v);
	while (durable_is_idle(store->durable))
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	close(fd);
	store_free(&store);
	leave(v);
}

/* A store that was killed after the first of two directories. */
static void
half_done_renames(void **state)
{
	struct visit *v = visit("ann");
	char path[SQLITE_FILES_PATH_SIZE];
	uint64_t id, below;
	sqlite3 *db;
	int fd;

	(void)state;
	folders_create(v->folders, span_of("Old"), on_answer, v);
	assert_int_equal(wait_for(v), 0);
	id = v->number;
	folders_create(v->folders, span_of("Old/Sub"), on_answer, v);
	assert_int_equal(wait_for(v), 0);
	below = v->number;
	assert_int_equal(append(v, below, 0, "x\r\n"), 0);
	leave(v);
	store_client_free(&auth);
	store_free(&store);
	assert_int_equal(rename(path_of("ann/.Old"), path_of("ann/.New")), 0);
	assert_int_not_equal(fd = open(path_of("ann"), O_RDONLY | O_DIRECTORY), -1);
	sqlite_files_path(fd, "index.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(
		db, "INSERT OR REPLACE INTO meta VALUES ('rename', '.Old/.New')", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	close(fd);
	start_store("");
	auth = store_client_new(base, sock, "auth", NULL, NULL);
	v = visit("ann");
	assert_int_equal(id_of(v, "New"), id);
	assert_int_equal(id_of(v, "New/Sub"), below);
	assert_int_equal(info_of(v, "New/Sub")->total, 1);
	assert_null(info_of(v, "Old"));
	leave(v);
}

/* Each message is in one place at the end, whoever was faster. */
static void
sessions_that_race(void **state)
{
	struct visit *v = visit("ann"), *w = visit("ann");
	uint64_t inbox = id_of(v, "INBOX"), trash = id_of(v, "Trash"), junk = id_of(v, "Junk"),
		 uids[50];

	(void)state;
	for (size_t i = 0; i < nitems(uids); i++) {
		assert_int_equal(append(v, inbox, 0, "x\r\n"), 0);
		uids[i] = v->number;
	}
	folders_move(v->folders, inbox, trash, uids, nitems(uids), on_answer, v);
	folders_move(w->folders, inbox, junk, uids, nitems(uids), on_answer, w);
	v->answered = w->answered = false;
	while (!w->answered || !v->answered)
		wait_here();
	folders_expunge(v->folders, inbox, uids, nitems(uids), on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_int_equal(v->number, 0);
	assert_int_equal(info_of(v, "INBOX")->total, 0);
	assert_int_equal(info_of(v, "Trash")->total + info_of(v, "Junk")->total, nitems(uids));
	assert_int_equal(
	    count_in("ann/.Trash/cur", NULL) + count_in("ann/.Junk/cur", NULL), nitems(uids));
	leave(v);
	leave(w);
}

static void
large_mailboxes(void **state)
{
	enum { N = 100000, LINKS = 20000 };
	struct visit *v;
	uint64_t inbox, uid = N / 2;
	int cur;
	char from[60] = "", name[60];

	(void)state;
	assert_int_not_equal(cur = open(path_of("ann/cur"), O_RDONLY | O_DIRECTORY), -1);
	for (size_t i = 0; i < N; i++) {
		snprintf(name, sizeof name, "%zu.m.x,S=%zu:2,%s", 1600000000 + i, 100 + i % 7777,
		    i % 2 ? "S" : "");
		if (i % LINKS == 0) {
			snprintf(from, sizeof from, "ann/cur/%s", name);
			make_file(from, "x");
			strlcpy(from, name, sizeof from);
		} else {
			assert_int_equal(linkat(cur, from, cur, name, 0), 0);
		}
	}
	close(cur);
	v = visit("ann");
	inbox = id_of(v, "INBOX");
	assert_int_equal(info_of(v, "INBOX")->total, N);
	assert_int_equal(info_of(v, "INBOX")->unread, N / 2);
	assert_int_equal(view(v, inbox, ORDER_DATE, true), 0);
	assert_int_equal(v->n_rows, 500);
	assert_int_equal(v->rows[0].uid, N);
	assert_int_equal(view(v, inbox, ORDER_SIZE, false), 0);
	assert_int_equal(v->rows[0].size, 100);
	assert_int_equal(flag(v, inbox, FLAG_SEEN, 0, &uid, 1), 0);
	folders_find(v->folders, inbox,
	    &(struct folders_find){.op = FIND_FLAG, .number = FLAG_SEEN, .text = {"", 0}}, 1,
	    on_answer, v);
	assert_int_equal(wait_for(v), 0);
	assert_in_range(v->number, N / 2, N / 2 + 1);
	leave(v);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(folders_of_a_new_mailbox),
	    WITH(views_and_flags),
	    WITH(moves_and_copies),
	    WITH(appends),
	    WITH(many_uids_at_once),
	    WITH(creates_renames_removes),
	    WITH(hostile_names),
	    WITH(others_changes_are_noticed),
	    WITH(lost_and_torn_databases),
	    WITH(limits),
	    WITH(labels_out_of_reach),
	    WITH(further_keywords),
	    WITH(counts_labels),
	    WITH(subscriptions_out_of_reach),
	    WITH(documents),
	    WITH(ends_while_the_disk_works),
	    WITH(half_done_renames),
	    WITH(sessions_that_race),
	    WITH(large_mailboxes),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
