/*
 * What others do to the files of mailboxes with open sessions: gathers what inotify tells of their
 * folders (store/watch.h) for the next request to the index. Reads nothing itself.
 */
#include "store/box_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

enum {
	EVENTS_MAX = 5000,
	EVENTS_PAUSE_MS = 15 /* so that both halves of a rename are there */
};

static int
compare_numbers(const struct folder_watch *a, const struct folder_watch *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

RB_GENERATE_INTERNAL(
    watch_numbers, folder_watch, by_number, compare_numbers, static __attribute__((unused)))

void
box_free_events(struct index_event **list)
{
	struct index_event *e;

	while ((e = *list) != NULL) {
		*list = e->next;
		free(e);
	}
}

void
box_drop_events(struct box *b)
{
	box_free_events(&b->events);
	b->events_end = &b->events;
	b->n_events = 0;
}

static void
wake_soon(struct box *b)
{
	const struct timeval pause = {0, EVENTS_PAUSE_MS * 1000};

	if (!evtimer_pending(&b->pause, NULL) && evtimer_add(&b->pause, &pause) == -1)
		fatalx("cannot set a timer");
}

void
box_on_pause_end(evutil_socket_t fd, short what, void *arg)
{
	struct box *b = arg;

	(void)fd, (void)what;
	/* The other half of a rename may just have come. */
	watch_read(b->all->watch);
	b->look = true;
	box_run(b);
}

/* name "": the directory itself. */
static void
add_event(const struct folder_watch *fw, const char *name, bool away)
{
	struct box *b = fw->box;
	struct index_event *e;

	if (b->n_events >= EVENTS_MAX) {
		box_drop_events(b);
		b->overflow = true;
	}
	if (!b->overflow) {
		e = xcalloc(1, sizeof *e + strlen(name) + 1);
		e->folder = fw->folder;
		e->place = fw->place;
		e->away = away;
		memcpy(e->name, name, strlen(name) + 1);
		*b->events_end = e;
		b->events_end = &e->next;
		b->n_events++;
	}
	wake_soon(b);
}

static void
on_entry(void *arg, int number, const char *name, bool away)
{
	struct boxes *bs = arg;
	struct folder_watch key = {.number = number},
			    *fw = RB_FIND(watch_numbers, &bs->numbers, &key);

	if (fw != NULL && name[0] != '.')
		add_event(fw, name, away);
}

static void
forget_watch(struct folder_watch *fw)
{
	struct boxes *bs = fw->box->all;

	RB_REMOVE(watch_numbers, &bs->numbers, fw);
	TAILQ_REMOVE(&fw->box->watches, fw, entry);
	free(fw);
}

static void
on_end(void *arg, int number)
{
	struct boxes *bs = arg;
	struct folder_watch key = {.number = number},
			    *fw = RB_FIND(watch_numbers, &bs->numbers, &key);

	if (fw == NULL)
		return;
	add_event(fw, "", true);
	forget_watch(fw);
}

static void
on_overflow(void *arg)
{
	struct boxes *bs = arg;
	struct box *b;

	TAILQ_FOREACH (b, &bs->every, entry) {
		b->overflow = true;
		wake_soon(b);
	}
}

const struct watch_ops box_watch_ops = {
    .on_entry = on_entry, .on_end = on_end, .on_overflow = on_overflow};

static bool
watch_place(struct box *b, uint64_t folder, const char *directory, enum maildir_folder place)
{
	char *path = xasprintf("%s/%s%s%s", b->m->name, directory, directory[0] != '\0' ? "/" : "",
	    maildir_folder_name(place));
	int number = watch_add_folder(b->all->watch, path);
	struct folder_watch key = {.number = number}, *fw;

	free(path);
	if (number == -1)
		return false;
	if ((fw = RB_FIND(watch_numbers, &b->all->numbers, &key)) != NULL) {
		/* The same directory under another name. */
		if (fw->box != b)
			return false;
		fw->folder = folder;
		fw->place = place;
		return true;
	}
	fw = xcalloc(1, sizeof *fw);
	*fw = (struct folder_watch){.box = b, .number = number, .folder = folder, .place = place};
	RB_INSERT(watch_numbers, &b->all->numbers, fw);
	TAILQ_INSERT_TAIL(&b->watches, fw, entry);
	return true;
}

void
box_unwatch(struct box *b)
{
	while (!TAILQ_EMPTY(&b->watches)) {
		watch_remove(b->all->watch, TAILQ_FIRST(&b->watches)->number);
		forget_watch(TAILQ_FIRST(&b->watches));
	}
}

/* The index then looks once more: what was done in between is found. */
void
box_watch_folders(struct box *b, struct reply *unwatched)
{
	for (size_t i = 0; i < unwatched->n; i++) {
		const struct reply_message *m = &unwatched->messages[i];
		const size_t head = sizeof(uint32_t) + sizeof(uint64_t);
		struct reader r = {
		    .at = unwatched->bytes + m->at + head, .left = m->len - head, .fd = -1};
		char directory[FOLDER_DIRECTORY_SIZE];
		uint64_t folder = get_u64(&r);

		get_text(&r, directory, sizeof directory);
		if (get_end(&r) == -1 || !watch_place(b, folder, directory, MAILDIR_NEW) ||
		    !watch_place(b, folder, directory, MAILDIR_CUR))
			continue;
		b->watched = xrealloc(b->watched, (b->n_watched + 1) * sizeof *b->watched);
		b->watched[b->n_watched++] = folder;
		b->look = true;
	}
	reply_clear(unwatched);
}

void
boxes_on_change(void *arg, struct maildir *m, bool all)
{
	struct box *b = m->box;

	(void)arg;
	if (b == NULL)
		return;
	b->overflow |= all;
	wake_soon(b);
}

void
boxes_delivered(struct maildir *m)
{
	/* Else inotify tells as soon. */
	if (m->box != NULL && TAILQ_EMPTY(&m->box->watches))
		wake_soon(m->box);
}
