/*
 * What users have uploaded. Touches memory files only.
 */
#include "webd/uploads.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

enum { BYTES_PER_MB = 1024 * 1024 };

static uint64_t all_bytes; /* of uploads, and of what may still come of those under way */

struct upload *
upload_find(struct web_session *s, uint64_t id)
{
	struct upload *u;

	LIST_FOREACH (u, &s->uploads, entry)
		if (u->id == id)
			return u;
	return NULL;
}

void
upload_free(struct upload *u)
{
	all_bytes -= u->size;
	LIST_REMOVE(u, entry);
	closefd(&u->fd);
	free(u);
}

void
uploads_free(struct web_session *s)
{
	struct upload *u;

	while ((u = LIST_FIRST(&s->uploads)) != NULL)
		upload_free(u);
}

/* What this user has in all his sessions, with what may still come. */
static void
add_up(const struct request *q, size_t *n, uint64_t *bytes)
{
	struct web_sessions *ws = q->web->sessions;
	struct web_session *s = NULL;
	const struct request *other;
	const struct upload *u;

	*n = 0;
	*bytes = 0;
	while ((s = sessions_of_user(ws, q->session->user, s)) != NULL) {
		LIST_FOREACH (u, &s->uploads, entry) {
			++*n;
			*bytes += u->size;
		}
		LIST_FOREACH (other, &s->requests, entry) {
			*n += other->body_fd != -1;
			*bytes += other->upload_bytes;
		}
	}
}

/* False: it was answered. */
static bool
has_share(struct request *q, uint64_t bytes)
{
	uint64_t largest = q->web->settings.upload_max, had;
	uint64_t max = largest > UPLOADS_USER_MAX_BYTES ? largest : UPLOADS_USER_MAX_BYTES;
	size_t n;

	add_up(q, &n, &had);
	if (n >= UPLOADS_USER_MAX) {
		reply_error(q, 429, "slow-down",
		    "%d files of yours wait to be sent, and no more can: send or remove some.",
		    UPLOADS_USER_MAX);
		return false;
	}
	if (had + bytes <= max)
		return true;
	reply_error(q, 507, "full",
	    "Your files that wait to be sent may have %llu MB together: send or remove some.",
	    (unsigned long long)(max / BYTES_PER_MB));
	return false;
}

bool
uploads_begin(struct request *q)
{
	uint64_t bytes = q->head.chunked ? q->body_max : q->head.length;

	if (!has_share(q, bytes))
		return false;
	if (all_bytes + bytes > UPLOADS_ALL_MAX_BYTES ||
	    (q->body_fd = memfd_create("upload", MFD_CLOEXEC)) == -1) {
		reply_error(q, 503, "later", "There is no room for uploads now; try again later.");
		return false;
	}
	all_bytes += bytes;
	q->upload_bytes = bytes;
	return true;
}

void
uploads_release(struct request *q)
{
	all_bytes -= q->upload_bytes;
	q->upload_bytes = 0;
}

/* A file's name as a browser says it: what would be a path ends at the last of its parts. */
static void
clean_name(char *name)
{
	char *last = name;

	for (char *p = name; *p != '\0'; p++) {
		if (*p == '/' || *p == '\\')
			last = p + 1;
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '_';
	}
	memmove(name, last, strlen(last) + 1);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		strcpy(name, "file");
}

static bool
is_type(const char *type)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789!#$&^_.+-/";
	const char *slash = strchr(type, '/');

	return slash != NULL && slash != type && slash[1] != '\0' && strrchr(type, '/') == slash &&
	       strspn(type, allowed) == strlen(type);
}

void
api_upload(struct request *q)
{
	struct web_session *s = q->session;
	struct upload *u = xcalloc(1, sizeof *u);

	if (!query_text(q, "name", u->name, sizeof u->name) ||
	    !query_text(q, "type", u->type, sizeof u->type)) {
		free(u);
		return;
	}
	clean_name(u->name);
	if (!is_type(u->type))
		strlcpy(u->type, "application/octet-stream", sizeof u->type);
	u->id = ++s->last_upload;
	u->size = q->body_len;
	u->fd = q->body_fd;
	q->body_fd = -1;
	uploads_release(q);
	all_bytes += u->size;
	LIST_INSERT_HEAD(&s->uploads, u, entry);
	q->web->counters.uploads++;
	reply_json(
	    q, json_pack("{s:I, s:o, s:s, s:I}", "id", (json_int_t)u->id, "name",
		   json_text(span_of(u->name)), "type", u->type, "size", (json_int_t)u->size));
}

void
api_upload_remove(struct request *q)
{
	struct upload *u;
	uint64_t id;

	if (!body_u64(q, "id", &id))
		return;
	if ((u = upload_find(q->session, id)) != NULL)
		upload_free(u);
	reply_json(q, NULL);
}
