/* What an import or a restore came to. Private to master/. */
#ifndef MASTER_IMPORT_REPORT_H
#define MASTER_IMPORT_REPORT_H

#include "master/import_session.h"

/* Waits for the last messages, ends the session, prints counts and returns the exit code. whole
 * false: something was told already that makes it a failure. */
int import_report(const struct ctl *ctl, struct import **im, const char *done, bool whole);

#endif
