/*
 * The parameters that follow the path of MAIL and RCPT.
 */
#include "smtpd/parameters.h"

#include "common/memory.h"
#include "common/utf8.h"
#include "common/xtext.h"
#include "queue/envelope.h"

enum { SIZE_MAX_DIGITS = 20 }; /* RFC 1870 4 */

struct parameter {
	const char *name;
	const char *(*take)(struct span value, bool utf8, void *out);
	bool has_value;
};

/* ---- xtext (RFC 3461 4) ---- */

/* The length of one character at the front, 0 when it is none. What it stands for must be printable
 * ASCII: it goes into the header of bounces. */
static size_t
xtext_length(struct span text, bool utf8)
{
	unsigned char c = text.at[0];
	int byte;

	if (c >= 0x80)
		return utf8 ? utf8_length((const unsigned char *)text.at, text.len) : 0;
	if (c != '+')
		return c > ' ' && c <= '~' && c != '=';
	byte = xtext_escape(text);
	return byte >= ' ' && byte <= '~' ? XTEXT_ESCAPE_BYTES : 0;
}

static bool
is_xtext(struct span text, bool utf8)
{
	while (text.len > 0) {
		size_t n = xtext_length(text, utf8);

		if (n == 0)
			return false;
		text = (struct span){text.at + n, text.len - n};
	}
	return true;
}

/* ---- MAIL ---- */

static bool
is_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	return true;
}

static const char *
take_size(struct span value, bool utf8, void *out)
{
	struct mail_parameters *p = out;

	(void)utf8;
	if (value.len > SIZE_MAX_DIGITS || !is_digits(value))
		return "501 5.5.4 SIZE is not a number";
	if (!span_u64(value, UINT64_MAX, &p->size))
		p->size = UINT64_MAX;
	return NULL;
}

static const char *
take_body(struct span value, bool utf8, void *out)
{
	struct mail_parameters *p = out;

	(void)utf8;
	if (span_is_nocase(value, "8BITMIME"))
		p->flags |= ENVELOPE_8BITMIME;
	else if (!span_is_nocase(value, "7BIT"))
		return "501 5.5.4 BODY is neither 7BIT nor 8BITMIME";
	return NULL;
}

static const char *
take_smtputf8(struct span value, bool utf8, void *out)
{
	struct mail_parameters *p = out;

	(void)value, (void)utf8;
	p->flags |= ENVELOPE_SMTPUTF8;
	return NULL;
}

/* RFC 4954 5: who says he submitted the message first. We trust nobody to say so, and drop it. */
static const char *
take_auth(struct span value, bool utf8, void *out)
{
	(void)out;
	return is_xtext(value, utf8) ? NULL : "501 5.5.4 AUTH is not xtext";
}

static const char *
take_ret(struct span value, bool utf8, void *out)
{
	struct mail_parameters *p = out;

	(void)utf8;
	if (span_is_nocase(value, "FULL"))
		p->ret = RET_FULL;
	else if (span_is_nocase(value, "HDRS"))
		p->ret = RET_HDRS;
	else
		return "501 5.5.4 RET is neither FULL nor HDRS";
	return NULL;
}

static const char *
take_envid(struct span value, bool utf8, void *out)
{
	struct mail_parameters *p = out;

	(void)utf8;
	if (value.len > ENVID_MAX_BYTES)
		return "501 5.5.4 ENVID is longer than 100 bytes";
	if (!is_xtext(value, false))
		return "501 5.5.4 ENVID is not xtext";
	p->envid = value;
	return NULL;
}

static const struct parameter of_mail[] = {
    {"SIZE", take_size, true},
    {"BODY", take_body, true},
    {"SMTPUTF8", take_smtputf8, false},
    {"AUTH", take_auth, true},
    {"RET", take_ret, true},
    {"ENVID", take_envid, true},
};

/* ---- RCPT ---- */

static unsigned
notify_bit(struct span word)
{
	return span_is_nocase(word, "NEVER")	 ? NOTIFY_NEVER
	       : span_is_nocase(word, "SUCCESS") ? NOTIFY_SUCCESS
	       : span_is_nocase(word, "FAILURE") ? NOTIFY_FAILURE
	       : span_is_nocase(word, "DELAY")	 ? NOTIFY_DELAY
						 : 0;
}

static const char *
take_notify(struct span value, bool utf8, void *out)
{
	static const char refusal[] =
	    "501 5.5.4 NOTIFY is not NEVER or a list of SUCCESS,FAILURE,DELAY";
	struct recipient_parameters *p = out;
	struct span word;
	bool more;

	(void)utf8;
	do {
		more = span_take(&value, ',', &word);
		if (notify_bit(word) == 0)
			return refusal;
		p->notify |= notify_bit(word);
	} while (more);
	return (p->notify & NOTIFY_NEVER) && p->notify != NOTIFY_NEVER ? refusal : NULL;
}

/* An atom: "rfc822", "utf-8", "x400". */
static bool
is_address_type(struct span type)
{
	for (size_t i = 0; i < type.len; i++) {
		char c = type.at[i] | 0x20;

		if (!(c >= 'a' && c <= 'z') && !(type.at[i] >= '0' && type.at[i] <= '9') &&
		    type.at[i] != '-')
			return false;
	}
	return type.len > 0;
}

static const char *
take_orcpt(struct span value, bool utf8, void *out)
{
	struct recipient_parameters *p = out;
	struct span rest = value, type;

	if (value.len > ORCPT_MAX_BYTES)
		return "501 5.5.4 ORCPT is longer than 500 bytes";
	if (!span_take(&rest, ';', &type) || !is_address_type(type) || rest.len == 0 ||
	    !is_xtext(rest, utf8))
		return "501 5.5.4 ORCPT is not a type, a semicolon and xtext";
	p->original = value;
	return NULL;
}

static const struct parameter of_recipient[] = {
    {"NOTIFY", take_notify, true},
    {"ORCPT", take_orcpt, true},
};

/* ---- the list ---- */

/* RFC 5321 4.1.2 esmtp-value, with UTF-8 by RFC 6531 3.3. */
static bool
is_value(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.at[i];

		if (c <= ' ' || c == '=' || c == 0x7f)
			return false;
	}
	return value.len > 0;
}

static const char *
take_one(const struct parameter *p, bool has_value, struct span value, bool utf8, void *out)
{
	if (p->has_value != has_value)
		return p->has_value ? "501 5.5.4 Parameter without a value"
				    : "501 5.5.4 Parameter takes no value";
	if (has_value && !is_value(value))
		return "501 5.5.4 Malformed value of a parameter";
	return p->take(value, utf8, out);
}

static const char *
take_word(
    struct span word, const struct parameter *table, size_t n, unsigned *seen, bool utf8, void *out)
{
	struct span name, value = word;
	bool has_value = span_take(&value, '=', &name);

	for (size_t i = 0; i < n; i++) {
		if (!span_is_nocase(name, table[i].name))
			continue;
		if (*seen & 1u << i)
			return "501 5.5.4 Parameter is given twice";
		*seen |= 1u << i;
		return take_one(&table[i], has_value, value, utf8, out);
	}
	return "555 5.5.4 Unknown parameter";
}

static const char *
take_all(struct span text, const struct parameter *table, size_t n, bool utf8, void *out)
{
	const char *refusal = NULL;
	unsigned seen = 0;
	struct span word;

	if (text.len > 0 && text.at[0] != ' ')
		return "501 5.5.4 A blank is missing after the path";
	while (text.len > 0 && refusal == NULL) {
		span_take(&text, ' ', &word);
		if (word.len > 0)
			refusal = take_word(word, table, n, &seen, utf8, out);
	}
	return refusal;
}

const char *
parameters_of_mail(struct span text, struct mail_parameters *out)
{
	*out = (struct mail_parameters){0};
	/* Their order is free, so 8-bit values are judged as if SMTPUTF8 were among them. */
	return take_all(text, of_mail, nitems(of_mail), true, out);
}

const char *
parameters_of_recipient(struct span text, bool utf8, struct recipient_parameters *out)
{
	*out = (struct recipient_parameters){0};
	return take_all(text, of_recipient, nitems(of_recipient), utf8, out);
}
