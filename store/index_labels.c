/*
 * Labels: how many messages have each keyword of a folder, counted as they come, go and change, so
 * that nobody has to look through the messages; and those of all folders under their names. Reads
 * dovecot-keywords.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "store/index.h"

enum { LABEL_MAX_BYTES = FOLDERS_KEYWORD_MAX_BYTES + 32 };

/* ---- counting ---- */

void
labels_count(struct folder *f, const struct message *m, int sign)
{
	bool unread = (m->flags & FLAG_SEEN) == 0;

	for (uint32_t left = m->keywords; left != 0; left &= left - 1) {
		int i = __builtin_ctz(left);

		if (i >= FOLDERS_KEYWORDS_MAX)
			return;
		f->labels[i].total += sign;
		f->labels[i].unread += unread ? sign : 0;
	}
}

bool
labels_are_counted(const struct folder *f)
{
	for (int i = 0; i < FOLDERS_KEYWORDS_MAX; i++)
		if (f->labels[i].total != 0)
			return true;
	return false;
}

/* ---- LABELS ---- */

struct labels {
	struct folder_label *list; /* names borrowed from the folders' keywords */
	size_t n, room;
};

static void
add_labels_of(struct labels *l, const struct folder *f)
{
	for (int i = 0; i < FOLDERS_KEYWORDS_MAX; i++) {
		if (f->keywords.names[i][0] == '\0')
			continue;
		if (l->n == l->room) {
			l->room = l->room ? l->room * 2 : FOLDERS_KEYWORDS_MAX;
			l->list = xrealloc(l->list, l->room * sizeof *l->list);
		}
		l->list[l->n++] = (struct folder_label){
		    f->keywords.names[i], f->labels[i].total, f->labels[i].unread};
	}
}

static int
by_name(const void *a, const void *b)
{
	const struct folder_label *p = a, *q = b;

	return strcasecmp(p->name, q->name);
}

/* Keywords are the same in any case of their letters. */
static void
add_up(struct labels *l)
{
	size_t n = 0;

	if (l->n > 0)
		qsort(l->list, l->n, sizeof *l->list, by_name);
	for (size_t i = 0; i < l->n; i++) {
		if (n > 0 && by_name(&l->list[n - 1], &l->list[i]) == 0) {
			l->list[n - 1].total += l->list[i].total;
			l->list[n - 1].unread += l->list[i].unread;
		} else
			l->list[n++] = l->list[i];
	}
	l->n = n < FOLDERS_LABELS_MAX ? n : FOLDERS_LABELS_MAX;
}

static void
put_labels(struct index_request *q, const struct labels *l)
{
	struct writer w;

	for (size_t i = 0; i < l->n; i++) {
		if (i == 0)
			reply_begin(&w, FOLDERS_LABEL);
		put_text(&w, l->list[i].name);
		put_u64(&w, l->list[i].total);
		put_u64(&w, l->list[i].unread);
		if (i + 1 < l->n && put_room(&w) >= LABEL_MAX_BYTES)
			continue;
		(void)reply_add(&q->reply, &w, -1);
		if (i + 1 < l->n)
			reply_begin(&w, FOLDERS_LABEL);
	}
}

/* A folder whose keywords cannot be read now has none for now. */
void
index_labels(struct index *x, struct index_request *q)
{
	struct labels l = {0};

	if (get_end(&q->fields) == -1) {
		q->malformed = true;
		return;
	}
	for (size_t i = 0; i < x->n_folders; i++)
		if (index_is_shown(x->folders[i]) && keywords_load(x, x->folders[i]))
			add_labels_of(&l, x->folders[i]);
	add_up(&l);
	put_labels(q, &l);
	free(l.list);
}
