/*
 * pop3d: the POP3 server. Talks to strangers, so it may touch nothing: no file, no secret but the
 * TLS key. auth says who may log in and hands over a session with the one mailbox; store gives the
 * messages as open descriptors.
 */
#include "pop3d/server.h"

int
main(void)
{
	static struct role role;

	role_start(&role, "pop3d", &server_ops, NULL); /* log, settings, inherited sockets */
	server_open(&role);			       /* the last thing from outside: TLS */
	role_confine(&role, CONFINE_NETWORK); /* account, chroot, system calls: no way back */
	server_run(&role);		      /* the first stranger is heard after that */
	return role_loop(&role);
}
