/* A user's own addresses, asked of master once for each session. Private to the folder. */
#ifndef WEBD_IDENTITIES_H
#define WEBD_IDENTITIES_H

#include "webd/http.h"

/* then() is called with the addresses in q->session->identities, [text]: at least his name at our
 * domain. q->work must be free until then. */
void identities_need(struct request *q, void (*then)(struct request *q));

#endif
