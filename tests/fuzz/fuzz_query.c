/* Input: a raw query. Whatever it is, it is either refused with a text or becomes a message that a
 * strict parser takes, that has a JSON form, and that the query made of this message gives again,
 * byte for byte. */
#include <stdint.h>
#include <string.h>

#include "httpapi/binding.h"
#include "httpapi/binding_join.h"
#include "proto/json.h"
#include "src/base/error.h"
#include "tests/unit/httpapi/types.h"

#define ARENA_BYTES ((size_t)1024 * 1024)
#define OUT_BYTES ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct schema *schema;

/* ---- From a message to a query ----------------------------------------------------------------
 */

/* A query being written. The name is that of the message on the way down. */
struct query {
	struct buf text;
	struct buf name;
};

static void put_escaped(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		(void)buf_printf(out, "%%%02X", text.data[i]);
}

static void put_pair(struct query *query, struct span value)
{
	if (buf_len(&query->text))
		(void)buf_append_byte(&query->text, '&');
	put_escaped(&query->text, buf_span(&query->name));
	(void)buf_append_byte(&query->text, '=');
	put_escaped(&query->text, value);
}

static struct span unwrap(struct span text, char open, char close)
{
	if (text.len >= 2 && text.data[0] == open && text.data[text.len - 1] == close)
		return span_make(text.data + 1, text.len - 2);
	return text;
}

static bool is_json_text(const struct field *field)
{
	enum known_type known = field->message ? field->message->known : KNOWN_NONE;

	return known == KNOWN_STRUCT || known == KNOWN_VALUE || known == KNOWN_LIST_VALUE;
}

/* Texts are taken from the wire, for in JSON they have escapes. */
static bool find_string(const struct field *field, struct span record, struct span *ret_text)
{
	struct wire_field found = {0};
	bool is_wrapper = field->message && field->message->known == KNOWN_WRAPPER &&
			  field->message->fields[0].type == FIELD_STRING;

	if (field->type != FIELD_STRING && !is_wrapper)
		return false;
	*ret_text = SPAN_EMPTY;
	if (wire_find_last(record, field->number, WIRE_BYTES, &found))
		*ret_text = found.bytes;
	if (is_wrapper) {
		struct span inner = *ret_text;

		*ret_text = SPAN_EMPTY;
		if (wire_find_last(inner, 1, WIRE_BYTES, &found))
			*ret_text = found.bytes;
	}
	return true;
}

/* Paths may have any characters, so they are taken from the wire as well. */
static void put_mask(struct query *query, struct span record)
{
	struct wire_reader reader;
	struct wire_field path;
	struct buf text;

	buf_init(&text, OUT_BYTES);
	wire_reader_init(&reader, record);
	BUG_ON(!wire_next(&reader, &path));
	wire_reader_init(&reader, path.bytes);
	for (bool is_first = true; wire_next(&reader, &path); is_first = false) {
		if (!is_first)
			(void)buf_append_byte(&text, ',');
		(void)buf_append(&text, path.bytes);
	}
	put_pair(query, buf_span(&text));
	buf_fini(&text);
}

/* The values of one record; of a packed one there are several, none with a comma in it. */
static void put_values(struct query *query, const struct field *field, struct span record)
{
	const struct json_print_options print = {.schema = schema};
	struct span text;
	struct error err;
	struct buf json;

	if (find_string(field, record, &text)) {
		put_pair(query, text);
		return;
	}
	if (field->message && field->message->known == KNOWN_FIELD_MASK) {
		put_mask(query, record);
		return;
	}
	buf_init(&json, OUT_BYTES);
	BUG_ON(json_field_from_wire(field, record, &print, &json, &err) != ST_OK);
	text = buf_span(&json);
	if (field->is_repeated)
		text = unwrap(text, '[', ']');
	do {
		bool is_list = field->is_repeated && !field->message;
		struct span one = span_head(text, is_list ? span_find(text, ',') : text.len);

		put_pair(query, is_json_text(field) ? one : unwrap(one, '"', '"'));
		text = span_skip(text, one.len + 1);
	} while (text.len);
	buf_fini(&json);
}

static void put_message(struct query *query, const struct message *message, struct span wire);

static void put_entry(struct query *query, const struct field *field, struct span entry)
{
	const struct field *key = field->message->map_key;
	const struct json_print_options print = {.schema = schema};
	struct span text;
	struct buf json;

	buf_init(&json, OUT_BYTES);
	if (!find_string(key, entry, &text)) {
		BUG_ON(json_field_from_wire(key, entry, &print, &json, NULL) != ST_OK);
		text = unwrap(buf_span(&json), '"', '"');
	}
	(void)buf_append_byte(&query->name, '[');
	(void)buf_append(&query->name, text);
	(void)buf_append_byte(&query->name, ']');
	put_values(query, field->message->map_value, entry);
	buf_fini(&json);
}

static void put_field(struct query *query, const struct field *field,
		      const struct wire_field *found)
{
	size_t start = buf_len(&query->name);

	if (start)
		(void)buf_append_byte(&query->name, '.');
	(void)buf_append(&query->name, field->json_name);
	if (field->is_map)
		put_entry(query, field, found->bytes);
	else if (field->message &&
		 (field->message->known == KNOWN_NONE || field->message->known == KNOWN_HTTP_BODY))
		put_message(query, field->message, found->bytes);
	else
		put_values(query, field, found->record);
	buf_truncate(&query->name, start);
}

/* A message without content is there because a default was given to one of its fields. */
static void put_empty(struct query *query, const struct message *message)
{
	size_t start = buf_len(&query->name);

	BUG_ON(message->fields[0].type != FIELD_STRING || message->fields[0].has_presence);
	(void)buf_append_byte(&query->name, '.');
	(void)buf_append(&query->name, message->fields[0].json_name);
	put_pair(query, SPAN_EMPTY);
	buf_truncate(&query->name, start);
}

/* As deep as a name has steps. */
static void put_message(struct query *query, const struct message *message, struct span wire)
{
	struct wire_reader reader;
	struct wire_field found;

	if (wire.len == 0 && buf_len(&query->name))
		put_empty(query, message);
	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &found)) {
		const struct field *field = schema_field_by_number(message, found.number);

		BUG_ON(!field);
		put_field(query, field, &found);
	}
	BUG_ON(reader.is_bad);
}

/* ---- From a query to a message ----------------------------------------------------------------
 */

static enum status bind(const struct message *message, struct span query, struct buf *out,
			struct error *err)
{
	const struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	const struct http_rule rule = {.body = HTTP_BODY_NONE};
	const struct binding_body body = {0};
	struct binding binding;
	struct arena arena;
	struct wire_writer writer;
	enum status status;

	arena_init(&arena, ARENA_BYTES);
	binding_init(&binding, message, &arena, schema, &options);
	wire_writer_init(&writer, out);
	status = binding_add_query(&binding, &rule, query, err);
	if (status == ST_OK) {
		BUG_ON(binding_check(&binding, &body, err) != ST_OK);
		BUG_ON(!binding_join(&binding, SPAN_EMPTY, &writer) || !wire_finish(&writer));
	}
	wire_writer_fini(&writer);
	binding_fini(&binding);
	arena_fini(&arena);
	return status;
}

static void bind_again(const struct message *message, struct span wire)
{
	const struct json_print_options print = {.schema = schema};
	struct query query;
	struct error err;
	struct buf out;

	buf_init(&out, OUT_BYTES);
	/* Masks may be given in snake case, and not all of its names come back from camel case. */
	if (json_from_wire(message, wire, &print, &out, &err) != ST_OK)
		BUG_ON(!strstr(err.message, "is not a path of a field mask"));
	buf_reset(&out);
	buf_init(&query.text, OUT_BYTES);
	buf_init(&query.name, OUT_BYTES);
	put_message(&query, message, wire);
	BUG_ON(query.text.is_full || query.name.is_full);
	BUG_ON(bind(message, buf_span(&query.text), &out, &err) != ST_OK);
	BUG_ON(!span_eq(buf_span(&out), wire));
	buf_fini(&query.name);
	buf_fini(&query.text);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct message *message;
	struct error err = {0};
	struct buf out;

	if (!schema)
		schema = types_schema();
	message = types_message(schema, "hg.test.All");
	buf_init(&out, OUT_BYTES);
	if (bind(message, span_make(data, size), &out, &err) == ST_OK) {
		BUG_ON(schema_check(message, buf_span(&out), &err) != ST_OK);
		bind_again(message, buf_span(&out));
	} else {
		BUG_ON(err.message[0] == '\0');
	}
	buf_fini(&out);
	return 0;
}
