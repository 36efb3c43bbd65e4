/*
 * A table of host names that belongs to a server's context, and the function that OpenSSL asks when
 * a client names a host.
 */
#include "common/tls_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/certificate_names.h"
#include "common/memory.h"

enum { NAME_SIZE = 254 }; /* RFC 1035 2.3.4, as text */

struct name {
	RB_ENTRY(name) entry;
	SSL_CTX *ctx; /* NULL: the default */
	char text[NAME_SIZE];
};
RB_HEAD(names, name);

struct further {
	SLIST_ENTRY(further) entry;
	SSL_CTX *ctx;
	char *section;
};

struct table {
	struct names names;
	SLIST_HEAD(, further) further;
};

static int
compare(const struct name *a, const struct name *b)
{
	return strcmp(a->text, b->text);
}

RB_GENERATE_INTERNAL(names, name, entry, compare, static __attribute__((unused)))

/* In lower case, without the dot of the root. False when it is no name that could be asked for. */
static bool
normalize(struct span text, char out[NAME_SIZE])
{
	if (text.len > 0 && text.at[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || !span_copy(text, out, NAME_SIZE))
		return false;
	for (char *c = out; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return true;
}

/* ---- life ---- */

static void
on_free(void *parent, void *pointer, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct table *t = pointer;

	(void)parent, (void)ad, (void)index, (void)argl, (void)argp;
	if (t == NULL)
		return;
	for (struct name *n; (n = RB_ROOT(&t->names)) != NULL; free(n))
		RB_REMOVE(names, &t->names, n);
	for (struct further *f; (f = SLIST_FIRST(&t->further)) != NULL; free(f)) {
		SLIST_REMOVE_HEAD(&t->further, entry);
		SSL_CTX_free(f->ctx);
		free(f->section);
	}
	free(t);
}

static int
table_index(void)
{
	static int index = -1;

	if (index == -1)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_free);
	return index;
}

static struct table *
table_of(SSL_CTX *ctx)
{
	return SSL_CTX_get_ex_data(ctx, table_index());
}

/* ---- the handshake ---- */

static const struct name *
find(struct table *t, const char *text)
{
	struct name wanted;

	return strlcpy(wanted.text, text, sizeof wanted.text) < sizeof wanted.text
		   ? RB_FIND(names, &t->names, &wanted)
		   : NULL;
}

/* A star stands for one label, the first. */
static const struct name *
find_for(struct table *t, const char *host)
{
	const struct name *found = find(t, host);
	const char *dot = strchr(host, '.');
	char wild[NAME_SIZE + 1];

	if (found != NULL || dot == NULL || dot == host)
		return found;
	snprintf(wild, sizeof wild, "*%s", dot);
	return find(t, wild);
}

/* Whoever asks for a name that nobody has gets the default, as one who names none. */
static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct name *found = NULL;
	char host[NAME_SIZE];

	(void)alert;
	if (asked != NULL && normalize(span_of(asked), host))
		found = find_for(arg, host);
	if (found == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (found->ctx != NULL && SSL_set_SSL_CTX(ssl, found->ctx) == NULL)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- the table ---- */

struct adding {
	struct table *table;
	SSL_CTX *ctx;
};

static void
add_name(void *arg, struct span text)
{
	const struct adding *a = arg;
	struct name *n = xcalloc(1, sizeof *n);

	n->ctx = a->ctx;
	if (!normalize(text, n->text) || RB_INSERT(names, &a->table->names, n) != NULL)
		free(n);
}

int
tls_names_begin(SSL_CTX *ctx)
{
	struct table *t = xcalloc(1, sizeof *t);
	struct adding a = {.table = t};

	RB_INIT(&t->names);
	SLIST_INIT(&t->further);
	if (table_index() == -1 || SSL_CTX_set_ex_data(ctx, table_index(), t) != 1) {
		free(t);
		return -1;
	}
	certificate_names(SSL_CTX_get0_certificate(ctx), add_name, &a);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, t);
	return 0;
}

void
tls_names_take(SSL_CTX *ctx, const char *section, SSL_CTX *other)
{
	struct adding a = {.table = table_of(ctx), .ctx = other};
	struct further *f = xcalloc(1, sizeof *f);

	*f = (struct further){.ctx = other, .section = xstrdup(section)};
	SLIST_INSERT_HEAD(&a.table->further, f, entry);
	certificate_names(SSL_CTX_get0_certificate(other), add_name, &a);
}

SSL_CTX *
tls_names_section(SSL_CTX *ctx, const char *section)
{
	struct further *f;

	SLIST_FOREACH (f, &table_of(ctx)->further, entry)
		if (strcmp(f->section, section) == 0)
			return f->ctx;
	return NULL;
}
