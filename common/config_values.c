/*
 * The types of the configuration's values. Pure parsing; touches nothing.
 */
#include "common/config_values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/command_line.h"
#include "common/host_port.h"
#include "common/ip_list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/nameserver.h"

enum {
	PATH_MAX_BYTES = 3000,
	FOLDER_MAX_BYTES = 500,
	URL_MAX_BYTES = 1000,
	FOLDERS_MAX = 100,
	KEEP_MAX_S = 10 * 365 * 86400
};

/* A word being normalized: what it is for, and where its normalized text goes. */
struct job {
	const struct config_key *key;
	const char *root;
	FILE *out;
};

struct unit {
	char letter;
	uint64_t factor;
};

static const struct unit sizes[] = {{'G', 1 << 30}, {'M', 1 << 20}, {'K', 1 << 10}};
static const struct unit durations[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

/* ---- numbers ---- */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool
parse_scaled(struct span text, const struct unit *units, size_t n, uint64_t *value)
{
	uint64_t factor = 1;

	for (size_t i = 0; i < n && text.len > 0; i++)
		if (lower(text.at[text.len - 1]) == lower(units[i].letter)) {
			factor = units[i].factor;
			text = span_trim((struct span){text.at, text.len - 1});
			break;
		}
	if (!span_u64(text, UINT64_MAX / factor, value))
		return false;
	*value *= factor;
	return true;
}

bool
config_parse_size(struct span text, uint64_t *bytes)
{
	return parse_scaled(text, sizes, nitems(sizes), bytes);
}

bool
config_parse_duration(struct span text, uint64_t *seconds)
{
	return parse_scaled(text, durations, nitems(durations), seconds);
}

static int
put_number(struct job *j, bool parsed, uint64_t value)
{
	if (!parsed || value < j->key->min || (j->key->max != 0 && value > j->key->max))
		return -1;
	fprintf(j->out, "%" PRIu64, value);
	return 0;
}

static int
number(struct job *j, struct span word)
{
	uint64_t value = 0;
	bool parsed = span_u64(word, UINT64_MAX, &value);

	return put_number(j, parsed, value);
}

static int
size(struct job *j, struct span word)
{
	uint64_t value = 0;
	bool parsed = config_parse_size(word, &value);

	return put_number(j, parsed, value);
}

static int
duration(struct job *j, struct span word)
{
	uint64_t value = 0;
	bool parsed = config_parse_duration(word, &value);

	return put_number(j, parsed, value);
}

/* ---- words ---- */

static int
put_span(struct job *j, struct span s)
{
	fwrite(s.at, 1, s.len, j->out);
	return 0;
}

static int
put_lower(struct job *j, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		fputc(lower(s.at[i]), j->out);
	return 0;
}

static int
boolean(struct job *j, struct span word)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};

	for (size_t i = 0; i < nitems(yes); i++) {
		if (span_is_nocase(word, yes[i]))
			return put_span(j, span_of("true"));
		if (span_is_nocase(word, no[i]))
			return put_span(j, span_of("false"));
	}
	return -1;
}

static int
choice(struct job *j, struct span word)
{
	struct span rest = span_of(j->key->words), one;
	bool more;

	do {
		more = span_take(&rest, ' ', &one);
		if (one.len == word.len && strncasecmp(one.at, word.at, one.len) == 0)
			return put_span(j, one);
	} while (more);
	return -1;
}

/* ---- names ---- */

static int
domain(struct job *j, struct span word)
{
	if (word.len > 1 && word.at[word.len - 1] == '.')
		word.len--;
	return address_is_domain(word) ? put_lower(j, word) : -1;
}

/* A star may stand for any letters and dots, so with a letter in its place this is a domain. */
bool
config_domain_pattern(struct span text, char out[ADDRESS_DOMAIN_MAX_BYTES + 1])
{
	char letters[ADDRESS_DOMAIN_MAX_BYTES + 1];

	if (text.len > 1 && text.at[text.len - 1] == '.')
		text.len--;
	if (!span_copy(text, out, ADDRESS_DOMAIN_MAX_BYTES + 1))
		return false;
	for (size_t i = 0; i <= text.len; i++) {
		out[i] = lower(out[i]);
		letters[i] = out[i] == '*' ? 'a' : out[i];
	}
	return address_is_domain(span_of(letters));
}

static int
domain_pattern(struct job *j, struct span word)
{
	char text[ADDRESS_DOMAIN_MAX_BYTES + 1];

	return config_domain_pattern(word, text) ? put_span(j, span_of(text)) : -1;
}

static int
mailbox(struct job *j, struct span word)
{
	return address_is_user_name(word) ? put_span(j, word) : -1;
}

static int
mail_address(struct job *j, struct span word)
{
	char text[ADDRESS_TEXT_SIZE];
	const char *why;

	if (address_parse(word, 0, text, &why) == -1)
		return -1;
	return put_span(j, span_of(text));
}

/* ---- IP addresses, hosts and ports ---- */

static int
nameserver(struct job *j, struct span word)
{
	struct sockaddr_storage address;
	const char *scope = memchr(word.at, '%', word.len);
	size_t len = scope != NULL ? scope - word.at : word.len;

	if (!nameserver_parse(word, &address))
		return -1;
	put_lower(j, (struct span){word.at, len});
	/* names of interfaces differ by case */
	return put_span(j, (struct span){word.at + len, word.len - len});
}

/* "none" is no item of such a list, so it matches nothing. */
static int
ip_pattern(struct job *j, struct span word)
{
	return span_is_nocase(word, "none") || ip_list_is_item(word) ? put_lower(j, word) : -1;
}

static int
listen_on(struct job *j, struct span word)
{
	char text[HOST_PORT_SIZE];
	struct host_port at;

	if (!host_port_parse(word, &at) || !at.is_address || at.port == 0)
		return -1;
	host_port_print(at.host, at.port, text);
	return put_span(j, span_of(text));
}

static int
host(struct job *j, struct span word)
{
	struct host_port at;

	return host_port_parse(word, &at) ? put_lower(j, word) : -1;
}

/* ---- the rest ---- */

static int
text(struct job *j, struct span word)
{
	if (j->key->max != 0 && word.len > j->key->max)
		return -1;
	return put_span(j, word);
}

static int
path(struct job *j, struct span word)
{
	if (word.len > PATH_MAX_BYTES)
		return -1;
	while (word.len > 2 && memcmp(word.at, "./", 2) == 0)
		word = (struct span){word.at + 2, word.len - 2};
	while (word.len > 1 && word.at[word.len - 1] == '/')
		word.len--;
	if (word.at[0] != '/')
		fprintf(j->out, "%s/", strcmp(j->root, "/") == 0 ? "" : j->root);
	return put_span(j, word);
}

/* ---- [fetch NAME] ---- */

static int
interval(struct job *j, struct span word)
{
	return span_is_nocase(word, "manual") ? put_number(j, true, j->key->min)
					      : duration(j, word);
}

static int
fingerprint(struct job *j, struct span word)
{
	enum { HEX_DIGITS = 64 };
	size_t digits = 0;

	for (size_t i = 0; i < word.len; i++) {
		char c = lower(word.at[i]);

		if (c == ':' && digits % 2 == 0 && digits > 0)
			continue;
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) || ++digits > HEX_DIGITS)
			return -1;
		fputc(c, j->out);
	}
	return digits == HEX_DIGITS ? 0 : -1;
}

static int
url(struct job *j, struct span word)
{
	static const char scheme[] = "https://";
	size_t n = sizeof scheme - 1, end;
	struct host_port at;

	if (word.len <= n || word.len > URL_MAX_BYTES || !span_starts_nocase(word, scheme))
		return -1;
	for (size_t i = 0; i < word.len; i++)
		if (word.at[i] <= ' ' || word.at[i] > '~')
			return -1;
	for (end = n; end < word.len && word.at[end] != '/' && word.at[end] != '?'; end++)
		continue;
	if (!host_port_parse((struct span){word.at + n, end - n}, &at))
		return -1;
	return put_span(j, word);
}

/* Takes the next name from a list of folders. False: there is none, or what is there is wrong. */
static bool
next_folder(struct span *rest, struct span *name)
{
	*rest = span_trim(*rest);
	if (rest->len == 0)
		return false;
	if (rest->at[0] != '"') {
		*name = span_take_word(rest);
		return memchr(name->at, '"', name->len) == NULL;
	}
	*rest = (struct span){rest->at + 1, rest->len - 1};
	if (!span_take(rest, '"', name))
		return false;
	return name->len > 0 && (rest->len == 0 || rest->at[0] == ' ' || rest->at[0] == '\t');
}

static int
put_folder(struct job *j, struct span name)
{
	bool quotes = memchr(name.at, ' ', name.len) != NULL;

	if (name.len > FOLDER_MAX_BYTES)
		return -1;
	fprintf(j->out, "%s%.*s%s", quotes ? "\"" : "", (int)name.len, name.at, quotes ? "\"" : "");
	return 0;
}

static int
folders(struct job *j, struct span rest)
{
	struct span name;
	size_t n = 0;

	for (; rest.len > 0; rest = span_trim(rest)) {
		if (n++ > 0)
			fputc(' ', j->out);
		if (n > FOLDERS_MAX || !next_folder(&rest, &name) || put_folder(j, name) == -1)
			return -1;
	}
	return 0;
}

static int
at_server(struct job *j, struct span word)
{
	static const char *const words[] = {"leave", "delete", "seen"};
	struct span rest = word, verb = span_take_word(&rest);
	uint64_t seconds;

	for (size_t i = 0; i < nitems(words); i++)
		if (span_is_nocase(word, words[i]))
			return put_span(j, span_of(words[i]));
	if (span_is_nocase(verb, "move") && next_folder(&rest, &word) && rest.len == 0) {
		fputs("move ", j->out);
		return put_folder(j, word);
	}
	if (!span_is_nocase(verb, "delete") || !span_is_nocase(span_take_word(&rest), "after") ||
	    !config_parse_duration(rest, &seconds) || seconds == 0 || seconds > KEEP_MAX_S)
		return -1;
	fprintf(j->out, "delete after %" PRIu64, seconds);
	return 0;
}

static int
routing(struct job *j, struct span word)
{
	struct span rest = word, verb = span_take_word(&rest);

	if (span_is_nocase(word, "local") || span_is_nocase(word, "all"))
		return put_lower(j, word);
	if (!span_is_nocase(verb, "mailbox") || !address_is_user_name(rest))
		return -1;
	fputs("mailbox ", j->out);
	return put_span(j, rest);
}

static int
command(struct job *j, struct span line)
{
	char text[COMMAND_MAX_BYTES + 1], *words[COMMAND_WORDS_MAX + 1];

	if (!span_copy(line, text, sizeof text) || command_line_split(text, words) == 0 ||
	    words[0][0] != '/')
		return -1;
	return put_span(j, line);
}

/* ---- the table ---- */

enum shape { ONE, LIST };

static const struct kind {
	int (*normalize)(struct job *j, struct span word);
	enum shape shape;
	const char *right; /* what would be right; NULL: see describe() */
} kinds[] = {
    [CONFIG_TEXT] = {text, ONE, NULL},
    [CONFIG_SECRET] = {text, ONE, NULL},
    [CONFIG_BOOL] = {boolean, ONE, "true or false"},
    [CONFIG_NUMBER] = {number, ONE, NULL},
    [CONFIG_SIZE] = {size, ONE, NULL},
    [CONFIG_DURATION] = {duration, ONE, NULL},
    [CONFIG_DURATIONS] = {duration, LIST, NULL},
    [CONFIG_CHOICE] = {choice, ONE, NULL},
    [CONFIG_DOMAIN] = {domain, ONE, "a domain such as example.org"},
    [CONFIG_DOMAINS] = {domain_pattern, LIST,
	"a domain such as example.org or *.example.org: names with one dot between them "
	"(blanks between several)"},
    [CONFIG_ADDRESSES] = {ip_pattern, LIST,
	"an IP address, 192.0.2.*, 192.0.2.0/24 or none (blanks between several)"},
    [CONFIG_LISTEN] = {listen_on, LIST,
	"address:port such as 0.0.0.0:25 or [::]:25 (blanks between several), or none"},
    [CONFIG_HOST] = {host, ONE,
	"a host or host:port such as mail.example.org, 192.0.2.1:587 or [2001:db8::1]:587"},
    [CONFIG_NAMESERVER] = {nameserver, ONE, "an IP address, 192.0.2.53:53 or [2001:db8::53]:53"},
    [CONFIG_MAILBOX] = {mailbox, ONE, "a user's name (a-z, 0-9, - and _)"},
    [CONFIG_MAIL_ADDRESS] = {mail_address, ONE, "a mail address such as ann@example.org"},
    [CONFIG_PATH] = {path, ONE, "a path"},
    [CONFIG_INTERVAL] = {interval, ONE, "manual or a time (seconds, or with s, m, h, d) up to 30d"},
    [CONFIG_FINGERPRINT] = {fingerprint, ONE,
	"a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons"},
    [CONFIG_URL] = {url, ONE, "a URL such as https://login.example.org/token"},
    [CONFIG_FOLDERS] = {folders, ONE,
	"names of folders with blanks between them, in \" where they hold blanks"},
    [CONFIG_AT_SERVER] = {at_server, ONE,
	"leave, delete, delete after TIME (such as 7d), seen or move FOLDER"},
    [CONFIG_ROUTING] = {routing, ONE, "mailbox NAME, local or all"},
    [CONFIG_COMMAND] = {command, ONE,
	"the absolute path of a program, and arguments with blanks between them, in ' or \" where "
	"they hold blanks"},
};

static void
put_scaled(FILE *f, enum config_type type, uint64_t value)
{
	const struct unit *units = type == CONFIG_SIZE ? sizes : durations;
	size_t n = type == CONFIG_SIZE	   ? nitems(sizes)
		   : type == CONFIG_NUMBER ? 0
					   : nitems(durations);

	for (size_t i = 0; i < n && value > 0; i++)
		if (value % units[i].factor == 0) {
			fprintf(f, "%" PRIu64 "%c", value / units[i].factor, units[i].letter);
			return;
		}
	fprintf(f, "%" PRIu64, value);
}

static void
describe_range(FILE *f, const struct config_key *key)
{
	fputs(key->type == CONFIG_NUMBER ? "a number"
	      : key->type == CONFIG_SIZE ? "a size (bytes, or with K, M, G)"
					 : "a time (seconds, or with s, m, h, d)",
	    f);
	fputs(key->max != 0 ? " from " : " of at least ", f);
	put_scaled(f, key->type, key->min);
	if (key->max != 0) {
		fputs(" to ", f);
		put_scaled(f, key->type, key->max);
	}
}

static void
describe(FILE *f, const struct config_key *key)
{
	const struct kind *kind = &kinds[key->type];

	if (kind->right != NULL)
		fputs(kind->right, f);
	else if (key->type == CONFIG_CHOICE)
		fprintf(f, "one of %s", key->words);
	else if (key->type == CONFIG_TEXT || key->type == CONFIG_SECRET)
		fprintf(f, "a text of up to %" PRIu64 " bytes", key->max);
	else
		describe_range(f, key);
}

static FILE *
open_text(char **text_out, size_t *len)
{
	FILE *f = open_memstream(text_out, len);

	if (f == NULL)
		fatalx("out of memory");
	return f;
}

static void
close_text(FILE *f)
{
	if (fclose(f) != 0)
		fatalx("out of memory");
}

static char *
refusal(const struct config_key *key, struct span value, struct span word)
{
	char *why = NULL;
	size_t len;
	FILE *f = open_text(&why, &len);

	if (key->type == CONFIG_SECRET)
		fputs("it is not ", f);
	else
		fprintf(f, "\"%s\" is not ", log_safe(word));
	describe(f, key);
	if (memmem(value.at, value.len, " #", 2) != NULL ||
	    memmem(value.at, value.len, " ;", 2) != NULL)
		fputs("; a comment needs a line of its own", f);
	close_text(f);
	return why;
}

static int
normalize_list(struct job *j, const struct kind *kind, struct span value, struct span *bad)
{
	struct span rest = span_trim(value);

	if (j->key->type == CONFIG_LISTEN && span_is_nocase(rest, "none"))
		return 0; /* an empty list */
	for (bool first = true; rest.len > 0; first = false) {
		*bad = span_take_word(&rest);
		if (!first)
			fputc(' ', j->out);
		if (kind->normalize(j, *bad) == -1)
			return -1;
	}
	return 0;
}

int
config_normalize(
    const struct config_key *key, const char *root, struct span value, char **out, char **why)
{
	const struct kind *kind = &kinds[key->type];
	struct job j = {.key = key, .root = root};
	struct span bad = value;
	size_t len;
	int rv;

	*out = NULL;
	j.out = open_text(out, &len);
	rv = kind->shape == LIST ? normalize_list(&j, kind, value, &bad)
				 : kind->normalize(&j, value);
	close_text(j.out);
	if (rv == 0)
		return 0;
	free(*out);
	*out = NULL;
	*why = refusal(key, value, bad);
	return -1;
}
