/*
 * What the files index_folders.c, index_create.c, index_rename.c, index_remove.c and
 * subscriptions.c share. Private to them.
 */
#ifndef STORE_INDEX_FOLDERS_H
#define STORE_INDEX_FOLDERS_H

#include "store/index.h"

enum { DIRECTORY_MODE = 0700, FILE_MODE = 0600, FOLDERS_MAX = 2000 };

/* index_folders.c: the directory was made, the row and what is in memory follow. It is the last of
 * x->folders then. */
void index_add_folder(struct index *x, const char *directory, const char *name);
/* All of the i-th's rows, and what is in memory. */
void index_drop_folder(struct index *x, size_t i);

/* index_create.c: -1 with errno. */
int index_make_directory(struct index *x, const char *directory);
/* What an errno of making, renaming or removing one means to who has asked. */
enum folders_refusal index_refusal_of(int error);

/* subscriptions.c: into and from the file. A file that cannot be read is not written over; load
 * sets x->subscriptions_known. save: -1 with errno. */
void subscriptions_load(struct index *x);
int subscriptions_save(struct index *x);
/* There is no such file yet. */
bool subscriptions_are_new(struct index *x);

#endif
