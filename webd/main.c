/*
 * webd: WebMail and System Administration over HTTP. Talks to strangers, so it may touch nothing:
 * no file, no secret but the TLS key. For a right password auth hands over a session with the
 * user's mailbox, and one with master: without these nothing can be read or changed. What it sends
 * goes through queue.
 */
#include "common/mime.h"
#include "webd/server.h"

int
main(void)
{
	static struct role role;

	role_start(&role, "webd", &server_ops, NULL); /* log, settings, inherited sockets */
	server_open(&role);			      /* the last thing from outside: TLS */
	mime_prepare();
	role_confine(&role, CONFINE_WEB); /* account, chroot, system calls: no way back */
	server_run(&role);		  /* the first stranger is heard after that */
	return role_loop(&role);
}
