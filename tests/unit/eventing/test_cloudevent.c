/* Payloads by content type, metadata, and the attributes of what is published. */
#include "src/eventing/cloudevent.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/grpc/metadata.h"
#include "tests/unit/unit.h"

#define ARENA_BYTES ((size_t)64 * 1024)

static void payloads_follow_from_the_content_type(void **state)
{
	static const struct {
		const char *name;
		const char *content_type;
		const char *data;
		const char *type_url;
		const char *value;
	} rows[] = {
		{"protobuf", "application/protobuf", "xy", "type.googleapis.com/a.Type", "xy"},
		{"parameter proto", "application/x-protobuf; proto=b.C", "xy",
		 "type.googleapis.com/b.C", "xy"},
		{"parameter messageType", "Application/Vnd.Google.Protobuf;q=1;messageType=\"b.D\"",
		 "", "type.googleapis.com/b.D", ""},
		{"any", "application/vnd.cloudstate.protobuf.any", "xy", "a.Type", "xy"},
		{"json", "application/json; charset=utf-8", "{}", "json.cloudstate.io/a.Type",
		 "\x0a\x02{}"},
		{"json suffix", "application/vnd.a+json", "{}", "json.cloudstate.io/a.Type",
		 "\x0a\x02{}"},
		{"text", "text/plain", "hello", "p.cloudstate.io/string", "\x0a\x05hello"},
		{"empty text", "text/plain", "", "p.cloudstate.io/string", ""},
		{"anything", "image/png", "\x01", "p.cloudstate.io/bytes", "\x0a\x01\x01"},
		{"nothing said", "", "\x01", "p.cloudstate.io/bytes", "\x0a\x01\x01"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct cloudevent event = {.count = 2};
		struct journal_any any = {{0}};
		struct arena arena;
		struct error err;

		event.attributes[0] = (struct feed_attribute){SPAN_LIT("type"), SPAN_LIT("a.Type")};
		event.attributes[1] = (struct feed_attribute){SPAN_LIT("datacontenttype"),
							      span_from_str(rows[i].content_type)};
		arena_init(&arena, ARENA_BYTES);
		UNIT_ROW(rows[i].name, cloudevent_payload(&event, span_from_str(rows[i].data),
							  &arena, &any, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, any.type_url, rows[i].type_url);
		UNIT_ROW_SPAN(rows[i].name, any.value, rows[i].value);
		arena_fini(&arena);
	}
}

static void text_that_is_none_is_refused(void **state)
{
	struct cloudevent event = {.count = 1};
	struct journal_any any;
	struct arena arena;
	struct error err;

	(void)state;
	event.attributes[0] =
		(struct feed_attribute){SPAN_LIT("datacontenttype"), SPAN_LIT("text/plain")};
	arena_init(&arena, ARENA_BYTES);
	assert_int_equal(cloudevent_payload(&event, SPAN_LIT("\xff"), &arena, &any, &err),
			 ST_INVALID_ARGUMENT);
	arena_fini(&arena);
}

/* "key=value " of every entry. */
static void print_metadata(struct span bytes, char *text, size_t size)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field key;
	struct wire_field value;

	text[0] = 0;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		size_t len = strlen(text);

		assert_int_equal(field.number, 1);
		assert_true(wire_find_last(field.bytes, 1, WIRE_BYTES, &key));
		assert_true(wire_find_last(field.bytes, 2, WIRE_BYTES, &value));
		(void)snprintf(text + len, size - len, "%.*s=%.*s ", SPAN_FMT(key.bytes),
			       SPAN_FMT(value.bytes));
	}
	assert_false(reader.is_bad);
}

static void an_entity_s_event_has_its_attributes(void **state)
{
	const struct feed_source source = {FEED_EVENT_LOG, SPAN_LIT("cart"), 3};
	const struct feed_message message = {
		.type_url = SPAN_LIT("type.googleapis.com/a.Added"),
		.wall_ms = 1700000000123,
	};
	struct cloudevent event;
	struct arena arena;
	struct buf out;
	char text[1024];

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	buf_init(&out, ARENA_BYTES);
	cloudevent_of_log(&source, SPAN_LIT("caf\xc3\xa9 1%"), 7, &message, &arena, &event);
	assert_true(cloudevent_put_metadata(&event, &out));
	print_metadata(buf_span(&out), text, sizeof(text));
	assert_string_equal(text, "ce-id=caf%C3%A9%201%25/7 ce-source=cart ce-specversion=1.0 "
				  "ce-type=type.googleapis.com/a.Added ce-subject=caf%C3%A9%201%25 "
				  "ce-time=2023-11-14T22:13:20.123Z ");
	UNIT_ROW_SPAN("content type", cloudevent_get(&event, "datacontenttype"),
		      "application/vnd.cloudstate.protobuf.any");
	buf_fini(&out);
	arena_fini(&arena);
}

static void replies_are_published_by_their_type(void **state)
{
	static const struct {
		const char *name;
		const char *output;
		struct span message;
		const char *type;
		const char *content_type;
		const char *data;
	} rows[] = {
		{"message", "a.B", SPAN_LIT("xy"), "a.B", "application/protobuf", "xy"},
		{"json", "google.protobuf.Any",
		 SPAN_LIT("\x0a\x18json.cloudstate.io/Thing\x12\x04\x0a\x02{}"), "Thing",
		 "application/json", "{}"},
		{"text", "google.protobuf.Any",
		 SPAN_LIT("\x0a\x16p.cloudstate.io/string\x12\x03\x0a\x01x"), "string",
		 "text/plain; charset=utf-8", "x"},
		{"empty text", "google.protobuf.Any", SPAN_LIT("\x0a\x16p.cloudstate.io/string"),
		 "string", "text/plain; charset=utf-8", ""},
		{"bytes", "google.protobuf.Any",
		 SPAN_LIT("\x0a\x15p.cloudstate.io/bytes\x12\x03\x0a\x01x"), "bytes",
		 "application/octet-stream", "x"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct cloudevent_reply reply = {
			.source = SPAN_LIT("a.Service"),
			.output_name = span_from_str(rows[i].output),
			.message = rows[i].message,
		};
		struct span data = SPAN_EMPTY;
		struct cloudevent event;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		cloudevent_of_reply(&reply, &arena, &event, &data);
		UNIT_ROW_SPAN(rows[i].name, cloudevent_get(&event, "type"), rows[i].type);
		UNIT_ROW_SPAN(rows[i].name, cloudevent_get(&event, "datacontenttype"),
			      rows[i].content_type);
		UNIT_ROW_SPAN(rows[i].name, cloudevent_get(&event, "source"), "a.Service");
		UNIT_ROW(rows[i].name, cloudevent_get(&event, "id").len == 36);
		UNIT_ROW_SPAN(rows[i].name, data, rows[i].data);
		arena_fini(&arena);
	}
}

static void metadata_of_a_reply_wins(void **state)
{
	struct metadata_item items[] = {
		{SPAN_LIT("ce-type"), SPAN_LIT("my.Type")},
		{SPAN_LIT("ce-subject"), SPAN_LIT("caf%C3%A9")},
		{SPAN_LIT("ce-myextension"), SPAN_LIT("50%")},
		{SPAN_LIT("ce-data"), SPAN_LIT("not this")},
		{SPAN_LIT("x-other"), SPAN_LIT("nor this")},
	};
	const struct metadata metadata = {.items = items, .count = COUNT_OF(items)};
	const struct cloudevent_reply reply = {
		.metadata = &metadata,
		.source = SPAN_LIT("a.Service"),
		.output_name = SPAN_LIT("a.B"),
		.id = SPAN_LIT("anna/1.1"),
		.subject = SPAN_LIT("anna"),
	};
	struct cloudevent event;
	struct span data;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	cloudevent_of_reply(&reply, &arena, &event, &data);
	UNIT_ROW_SPAN("type", cloudevent_get(&event, "type"), "my.Type");
	UNIT_ROW_SPAN("subject", cloudevent_get(&event, "subject"), "caf\xc3\xa9");
	UNIT_ROW_SPAN("extension", cloudevent_get(&event, "myextension"), "50%");
	UNIT_ROW_SPAN("id", cloudevent_get(&event, "id"), "anna/1.1");
	assert_null(cloudevent_get(&event, "data").data);
	assert_null(cloudevent_get(&event, "x-other").data);
	arena_fini(&arena);
}

static void what_headers_say_is_text_without_escapes(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		const char *text;
	} rows[] = {
		{"plain", "anna", "anna"},   {"escaped", "caf%C3%A9%201", "caf\xc3\xa9 1"},
		{"no escape", "50%", "50%"}, {"no text", "%FF", "%FF"},
		{"empty", "", ""},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW_SPAN(rows[i].name,
			      cloudevent_header_text(span_from_str(rows[i].value), &arena),
			      rows[i].text);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads_follow_from_the_content_type),
		cmocka_unit_test(text_that_is_none_is_refused),
		cmocka_unit_test(an_entity_s_event_has_its_attributes),
		cmocka_unit_test(replies_are_published_by_their_type),
		cmocka_unit_test(metadata_of_a_reply_wins),
		cmocka_unit_test(what_headers_say_is_text_without_escapes),
	};

	return cmocka_run_group_tests_name("eventing/cloudevent", tests, NULL, NULL);
}
