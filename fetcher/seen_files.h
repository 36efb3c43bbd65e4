/*
 * Lets SQLite open its files by their descriptors' directory instead of a path: after
 * role_confine() no path leads there. For the whole process, and one directory.
 */
#ifndef FETCHER_SEEN_FILES_H
#define FETCHER_SEEN_FILES_H

/* directory: stays open as long as SQLite is used. Files are then opened as "/name". Ends the
 * program when this SQLite cannot be told. */
void seen_files_use(int directory);

#endif
