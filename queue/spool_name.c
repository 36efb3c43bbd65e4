/*
 * Names of spool files. Pure text.
 */
#include "queue/spool_name.h"

#include <string.h>

#include "common/queue_id.h"

enum { SIZE_DIGITS_MAX = 19 };
static const uint64_t size_max = INT64_MAX, attempts_max = 1000000000, time_max = 100000000000;

static char *
print_field(char *at, char key, uint64_t value)
{
	char digits[SIZE_DIGITS_MAX + 1];
	size_t n = 0;

	*at++ = ',';
	*at++ = key;
	*at++ = '=';
	do
		digits[n++] = '0' + value % 10;
	while ((value /= 10) != 0 && n < sizeof digits);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

void
spool_name_print(uint64_t id, const struct spool_name *name, char out[SPOOL_NAME_SIZE])
{
	char *at = out + QUEUE_ID_TEXT_SIZE - 1;

	queue_id_print(name->in_cur ? id : name->file, out);
	if (!name->in_cur)
		return;
	at = print_field(at, 'S', name->size);
	at = print_field(at, 'A', name->attempts);
	at = print_field(at, 'N', name->next_s);
	if (name->release_s != 0)
		at = print_field(at, 'R', name->release_s);
	if (name->held) {
		*at++ = ',';
		*at++ = 'H';
	}
	*at = '\0';
}

static bool
parse_field(struct span *text, char key, uint64_t max, uint64_t *value)
{
	struct span field;

	span_take(text, ',', &field);
	if (field.len < 3 || field.at[0] != key || field.at[1] != '=')
		return false;
	return span_u64((struct span){field.at + 2, field.len - 2}, max, value);
}

static bool
parse_rest(struct span *text, struct spool_name *name)
{
	uint64_t attempts;

	if (!parse_field(text, 'A', attempts_max, &attempts) ||
	    !parse_field(text, 'N', time_max, &name->next_s))
		return false;
	name->attempts = attempts;
	if (text->len > 0 && text->at[0] == 'R' &&
	    !parse_field(text, 'R', time_max, &name->release_s))
		return false;
	if (span_is(*text, "H")) {
		name->held = true;
		*text = span_of("");
	}
	return true;
}

bool
spool_name_parse(struct span text, uint64_t *id, struct spool_name *name)
{
	struct span rest = text, id_text;
	char again[SPOOL_NAME_SIZE];

	*name = (struct spool_name){.in_cur = true};
	span_take(&rest, ',', &id_text);
	if (!queue_id_parse(id_text, id) || *id >= SPOOL_ID_END)
		return false;
	if (!parse_field(&rest, 'S', size_max, &name->size) || name->size == 0)
		return false;
	if (!parse_rest(&rest, name))
		return false;
	spool_name_print(*id, name, again);
	return span_is(text, again);
}

bool
spool_name_parse_incoming(struct span text, struct spool_name *name)
{
	char again[SPOOL_NAME_SIZE];

	*name = (struct spool_name){0};
	if (!queue_id_parse(text, &name->file) || name->file >= SPOOL_ID_END)
		return false;
	spool_name_print(0, name, again);
	return span_is(text, again);
}
