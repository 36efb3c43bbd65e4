/*
 * One's own things: settings and the vacation reply are documents in the mailbox; forwarding,
 * identities and the story of a message are master's to tell, on the user's own session.
 */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/json_text.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/documents.h"
#include "webd/params.h"
#include "webd/sessions.h"

/* ---- documents with known keys ---- */

enum { SIGNATURE_MAX_BYTES = 100 * 1024, NUMBER_MAX = 100000 };

struct known {
	const char *key;
	enum { TEXT, TEXTS, BOOL, NUMBER, TIME } type; /* TEXTS: of more than one line */
	const char *words;			       /* of a TEXT: one of these */
	size_t max;				       /* bytes; of a NUMBER: itself */
	const char *preset;			       /* JSON */
};

static const struct known settings[] = {
    {"display_name", TEXT, NULL, 200, "\"\""},
    {"signature", TEXTS, NULL, 10 * 1024, "\"\""},
    {"signature_html", TEXTS, NULL, SIGNATURE_MAX_BYTES, "\"\""},
    {"compose", TEXT, "plain rich", 0, "\"plain\""},
    {"remote_images", TEXT, "ask never", 0, "\"ask\""},
    {"theme", TEXT, "auto light dark", 0, "\"auto\""},
    {"threads", BOOL, NULL, 0, "true"},
    {"notify", BOOL, NULL, 0, "false"},
    {"density", TEXT, "airy compact", 0, "\"airy\""},
    {"quote", TEXT, "below above", 0, "\"below\""},
    {"undo", NUMBER, NULL, 120, "10"},
};

static const struct known vacation[] = {
    {"on", BOOL, NULL, 0, "false"},
    {"from", TIME, NULL, 0, "null"},
    {"until", TIME, NULL, 0, "null"},
    {"subject", TEXT, NULL, 400, "\"\""},
    {"text", TEXTS, NULL, 20 * 1024, "\"\""},
};

static bool
is_word_of(const char *text, const char *words)
{
	struct span rest = span_of(words), word;

	while ((word = span_take_word(&rest)).len > 0)
		if (span_is(word, text))
			return true;
	return false;
}

static bool
is_right(const struct known *k, const json_t *value)
{
	const char *text = json_string_value(value);

	switch (k->type) {
	case BOOL:
		return json_is_boolean(value);
	case NUMBER:
		return json_is_integer(value) && json_integer_value(value) >= 0 &&
		       json_integer_value(value) <= (json_int_t)k->max;
	case TIME:
		return json_is_null(value) ||
		       (json_is_integer(value) && json_integer_value(value) >= 0);
	default:
		if (text == NULL || strlen(text) != json_string_length(value))
			return false;
		if (k->words != NULL)
			return is_word_of(text, k->words);
		return strlen(text) <= k->max &&
		       (k->type == TEXTS || strpbrk(text, "\r\n") == NULL);
	}
}

/* All keys, with what is there or the preset. */
static json_t *
complete(const json_t *doc, const struct known *known, size_t n)
{
	json_t *all = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(doc, known[i].key);

		if (value != NULL && is_right(&known[i], value))
			json_object_set(all, known[i].key, value);
		else
			json_object_set_new(
			    all, known[i].key, json_loads(known[i].preset, JSON_DECODE_ANY, NULL));
	}
	return all;
}

static bool
check(struct request *q, const struct known *known, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(q->json, known[i].key);

		if (value != NULL && !is_right(&known[i], value)) {
			reply_error(q, 400, "bad", "%s is not right, or too long.", known[i].key);
			return false;
		}
	}
	return true;
}

static void
add_version(json_t *all, uint64_t version)
{
	/* As text: it is larger than the numbers of a browser. */
	json_object_set_new(all, "version", json_sprintf("%llu", (unsigned long long)version));
}

static void
tell(struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal,
    const struct known *known, size_t n)
{
	json_t *all;

	if (doc == NULL) {
		reply_refusal(q, refusal);
		return;
	}
	all = complete(doc, known, n);
	json_decref(doc);
	add_version(all, version);
	reply_json(q, all);
}

/* What was said now, over what is there, when that is what the page has seen. False: answered. */
static bool
put_over(struct request *q, json_t *doc, uint64_t version, const struct known *known, size_t n)
{
	const char *text = json_string_value(json_object_get(q->json, "version"));
	json_t *all = complete(doc, known, n);
	uint64_t seen;

	if (text != NULL && (!span_u64(span_of(text), UINT64_MAX, &seen) || seen != version)) {
		add_version(all, version);
		reply_json_status(q, 409,
		    json_pack("{s:s, s:s, s:o}", "error", "This was changed elsewhere meanwhile.",
			"code", "conflict", "newer", all));
		return false;
	}
	json_object_update(all, q->json);
	json_object_clear(doc);
	for (size_t i = 0; i < n; i++)
		json_object_set(doc, known[i].key, json_object_get(all, known[i].key));
	json_decref(all);
	return true;
}

static void
on_settings(struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal)
{
	tell(q, doc, version, refusal, settings, nitems(settings));
}

void
api_settings(struct request *q)
{
	document_load(q, "settings", on_settings);
}

static bool
change_settings(struct request *q, json_t *doc, uint64_t version)
{
	return put_over(q, doc, version, settings, nitems(settings));
}

/* The version for the next change. */
static void
on_kept(struct request *q, enum folders_refusal refusal, uint64_t version)
{
	json_t *doc = json_object();

	if (refusal != FOLDERS_GRANTED) {
		json_decref(doc);
		reply_refusal(q, refusal);
		return;
	}
	add_version(doc, version);
	reply_json(q, doc);
}

void
api_settings_keep(struct request *q)
{
	if (check(q, settings, nitems(settings)))
		document_change(q, "settings", change_settings, on_kept);
}

static void
on_vacation(struct request *q, json_t *doc, uint64_t version, enum folders_refusal refusal)
{
	tell(q, doc, version, refusal, vacation, nitems(vacation));
}

void
api_vacation(struct request *q)
{
	document_load(q, "vacation", on_vacation);
}

static bool
change_vacation(struct request *q, json_t *doc, uint64_t version)
{
	return put_over(q, doc, version, vacation, nitems(vacation));
}

void
api_vacation_keep(struct request *q)
{
	if (check(q, vacation, nitems(vacation)))
		document_change(q, "vacation", change_vacation, on_kept);
}

/* ---- what master tells ---- */

static void
on_answer(void *arg, int code, json_t *doc, bool more)
{
	(void)more;
	control_answer(arg, code, doc);
}

void
api_forward(struct request *q)
{
	static const char *const words[] = {"own", "forward", "get"};

	control_pass(q, words, nitems(words), on_answer);
}

void
api_forward_set(struct request *q)
{
	const char *words[CONTROL_WORDS_MAX] = {"own", "forward", "set"};
	const json_t *to = json_object_get(q->json, "to");
	size_t n = 4;
	bool keep;

	if (!body_bool(q, "keep", &keep))
		return;
	words[3] = keep ? "keep" : "all";
	for (size_t i = 0; i < json_array_size(to) && n < nitems(words); i++)
		if ((words[n] = json_string_value(json_array_get(to, i))) != NULL)
			n++;
	if (!json_is_array(to) || n != json_array_size(to) + 4) {
		reply_error(q, 400, "bad", "to must be a list of addresses, of at most %zu.",
		    nitems(words) - 4);
		return;
	}
	control_pass(q, words, n, on_answer);
}

static void
on_identities(void *arg, int code, json_t *doc, bool more)
{
	struct request *q = arg;
	const json_t *addresses = json_object_get(doc, "addresses"), *address;
	json_t *list;
	size_t i;

	(void)more;
	if (code != 0) {
		control_answer(q, code, doc);
		return;
	}
	q->work = NULL;
	q->abort = NULL;
	list = json_array();
	if (json_array_size(addresses) > 0) { /* what is offered now must be allowed, too */
		json_decref(q->session->identities);
		q->session->identities = json_deep_copy(addresses);
	}
	json_array_foreach(addresses, i, address)
	    json_array_append_new(list, json_pack("{s:O, s:s}", "address", address, "name", ""));
	reply_json(q, json_pack("{s:o}", "identities", list));
}

void
api_identities(struct request *q)
{
	static const char *const words[] = {"own", "identities"};

	control_pass(q, words, nitems(words), on_identities);
}

void
api_trace(struct request *q)
{
	char what[ADDRESS_TEXT_SIZE];

	if (!query_text(q, "what", what, sizeof what))
		return;
	const char *const words[] = {"own", "trace", what};

	if (what[0] == '\0')
		reply_error(q, 400, "bad", "Say what to look for: an address or a message.");
	else
		control_pass(q, words, nitems(words), on_answer);
}
