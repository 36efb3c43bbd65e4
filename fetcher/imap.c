/*
 * IMAP (RFC 3501, 9051), but for what is done with messages, and for waiting: commands and
 * responses, folders, LOGOUT. Touches the network only.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "fetcher/imap_private.h"

enum { UIDS_FIRST = 1024 };

/* ---- commands ---- */

enum remote_end
imap_put(struct remote *r, const char *mask, const char *format, ...)
{
	struct imap *i = r->p;
	char line[REMOTE_COMMAND_MAX_BYTES], masked[100];
	va_list ap;
	int n;

	i->tag++;
	va_start(ap, format);
	n = vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof line)
		return remote_fail(r, REMOTE_PERMANENT, "a command cannot be sent");
	if (mask != NULL)
		snprintf(masked, sizeof masked, "a%u %s", i->tag, mask);
	(void)remote_put(r, mask ? masked : NULL, "a%u %s", i->tag, line);
	explicit_bzero(line, sizeof line);
	return r->end;
}

enum remote_end
imap_puzzled(struct remote *r, const char *where)
{
	const struct imap *i = r->p;

	return remote_fail(r, REMOTE_TEMPORARY, "%s: did not understand us: %s", where, i->text);
}

bool
imap_has_code(const struct imap *i, const char *code)
{
	size_t len = strlen(code);

	return strncasecmp(i->text, code, len) == 0;
}

bool
imap_quote(const char *text, char out[IMAP_STRING_SIZE])
{
	size_t n = 0;

	out[n++] = '"';
	for (; *text != '\0'; text++) {
		if (*text == '\r' || *text == '\n' || n + 4 > IMAP_STRING_SIZE)
			return false;
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n++] = '"';
	out[n] = '\0';
	return true;
}

/* ---- status ---- */

/* "OK [CODE ...] text", from behind OK. */
static void
take_code(struct remote *r, struct span text)
{
	struct imap *i = r->p;
	struct span code, word;
	uint64_t number;

	if (text.len == 0 || text.at[0] != '[')
		return;
	text = (struct span){text.at + 1, text.len - 1};
	if (!span_take(&text, ']', &code))
		return;
	word = span_take_word(&code);
	if (span_is_nocase(word, "CAPABILITY"))
		imap_take_capabilities(r, code);
	else if (span_is_nocase(word, "READ-ONLY"))
		i->read_only = true;
	else if (span_is_nocase(word, "UIDNOTSTICKY"))
		i->sticky = false;
	else if (span_is_nocase(word, "UIDVALIDITY") && span_u64(code, UINT32_MAX, &number))
		i->uidvalidity = number;
	else if (span_is_nocase(word, "UIDNEXT") && span_u64(code, UINT32_MAX, &number))
		i->uidnext = number;
	else if (span_is_nocase(word, "NOTIFICATIONOVERFLOW"))
		i->overflow = true;
}

static int
take_text(struct remote *r)
{
	struct imap *i = r->p;
	struct span text;

	if (imap_rest(&i->in, &text) == -1)
		return -1;
	remote_copy_text(text, i->text, sizeof i->text);
	take_code(r, text);
	return 0;
}

static bool
status_of(const struct imap_token *t, enum imap_status *status)
{
	static const char *const words[] = {[IMAP_OK] = "OK", [IMAP_NO] = "NO", [IMAP_BAD] = "BAD"};

	for (size_t k = 0; k < nitems(words); k++)
		if (imap_is(t, words[k])) {
			*status = k;
			return true;
		}
	return false;
}

/* ---- untagged responses ---- */

static int
on_number(struct remote *r, uint32_t number)
{
	struct imap *i = r->p;
	struct imap_token t;

	if (imap_next(&i->in, &t) == -1)
		return -1;
	if (imap_is(&t, "FETCH") && i->on_fetch != NULL)
		return i->on_fetch(r, i->arg);
	if (imap_is(&t, "EXISTS")) {
		i->news |= number != i->exists;
		i->exists = number;
	} else if (imap_is(&t, "EXPUNGE") && i->exists > 0) {
		i->exists--;
	}
	return t.kind == IMAP_END ? 0 : imap_skip(&i->in);
}

/* What SEARCH has found: 1 2 3 */
static int
on_search(struct remote *r)
{
	struct imap *i = r->p;
	struct imap_token t;
	uint64_t uid;

	for (;;) {
		if (imap_next(&i->in, &t) == -1)
			return -1;
		if (t.kind == IMAP_END)
			return 0;
		/* (MODSEQ 5) may follow. */
		if (!imap_number(&t, UINT32_MAX, &uid)) {
			if (imap_skip_value(&i->in, &t) == -1)
				return -1;
		} else if (i->found != NULL && imap_uids_add(i->found, uid, uid) == -1) {
			return -1;
		}
	}
}

static int
add_set(struct imap_uids *found, struct span set)
{
	struct span range, first;
	uint64_t a, b;
	bool more;

	do {
		more = span_take(&set, ',', &range);
		(void)span_take(&range, ':', &first);
		if (!span_u64(first, UINT32_MAX, &a))
			continue;
		if (range.len == 0 || !span_u64(range, UINT32_MAX, &b))
			b = a;
		if (imap_uids_add(found, a < b ? a : b, a < b ? b : a) == -1)
			return -1;
	} while (more);
	return 0;
}

/* The same by RFC 4731: (TAG "a5") UID ALL 1:3,5. Only who was told that we know it says it. */
static int
on_esearch(struct remote *r)
{
	struct imap *i = r->p;
	struct imap_token t;
	bool all = false;

	for (;;) {
		if (imap_next(&i->in, &t) == -1)
			return -1;
		if (t.kind == IMAP_END)
			return 0;
		if (all && t.kind == IMAP_ATOM && i->found != NULL &&
		    add_set(i->found, t.text) == -1)
			return -1;
		all = imap_is(&t, "ALL");
		if (imap_skip_value(&i->in, &t) == -1)
			return -1;
	}
}

static int
on_capability(struct remote *r)
{
	struct imap *i = r->p;
	struct span words;

	if (imap_rest(&i->in, &words) == -1)
		return -1;
	imap_take_capabilities(r, words);
	return 0;
}

static int
on_bye(struct remote *r)
{
	struct imap *i = r->p;

	if (take_text(r) == -1)
		return -1;
	if (!i->leaving)
		remote_fail(r, REMOTE_TEMPORARY, "said BYE: %s", i->text);
	return 0;
}

static int
on_untagged(struct remote *r)
{
	struct imap *i = r->p;
	struct imap_token t;
	enum imap_status status;
	uint64_t number;

	if (imap_next(&i->in, &t) == -1)
		return -1;
	if (imap_number(&t, UINT32_MAX, &number))
		return on_number(r, number);
	if (imap_is(&t, "SEARCH"))
		return on_search(r);
	if (imap_is(&t, "ESEARCH"))
		return on_esearch(r);
	if (imap_is(&t, "CAPABILITY"))
		return on_capability(r);
	if (imap_is(&t, "BYE"))
		return on_bye(r);
	if (imap_is(&t, "STATUS"))
		return imap_on_status(r);
	if (imap_is(&t, "LIST") && i->on_list != NULL)
		return i->on_list(r, i->arg);
	if (imap_is(&t, "ID") && i->on_id != NULL)
		return i->on_id(r, i->arg);
	if (imap_is(&t, "PREAUTH"))
		i->preauth = true;
	if (i->preauth || status_of(&t, &status))
		return take_text(r);
	return t.kind == IMAP_END ? 0 : imap_skip(&i->in);
}

/* ---- responses ---- */

static enum remote_end
no_response(struct remote *r, const char *where)
{
	const struct imap *i = r->p;

	if (r->end != REMOTE_OK)
		return r->end;
	if (!r->greeted && i->in.echo_len >= 3 && memcmp(i->in.echo, "+OK", 3) == 0)
		return remote_fail(
		    r, REMOTE_TEMPORARY, "%s: it speaks POP3, and Protocol is imap", where);
	if (i->in.why != NULL || client_wire_end(r->wire) == WIRE_OPEN)
		return remote_fail(r, REMOTE_TEMPORARY, "%s: what it said is no response: %s%s%.*s",
		    where, i->in.why != NULL ? i->in.why : "", i->in.why != NULL ? ": " : "",
		    (int)i->in.echo_len, i->in.echo);
	return remote_fail_wire(r, where);
}

static void
show(struct remote *r)
{
	const struct imap *i = r->p;

	remote_heard(r, (struct span){i->in.echo, i->in.echo_len});
}

static int
read_one(struct remote *r, bool *tagged)
{
	struct imap *i = r->p;
	struct imap_token t;
	char tag[16];

	snprintf(tag, sizeof tag, "a%u", i->tag);
	imap_response(&i->in);
	if (imap_next(&i->in, &t) == -1 || t.kind != IMAP_ATOM)
		return -1;
	if (span_is(t.text, "*"))
		return on_untagged(r);
	*tagged = true;
	if (span_is(t.text, "+")) {
		i->status = IMAP_MORE;
		return take_text(r);
	}
	if (!span_is(t.text, tag) || imap_next(&i->in, &t) == -1 || !status_of(&t, &i->status))
		return -1;
	return take_text(r);
}

enum remote_end
imap_read(struct remote *r, const char *where, bool *tagged)
{
	*tagged = false;
	if (r->end != REMOTE_OK)
		return r->end;
	if (read_one(r, tagged) == -1)
		return no_response(r, where);
	show(r);
	return r->end;
}

enum remote_end
imap_answer(struct remote *r, unsigned seconds, const char *where)
{
	bool tagged = false;

	if (remote_flush(r, seconds, where) != REMOTE_OK)
		return r->end;
	while (!tagged)
		if (imap_read(r, where, &tagged) != REMOTE_OK)
			return r->end;
	return REMOTE_OK;
}

enum remote_end
imap_do(struct remote *r, const char *where, const char *format, ...)
{
	const struct imap *i = r->p;
	char line[REMOTE_COMMAND_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof line)
		return remote_fail(r, REMOTE_PERMANENT, "a command cannot be sent");
	if (imap_put(r, NULL, "%s", line) != REMOTE_OK ||
	    imap_answer(r, r->target->timeouts.reply_s, where) != REMOTE_OK)
		return r->end;
	if (i->status == IMAP_BAD || i->status == IMAP_MORE)
		return imap_puzzled(r, where);
	return REMOTE_OK;
}

/* ---- sets of UIDs ---- */

void
imap_set(const uint32_t *handles, size_t n, size_t *from, char out[IMAP_SET_SIZE])
{
	enum { RANGE_BYTES = 2 * 10 + 3 };
	size_t len = 0;

	out[0] = '\0';
	while (*from < n && len + RANGE_BYTES < IMAP_SET_SIZE) {
		size_t last = *from;

		while (last + 1 < n && handles[last + 1] == handles[last] + 1)
			last++;
		len += snprintf(
		    out + len, IMAP_SET_SIZE - len, "%s%u", len > 0 ? "," : "", handles[*from]);
		if (last > *from)
			len += snprintf(out + len, IMAP_SET_SIZE - len, ":%u", handles[last]);
		*from = last + 1;
	}
}

int
imap_uids_add(struct imap_uids *u, uint32_t first, uint32_t last)
{
	for (uint64_t uid = first > 0 ? first : 1; uid <= last; uid++) {
		if (u->n == REMOTE_MESSAGES_MAX)
			return 0;
		if (u->n == u->room) {
			size_t room = u->room > 0 ? 2 * u->room : UIDS_FIRST;
			uint32_t *larger = reallocarray(u->at, room, sizeof *larger);

			if (larger == NULL)
				return -1;
			u->at = larger;
			u->room = room;
		}
		u->at[u->n++] = uid;
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void
imap_uids_sort(struct imap_uids *u)
{
	size_t n = 0;

	if (u->n == 0)
		return;
	qsort(u->at, u->n, sizeof *u->at, compare);
	for (size_t k = 1; k < u->n; k++)
		if (u->at[k] != u->at[n])
			u->at[++n] = u->at[k];
	u->n = n + 1;
}

bool
imap_uids_has(const uint32_t *at, size_t n, uint32_t uid, size_t *index)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (at[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	*index = low;
	return low < n && at[low] == uid;
}

/* ---- folders ---- */

struct folders {
	char *names[REMOTE_FOLDERS_MAX];
	size_t n;
};

int
imap_name(struct imap_reader *in, const struct imap_token *t, char out[REMOTE_FOLDER_SIZE])
{
	struct span piece;
	size_t n = 0;
	bool fits = true;

	out[0] = '\0';
	if (t->kind == IMAP_OPEN)
		return imap_skip_value(in, t);
	if (t->kind != IMAP_LITERAL) {
		if (!span_copy(t->text, out, REMOTE_FOLDER_SIZE))
			out[0] = '\0';
		return 0;
	}
	for (;;) {
		if (imap_literal(in, &piece) == -1)
			return -1;
		if (piece.len == 0)
			break;
		fits &=
		    piece.len < REMOTE_FOLDER_SIZE - n && memchr(piece.at, '\0', piece.len) == NULL;
		if (fits) {
			memcpy(out + n, piece.at, piece.len);
			n += piece.len;
		}
	}
	out[fits ? n : 0] = '\0';
	return 0;
}

static void
add_folder(struct folders *f, const char *name)
{
	if (name[0] == '\0' || strpbrk(name, "\r\n") != NULL || f->n == nitems(f->names))
		return;
	for (size_t k = 0; k < f->n; k++)
		if (strcmp(f->names[k], name) == 0)
			return;
	f->names[f->n++] = xstrdup(name);
}

/* (\HasNoChildren) "/" INBOX */
static int
on_list(struct remote *r, void *arg)
{
	struct imap *i = r->p;
	struct imap_token t;
	char name[REMOTE_FOLDER_SIZE];
	bool holds = true;

	if (imap_next(&i->in, &t) == -1 || t.kind != IMAP_OPEN)
		return -1;
	for (;;) {
		if (imap_next(&i->in, &t) == -1 || t.kind == IMAP_END)
			return -1;
		if (t.kind == IMAP_CLOSE)
			break;
		if (imap_is(&t, "\\Noselect") || imap_is(&t, "\\NonExistent"))
			holds = false;
		if (imap_skip_value(&i->in, &t) == -1)
			return -1;
	}
	if (imap_next(&i->in, &t) == -1 || imap_skip_value(&i->in, &t) == -1 ||
	    imap_next(&i->in, &t) == -1 || t.kind == IMAP_END ||
	    imap_name(&i->in, &t, name) == -1 || imap_skip(&i->in) == -1)
		return -1;
	if (holds)
		add_folder(arg, name);
	return 0;
}

static enum remote_end
list_pattern(struct remote *r, const char *pattern, struct folders *f)
{
	struct imap *i = r->p;
	char name[REMOTE_FOLDER_SIZE], quoted[IMAP_STRING_SIZE];
	enum remote_end end;

	if (!remote_folder_spell(span_of(pattern), name) || !imap_quote(name, quoted)) {
		remote_say(r, "cannot be asked for folders %s", pattern);
		return REMOTE_NO_FOLDER;
	}
	i->on_list = on_list;
	i->arg = f;
	end = imap_do(r, "at LIST", "LIST \"\" %s", quoted);
	i->on_list = NULL;
	if (end == REMOTE_OK && i->status != IMAP_OK)
		return remote_fail(r, REMOTE_TEMPORARY, "does not list its folders: %s", i->text);
	return end;
}

static enum remote_end
imap_folders(
    struct remote *r, const char *const *patterns, size_t n, remote_folder_cb cb, void *arg)
{
	struct folders *f = xcalloc(1, sizeof *f);
	enum remote_end end = REMOTE_OK;

	for (size_t k = 0; k < n && end == REMOTE_OK; k++)
		end = list_pattern(r, patterns[k], f);
	for (size_t k = 0; k < f->n; k++) {
		if (end == REMOTE_OK)
			cb(arg, f->names[k]);
		free(f->names[k]);
	}
	free(f);
	return end;
}

enum remote_end
imap_select(struct remote *r, const char *name, bool change, struct remote_folder *out)
{
	struct imap *i = r->p;
	char quoted[IMAP_STRING_SIZE];

	if (strlen(name) >= REMOTE_FOLDER_SIZE || !imap_quote(name, quoted)) {
		remote_say(r, "cannot be asked for the folder %.100s", name);
		return REMOTE_NO_FOLDER;
	}
	i->selected = i->listed = i->read_only = i->news = false;
	i->sticky = true;
	i->uidvalidity = i->uidnext = i->exists = 0;
	i->uids.n = 0;
	if (imap_do(r, "at SELECT", "%s %s", change ? "SELECT" : "EXAMINE", quoted) != REMOTE_OK)
		return r->end;
	if (i->status != IMAP_OK) {
		remote_say(r, "does not open the folder %.100s: %s", name, i->text);
		return REMOTE_NO_FOLDER;
	}
	i->selected = true;
	i->news = false;
	imap_note_selected(r, name);
	*out = (struct remote_folder){
	    .uidvalidity = i->uidvalidity, .messages = i->exists, .read_only = i->read_only};
	return REMOTE_OK;
}

/* ---- the end ---- */

/* Whatever the server says to it, all was done before. */
static enum remote_end
imap_quit(struct remote *r)
{
	struct imap *i = r->p;

	i->leaving = true;
	if (imap_put(r, NULL, "LOGOUT") == REMOTE_OK)
		(void)imap_answer(r, r->target->timeouts.quit_s, "at LOGOUT");
	r->end = REMOTE_OK;
	return REMOTE_OK;
}

static void *
imap_new(void)
{
	struct imap *i = xmalloc(sizeof *i);

	memset(i, 0, sizeof *i);
	return i;
}

static void
imap_free(void *arg)
{
	struct imap *i = arg;

	free(i->uids.at);
	for (size_t k = 0; k < i->n_watched; k++)
		free(i->watched[k].name);
	free(i->watched);
	free(i);
}

const struct remote_ops imap_ops = {
    .new = imap_new,
    .free = imap_free,
    .open = imap_open,
    .quit = imap_quit,
    .folders = imap_folders,
    .select = imap_select,
    .list = imap_list,
    .fetch = imap_fetch,
    .fetch_header = imap_fetch_header,
    .remove = imap_delete,
    .mark_seen = imap_mark_seen,
    .move = imap_move,
    .wait = imap_wait,
};
