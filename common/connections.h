/*
 * How many connections a service has, in all and from one address, over all of its workers: a table
 * in memory that master makes once (role_socket "connections") and each worker maps. Each worker
 * writes only its own row, and master clears the row of one that has ended, so a crash leaves
 * nothing behind.
 */
#ifndef COMMON_CONNECTIONS_H
#define COMMON_CONNECTIONS_H

#include <stddef.h>
#include <sys/socket.h>

struct connections;

/* Bytes the shared memory must have. */
size_t connections_size(unsigned workers);

/* Maps the table and clears the row of this worker. Closes fd. Ends the program when it cannot. */
struct connections *connections_open(int fd, unsigned worker, unsigned workers);
/* For master: the worker of this row has ended, whatever it has counted. */
void connections_clear(int fd, unsigned worker);
/* Unmaps the table; what this worker counted stays until its row is opened anew. */
void connections_close(struct connections **c);

enum connections_verdict { CONNECTIONS_OK, CONNECTIONS_FULL, CONNECTIONS_ADDRESS_FULL };

/*
 * Counts one more connection from this address (an IPv6 address counts as its /64). max_each 0: no
 * limit for one address. Only after CONNECTIONS_OK it must be given back by connections_leave().
 */
enum connections_verdict connections_enter(
    struct connections *c, const struct sockaddr *address, unsigned max_all, unsigned max_each);
void connections_leave(struct connections *c, const struct sockaddr *address);

/* This worker's own number, for status. */
unsigned connections_own(const struct connections *c);

#endif
