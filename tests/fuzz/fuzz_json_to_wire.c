/* Any text as ProtoJSON. Accepted: the wire bytes are a message of the type, they print, and the
 * print reads as itself. Cut into chunks of any size, the answer is the same. The first byte
 * chooses. */
#include "proto/json.h"
#include "tests/fuzz/fuzz_types.h"

static bool read_chunks(const struct message *message, const struct json_read_options *options,
			struct span json, size_t chunk, struct buf *wire)
{
	struct wire_writer writer;
	struct json_reader *reader;
	enum parse_result result = PARSE_MORE;
	size_t used = 0;
	bool is_ok;

	buf_init(wire, FUZZ_BYTES_MAX);
	wire_writer_init(&writer, wire);
	reader = json_reader_new(message, options, &writer);
	while (result == PARSE_MORE && json.len) {
		result = json_reader_feed(reader, span_head(json, chunk), &used, NULL);
		if (result != PARSE_BAD)
			json = span_skip(json, used);
	}
	if (result == PARSE_MORE)
		result = json_reader_end(reader, NULL);
	is_ok = result == PARSE_DONE && wire_finish(&writer);
	json_reader_free(reader);
	wire_writer_fini(&writer);
	return is_ok;
}

static void print_and_read_again(const struct message *message, struct schema *schema,
				 struct span wire)
{
	const struct json_print_options print = {.schema = schema};
	const struct json_read_options read = {.schema = schema};
	struct buf first;
	struct buf second;
	struct buf again;

	buf_init(&first, FUZZ_BYTES_MAX);
	buf_init(&second, FUZZ_BYTES_MAX);
	/* What was read has a JSON form, but for what is larger than the limit. */
	if (json_from_wire(message, wire, &print, &first, NULL) == ST_OK) {
		bool is_ok = read_chunks(message, &read, buf_span(&first), buf_len(&first), &again);

		BUG_ON(!is_ok);
		BUG_ON(json_from_wire(message, buf_span(&again), &print, &second, NULL) != ST_OK);
		BUG_ON(!span_eq(buf_span(&first), buf_span(&second)));
		buf_fini(&again);
	}
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_read_options options = {0};
	const struct message *message;
	struct schema *schema = fuzz_schema();
	struct span json;
	struct buf whole;
	struct buf parts;
	bool is_ok;

	options.schema = schema;
	options.ignore_unknown = size && (data[0] & 0x80);
	message = fuzz_message(schema, size ? data[0] : 0);
	json = span_skip(span_make(data, size), 1);
	is_ok = read_chunks(message, &options, json, json.len ? json.len : 1, &whole);
	BUG_ON(read_chunks(message, &options, json, 1 + (size % 5), &parts) != is_ok);
	if (is_ok) {
		BUG_ON(!span_eq(buf_span(&whole), buf_span(&parts)));
		BUG_ON(schema_check(message, buf_span(&whole), NULL) != ST_OK);
		print_and_read_again(message, schema, buf_span(&whole));
	}
	buf_fini(&whole);
	buf_fini(&parts);
	schema_unref(schema);
	return 0;
}
