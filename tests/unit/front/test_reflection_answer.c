/* Questions of server reflection and their answers. */
#include "httpapi/front/reflection_answer.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/userfn/api.h"
#include "tests/unit/unit.h"

#define SELF "grpc.reflection.v1alpha.ServerReflection"
#define PKG "headgate.test.extended."

static const uint8_t extended_set[] = {
#include "tests/unit/proto/gen/extended.inc"
};

static struct api api;
static struct service declared[3];
static struct api_service served[3];
static struct reflection_source source;
static struct schema *builtin;
static struct buf request;
static struct buf answer;

static int set_up(void **state)
{
	static const char *const names[] = {"z.Last", "a.First", "m.Middle"};
	struct error err;

	(void)state;
	if (schema_new(span_make(extended_set, sizeof(extended_set)), &api.schema, &err) ||
	    schema_new_builtin(&builtin, &err))
		fail_msg("%s", err.message);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		declared[i].full_name = span_from_str(names[i]);
		served[i].schema = &declared[i];
	}
	api.services = served;
	api.service_count = COUNT_OF(served);
	source = (struct reflection_source){span_from_str(SELF), &api, builtin};
	buf_init(&request, (size_t)1 << 20);
	buf_init(&answer, REFLECTION_REPLY_BYTES_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	schema_unref(api.schema);
	schema_unref(builtin);
	buf_fini(&request);
	buf_fini(&answer);
	return 0;
}

static void begin(struct wire_writer *writer)
{
	buf_reset(&request);
	buf_reset(&answer);
	wire_writer_init(writer, &request);
}

static enum status end(struct wire_writer *writer, struct error *err)
{
	assert_true(wire_finish(writer));
	wire_writer_fini(writer);
	return reflection_answer(&source, buf_span(&request), &answer, err);
}

static void ask(uint32_t question, struct span value)
{
	struct wire_writer writer;
	struct error err;

	begin(&writer);
	wire_put_bytes_field(&writer, 1, SPAN_LIT("host.example"));
	wire_put_bytes_field(&writer, question, value);
	assert_int_equal(end(&writer, &err), ST_OK);
}

/* A field of the answer; fails the row without it. */
static struct span field_of(const char *row, struct span message, uint32_t number)
{
	struct wire_field field;

	UNIT_ROW(row, wire_find_last(message, number, WIRE_BYTES, &field));
	return field.bytes;
}

/* The name of the one file that was answered; "" for an empty list. */
static struct span file_answered(const char *row)
{
	struct span files = field_of(row, buf_span(&answer), 4);
	struct wire_field file;

	if (files.len == 0)
		return SPAN_EMPTY;
	UNIT_ROW(row, wire_find_last(files, 1, WIRE_BYTES, &file));
	UNIT_ROW(row, file.record.len == files.len); /* it alone */
	return field_of(row, file.bytes, 1);
}

static void echoes(const char *row)
{
	UNIT_ROW_SPAN(row, field_of(row, buf_span(&answer), 1), "host.example");
	UNIT_ROW(row, span_eq(field_of(row, buf_span(&answer), 2), buf_span(&request)));
}

static void files_by_name_and_symbol(void **state)
{
	static const struct {
		const char *name;
		uint32_t question;
		const char *value;
		const char *file;
	} rows[] = {
		{"file of the function", 3, "extended.proto", "extended.proto"},
		{"built-in file", 3, "google/protobuf/any.proto", "google/protobuf/any.proto"},
		{"its own file", 3, "grpc/reflection/v1alpha/reflection.proto",
		 "grpc/reflection/v1alpha/reflection.proto"},
		{"unknown file", 3, "nothing.proto", ""},
		{"empty file name", 3, "", ""},
		{"message", 4, PKG "Base", "extended.proto"},
		{"nested message", 4, PKG "Elsewhere.Inside", "extended.proto"},
		{"field", 4, PKG "Base.name", "extended.proto"},
		{"enum", 4, PKG "Kind", "extended.proto"},
		{"enum value, beside its enum", 4, PKG "ONE", "extended.proto"},
		{"extension", 4, PKG "level", "extended.proto"},
		{"nested extension", 4, PKG "Elsewhere.inside", "extended.proto"},
		{"service", 4, "grpc.health.v1.Health", "grpc/health/v1/health.proto"},
		{"method", 4, "grpc.health.v1.Health.Check", "grpc/health/v1/health.proto"},
		{"own service", 4, SELF, "grpc/reflection/v1alpha/reflection.proto"},
		{"well-known type", 4, "google.protobuf.Timestamp",
		 "google/protobuf/timestamp.proto"},
		{"unknown symbol", 4, PKG "Nothing", ""},
		{"package alone", 4, "headgate.test.extended", ""},
		{"leading dot", 4, "." PKG "Base", ""},
		{"empty symbol", 4, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(rows[i].question, span_from_str(rows[i].value));
		UNIT_ROW_SPAN(rows[i].name, file_answered(rows[i].name), rows[i].file);
		echoes(rows[i].name);
	}
}

static void a_file_comes_as_it_came(void **state)
{
	struct span set = span_make(extended_set, sizeof(extended_set));

	(void)state;
	ask(3, SPAN_LIT("extended.proto"));
	assert_true(span_eq(field_of("answer", field_of("files", buf_span(&answer), 4), 1),
			    field_of("set", set, 1)));
}

static void files_by_extension(void **state)
{
	static const struct {
		const char *name;
		const char *type;
		uint64_t number;
		const char *file;
	} rows[] = {
		{"extension", PKG "Base", 100, "extended.proto"},
		{"nested extension", PKG "Base", 101, "extended.proto"},
		{"no such number", PKG "Base", 150, ""},
		{"a field", PKG "Base", 1, ""},
		{"no such type", PKG "Nothing", 100, ""},
		{"of google.api", "google.protobuf.MethodOptions", 72295728,
		 "google/api/annotations.proto"},
		{"number of five bytes", PKG "Base", (uint64_t)100 + ((uint64_t)1 << 32), ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct wire_writer writer;
		struct wire_nest nest;
		struct error err;

		begin(&writer);
		wire_put_bytes_field(&writer, 1, SPAN_LIT("host.example"));
		nest = wire_begin(&writer, 5);
		wire_put_bytes_field(&writer, 1, span_from_str(rows[i].type));
		wire_put_uint_field(&writer, 2, rows[i].number);
		wire_end(&writer, nest);
		UNIT_ROW(rows[i].name, end(&writer, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, file_answered(rows[i].name), rows[i].file);
		echoes(rows[i].name);
	}
}

static void extension_numbers(void **state)
{
	static const struct {
		const char *name;
		const char *type;
		const char *packed;
	} rows[] = {
		{"several", PKG "Base", "defghi"}, /* 100 to 105 */
		{"none", PKG "Elsewhere", ""},
		{"no such type", PKG "Nothing", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span numbers;

		ask(6, span_from_str(rows[i].type));
		numbers = field_of(rows[i].name, buf_span(&answer), 5);
		UNIT_ROW_SPAN(rows[i].name, field_of(rows[i].name, numbers, 1), rows[i].type);
		UNIT_ROW_SPAN(rows[i].name, field_of(rows[i].name, numbers, 2), rows[i].packed);
		echoes(rows[i].name);
	}
}

/* Names of the services, each with a comma behind it. */
static void services(const char *row, const char *want)
{
	struct wire_reader reader;
	struct wire_field service;
	struct buf names;

	buf_init(&names, 4096);
	wire_reader_init(&reader, field_of(row, buf_span(&answer), 6));
	while (wire_next(&reader, &service)) {
		assert_true(buf_append(&names, field_of(row, service.bytes, 1)));
		assert_true(buf_append_byte(&names, ','));
	}
	UNIT_ROW_SPAN(row, buf_span(&names), want);
	buf_fini(&names);
}

static void services_are_sorted_after_its_own(void **state)
{
	(void)state;
	ask(7, SPAN_EMPTY);
	services("empty argument", SELF ",a.First,m.Middle,z.Last,");
	ask(7, SPAN_LIT("nonsense"));
	services("nonsense argument", SELF ",a.First,m.Middle,z.Last,");
	echoes("nonsense argument");
}

static void without_an_api_there_is_only_itself(void **state)
{
	(void)state;
	source.api = NULL;
	ask(7, SPAN_EMPTY);
	services("list", SELF ",");
	ask(4, SPAN_LIT(PKG "Base"));
	UNIT_ROW_SPAN("symbol", file_answered("symbol"), "");
	ask(4, SPAN_LIT(SELF));
	UNIT_ROW_SPAN("itself", file_answered("itself"),
		      "grpc/reflection/v1alpha/reflection.proto");
}

static void odd_requests(void **state)
{
	static const struct {
		const char *name;
		struct span bytes;
		enum status status;
	} rows[] = {
		{"cut short", {(const uint8_t *)"\x1a\x05x", 3}, ST_INVALID_ARGUMENT},
		{"not UTF-8", {(const uint8_t *)"\x22\x02\xc3(", 4}, ST_INVALID_ARGUMENT},
		{"host not UTF-8", {(const uint8_t *)"\x0a\x02\xc3(", 4}, ST_INVALID_ARGUMENT},
		{"nothing asked", {(const uint8_t *)"", 0}, ST_OK},
		{"unknown question", {(const uint8_t *)"\x42\x01x", 3}, ST_OK},
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_reset(&answer);
		UNIT_ROW(rows[i].name, reflection_answer(&source, rows[i].bytes, &answer, &err) ==
					       rows[i].status);
		if (rows[i].status)
			UNIT_ROW(rows[i].name, buf_len(&answer) == 0);
		else
			UNIT_ROW(rows[i].name,
				 field_of(rows[i].name, buf_span(&answer), 7).data[1] ==
					 ST_INVALID_ARGUMENT);
	}
}

static void of_two_questions_the_last_counts(void **state)
{
	struct wire_writer writer;
	struct error err;

	(void)state;
	begin(&writer);
	wire_put_bytes_field(&writer, 7, SPAN_EMPTY);
	wire_put_bytes_field(&writer, 3, SPAN_LIT("extended.proto"));
	assert_int_equal(end(&writer, &err), ST_OK);
	UNIT_ROW_SPAN("last", file_answered("last"), "extended.proto");
}

static void long_questions_are_refused(void **state)
{
	static uint8_t name[REFLECTION_REQUEST_BYTES_MAX];
	struct wire_writer writer;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = 'x';
	begin(&writer);
	wire_put_bytes_field(&writer, 4, span_make(name, sizeof(name)));
	assert_int_equal(end(&writer, &err), ST_RESOURCE_EXHAUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_by_name_and_symbol, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_comes_as_it_came, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_by_extension, set_up, tear_down),
		cmocka_unit_test_setup_teardown(extension_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(services_are_sorted_after_its_own, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_an_api_there_is_only_itself, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(odd_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_two_questions_the_last_counts, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(long_questions_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
