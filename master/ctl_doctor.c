/*
 * sambarctl doctor: whether all that a mail system needs around it is right. What concerns the
 * network is looked at by a process of its own (doctor.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/host_port.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/ctl.h"
#include "master/doctor.h"
#include "master/doctor_local.h"
#include "master/doctor_plan.h"

/* ---- the findings ---- */

static bool
is_running(const struct ctl *ctl)
{
	int code, sock = ctl_connect(ctl, &code);
	bool running = sock != -1;

	closefd(&sock);
	return running;
}

static void
look_at_supervisor(json_t *findings, bool running)
{
	if (running)
		finding_add(findings, FINDING_RIGHT, "instance", "it runs");
	else
		finding_mend(finding_add(findings, FINDING_WRONG, "instance", "it does not run"),
		    "sambarctl start");
}

static void
look_at_network(json_t *findings, struct doctor_child *child, const json_t *plan)
{
	char *why = NULL;
	json_t *found = doctor_child_ask(child, plan, &why);

	if (found == NULL)
		finding_add(findings, FINDING_UNCLEAR, "network", "%s", why);
	else
		json_array_extend(findings, found);
	json_decref(found);
	free(why);
}

/* With errors in the files nobody can say what holds. */
static void
look(const struct ctl *ctl, json_t *findings, struct doctor_child *child, const char *try)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	bool running = is_running(ctl);
	json_t *plan;

	look_at_supervisor(findings, running);
	doctor_configuration(findings, &problems);
	doctor_clock(findings);
	if (problems.n_errors > 0) {
		finding_add(findings, FINDING_UNCLEAR, "everything else",
		    "the configuration has errors, so what it should be is not known");
	} else {
		doctor_disks(findings, ctl->root, c);
		doctor_permissions(findings, ctl->root, c, running);
		plan = doctor_plan(c, ctl->root, try);
		look_at_network(findings, child, plan);
		json_decref(plan);
	}
	config_problems_free(&problems);
	config_free(&c);
}

/* ---- output ---- */

static size_t
count(const json_t *findings, enum finding_verdict verdict)
{
	const json_t *f;
	size_t i, n = 0;

	json_array_foreach(findings, i, f) n +=
	    strcmp(ctl_text(f, "verdict"), finding_word(verdict)) == 0;
	return n;
}

static void
print(const json_t *findings)
{
	const json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
	{
		printf("%s: %s: %s\n", ctl_text(f, "verdict"), ctl_text(f, "about"),
		    ctl_text(f, "text"));
		if (strcmp(ctl_text(f, "verdict"), finding_word(FINDING_RIGHT)) == 0)
			continue;
		if (ctl_text(f, "question")[0] != '\0')
			printf("    asked: %s\n    answer: %s\n", ctl_text(f, "question"),
			    ctl_text(f, "answer"));
		if (ctl_text(f, "mend")[0] != '\0')
			printf("    to mend: %s\n", ctl_text(f, "mend"));
	}
	printf("\n%zu right, %zu wrong, %zu cannot be told from here\n",
	    count(findings, FINDING_RIGHT), count(findings, FINDING_WRONG),
	    count(findings, FINDING_UNCLEAR));
}

int
ctl_doctor(struct ctl *ctl, char **args, size_t n)
{
	const char *try = ctl_option(args, &n, "--try");
	struct doctor_child child;
	struct host_port at;
	json_t *findings;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if (try != NULL && !host_port_parse(span_of(try), &at))
		return ctl_fail(EX_DATAERR, "--try %s: is no host, such as mx.example.org",
		    log_printable(span_of(try)));
	if (doctor_child_start(&child) == -1)
		return ctl_fail(EX_OSERR, "cannot start a process: %s", strerror(errno));
	findings = json_array();
	look(ctl, findings, &child, try);
	doctor_child_end(&child);
	code = count(findings, FINDING_WRONG) > 0 ? 1 : 0;
	if (ctl->json) {
		int printed = ctl_print_json(json_pack("{s:O}", "findings", findings));

		code = printed != 0 ? printed : code;
	} else {
		print(findings);
	}
	json_decref(findings);
	return code;
}
