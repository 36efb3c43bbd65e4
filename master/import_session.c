/*
 * A session with a user's folders for sambarctl. Connects to store.sock as master, whose account
 * this is.
 */
#include "master/import_session.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "store/store.h"

enum { UNDERWAY_MAX = 64, UNDERWAY_MAX_BYTES = 64 << 20, PROGRESS_EVERY = 1000, LABEL_SIZE = 400 };

struct import {
	struct event_base *base;
	struct store_client *store;
	struct folders *folders;
	char *user;
	struct folder_info *list; /* names are owned */
	size_t n_list;
	size_t underway;
	uint64_t underway_bytes;
	bool progress;
	int code; /* why no more can be added; told */
	struct import_counts counts;
	/* of a question that is waited for */
	bool answered;
	int refusal;
	uint64_t number;
};

struct sent {
	struct import *import;
	uint64_t bytes;
	char label[LABEL_SIZE];
};

static void
run_once(struct import *im)
{
	if (event_base_loop(im->base, EVLOOP_ONCE) != 0)
		fatalx("nothing is left to wait for");
}

static void
lose(struct import *im, int code, const char *why)
{
	if (im->code != 0)
		return;
	im->code = code;
	ctl_fail(code,
	    "%s; what is in the mailbox stays there, and is not added again when this "
	    "command is repeated",
	    why);
}

/* ---- questions that are waited for ---- */

static void
on_answer(void *arg, const struct folders_answer *a)
{
	struct import *im = arg;

	im->answered = true;
	im->refusal = a->refusal;
	im->number = a->number;
	if (a->folders == NULL)
		return;
	im->list = xcalloc(a->n_folders, sizeof *im->list);
	for (size_t i = 0; i < a->n_folders; i++) {
		im->list[i] = a->folders[i];
		im->list[i].name = xstrdup(a->folders[i].name);
	}
	im->n_list = a->n_folders;
}

/* What was just asked. False: refused. */
static bool
wait_answer(struct import *im)
{
	while (!im->answered)
		run_once(im);
	im->answered = false;
	return im->refusal == FOLDERS_GRANTED;
}

static void
on_close(void *arg)
{
	lose(arg, EX_TEMPFAIL, "store has ended the session");
}

/* ---- the session ---- */

static void
on_session(void *arg, int refusal, int session)
{
	static const struct folders_ops ops = {.on_close = on_close};
	struct import *im = arg;

	im->answered = true;
	im->refusal = refusal;
	if (refusal == 0)
		im->folders = folders_new(im->base, session, &ops, im);
}

static int
tell_refusal(const struct import *im)
{
	switch (im->refusal) {
	case STORE_NO_MAILBOX:
		return ctl_fail(EX_NOUSER,
		    "there is no mailbox \"%s\": make it with sambarctl user add or user mailbox",
		    log_printable(span_of(im->user)));
	case STORE_TOO_MANY_USERS:
		return ctl_fail(
		    EX_TEMPFAIL, "too many users or sessions: see Maximum Users in mail.ini");
	default:
		return ctl_fail(
		    EX_TEMPFAIL, "the mailbox cannot be opened: log/store.log has more");
	}
}

/* The supervisor answers whoever may order: then store is there, and will. */
static int
check_runs(const struct ctl *ctl)
{
	static const char *const ping[] = {"ping"};
	json_t *doc;
	int code = ctl_ask(ctl, false, ping, nitems(ping), &doc);

	if (code == 0)
		json_decref(doc);
	return code;
}

static int
open_session(struct import *im, const char *path)
{
	im->store = store_client_new(im->base, path, "master", NULL, NULL);
	store_open(im->store, span_of(im->user), STORE_FOLDERS, "sambarctl", span_of("local"),
	    on_session, im);
	if (!wait_answer(im))
		return tell_refusal(im);
	folders_list(im->folders, on_answer, im);
	if (!wait_answer(im))
		return ctl_fail(
		    EX_TEMPFAIL, "the folders cannot be listed: log/store.log has more");
	return 0;
}

struct import *
import_open(const struct ctl *ctl, const char *user, int *code)
{
	char *path = xasprintf("%s/run/store.sock", ctl->root);
	struct import *im = xcalloc(1, sizeof *im);

	signal(SIGPIPE, SIG_IGN);
	im->user = xstrdup(user);
	im->progress = !ctl->json && isatty(STDERR_FILENO);
	if ((*code = check_runs(ctl)) == 0) {
		if ((im->base = event_base_new()) == NULL)
			fatalx("cannot make an event base");
		*code = open_session(im, path);
	}
	free(path);
	if (*code != 0)
		import_close(&im);
	return im;
}

void
import_close(struct import **imp)
{
	struct import *im = *imp;

	if (im == NULL)
		return;
	*imp = NULL;
	while (im->underway > 0)
		run_once(im);
	folders_free(&im->folders);
	store_client_free(&im->store);
	if (im->base != NULL)
		event_base_free(im->base);
	for (size_t i = 0; i < im->n_list; i++)
		free((char *)im->list[i].name);
	free(im->list);
	free(im->user);
	free(im);
}

/* ---- folders and documents ---- */

static struct folder_info *
find_folder(struct import *im, const char *name)
{
	for (size_t i = 0; i < im->n_list; i++)
		if (strcmp(im->list[i].name, name) == 0)
			return &im->list[i];
	return NULL;
}

static uint64_t
make_folder(struct import *im, const char *name)
{
	struct folder_info *f;

	folders_create(im->folders, span_of(name), on_answer, im);
	if (!wait_answer(im)) {
		ctl_fail(EX_DATAERR, "the folder \"%s\" cannot be made: %s",
		    log_printable(span_of(name)),
		    im->refusal == FOLDERS_BAD_NAME ? "no folder can have this name"
						    : "log/store.log may have more");
		return 0;
	}
	im->list = xrealloc(im->list, (im->n_list + 1) * sizeof *im->list);
	f = &im->list[im->n_list++];
	*f = (struct folder_info){.id = im->number, .name = xstrdup(name)};
	return f->id;
}

uint64_t
import_folder(struct import *im, const char *name)
{
	const struct folder_info *f = find_folder(im, name);

	if (im->code != 0)
		return 0;
	return f != NULL ? f->id : make_folder(im, name);
}

bool
import_document(struct import *im, const char *name, int fd)
{
	if (im->code != 0)
		return false;
	folders_keep(im->folders, name, 0, fd, on_answer, im);
	if (wait_answer(im) || im->refusal == FOLDERS_OTHER)
		return true;
	ctl_fail(EX_DATAERR, "the document \"%s\" cannot be kept", log_printable(span_of(name)));
	return false;
}

/* ---- messages ---- */

static void
show_progress(const struct import *im)
{
	const struct import_counts *c = &im->counts;
	uint64_t n = c->added + c->there + c->failed;

	if (im->progress && n % PROGRESS_EVERY == 0)
		fprintf(stderr, "\r%llu messages", (unsigned long long)n);
}

static void
take_end(struct import *im, const struct sent *s, const struct folders_answer *a)
{
	if (a->refusal == FOLDERS_GRANTED && a->number != 0) {
		im->counts.added++;
	} else if (a->refusal == FOLDERS_GRANTED) {
		im->counts.there++;
	} else {
		im->counts.failed++;
		if (a->refusal == FOLDERS_FULL)
			lose(im, EX_CANTCREAT, "the mailbox, or the disk, is full");
		else if (im->code == 0)
			ctl_fail(EX_DATAERR, "the message %s is refused by store", s->label);
	}
	show_progress(im);
}

static void
on_added(void *arg, const struct folders_answer *a)
{
	struct sent *s = arg;
	struct import *im = s->import;

	im->underway--;
	im->underway_bytes -= s->bytes;
	take_end(im, s, a);
	free(s);
}

bool
import_add(struct import *im, const struct import_message *m, int fd)
{
	struct sent *s;
	struct stat st;

	if (fstat(fd, &st) == -1)
		st.st_size = 0;
	while (im->underway >= UNDERWAY_MAX ||
	       (im->underway > 0 && im->underway_bytes + st.st_size > UNDERWAY_MAX_BYTES))
		run_once(im);
	if (im->code != 0)
		return false;
	s = xcalloc(1, sizeof *s);
	s->import = im;
	s->bytes = st.st_size;
	strlcpy(s->label, m->label, sizeof s->label);
	im->underway++;
	im->underway_bytes += s->bytes;
	folders_import(im->folders, m->folder, m->flags, m->arrival, m->keywords, m->n_keywords,
	    span_of(m->name), fd, on_added, s);
	/* It leaves now, not when the reader has the next one. */
	if (event_base_loop(im->base, EVLOOP_NONBLOCK) == -1)
		fatalx("the event loop failed");
	return im->code == 0;
}

bool
import_is_over(const struct import *im)
{
	return im->code != 0;
}

void
import_count_failure(struct import *im)
{
	im->counts.failed++;
}

int
import_finish(struct import *im)
{
	while (im->underway > 0)
		run_once(im);
	if (im->progress && im->counts.added + im->counts.there >= PROGRESS_EVERY)
		fputc('\n', stderr);
	if (im->code != 0)
		return im->code;
	return im->counts.failed > 0 ? EX_DATAERR : 0;
}

const struct import_counts *
import_counts(const struct import *im)
{
	return &im->counts;
}
