/* Lines "name=targets" as aliases, the last line as the recipient: it ends, and each target is
 * there once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/resolve.h"
#include "router/sender.h"
#include "tests/unit/router_tables_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum mailbox_state
look(void *arg, struct span name)
{
	(void)arg;
	return name.len % 4;
}

static const struct setting_line ours[] = {
    {"smtpd", "Local Domains", "*.inside.example"},
    {"smtpd", "Relay Domains", "peer.example"},
    {"smtpd", "Unknown Mailbox", "catchall"},
    {"limits", "Maximum Alias Depth", "5"},
};

static struct tables *
make_tables(struct span *rest)
{
	struct settings *s = settings_new();
	struct span line, name;
	char key[256], value[1024];

	settings_add_lines(s, ours, nitems(ours));
	settings_add_missing(s, tables_usual, nitems(tables_usual));
	while (memchr(rest->at, '\n', rest->len) != NULL && s->n < 200) {
		span_take(rest, '\n', &line);
		span_take(&line, '=', &name);
		if (span_copy(name, key, sizeof key) && span_copy(line, value, sizeof value))
			settings_add(s, s->n % 2 ? "aliases" : "forward", key, value);
	}
	return tables_of(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = {size ? (const char *)data : "", size};
	struct tables *t = make_tables(&rest);
	struct resolution r;

	resolution_init(&r);
	resolve(&r, t, rest, look, NULL);
	for (size_t i = 0; i < r.mailboxes.n; i++)
		for (size_t j = 0; j < i; j++)
			if (span_equal(r.mailboxes.names[i], r.mailboxes.names[j]))
				abort();
	if (sender_is_users(&r, t, rest, span_of("ann")) && rest.len >= ADDRESS_TEXT_SIZE)
		abort();
	sender_is_account(&r, t, rest, look, NULL);
	resolution_clear(&r);
	tables_free(&t);
	return 0;
}
