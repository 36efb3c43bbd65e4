/* Whether an address is one of this machine's. Asks the kernel by a socket, and sends nothing. */
#ifndef COMMON_LOCAL_ADDRESS_H
#define COMMON_LOCAL_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Of an interface, now. False also where the kernel cannot be asked. */
bool local_address(const struct sockaddr *address);

#endif
