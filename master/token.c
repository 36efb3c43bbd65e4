/*
 * Which commands run and which wait, and what becomes of what they print. A program asks for
 * sections by name, and can have run no other command than theirs.
 */
#include "master/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "master/command.h"

enum {
	AT_ONCE = 8,	  /* commands that run */
	ASKED_MAX = 1000, /* those that wait included */
	LIMIT_S = 60,
	SECTION_SIZE = 128
};

struct token_request {
	struct token_request *next; /* in the order in which they came */
	struct supervisor *supervisor;
	struct process *process;
	struct command *command; /* NULL: it waits */
	uint64_t tag;
	char section[SECTION_SIZE]; /* "fetch work" */
};

static void
answer(struct process *p, uint64_t tag, bool good, struct span text)
{
	struct writer w;

	if (p->control == NULL)
		return;
	ipc_write(&w, CONTROL_TOKEN_IS, tag);
	put_u64(&w, good);
	put_str(&w, text);
	ipc_channel_send(p->control, &w, -1);
	explicit_bzero(w.at, w.len);
}

static void
refuse(struct process *p, uint64_t tag, const char *why)
{
	answer(p, tag, false, span_of(why));
}

static void
request_free(struct token_request *q)
{
	struct token_request **at = &q->supervisor->tokens;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	command_drop(&q->command);
	free(q);
}

static void start_some(struct supervisor *s);

static void
on_command(void *arg, struct span output, const char *why)
{
	struct token_request *q = arg;
	struct supervisor *s = q->supervisor;
	char sentence[COMMAND_WHY_SIZE + 40];

	q->command = NULL; /* it is freed behind us */
	snprintf(sentence, sizeof sentence, "the OAuth Token Command %s", why != NULL ? why : "");
	if (why == NULL)
		answer(q->process, q->tag, true, output);
	else
		refuse(q->process, q->tag, sentence);
	request_free(q);
	start_some(s);
}

/* -1 with *why: it is not started. */
static int
start(struct token_request *q, const char **why)
{
	static const char key[] = "OAuth Token Command";
	struct supervisor *s = q->supervisor;
	struct command_order order = {.log = q->process->program->name,
	    .uid = instance_uid(s->instance, ROLE_FETCH),
	    .limit_s = LIMIT_S};

	*why = "there is no such section with an OAuth Token Command";
	if (!config_has_section(s->instance->config, q->section))
		return -1;
	order.line = config_text(s->instance->config, q->section, key);
	if (order.line[0] == '\0')
		return -1;
	q->command = command_start(s->base, &order, on_command, q);
	if (q->command != NULL)
		return 0;
	log_warn("[%s] %s: not started: %s", q->section, key, strerror(errno));
	*why = "the OAuth Token Command could not be started";
	return -1;
}

static void
start_some(struct supervisor *s)
{
	size_t running = 0;

	for (struct token_request *q = s->tokens, *next; q != NULL && running < AT_ONCE; q = next) {
		const char *why;

		next = q->next;
		if (q->command == NULL && start(q, &why) == -1) {
			refuse(q->process, q->tag, why);
			request_free(q);
		} else {
			running++;
		}
	}
}

void
token_on_request(struct supervisor *s, struct process *p, uint64_t tag, struct reader *r)
{
	char name[SECTION_SIZE - sizeof "fetch "];
	struct token_request **at = &s->tokens, *q;
	size_t n = 0;

	get_text(r, name, sizeof name);
	if (get_end(r) == -1 || p->program->role != ROLE_FETCHER) {
		log_warn("%s[%d] sent a malformed TOKEN", p->program->name, p->pid);
		return;
	}
	for (; *at != NULL; at = &(*at)->next)
		n++;
	if (n == ASKED_MAX) {
		refuse(p, tag, "too many commands are asked for");
		return;
	}
	q = *at = xcalloc(1, sizeof *q);
	q->supervisor = s;
	q->process = p;
	q->tag = tag;
	snprintf(q->section, sizeof q->section, "fetch %s", name);
	start_some(s);
}

void
token_forget_process(struct supervisor *s, const struct process *p)
{
	for (struct token_request *q = s->tokens, *next; q != NULL; q = next) {
		next = q->next;
		if (q->process == p)
			request_free(q);
	}
}
