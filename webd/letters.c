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
#include "webd/sessions.h"
#include "webd/uploads.h"
#include "webd/webd.h"

enum { PIECE_BYTES = 32 * 1024, IDS_MAX_BYTES = 4000 };

void
letter_abort(struct request *q)
{
	struct outgoing *o = q->work;

	q->work = NULL;
	q->abort = NULL;
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

/* RFC 5322 3.6.4: its references, and itself. */
static void
read_references(struct outgoing *o, const struct mime *m)
{
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
	o->in_reply_to = strndup(one.at, one.len);
	o->references = xstrdup(list);
	o->letter.in_reply_to = o->in_reply_to;
	o->letter.references = o->references;
}

static void
on_answered(void *arg, const struct folders_answer *a)
{
	struct outgoing *o = arg;
	struct mime *m = NULL;
	int fd = a->fd;

	/* When it is gone the answer is still one. */
	if (fd != -1 && (m = mime_open_file(fd)) != NULL)
		read_references(o, m);
	mime_free(&m);
	closefd(&fd);
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
			folders_get(o->q->session->folders, folder, uid, on_answered, o);
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

static bool
attach_part(struct outgoing *o, int fd, const char *path)
{
	struct mime *m = mime_open_file(fd);
	int part = m != NULL ? mime_find(m, span_of(path)) : MIME_NO_PART, copy = -1;
	uint64_t len;

	if (part != MIME_NO_PART && (copy = decode_part(m, part, &len)) != -1) {
		const struct mime_part *p = mime_part(m, part);
		bool is_message = strcmp(p->type, "message/rfc822") == 0;

		o->fds[o->n_fds++] = copy;
		attach(o, copy, len, message_part_name(m, part), xstrdup(p->type), is_message);
	}
	mime_free(&m);
	return copy != -1;
}

static bool
attach_message(struct outgoing *o, int fd)
{
	struct mime *m = mime_open_file(fd);
	char *subject = m != NULL ? mime_field_text(m, "Subject", 100) : NULL, *name;
	struct stat st;

	mime_free(&m);
	if (subject == NULL || fstat(fd, &st) == -1) {
		free(subject);
		return false;
	}
	for (char *p = subject; *p != '\0'; p++)
		if (strchr("/\\:", *p) != NULL)
			*p = '_';
	name = xasprintf("%s.eml", subject[0] != '\0' ? subject : "message");
	free(subject);
	o->fds[o->n_fds++] = fd;
	attach(o, fd, st.st_size, name, xstrdup("message/rfc822"), true);
	return true;
}

static void
on_attached(void *arg, const struct folders_answer *a)
{
	struct outgoing *o = arg;
	const json_t *one = json_array_get(json_object_get(o->json, "attachments"), o->at);
	const char *part = json_string_value(json_object_get(one, "part"));
	int fd = a->fd;
	bool good;

	if (a->refusal != FOLDERS_GRANTED || fd == -1) {
		reply_error(o->q, 404, "gone", "What is attached is not there any more.");
		return;
	}
	good = part != NULL ? attach_part(o, fd, part) : attach_message(o, fd);
	if (part != NULL || !good)
		closefd(&fd);
	if (!good) {
		reply_error(o->q, 404, "gone", "What is attached cannot be read.");
		return;
	}
	o->at++;
	have_next(o);
}

static void
have_attachment(struct outgoing *o, const json_t *one)
{
	const json_t *id = json_object_get(one, "upload");
	const struct upload *u;
	uint64_t folder, uid;

	if (!json_is_integer(id)) {
		if (read_place(one, &folder, &uid))
			folders_get(o->q->session->folders, folder, uid, on_attached, o);
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
