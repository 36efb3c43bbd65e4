/*
 * What is done with messages that are safe here, by IMAP: STORE, EXPUNGE, MOVE and COPY. Touches
 * the network only.
 */
#include <stdlib.h>
#include <string.h>

#include "fetcher/imap_private.h"

/* *may: the server may be asked to change something. */
static enum remote_end
begin(struct remote *r, bool *may)
{
	const struct imap *i = r->p;

	*may = i->selected && !i->read_only;
	if (!i->selected)
		return remote_fail(r, REMOTE_TEMPORARY, "has no folder open");
	if (i->read_only)
		remote_say(r, "lets nobody change this folder");
	return REMOTE_OK;
}

/* *agreed: all of them. what: "-FLAGS.SILENT (\Deleted)". */
static enum remote_end
store(struct remote *r, const uint32_t *uids, size_t n, const char *what, bool *agreed)
{
	const struct imap *i = r->p;
	char set[IMAP_SET_SIZE];

	*agreed = true;
	for (size_t from = 0; from < n && *agreed;) {
		imap_set(uids, n, &from, set);
		if (imap_do(r, "at STORE", "UID STORE %s %s", set, what) != REMOTE_OK)
			return r->end;
		*agreed = i->status == IMAP_OK;
	}
	if (!*agreed)
		remote_say(r, "does not mark messages: %s", i->text);
	return REMOTE_OK;
}

static void
set_done(bool *done, size_t from, size_t to)
{
	for (size_t k = from; done != NULL && k < to; k++)
		done[k] = true;
}

enum remote_end
imap_mark_seen(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	bool agreed = false;

	if (begin(r, &agreed) != REMOTE_OK || !agreed ||
	    store(r, handles, n, "+FLAGS.SILENT (\\Seen)", &agreed) != REMOTE_OK)
		return r->end;
	if (agreed)
		set_done(done, 0, n);
	return REMOTE_OK;
}

/* ---- EXPUNGE ---- */

/* RFC 4315 */
static enum remote_end
expunge_these(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	const struct imap *i = r->p;
	char set[IMAP_SET_SIZE];

	for (size_t from = 0, before = 0; from < n; before = from) {
		imap_set(handles, n, &from, set);
		if (imap_do(r, "at EXPUNGE", "UID EXPUNGE %s", set) != REMOTE_OK)
			return r->end;
		if (i->status == IMAP_OK)
			set_done(done, before, from);
		else
			remote_say(r, "does not remove messages: %s", i->text);
	}
	return REMOTE_OK;
}

/* Leaves in u what handles do not have. */
static void
subtract(struct imap_uids *u, const uint32_t *handles, size_t n)
{
	size_t kept = 0, k;

	for (size_t m = 0; m < u->n; m++)
		if (!imap_uids_has(handles, n, u->at[m], &k))
			u->at[kept++] = u->at[m];
	u->n = kept;
}

/* Without it: everything that is marked goes. Others lose their mark before, and get it again; if
 * we break off between, they stay as if nobody had wanted to delete them, which loses nothing. */
static enum remote_end
expunge_all_but(struct remote *r, const struct imap_uids *others, bool *agreed)
{
	const struct imap *i = r->p;

	if (store(r, others->at, others->n, "-FLAGS.SILENT (\\Deleted)", agreed) != REMOTE_OK ||
	    !*agreed || imap_do(r, "at EXPUNGE", "EXPUNGE") != REMOTE_OK)
		return r->end;
	if (!(*agreed = i->status == IMAP_OK))
		remote_say(r, "does not remove messages: %s", i->text);
	if (others->n > 0) {
		bool marked;

		return store(r, others->at, others->n, "+FLAGS.SILENT (\\Deleted)", &marked);
	}
	return REMOTE_OK;
}

static enum remote_end
expunge_without_uidplus(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	struct imap_uids others = {0};
	bool agreed = false;

	if (imap_search(r, &others, "DELETED") == REMOTE_OK) {
		/* Where not all of them are known, none are safe. */
		if (others.n == REMOTE_MESSAGES_MAX) {
			remote_say(r, "has too many deleted messages");
		} else {
			subtract(&others, handles, n);
			(void)expunge_all_but(r, &others, &agreed);
		}
	}
	free(others.at);
	if (r->end == REMOTE_OK && agreed)
		set_done(done, 0, n);
	return r->end;
}

enum remote_end
imap_delete(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	const struct imap *i = r->p;
	bool agreed = false;

	if (begin(r, &agreed) != REMOTE_OK || !agreed ||
	    store(r, handles, n, "+FLAGS.SILENT (\\Deleted)", &agreed) != REMOTE_OK || !agreed)
		return r->end;
	if (i->offer.uidplus)
		return expunge_these(r, handles, n, done);
	return expunge_without_uidplus(r, handles, n, done);
}

/* ---- MOVE ---- */

/* Makes the folder when the server says that this would help, and asks once more. */
static enum remote_end
transfer(struct remote *r, const char *verb, const char *set, const char *folder)
{
	const struct imap *i = r->p;
	char text[IMAP_TEXT_SIZE];

	if (imap_do(r, "at MOVE", "UID %s %s %s", verb, set, folder) != REMOTE_OK ||
	    !imap_has_code(i, "[TRYCREATE]") || i->status == IMAP_OK)
		return r->end;
	strlcpy(text, i->text, sizeof text);
	if (imap_do(r, "at CREATE", "CREATE %s", folder) != REMOTE_OK)
		return r->end;
	if (i->status != IMAP_OK) {
		remote_say(r, "has no folder %.100s, and does not make it: %s", folder, i->text);
		return REMOTE_NO_FOLDER;
	}
	return imap_do(r, "at MOVE", "UID %s %s %s", verb, set, folder);
}

static enum remote_end
move_set(struct remote *r, const uint32_t *handles, size_t n, const char *set, const char *folder,
    bool *done)
{
	const struct imap *i = r->p;
	enum remote_end end = transfer(r, i->offer.move ? "MOVE" : "COPY", set, folder);

	if (end != REMOTE_OK)
		return end;
	if (i->status != IMAP_OK) {
		remote_say(r, "does not move messages to %.100s: %s", folder, i->text);
		return REMOTE_OK;
	}
	if (!i->offer.move)
		return imap_delete(r, handles, n, done);
	set_done(done, 0, n);
	return REMOTE_OK;
}

enum remote_end
imap_move(struct remote *r, const uint32_t *handles, size_t n, const char *folder, bool *done)
{
	char name[REMOTE_FOLDER_SIZE], quoted[IMAP_STRING_SIZE], set[IMAP_SET_SIZE];
	bool may;

	if (begin(r, &may) != REMOTE_OK || !may)
		return r->end;
	if (!remote_folder_spell(span_of(folder), name) || !imap_quote(name, quoted)) {
		remote_say(r, "cannot be asked for the folder %.100s", folder);
		return REMOTE_NO_FOLDER;
	}
	for (size_t from = 0, before = 0; from < n; before = from) {
		enum remote_end end;

		imap_set(handles, n, &from, set);
		end = move_set(r, handles + before, from - before, set, quoted,
		    done != NULL ? done + before : NULL);
		if (end != REMOTE_OK)
			return end;
	}
	return REMOTE_OK;
}
