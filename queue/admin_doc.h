/* A message of the spool as a JSON document (master/control.h). Reads no file. */
#ifndef QUEUE_ADMIN_DOC_H
#define QUEUE_ADMIN_DOC_H

#include <jansson.h>

#include "queue/envelope.h"
#include "queue/spool.h"

/*
 * full: with every field of its envelope and all recipients. Else at most 100 of them, and not more
 * than *room (but one), which is lowered; "recipients_total" says how many there are when that is
 * more. For any thread.
 */
json_t *
admin_message_doc(const struct message *m, const struct envelope *e, bool full, size_t *room);

#endif
