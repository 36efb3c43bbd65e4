/*
 * What a service manager that has started us wants to hear (sd_notify(3)): that all programs run,
 * that we stop, and, when it watches, that the loop still turns; and the listening sockets that it
 * holds while we are replaced. Does nothing without one.
 */
#ifndef MASTER_SERVICE_MANAGER_H
#define MASTER_SERVICE_MANAGER_H

#include <event2/event.h>

#include "master/sockets.h"

struct service_manager;

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that programs that
 * are started do not have them. NULL: nobody wants to hear. */
struct service_manager *service_manager_new(struct event_base *base);
void service_manager_free(struct service_manager **m);

/* "READY=1", "STOPPING=1", "STATUS=..." (sd_notify(3)). Harmless on NULL. */
bool service_manager_tell(struct service_manager *m, const char *state);

/* Has it hold these listening sockets, and no others, beyond our end (FDSTORE=1): whoever starts in
 * our place finds them and who waits at them. Marks those that it was given. Harmless on NULL. */
void service_manager_keep(struct service_manager *m, struct sockets *sockets);

#endif
