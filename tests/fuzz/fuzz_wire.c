/* The reader on any bytes, and the writer on what it found: written again record by record, the
 * bytes must read the same. */
#include <stdlib.h>

#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_level(struct span bytes, unsigned depth, struct wire_writer *writer)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && depth < 8 &&
		    wire_check(field.bytes, WIRE_DEPTH_MAX, NULL) == ST_OK) {
			struct wire_nest nest = wire_begin(writer, field.number);

			copy_level(field.bytes, depth + 1, writer);
			wire_end(writer, nest);
		} else if (field.type == WIRE_BYTES) {
			wire_put_bytes_field(writer, field.number, field.bytes);
		} else {
			wire_put_raw(writer, field.record);
		}
	}
}

/* The same records at the top level, compared by what they hold. */
static void compare(struct span a, struct span b)
{
	struct wire_reader left;
	struct wire_reader right;
	struct wire_field one;
	struct wire_field two;

	wire_reader_init(&left, a);
	wire_reader_init(&right, b);
	while (wire_next(&left, &one)) {
		BUG_ON(!wire_next(&right, &two));
		BUG_ON(one.number != two.number || one.type != two.type ||
		       one.integer != two.integer);
	}
	BUG_ON(!wire_at_end(&right));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_make(data, size);
	struct wire_writer writer;
	struct wire_field field;
	struct span content;
	bool is_present;
	struct buf out;
	struct buf scratch;

	buf_init(&out, size * 8 + 64);
	buf_init(&scratch, size * 2 + 64);
	(void)wire_find_last(bytes, 1, WIRE_VARINT, &field); /* only that it ends */
	if (wire_merge_bytes(bytes, 1, &scratch, &content, &is_present))
		BUG_ON(!is_present && content.len);
	if (wire_check(bytes, WIRE_DEPTH_MAX, NULL) == ST_OK) {
		wire_writer_init(&writer, &out);
		copy_level(bytes, 0, &writer);
		BUG_ON(!wire_finish(&writer));
		BUG_ON(wire_check(buf_span(&out), WIRE_DEPTH_MAX, NULL) != ST_OK);
		compare(bytes, buf_span(&out));
		wire_writer_fini(&writer);
	}
	buf_fini(&out);
	buf_fini(&scratch);
	return 0;
}
