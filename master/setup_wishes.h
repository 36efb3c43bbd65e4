/*
 * What sambarctl setup is to make of an instance: from its arguments, on a terminal from answers to
 * questions, else by the configuration there is. Private to ctl_setup.c.
 */
#ifndef MASTER_SETUP_WISHES_H
#define MASTER_SETUP_WISHES_H

#include <jansson.h>

#include "common/address.h"
#include "common/config.h"
#include "master/ctl.h"

struct setup_wishes {
	const char *domain;
	char host[CONFIG_SERVER_NAME_SIZE];
	char user[ADDRESS_LOCAL_MAX_BYTES + 1]; /* "": nobody */
	const char *webmail;			/* "true", "false", NULL: as it is */
	bool admin, everywhere, password_on_stdin;
	bool ask; /* there is somebody at the terminal */
};

/* Of the arguments. 0, or the exit code of an error that was told. */
int setup_wishes_read(const struct ctl *ctl, struct setup_wishes *w, char **args, size_t n);
/* What they left open. users: of "user list". The same. */
int setup_wishes_complete(struct setup_wishes *w, const struct config *c, const json_t *users);

/* The keys of [listen] that the world uses. HTTP, for this host and its proxy, is none. */
extern const char *const setup_listeners[];
extern const size_t n_setup_listeners;
/* Whether all of them are as they are without the file. */
bool setup_listens_everywhere(const struct config *c);

#endif
