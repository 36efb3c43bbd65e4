/* What the child of sambarctl doctor gets to know of an instance. */
#include "master/doctor_plan.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/accounts.h"
#include "master/machine.h"
#include "master/nameservers.h"
#include "master/publish.h"

/* Of the kernel's default for overflow, without any right. */
enum { NOBODY = 65534 };

/* ---- names and listeners ---- */

static json_t *
names_in(const char *list)
{
	json_t *names = json_array();
	struct span rest = span_of(list), word;

	while ((word = span_take_word(&rest)).len > 0)
		if (memchr(word.at, '*', word.len) == NULL)
			json_array_append_new(names, json_stringn(word.at, word.len));
	return names;
}

static const struct {
	const char *key, *protocol, *tls;
} listeners[] = {
    {"SMTP", "smtp", "start"},
    {"Submission", "smtp", "start"},
    {"SMTPS", "smtp", "implicit"},
    {"POP3", "pop3", "start"},
    {"POP3S", "pop3", "implicit"},
    {"HTTP", "http", "none"},
    {"HTTPS", "http", "implicit"},
};

static json_t *
describe_listeners(const struct config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nitems(listeners); i++) {
		struct span rest = span_of(config_text(c, "listen", listeners[i].key)), word;

		if (strcmp(listeners[i].protocol, "smtp") == 0 &&
		    !config_bool(c, "mail", "Run SMTPD"))
			continue;
		while ((word = span_take_word(&rest)).len > 0)
			json_array_append_new(
			    list, json_pack("{s:s, s:s%, s:s, s:s}", "key", listeners[i].key,
				      "address", word.at, word.len, "protocol",
				      listeners[i].protocol, "tls", listeners[i].tls));
	}
	return list;
}

/* ---- the process ---- */

static void
set_number(json_t *plan, const char *key, uint64_t value)
{
	json_object_set_new(plan, key, json_sprintf("%" PRIu64, value));
}

/* As deliver's, which does the same: talk to other hosts. */
static void
set_account(json_t *plan, const struct config *c, const char *root)
{
	struct accounts a;
	char *why = NULL, run[PATH_MAX];
	uid_t uid;

	if (geteuid() != 0)
		return;
	if (accounts_find(&a, config_u64(c, "common", "Uid Base"), &why) == -1)
		a.separated = false;
	free(why);
	uid = accounts_uid(&a, ROLE_DELIVER);
	set_number(plan, "uid", uid != (uid_t)-1 ? uid : NOBODY);
	set_number(plan, "gid", uid != (uid_t)-1 ? a.gid : NOBODY);
	if (snprintf(run, sizeof run, "%s/run", root) < (int)sizeof run)
		json_object_set_new(
		    plan, "chroot", json_string(access(run, X_OK) == 0 ? run : root));
}

static void
set_resolver(json_t *plan, const struct config *c)
{
	char servers[NAMESERVERS_SIZE];
	bool trust = nameservers_find(c, servers);

	json_object_set_new(plan, "servers", json_string(servers));
	json_object_set_new(plan, "trust_ad", json_boolean(trust));
	json_object_set_new(
	    plan, "dns_reply_s", json_integer(config_u64(c, "timeouts", "DNS Reply")));
}

json_t *
doctor_plan(const struct config *c, const char *root, const char *try)
{
	json_t *addresses = machine_public_addresses(c), *plan;
	bool sends = config_bool(c, "smtpd", "Use MTA");
	char host[CONFIG_SERVER_NAME_SIZE];

	config_server_name(c, host);
	plan = json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:s, s:b, s:s, s:s, s:s}", "host", host,
	    "own_names", names_in(config_text(c, "outgoing", "Own Names")), "records",
	    publish_records(c, NULL, addresses), "listeners", describe_listeners(c), "addresses",
	    addresses != NULL ? addresses : json_array(), "sends", sends, "relay",
	    sends ? "" : config_text(c, "common", "SMTP Server"), "relay_implicit",
	    strcmp(config_text(c, "common", "SMTP Server TLS"), "implicit") == 0, "try",
	    try != NULL ? try : "", "roots", config_text(c, "tls", "Trusted Roots"), "ip_protocol",
	    config_text(c, "outgoing", "IP Protocol"));
	set_resolver(plan, c);
	set_account(plan, c, root);
	return plan;
}
