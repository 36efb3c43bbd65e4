/*
 * What stands behind = in [routes] and [tls policy]. Pure.
 */
#include "common/next_hop.h"

#include <stdio.h>
#include <string.h>

#include "common/memory.h"

const struct tls_rule tls_rule_default = {.mode = TLS_MAY, .dane = true};

/* In the order of enum tls_mode. */
static const char *const mode_words[] = {"none", "may", "encrypt", "verify"};

const char *
tls_mode_word(enum tls_mode mode)
{
	return mode_words[mode];
}

static bool
refuse(struct span word, const char *phrase, struct span *bad, const char **why)
{
	*bad = word;
	*why = phrase;
	return false;
}

static bool
nothing_more(struct span rest, struct span *bad, const char **why)
{
	if (rest.len == 0)
		return true;
	return refuse(span_take_word(&rest), "nothing may stand here", bad, why);
}

/* ---- [routes] ---- */

/* "implicit tls" or nothing. */
static bool
read_options(struct span rest, struct next_hop *out, struct span *bad, const char **why)
{
	struct span word;

	if (rest.len == 0)
		return true;
	word = span_take_word(&rest);
	if (!span_is_nocase(word, "implicit"))
		return refuse(word, "is not \"implicit tls\"", bad, why);
	word = span_take_word(&rest);
	if (!span_is_nocase(word, "tls"))
		return refuse(word, "\"implicit\" wants \"tls\" behind it", bad, why);
	out->implicit_tls = true;
	return nothing_more(rest, bad, why);
}

bool
next_hop_parse(struct span text, struct next_hop *out, struct span *bad, const char **why)
{
	struct span rest = span_trim(text), word = span_take_word(&rest), after = rest;

	*out = (struct next_hop){.kind = NEXT_HOP_MX};
	if (word.len == 0)
		return refuse(word, "says nothing", bad, why);
	if (span_is_nocase(word, "mx"))
		return nothing_more(rest, bad, why);
	if (span_is_nocase(word, "smart") && span_is_nocase(span_take_word(&after), "host")) {
		out->kind = NEXT_HOP_SMART_HOST;
		return nothing_more(after, bad, why);
	}
	out->kind = NEXT_HOP_HOST;
	if (!host_port_parse(word, &out->at))
		return refuse(word, "is no host and no host:port", bad, why);
	return read_options(rest, out, bad, why);
}

void
next_hop_print(const struct next_hop *n, char out[NEXT_HOP_TEXT_SIZE])
{
	char host[HOST_PORT_SIZE];

	switch (n->kind) {
	case NEXT_HOP_MX:
		strlcpy(out, "mx", NEXT_HOP_TEXT_SIZE);
		break;
	case NEXT_HOP_SMART_HOST:
		strlcpy(out, "smart host", NEXT_HOP_TEXT_SIZE);
		break;
	case NEXT_HOP_HOST:
		host_port_print(n->at.host, n->at.port, host);
		/* A host of this name is told from the word by a dot. */
		snprintf(out, NEXT_HOP_TEXT_SIZE, "%s%s%s", host,
		    strcmp(host, "mx") == 0 ? "." : "", n->implicit_tls ? " implicit tls" : "");
		break;
	}
}

/* ---- [tls policy] ---- */

/* A host's name, an address, or .domain. */
static bool
read_name(struct span word, char out[HOST_SIZE])
{
	struct host_port at;
	bool dot = word.len > 1 && word.at[0] == '.';

	if (!host_port_parse(dot ? (struct span){word.at + 1, word.len - 1} : word, &at) ||
	    at.port != 0 || (dot && at.is_address))
		return false;
	return snprintf(out, HOST_SIZE, "%s%s", dot ? "." : "", at.host) < HOST_SIZE;
}

static bool
read_names(struct span rest, struct tls_rule *out, struct span *bad, const char **why)
{
	char name[HOST_SIZE];

	while (rest.len > 0) {
		struct span word = span_take_word(&rest);

		if (!read_name(word, name))
			return refuse(word, "is no host name, .domain or address", bad, why);
		if (out->names[0] != '\0')
			strlcat(out->names, " ", sizeof out->names);
		if (strlcat(out->names, name, sizeof out->names) >= sizeof out->names)
			return refuse(word, "all names together have up to 255 bytes", bad, why);
	}
	return true;
}

bool
tls_rule_parse(struct span text, struct tls_rule *out, struct span *bad, const char **why)
{
	struct span rest = span_trim(text), word = span_take_word(&rest);
	size_t mode = 0;

	*out = tls_rule_default;
	if (word.len == 0)
		return refuse(word, "says nothing", bad, why);
	if (span_is_nocase(word, "dane"))
		return nothing_more(rest, bad, why);
	while (mode < nitems(mode_words) && !span_is_nocase(word, mode_words[mode]))
		mode++;
	if (mode == nitems(mode_words))
		return refuse(word, "is no policy", bad, why);
	/* With encrypt, less than without a line must not be demanded. */
	*out = (struct tls_rule){.mode = mode, .dane = mode == TLS_ENCRYPT};
	return mode == TLS_VERIFY ? read_names(rest, out, bad, why) : nothing_more(rest, bad, why);
}

void
tls_rule_print(const struct tls_rule *r, char out[TLS_RULE_TEXT_SIZE])
{
	snprintf(out, TLS_RULE_TEXT_SIZE, "%s%s%s",
	    r->mode == TLS_MAY && r->dane ? "dane" : tls_mode_word(r->mode),
	    r->names[0] != '\0' ? " " : "", r->names);
}
