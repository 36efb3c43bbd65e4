/*
 * Sessions: sockets that stand for one mailbox each. Opens and removes files of the folders of that
 * mailbox, by names that a listing holds, never by names that came over the socket.
 */
#include "store/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "store/listing.h"
#include "store/maildir_name.h"
#include "store/scan.h"

enum {
	SCAN_AT_ONCE = 2000, /* names read in the loop; more are read in the thread */
	SEARCH_NAMES_MAX = 5 * 1000 * 1000, /* read by one session to find files that were moved */
};

struct session {
	TAILQ_ENTRY(session) entry; /* of its mailbox */
	TAILQ_ENTRY(session) wait;  /* of the scan it waits for */
	TAILQ_ENTRY(session) every; /* of all */
	struct sessions *all;
	struct maildir *m;
	struct scan_job *scan; /* NULL: it waits for none */
	struct listing *listing;
	struct ipc_channel *channel;
	uint64_t deleted, searched;
	bool search_failed; /* a folder could not be looked through */
};

struct sessions {
	struct event_base *base;
	struct mailboxes *mailboxes;
	struct worker *chores;
	size_t n, users, max_users;
	struct session_list every;
};

/* A scan and who waits for it. */
struct scan_job {
	struct job job;
	struct sessions *all;
	struct maildir *m;
	struct scan *scan;
	struct listing *result;
	int error;
	struct session_list waiting;
};

/* ---- how many ---- */

int
sessions_enter(struct sessions *ss, struct maildir *m)
{
	if (m->n_sessions == 0 && ss->users >= ss->max_users)
		return STORE_TOO_MANY_USERS;
	ss->users += m->n_sessions++ == 0;
	return 0;
}

void
sessions_leave(struct sessions *ss, struct maildir *m)
{
	ss->users -= --m->n_sessions == 0;
}

/* ---- life ---- */

static void
session_free(struct session *s)
{
	if (s->scan != NULL)
		TAILQ_REMOVE(&s->scan->waiting, s, wait);
	TAILQ_REMOVE(&s->m->sessions, s, entry);
	TAILQ_REMOVE(&s->all->every, s, every);
	s->all->n--;
	sessions_leave(s->all, s->m);
	mailboxes_release(s->m);
	ipc_channel_free(&s->channel);
	listing_release(&s->listing);
	free(s);
}

static void
on_close(void *arg)
{
	session_free(arg);
}

static void
refuse(struct session *s, const char *what)
{
	log_warn("malformed %s on a session: it is closed mailbox=%s", what, s->m->name);
	session_free(s);
}

/* ---- the listing ---- */

static void
give_listing(struct session *s, struct listing *l)
{
	int fd = fcntl(l->memory, F_DUPFD_CLOEXEC, 3);
	struct writer w;

	if (fd == -1) {
		log_warn("cannot pass on a listing: %s mailbox=%s", strerror(errno), s->m->name);
		session_free(s);
		return;
	}
	s->listing = listing_hold(l);
	ipc_write(&w, MAILBOX_LISTING, 0);
	ipc_channel_send(s->channel, &w, fd);
}

static void
scan_work(struct job *job)
{
	struct scan_job *j = (struct scan_job *)job;

	scan_names(j->scan, SIZE_MAX);
	if ((j->result = scan_finish(j->scan)) == NULL)
		j->error = errno;
}

static void
say_failed(const struct maildir *m, int error)
{
	log_warn("cannot list mailbox=%s: %s", m->name, strerror(error));
}

static void
say_cut(const struct scan *scan, const struct maildir *m)
{
	if (scan_was_cut(scan))
		log_warn("mailbox=%s has more than %d messages: the rest is not listed", m->name,
		    SCAN_MESSAGES_MAX);
}

static void
free_job(struct scan_job *j)
{
	if (j->m->scan == j)
		j->m->scan = NULL;
	mailboxes_release(j->m);
	scan_free(&j->scan);
	listing_release(&j->result);
	free(j);
}

static void
scan_done(struct job *job)
{
	struct scan_job *j = (struct scan_job *)job;
	struct session *s;

	if (j->result == NULL)
		say_failed(j->m, j->error);
	else
		say_cut(j->scan, j->m);
	while ((s = TAILQ_FIRST(&j->waiting)) != NULL) {
		TAILQ_REMOVE(&j->waiting, s, wait);
		s->scan = NULL;
		if (j->result != NULL)
			give_listing(s, j->result);
		else
			session_free(s);
	}
	if (j->result != NULL && j->m->scan == j)
		mailboxes_keep_listing(j->all->mailboxes, j->m, j->result);
	free_job(j);
}

static void
wait_for(struct session *s, struct scan_job *j)
{
	s->scan = j;
	TAILQ_INSERT_TAIL(&j->waiting, s, wait);
}

static void
scan_in_thread(struct session *s, struct scan *scan)
{
	struct scan_job *j = xcalloc(1, sizeof *j);

	j->job.work = scan_work;
	j->job.done = scan_done;
	j->all = s->all;
	j->m = s->m;
	j->scan = scan;
	TAILQ_INIT(&j->waiting);
	mailboxes_hold(j->m);
	j->m->scan = j;
	wait_for(s, j);
	worker_push(s->all->chores, &j->job, false);
}

static int
scan_now(struct session *s)
{
	struct scan *scan = scan_new(s->m, s->m->listing);
	struct listing *l;
	int error;

	if (scan == NULL)
		return -1;
	if (!scan_names(scan, SCAN_AT_ONCE) || scan_is_slow(scan)) {
		scan_in_thread(s, scan);
		return 0;
	}
	l = scan_finish(scan);
	error = errno;
	if (l != NULL) {
		mailboxes_keep_listing(s->all->mailboxes, s->m, l);
		give_listing(s, l);
	}
	scan_free(&scan);
	errno = error;
	if (l == NULL)
		return -1;
	listing_release(&l);
	return 0;
}

/* -1 with errno: there will be no listing. */
static int
get_listing(struct session *s)
{
	struct maildir *m = s->m;

	if (m->listing != NULL && listing_is_current(m->listing, m))
		give_listing(s, m->listing);
	else if (m->scan != NULL && scan_is_current(m->scan->scan, m))
		wait_for(s, m->scan);
	else
		return scan_now(s);
	return 0;
}

/* ---- files that are not where the listing saw them ---- */

static bool
has_base(const char *name, const struct listing_file *f)
{
	return strncmp(name, f->name, f->base_len) == 0 &&
	       (name[f->base_len] == '\0' || name[f->base_len] == ':');
}

/* A client that marks messages moves them to cur/ and gives them flags. The name, or false. */
static bool
search_folder(struct session *s, enum maildir_folder folder, const struct listing_file *f,
    char name[NAME_MAX + 1])
{
	int fd = s->m->dir != -1 ? maildir_folder_open(s->m, folder) : -1;
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	bool found = false;

	if (d == NULL) {
		s->search_failed |= s->m->dir != -1 && errno != ENOENT;
		closefd(&fd);
		return false;
	}
	while (!found && s->searched < SEARCH_NAMES_MAX && (e = readdir(d)) != NULL) {
		s->searched++;
		found =
		    has_base(e->d_name, f) && strlcpy(name, e->d_name, NAME_MAX + 1) <= NAME_MAX;
	}
	s->search_failed |= !found && s->searched >= SEARCH_NAMES_MAX;
	closedir(d);
	return found;
}

/* Where a file is now. */
struct place {
	enum maildir_folder folder;
	char name[NAME_MAX + 1];
};

static bool
search(struct session *s, const struct listing_file *f, struct place *p)
{
	bool found;

	s->search_failed = false;
	p->folder = MAILDIR_CUR;
	found = search_folder(s, p->folder, f, p->name);
	if (!found && f->folder == MAILDIR_CUR) {
		p->folder = MAILDIR_NEW;
		found = search_folder(s, p->folder, f, p->name);
	}
	/* Still why it is searched for, unless nobody could look. */
	errno = s->search_failed ? EAGAIN : ENOENT;
	return found;
}

/* ---- GET ---- */

static int
open_file(struct maildir *m, enum maildir_folder folder, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int at = maildir_folder(m, folder), fd = at != -1 ? openat(at, name, flags) : -1;
	struct stat st;

	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		closefd(&fd);
		errno = EINVAL;
	}
	return fd;
}

/* -1 with errno */
static int
open_message(struct session *s, const struct listing_file *f)
{
	int fd = open_file(s->m, f->folder, f->name);
	struct place p;

	if (fd == -1 && errno == ENOENT && search(s, f, &p))
		fd = open_file(s->m, p.folder, p.name);
	return fd;
}

/* False: the session is freed. */
static bool
send_message(struct session *s, uint64_t index)
{
	const struct listing_file *f = &s->listing->files[index];
	bool there = s->m->dir != -1;
	int fd = there ? open_message(s, f) : -1;
	struct writer w;

	if (there && fd == -1 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		log_warn("session closed: %s mailbox=%s", strerror(errno), s->m->name);
		session_free(s);
		return false;
	}
	if (there && fd == -1 && errno != ENOENT)
		log_warn("cannot open mailbox=%s file=%s: %s", s->m->name,
		    log_safe(span_of(f->name)), strerror(errno));
	ipc_write(&w, fd == -1 ? MAILBOX_GONE : MAILBOX_MESSAGE, 0);
	put_u64(&w, index);
	ipc_channel_send(s->channel, &w, fd);
	return true;
}

/* The mailbox's directory is open, or known to be gone. False: the session is freed. */
static bool
enter(struct session *s)
{
	if (mailboxes_get(s->all->mailboxes, span_of(s->m->name)) != NULL || errno == ENOENT)
		return true;
	log_warn("session closed: %s mailbox=%s", strerror(errno), s->m->name);
	session_free(s);
	return false;
}

static void
on_get(struct session *s, struct reader *r)
{
	uint64_t first = get_u64(r), count = get_u64(r);

	if (get_end(r) == -1 || s->listing == NULL || count > MAILBOX_GET_MAX ||
	    first > s->listing->n || count > s->listing->n - first) {
		refuse(s, "GET");
		return;
	}
	if (!enter(s))
		return;
	for (uint64_t i = 0; i < count; i++)
		if (!send_message(s, first + i))
			return;
}

/* ---- DELETE ---- */

static int64_t
bytes_on_disk(int at, const char *name)
{
	struct maildir_name n;
	struct stat st;

	maildir_name_parse(span_of(name), &n);
	if (n.has_size)
		return n.size;
	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
}

static int
remove_file(struct maildir *m, enum maildir_folder folder, const char *name)
{
	int at = m->dir != -1 ? maildir_folder(m, folder) : -1;
	int64_t bytes;

	if (at == -1) {
		errno = m->dir != -1 ? errno : ENOENT;
		return -1;
	}
	bytes = m->usage_known ? bytes_on_disk(at, name) : 0;
	if (unlinkat(at, name, 0) == -1)
		return -1;
	maildir_usage_add(m, folder, -bytes);
	return 0;
}

static void
delete_message(struct session *s, const struct listing_file *f)
{
	struct place p;
	int rv = remove_file(s->m, f->folder, f->name);

	if (rv == -1 && errno == ENOENT && search(s, f, &p))
		rv = remove_file(s->m, p.folder, p.name);
	else if (rv == -1 && errno == ENOENT)
		rv = 0; /* somebody else has */
	if (rv == 0)
		s->deleted++;
	else
		log_warn("cannot delete mailbox=%s file=%s: %s", s->m->name,
		    log_safe(span_of(f->name)), strerror(errno));
}

/* The indexes, or SIZE_MAX when they are malformed. */
static size_t
read_indexes(struct session *s, struct reader *r, uint64_t indexes[MAILBOX_DELETE_MAX])
{
	size_t n = 0;

	if (s->listing == NULL)
		return SIZE_MAX;
	while (get_more(r) && n < MAILBOX_DELETE_MAX) {
		indexes[n] = get_u64(r);
		if (indexes[n++] >= s->listing->n)
			return SIZE_MAX;
	}
	return get_end(r) == -1 ? SIZE_MAX : n;
}

static void
on_delete(struct session *s, struct reader *r)
{
	uint64_t indexes[MAILBOX_DELETE_MAX];
	size_t n = read_indexes(s, r, indexes);
	struct writer w;

	if (n == SIZE_MAX) {
		refuse(s, "DELETE");
		return;
	}
	if (!enter(s))
		return;
	maildir_usage_check(s->m);
	for (size_t i = 0; i < n; i++)
		delete_message(s, &s->listing->files[indexes[i]]);
	mailboxes_room_changed(s->all->mailboxes, s->m);
	ipc_write(&w, MAILBOX_DELETED, 0);
	put_u64(&w, s->deleted);
	ipc_channel_send(s->channel, &w, -1);
}

/* ---- the socket ---- */

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct session *s = arg;

	(void)tag;
	if (type == MAILBOX_GET)
		on_get(s, r);
	else if (type == MAILBOX_DELETE)
		on_delete(s, r);
	else
		refuse(s, "message");
}

static struct session *
session_new(struct sessions *all, struct maildir *m, int fd)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->all = all;
	s->m = m;
	mailboxes_hold(m);
	TAILQ_INSERT_TAIL(&m->sessions, s, entry);
	TAILQ_INSERT_TAIL(&all->every, s, every);
	all->n++;
	s->channel = ipc_channel_new(all->base, fd, on_message, on_close, s);
	return s;
}

int
sessions_open(struct sessions *ss, struct maildir *m, int *fd)
{
	struct session *s;
	int pair[2];

	if (sessions_enter(ss, m) != 0)
		return STORE_TOO_MANY_USERS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		log_warn("cannot open a session: %s mailbox=%s", strerror(errno), m->name);
		sessions_leave(ss, m);
		return STORE_TROUBLE;
	}
	s = session_new(ss, m, pair[0]);
	if (get_listing(s) == -1) {
		say_failed(m, errno);
		session_free(s);
		closefd(&pair[1]);
		return STORE_TROUBLE;
	}
	*fd = pair[1];
	return 0;
}

void
sessions_close(struct maildir *m)
{
	while (!TAILQ_EMPTY(&m->sessions))
		session_free(TAILQ_FIRST(&m->sessions));
}

/* ---- all of them ---- */

struct sessions *
sessions_new(struct event_base *base, struct mailboxes *mailboxes, struct worker *chores)
{
	struct sessions *ss = xcalloc(1, sizeof *ss);

	ss->base = base;
	ss->mailboxes = mailboxes;
	ss->chores = chores;
	ss->max_users = SIZE_MAX;
	TAILQ_INIT(&ss->every);
	return ss;
}

void
sessions_free(struct sessions **ss)
{
	if (*ss == NULL)
		return;
	while (!TAILQ_EMPTY(&(*ss)->every))
		session_free(TAILQ_FIRST(&(*ss)->every));
	free(*ss);
	*ss = NULL;
}

void
sessions_set_max_users(struct sessions *ss, size_t max)
{
	ss->max_users = max;
}

size_t
sessions_count(const struct sessions *ss)
{
	return ss->n;
}

size_t
sessions_users(const struct sessions *ss)
{
	return ss->users;
}
