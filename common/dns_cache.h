/*
 * Answers of the DNS that may still be used, positive and negative, by type and name. Bounded in
 * number and in bytes: what was used longest ago goes first. Pure: the time is given, in seconds of
 * any clock that does not run backwards.
 */
#ifndef COMMON_DNS_CACHE_H
#define COMMON_DNS_CACHE_H

#include "common/dns_answer.h"

enum {
	DNS_CACHE_ENTRIES = 4096,
	DNS_CACHE_BYTES = 4 << 20,
	DNS_CACHE_ANSWER_MAX_BYTES = 64 << 10, /* a larger answer is not kept */
	DNS_TTL_MAX_S = 86400,		       /* what is found; servers may change within a day */
	DNS_NEGATIVE_TTL_MAX_S = 3600,	       /* what is not there; RFC 2308 5 */
	DNS_FAILURE_TTL_S = 5 /* DNS_LATER; RFC 9520 3.2: at least 1, at most 300 */
};

struct dns_cache;
struct dns_cache *dns_cache_new(size_t max_entries, size_t max_bytes);
void dns_cache_free(struct dns_cache **c);

/* The answer, which the caller frees, or NULL. */
struct dns_answer *
dns_cache_get(struct dns_cache *c, const char *name, enum dns_type type, uint64_t now_s);
/*
 * Keeps a (counted) for as long as its status and TTL allow, in the place of an older one of this
 * name and type. A TTL of 0 is not kept; DNS_LATER is kept for DNS_FAILURE_TTL_S.
 */
void dns_cache_put(struct dns_cache *c, const char *name, enum dns_type type, struct dns_answer *a,
    uint64_t now_s);

size_t dns_cache_entries(const struct dns_cache *c);

#endif
