/* Read and written on the wire (docs/decisions/003): the question goes back as it came, and files
 * as the function sent them, bytes that nobody here needs to understand. */
#include "httpapi/front/reflection_answer.h"

#include <stdlib.h>

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/userfn/api.h"

/* Names to be sorted: of SCHEMA_METHODS_MAX services, more than there can be. */
#define REFLECTION_NAMES_BYTES_MAX (SCHEMA_METHODS_MAX * sizeof(struct span) + 4096)

/* Fields of ServerReflectionRequest. */
enum reflection_question {
	REFLECTION_HOST = 1,
	REFLECTION_FILE_BY_NAME = 3,
	REFLECTION_FILE_BY_SYMBOL = 4,
	REFLECTION_FILE_BY_EXTENSION = 5,
	REFLECTION_EXTENSION_NUMBERS = 6,
	REFLECTION_SERVICES = 7,
};

/* Fields of ServerReflectionResponse. */
enum reflection_reply {
	REFLECTION_VALID_HOST = 1,
	REFLECTION_ORIGINAL = 2,
	REFLECTION_FILES = 4,
	REFLECTION_NUMBERS = 5,
	REFLECTION_LIST = 6,
	REFLECTION_ERROR = 7,
};

struct reflection_request {
	struct span host;
	uint32_t question; /* 0: none */
	struct span value;
};

static enum status reflection_read(const struct reflection_source *source, struct span bytes,
				   struct reflection_request *ret_request, struct error *err)
{
	const struct message *message = schema_find_message(
		source->builtin, SPAN_LIT("grpc.reflection.v1.ServerReflectionRequest"));
	struct wire_reader reader;
	struct wire_field field;
	enum status status;

	*ret_request = (struct reflection_request){0};
	if (bytes.len > REFLECTION_REQUEST_BYTES_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "a question of %zu bytes is longer than %zu", bytes.len,
				 REFLECTION_REQUEST_BYTES_MAX);
	status = schema_check(message, bytes, err);
	wire_reader_init(&reader, bytes);
	while (!status && wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES || field.number > REFLECTION_SERVICES)
			continue;
		if (field.number == REFLECTION_HOST)
			ret_request->host = field.bytes;
		if (field.number < REFLECTION_FILE_BY_NAME)
			continue;
		ret_request->question = field.number; /* of a oneof the last one counts */
		ret_request->value = field.bytes;
	}
	return status;
}

/* -- lookups, the function's files first ------------------------------------------------------- */

static const struct schema *reflection_schema(const struct reflection_source *source, size_t i)
{
	if (i == 0)
		return source->api ? source->api->schema : NULL;
	return source->builtin;
}
#define REFLECTION_SCHEMAS 2

static const struct proto_file *reflection_extension(const struct schema *schema, struct span value)
{
	const struct message *message;
	const struct field *field;
	struct wire_field type;
	struct wire_field number;

	if (!wire_find_last(value, 1, WIRE_BYTES, &type) ||
	    !wire_find_last(value, 2, WIRE_VARINT, &number) || number.integer > WIRE_NUMBER_MAX)
		return NULL;
	message = schema_find_message(schema, type.bytes);
	field = message ? schema_field_by_number(message, (uint32_t)number.integer) : NULL;
	return field && field->is_extension ? schema_find_symbol(schema, field->full_name) : NULL;
}

static const struct proto_file *reflection_find(const struct reflection_source *source,
						const struct reflection_request *request)
{
	const struct proto_file *file = NULL;

	for (size_t i = 0; i < REFLECTION_SCHEMAS && !file; i++) {
		const struct schema *schema = reflection_schema(source, i);

		if (!schema)
			continue;
		if (request->question == REFLECTION_FILE_BY_NAME)
			file = schema_find_file(schema, request->value);
		else if (request->question == REFLECTION_FILE_BY_SYMBOL)
			file = schema_find_symbol(schema, request->value);
		else
			file = reflection_extension(schema, request->value);
	}
	return file;
}

static const struct message *reflection_message(const struct reflection_source *source,
						struct span name)
{
	const struct message *message = NULL;

	for (size_t i = 0; i < REFLECTION_SCHEMAS && !message; i++)
		if (reflection_schema(source, i))
			message = schema_find_message(reflection_schema(source, i), name);
	return message;
}

/* -- answers ----------------------------------------------------------------------------------- */

static void reflection_put_file(struct wire_writer *writer, const struct proto_file *file)
{
	struct wire_nest nest = wire_begin(writer, REFLECTION_FILES);

	if (file)
		wire_put_bytes_field(writer, 1, file->raw);
	wire_end(writer, nest);
}

static void reflection_put_numbers(struct wire_writer *writer, const struct message *message,
				   struct span name)
{
	struct wire_nest nest = wire_begin(writer, REFLECTION_NUMBERS);
	struct wire_nest numbers;

	wire_put_bytes_field(writer, 1, name);
	numbers = wire_begin(writer, 2);
	for (size_t i = 0; message && i < message->field_count; i++)
		if (message->fields[i].is_extension)
			wire_put_varint(writer, message->fields[i].number);
	wire_end(writer, numbers);
	wire_end(writer, nest);
}

static int reflection_compare(const void *a, const void *b)
{
	return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static void reflection_put_service(struct wire_writer *writer, struct span name)
{
	struct wire_nest nest = wire_begin(writer, 1);

	wire_put_bytes_field(writer, 1, name);
	wire_end(writer, nest);
}

static void reflection_put_services(struct wire_writer *writer,
				    const struct reflection_source *source)
{
	size_t count = source->api ? source->api->service_count : 0;
	struct wire_nest nest = wire_begin(writer, REFLECTION_LIST);
	struct arena arena;
	struct span *names;

	reflection_put_service(writer, source->self);
	arena_init(&arena, REFLECTION_NAMES_BYTES_MAX);
	names = count ? arena_alloc_array(&arena, count, sizeof(*names)) : NULL;
	for (size_t i = 0; names && i < count; i++)
		names[i] = source->api->services[i].schema->full_name;
	if (names)
		qsort(names, count, sizeof(*names), reflection_compare);
	for (size_t i = 0; names && i < count; i++)
		reflection_put_service(writer, names[i]);
	arena_fini(&arena);
	wire_end(writer, nest);
}

static void reflection_put_error(struct wire_writer *writer, enum status code, struct span message)
{
	struct wire_nest nest = wire_begin(writer, REFLECTION_ERROR);

	wire_put_uint_field(writer, 1, (uint64_t)code);
	wire_put_bytes_field(writer, 2, message);
	wire_end(writer, nest);
}

static void reflection_put(struct wire_writer *writer, const struct reflection_source *source,
			   const struct reflection_request *request)
{
	switch (request->question) {
	case REFLECTION_FILE_BY_NAME:
	case REFLECTION_FILE_BY_SYMBOL:
	case REFLECTION_FILE_BY_EXTENSION:
		reflection_put_file(writer, reflection_find(source, request));
		break;
	case REFLECTION_EXTENSION_NUMBERS:
		reflection_put_numbers(writer, reflection_message(source, request->value),
				       request->value);
		break;
	case REFLECTION_SERVICES:
		reflection_put_services(writer, source);
		break;
	default:
		reflection_put_error(writer, ST_INVALID_ARGUMENT,
				     SPAN_LIT("the request asks nothing that is known here"));
	}
}

enum status reflection_answer(const struct reflection_source *source, struct span request,
			      struct buf *out, struct error *err)
{
	struct reflection_request read;
	struct wire_writer writer;
	enum status status = reflection_read(source, request, &read, err);
	bool is_whole;

	if (status)
		return status;
	wire_writer_init(&writer, out);
	if (read.host.len)
		wire_put_bytes_field(&writer, REFLECTION_VALID_HOST, read.host);
	wire_put_bytes_field(&writer, REFLECTION_ORIGINAL, request);
	reflection_put(&writer, source, &read);
	is_whole = wire_finish(&writer);
	wire_writer_fini(&writer);
	if (!is_whole)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "the answer is too long");
	return ST_OK;
}
