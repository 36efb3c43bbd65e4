/*
 * The configuration as documents. Pure.
 */
#include "master/describe_config.h"

#include <stdio.h>
#include <string.h>

#include "common/config_private.h"
#include "common/json_text.h"
#include "common/memory.h"

static const char *const type_names[] = {[CONFIG_TEXT] = "text",
    [CONFIG_SECRET] = "secret",
    [CONFIG_BOOL] = "bool",
    [CONFIG_NUMBER] = "number",
    [CONFIG_SIZE] = "size",
    [CONFIG_DURATION] = "duration",
    [CONFIG_DURATIONS] = "durations",
    [CONFIG_CHOICE] = "choice",
    [CONFIG_DOMAIN] = "domain",
    [CONFIG_DOMAINS] = "domains",
    [CONFIG_ADDRESSES] = "addresses",
    [CONFIG_LISTEN] = "listen",
    [CONFIG_HOST] = "host",
    [CONFIG_NAMESERVER] = "nameserver",
    [CONFIG_MAILBOX] = "mailbox",
    [CONFIG_MAIL_ADDRESS] = "address",
    [CONFIG_PATH] = "path",
    [CONFIG_INTERVAL] = "interval",
    [CONFIG_FINGERPRINT] = "fingerprint",
    [CONFIG_URL] = "url",
    [CONFIG_FOLDERS] = "folders",
    [CONFIG_AT_SERVER] = "at server",
    [CONFIG_ROUTING] = "routing",
    [CONFIG_COMMAND] = "command"};
_Static_assert(
    sizeof type_names / sizeof type_names[0] == CONFIG_COMMAND + 1, "a type without a name");

enum { PATTERN_SIZE = 32 };

static json_t *
text_or_null(const char *text)
{
	return text != NULL ? json_text(span_of(text)) : json_null();
}

static json_t *
describe_value(const struct config *c, const char *section, const struct config_key *k)
{
	const char *value = c != NULL ? config_written_there(c, section, k) : "";

	if (k->type == CONFIG_SECRET && value[0] != '\0')
		value = config_masked;
	return json_text(span_of(value));
}

static json_t *
describe_words(const struct config_key *k)
{
	struct span rest = span_of(k->words != NULL ? k->words : ""), word;
	json_t *list = json_array();

	while ((word = span_take_word(&rest)).len > 0)
		json_array_append_new(list, json_stringn(word.at, word.len));
	return list;
}

/* c NULL: of a section that is not there yet. */
static json_t *
describe_key(const struct config *c, const char *section, const struct config_key *k)
{
	json_t *doc = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:s, s:o}", "file",
	    k->file, "section", section, "key", k->key, "type", type_names[k->type], "words",
	    describe_words(k), "preset", text_or_null(k->preset), "value",
	    describe_value(c, section, k), "set", c != NULL && config_is_there(c, section, k),
	    "meaning", k->meaning, "not_yet", text_or_null(k->not_yet));

	if (k->max > 0) {
		json_object_set_new(doc, "min", json_integer(k->min));
		json_object_set_new(doc, "max", json_integer(k->max));
	}
	return doc;
}

json_t *
describe_keys(const struct config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n_config_keys; i++)
		if (!config_key_is_named(&config_keys[i]))
			json_array_append_new(
			    list, describe_key(c, config_keys[i].section, &config_keys[i]));
	return list;
}

static json_t *
describe_section(const struct config *c, const struct config_section *s)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(keys, describe_key(c, s->name, &config_keys[s->first + i]));
	return json_pack("{s:s, s:o}", "name", strchr(s->name, ' ') + 1, "keys", keys);
}

/* "fetch" as the table of keys has it. */
static void
pattern_of(const char *kind, char pattern[PATTERN_SIZE])
{
	snprintf(pattern, PATTERN_SIZE, "%s *", kind);
}

json_t *
describe_sections(const struct config *c, const char *kind)
{
	json_t *list = json_array();
	char pattern[PATTERN_SIZE];

	pattern_of(kind, pattern);
	for (size_t i = 0; i < c->n_sections; i++)
		if (config_section_is_a(&c->sections[i], pattern))
			json_array_append_new(list, describe_section(c, &c->sections[i]));
	return list;
}

json_t *
describe_section_keys(const char *kind)
{
	json_t *list = json_array();
	char pattern[PATTERN_SIZE];

	pattern_of(kind, pattern);
	for (size_t i = 0; i < n_config_keys; i++)
		if (strcmp(config_keys[i].section, pattern) == 0)
			json_array_append_new(
			    list, describe_key(NULL, config_keys[i].section, &config_keys[i]));
	return list;
}

static void
add_entry(void *arg, const char *name, const char *value)
{
	json_array_append_new(arg, json_pack("{s:o, s:o}", "name", json_text(span_of(name)),
				       "value", json_text(span_of(value))));
}

json_t *
describe_entries(const struct config *c, const char *section)
{
	json_t *list = json_array();

	config_entries(c, section, add_entry, list);
	return list;
}
