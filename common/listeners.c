/*
 * All listening sockets of one program.
 */
#include "common/listeners.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

struct listeners {
	struct {
		char *name;
		struct listener *listener;
	} items[ROLE_SOCKETS_MAX];
	size_t n;
};

static void
close_one(struct listeners *l, size_t i)
{
	listener_free(&l->items[i].listener);
	free(l->items[i].name);
	l->items[i] = l->items[--l->n];
}

static void
close_unwanted(struct listeners *l, const struct settings *s)
{
	for (size_t i = l->n; i > 0; i--)
		if (settings_find(s, "listeners", l->items[i - 1].name) == NULL)
			close_one(l, i - 1);
}

/* "listen:SMTP:127.0.0.1:25" to "SMTP". */
static void
key_of(const char *name, char *out, size_t size)
{
	struct span rest = span_of(name), key;

	span_take(&rest, ':', &key);
	span_take(&rest, ':', &key);
	span_copy(key, out, size);
}

static void
add_new(
    struct listeners *l, struct role *r, int (*kind_of)(const char *), listener_cb cb, void *arg)
{
	const char *name;
	char key[32];
	int fd;

	while ((fd = role_socket_prefixed(r, "listen:", &name)) != -1) {
		if (l->n == nitems(l->items)) {
			closefd(&fd);
			continue;
		}
		key_of(name, key, sizeof key);
		l->items[l->n].name = xstrdup(name);
		l->items[l->n++].listener = listener_new(r->base, fd, kind_of(key), cb, arg);
	}
}

void
listeners_update(struct listeners **lp, struct role *r, int (*kind_of)(const char *key),
    listener_cb cb, void *arg)
{
	if (*lp == NULL)
		*lp = xcalloc(1, sizeof **lp);
	close_unwanted(*lp, r->settings);
	add_new(*lp, r, kind_of, cb, arg);
}

void
listeners_close(struct listeners **lp)
{
	if (*lp == NULL)
		return;
	while ((*lp)->n > 0)
		close_one(*lp, 0);
	free(*lp);
	*lp = NULL;
}
