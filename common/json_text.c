/*
 * Strangers' bytes in a JSON document. Pure.
 */
#include "common/json_text.h"

#include <stdlib.h>

#include "common/memory.h"

json_t *
json_text(struct span text)
{
	json_t *value = json_stringn(text.at, text.len);
	char *copy;

	if (value != NULL)
		return value;
	copy = xmalloc(text.len + 1);
	for (size_t i = 0; i < text.len; i++)
		copy[i] = (unsigned char)text.at[i] < 0x80 ? text.at[i] : '?';
	value = json_stringn(copy, text.len);
	free(copy);
	return value;
}
