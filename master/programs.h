/*
 * The table of programs: what each one gets from master. The security story of the house in one
 * place.
 */
#ifndef MASTER_PROGRAMS_H
#define MASTER_PROGRAMS_H

#include <stdbool.h>

#include "common/config.h"
#include "common/role.h"

struct program {
	const char *name;
	unsigned role;
	enum confine_profile profile;
	unsigned stop_stage;			   /* lower ones are drained first */
	const char *unix_socket;		   /* the listening end it gets, or NULL */
	const char *workers_section, *workers_key; /* NULL: one process */
	bool overlaps;				   /* a new process may start beside the old one */
	bool on_demand;	     /* runs while there is work: demand.h; the key says how many at most */
	const char *run_key; /* in [mail]: "false" means not at all; NULL: always */
	const char *directories[3]; /* names of directories it gets, see directory table */
};

extern const struct program programs[];
extern const size_t n_programs;

/* What is a directory's path: a key of the configuration, or a fixed path below the root. */
struct program_directory {
	const char *name;
	unsigned owner;
	const char *section, *key; /* NULL: fixed */
	const char *fixed;
	bool mailboxes; /* those made in it by hand are given to the owner */
};

extern const struct program_directory program_directories[];
extern const size_t n_program_directories;

/* Its path in this instance: valid until the next call, and as long as the configuration. */
const char *
program_directory_path(const struct program_directory *d, const char *root, const struct config *c);

#endif
