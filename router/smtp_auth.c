/*
 * AUTH of the SMTP client (RFC 4954): PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195). A password is
 * said inside TLS only, unless the target allows else, and never reaches the trace.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/memory.h"
#include "common/sasl.h"
#include "router/smtp_private.h"

enum {
	RESPONSE_SIZE = SASL_NAME_SIZE + SASL_PASSWORD_SIZE + 2,
	ENCODED_SIZE = (RESPONSE_SIZE + 2) / 3 * 4 + 1,
	CHALLENGE_SIZE = 1024,
	INITIAL_MAX_BYTES = 480 /* with the command in one line of 512 (RFC 4954 4) */
};

enum outcome { ACCEPTED, REFUSED, NO_MECHANISM, OVER };

/* ---- responses ---- */

static void
encode(const void *bytes, size_t len, char out[ENCODED_SIZE])
{
	EVP_EncodeBlock((unsigned char *)out, bytes, len);
}

static void
plain_response(const struct smtp_target *t, char out[ENCODED_SIZE])
{
	char text[RESPONSE_SIZE];
	int n = snprintf(text, sizeof text, "%c%s%c%s", '\0', t->user, '\0', t->password);

	encode(text, n, out);
	explicit_bzero(text, sizeof text);
}

/* -1: the challenge is none, or this machine does without MD5. */
static int
cram_response(const struct smtp_target *t, struct span challenge, char out[ENCODED_SIZE])
{
	unsigned char decoded[CHALLENGE_SIZE], digest[EVP_MAX_MD_SIZE];
	char text[SASL_NAME_SIZE + 2 * EVP_MAX_MD_SIZE + 2];
	long len = base64_decode(span_trim(challenge), decoded, sizeof decoded);
	unsigned digest_len;
	int n;

	if (len == -1 || HMAC(EVP_md5(), t->password, strlen(t->password), decoded, len, digest,
			     &digest_len) == NULL)
		return -1;
	n = snprintf(text, sizeof text, "%s ", t->user);
	for (unsigned i = 0; i < digest_len; i++)
		n += snprintf(text + n, sizeof text - n, "%02x", digest[i]);
	encode(text, n, out);
	return 0;
}

/* ---- dialogues ---- */

/* What s->reply, to a name and password that were complete, means. */
static enum outcome
judge(const struct smtp_session *s)
{
	if (smtp_reply_class(&s->reply) == 2)
		return ACCEPTED;
	return s->reply.code == 504 || s->reply.code == 534 ? NO_MECHANISM : REFUSED;
}

static int
reply(struct smtp_session *s, smtp_line_cb on_line)
{
	return smtp_read_reply(s, s->target->timeouts.auth_s, "at AUTH", on_line);
}

static int
respond(struct smtp_session *s, const char *encoded)
{
	if (smtp_secret(s, "****", "%s", encoded) == -1 || reply(s, NULL) == -1)
		return -1;
	return 0;
}

static enum outcome
login_plain(struct smtp_session *s)
{
	char encoded[ENCODED_SIZE];
	enum outcome outcome = OVER;

	plain_response(s->target, encoded);
	if (strlen(encoded) <= INITIAL_MAX_BYTES) {
		if (smtp_secret(s, "AUTH PLAIN ****", "AUTH PLAIN %s", encoded) == 0 &&
		    reply(s, NULL) == 0)
			outcome = judge(s);
	} else if (smtp_command(s, "AUTH PLAIN") == 0 && reply(s, NULL) == 0) {
		if (s->reply.code != 334)
			outcome = judge(s);
		else if (respond(s, encoded) == 0)
			outcome = judge(s);
	}
	explicit_bzero(encoded, sizeof encoded);
	return outcome;
}

/* The name, then the password, whatever words the server asks with. */
static enum outcome
login_login(struct smtp_session *s)
{
	const char *answers[] = {s->target->user, s->target->password};
	char encoded[ENCODED_SIZE];

	if (smtp_command(s, "AUTH LOGIN") == -1 || reply(s, NULL) == -1)
		return OVER;
	for (size_t i = 0; i < nitems(answers) && s->reply.code == 334; i++) {
		int rv;

		encode(answers[i], strlen(answers[i]), encoded);
		rv = respond(s, encoded);
		explicit_bzero(encoded, sizeof encoded);
		if (rv == -1)
			return OVER;
	}
	return judge(s);
}

static void
take_challenge(struct smtp_session *s, unsigned n, struct span text)
{
	/* Its place is free: nothing of a message is there yet. */
	if (n != 1 || !span_copy(text, s->piece, CHALLENGE_SIZE * 2))
		s->piece[0] = '\0';
}

static enum outcome
login_cram_md5(struct smtp_session *s)
{
	char encoded[ENCODED_SIZE];

	s->piece[0] = '\0';
	if (smtp_command(s, "AUTH CRAM-MD5") == -1 || reply(s, take_challenge) == -1)
		return OVER;
	if (s->reply.code != 334)
		return judge(s);
	if (cram_response(s->target, span_of(s->piece), encoded) == -1) {
		/* RFC 4954 4: given up; the server says 501. */
		if (smtp_command(s, "*") == -1 || reply(s, NULL) == -1)
			return OVER;
		return NO_MECHANISM;
	}
	return respond(s, encoded) == -1 ? OVER : judge(s);
}

/* ---- choice ---- */

static const struct mechanism {
	const char *name;
	enum outcome (*login)(struct smtp_session *s);
} mechanisms[] = {
    {"PLAIN", login_plain},
    {"LOGIN", login_login},
    {"CRAM-MD5", login_cram_md5},
};

static bool
is_offered(const struct smtp_session *s, struct span name)
{
	struct span rest = span_of(s->offer.mechanisms), one;

	while (rest.len > 0) {
		span_take(&rest, ' ', &one);
		if (one.len == name.len && strncasecmp(one.at, name.at, name.len) == 0)
			return true;
	}
	return false;
}

static enum outcome
login_with(struct smtp_session *s, struct span name)
{
	if (!is_offered(s, name))
		return NO_MECHANISM;
	for (size_t i = 0; i < nitems(mechanisms); i++)
		if (span_is_nocase(name, mechanisms[i].name)) {
			if (smtp_in_step(s, "at AUTH") == -1)
				return OVER;
			return mechanisms[i].login(s);
		}
	return NO_MECHANISM;
}

static enum outcome
login(struct smtp_session *s, bool clear)
{
	const char *order = s->target->mechanisms;
	enum outcome outcome = NO_MECHANISM;
	struct span rest, name;

	if (order == NULL)
		order = clear ? "CRAM-MD5 PLAIN LOGIN" : "PLAIN LOGIN CRAM-MD5";
	rest = span_of(order);
	while (rest.len > 0 && outcome == NO_MECHANISM) {
		span_take(&rest, ' ', &name);
		outcome = login_with(s, name);
	}
	return outcome;
}

static enum smtp_state
give_up(struct smtp_session *s, enum smtp_state state, const char *why)
{
	smtp_fail_session(s, "4.7.0", "login: %s", why);
	return state;
}

enum smtp_state
smtp_auth(struct smtp_session *s)
{
	const struct smtp_target *t = s->target;
	bool clear = client_wire_ssl(s->wire) == NULL;

	if (t->user == NULL)
		return SMTP_USABLE;
	if (strlen(t->user) >= SASL_NAME_SIZE || t->password == NULL ||
	    strlen(t->password) >= SASL_PASSWORD_SIZE)
		return give_up(s, SMTP_BROKEN, "name or password is too long, or missing");
	if (clear && !t->auth_in_clear)
		return give_up(s, SMTP_NEXT_HOST, "the password is not sent in clear");
	switch (login(s, clear)) {
	case ACCEPTED:
		s->info.authenticated = true;
		return SMTP_USABLE;
	case NO_MECHANISM:
		return give_up(s, SMTP_NEXT_HOST, "it offers no mechanism that we may use");
	case REFUSED:
		s->over = true;
		/* Mended by whoever knows the password, not by the sender. */
		if (smtp_reply_class(&s->reply) == 4)
			return SMTP_NEXT_HOST;
		smtp_defer_reply(s, "at AUTH");
		return SMTP_BROKEN;
	case OVER:
		break;
	}
	if (!s->over)
		smtp_fail_session(s, "4.4.2", "at AUTH: %s", client_wire_why(s->wire));
	return SMTP_NEXT_HOST;
}
