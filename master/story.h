/*
 * What became of a user's messages, in sentences for people, from lines of the logs. Pure. A line
 * is told only to whom it concerns: a sender hears of the recipients that he has named, a recipient
 * of himself and of the sender; neither hears to whom an alias leads.
 *
 * Whoever takes messages from users (smtpd, webd) logs them so, with what strangers say before the
 * last user=, and each text through log_safe():
 *   ID accepted from=<ADDRESS> to=<ADDRESS> to=<ADDRESS> ... user=USER proto=... tls=...
 *   ID recipients to=<ADDRESS> ...    those that the line had no room for
 */
#ifndef MASTER_STORY_H
#define MASTER_STORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum { STORY_MESSAGES_MAX = 30 };

struct story_asker {
	const char *user;
	const json_t *addresses; /* his own: own.h */
	const char *what;	 /* the other one's address; NULL: all of the message */
};

/* The queue ids that these lines ([{"program", "time", "text"}] by time) are about: the newest
 * STORY_MESSAGES_MAX, sorted by number. Returns how many. */
size_t story_ids(const json_t *lines, uint64_t ids[STORY_MESSAGES_MAX]);
/* The queue id of a line's text. */
bool story_line_id(struct span text, uint64_t *id);

/* [{"time", "text"}] by time; lines: all that are about some messages, and refusals. */
json_t *story_tell(const json_t *lines, const struct story_asker *asker);

#endif
