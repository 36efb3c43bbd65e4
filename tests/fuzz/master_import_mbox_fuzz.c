/*
 * An mbox: the same messages and the same damage however the bytes are cut; calls come in order,
 * offsets rise, and nothing comes out that was not in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "master/import_mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct read {
	struct text_buffer out;
	uint64_t offset;
	size_t text; /* bytes of all messages */
	bool inside;
};

static void
take_offset(struct read *r, uint64_t offset)
{
	if (offset < r->offset)
		abort();
	r->offset = offset;
}

static void
on_begin(void *arg, uint64_t offset, uint64_t arrival_s)
{
	struct read *r = arg;

	if (r->inside || arrival_s == 0)
		abort();
	take_offset(r, offset);
	r->inside = true;
	text_printf(
	    &r->out, "[%llu %llu ", (unsigned long long)offset, (unsigned long long)arrival_s);
}

static void
on_text(void *arg, struct span text)
{
	struct read *r = arg;

	if (!r->inside || text.len == 0)
		abort();
	r->text += text.len;
	text_put(&r->out, text);
}

static void
on_end(void *arg)
{
	struct read *r = arg;

	if (!r->inside)
		abort();
	r->inside = false;
	text_put_char(&r->out, ']');
}

static void
on_damage(void *arg, uint64_t offset, const char *why)
{
	struct read *r = arg;

	if (r->inside)
		abort();
	take_offset(r, offset);
	text_printf(&r->out, "!%llu %s", (unsigned long long)offset, why);
}

static void
read_all(const char *at, size_t size, size_t step, struct read *r)
{
	static const struct mbox_ops ops = {on_begin, on_text, on_end, on_damage};
	struct mbox *m = mbox_new(&ops, r);

	*r = (struct read){.offset = 0};
	text_buffer_init(&r->out, size * 64 + 64);
	for (size_t i = 0; i < size; i += step)
		mbox_put(m, (struct span){at + i, size - i < step ? size - i : step});
	mbox_end(m);
	mbox_free(&m);
	if (r->inside || r->text > size || r->offset > size || r->out.full)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = size > 0 ? (const char *)data : "";
	struct read whole, bytes, pieces;

	read_all(at, size, size + 1, &whole);
	read_all(at, size, 1, &bytes);
	read_all(at, size, 7, &pieces);
	if (whole.out.len != bytes.out.len || whole.out.len != pieces.out.len)
		abort();
	if (whole.out.len > 0 && (memcmp(whole.out.at, bytes.out.at, whole.out.len) != 0 ||
				     memcmp(whole.out.at, pieces.out.at, whole.out.len) != 0))
		abort();
	text_buffer_free(&whole.out);
	text_buffer_free(&bytes.out);
	text_buffer_free(&pieces.out);
	return 0;
}
