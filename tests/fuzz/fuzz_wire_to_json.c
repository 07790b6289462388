/* Any bytes as a message. What prints must read again, and print the same then. The first byte
 * chooses. */
#include "proto/json.h"
#include "tests/fuzz/fuzz_types.h"

static void read_again(const struct message *message, const struct json_print_options *print,
		       struct span json)
{
	const struct json_read_options read = {.schema = print->schema};
	struct wire_writer writer;
	struct buf wire;
	struct buf out;

	buf_init(&wire, FUZZ_BYTES_MAX);
	buf_init(&out, FUZZ_BYTES_MAX);
	wire_writer_init(&writer, &wire);
	BUG_ON(json_to_wire(message, json, &read, &writer, NULL) != ST_OK);
	BUG_ON(!wire_finish(&writer));
	BUG_ON(json_from_wire(message, buf_span(&wire), print, &out, NULL) != ST_OK);
	BUG_ON(!span_eq(buf_span(&out), json));
	wire_writer_fini(&writer);
	buf_fini(&wire);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct schema *schema = fuzz_schema();
	struct json_print_options print = {0};
	const struct message *message = fuzz_message(schema, size ? data[0] : 0);
	struct span wire = span_skip(span_make(data, size), 1);
	enum status checked = schema_check(message, wire, NULL);
	struct buf out;

	BUG_ON(checked != ST_OK && checked != ST_INVALID_ARGUMENT);
	print.schema = schema;
	print.always_print_primitive_fields = size && (data[0] & 0x80);
	print.preserve_proto_field_names = size && (data[0] & 0x40);
	buf_init(&out, FUZZ_BYTES_MAX);
	if (json_from_wire(message, wire, &print, &out, NULL) == ST_OK)
		read_again(message, &print, buf_span(&out));
	if (message->field_count) {
		const struct field *field = &message->fields[size % message->field_count];

		size_t before = buf_len(&out);

		if (json_field_from_wire(field, wire, &print, &out, NULL) != ST_OK)
			BUG_ON(buf_len(&out) != before);
	}
	buf_fini(&out);
	schema_unref(schema);
	return 0;
}
