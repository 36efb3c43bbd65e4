/* The totals, as the document that others get. */
#include "master/totals.h"

#include <string.h>

#include "common/memory.h"
#include "common/span.h"

/* Those that only grow. By name, so that no program can fill our memory with names. */
static const struct {
	const char *program, *counters;
} growing[] = {
    {"smtpd", "connections connections_refused tls_sessions messages_accepted messages_refused "
	      "recipients_refused bytes_accepted logins logins_failed refused_unknown_user "
	      "refused_relaying refused_sender refused_quota refused_size refused_authentication "
	      "refused_tls refused_loop refused_content refused_syntax refused_limits "
	      "refused_temporary refused_other"},
    {"pop3d", "connections connections_refused tls_sessions logins logins_failed "
	      "messages_retrieved bytes_sent messages_deleted"},
    {"webd", "connections connections_refused tls_sessions requests requests_malformed logins "
	     "logins_failed messages_sent uploads bytes_sent"},
    {"router", "messages delivered sent deferred failed dropped expanded vacation_replies asks"},
    {"queue", "commits batches failed_commits"},
    {"store", "messages_delivered mailboxes_delivered_to messages_indexed"},
    {"auth", "logins logins_remembered logins_failed answers_held_back"},
    {"fetcher", "messages_taken bytes_taken messages_taken_before failures"},
};

static bool
is_in(const char *words, const char *counter)
{
	struct span rest = span_of(words), word;
	bool more;

	do {
		more = span_take(&rest, ' ', &word);
		if (span_is(word, counter))
			return true;
	} while (more);
	return false;
}

static bool
only_grows(const char *program, const char *counter)
{
	for (size_t i = 0; i < nitems(growing); i++)
		if (strcmp(growing[i].program, program) == 0)
			return is_in(growing[i].counters, counter);
	return false;
}

void
totals_init(struct totals *t)
{
	*t = (struct totals){.doc = json_object()};
}

static json_t *
row_of(struct totals *t, const char *program, const char *counter, int64_t since)
{
	json_t *of = json_object_get(t->doc, program), *row;

	if (of == NULL)
		json_object_set_new(t->doc, program, of = json_object());
	if ((row = json_object_get(of, counter)) == NULL) {
		row = json_pack("{s:i, s:I}", "n", 0, "since", (json_int_t)since);
		json_object_set_new(of, counter, row);
		t->changed = true;
	}
	return row;
}

void
totals_count(struct totals *t, const char *program, const char *counter, uint64_t n, int64_t since)
{
	json_t *sum;

	if (!only_grows(program, counter))
		return;
	sum = json_object_get(row_of(t, program, counter, since), "n");
	if (n == 0)
		return;
	json_integer_set(sum, json_integer_value(sum) + n);
	t->changed = true;
}

static void
restore_program(struct totals *t, const char *program, json_t *counters)
{
	const char *counter;
	json_t *row;

	json_object_foreach(counters, counter, row)
	{
		json_int_t n = json_integer_value(json_object_get(row, "n"));
		json_int_t since = json_integer_value(json_object_get(row, "since"));

		if (only_grows(program, counter) && n >= 0 && since > 0)
			json_integer_set(
			    json_object_get(row_of(t, program, counter, since), "n"), n);
	}
}

void
totals_restore(struct totals *t, const json_t *doc)
{
	const char *program;
	json_t *counters;

	json_object_foreach((json_t *)(uintptr_t)doc, program, counters)
	    restore_program(t, program, counters);
}

void
totals_clear(struct totals *t)
{
	json_decref(t->doc);
	t->doc = NULL;
}
