/*
 * The spool directory: its files, their states and what happens to each.
 *
 * Below the spool: lock (held by the running queue; its text is the end of the ids that may have
 * been given), incoming/, cur/, bad/. A message has exactly one file. Those in incoming/ are made
 * ahead and serve again and again, each overwritten by the next message: what a file holds is told
 * by its first bytes, the header of an envelope or zeros. Every state:
 *
 * state     file                      moved on by                      a restart
 * SPARE     incoming/FILE, empty or   TAKE gives it to a submitter     removes it
 *           its header wiped
 * WRITING   the same, message without COMMIT, ABANDON, or the          removes it
 *           header                    submitter's connection ends
 * PLACED    incoming/FILE with        the batch's sync COMMITS it:     keeps it when it is whole by
 *           envelope and message, not syncfs, or fdatasync of the      its checksums, and syncs
 *           yet synced [pwrite]; or   file; if it fails the file is    before it serves; else sets
 *           cur/... with R [renameat] removed                          it aside: it was never
 *                                                                      accepted, or the disk is bad
 * NEW       incoming/FILE             the first attempt's end: to      schedules it now
 *                                     cur/ [renameat], or FINISHED
 * CUR       cur/ID,S=,A=,N=[,R=]      each attempt's end renames it    schedules it for N, R
 * HELD      cur/...,H                 an administrator                 keeps it, unscheduled
 * FINISHED  as NEW or CUR; nothing    after the next syncfs, when the  tries it again: store
 *           written of the results    results are volatile: unlinkat,  knows what it has from
 *                                     or its header is wiped (SPARE    the id
 *                                     again)
 * FAILED    as CUR, recipients        its notification becomes NEW     does so again, unless the
 *           failed (or delivered,     [pwrite, fdatasync, fsync of     journal says TOLD
 *           delayed) and not TOLD     incoming/]; then TOLD in the
 *                                     journal
 * KEPT      as FAILED; none pending,  failures/.ID.* written, synced,  does so again
 *           one that cannot be told   renamed to ID.txt and ID.eml,
 *                                     directory synced; then unlinkat
 * BAD       bad/NAME                  an administrator                 leaves it
 *
 * A file is overwritten only after its message was FINISHED, durably: so a power cut that leaves
 * parts of two messages in it costs nothing, and the checksums tell. In incoming/ nothing is
 * written but whole messages; before status bytes and journal records are, the file goes to cur/.
 * They are written after a syncfs when they depend on volatile deliveries, and become durable with
 * the next sync; without it the message is only tried earlier, or a recipient again, or its sender
 * told twice. An EXPAND
 * record is synced before the next hand-out. In cur/ a file shorter than S, and anywhere a name or
 * kind that is not ours, is set aside into bad/ with a log line.
 *
 * A finished file goes back only to the connection that its message came from, which may still have
 * it open, and only when router had it once.
 *
 * Everything here but spool_open(), spool_lock() and spool_recover() may run in a helper thread and
 * logs nothing.
 */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include <sys/queue.h>

#include "queue/id_map.h"
#include "queue/spool_name.h"

struct envelope;
struct ipc_peer;
struct journal;
struct hand;

struct spool {
	int root, incoming, cur, bad, lock;
	int failures;
	/* of the thread that creates files, after spool_recover(): */
	uint64_t last_id, ids_end;
};

/*
 * A file in incoming/ without a message, with the peer that holds it. After its commit it may be
 * kept beside its message: its descriptors serve the hand-out, and the next message when the file
 * is recycled.
 */
struct slot {
	struct id_node node;
	int fd;
	int reader; /* the same file, read only; -1: not opened yet */
	bool kept;  /* the descriptors stay open after the commit */
	int error;  /* set by the helper thread, or by a part that was too much */
	struct spool_name name;
	unsigned char *envelope;
	size_t envelope_len, envelope_room;
	STAILQ_ENTRY(slot) link;
	bool moved; /* into cur/ */
	/* of the loop: */
	struct ipc_peer *peer; /* NULL: gone */
	TAILQ_ENTRY(slot) of_peer;
	uint64_t tag;
	uint32_t n_recipients;
	bool committing;
	bool wants_success;
	uint32_t mark;
	uint32_t origin; /* the connection that has written the message; see struct message */
};
STAILQ_HEAD(slot_list, slot);
TAILQ_HEAD(peer_slots, slot);

enum message_state {
	MESSAGE_WAITING,   /* in the schedule */
	MESSAGE_HELD,	   /* an administrator's word is needed */
	MESSAGE_PARKED,	   /* until router fetches those of its destination */
	MESSAGE_LOADING,   /* its envelope is being read */
	MESSAGE_IN_HAND,   /* router has it */
	MESSAGE_CONCLUDING /* its results are being written, or it is being removed */
};

/* A committed message. There may be a million: at most 88 bytes. */
struct message {
	struct id_node node;
	struct spool_name name;
	union {
		uint64_t due_us;
		struct message *parked_before; /* MESSAGE_PARKED; see parking.h */
	};
	union {
		struct hand *hand;	       /* while in hand or concluding */
		struct message *parked_behind; /* MESSAGE_PARKED */
	};
	union {
		uint32_t heap_index; /* MESSAGE_WAITING */
		uint32_t lot;	     /* MESSAGE_PARKED */
	};
	uint32_t origin;	    /* the connection that its file may go back to; 0: none */
	uint32_t mark;		    /* of its submitter, see own.h; 0: not known */
	uint32_t n_recipients : 24; /* 0: must be read; else all of them are pending */
	uint32_t state : 4;
	uint32_t finished : 1;	    /* all have it: it is only to be removed */
	uint32_t ordered : 1;	    /* its next attempt is an administrator's wish, not its turn */
	uint32_t wants_success : 1; /* a sender wants to hear of deliveries, too */
};

struct slot *slot_new(uint64_t id, int fd);
/* Closes its descriptors. Clears the pointer; harmless on NULL. */
void slot_free(struct slot **s);

/* Makes and opens the directories below root; failures is where failed mail goes. Ends the program
 * on failure. Owns both descriptors. */
void spool_open(struct spool *sp, int root, int failures);
/* Waits until no other queue process has this spool. Ends the program on failure. */
void spool_lock(struct spool *sp);

typedef void (*spool_found_cb)(void *arg, uint64_t id, const struct spool_name *name);
/*
 * Removes what holds no message, sets aside what is not ours or not whole, calls found() for each
 * message, syncs. found() may see an id twice (once in each directory). Ends the program when a
 * directory cannot be read.
 */
void spool_recover(struct spool *sp, spool_found_cb found, void *arg);
/* Says in the lock file which ids were given, so that the next start need not skip any. */
void spool_close(struct spool *sp);
/* Closes its descriptors; the lock is given up. */
void spool_free(struct spool *sp);

/* An id that was never given before. 0 with errno. */
uint64_t spool_new_id(struct spool *sp);
/* Makes an empty file in incoming/, whose name is durable after spool_sync_incoming(). A descriptor
 * or -1. */
int spool_create(struct spool *sp, uint64_t file);
int spool_discard(struct spool *sp, uint64_t file);
/*
 * Makes the file of a finished message in incoming/ a spare one, for a message with a new id; its
 * name.size is how large the file is. kept:
 * a slot that has it open for writing (taken over in any case), or NULL. NULL with errno: then it
 * must be removed (EFBIG: it is too large to be kept).
 */
struct slot *spool_recycle(struct spool *sp, const struct spool_name *name, struct slot *kept);

/*
 * Cuts off what an earlier message has left behind this one, writes the envelope in front of it,
 * and renames the file if it belongs into cur/. Nothing is promised before a sync. -1 with errno
 * (EPROTO: the file is shorter than was said).
 */
int spool_place(struct spool *sp, struct slot *s);
/* Removes the slot's file, whether it was placed or not. */
int spool_unplace(struct spool *sp, struct slot *s);
int spool_sync_all(struct spool *sp);
/* The same for those who have changed messages. The kernel tells a write error once to each open
 * directory: what is told here spool_sync_all() still hears. */
int spool_sync_changes(struct spool *sp);
int spool_sync_incoming(struct spool *sp);

/* True when an error of opening or reading a message says that the file is not sound, and not only:
 * not now. */
bool spool_is_bad(int error);
int spool_message_open(struct spool *sp, uint64_t id, const struct spool_name *name, int flags);
/* Gives the file another name; *at says where it is, before and after. -1 with errno. */
int spool_message_move(
    struct spool *sp, uint64_t id, struct spool_name *at, const struct spool_name *to);
/* The same, into cur/ with the name as it is: nothing is written into a file of incoming/. */
int spool_message_leave_incoming(struct spool *sp, uint64_t id, struct spool_name *at);
/* Appends records behind the sound ones of the file, which is in cur/ and has this envelope; a torn
 * one goes. -1 with errno: then nothing of them stays. */
int spool_append(int fd, const struct envelope *e, const struct journal *j);
int spool_message_remove(struct spool *sp, uint64_t id, const struct spool_name *name);
int spool_message_set_aside(struct spool *sp, uint64_t id, const struct spool_name *name);

/* For spool_recover() and what sets aside a message: moves an entry of this directory into bad/. */
int spool_set_aside(struct spool *sp, int directory, const char *name);

/* Writes all n bytes. -1 with errno. */
int spool_pwrite(int fd, const void *bytes, size_t n, uint64_t at);

#endif
