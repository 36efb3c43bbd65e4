/*
 * The client's side of SASL: PLAIN (RFC 4616), LOGIN, OAUTHBEARER (RFC 7628), XOAUTH2.
 */
#include "fetcher/login.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "common/socket_address.h"

/* A text before it is encoded. */
enum { TEXT_SIZE = LOGIN_RESPONSE_SIZE / 4 * 3 - 3, ESCAPED_SIZE = 3 * LOGIN_NAME_MAX_BYTES + 1 };

/* Each returns the length of the response of a step, which is text's; -1: there is none. */

static int
plain(const struct remote_target *t, unsigned step, char text[TEXT_SIZE])
{
	if (step > 0)
		return -1;
	return snprintf(text, TEXT_SIZE, "%c%s%c%s", '\0', t->user, '\0', t->password);
}

/* The name, then the password, whatever words the server asks with. */
static int
login(const struct remote_target *t, unsigned step, char text[TEXT_SIZE])
{
	if (step > 1)
		return -1;
	return snprintf(text, TEXT_SIZE, "%s", step == 0 ? t->user : t->password);
}

/* RFC 5801 4 */
static void
escape(const char *name, char out[ESCAPED_SIZE])
{
	for (; *name != '\0'; name++) {
		if (*name == '=' || *name == ',')
			out += snprintf(out, 4, "=%02X", (unsigned)*name);
		else
			*out++ = *name;
	}
	*out = '\0';
}

static int
oauthbearer(const struct remote_target *t, unsigned step, char text[TEXT_SIZE])
{
	char name[ESCAPED_SIZE];

	if (step == 1) /* RFC 7628 3.2.3: the challenge said why not; the end comes after this */
		return snprintf(text, TEXT_SIZE, "\x01");
	if (step > 1)
		return -1;
	escape(t->user, name);
	return snprintf(text, TEXT_SIZE,
	    "n,a=%s,\x01host=%.255s\x01port=%u\x01"
	    "auth=Bearer %s\x01\x01",
	    name, t->host, socket_address_port((const struct sockaddr *)&t->addresses[0]),
	    t->token);
}

static int
xoauth2(const struct remote_target *t, unsigned step, char text[TEXT_SIZE])
{
	if (step == 1) /* as above */
		return 0;
	if (step > 1)
		return -1;
	return snprintf(text, TEXT_SIZE,
	    "user=%s\x01"
	    "auth=Bearer %s\x01\x01",
	    t->user, t->token);
}

static const struct mechanism {
	const char *name;
	bool by_token, has_initial;
	int (*respond)(const struct remote_target *t, unsigned step, char text[TEXT_SIZE]);
} mechanisms[] = {
    {"OAUTHBEARER", true, true, oauthbearer},
    {"XOAUTH2", true, true, xoauth2},
    {"PLAIN", false, true, plain},
    {"LOGIN", false, false, login},
};

bool
login_is_possible(const struct remote_target *t)
{
	const char *secret = t->token != NULL ? t->token : t->password;
	size_t max = t->token != NULL ? LOGIN_TOKEN_MAX_BYTES : LOGIN_NAME_MAX_BYTES;

	return strlen(t->user) <= LOGIN_NAME_MAX_BYTES && strlen(secret) <= max;
}

static bool
is_offered(struct span offered, const char *mechanism)
{
	for (struct span rest = offered; rest.len > 0;)
		if (span_is_nocase(span_take_word(&rest), mechanism))
			return true;
	return false;
}

bool
login_choose(struct login *l, struct span offered)
{
	l->step = 0;
	while (l->row < nitems(mechanisms)) {
		const struct mechanism *m = &mechanisms[l->row++];

		if (m->by_token != (l->target->token != NULL) || !is_offered(offered, m->name))
			continue;
		l->mechanism = m->name;
		l->has_initial = m->has_initial;
		return true;
	}
	return false;
}

bool
login_respond(struct login *l, char out[LOGIN_RESPONSE_SIZE])
{
	char text[TEXT_SIZE];
	int n = mechanisms[l->row - 1].respond(l->target, l->step++, text);
	bool fits = n >= 0 && n < TEXT_SIZE;

	out[0] = '\0';
	if (fits)
		EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, n);
	explicit_bzero(text, sizeof text);
	return fits;
}
