/* Which reason a reply's code stands for. */
#include "smtpd/refusals.h"

#include <stdbool.h>
#include <string.h>

#include "common/memory.h"
#include "smtpd/replies.h"

static const char *const names[REFUSALS] = {
    [REFUSAL_UNKNOWN_USER] = "refused_unknown_user",
    [REFUSAL_RELAYING] = "refused_relaying",
    [REFUSAL_SENDER] = "refused_sender",
    [REFUSAL_QUOTA] = "refused_quota",
    [REFUSAL_SIZE] = "refused_size",
    [REFUSAL_AUTHENTICATION] = "refused_authentication",
    [REFUSAL_TLS] = "refused_tls",
    [REFUSAL_LOOP] = "refused_loop",
    [REFUSAL_CONTENT] = "refused_content",
    [REFUSAL_SYNTAX] = "refused_syntax",
    [REFUSAL_LIMITS] = "refused_limits",
    [REFUSAL_TEMPORARY] = "refused_temporary",
    [REFUSAL_OTHER] = "refused_other",
};

/* The first one that a reply begins with: longer ones stand in front of shorter ones. */
static const struct {
	const char *start;
	enum refusal why;
} codes[] = {
    {"550 5.1.1", REFUSAL_UNKNOWN_USER},
    {"550 5.7.1", REFUSAL_RELAYING},
    {"553 5.7.1", REFUSAL_SENDER},
    {"452 4.2.2", REFUSAL_QUOTA},
    {"552 5.2.2", REFUSAL_QUOTA},
    {"552 5.3.4", REFUSAL_SIZE},
    {"530 5.7.0", REFUSAL_AUTHENTICATION},
    {"535 5.7.8", REFUSAL_AUTHENTICATION},
    {"538 5.7.11", REFUSAL_TLS},
    {"421 4.7.0 TLS", REFUSAL_TLS},
    {"550 5.4.6", REFUSAL_LOOP},
    {"554 5.4.6", REFUSAL_LOOP},
    {"554 5.6.0", REFUSAL_CONTENT},
    {"554 5.5.2", REFUSAL_CONTENT}, /* a bare LF or CR */
    {"421 4.7.0", REFUSAL_LIMITS},
    {"421 4.3.2", REFUSAL_LIMITS},
    {"421 4.5.3", REFUSAL_LIMITS},
    {"452 4.5.3", REFUSAL_LIMITS},
    {"550 5.5.3", REFUSAL_LIMITS},
    {"553 5.6.7", REFUSAL_SYNTAX}, /* UTF-8 without SMTPUTF8 */
    {"555", REFUSAL_SYNTAX},
    {"554 5.5.1", REFUSAL_SYNTAX},
    {"50", REFUSAL_SYNTAX},
    {"4", REFUSAL_TEMPORARY},
};

enum refusal
refusal_of_reply(const char *reply)
{
	for (size_t i = 0; i < nitems(codes); i++)
		if (strncmp(reply, codes[i].start, strlen(codes[i].start)) == 0)
			return codes[i].why;
	return REFUSAL_OTHER;
}

/* Nobody is refused who says nothing, or is asked to come back at once. */
static bool
is_farewell(const char *reply)
{
	return strncmp(reply, "421 4.4.2", 9) == 0 || strcmp(reply, REPLY_RESTARTS) == 0;
}

void
refusals_count(struct refusals *r, const char *reply)
{
	if ((reply[0] == '4' || reply[0] == '5') && !is_farewell(reply))
		r->n[refusal_of_reply(reply)]++;
}

const char *
refusal_name(enum refusal why)
{
	return names[why];
}
