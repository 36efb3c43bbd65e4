/*
 * The pages and what they load. Touches nothing: the files are built into the program.
 */
#include "webd/pages.h"

#include <string.h>

#include "common/memory.h"
#include "webd/static_files.h"

static const struct {
	const char *suffix, *type;
} types[] = {{".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"}, {".svg", "image/svg+xml"}, {".png", "image/png"},
    {".ico", "image/x-icon"}, {".woff2", "font/woff2"}, {".json", "application/json"},
    {".webmanifest", "application/manifest+json"}, {".txt", "text/plain; charset=utf-8"}};

static const char *const app_paths[] = {"/", "/admin", "/setup", "/login"};

static const char *
type_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < nitems(types); i++)
		if (strcmp(types[i].suffix, dot) == 0)
			return types[i].type;
	return "application/octet-stream";
}

static const struct static_file *
find(const char *path)
{
	for (size_t i = 0; i < nitems(app_paths); i++)
		if (strcmp(path, app_paths[i]) == 0)
			path = "/index.html";
	for (unsigned long i = 0; i < n_static_files; i++)
		if (strcmp(path, static_files[i].path) == 0)
			return &static_files[i];
	return NULL;
}

/* RFC 9110 13.1.2, weak comparison. */
static bool
has_tag(struct span list, const char *tag)
{
	struct span item;

	while (list.len > 0) {
		span_take(&list, ',', &item);
		item = span_trim(item);
		if (item.len > 2 && memcmp(item.at, "W/", 2) == 0)
			item = (struct span){item.at + 2, item.len - 2};
		if (span_is(item, tag) || span_is(item, "*"))
			return true;
	}
	return false;
}

void
page_serve(struct request *q)
{
	const struct static_file *f = find(q->path);
	struct span bytes;
	const char *tag;

	if (f == NULL) {
		reply_error(q, 404, "gone", "There is nothing at this address.");
		return;
	}
	bytes = (struct span){f->raw, f->raw_end - f->raw};
	tag = f->tag;
	if (http_list_has(http_field(&q->head, "Accept-Encoding"), "gzip") &&
	    f->gz_end - f->gz < f->raw_end - f->raw) {
		bytes = (struct span){f->gz, f->gz_end - f->gz};
		tag = f->gz_tag;
		reply_field(q, "Content-Encoding", "gzip");
	}
	/* A file keeps its name when it changes: a browser asks each time, and mostly hears 304. */
	reply_field(q, "Cache-Control", "no-cache");
	reply_field(q, "ETag", "%s", tag);
	reply_field(q, "Vary", "Accept-Encoding");
	if (has_tag(http_field(&q->head, "If-None-Match"), tag))
		reply_bytes(q, 304, NULL, (struct span){"", 0});
	else
		reply_bytes(q, 200, type_of(f->path), bytes);
}
