/* From a message to what its row in an index says. Pure but for reading the message. */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/mime.h"
#include "common/text_buffer.h"
#include "store/indexer_private.h"

enum { REFERENCES_MAX = 20 };

static char *
first_address(const struct mime *m, const char *field, size_t max)
{
	struct mime_addresses a = {0};
	char *text;

	mime_field_addresses(m, field, &a);
	text = a.n > 0 ? mime_address_text(&a.list[0]) : mime_field_text(m, field, max);
	/* A name that leaves no room for the address goes. */
	if (a.n > 0 && strlen(text) > max) {
		free(text);
		text = xstrdup(a.list[0].address);
	}
	text[mime_cut(span_of(text), max)] = '\0';
	mime_addresses_free(&a);
	return text;
}

/* Whole addresses only. */
static char *
all_addresses(const struct mime *m, const char *const *fields, size_t n, size_t max)
{
	struct mime_addresses a = {0};
	struct text_buffer out;

	for (size_t i = 0; i < n; i++)
		mime_field_addresses(m, fields[i], &a);
	text_buffer_init(&out, max);
	for (size_t i = 0; i < a.n && !out.full; i++) {
		char *text = mime_address_text(&a.list[i]);
		char *piece = xasprintf("%s%s", i > 0 ? ", " : "", text);

		text_put_whole(&out, span_of(piece));
		free(piece);
		free(text);
	}
	mime_addresses_free(&a);
	return text_buffer_take(&out);
}

/* ---- message ids ---- */

static bool
is_short(struct span id)
{
	return id.len <= INDEXER_MESSAGE_ID_MAX_BYTES;
}

struct ids {
	struct span list[REFERENCES_MAX];
	size_t n;
};

/* A new one goes to the end; when there are too many the second one makes room, since the first is
 * the thread's. */
static void
add_id(struct ids *ids, struct span id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (span_equal(ids->list[i], id))
			return;
	if (ids->n == REFERENCES_MAX) {
		memmove(ids->list + 1, ids->list + 2, (REFERENCES_MAX - 2) * sizeof ids->list[0]);
		ids->n--;
	}
	ids->list[ids->n++] = id;
}

static void
add_ids(struct ids *ids, const struct mime *m, const char *field)
{
	struct span value = mime_field(m, field, 0), id;

	while (value.at != NULL && mime_next_id(&value, &id))
		if (is_short(id))
			add_id(ids, id);
}

static char *
read_references(const struct mime *m)
{
	struct ids ids = {.n = 0};
	struct text_buffer out;

	add_ids(&ids, m, "References");
	add_ids(&ids, m, "In-Reply-To");
	text_buffer_init(&out, INDEXER_REFERENCES_MAX_BYTES);
	for (size_t i = 0; i < ids.n; i++) {
		if (i > 0)
			text_put_char(&out, ' ');
		text_put(&out, ids.list[i]);
	}
	return text_buffer_take(&out);
}

static char *
read_message_id(const struct mime *m)
{
	struct span value = mime_field(m, "Message-ID", 0), id;

	if (value.at != NULL && mime_next_id(&value, &id) && is_short(id))
		return span_text(id);
	return xstrdup("");
}

/* ---- the text ---- */

static bool
is_quoted(struct span line)
{
	return line.len > 0 && line.at[0] == '>';
}

/* Its first words, without what it quotes. */
static char *
make_preview(struct span text)
{
	struct text_buffer out;
	struct span line;

	text_buffer_init(&out, INDEXER_PREVIEW_MAX_BYTES);
	while (text.len > 0 && !out.full) {
		struct span word;

		(void)span_take(&text, '\n', &line);
		line = span_trim(line);
		if (span_is(line, "--"))
			break; /* a signature */
		if (is_quoted(line))
			continue;
		while ((word = span_take_word(&line)).len > 0 && !out.full) {
			if (out.len > 0)
				text_put_char(&out, ' ');
			text_put(&out, word);
		}
	}
	text_end(&out);
	return text_buffer_take(&out);
}

static bool
is_signature(const char *type)
{
	return strcmp(type, "application/pgp-signature") == 0 ||
	       strcmp(type, "application/pkcs7-signature") == 0 ||
	       strcmp(type, "application/x-pkcs7-signature") == 0;
}

static bool
has_attachment(const struct mime *m)
{
	bool is_inline;

	for (size_t i = 0; i < mime_n_parts(m); i++)
		if (mime_is_attachment(m, i, &is_inline) && !is_inline &&
		    !is_signature(mime_part(m, i)->type))
			return true;
	return false;
}

static void
read_message(const struct mime *m, struct indexer_row *row)
{
	static const char *const to[] = {"To"}, *const all[] = {"To", "Cc", "Bcc"};

	row->has_date = mime_date(m, &row->date);
	row->has_attachment = has_attachment(m);
	row->from = first_address(m, "From", INDEXER_FROM_MAX_BYTES);
	row->to = all_addresses(m, to, nitems(to), INDEXER_TO_MAX_BYTES);
	row->recipients = all_addresses(m, all, nitems(all), INDEXER_RECIPIENTS_MAX_BYTES);
	row->subject = mime_field_text(m, "Subject", INDEXER_SUBJECT_MAX_BYTES);
	row->message_id = read_message_id(m);
	row->references = read_references(m);
	row->text = mime_text(m, INDEXER_TEXT_MAX_BYTES, true, &row->text_len, NULL);
	if (mime_problem(m) != NULL)
		row->problem = xstrdup(mime_problem(m));
}

/* What is still missing is empty. */
static void
complete(struct indexer_row *row)
{
	char **texts[] = {&row->from, &row->to, &row->recipients, &row->subject, &row->message_id,
	    &row->references, &row->preview, &row->text, &row->problem};

	for (size_t i = 0; i < nitems(texts); i++)
		if (*texts[i] == NULL)
			*texts[i] = xstrdup("");
}

void
indexer_read(int fd, struct indexer_row *row)
{
	struct mime *m = mime_open_file(fd);

	*row = (struct indexer_row){.has_date = false};
	if (m != NULL)
		read_message(m, row);
	if (m == NULL || row->text == NULL) {
		free(row->problem);
		row->problem = xstrdup("it could not be read");
		row->text_len = 0;
	} else
		row->preview = make_preview((struct span){row->text, row->text_len});
	mime_free(&m);
	complete(row);
}

void
indexer_row_free(struct indexer_row *row)
{
	free(row->from);
	free(row->to);
	free(row->recipients);
	free(row->subject);
	free(row->message_id);
	free(row->references);
	free(row->preview);
	free(row->text);
	free(row->problem);
}
