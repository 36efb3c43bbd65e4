/*
 * The message of mailit, made by GMime. Reads the body's file and the attachment's; writes
 * temporary files that have no name.
 */
#include <errno.h>
#include <fcntl.h>
#include <gmime/gmime.h>
#include <magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "router/mailit.h"

/* RFC 5322 2.1.1 allows 998 bytes. */
enum { LINE_MAX_BYTES = 990, SUBJECT_MAX_BYTES = 16384, ID_BYTES = 12 };

static const char any_type[] = "application/octet-stream";

/* ---- the text ---- */

/* What stands in a file, made fit for mail: lines with LF. */
struct text {
	FILE *f;
	bool eight_bit, utf8, long_lines;
};

static int
write_failed(void)
{
	return mailit_fail(EX_CANTCREAT, "a temporary file: %s", strerror(errno));
}

/* A line without its end, in which a lone CR ends one too. NUL is in no text (RFC 5322 3.5). */
static void
add_line(struct text *t, char *line, size_t len)
{
	size_t column = 0;

	t->eight_bit |= !span_is_ascii((struct span){line, len});
	t->utf8 &= utf8_is_valid((struct span){line, len});
	for (size_t i = 0; i < len; i++) {
		char c = line[i] == '\r' ? '\n' : line[i] == '\0' ? '?' : line[i];

		column = c == '\n' ? 0 : column + 1;
		t->long_lines |= column > LINE_MAX_BYTES;
		putc(c, t->f);
	}
	putc('\n', t->f);
}

static int
copy_text(struct text *t, FILE *in, const char *name)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int rv = 0;

	while ((n = getline(&line, &size, in)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		if (n > 0 && line[n - 1] == '\r')
			n--;
		add_line(t, line, n);
	}
	if (ferror(in))
		rv = mailit_fail(EX_NOINPUT, "%s: %s", name, strerror(errno));
	free(line);
	return rv;
}

static int
read_text(struct text *t, const char *path)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	int rv;

	if (in == NULL)
		return mailit_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	rv = copy_text(t, in, standard ? "standard input" : path);
	if (!standard)
		fclose(in);
	return rv;
}

/* ---- parts ---- */

/* All of a file, wherever it has been read to. Takes fd. */
static void
set_content(GMimePart *part, int fd, GMimeContentEncoding encoding)
{
	(void)lseek(fd, 0, SEEK_SET); /* a regular file */
	GMimeStream *stream = g_mime_stream_fs_new(fd);
	GMimeDataWrapper *content =
	    g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);

	g_mime_part_set_content(part, content);
	g_mime_part_set_content_encoding(part, encoding);
	g_object_unref(content);
	g_object_unref(stream);
}

/* NULL with *code. */
static GMimePart *
text_part(const char *path, int *code)
{
	struct text t = {.f = tmpfile(), .utf8 = true};
	GMimePart *part = NULL;
	int fd = -1;

	*code = t.f == NULL ? write_failed() : 0;
	if (*code == 0 && path != NULL && path[0] != '\0')
		*code = read_text(&t, path);
	if (*code == 0 && (fflush(t.f) != 0 || ferror(t.f) ||
			      (fd = fcntl(fileno(t.f), F_DUPFD_CLOEXEC, 3)) == -1))
		*code = write_failed();
	if (*code == 0) {
		part = g_mime_part_new_with_type("text", "plain");
		g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset",
		    !t.eight_bit ? "us-ascii"
		    : t.utf8	 ? "utf-8"
				 : "iso-8859-1");
		set_content(part, fd,
		    t.eight_bit || t.long_lines ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
						: GMIME_CONTENT_ENCODING_7BIT);
	}
	if (t.f != NULL)
		fclose(t.f);
	return part;
}

/* What libmagic takes the file for. In base64 no part can be a message or have parts (RFC 2046 5).
 */
static GMimeContentType *
type_of(int fd, bool empty)
{
	magic_t magic = magic_open(MAGIC_MIME);
	const char *found = NULL;
	GMimeContentType *type;

	if (!empty && magic != NULL && magic_load(magic, NULL) == 0)
		found = magic_descriptor(magic, fd);
	type = g_mime_content_type_parse(NULL, found != NULL ? found : any_type);
	if (g_mime_content_type_is_type(type, "message", "*") ||
	    g_mime_content_type_is_type(type, "multipart", "*")) {
		g_object_unref(type);
		type = g_mime_content_type_parse(NULL, any_type);
	} else if (!g_mime_content_type_is_type(type, "text", "*")) {
		g_mime_param_list_remove(g_mime_content_type_get_parameters(type), "charset");
	}
	if (magic != NULL)
		magic_close(magic);
	return type;
}

static GMimePart *
file_part(const char *path, int *code)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *slash = strrchr(path, '/');
	GMimeContentType *type;
	GMimePart *part;
	struct stat st;
	char *name;

	if (fd == -1 || fstat(fd, &st) == -1) {
		*code = mailit_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
		closefd(&fd);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		*code = mailit_fail(EX_NOINPUT, "%s: not a regular file", path);
		closefd(&fd);
		return NULL;
	}
	part = g_mime_part_new();
	type = type_of(fd, st.st_size == 0);
	g_mime_object_set_content_type(GMIME_OBJECT(part), type);
	g_object_unref(type);
	name = mime_to_utf8(
	    span_of(slash != NULL ? slash + 1 : path), "utf-8", false, MIME_NAME_MAX_BYTES, NULL);
	g_mime_object_set_disposition(GMIME_OBJECT(part), "attachment");
	g_mime_part_set_filename(part, name);
	free(name);
	set_content(part, fd, GMIME_CONTENT_ENCODING_BASE64);
	return part;
}

/* ---- the whole ---- */

/* RFC 5322 3.6.4: in the sender's domain. */
static void
set_id(GMimeMessage *message, const char *sender)
{
	unsigned char bytes[ID_BYTES];
	char id[2 * ID_BYTES + 1];
	char *whole;

	arc4random_buf(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	whole = xasprintf("%s@%s", id, strrchr(sender, '@') + 1);
	g_mime_message_set_message_id(message, whole);
	free(whole);
}

static void
set_header(GMimeMessage *message, const struct mailit_letter *letter)
{
	const struct mime_address *from = &letter->from.list[0];
	GDateTime *now = g_date_time_new_now_local();
	char *subject =
	    mime_to_utf8(span_of(letter->subject), "utf-8", false, SUBJECT_MAX_BYTES, NULL);

	g_mime_message_add_mailbox(message, GMIME_ADDRESS_TYPE_FROM,
	    from->name[0] != '\0' ? from->name : NULL, from->address);
	for (size_t i = 0; i < letter->to.n; i++) {
		const struct mime_address *to = &letter->to.list[i];

		g_mime_message_add_mailbox(message, GMIME_ADDRESS_TYPE_TO,
		    to->name[0] != '\0' ? to->name : NULL, to->address);
	}
	g_mime_message_set_subject(message, subject, "utf-8");
	g_mime_message_set_date(message, now);
	set_id(message, from->address);
	g_date_time_unref(now);
	free(subject);
}

static GMimeObject *
make_parts(const struct mailit_letter *letter, int *code)
{
	GMimePart *text = text_part(letter->body, code), *file;
	GMimeMultipart *both;

	if (text == NULL || letter->attachment == NULL)
		return (GMimeObject *)text;
	if ((file = file_part(letter->attachment, code)) == NULL) {
		g_object_unref(text);
		return NULL;
	}
	both = g_mime_multipart_new_with_subtype("mixed");
	g_mime_multipart_add(both, GMIME_OBJECT(text));
	g_mime_multipart_add(both, GMIME_OBJECT(file));
	g_object_unref(text);
	g_object_unref(file);
	return GMIME_OBJECT(both);
}

/* Takes nothing over. -1 with errno. */
static int
write_message(GMimeMessage *message, int fd)
{
	GMimeFormatOptions *options = g_mime_format_options_new();
	GMimeStream *stream = g_mime_stream_fs_new(fd);
	ssize_t n;

	g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
	g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
	n = g_mime_object_write_to_stream(GMIME_OBJECT(message), options, stream);
	g_object_unref(stream);
	g_mime_format_options_free(options);
	return n == -1 ? -1 : 0;
}

static int
open_unnamed(void)
{
	FILE *f = tmpfile();
	int fd = f != NULL ? fcntl(fileno(f), F_DUPFD_CLOEXEC, 3) : -1;

	if (f != NULL)
		fclose(f);
	return fd;
}

int
mailit_compose(const struct mailit_letter *letter, int *fd, uint64_t *size)
{
	GMimeMessage *message;
	GMimeObject *parts;
	struct stat st;
	int code;

	g_mime_init();
	if ((parts = make_parts(letter, &code)) == NULL)
		return code;
	message = g_mime_message_new(TRUE);
	set_header(message, letter);
	g_mime_message_set_mime_part(message, parts);
	if ((*fd = open_unnamed()) == -1 || write_message(message, *fd) == -1 ||
	    fstat(*fd, &st) == -1)
		code = write_failed();
	else
		*size = st.st_size;
	g_object_unref(parts);
	g_object_unref(message);
	return code;
}
