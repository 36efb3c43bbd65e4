/*
 * smtpd: the SMTP server. Talks to strangers, so it may touch nothing: no file, no secret but the
 * TLS key. Messages go into descriptors that queue has opened; router says where recipients go,
 * auth who may log in.
 */
#include "smtpd/server.h"

int
main(void)
{
	static struct role role;

	role_start(&role, "smtpd", &server_ops, NULL); /* log, settings, inherited sockets */
	server_open(&role);		      /* the last thing from outside: TLS, time zone */
	role_confine(&role, CONFINE_NETWORK); /* account, chroot, system calls: no way back */
	server_run(&role);		      /* the first stranger is heard after that */
	return role_loop(&role);
}
