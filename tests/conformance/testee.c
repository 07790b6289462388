/* The program that the official protobuf conformance runner tests: it reads requests on stdin and
 * answers on stdout, each with its length in front (4 bytes, little endian). The messages it is
 * asked about come from a descriptor set, the only argument, so what is tested is what serves
 * users: types known only at run time. Text format and JSPB are skipped. Spec:
 * conformance/conformance.proto */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/mem.h"
#include "tests/conformance/canonical.h"

/* Far above the largest request of the runner. */
#define TESTEE_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* ConformanceRequest.payload and ConformanceResponse.result, by field number. */
enum {
	REQUEST_PROTOBUF = 1,
	REQUEST_JSON = 2,
	REQUEST_FORMAT = 3,
	REQUEST_TYPE = 4,
	REQUEST_CATEGORY = 5
};
enum {
	RESPONSE_PARSE_ERROR = 1,
	RESPONSE_RUNTIME_ERROR = 2,
	RESPONSE_PROTOBUF = 3,
	RESPONSE_JSON = 4,
	RESPONSE_SKIPPED = 5,
	RESPONSE_SERIALIZE_ERROR = 6,
};
enum { FORMAT_PROTOBUF = 1, FORMAT_JSON = 2 };
#define CATEGORY_IGNORE_UNKNOWN 3

struct testee {
	struct schema *schema;
	struct buf input;
	struct buf wire;
	struct buf output;
	struct buf response;
};

static bool testee_read(struct buf *into, size_t n)
{
	uint8_t *room = buf_reserve(into, n);

	if (!room || fread(room, 1, n, stdin) != n)
		return false;
	buf_commit(into, n);
	return true;
}

static bool testee_read_message(struct buf *into)
{
	struct buf head;
	struct wire_reader reader;
	bool is_ok;

	buf_reset(into);
	buf_init(&head, 4);
	is_ok = testee_read(&head, 4);
	wire_reader_init(&reader, buf_span(&head));
	if (is_ok)
		is_ok = testee_read(into, wire_read_fixed32(&reader));
	buf_fini(&head);
	return is_ok;
}

static bool testee_write(struct span bytes)
{
	return fwrite(bytes.data, 1, bytes.len, stdout) == bytes.len;
}

static bool testee_respond(struct testee *testee, uint32_t number, struct span content)
{
	struct wire_writer writer;
	struct buf head;
	bool is_ok;

	buf_reset(&testee->response);
	wire_writer_init(&writer, &testee->response);
	wire_put_bytes_field(&writer, number, content);
	is_ok = wire_finish(&writer);
	wire_writer_fini(&writer);
	buf_init(&head, 4);
	wire_writer_init(&writer, &head);
	wire_put_fixed32(&writer, (uint32_t)buf_len(&testee->response));
	is_ok = wire_finish(&writer) && is_ok && testee_write(buf_span(&head)) &&
		testee_write(buf_span(&testee->response)) && fflush(stdout) == 0;
	wire_writer_fini(&writer);
	buf_fini(&head);
	return is_ok;
}

static struct span testee_field(struct span request, uint32_t number, bool *ret_has)
{
	struct wire_field field;

	*ret_has = wire_find_last(request, number, WIRE_BYTES, &field);
	return *ret_has ? field.bytes : SPAN_EMPTY;
}

static uint64_t testee_number(struct span request, uint32_t number)
{
	struct wire_field field;

	return wire_find_last(request, number, WIRE_VARINT, &field) ? field.integer : 0;
}

/* Puts the payload into testee->wire. */
static enum status testee_parse(struct testee *testee, const struct message *message,
				struct span request, struct error *err)
{
	struct json_read_options options = {
		.schema = testee->schema,
		.ignore_unknown =
			testee_number(request, REQUEST_CATEGORY) == CATEGORY_IGNORE_UNKNOWN,
	};
	struct wire_writer writer;
	enum status status;
	bool has_json;
	bool has_wire;
	struct span json = testee_field(request, REQUEST_JSON, &has_json);
	struct span wire = testee_field(request, REQUEST_PROTOBUF, &has_wire);

	buf_reset(&testee->wire);
	if (has_wire) {
		status = schema_check(message, wire, err);
		return status == ST_OK && !buf_append(&testee->wire, wire) ? ST_INTERNAL : status;
	}
	wire_writer_init(&writer, &testee->wire);
	status = json_to_wire(message, json, &options, &writer, err);
	if (status == ST_OK && !wire_finish(&writer))
		status = error_set(err, ST_INTERNAL, "the message does not fit");
	wire_writer_fini(&writer);
	return status;
}

static bool testee_print(struct testee *testee, const struct message *message, uint64_t format)
{
	struct json_print_options options = {.schema = testee->schema};
	struct span wire = buf_span(&testee->wire);
	struct error err;
	enum status status;

	buf_reset(&testee->output);
	if (format == FORMAT_PROTOBUF)
		status = canonical_encode(message, wire, &testee->output, &err);
	else
		status = json_from_wire(message, wire, &options, &testee->output, &err);
	if (status != ST_OK)
		return testee_respond(testee, RESPONSE_SERIALIZE_ERROR, span_from_str(err.message));
	return testee_respond(testee, format == FORMAT_PROTOBUF ? RESPONSE_PROTOBUF : RESPONSE_JSON,
			      buf_span(&testee->output));
}

static bool testee_answer(struct testee *testee)
{
	struct span request = buf_span(&testee->input);
	uint64_t format = testee_number(request, REQUEST_FORMAT);
	const struct message *message;
	struct error err;
	bool has_json;
	bool has_wire;
	bool has_type;
	struct span type = testee_field(request, REQUEST_TYPE, &has_type);

	(void)testee_field(request, REQUEST_JSON, &has_json); /* only whether it is there */
	(void)testee_field(request, REQUEST_PROTOBUF, &has_wire);
	if (span_eq_str(type, "conformance.FailureSet"))
		return testee_respond(testee, RESPONSE_PROTOBUF, SPAN_EMPTY);
	if ((!has_json && !has_wire) || (format != FORMAT_PROTOBUF && format != FORMAT_JSON))
		return testee_respond(testee, RESPONSE_SKIPPED, SPAN_LIT("format not offered"));
	message = schema_find_message(testee->schema, type);
	if (!message)
		return testee_respond(testee, RESPONSE_RUNTIME_ERROR,
				      SPAN_LIT("unknown message type"));
	if (testee_parse(testee, message, request, &err) != ST_OK)
		return testee_respond(testee, RESPONSE_PARSE_ERROR, span_from_str(err.message));
	return testee_print(testee, message, format);
}

static enum status testee_load(struct testee *testee, const char *path, struct error *err)
{
	struct buf set;
	FILE *file = fopen(path, "rb");
	enum status status = ST_OK;
	size_t got = 1;

	if (!file)
		return error_set(err, ST_NOT_FOUND, "cannot open %s", path);
	buf_init(&set, SCHEMA_BYTES_MAX);
	while (got) {
		uint8_t *room = buf_reserve(&set, 65536);

		if (!room)
			break;
		got = fread(room, 1, 65536, file);
		buf_commit(&set, got);
	}
	status = schema_new(buf_span(&set), &testee->schema, err);
	(void)fclose(file); /* only read from */
	buf_fini(&set);
	return status;
}

int main(int argc, char **argv)
{
	struct testee testee = {0};
	struct error err = {0};
	bool is_ok = true;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s DESCRIPTOR_SET\n", argv[0]);
		return 2;
	}
	if (testee_load(&testee, argv[1], &err) != ST_OK) {
		(void)fprintf(stderr, "%s: %s\n", argv[0], err.message);
		return 1;
	}
	buf_init(&testee.input, TESTEE_BYTES_MAX);
	buf_init(&testee.wire, TESTEE_BYTES_MAX);
	buf_init(&testee.output, TESTEE_BYTES_MAX);
	buf_init(&testee.response, TESTEE_BYTES_MAX);
	while (is_ok && testee_read_message(&testee.input))
		is_ok = testee_answer(&testee);
	buf_fini(&testee.input);
	buf_fini(&testee.wire);
	buf_fini(&testee.output);
	buf_fini(&testee.response);
	schema_unref(testee.schema);
	return is_ok ? 0 : 1;
}
