/*
 * sambarctl dns: the records to publish. Reads the configuration and the addresses of this
 * machine's interfaces; asks no DNS server.
 */
#include "master/ctl_publish.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/address.h"
#include "common/config.h"
#include "common/log.h"
#include "common/span.h"
#include "master/machine.h"
#include "master/publish.h"

static int
width_of(const json_t *records)
{
	const json_t *r;
	size_t i, width = 0;

	json_array_foreach(records, i, r)
	{
		size_t len = strlen(ctl_text(r, "name")) + 1; /* the period */

		width = len > width ? len : width;
	}
	return width;
}

void
ctl_publish_print(const json_t *records)
{
	int width = width_of(records);
	const json_t *r;
	size_t i;

	json_array_foreach(records, i, r)
	{
		const char *name = ctl_text(r, "name"), *note = ctl_text(r, "note");

		if (!json_is_string(json_object_get(r, "value"))) {
			printf("; %s. IN %s: %s\n", name, ctl_text(r, "type"), note);
			continue;
		}
		printf("%s.%*s IN %-5s %s\n", name, width - 1 - (int)strlen(name), "",
		    ctl_text(r, "type"), ctl_text(r, "value"));
		if (note[0] != '\0')
			printf(";   %s\n", note);
	}
}

static int
print(const struct ctl *ctl, const struct config *c, const char *domain)
{
	json_t *addresses = machine_public_addresses(c);
	json_t *records = publish_records(c, domain, addresses);
	int code = 0;

	if (ctl->json)
		code = ctl_print_json(json_pack("{s:O}", "records", records));
	else
		ctl_publish_print(records);
	json_decref(records);
	json_decref(addresses);
	return code;
}

int
ctl_dns(struct ctl *ctl, char **args, size_t n)
{
	struct config_problems problems = {0};
	struct config *c;
	int code;

	if (n > 1 || (n == 1 && args[0][0] == '-'))
		return ctl_misuse(ctl, args, n, 1);
	if (n == 1 && !address_is_domain(span_of(args[0])))
		return ctl_fail(EX_DATAERR, "\"%s\" is not a domain such as example.org",
		    log_printable(span_of(args[0])));
	c = config_load(ctl->root, &problems);
	if (problems.n_errors > 0)
		code = ctl_fail(EX_CONFIG,
		    "the configuration has %zu error(s): see sambarctl check", problems.n_errors);
	else if (n == 1 && !config_is_local_domain(c, args[0]))
		code = ctl_fail(EX_DATAERR,
		    "%s is no local domain: sambarctl setup %s makes it one", args[0], args[0]);
	else
		code = print(ctl, c, n == 1 ? args[0] : NULL);
	config_problems_free(&problems);
	config_free(&c);
	return code;
}
