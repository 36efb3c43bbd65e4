/*
 * A mailbox's messages at one moment: as store needs them (file names) and as a session's holder
 * gets them (sealed memory). Never changed once made; shared by all sessions that see the same.
 */
#ifndef STORE_LISTING_H
#define STORE_LISTING_H

#include <stddef.h>
#include <stdint.h>

#include "store/maildir.h"

/* One message. name points into the listing's names (NUL-terminated there). */
struct listing_file {
	const char *name;
	uint64_t seconds, wire_size;
	uint16_t base_len; /* of name: without the flags */
	uint8_t folder;	   /* MAILDIR_NEW or MAILDIR_CUR */
};

struct listing {
	unsigned refs;
	size_t n, bytes;
	struct listing_file *files; /* in the order of their arrival */
	char *names;
	int memory; /* struct mailbox_listing, sealed */
	struct stamp stamps[2];
	bool settled; /* equal stamps mean equal contents: see scan.c */
};

/*
 * Makes a listing of files, which is sorted here (files of the same base but the first are left
 * out). Takes files and names, also on failure. NULL with errno.
 */
struct listing *listing_new(struct listing_file *files, size_t n, char *names, size_t names_bytes);
struct listing *listing_hold(struct listing *l);
/* The last one frees it. Clears the caller's pointer. */
void listing_release(struct listing **l);

/* What keeping it costs. */
size_t listing_bytes(const struct listing *l);
/* The file with this base, or NULL. */
const struct listing_file *
listing_find(const struct listing *l, const char *name, uint64_t seconds, size_t base_len);

#endif
