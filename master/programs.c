/*
 * The table of programs and of the directories that guardians own.
 */
#include "master/programs.h"

#include "common/ipc.h"
#include "common/memory.h"

const struct program programs[] = {
    {"auth", ROLE_AUTH, CONFINE_FILES, 4, "auth.sock", NULL, false, NULL, {"users"}},
    {"store", ROLE_STORE, CONFINE_FILES, 3, "store.sock", NULL, false, NULL, {"mail"}},
    {"queue", ROLE_QUEUE, CONFINE_FILES, 2, "queue.sock", NULL, false, NULL, {"spool", "failures"}},
    {"router", ROLE_ROUTER, CONFINE_ROUTER, 1, "router.sock", NULL, false, NULL, {NULL}},
    {"smtpd", ROLE_SMTPD, CONFINE_NETWORK, 0, NULL, "SMTP Workers", true, "Run SMTPD", {NULL}},
    {"pop3d", ROLE_POP3D, CONFINE_NETWORK, 0, NULL, "POP3 Workers", true, NULL, {NULL}},
};
const size_t n_programs = nitems(programs);

const struct program_directory program_directories[] = {
    {"users", ROLE_AUTH, NULL, NULL, "config/users"},
    {"mail", ROLE_STORE, "mail", "Mail Directory", NULL},
    {"spool", ROLE_QUEUE, "smtpd", "Spool Directory", NULL},
    {"failures", ROLE_QUEUE, "smtpd", "Failures Directory", NULL},
};
const size_t n_program_directories = nitems(program_directories);
