/*
 * sambarctl stats and sambarctl usage: the last day, and how full the mailboxes are.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_table.h"

static const char *const kinds[] = {
    "received", "delivered", "sent", "deferred", "bounced", "rejected"};

/* ---- stats ---- */

/* Of the last hour and of all. */
static void
print_traffic(const json_t *traffic)
{
	static const char *const headings[] = {"", "LAST HOUR", "LAST DAY"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	size_t n = json_array_size(traffic), hour = n > 12 ? n - 12 : 0, i;
	const json_t *row;

	for (size_t k = 0; k < nitems(kinds); k++) {
		json_int_t last = 0, all = 0;

		json_array_foreach(traffic, i, row)
		{
			all += ctl_number(row, kinds[k]);
			last += i >= hour ? ctl_number(row, kinds[k]) : 0;
		}
		ctl_table_add(t, "%s", kinds[k]);
		ctl_table_add(t, "%lld", (long long)last);
		ctl_table_add(t, "%lld", (long long)all);
	}
	ctl_table_print(&t);
}

/* Those that have counted anything. */
static void
print_totals(const json_t *totals)
{
	static const char *const headings[] = {"PROGRAM", "COUNTER", "TOTAL", "SINCE"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const char *program, *counter;
	json_t *counters, *total;

	json_object_foreach((json_t *)(uintptr_t)totals, program, counters)
	{
		json_object_foreach(counters, counter, total)
		{
			if (ctl_number(total, "n") == 0)
				continue;
			ctl_table_add(t, "%s", log_printable(span_of(program)));
			ctl_table_add(t, "%s", log_printable(span_of(counter)));
			ctl_table_add(t, "%lld", (long long)ctl_number(total, "n"));
			ctl_table_add(t, "%s", ctl_time(ctl_number(total, "since")));
		}
	}
	ctl_table_print(&t);
}

static void
print_disks(const json_t *disks)
{
	static const char *const headings[] = {"DISK", "FREE", "OF", "PATH"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *disk;
	size_t i;

	json_array_foreach(disks, i, disk)
	{
		ctl_table_add(t, "%s", ctl_text(disk, "what"));
		ctl_table_add(t, "%s", ctl_size(ctl_number(disk, "free")));
		ctl_table_add(t, "%s", ctl_size(ctl_number(disk, "total")));
		ctl_table_add(t, "%s", ctl_text(disk, "path"));
	}
	ctl_table_print(&t);
}

static void
print_certificates(const json_t *certificates)
{
	static const char *const headings[] = {"CERTIFICATE UNTIL", "FILE"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *certificate;
	size_t i;

	json_array_foreach(certificates, i, certificate)
	{
		ctl_table_add(t, "%s", ctl_time(ctl_number(certificate, "until")));
		ctl_table_add(t, "%s", ctl_text(certificate, "file"));
	}
	ctl_table_print(&t);
}

int
ctl_stats(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"stats"};
	json_t *doc;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if ((code = ctl_ask(ctl, false, words, nitems(words), &doc)) != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	print_traffic(json_object_get(doc, "traffic"));
	puts("");
	print_totals(json_object_get(doc, "totals"));
	puts("");
	print_disks(json_object_get(doc, "disk"));
	puts("");
	print_certificates(json_object_get(doc, "certificates"));
	json_decref(doc);
	return 0;
}

/* ---- usage ---- */

int
ctl_usage_of_mailboxes(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"usage"};
	static const char *const headings[] = {"MAILBOX", "MESSAGES", "SIZE", "LIMIT"};
	struct ctl_table *t;
	const json_t *user;
	json_t *doc;
	size_t i;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if ((code = ctl_ask(ctl, false, words, nitems(words), &doc)) != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	t = ctl_table_new(headings, nitems(headings));
	json_array_foreach(json_object_get(doc, "users"), i, user)
	{
		ctl_table_add(t, "%s", ctl_text(user, "name"));
		ctl_table_add(t, "%lld", (long long)ctl_number(user, "messages"));
		ctl_table_add(t, "%s", ctl_size(ctl_number(user, "bytes")));
		ctl_table_add(t, "%s",
		    json_is_null(json_object_get(user, "limit"))
			? "none"
			: ctl_size(ctl_number(user, "limit")));
	}
	ctl_table_print(&t);
	json_decref(doc);
	return 0;
}
