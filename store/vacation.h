/*
 * The vacation reply of a mailbox: whether it is on, what it says, and who has had it. Touches
 *
 * mail/<user>/documents/vacation   the user's document {"on": bool, "from": seconds or null,
 *                                  "until": the same, "subject": "", "text": ""}; read only. It is
 *                                  off without a text
 * mail/<user>/documents/settings   "display_name"; read only
 * mail/<user>/vacation.told        who was told when: records of VACATION_RECORD_BYTES, the time
 *                                  (8 bytes, host order) and a digest of the sender, changed in
 *                                  place. Of a torn one at the end nothing is kept: no reply was
 *                                  sent, since that waits for a sync
 */
#ifndef STORE_VACATION_H
#define STORE_VACATION_H

#include <stdbool.h>
#include <stdint.h>

#include "store/maildir.h"

enum {
	VACATION_PAUSE_S = 7 * 24 * 3600, /* between two replies to one sender */
	VACATION_RECORD_BYTES = 32,
	VACATION_TOLD_MAX = 8192, /* senders in that time; then there are no replies to others */
	VACATION_DOCUMENT_MAX_BYTES = 256 * 1024
};

/* Whether it is on now. Reads the document at the first time, and after vacation_forget(). */
bool vacation_is_on(struct maildir *m);
/* The document may have changed. */
void vacation_forget(struct maildir *m);

/* One allocation. */
struct vacation_reply {
	char subject[STORE_VACATION_SUBJECT_MAX_BYTES + 1];
	char name[STORE_VACATION_NAME_MAX_BYTES + 1];
	char text[STORE_VACATION_TEXT_MAX_BYTES + 1];
};

/*
 * Notes that this sender (canonical text) is told now. The reply, which the caller frees, may be
 * sent once the file system of *fd is synced; *fd is open for reading, the caller's. NULL: it is
 * off, he was told, or that could not be noted (logged).
 */
struct vacation_reply *vacation_claim(struct maildir *m, struct span sender, int *fd);

#endif
