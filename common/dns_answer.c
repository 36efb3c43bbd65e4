/*
 * The answer to one DNS question: one block of memory, counted.
 */
#include "common/dns_answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

struct dns_answer *
dns_answer_new(size_t n, size_t pool, const char *name)
{
	size_t head = sizeof(struct dns_answer) + n * sizeof(struct dns_record);
	size_t bytes = head + strlen(name) + 1 + pool;
	struct dns_answer *a = calloc(1, bytes);

	if (a == NULL)
		return NULL;
	a->references = 1;
	a->bytes = bytes;
	a->records = (struct dns_record *)(a + 1);
	a->pool = (char *)a + head;
	a->pool_end = (char *)a + bytes;
	a->why = "";
	a->name = dns_answer_put(a, span_of(name));
	return a;
}

const char *
dns_answer_put(struct dns_answer *a, struct span bytes)
{
	char *at = a->pool;

	if (bytes.len >= (size_t)(a->pool_end - a->pool))
		fatalx("a DNS answer was measured wrongly");
	if (bytes.len)
		memcpy(at, bytes.at, bytes.len);
	at[bytes.len] = '\0';
	a->pool += bytes.len + 1;
	return at;
}

struct dns_answer *
dns_answer_empty(enum dns_status status, const char *name, const char *why)
{
	struct dns_answer *a = dns_answer_new(0, 0, name);

	if (a == NULL)
		fatalx("out of memory");
	a->status = status;
	a->why = why;
	return a;
}

struct dns_answer *
dns_answer_keep(struct dns_answer *a)
{
	a->references++;
	return a;
}

void
dns_answer_free(struct dns_answer **a)
{
	if (*a != NULL && --(*a)->references == 0)
		free(*a);
	*a = NULL;
}
