/* Directories that others can change: opened and read without following symbolic links. */
#ifndef COMMON_DIRECTORY_H
#define COMMON_DIRECTORY_H

#include <dirent.h>
#include <stdbool.h>

/* A descriptor of the directory that name is in the directory at; name "": at itself. -1 with
 * errno. */
int directory_open(int at, const char *name);
/* The same to be read, closed by closedir(). NULL with errno. */
DIR *directory_read(int at, const char *name);

/* Whether an entry of the directory at is a file, or a directory; a symbolic link is neither. */
bool directory_entry_is_file(int at, const struct dirent *e);
bool directory_entry_is_directory(int at, const struct dirent *e);

#endif
