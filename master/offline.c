/*
 * A request to an instance that does not run: a supervisor of auth and store only, for the time of
 * the request.
 */
#include "master/offline.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/logfile.h"
#include "master/supervisor.h"

struct offline {
	struct event_base *base;
	struct supervisor supervisor;
	const char *const *words;
	size_t n_words;
	char *text;
	size_t len;
	int code;
	char failure[700];
};

static void
on_reply(void *arg, int code, bool more, struct span text)
{
	struct offline *o = arg;

	o->text = xrealloc(o->text, o->len + text.len);
	memcpy(o->text + o->len, text.at, text.len);
	o->len += text.len;
	o->code = code;
	if (!more)
		supervisor_stop(&o->supervisor);
}

static void
on_ready(void *arg)
{
	struct offline *o = arg;

	supervisor_ask(&o->supervisor, supervisor_process(&o->supervisor, "auth"), o->words,
	    o->n_words, on_reply, o);
}

static void
on_failed(void *arg, const char *sentence)
{
	struct offline *o = arg;

	o->code = EX_SOFTWARE;
	strlcpy(o->failure, sentence, sizeof o->failure);
}

static void
on_stopped(void *arg)
{
	struct offline *o = arg;

	event_base_loopbreak(o->base);
}

static const struct supervisor_ops ops = {on_ready, on_failed, NULL, NULL, on_stopped, NULL};

static json_t *
error_document(const char *sentence)
{
	return json_pack("{s:s}", "error", sentence);
}

static int
load(struct instance *in, const char *root, char **why)
{
	struct config_problems problems = {0};
	struct config *c;

	if (instance_open(in, root, why) == -1)
		return EX_CONFIG;
	c = config_load(in->root, &problems);
	if (problems.n_errors > 0) {
		*why = xasprintf(
		    "the configuration has %zu error(s): see sambarctl check", problems.n_errors);
		config_problems_free(&problems);
		config_free(&c);
		return EX_CONFIG;
	}
	config_problems_free(&problems);
	if (instance_use(in, c, why) == -1) {
		config_free(&c);
		return EX_CONFIG;
	}
	return instance_lock(in, why) == -1 ? EX_TEMPFAIL : 0;
}

static int
run(struct offline *o, struct instance *in, char **why)
{
	char logs[PATH_MAX + 8];

	snprintf(logs, sizeof logs, "%s/log", in->root);
	if (logfile_open(logs) == -1) {
		*why = xasprintf("%s: %s", logs, strerror(errno));
		return errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT;
	}
	signal(SIGPIPE, SIG_IGN);
	if ((o->base = event_base_new()) == NULL) {
		*why = xstrdup("cannot make an event base");
		return EX_OSERR;
	}
	if (supervisor_start(&o->supervisor, o->base, in, ROLE_AUTH | ROLE_STORE, &ops, o, why) ==
	    -1)
		return EX_OSERR;
	event_base_dispatch(o->base);
	supervisor_free(&o->supervisor);
	if (o->failure[0] != '\0')
		*why = xstrdup(o->failure);
	return o->code;
}

int
offline_request(const char *root, const char *const *words, size_t n, json_t **doc)
{
	struct offline o = {.words = words, .n_words = n, .code = EX_SOFTWARE};
	struct instance in;
	char *why = NULL;
	int code = load(&in, root, &why);

	if (code == 0)
		code = run(&o, &in, &why);
	*doc = why == NULL && o.len > 0 ? json_loadb(o.text, o.len, 0, NULL) : NULL;
	if (*doc == NULL)
		*doc = error_document(why != NULL ? why : "auth gave no answer");
	if (o.base != NULL)
		event_base_free(o.base);
	instance_close(&in);
	free(o.text);
	free(why);
	return code;
}
