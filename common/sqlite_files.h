/*
 * Lets SQLite open its files by the descriptor of their directory instead of a path: after
 * role_confine() no path leads there. For the whole process; any number of directories.
 */
#ifndef COMMON_SQLITE_FILES_H
#define COMMON_SQLITE_FILES_H

enum { SQLITE_FILES_PATH_SIZE = 300 };

/* Before the first database is opened, in the loop's thread; again it does nothing. Ends the
 * program when this SQLite cannot be told. */
void sqlite_files_use(void);

/* What SQLite is given to open a file. directory stays open as long as the database. A name with a
 * '/' is one that no file has. */
void sqlite_files_path(int directory, const char *name, char path[SQLITE_FILES_PATH_SIZE]);

#endif
