/*
 * Router's tables from those settings that matter to a test. For router's unit tests and fuzz
 * targets.
 */
#ifndef TESTS_UNIT_ROUTER_TABLES_SUPPORT_H
#define TESTS_UNIT_ROUTER_TABLES_SUPPORT_H

#include "common/memory.h"
#include "router/tables.h"
#include "tests/unit/common_settings_support.h"

/* What the tables are made from; our.example is ours, and other mail goes by MX. */
static const struct setting_line tables_usual[] = {
    {"mail", "Mail Server", "our.example"},
    {"mail", "Trace Router", "false"},
    {"common", "SMTP Server", ""},
    {"smtpd", "Use MTA", "true"},
    {"smtpd", "Relay Delivery", "ondemand"},
    {"smtpd", "Local Domains", ""},
    {"smtpd", "Relay Domains", ""},
    {"smtpd", "Unknown Mailbox", ""},
    {"limits", "Maximum Alias Depth", "3"},
};

/* Takes the settings. What they leave out is as usual. */
static inline struct tables *
tables_of(struct settings *s)
{
	struct tables *t;

	settings_add_missing(s, tables_usual, nitems(tables_usual));
	t = tables_new(s);
	settings_free(&s);
	return t;
}

#endif
