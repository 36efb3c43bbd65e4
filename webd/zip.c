/* A ZIP archive into memory, piece by piece, by libarchive. Pure. */
#include "webd/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/tree.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/mime.h"

struct used_name {
	RB_ENTRY(used_name) entry;
	unsigned n; /* how often it was asked for */
	char name[];
};

/* Without regard to case: so do the file systems of others. */
static int
compare(const struct used_name *a, const struct used_name *b)
{
	return strcasecmp(a->name, b->name);
}

RB_HEAD(used_names, used_name);
RB_GENERATE_INTERNAL(used_names, used_name, entry, compare, static __attribute__((unused)))

struct zip {
	struct archive *archive;
	struct used_names names;
	size_t n_entries;
	char *ready;
	size_t len, size, taken;
};

static la_ssize_t
on_write(struct archive *archive, void *arg, const void *bytes, size_t n)
{
	struct zip *z = arg;

	(void)archive;
	if (z->len + n > z->size) {
		z->size = 2 * (z->len + n);
		z->ready = xrealloc(z->ready, z->size);
	}
	memcpy(z->ready + z->len, bytes, n);
	z->len += n;
	return n;
}

struct zip *
zip_new(void)
{
	struct zip *z = xcalloc(1, sizeof *z);

	RB_INIT(&z->names);
	if ((z->archive = archive_write_new()) == NULL ||
	    archive_write_set_format_zip(z->archive) != ARCHIVE_OK ||
	    archive_write_zip_set_compression_store(z->archive) != ARCHIVE_OK ||
	    archive_write_set_options(z->archive, "zip:hdrcharset=UTF-8") < ARCHIVE_WARN ||
	    archive_write_set_bytes_per_block(z->archive, 0) != ARCHIVE_OK ||
	    archive_write_open(z->archive, z, NULL, on_write, NULL) != ARCHIVE_OK)
		fatalx("cannot make a ZIP archive");
	return z;
}

void
zip_free(struct zip **zp)
{
	struct zip *z = *zp;
	struct used_name *name;

	if (z == NULL)
		return;
	*zp = NULL;
	archive_write_free(z->archive);
	while ((name = RB_MIN(used_names, &z->names)) != NULL) {
		RB_REMOVE(used_names, &z->names, name);
		free(name);
	}
	free(z->ready);
	free(z);
}

/* ---- names ---- */

/* What Windows keeps for devices, with any extension. */
static bool
is_device(const char *name)
{
	static const char *const devices[] = {"con", "prn", "aux", "nul", "com1", "com2", "com3",
	    "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5",
	    "lpt6", "lpt7", "lpt8", "lpt9"};
	size_t len = strcspn(name, ".");

	for (size_t i = 0; i < nitems(devices); i++)
		if (len == strlen(devices[i]) && strncasecmp(name, devices[i], len) == 0)
			return true;
	return false;
}

/* The caller's; never empty. */
static char *
safe_name(const char *name)
{
	char *text = mime_to_utf8(span_of(name), "utf-8", false, ZIP_NAME_MAX_BYTES, NULL), *whole;
	size_t len;

	for (char *c = text; *c != '\0'; c++)
		if (strchr("/\\:*?\"<>|", *c) != NULL)
			*c = '_';
	len = strlen(text);
	while (len > 0 && (text[len - 1] == '.' || text[len - 1] == ' '))
		text[--len] = '\0';
	whole = text[0] == '\0'			    ? xstrdup("file")
		: text[0] == '.' || is_device(text) ? xasprintf("_%s", text)
						    : xstrdup(text);
	free(text);
	return whole;
}

static struct used_name *
find_name(struct zip *z, const char *name)
{
	struct used_name *wanted = xmalloc(sizeof *wanted + strlen(name) + 1), *found;

	strcpy(wanted->name, name);
	wanted->n = 0;
	if ((found = RB_INSERT(used_names, &z->names, wanted)) == NULL)
		return wanted;
	free(wanted);
	return found;
}

/* "a.pdf", "a (2).pdf", ... The caller's. */
static char *
unique_name(struct zip *z, const char *wanted)
{
	char *name = safe_name(wanted);
	struct used_name *first = find_name(z, name);
	const char *dot = strrchr(name, '.');
	int stem = dot == NULL || dot == name ? (int)strlen(name) : (int)(dot - name);
	char *numbered;

	if (first->n++ == 0)
		return name;
	for (;;) {
		numbered = xasprintf("%.*s (%u)%s", stem, name, first->n, name + stem);
		if (find_name(z, numbered)->n++ == 0)
			break;
		free(numbered);
		first->n++;
	}
	free(name);
	return numbered;
}

/* ---- contents ---- */

int
zip_begin(struct zip *z, const char *name, uint64_t size, time_t modified)
{
	struct archive_entry *e;
	char *unique;
	int rv;

	if (z->n_entries++ == ZIP_ENTRIES_MAX || (e = archive_entry_new()) == NULL)
		return -1;
	unique = unique_name(z, name);
	archive_entry_set_pathname_utf8(e, unique);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_mtime(e, modified, 0);
	if (size != ZIP_SIZE_UNKNOWN)
		archive_entry_set_size(e, size);
	rv = archive_write_header(z->archive, e);
	archive_entry_free(e);
	free(unique);
	return rv >= ARCHIVE_WARN ? 0 : -1;
}

int
zip_put(struct zip *z, struct span bytes)
{
	return bytes.len == 0 ||
		       archive_write_data(z->archive, bytes.at, bytes.len) == (la_ssize_t)bytes.len
		   ? 0
		   : -1;
}

int
zip_end(struct zip *z)
{
	return archive_write_close(z->archive) == ARCHIVE_OK ? 0 : -1;
}

struct span
zip_ready(const struct zip *z)
{
	return (struct span){z->ready + z->taken, z->len - z->taken};
}

void
zip_taken(struct zip *z, size_t n)
{
	z->taken += n;
	if (z->taken == z->len)
		z->taken = z->len = 0;
}
