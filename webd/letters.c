/*
 * A letter, being made ready. Reads messages by the descriptors that store gives, uploads, and
 * writes memory files.
 */
#include "webd/letters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "webd/identities.h"
#include "webd/message_view.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"
#include "webd/uploads.h"
#include "webd/webd.h"

enum { PIECE_BYTES = 32 * 1024, IDS_MAX_BYTES = 4000 };
/* What is found in messages: of the one that it answers, and of what is attached. */
enum { FOUND_ID, FOUND_REFERENCES };
enum { FOUND_NAME, FOUND_TYPE };

void
letter_abort(struct request *q)
{
	struct outgoing *o = q->work;

	q->work = NULL;
	q->abort = NULL;
	reading_drop(&o->reading);
	ipc_call_cancel(&o->router);
	queue_call_cancel(&o->taking);
	queue_call_cancel(&o->committing);
	if (o->slot.fd != -1)
		queue_abandon(q->web->queue, &o->slot);
	for (size_t i = 0; i < LETTER_ATTACHMENTS_MAX; i++) {
		free(o->names[i]);
		free(o->types[i]);
		closefd(&o->fds[i]);
	}
	mime_addresses_free(&o->letter.to);
	mime_addresses_free(&o->letter.cc);
	mime_addresses_free(&o->letter.bcc);
	mime_addresses_free(&o->all);
	free(o->envelope.recipients);
	free(o->message_id);
	free(o->in_reply_to);
	free(o->references);
	free(o);
}

static void
trouble(struct outgoing *o)
{
	reply_error(o->q, 503, "later", "This is not possible now; try again later.");
}

/* ---- fields ---- */

static const char *
text_of(const struct outgoing *o, const char *key)
{
	const json_t *value = json_object_get(o->json, key);
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) ? text : "";
}

/* Each as it was typed, or one text with all. Of a draft what is no address, perhaps not yet, is
 * left out, so that the rest is kept. False: answered. */
static bool
read_recipients(struct outgoing *o, const char *key, struct mime_addresses *to)
{
	const json_t *list = json_object_get(o->json, key);
	bool draft = o->q->letter_is_draft;
	size_t bytes = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *typed = json_string_value(json_array_get(list, i));
		char *why = NULL;

		bytes += typed != NULL ? strlen(typed) : 0;
		if (typed == NULL || bytes > LETTER_ADDRESSES_MAX_BYTES) {
			reply_error(
			    o->q, 400, "bad", "%s is no list of addresses, or too long.", key);
			return false;
		}
		if (letter_recipients(span_of(typed), to, &why) == 0)
			continue;
		if (!draft)
			reply_error(o->q, 400, "bad", "%s", why);
		free(why);
		if (!draft)
			return false;
	}
	return true;
}

static bool
is_own(const struct outgoing *o, const char *address)
{
	const json_t *own = o->q->session->identities;

	for (size_t i = 0; i < json_array_size(own); i++)
		if (strcasecmp(json_string_value(json_array_get(own, i)), address) == 0)
			return true;
	return false;
}

/* The first of one's own where nothing is said. */
static bool
read_sender(struct outgoing *o)
{
	const char *from = text_of(o, "from");
	const json_t *own = o->q->session->identities;

	if (from[0] == '\0')
		from = json_string_value(json_array_get(own, 0));
	if (from == NULL || (!is_own(o, from) && !o->q->web->settings.any_from)) {
		reply_error(o->q, 403, "forbidden", "%s is none of your addresses.",
		    from != NULL ? from : "This");
		return false;
	}
	o->letter.from.address = (char *)from;
	o->letter.from.name = (char *)text_of(o, "from_name");
	return true;
}

static bool
read_fields(struct outgoing *o)
{
	struct letter *l = &o->letter;
	const char *priority = text_of(o, "priority"), *id = text_of(o, "message_id");

	l->subject = text_of(o, "subject");
	l->text = text_of(o, "text");
	l->html = json_is_string(json_object_get(o->json, "html")) ? text_of(o, "html") : NULL;
	l->priority = strcmp(priority, "high") == 0  ? PRIORITY_HIGH
		      : strcmp(priority, "low") == 0 ? PRIORITY_LOW
						     : PRIORITY_NORMAL;
	l->receipt = json_is_true(json_object_get(o->json, "receipt"));
	l->date = time(NULL);
	l->attachments = o->attachments;
	if (strlen(l->subject) > LETTER_SUBJECT_MAX_BYTES) {
		reply_error(o->q, 400, "bad", "The subject is too long.");
		return false;
	}
	o->message_id =
	    mime_is_id(span_of(id)) ? xstrdup(id) : compose_message_id(o->q->web->settings.server);
	l->message_id = o->message_id;
	return read_recipients(o, "to", &l->to) && read_recipients(o, "cc", &l->cc) &&
	       read_recipients(o, "bcc", &l->bcc);
}

/* ---- what it answers ---- */

static void have_next(struct outgoing *o);

/* RFC 5322 3.6.4: its references, and itself. Off the loop. */
static void
read_references(struct reading *r)
{
	const struct mime *m = r->mime;
	struct span ids = mime_field(m, "References", 0), id = mime_field(m, "Message-ID", 0), one;
	char list[IDS_MAX_BYTES];
	size_t n = 0;

	if (ids.at == NULL)
		ids = mime_field(m, "In-Reply-To", 0);
	while (ids.at != NULL && mime_next_id(&ids, &one))
		if (n + one.len + 2 < sizeof list / 2)
			n += snprintf(list + n, sizeof list - n, "%.*s ", (int)one.len, one.at);
	if (id.at == NULL || !mime_next_id(&id, &one))
		return;
	snprintf(list + n, sizeof list - n, "%.*s", (int)one.len, one.at);
	r->found[FOUND_ID] = span_text(one);
	r->found[FOUND_REFERENCES] = xstrdup(list);
}

static void
on_answered(struct reading *r)
{
	struct outgoing *o = r->q->work;

	/* When it is gone the answer is still one. */
	if (r->found[FOUND_ID] != NULL) {
		o->letter.in_reply_to = o->in_reply_to = reading_take(r, FOUND_ID);
		o->letter.references = o->references = reading_take(r, FOUND_REFERENCES);
	}
	reading_drop(&o->reading);
	have_next(o);
}

static bool
read_place(const json_t *at, uint64_t *folder, uint64_t *uid)
{
	const json_t *f = json_object_get(at, "folder"), *u = json_object_get(at, "uid");

	if (!json_is_integer(f) || !json_is_integer(u))
		return false;
	*folder = json_integer_value(f);
	*uid = json_integer_value(u);
	return true;
}

/* Of a draft: what it was an answer to may be elsewhere now. */
static void
read_kept_ids(struct outgoing *o)
{
	const char *ids = text_of(o, "references"), *id = text_of(o, "in_reply_to");
	struct span rest = span_of(ids), one = {"", 0};
	bool good = mime_is_id(span_of(id)) && strlen(ids) < IDS_MAX_BYTES;

	while (good && (one = span_take_word(&rest)).len > 0)
		good = mime_is_id(one);
	if (!good)
		return;
	o->letter.in_reply_to = id;
	o->letter.references = ids;
}

static void
have_answered(struct outgoing *o)
{
	static const char *const kinds[] = {"reply", "forward"};
	uint64_t folder, uid;

	read_kept_ids(o);
	for (size_t i = 0; i < nitems(kinds); i++)
		if (read_place(json_object_get(o->json, kinds[i]), &folder, &uid)) {
			snprintf(o->note, sizeof o->note, "%s %llu %llu", kinds[i],
			    (unsigned long long)folder, (unsigned long long)uid);
			o->letter.note = o->note;
			o->reading = reading_aside(o->q, folder, uid, read_references, on_answered);
			return;
		}
	have_next(o);
}

/* ---- attachments ---- */

/* Owns the texts. */
static void
attach(struct outgoing *o, int fd, uint64_t len, char *name, char *type, bool is_message)
{
	size_t i = o->letter.n_attachments++;

	o->attached += len;
	o->names[i] = name;
	o->types[i] = type;
	o->attachments[i] = (struct letter_attachment){
	    .fd = fd, .len = len, .name = name, .type = type, .is_message = is_message};
}

static int
decode_part(const struct mime *m, size_t part, uint64_t *len)
{
	struct mime_body *b = mime_body_open(m, part);
	int fd = memfd_create("part", MFD_CLOEXEC);
	char piece[PIECE_BYTES];
	ssize_t n = -1;

	*len = 0;
	while (b != NULL && fd != -1 && (n = mime_body_read(b, piece, sizeof piece)) > 0) {
		if (write(fd, piece, n) != n) {
			n = -1;
			break;
		}
		*len += n;
	}
	mime_body_free(&b);
	if (n != 0)
		closefd(&fd);
	return fd;
}

/* Off the loop: a part is decoded, and what is attached gets its name and type. */
static void
read_part(struct reading *r)
{
	int part = mime_find(r->mime, span_of(r->part));
	uint64_t len;

	if (part == MIME_NO_PART || (r->file = decode_part(r->mime, part, &len)) == -1)
		return;
	r->len = len;
	r->found[FOUND_NAME] = message_part_name(r->mime, part);
	r->found[FOUND_TYPE] = xstrdup(mime_part(r->mime, part)->type);
}

static void
read_message(struct reading *r)
{
	char *subject = mime_field_text(r->mime, "Subject", 100);

	for (char *p = subject; *p != '\0'; p++)
		if (strchr("/\\:", *p) != NULL)
			*p = '_';
	r->found[FOUND_NAME] = xasprintf("%s.eml", subject[0] != '\0' ? subject : "message");
	free(subject);
	r->found[FOUND_TYPE] = xstrdup("message/rfc822");
	r->file = r->fd;
	r->len = r->size;
	r->fd = -1;
}

static void
on_attached(struct reading *r)
{
	struct outgoing *o = r->q->work;
	bool is_there = r->fd != -1;
	char *type;

	if (r->file == -1) {
		reading_drop(&o->reading);
		reply_error(o->q, 404, "gone",
		    is_there ? "What is attached cannot be read."
			     : "What is attached is not there any more.");
		return;
	}
	type = reading_take(r, FOUND_TYPE);
	attach(o, r->file, r->len, reading_take(r, FOUND_NAME), type,
	    strcmp(type, "message/rfc822") == 0);
	o->fds[o->n_fds++] = r->file;
	r->file = -1;
	reading_drop(&o->reading);
	o->at++;
	have_next(o);
}

static void
attach_from(struct outgoing *o, uint64_t folder, uint64_t uid, const char *part)
{
	o->reading =
	    reading_aside(o->q, folder, uid, part != NULL ? read_part : read_message, on_attached);
	if (part != NULL)
		o->reading->part = xstrdup(part);
}

static void
have_attachment(struct outgoing *o, const json_t *one)
{
	const json_t *id = json_object_get(one, "upload");
	const struct upload *u;
	uint64_t folder, uid;

	if (!json_is_integer(id)) {
		if (read_place(one, &folder, &uid))
			attach_from(
			    o, folder, uid, json_string_value(json_object_get(one, "part")));
		else
			reply_error(o->q, 400, "bad", "An attachment is an upload or a message.");
		return;
	}
	if ((u = upload_find(o->q->session, json_integer_value(id))) == NULL) {
		reply_error(o->q, 404, "gone", "An uploaded file is not there any more.");
		return;
	}
	/* The upload may be removed while the letter waits for an answer. */
	if ((o->fds[o->n_fds] = dup(u->fd)) == -1) {
		trouble(o);
		return;
	}
	attach(o, o->fds[o->n_fds++], u->size, xstrdup(u->name), xstrdup(u->type), false);
	o->at++;
	have_next(o);
}

static void
have_next(struct outgoing *o)
{
	const json_t *list = json_object_get(o->json, "attachments");

	if (json_array_size(list) > LETTER_ATTACHMENTS_MAX)
		reply_error(o->q, 400, "bad", "A letter has at most %d attachments.",
		    LETTER_ATTACHMENTS_MAX);
	/* In memory and in the spool, before the message itself can be measured. */
	else if (o->attached > o->q->web->settings.message_max)
		reply_error(o->q, 413, "large",
		    "The attachments are larger than %llu bytes, the largest message that may be "
		    "sent.",
		    (unsigned long long)o->q->web->settings.message_max);
	else if (o->at < json_array_size(list))
		have_attachment(o, json_array_get(list, o->at));
	else
		o->then(o);
}

/* ---- the beginning ---- */

static void
on_folders(void *arg, const struct folders_answer *a)
{
	struct outgoing *o = arg;

	for (size_t i = 0; i < a->n_folders; i++) {
		if (a->folders[i].role == FOLDER_SENT)
			o->sent = a->folders[i].id;
		if (a->folders[i].role == FOLDER_DRAFTS)
			o->drafts = a->folders[i].id;
	}
	if (a->refusal != FOLDERS_GRANTED)
		reply_refusal(o->q, a->refusal);
	else
		have_answered(o);
}

static void
start(struct request *q)
{
	void (*then)(struct outgoing *) = q->letter_then;
	struct outgoing *o = xcalloc(1, sizeof *o);

	o->q = q;
	o->json = q->json;
	o->then = then;
	o->slot.fd = -1;
	for (size_t i = 0; i < LETTER_ATTACHMENTS_MAX; i++)
		o->fds[i] = -1;
	q->work = o;
	q->abort = letter_abort;
	if (read_sender(o) && read_fields(o))
		folders_list(q->session->folders, on_folders, o);
}

void
letter_begin(struct request *q, bool draft, void (*then)(struct outgoing *o))
{
	q->letter_is_draft = draft;
	q->letter_then = then;
	identities_need(q, start);
}

int
letter_write_copy(struct outgoing *o)
{
	int fd = memfd_create("letter", MFD_CLOEXEC);
	uint64_t len;

	if (fd != -1 && compose_write(&o->letter, true, fd, 0, &len) == 0)
		return fd;
	if (fd != -1 && errno == EINVAL)
		reply_error(o->q, 400, "bad", "An address of the letter cannot be used.");
	else
		trouble(o);
	closefd(&fd);
	return -1;
}
