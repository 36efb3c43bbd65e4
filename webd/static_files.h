/*
 * The files of webd/static/, which static_files.sh puts into the program. Private to the folder.
 */
#ifndef WEBD_STATIC_FILES_H
#define WEBD_STATIC_FILES_H

struct static_file {
	const char *path;	  /* "/app.js" */
	const char *tag, *gz_tag; /* ETags, with their quotes */
	const char *raw, *raw_end, *gz, *gz_end;
};

extern const struct static_file static_files[];
extern const unsigned long n_static_files;

#endif
