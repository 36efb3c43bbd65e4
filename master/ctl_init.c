/*
 * sambarctl init: the command around init.c, and what to do next.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/span.h"
#include "master/ctl.h"
#include "master/init.h"

enum { UID_BASE_MAX = 2000000000 };

/* NULL: not given. False: it was, and is no number. */
static bool
parse_number(const char *text, uint64_t max, uint64_t *value)
{
	return text == NULL || span_u64(span_of(text), max, value);
}

static int
check_domain(const char *option, const char *domain)
{
	if (domain == NULL)
		return ctl_fail(EX_USAGE, "%s is missing: the domain of the mail server", option);
	if (!address_is_domain(span_of(domain)))
		return ctl_fail(EX_USAGE, "%s %s: is not a domain such as example.org", option,
		    log_printable(span_of(domain)));
	return 0;
}

static void
print_next_steps(const char *dir, const struct init_wishes *w)
{
	const char *program = program_invocation_name;

	printf("%s is an instance of Sambar Mail for %s. What next:\n\n", dir, w->domain);
	printf("  %s -d %s start\n", program, dir);
	printf("  echo ann-secret | %s -d %s user add ann\n", program, dir);
	printf("  %s -d %s alias set postmaster ann      # somebody must read it: RFC 5321 4.5.1\n",
	    program, dir);
	printf("  swaks --server 127.0.0.1 --port %" PRIu64 " --from ann@%s --to ann@%s\n",
	    w->port_base + 25, w->domain, w->domain);
	printf("  curl --user ann:ann-secret pop3://127.0.0.1:%" PRIu64 "/1\n", w->port_base + 110);
	printf("  %s -d %s stop\n\n", program, dir);
	printf("Its settings are in config/config.ini and config/mail.ini: sambar.ini(5).\n");
}

/* Root without other accounts: programs could not be kept apart. */
static void
warn_about_accounts(const struct init_wishes *w)
{
	if (geteuid() != 0 || w->uid_base != 0 ||
	    (getgrnam("sambar") != NULL && getpwnam("sambar-queue") != NULL))
		return;
	printf(
	    "\nWarning: there are no accounts sambar-<program>, so started by root all programs\n"
	    "run as root. Make the accounts, or give each a number of its own that nobody else "
	    "has:\ninit --uid-base 610000, or later: config set 'Uid Base' 610000\n");
}

static json_t *
describe(const char *dir, const struct init_wishes *w)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "root", dir, "domain", w->domain, "host",
	    w->host, "port_base", (json_int_t)w->port_base, "uid_base", (json_int_t)w->uid_base);
}

static int
make(const struct ctl *ctl, const char *dir, const struct init_wishes *wishes)
{
	char *why = NULL, *absolute;
	int code = init_instance(dir, wishes, &why);

	if (code != 0) {
		ctl_fail(code, "%s", why);
		free(why);
		return code;
	}
	if ((absolute = realpath(dir, NULL)) == NULL)
		return ctl_fail(EX_OSERR, "%s: %s", dir, strerror(errno));
	if (ctl->json)
		code = ctl_print_json(describe(absolute, wishes));
	else {
		print_next_steps(absolute, wishes);
		warn_about_accounts(wishes);
	}
	free(absolute);
	return code;
}

int
ctl_init(struct ctl *ctl, char **args, size_t n)
{
	struct init_wishes wishes = {.port_base = INIT_PORT_BASE};
	const char *port_base = ctl_option(args, &n, "--port-base");
	const char *uid_base = ctl_option(args, &n, "--uid-base");
	int code;

	wishes.domain = ctl_option(args, &n, "--domain");
	wishes.host = ctl_option(args, &n, "--host");
	if (wishes.host == NULL)
		wishes.host = wishes.domain;
	if (n != 1 || args[0][0] == '-' || args[0][0] == '\0')
		return ctl_misuse(ctl, args, n == 1 && args[0][0] != '-' ? 0 : n, 1);
	if ((code = check_domain("--domain", wishes.domain)) != 0 ||
	    (code = check_domain("--host", wishes.host)) != 0)
		return code;
	if (!parse_number(port_base, INIT_PORT_BASE_MAX, &wishes.port_base))
		return ctl_fail(EX_USAGE,
		    "--port-base %s: is not a number from 0 to %d (the highest port is 995 above)",
		    port_base, INIT_PORT_BASE_MAX);
	if (!parse_number(uid_base, UID_BASE_MAX, &wishes.uid_base))
		return ctl_fail(EX_USAGE, "--uid-base %s: is not a number from 0 to %d", uid_base,
		    UID_BASE_MAX);
	return make(ctl, args[0], &wishes);
}
