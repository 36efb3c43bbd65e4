/*
 * What the parts of the configuration's editor share: config_edit.c (a change as a whole),
 * config_edit_look.c (what is asked for) and config_files.c (the files).
 */
#ifndef COMMON_CONFIG_EDIT_PRIVATE_H
#define COMMON_CONFIG_EDIT_PRIVATE_H

#include "common/config_private.h"
#include "common/config_splice.h"

/* One of the changes, looked at. */
struct edit {
	const struct config_change *asked;
	const struct config_key *key; /* NULL: a line, or a section as a whole */
	struct splice_key place;      /* name NULL: the section */
	int which;		      /* of the files */
	char *value;		      /* NULL: removed */
	char section[CONFIG_SECTION_SIZE];
};

/* All of them on their way into the files. */
struct editor {
	const char *root;
	struct edit *edits;
	size_t n;
	struct config_source sources[CONFIG_SOURCES]; /* as they are */
	struct config_source with[CONFIG_SOURCES];    /* changed */
	struct config_source without[CONFIG_SOURCES]; /* without all that is in question */
	struct config_changed *out;
};

/* ---- config_edit.c ---- */

/* error: what the system said, 0 when the change itself is not right. The first one is told. Owns
 * text. -1. */
int config_refuse(struct config_changed *out, int error, char *text);
/* A change that is not right by itself. Owns text. -1. */
int config_edit_refuse(struct editor *ed, const struct edit *e, char *text);

/* ---- config_edit_look.c ---- */

/* Finds what each change is about, and looks whether it is right by itself: all that is wrong is
 * told at once. */
int config_edit_look(struct editor *ed, const struct config_change *changes);

/* ---- config_files.c ---- */

/* config_lock(), and why not in *out. */
int config_files_lock(const char *root, struct config_changed *out);
/* Both have been read, and are not the same. */
bool config_source_differs(const struct config_source *a, const struct config_source *b);
/*
 * Replaces the files whose text is another one: a new file beside the old one, synced, then a
 * rename, which is the commit point. When the second cannot be put in place, the first goes back to
 * what it was.
 */
int config_files_write(const char *root, const struct config_source *old,
    const struct config_source *new, struct config_changed *out);

#endif
