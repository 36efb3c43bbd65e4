/*
 * The settings that one program was given by master: a small list, looked up at start and reload
 * only.
 */
#include "common/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"

struct settings *
settings_new(void)
{
	return xcalloc(1, sizeof(struct settings));
}

void
settings_free(struct settings **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n; i++) {
		free((*s)->items[i].section);
		free((*s)->items[i].key);
		/* may be a private key */
		explicit_bzero((*s)->items[i].value, strlen((*s)->items[i].value));
		free((*s)->items[i].value);
	}
	free((*s)->items);
	free(*s);
	*s = NULL;
}

void
settings_add(struct settings *s, const char *section, const char *key, const char *value)
{
	if ((s->n & (s->n - 1)) == 0)
		s->items = xrealloc(s->items, (s->n ? s->n * 2 : 1) * sizeof *s->items);
	s->items[s->n++] = (struct setting){xstrdup(section), xstrdup(key), xstrdup(value)};
}

const char *
settings_find(const struct settings *s, const char *section, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->items[i].key, key) == 0 && strcmp(s->items[i].section, section) == 0)
			return s->items[i].value;
	return NULL;
}

const char *
settings_text(const struct settings *s, const char *section, const char *key)
{
	const char *value = settings_find(s, section, key);

	if (value == NULL)
		fatalx("the setting [%s] %s was not sent to this program", section, key);
	return value;
}

uint64_t
settings_u64(const struct settings *s, const char *section, const char *key)
{
	const char *value = settings_text(s, section, key);
	uint64_t number;

	if (!span_u64(span_of(value), UINT64_MAX, &number))
		fatalx("the setting [%s] %s is no number: %s", section, key, value);
	return number;
}

bool
settings_bool(const struct settings *s, const char *section, const char *key)
{
	return strcmp(settings_text(s, section, key), "true") == 0;
}
