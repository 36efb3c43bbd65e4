/*
 * Names of files in a Maildir: ours, made from a queue id, and whatever else lies there. Pure.
 *
 * Ours: <seconds>.M<microseconds>Q<queue id>.<host>,S=<bytes>, with the time of arrival in two
 * parts, so that names sort in that order. All is derived from the message: a repeated delivery
 * finds its own name. Flags may follow in cur/: ":2,S".
 */
#ifndef STORE_MAILDIR_NAME_H
#define STORE_MAILDIR_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

enum {
	MAILDIR_NAME_SIZE = 80, /* of our names with NUL; up to 10^14 bytes they fit into a UIDL */
	MAILDIR_HOST_MAX_BYTES = 20, /* the host's part in our names */
};

/* What a name says. */
struct maildir_name {
	struct span base;   /* up to the flags: it stays when they change */
	uint64_t seconds;   /* the number in front: when it arrived; 0 without */
	bool ours;	    /* size is both the file's and the wire's */
	bool has_size;	    /* ,S= bytes of the file (Maildir++) */
	bool has_wire_size; /* ,W= bytes with CRLF (Dovecot), or ours */
	uint64_t size, wire_size;
};

void maildir_name_parse(struct span file, struct maildir_name *n);

/* arrival_us: since 1970. host as maildir_name_host() made it. */
void maildir_name_print(uint64_t id, uint64_t arrival_us, const char *host, uint64_t bytes,
    char out[MAILDIR_NAME_SIZE]);

/* A name, up to its flags, that a client may give a file: printable, at most
 * FOLDERS_FILE_NAME_MAX_BYTES. */
bool maildir_name_is_plain(struct span base);

/* A domain cut to what our names can hold: letters, digits, '.' and '-'. */
void maildir_name_host(const char *domain, char out[MAILDIR_HOST_MAX_BYTES + 1]);

/*
 * The message's unique id for POP3 (RFC 1939 7): the base where it is 1 to 70 printable bytes, else
 * the first 64 digits of its SHA-256. Returns its length; out has room for MAILBOX_UIDL_MAX_BYTES.
 */
size_t maildir_name_uidl(struct span base, char *out);

#endif
