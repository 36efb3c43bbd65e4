/*
 * What the supervisor can be asked by control.sock and by sessions: one table of requests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "master/certificates.h"
#include "master/certwatch.h"
#include "master/control.h"
#include "master/control_private.h"
#include "master/describe.h"
#include "master/logfile.h"
#include "master/programs.h"
#include "master/stats.h"
#include "master/status.h"

/* ---- the requests ---- */

static void
run_ping(struct request *q, const char *const *words, size_t n)
{
	(void)words, (void)n;
	request_answer(q, 0, json_object());
}

static void
on_status(void *arg, json_t *document)
{
	struct request *q = arg;

	json_object_set_new(document, "certificates",
	    certificates_describe(request_supervisor(q)->instance->config, false));
	request_answer(q, 0, document);
}

static void
run_status(struct request *q, const char *const *words, size_t n)
{
	(void)words, (void)n;
	status_collect(request_supervisor(q), on_status, q);
}

static void
run_stop(struct request *q, const char *const *words, size_t n)
{
	struct supervisor *s = request_supervisor(q);

	(void)words, (void)n;
	request_answer(q, 0, json_object());
	supervisor_stop(s);
}

static void
answer_no_program(struct request *q, const char *name)
{
	char text[1000];

	snprintf(text, sizeof text, "there is no program \"%s\"; right is",
	    log_printable(span_of(name)));
	for (size_t i = 0; i < n_programs; i++) {
		strlcat(text, i == 0 ? " " : ", ", sizeof text);
		strlcat(text, programs[i].name, sizeof text);
	}
	request_fail(q, EX_USAGE, "%s", text);
}

static void
run_restart(struct request *q, const char *const *words, size_t n)
{
	struct supervisor *s = request_supervisor(q);

	int replaced = supervisor_restart(s, n > 1 ? words[1] : NULL);

	if (replaced == -1)
		answer_no_program(q, words[1]);
	else if (replaced == 0)
		request_fail(
		    q, EX_UNAVAILABLE, "it does not run: the configuration does not want it");
	else
		request_answer_settled(q, json_object());
}

int
control_reload(struct supervisor *s, json_t **doc)
{
	struct config_problems problems = {0};
	struct config *c = config_load(s->instance->root, &problems);
	json_t *list = describe_problems(&problems), *notices;
	size_t n_errors = problems.n_errors;
	char *why = NULL;

	config_problems_free(&problems);
	notices = json_array();
	*doc = json_pack("{s:o, s:o}", "problems", list, "notices", notices);
	if (n_errors > 0) {
		json_object_set_new(*doc, "error",
		    json_sprintf(
			"the configuration has %zu error(s); nothing was changed", n_errors));
		config_free(&c);
		return EX_CONFIG;
	}
	if (supervisor_reload(s, c, notices, &why) == -1) {
		json_object_set_new(*doc, "error", json_string(why));
		free(why);
		config_free(&c);
		return EX_OSERR;
	}
	certwatch_renew();
	return 0;
}

static void
run_reload(struct request *q, const char *const *words, size_t n)
{
	json_t *doc;
	int code = control_reload(request_supervisor(q), &doc);

	(void)words, (void)n;
	q->is_reload = true;
	log_info("reload code=%d", code);
	if (code != 0)
		request_answer(q, code, doc);
	else
		request_answer_settled(q, doc);
}

static void
run_log(struct request *q, const char *const *words, size_t n)
{
	if (n != 2 || strcmp(words[1], "rotate") != 0)
		control_log(q, words, n);
	else if (logfile_rotate() == -1)
		request_fail(q, EX_CANTCREAT, "not every log could be renamed");
	else
		request_answer(q, 0, json_object());
}

static void
on_passed_reply(void *arg, int code, bool more, struct span text)
{
	struct request *q = arg;

	request_send(q, code, more, text);
}

static void
pass_on(struct request *q, const char *program, const char *const *words, size_t n)
{
	struct supervisor *s = request_supervisor(q);
	struct process *p = supervisor_process(s, program);
	char text[80];

	if (p != NULL) {
		supervisor_ask(s, p, words, n, on_passed_reply, q);
		return;
	}
	snprintf(text, sizeof text, "%s does not run", program);
	request_fail(q, EX_UNAVAILABLE, "%s", text);
}

static void
run_user(struct request *q, const char *const *words, size_t n)
{
	pass_on(q, "auth", words, n);
}

/* For whom an administrator acts is his own affair on control.sock; who holds a session is known.
 */
static bool
names_another(const struct request *q, const char *const *words, size_t n)
{
	for (size_t i = 2; i < n && q->client->scope != SCOPE_OWNER; i++)
		if (strncmp(words[i], "who=", 4) == 0)
			return true;
	return false;
}

static void
run_queue(struct request *q, const char *const *words, size_t n)
{
	char who[CONTROL_WHO_SIZE + sizeof "who="];
	const char *all[CONTROL_WORDS_MAX];

	if (n < 2 || n == CONTROL_WORDS_MAX || names_another(q, words, n)) {
		request_fail(q, EX_USAGE, "unknown request");
		return;
	}
	/* Who it is stands first: a word of his own says for whom he acts. */
	snprintf(who, sizeof who, "who=%s", q->client->name);
	memcpy(all, words, 2 * sizeof *all);
	all[2] = who;
	memcpy(all + 3, words + 2, (n - 2) * sizeof *all);
	pass_on(q, "queue", all, n + 1);
}

static void
run_fetch(struct request *q, const char *const *words, size_t n)
{
	if (!control_fetch(q, words, n))
		pass_on(q, "fetcher", words, n);
}

static void
run_store(struct request *q, const char *const *words, size_t n)
{
	pass_on(q, "store", words, n);
}

static void
run_backup(struct request *q, const char *const *words, size_t n)
{
	if (!control_backup(q, words, n))
		run_store(q, words, n);
}

static void
on_stats(void *arg, json_t *doc)
{
	request_answer(arg, 0, doc);
}

static void
run_stats(struct request *q, const char *const *words, size_t n)
{
	(void)words, (void)n;
	stats_collect(q->client->server->stats, on_stats, q);
}

static void
run_explain(struct request *q, const char *const *words, size_t n)
{
	pass_on(q, "smtpd", words, n);
}

/* ---- the table ---- */

enum { ALL_SCOPES = SCOPE_OWNER | SCOPE_ADMIN | SCOPE_USER, ADMINS = SCOPE_OWNER | SCOPE_ADMIN };

static const struct request_kind {
	const char *word;
	unsigned scopes;
	bool quiet; /* changes nothing: no line in the log */
	void (*run)(struct request *q, const char *const *words, size_t n);
} kinds[] = {
    {"ping", ALL_SCOPES, true, run_ping},
    {"status", ADMINS, true, run_status},
    {"stop", SCOPE_OWNER, false, run_stop},
    {"restart", ADMINS, false, run_restart},
    {"reload", ADMINS, false, run_reload},
    {"log", ADMINS, true, run_log},
    {"user", ADMINS, false, run_user},
    {"queue", ADMINS, false, run_queue},
    {"fetch", ADMINS, false, run_fetch},
    {"certificate", ADMINS, false, control_certificate},
    {"explain", ADMINS, true, run_explain},
    {"own", SCOPE_ADMIN | SCOPE_USER, false, control_own},
    {"usage", ADMINS, true, run_store},
    {"backup", ADMINS, false, run_backup},
    {"stats", ADMINS, true, run_stats},
    {"logs", ADMINS, true, control_logs},
    {"config", ADMINS, false, control_config},
    {"entries", ADMINS, true, control_entries},
};

/* What a session changes is on record, with whom; its further words may be secret. */
static void
log_request(
    const struct request_kind *kind, const struct client *cl, const char *const *words, size_t n)
{
	static const char *const reading[] = {"list", "show", "find", "history", "sections", "get",
	    "identities", "trace", "contents", "restores"};

	if (cl->scope == SCOPE_OWNER || kind->quiet)
		return;
	for (size_t i = 0; n > 1 && i < nitems(reading); i++)
		if (strcmp(words[1], reading[i]) == 0)
			return;
	log_info("- request user=%s client=%s what=%s verb=%s", cl->name,
	    log_safe(span_of(cl->address)), words[0], n > 1 ? log_safe(span_of(words[1])) : "");
}

void
control_dispatch(struct client *cl, uint64_t tag, const char *const *words, size_t n)
{
	struct request *q = xcalloc(1, sizeof *q);
	const struct request_kind *kind = kinds;

	q->client = cl;
	q->tag = tag;
	cl->requests++;
	while (kind < kinds + nitems(kinds) && strcmp(kind->word, words[0]) != 0)
		kind++;
	if (kind == kinds + nitems(kinds)) {
		request_fail(q, EX_USAGE, "unknown request");
	} else if (!(kind->scopes & cl->scope)) {
		log_warn("- refused user=%s client=%s what=%s", cl->name,
		    log_safe(span_of(cl->address)), kind->word);
		request_fail(q, EX_NOPERM, "only an administrator may ask for this");
	} else {
		log_request(kind, cl, words, n);
		kind->run(q, words, n);
	}
}
