/*
 * Counts who comes and turns away who is too many. Touches the new connection and the table of
 * connections.
 */
#include "common/admission.h"

#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/socket_address.h"

/* A flood of connections shall not become a flood of lines. */
enum { LINES_A_SECOND = 20 };

static void
log_refused(struct admission *a, const struct sockaddr *address, const char *reason)
{
	char text[SOCKET_ADDRESS_TEXT_SIZE];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (a->window_s != (uint64_t)now.tv_sec) {
		if (a->n_unlogged > 0)
			log_info(
			    "- connections-refused more=%llu", (unsigned long long)a->n_unlogged);
		a->window_s = now.tv_sec;
		a->n_logged = a->n_unlogged = 0;
	}
	if (a->n_logged == LINES_A_SECOND) {
		a->n_unlogged++;
		return;
	}
	a->n_logged++;
	socket_address_text(address, text);
	log_info("- connection-refused client=%s reason=%s", text, reason);
}

/* One try to say why: who is turned away costs no memory. */
void
admission_refuse(struct admission *a, int fd, const struct sockaddr *address, const char *reply,
    const char *reason)
{
	ssize_t ignored;

	a->n_refused++;
	log_refused(a, address, reason);
	if (reply[0] != '\0') {
		ignored = send(fd, reply, strlen(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)ignored;
	}
	close(fd);
}

void
admission_reserve_fds(struct admission *a, unsigned reserve)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > INT_MAX)
		limit.rlim_cur = INT_MAX;
	/* A quarter at least, however few there are. */
	if (reserve > limit.rlim_cur / 4 * 3)
		reserve = limit.rlim_cur / 4 * 3;
	a->fds_end = limit.rlim_cur - reserve;
}

enum admission_verdict
admission_enter(struct admission *a, int fd, const struct sockaddr *address, bool mute)
{
	unsigned max_each = a->max_each;

	if (a->fds_end > 0 && fd >= a->fds_end) {
		admission_refuse(a, fd, address, mute ? "" : a->full_reply, "descriptors");
		return ADMISSION_REFUSED;
	}
	if (a->table == NULL || address->sa_family == AF_UNIX)
		return ADMISSION_FREE;
	if (max_each > 0 && ip_list_has(a->unlimited, address))
		max_each = 0;
	switch (connections_enter(a->table, address, a->max_all, max_each)) {
	case CONNECTIONS_OK:
		return ADMISSION_COUNTED;
	case CONNECTIONS_FULL:
		admission_refuse(a, fd, address, mute ? "" : a->full_reply, "full");
		break;
	case CONNECTIONS_ADDRESS_FULL:
		admission_refuse(a, fd, address, mute ? "" : a->address_reply, "address-full");
		break;
	}
	return ADMISSION_REFUSED;
}
