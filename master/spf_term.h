/*
 * The words of an SPF record (RFC 7208 4.6.1, 12): strangers' text, cut into what it says. Pure.
 */
#ifndef MASTER_SPF_TERM_H
#define MASTER_SPF_TERM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/dns.h"
#include "common/span.h"

/* One mechanism, such as "-a:mail.example.org/24". */
struct spf_term {
	char domain[DNS_HOST_SIZE];
	struct span value;     /* behind the colon, with any prefix */
	unsigned bits4, bits6; /* of "a" and "mx" */
};

/* The text begins as a record of SPF does. */
bool spf_is_record(struct span text);
/* A modifier, "redirect=example.org", and no mechanism. */
bool spf_is_modifier(struct span term);
/* The name of a mechanism without its qualifier: what stands before its value or prefix. */
struct span spf_mechanism_name(struct span term);
/*
 * name [":" value] [prefix]; without a value the domain is that of the record. False: it is not
 * right. value is borrowed from the text.
 */
bool spf_term_read(struct spf_term *t, struct span text, const char *domain, bool may_have_prefix);

#endif
