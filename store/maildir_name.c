/*
 * Names of files in a Maildir. Pure; a name may hold any byte but '/' and NUL.
 */
#include "store/maildir_name.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "common/queue_id.h"
#include "store/folders.h"
#include "store/store.h"

enum { US_PER_S = 1000000, US_DIGITS = 6 };

/* Digits from *at on. False without one, or for a number that does not fit. */
static bool
take_number(const char **at, const char *end, uint64_t *number)
{
	const char *from = *at;

	while (*at < end && **at >= '0' && **at <= '9')
		(*at)++;
	return span_u64((struct span){from, *at - from}, INT64_MAX, number);
}

/* The fields ",K=number" after the first comma. */
static void
parse_fields(struct maildir_name *n, const char *at, const char *end)
{
	while (at < end && (at = memchr(at, ',', end - at)) != NULL) {
		uint64_t number;
		char key;

		if (end - at < 4 || at[2] != '=') {
			at++;
			continue;
		}
		key = at[1];
		at += 3;
		if (!take_number(&at, end, &number))
			continue;
		if (key == 'S' && !n->has_size) {
			n->has_size = true;
			n->size = number;
		} else if (key == 'W' && !n->has_wire_size) {
			n->has_wire_size = true;
			n->wire_size = number;
		}
	}
}

/* after: behind the seconds, where ".M123456Q4Zk3Qa12x." is to be. */
static bool
is_ours(const struct maildir_name *n, const char *after)
{
	const size_t micros_at = 2, id_at = micros_at + US_DIGITS + 1,
		     end_at = id_at + QUEUE_ID_TEXT_SIZE - 1;
	uint64_t micros, id;

	if (!n->has_size || n->has_wire_size || n->base.at + n->base.len - after <= end_at)
		return false;
	if (memcmp(after, ".M", 2) != 0 || after[id_at - 1] != 'Q' || after[end_at] != '.')
		return false;
	return span_u64((struct span){after + micros_at, US_DIGITS}, US_PER_S - 1, &micros) &&
	       queue_id_parse((struct span){after + id_at, end_at - id_at}, &id);
}

void
maildir_name_parse(struct span file, struct maildir_name *n)
{
	const char *at = file.at, *end, *colon = file.len ? memchr(file.at, ':', file.len) : NULL;

	*n = (struct maildir_name){.base = file};
	if (colon != NULL)
		n->base.len = colon - file.at;
	end = file.at + n->base.len;
	if (!take_number(&at, end, &n->seconds))
		n->seconds = 0;
	parse_fields(n, at, end);
	if (!is_ours(n, at))
		return;
	n->ours = n->has_wire_size = true;
	n->wire_size = n->size;
}

void
maildir_name_print(
    uint64_t id, uint64_t arrival_us, const char *host, uint64_t bytes, char out[MAILDIR_NAME_SIZE])
{
	char text[QUEUE_ID_TEXT_SIZE];

	queue_id_print(id, text);
	snprintf(out, MAILDIR_NAME_SIZE, "%llu.M%06lluQ%s.%.*s,S=%llu",
	    (unsigned long long)arrival_us / US_PER_S, (unsigned long long)arrival_us % US_PER_S,
	    text, MAILDIR_HOST_MAX_BYTES, host, (unsigned long long)bytes);
}

static bool
is_host_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-';
}

void
maildir_name_host(const char *domain, char out[MAILDIR_HOST_MAX_BYTES + 1])
{
	size_t n = 0;

	for (; domain[n] != '\0' && n < MAILDIR_HOST_MAX_BYTES; n++)
		out[n] = is_host_byte(domain[n]) ? domain[n] : '-';
	out[n] = '\0';
}

bool
maildir_name_is_plain(struct span base)
{
	if (base.len == 0 || base.len > FOLDERS_FILE_NAME_MAX_BYTES || base.at[0] == '.')
		return false;
	for (size_t i = 0; i < base.len; i++)
		if (base.at[i] <= ' ' || base.at[i] >= 0x7f || base.at[i] == '/' ||
		    base.at[i] == ':')
			return false;
	return true;
}

static bool
is_uidl(struct span base)
{
	if (base.len == 0 || base.len > MAILBOX_UIDL_MAX_BYTES)
		return false;
	for (size_t i = 0; i < base.len; i++)
		if (base.at[i] < 0x21 || base.at[i] > 0x7e)
			return false;
	return true;
}

size_t
maildir_name_uidl(struct span base, char *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (is_uidl(base)) {
		memcpy(out, base.at, base.len);
		return base.len;
	}
	SHA256((const unsigned char *)base.at, base.len, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	return 2 * sizeof digest;
}
