/*
 * fetcher collects mail from mailboxes at other hosts: it says when, for whom each message is, and
 * what was taken already. Touches its seen-list; has the passwords of these mailboxes, but no
 * network: that is for its children, fetch.
 */
#include "common/log.h"
#include "fetcher/server.h"

int
main(void)
{
	static struct role role;
	int directory;

	role_start(&role, "fetcher", &server_ops, NULL);
	directory = role_required_socket(&role, "fetcher");
	role_confine(&role, CONFINE_FILES);
	server_run(&role, directory);
	return role_loop(&role);
}
