/* Reads headers. What is malformed is passed over: a header decides about nothing but itself. */
#include "fetcher/header.h"

#include <stdlib.h>
#include <string.h>

#include "common/address_list.h"
#include "common/log.h"
#include "common/memory.h"

static const struct {
	const char *name;
	enum fetch_source source;
} sources[] = {
    {"delivered-to", SOURCE_DELIVERED_TO},
    {"x-original-to", SOURCE_X_ORIGINAL_TO},
    {"envelope-to", SOURCE_ENVELOPE_TO},
    {"resent-to", SOURCE_RESENT},
    {"resent-cc", SOURCE_RESENT},
    {"resent-bcc", SOURCE_RESENT},
    {"to", SOURCE_TO},
    {"cc", SOURCE_CC},
};

/* What servers add, and change. */
static const char *const not_of_the_message[] = {
    "status", "x-status", "x-uidl", "x-uid", "x-keywords"};

/* One more than the longest of them. */
enum { DECIDING_NAME_BYTES = 11 };

const char *
fetch_source_name(enum fetch_source source)
{
	static const char *const names[] = {
	    "Delivered-To", "X-Original-To", "Envelope-To", "Resent-To", "To", "Cc"};

	return names[source];
}

struct header *
header_new(void)
{
	struct header *h = xcalloc(1, sizeof *h);

	if ((h->digest = EVP_MD_CTX_new()) == NULL)
		fatalx("out of memory");
	return h;
}

void
header_free(struct header **hp)
{
	struct header *h = *hp;

	if (h == NULL)
		return;
	*hp = NULL;
	EVP_MD_CTX_free(h->digest);
	free(h);
}

void
header_start(struct header *h)
{
	if (EVP_DigestInit_ex(h->digest, EVP_sha256(), NULL) != 1)
		fatalx("there is no SHA-256");
	h->in_body = false;
	h->at_line_start = true;
	h->decided = h->skipped = false;
	h->received = 0;
	h->n_candidates = h->field_len = 0;
	h->from[0] = h->subject[0] = '\0';
}

static void
digest(struct header *h, const char *at, size_t n)
{
	if (EVP_DigestUpdate(h->digest, at, n) != 1)
		fatalx("SHA-256 fails");
}

/* ---- fields ---- */

struct adding {
	struct header *h;
	enum fetch_source source;
};

static void
add_candidate(void *arg, const char *address)
{
	const struct adding *a = arg;
	struct header *h = a->h;

	for (size_t i = 0; i < h->n_candidates; i++)
		if (h->candidates[i].source == a->source &&
		    strcmp(h->candidates[i].address, address) == 0)
			return;
	if (h->n_candidates == FETCH_CANDIDATES_MAX)
		return;
	h->candidates[h->n_candidates].source = a->source;
	strlcpy(h->candidates[h->n_candidates++].address, address, ADDRESS_TEXT_SIZE);
}

/* On one line, and as much of it as there is room for. */
static void
show(struct span value, char out[HEADER_SHOWN_SIZE])
{
	size_t n = 0;

	value = span_trim(value);
	for (size_t i = 0; i < value.len && n < HEADER_SHOWN_SIZE - 1; i++)
		if (value.at[i] != '\r' && value.at[i] != '\n' && value.at[i] != '\0')
			out[n++] = value.at[i];
	out[n] = '\0';
}

static void
end_field(struct header *h)
{
	struct span value = {h->field, h->field_len}, name;
	struct adding adding = {.h = h};

	h->field_len = 0;
	if (!span_take(&value, ':', &name))
		return;
	name = span_trim(name); /* RFC 5322 4.5 */
	if (span_is_nocase(name, "received"))
		h->received++;
	else if (span_is_nocase(name, "from"))
		show(value, h->from);
	else if (span_is_nocase(name, "subject"))
		show(value, h->subject);
	for (size_t i = 0; i < nitems(sources); i++)
		if (span_is_nocase(name, sources[i].name)) {
			adding.source = sources[i].source;
			address_list_read(value, add_candidate, &adding);
		}
}

/* Whether what is there of the current field says that it is part of the digest. */
static void
decide(struct header *h, bool line_ends)
{
	struct span rest = {h->field, h->field_len}, name;
	bool colon = span_take(&rest, ':', &name);

	if (h->decided || (!colon && !line_ends && h->field_len < DECIDING_NAME_BYTES))
		return;
	h->decided = true;
	name = span_trim(name);
	for (size_t i = 0; colon && i < nitems(not_of_the_message); i++)
		h->skipped |= span_is_nocase(name, not_of_the_message[i]);
	if (!h->skipped)
		digest(h, h->field, h->field_len);
}

static void
start_line(struct header *h, char first)
{
	if (first == ' ' || first == '\t')
		return;
	end_field(h);
	h->decided = h->skipped = false;
	h->in_body = first == '\r';
}

/* A piece of one line of the header. */
static void
take_piece(struct header *h, struct span piece, bool line_ends)
{
	size_t room = sizeof h->field - h->field_len, n = piece.len < room ? piece.len : room;
	bool was_decided = h->decided;

	memcpy(h->field + h->field_len, piece.at, n);
	h->field_len += n;
	decide(h, line_ends);
	if (!h->skipped && was_decided)
		digest(h, piece.at, piece.len);
	else if (!h->skipped && h->decided && n < piece.len)
		digest(h, piece.at + n, piece.len - n);
}

void
header_feed(struct header *h, struct span bytes)
{
	while (bytes.len > 0 && !h->in_body) {
		const char *lf;
		size_t n;

		if (h->at_line_start)
			start_line(h, bytes.at[0]);
		if (h->in_body)
			break;
		lf = memchr(bytes.at, '\n', bytes.len);
		n = lf != NULL ? lf + 1 - bytes.at : bytes.len;
		take_piece(h, (struct span){bytes.at, n}, lf != NULL);
		h->at_line_start = lf != NULL;
		bytes = (struct span){bytes.at + n, bytes.len - n};
	}
	if (bytes.len > 0)
		digest(h, bytes.at, bytes.len);
}

void
header_finish(struct header *h, unsigned char out[FETCH_DIGEST_BYTES])
{
	unsigned len = 0;

	if (!h->in_body) {
		decide(h, true);
		end_field(h);
	}
	if (EVP_DigestFinal_ex(h->digest, out, &len) != 1 || len != FETCH_DIGEST_BYTES)
		fatalx("SHA-256 fails");
}
