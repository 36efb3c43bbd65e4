/*
 * The server's side of SASL PLAIN (RFC 4616) and LOGIN. Touches nothing; what was decoded is wiped.
 */
#include "common/sasl.h"

#include <string.h>

#include "common/base64.h"
#include "common/memory.h"

enum state { BEGUN, PLAIN_RESPONSE, LOGIN_NAME, LOGIN_PASSWORD };

/* authzid NUL authcid NUL password, each of which has its limit. */
enum { RESPONSE_MAX_BYTES = 2 * SASL_NAME_SIZE + SASL_PASSWORD_SIZE };

/* ---- what was decoded ---- */

static enum sasl_step
take_name(struct sasl *s, struct span name)
{
	if (name.len == 0 || !span_copy(name, s->name, sizeof s->name))
		return SASL_MALFORMED;
	return SASL_CONTINUE;
}

static enum sasl_step
take_password(struct sasl *s, struct span password)
{
	return span_copy(password, s->password, sizeof s->password) ? SASL_COMPLETE
								    : SASL_MALFORMED;
}

/* RFC 4616 2. Nobody may act for another: an authorization identity is the user's own. */
static enum sasl_step
take_plain(struct sasl *s, struct span response)
{
	struct span authzid, authcid;

	if (!span_take(&response, '\0', &authzid) || !span_take(&response, '\0', &authcid))
		return SASL_MALFORMED;
	if (authzid.len > 0 && !span_equal(authzid, authcid))
		return SASL_MALFORMED;
	if (take_name(s, authcid) == SASL_MALFORMED)
		return SASL_MALFORMED;
	return take_password(s, response);
}

static enum sasl_step
take_login_name(struct sasl *s, struct span name)
{
	s->state = LOGIN_PASSWORD;
	s->challenge = "UGFzc3dvcmQ6"; /* Password: */
	return take_name(s, name);
}

static enum sasl_step
take(struct sasl *s, struct span decoded)
{
	switch ((enum state)s->state) {
	case PLAIN_RESPONSE:
		return take_plain(s, decoded);
	case LOGIN_NAME:
		return take_login_name(s, decoded);
	case LOGIN_PASSWORD:
		return take_password(s, decoded);
	case BEGUN:
		break;
	}
	return SASL_MALFORMED;
}

static enum sasl_step
take_encoded(struct sasl *s, struct span text)
{
	unsigned char decoded[RESPONSE_MAX_BYTES];
	long n = base64_decode(text, decoded, sizeof decoded);
	enum sasl_step step = SASL_MALFORMED;

	if (n >= 0)
		step = take(s, (struct span){(const char *)decoded, n});
	explicit_bzero(decoded, sizeof decoded);
	return step;
}

/* ---- the dialogue ---- */

enum sasl_step
sasl_begin(struct sasl *s, struct span mechanism, struct span initial)
{
	static const struct {
		const char *name;
		enum state state;
		const char *challenge;
	} mechanisms[] = {
	    {"PLAIN", PLAIN_RESPONSE, ""}, {"LOGIN", LOGIN_NAME, "VXNlcm5hbWU6"}, /* Username: */
	};

	*s = (struct sasl){.challenge = ""};
	for (size_t i = 0; i < nitems(mechanisms); i++) {
		if (!span_is_nocase(mechanism, mechanisms[i].name))
			continue;
		s->state = mechanisms[i].state;
		s->challenge = mechanisms[i].challenge;
		if (initial.at == NULL)
			return SASL_CONTINUE;
		/* RFC 4954 4: "=" stands for an empty initial response. */
		return take_encoded(s, span_is(initial, "=") ? span_of("") : initial);
	}
	return SASL_UNKNOWN;
}

enum sasl_step
sasl_line(struct sasl *s, struct span line)
{
	return span_is(line, "*") ? SASL_CANCELLED : take_encoded(s, line);
}

void
sasl_clear(struct sasl *s)
{
	explicit_bzero(s, sizeof *s);
}
