/*
 * The table of programs and of the directories that guardians own.
 */
#include "master/programs.h"

#include <limits.h>
#include <stdio.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "master/supervisor.h"

/* clang-format off */
const struct program programs[] = {
	/* name, role, profile, stage, socket, workers, overlaps, on demand, run key, directories */
	{ "auth", ROLE_AUTH, CONFINE_FILES, 5, "auth.sock", NULL, NULL, false, false, NULL, {"users"} },
	{ "store", ROLE_STORE, CONFINE_FILES, 4, "store.sock", NULL, NULL, false, false, NULL, {"mail", "backup"} },
	{ "queue", ROLE_QUEUE, CONFINE_FILES, 3, "queue.sock", NULL, NULL, false, false, NULL, {"spool", "failures"} },
	{ "router", ROLE_ROUTER, CONFINE_ROUTER, 1, "router.sock", NULL, NULL, false, false, NULL, {NULL} },
	{ "smtpd", ROLE_SMTPD, CONFINE_NETWORK, 0, NULL, "limits", "SMTP Workers", true, false, "Run SMTPD", {NULL} },
	{ "pop3d", ROLE_POP3D, CONFINE_NETWORK, 0, NULL, "limits", "POP3 Workers", true, false, NULL, {NULL} },
	{ "deliver", ROLE_DELIVER, CONFINE_OUTGOING, 2, "deliver.sock", "mail", "Maximum MTA Routers", true, true, NULL, {NULL} },
	{ "fetcher", ROLE_FETCHER, CONFINE_FILES, 0, NULL, NULL, NULL, false, false, NULL, {"fetcher"} },
	{ "fetch", ROLE_FETCH, CONFINE_OUTGOING, 1, "fetch.sock", "limits", "Maximum Fetches", true, true, NULL, {NULL} },
	{ "indexer", ROLE_INDEXER, CONFINE_READER, 5, "indexer.sock", NULL, NULL, true, true, NULL, {NULL} },
	{ "webd", ROLE_WEBD, CONFINE_WEB, 0, NULL, NULL, NULL, true, false, NULL, {NULL} },
};
/* clang-format on */
_Static_assert(nitems(programs) <= PROGRAMS_MAX, "supervisor.h has room for them");
const size_t n_programs = nitems(programs);

const struct program_directory program_directories[] = {
    {"users", ROLE_AUTH, NULL, NULL, "config/users", false},
    {"mail", ROLE_STORE, "mail", "Mail Directory", NULL, true},
    {"backup", ROLE_STORE, NULL, NULL, "backup", false},
    {"spool", ROLE_QUEUE, "smtpd", "Spool Directory", NULL, false},
    {"failures", ROLE_QUEUE, "smtpd", "Failures Directory", NULL, false},
    {"fetcher", ROLE_FETCHER, NULL, NULL, "fetcher", false},
};
const size_t n_program_directories = nitems(program_directories);

const char *
program_directory_path(const struct program_directory *d, const char *root, const struct config *c)
{
	static char path[PATH_MAX];

	if (d->key != NULL)
		return config_text(c, d->section, d->key);
	snprintf(path, sizeof path, "%s/%s", root, d->fixed);
	return path;
}
