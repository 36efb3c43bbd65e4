/*
 * sambarctl explain: the decisions of a transaction, one after the other, told to an administrator.
 * Asks router; touches no session and no queue.
 */
#include "smtpd/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "smtpd/paths.h"
#include "smtpd/session.h"

/* More at one time are refused: router does not answer. */
enum { EXPLAINS_MAX = 64, PATH_TEXT_SIZE = 2048 };

struct explain {
	struct smtpd *server;
	struct role *role;
	uint64_t tag;
	struct sockaddr_storage address;
	struct policy_question question;
	struct policy_trace trace;
	char user[ROUTER_USER_MAX_BYTES + 1];
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	bool at_rcpt;			    /* MAIL is accepted */
	json_t *doc, *rules, *way, *routes; /* the last three are parts of doc */
};

static unsigned n_explains;

/* ---- the document ---- */

static void
end(struct explain *x, bool accepted, const char *reply)
{
	if (!accepted)
		json_array_clear(x->routes); /* it does not go there */
	json_object_set_new(x->doc, "accepted", json_boolean(accepted));
	json_object_set_new(x->doc, "reply", json_text(span_of(reply)));
	role_admin_reply(x->role, x->tag, 0, x->doc);
	n_explains--;
	free(x);
}

static void
add_rules(struct explain *x, const char *command)
{
	static const char *const outcomes[] = {[POLICY_NEXT] = "next",
	    [POLICY_ACCEPT] = "accept",
	    [POLICY_REFUSE] = "refuse",
	    [POLICY_ASK] = "ask"};

	for (size_t i = 0; i < x->trace.n; i++) {
		const struct policy_step *s = &x->trace.steps[i];

		json_array_append_new(
		    x->rules, json_pack("{s:s, s:s, s:s, s:o}", "command", command, "rule", s->rule,
				  "outcome", outcomes[s->decision.outcome], "why",
				  json_text(span_of(s->decision.sentence))));
	}
}

static const char *const step_words[] = {
    [STEP_ADDRESS] = "address",
    [STEP_ALIAS] = "alias",
    [STEP_FORWARD] = "forward",
    [STEP_MAILBOX] = "mailbox",
    [STEP_UNKNOWN_MAILBOX] = "to the Unknown Mailbox",
    [STEP_UNKNOWN] = "unknown",
    [STEP_NULL] = "null",
    [STEP_REMOTE] = "remote",
    [STEP_RELAY] = "peer",
    [STEP_LOOP] = "leads in a circle",
    [STEP_UNCLEAR] = "store cannot say",
    [STEP_CUT] = "and more",
};

static void
add_way(struct explain *x, const struct router_explanation *e)
{
	for (size_t i = 0; i < e->n_hops; i++) {
		const struct router_hop *h = &e->hops[i];

		json_array_append_new(
		    x->way, json_pack("{s:I, s:s, s:o, s:o}", "depth", (json_int_t)h->depth, "step",
				step_words[h->step], "name", json_text(h->name), "route",
				json_text(h->route)));
		if (h->route.len > 0)
			json_array_append_new(x->routes, json_text(h->route));
	}
}

/* ---- the decisions ---- */

static void
end_refused(struct explain *x, const struct policy_decision *d)
{
	char reply[REPLY_LINE_SIZE];

	policy_reply(d, reply, sizeof reply);
	end(x, false, reply);
}

static void decide(struct explain *x);

/* A decision is made anew when router has answered for the sender. */
static void
on_standing(void *arg, enum router_standing standing)
{
	struct explain *x = arg;

	x->question.has_standing = true;
	x->question.standing = standing;
	decide(x);
}

static void
on_explained(void *arg, const struct router_explanation *e)
{
	struct explain *x = arg;

	add_way(x, e);
	x->question.verdict = e->verdict;
	x->question.targets = e->targets;
	x->at_rcpt = true;
	decide(x);
}

/* MAIL first, and when that is accepted RCPT. */
static void
decide(struct explain *x)
{
	struct policy_decision d = x->at_rcpt ? policy_recipient(&x->question, &x->trace)
					      : policy_mail(&x->question, &x->trace);

	if (d.outcome == POLICY_ASK) {
		router_sender(
		    x->server->router, x->question.reverse_path, span_of(x->user), on_standing, x);
		return;
	}
	add_rules(x, x->at_rcpt ? "RCPT" : "MAIL");
	if (d.outcome == POLICY_REFUSE)
		end_refused(x, &d);
	else if (x->at_rcpt)
		end(x, true, "250 2.1.5 Ok");
	else
		router_explain(x->server->router, span_of(x->to), on_explained, x);
}

/* ---- the request ---- */

/* As the client would write it; who asks may leave the brackets out. */
static struct span
in_brackets(const char *word, char path[PATH_TEXT_SIZE])
{
	snprintf(path, PATH_TEXT_SIZE, word[0] == '<' ? "%s" : "<%s>", word);
	return span_of(path);
}

static int
read_addresses(struct explain *x, const char *from, const char *to, char reply[PATH_REPLY_SIZE])
{
	char path[PATH_TEXT_SIZE];
	struct span line = in_brackets(from, path);

	if (path_sender(&line, x->from, reply) == -1)
		return -1;
	if (line.len == 0) {
		line = in_brackets(to, path);
		if (path_recipient(&line, x->server->settings.server, x->to, reply) == -1)
			return -1;
	}
	if (line.len == 0)
		return 0;
	strlcpy(reply, "501 5.5.4 Something follows the address", PATH_REPLY_SIZE);
	return -1;
}

static void
fill_question(struct explain *x, const char *listener)
{
	const struct sockaddr *address = (const struct sockaddr *)&x->address;
	int kind = policy_kind_of(listener);

	/* Whoever has logged in from elsewhere has done it within TLS. */
	x->question = (struct policy_question){.settings = &x->server->settings.policy,
	    .client = {.kind = kind,
		.address = address,
		.loopback = socket_address_is_loopback(address),
		.tls = kind == KIND_SMTPS || x->user[0] != '\0',
		.logged_in = x->user[0] != '\0'},
	    .reverse_path = span_of(x->from),
	    .words = ""};
}

/* As the key is written, or NULL. */
static const char *
find_listener(const char *word)
{
	static const char *const keys[] = {"SMTP", "Submission", "SMTPS"};

	for (size_t i = 0; i < nitems(keys); i++)
		if (strcasecmp(word, keys[i]) == 0)
			return keys[i];
	return NULL;
}

static void
start_document(struct explain *x, char **words, const char *listener)
{
	x->rules = json_array();
	x->way = json_array();
	x->routes = json_array();
	x->doc = json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "from",
	    json_text(span_of(words[1])), "to", json_text(span_of(words[2])), "ip", words[3],
	    "user", x->user, "listener", listener, "rules", x->rules, "way", x->way, "routes",
	    x->routes);
}

void
explain_request(struct smtpd *d, struct role *r, uint64_t tag, char **words, size_t n)
{
	struct sockaddr_storage address;
	char reply[PATH_REPLY_SIZE];
	struct explain *x;

	const char *listener = n == 6 ? find_listener(words[5]) : NULL;

	if (n != 6 || strcmp(words[0], "explain") != 0) {
		role_admin_error(r, tag, EX_USAGE, "smtpd does not know this request");
	} else if (listener == NULL) {
		role_admin_error(r, tag, EX_USAGE,
		    "there is no listener \"%s\" for mail: right is SMTP, Submission or SMTPS",
		    log_printable(span_of(words[5])));
	} else if (!socket_address_parse(words[3], &address)) {
		role_admin_error(r, tag, EX_DATAERR, "the client's address is no IP address");
	} else if (words[4][0] != '\0' && !address_is_user_name(span_of(words[4]))) {
		role_admin_error(r, tag, EX_DATAERR, "the user is none that could be");
	} else if (n_explains == EXPLAINS_MAX) {
		role_admin_error(r, tag, EX_TEMPFAIL, "router does not answer");
	} else {
		n_explains++;
		x = xcalloc(1, sizeof *x);
		x->server = d;
		x->role = r;
		x->tag = tag;
		x->address = address;
		strlcpy(x->user, words[4], sizeof x->user);
		start_document(x, words, listener);
		if (read_addresses(x, words[1], words[2], reply) == -1) {
			end(x, false, reply);
			return;
		}
		fill_question(x, listener);
		decide(x);
	}
}
