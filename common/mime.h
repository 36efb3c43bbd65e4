/*
 * A message as MIME has it (RFC 2045-2047, 2231, 3676): its parts, the texts of its header, what
 * people read in it, and the contents of one part as a stream. The one wrapper of GMime and of
 * iconv; who its parts are is found by a scan of our own that neither recurses nor keeps more of a
 * message than its header, so that memory and time are bounded whatever a stranger wrote. Reads the
 * message by its descriptor, never by a mapping: a file that is cut short meanwhile ends, and kills
 * no one. For one thread at a time.
 *
 * Texts that come from here are UTF-8 without control characters (bodies: but line feeds and tabs);
 * what cannot be decoded is U+FFFD.
 */
#ifndef COMMON_MIME_H
#define COMMON_MIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/span.h"

enum {
	MIME_DEPTH_MAX = 50,		    /* parts in parts; what is deeper is not looked into */
	MIME_PARTS_MAX = 1000,		    /* what follows is not looked at */
	MIME_HEADER_MAX_BYTES = 256 * 1024, /* of the message's header; the rest is not kept */
	MIME_PART_HEADER_MAX_BYTES = 16 * 1024, /* of a part's */
	MIME_FIELDS_MAX = 2000,
	MIME_FIELD_MAX_BYTES = 32 * 1024, /* a value is cut to it */
	MIME_ADDRESSES_MAX = 1000,	  /* of one field */
	MIME_BOUNDARY_MAX_BYTES = 200,	  /* RFC 2046 allows 70 */
	MIME_ID_MAX_BYTES = 900,	  /* of a message id: it fits on a line */
	MIME_NAME_MAX_BYTES = 200,	  /* of an attachment, as a file system has room for it */
	MIME_READ_BYTES = 64 * 1024
};

/* Before role_confine(): reads what charsets need of the file system. Harmless when repeated. */
void mime_prepare(void);

enum mime_encoding {
	MIME_IDENTITY, /* 7bit, 8bit, binary, and what nobody knows */
	MIME_BASE64,
	MIME_QUOTED_PRINTABLE,
	MIME_UUENCODE
};
enum mime_disposition { MIME_NO_DISPOSITION, MIME_INLINE, MIME_ATTACHMENT };

enum { MIME_NO_PART = -1 };

/* Parts are in the order in which they stand; part 0 is the message itself. Texts are "" when there
 * is none. */
struct mime_part {
	char *path;		/* as IMAP numbers it: "1.2"; "" for a message of parts itself */
	char *type;		/* lower case: "text/plain" */
	char *charset;		/* as it is named there */
	char *name;		/* of a file, without a path; may be empty */
	char *content_id;	/* without < and > */
	bool flowed, delete_sp; /* RFC 3676 */
	bool in_message;	/* of a message that is attached */
	int parent;		/* MIME_NO_PART for part 0 */
	unsigned depth, children;
	enum mime_encoding encoding;
	enum mime_disposition disposition;
	uint64_t header_at; /* offset in the message */
	uint64_t at, len;   /* of the body, encoded */
};

struct mime;

/* fd stays the caller's, and open as long as this; its position is not used. The message is its len
 * bytes from offset at on. NULL with errno when it cannot be read. */
struct mime *mime_open(int fd, uint64_t at, uint64_t len);
/* The same for all of a file. */
struct mime *mime_open_file(int fd);
/* A part that is a message by itself; uses the same descriptor. */
struct mime *mime_sub(const struct mime *m, const struct mime_part *part);
void mime_free(struct mime **m);

/* NULL, or a phrase: the worst that is wrong with it. */
const char *mime_problem(const struct mime *m);

size_t mime_n_parts(const struct mime *m);
const struct mime_part *mime_part(const struct mime *m, size_t i);
/* MIME_NO_PART: no part has this path. */
int mime_find(const struct mime *m, struct span path);
/* What is offered as a file: no text to be read in place, and no picture that an HTML part shows
 * (those are given with is_inline set). A message that is attached is one, its parts are none. */
bool mime_is_attachment(const struct mime *m, size_t i, bool *is_inline);

/* ---- the header ---- */

/* The nth (from 0) field's value, unfolded, not decoded; borrowed. at is NULL when there is none.
 */
struct span mime_field(const struct mime *m, const char *name, size_t nth);
/* The first one decoded (RFC 2047), on one line, at most max bytes; the caller's. "" without one.
 */
char *mime_field_text(const struct mime *m, const char *name, size_t max);
/* Seconds since 1970. False: none, or none that can be understood. */
bool mime_date(const struct mime *m, int64_t *seconds);

struct mime_address {
	char *name;    /* decoded; "" without one */
	char *address; /* as it is there, cleaned */
};
struct mime_addresses {
	size_t n;
	struct mime_address *list;
};
/* Adds those of all fields of this name; members of groups like others. */
void mime_field_addresses(const struct mime *m, const char *name, struct mime_addresses *to);
/* Adds those of a text as a header field has it (RFC 5322 3.4), also of one that is none too well
 * formed. */
void mime_addresses_parse(struct span text, struct mime_addresses *to);
void mime_addresses_add(struct mime_addresses *to, const char *name, const char *address);
void mime_addresses_free(struct mime_addresses *a);
/* "Name <address>", with quotes around a name that needs them, or "address"; the caller's. */
char *mime_address_text(const struct mime_address *a);

/* What can stand in a header again: printable ASCII without blanks and brackets. */
bool mime_is_id(struct span id);
/* Cuts the next message id, without < and >, from a value; passes over what mime_is_id() refuses.
 * False: no more. */
bool mime_next_id(struct span *value, struct span *id);

/* ---- bodies ---- */

struct mime_body;

/* The decoded contents of a part: of a message that is attached, the message; of parts, as they
 * stand. Uses m. */
struct mime_body *mime_body_open(const struct mime *m, size_t part);
/* Up to size bytes, 0 at the end, -1 with errno. */
ssize_t mime_body_read(struct mime_body *b, void *out, size_t size);
void mime_body_free(struct mime_body **b);

/* A text part in UTF-8 with LF, at most max bytes; flowed text in long lines. *cut (may be NULL) is
 * set when there is more, and left as it is otherwise. The caller's, with a NUL behind *len bytes.
 * NULL with errno when it cannot be read. */
char *mime_part_text(const struct mime *m, size_t part, size_t max, size_t *len, bool *cut);

/*
 * The parts that people read in place, in their order: of alternatives the best one, which is HTML
 * when html is set, else plain text. Returns how many, at most max.
 */
size_t mime_readable(const struct mime *m, bool html, int *parts, size_t max);
/* Whether any of it is HTML. */
bool mime_has_html(const struct mime *m);
/* All of what mime_readable() finds as plain text, at most max bytes; the caller's. messages: also
 * the text of attached messages. NULL with errno when it cannot be read. */
char *mime_text(const struct mime *m, size_t max, bool messages, size_t *len, bool *cut);

/* ---- texts ---- */

/* Text in a charset as UTF-8, cleaned. lines: line feeds and tabs stay, else they are blanks, and
 * blanks at both ends go. The caller's, with a NUL behind *len (may be NULL) bytes. */
char *mime_to_utf8(struct span text, const char *charset, bool lines, size_t max, size_t *len);
/* A decoded text of a header field, such as mime_field() gives. The caller's. */
char *mime_decode(struct span value, size_t max);
/* The length of text when it is cut to max bytes between two characters. */
size_t mime_cut(struct span text, size_t max);

#endif
