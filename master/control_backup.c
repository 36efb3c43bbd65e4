/*
 * What sessions may ask of backups: a look into one, and mail back from it. Both are done by a
 * process of its own each (backup_child.h); days, and a backup now, are asked of store.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/backup_child.h"
#include "master/command.h"
#include "master/control_private.h"

/* A restore is bounded by what the mailbox may hold; its limit is for one that hangs. */
enum { LOOKS_MAX = 4, LOOK_LIMIT_S = 60, RESTORE_LIMIT_S = 6 * 3600, WORDS_MAX = 12 };

#define PAGE "--limit=100"

struct work {
	struct request *request; /* NULL: who has asked is gone */
	struct command *command;
	bool is_restore;
};

static unsigned n_looks;
/* Restores: one at a time, which is only there while it runs, and the last one that has ended. */
static struct {
	json_t *running, *last;
} restores;

static void
end_work(struct work *w)
{
	if (!w->is_restore)
		n_looks--;
	free(w);
}

/* ---- the end ---- */

/* What the child has printed as an answer: *code and the document, to which the error belongs. */
static json_t *
read_answer(struct span output, const char *why, int *code)
{
	json_t *all = why == NULL ? json_loadb(output.at, output.len, 0, NULL) : NULL, *doc;
	const char *said = json_string_value(json_object_get(all, "said"));

	*code = all != NULL ? (int)json_integer_value(json_object_get(all, "code")) : EX_SOFTWARE;
	doc = json_object_get(all, "answer");
	doc = json_is_object(doc) ? json_incref(doc) : json_object();
	if (*code != 0)
		json_object_set_new(doc, "error",
		    all != NULL && said != NULL && said[0] != '\0'
			? json_string(said)
			: json_sprintf("the process that does this %s; log/master.log has more",
			      why != NULL ? why : "has said nothing"));
	json_decref(all);
	return doc;
}

static void
note_restore(int code, const json_t *doc)
{
	json_t *last = restores.running;

	restores.running = NULL;
	json_object_set_new(last, "ended", json_integer(time(NULL)));
	json_object_set_new(last, "code", json_integer(code));
	json_object_update(last, (json_t *)(uintptr_t)doc);
	json_decref(restores.last);
	restores.last = last;
	log_info("- restore-ended user=%s day=%s restored=%lld code=%d",
	    log_safe(span_of(json_string_value(json_object_get(last, "user")))),
	    log_safe(span_of(json_string_value(json_object_get(last, "day")))),
	    (long long)json_integer_value(json_object_get(last, "restored")), code);
}

static void
on_output(void *arg, struct span output, const char *why)
{
	struct work *w = arg;
	struct request *q = w->request;
	int code;
	json_t *doc = read_answer(output, why, &code);

	if (w->is_restore)
		note_restore(code, doc);
	end_work(w);
	if (q != NULL)
		request_answer(q, code, doc);
	else
		json_decref(doc);
}

/* A restore goes on: what is half done is not undone by closing a window. */
static void
on_asker_gone(struct request *q)
{
	struct work *w = q->state;

	w->request = NULL;
	if (!w->is_restore) {
		command_drop(&w->command);
		end_work(w);
	}
	request_end(q);
}

/* ---- the beginning ---- */

/* words: what follows "sambarctl backup". */
static void
begin(struct request *q, bool is_restore, const char *const *words, size_t n)
{
	static char self[] = "/proc/self/exe", option[] = BACKUP_CHILD_OPTION;
	struct supervisor *s = request_supervisor(q);
	char *argv[WORDS_MAX + 4] = {self, option, s->instance->root};
	struct command_order order = {.words = argv,
	    .log = "master",
	    .uid = instance_uid(s->instance, ROLE_STORE),
	    .keeps_rights = true,
	    .limit_s = is_restore ? RESTORE_LIMIT_S : LOOK_LIMIT_S,
	    .output_max = BACKUP_ANSWER_MAX_BYTES};
	struct work *w = xcalloc(1, sizeof *w);

	for (size_t i = 0; i < n; i++)
		argv[3 + i] = (char *)(uintptr_t)words[i];
	w->request = q;
	w->is_restore = is_restore;
	n_looks += !is_restore;
	w->command = command_start(s->base, &order, on_output, w);
	if (w->command != NULL) {
		request_lasts(q, on_asker_gone, w);
		return;
	}
	if (is_restore) {
		json_decref(restores.running);
		restores.running = NULL;
	}
	end_work(w);
	request_fail(q, EX_OSERR, "no process can be started: %s", strerror(errno));
}

/* contents DAY [USER [FOLDER [before=N] [find=TEXT]]]. Options stand first: a folder may be called
 * like one. */
static void
look(struct request *q, const char *const *words, size_t n)
{
	char *from = xasprintf("--from=%s", words[0]), *before = NULL, *find = NULL;
	const char *all[WORDS_MAX] = {"list", from};
	size_t count = 2;

	for (size_t i = 3; i < n; i++)
		if (before == NULL && strncmp(words[i], "before=", 7) == 0)
			before = xasprintf("--%s", words[i]);
		else if (find == NULL && strncmp(words[i], "find=", 5) == 0)
			find = xasprintf("--%s", words[i]);
	if (n > 1) {
		all[count++] = PAGE;
		all[count++] = find != NULL ? find : "--find=";
		all[count++] = before != NULL ? before : "--before=4294967295";
		for (size_t i = 1; i < n && i < 3; i++)
			all[count++] = words[i];
	}
	if (n_looks == LOOKS_MAX)
		request_fail(
		    q, EX_TEMPFAIL, "others look into backups just now: try again in a moment");
	else
		begin(q, false, all, count);
	free(from);
	free(before);
	free(find);
}

/* restore DAY USER [FOLDER [MESSAGE]] */
static void
restore(struct request *q, const char *const *words, size_t n)
{
	static const char *const keys[] = {"day", "user", "folder", "message"};
	char *from;
	const char *all[WORDS_MAX] = {"restore"};

	if (restores.running != NULL) {
		request_fail(q, EX_TEMPFAIL, "another restore is under way: wait for its end");
		return;
	}
	restores.running =
	    json_pack("{s:s, s:I}", "by", q->client->name, "started", (json_int_t)time(NULL));
	for (size_t i = 0; i < n; i++)
		json_object_set_new(restores.running, keys[i], json_text(span_of(words[i])));
	from = xasprintf("--from=%s", words[0]);
	all[1] = from;
	memcpy(all + 2, words + 1, (n - 1) * sizeof *all);
	begin(q, true, all, n + 1);
	free(from);
}

static void
tell_restores(struct request *q)
{
	request_answer(
	    q, 0, json_pack("{s:O?, s:O?}", "running", restores.running, "last", restores.last));
}

bool
control_backup(struct request *q, const char *const *words, size_t n)
{
	const char *verb = n > 1 ? words[1] : "";

	if (strcmp(verb, "contents") == 0 && n >= 3 && n <= 7)
		look(q, words + 2, n - 2);
	else if (strcmp(verb, "restore") == 0 && n >= 4 && n <= 6)
		restore(q, words + 2, n - 2);
	else if (strcmp(verb, "restores") == 0 && n == 2)
		tell_restores(q);
	else
		return false;
	return true;
}
