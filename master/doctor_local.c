/* What sambarctl doctor looks at on this machine, but for owners and modes. */
#include "master/doctor_local.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include "common/memory.h"
#include "master/ctl_table.h"
#include "master/finding.h"

enum {
	LOW_PERCENT = 5,
	MESSAGES_OF_ROOM = 20, /* of the largest size */
	INODES_OF_ROOM = 10000
};

/* A disk that is nearly full in percent has room all the same where this much is left. */
static const uint64_t enough_bytes = 10ULL << 30, enough_inodes = 1000000;

/* ---- the configuration ---- */

void
doctor_configuration(json_t *findings, const struct config_problems *problems)
{
	json_t *finding;

	for (size_t i = 0; i < problems->n; i++) {
		const struct config_problem *p = &problems->items[i];

		finding = finding_add(
		    findings, FINDING_WRONG, "configuration", "%s: %s", p->where, p->text);
		finding_mend(finding,
		    "mend the file, or use sambarctl config; sambarctl check looks "
		    "again");
	}
	if (problems->n == 0)
		finding_add(findings, FINDING_RIGHT, "configuration",
		    "both files are in order, without a warning");
}

/* ---- disks ---- */

static bool
is_low(uint64_t left, uint64_t all, uint64_t least, uint64_t enough)
{
	return left < least || (left < enough && left < all / 100 * LOW_PERCENT);
}

static void
look_at_inodes(json_t *findings, const char *about, const struct statvfs *fs)
{
	json_t *finding;

	/* Some file systems make them as they are needed. */
	if (fs->f_files == 0)
		return;
	if (!is_low(fs->f_favail, fs->f_files, INODES_OF_ROOM, enough_inodes)) {
		finding_add(findings, FINDING_RIGHT, about,
		    "there is room for %" PRIu64 " more files", (uint64_t)fs->f_favail);
		return;
	}
	finding = finding_add(findings, FINDING_WRONG, about,
	    "there is room for %" PRIu64 " more files only, of %" PRIu64, (uint64_t)fs->f_favail,
	    (uint64_t)fs->f_files);
	finding_mend(finding, "remove files, or use a file system with more inodes");
}

static void
look_at_bytes(json_t *findings, const char *about, const struct statvfs *fs, uint64_t message)
{
	uint64_t left = (uint64_t)fs->f_bavail * fs->f_frsize;
	uint64_t all = (uint64_t)fs->f_blocks * fs->f_frsize;
	json_t *finding;

	if (!is_low(left, all, message * MESSAGES_OF_ROOM, enough_bytes)) {
		finding_add(findings, FINDING_RIGHT, about, "%s are free", ctl_size(left));
		return;
	}
	finding = finding_add(findings, FINDING_WRONG, about, "only %s are free", ctl_size(left));
	finding_mend(
	    finding, "make room: sambarctl usage and sambarctl queue list say what is kept");
}

static void
look_at_disk(json_t *findings, const char *what, const char *path, uint64_t message)
{
	char about[80], question[PATH_MAX + 16];
	struct statvfs fs;

	snprintf(about, sizeof about, "disk of the %s", what);
	snprintf(question, sizeof question, "statvfs %s", path);
	if (statvfs(path, &fs) == -1) {
		finding_asked(
		    finding_add(findings, FINDING_UNCLEAR, about, "it cannot be looked at"),
		    question, strerror(errno));
		return;
	}
	look_at_bytes(findings, about, &fs, message);
	snprintf(about, sizeof about, "inodes of the %s", what);
	look_at_inodes(findings, about, &fs);
}

void
doctor_disks(json_t *findings, const char *root, const struct config *c)
{
	uint64_t message = config_u64(c, "smtpd", "Maximum Message Size");
	char logs[PATH_MAX];

	look_at_disk(findings, "spool", config_text(c, "smtpd", "Spool Directory"), message);
	look_at_disk(findings, "mailboxes", config_text(c, "mail", "Mail Directory"), message);
	if (snprintf(logs, sizeof logs, "%s/log", root) < (int)sizeof logs)
		look_at_disk(findings, "logs", logs, 1);
}

/* ---- the clock ---- */

/* What the kernel was told by whoever keeps it right; asking changes nothing. */
void
doctor_clock(json_t *findings)
{
	struct timex t = {.modes = 0};
	char answer[120];
	json_t *finding;

	if (adjtimex(&t) == -1) {
		finding_asked(finding_add(findings, FINDING_UNCLEAR, "clock",
				  "the kernel does not say whether it is kept right"),
		    "adjtimex", strerror(errno));
		return;
	}
	snprintf(answer, sizeof answer, "status 0x%x, estimated error %ld us", (unsigned)t.status,
	    t.esterror);
	if (!(t.status & STA_UNSYNC)) {
		finding = finding_add(findings, FINDING_RIGHT, "clock", "it is kept right");
	} else {
		finding = finding_add(findings, FINDING_WRONG, "clock",
		    "nobody keeps it right, as far as the kernel knows: dates of mail and "
		    "certificates go by it");
		finding_mend(finding, "run a time client: timedatectl set-ntp true, or chrony");
	}
	finding_asked(finding, "adjtimex", answer);
}
