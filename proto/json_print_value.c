/* Wire to ProtoJSON: values of fields. The recursion over messages is bounded by depth_max. */
#include <string.h>

#include "proto/json_known.h"
#include "proto/json_number.h"
#include "proto/json_print_internal.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/text.h"

static enum status json_done(const struct json_printer *printer, bool is_ok)
{
	return is_ok ? ST_OK : json_full(printer->err);
}

/* ---- scalars ---- */

enum status json_print_string(struct json_printer *printer, struct span text, bool is_strict)
{
	struct buf *out = printer->out;
	size_t run = 0;

	if (!text_is_utf8(text)) {
		if (is_strict)
			return error_set(printer->err, ST_INVALID_ARGUMENT, "not valid UTF-8");
		return json_done(printer, text_json_quote(text, out));
	}
	for (; run < text.len; run++)
		if (text.data[run] < 0x20 || text.data[run] == '"' || text.data[run] == '\\')
			return json_done(printer, text_json_quote(text, out));
	return json_done(printer, buf_append_byte(out, '"') && buf_append(out, text) &&
					  buf_append_byte(out, '"'));
}

enum status json_print_base64(struct json_printer *printer, struct span bytes)
{
	struct buf *out = printer->out;

	return json_done(printer, buf_append_byte(out, '"') &&
					  text_base64_encode(bytes, true, out) &&
					  buf_append_byte(out, '"'));
}

static enum status json_print_enum(struct json_printer *printer, const struct field *field,
				   int32_t number)
{
	const struct enum_value *value = schema_enum_by_number(field->enum_type, number);
	struct buf *out = printer->out;

	if (field->enum_type->is_null_value && number == 0)
		return json_done(printer, buf_append_str(out, "null"));
	if (!value || printer->options.always_print_enums_as_ints)
		return json_done(printer, json_number_print_i64(number, out));
	return json_done(printer, buf_append_byte(out, '"') && buf_append(out, value->name) &&
					  buf_append_byte(out, '"'));
}

static double json_bits_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static float json_bits_float(uint64_t bits)
{
	uint32_t narrow = (uint32_t)bits;
	float value;

	memcpy(&value, &narrow, sizeof(value));
	return value;
}

/* 64-bit integers are strings, since JavaScript has no numbers for them. */
static bool json_print_wide(const struct json_printer *printer, bool is_signed, uint64_t bits)
{
	bool is_quoted = !printer->options.int64_as_number;
	struct buf *out = printer->out;

	if (is_quoted && !buf_append_byte(out, '"'))
		return false;
	if (is_signed ? !json_number_print_i64((int64_t)bits, out)
		      : !json_number_print_u64(bits, out))
		return false;
	return !is_quoted || buf_append_byte(out, '"');
}

/* A number, bool or enum from the bits on the wire. */
static enum status json_print_bits(struct json_printer *printer, const struct field *field,
				   uint64_t bits)
{
	struct buf *out = printer->out;

	switch ((int)field->type) {
	case FIELD_DOUBLE:
		return json_done(printer, json_number_print_double(json_bits_double(bits), out));
	case FIELD_FLOAT:
		return json_done(printer, json_number_print_float(json_bits_float(bits), out));
	case FIELD_BOOL:
		return json_done(printer, buf_append_str(out, bits ? "true" : "false"));
	case FIELD_ENUM:
		return json_print_enum(printer, field, (int32_t)(uint32_t)bits);
	case FIELD_INT64:
	case FIELD_SFIXED64:
		return json_done(printer, json_print_wide(printer, true, bits));
	case FIELD_SINT64:
		return json_done(printer,
				 json_print_wide(printer, true, (uint64_t)wire_unzigzag(bits)));
	case FIELD_UINT64:
	case FIELD_FIXED64:
		return json_done(printer, json_print_wide(printer, false, bits));
	case FIELD_UINT32:
	case FIELD_FIXED32:
		return json_done(printer, json_number_print_u64((uint32_t)bits, out));
	case FIELD_SINT32:
		return json_done(printer,
				 json_number_print_i64(wire_unzigzag((uint32_t)bits), out));
	default: /* int32, sfixed32 */
		return json_done(printer, json_number_print_i64((int32_t)(uint32_t)bits, out));
	}
}

enum status json_print_scalar(struct json_printer *printer, const struct field *field,
			      const struct wire_field *record)
{
	static const struct wire_field absent = {0};
	uint64_t bits;

	if (!record)
		record = &absent;
	if (field->type == FIELD_STRING)
		return json_print_string(printer, record->bytes, field->is_utf8);
	if (field->type == FIELD_BYTES)
		return json_print_base64(printer, record->bytes);
	bits = record->integer;
	if (record == &absent && field->enum_type)
		bits = (uint64_t)(int64_t)field->enum_type->values[0].number;
	return json_print_bits(printer, field, bits);
}

/* ---- messages ---- */

/* A message from the records of its runs, merged. */
static enum status json_print_merged(struct json_printer *printer, const struct message *message,
				     struct json_runs runs)
{
	struct json_cursor cursor;
	struct wire_field record;
	struct json_scan scan;
	enum status status = json_scan_begin(printer, message, &scan);

	json_cursor_init(&cursor, printer, runs);
	while (status == ST_OK && json_cursor_next(&cursor, &record))
		status = json_scan_part(printer, &scan, record.bytes);
	if (status != ST_OK)
		return status;
	json_scan_sort(printer, &scan);
	status = json_print_scanned(printer, &scan);
	json_scan_end(printer, &scan);
	return status;
}

enum status json_print_message(struct json_printer *printer, const struct message *message,
			       const struct span *part)
{
	struct json_scan scan;
	enum status status = json_scan_begin(printer, message, &scan);

	if (status == ST_OK)
		status = json_scan_part(printer, &scan, *part);
	if (status != ST_OK)
		return status;
	json_scan_sort(printer, &scan);
	status = json_print_scanned(printer, &scan);
	json_scan_end(printer, &scan);
	return status;
}

/* ---- lists ---- */

struct json_list {
	struct json_printer *printer;
	const struct field *field;
	size_t count;
};

static enum status json_print_element(struct json_list *list, const struct wire_field *record)
{
	struct json_printer *printer = list->printer;
	const struct field *field = list->field;
	enum status status;

	if (field->enum_type && field->enum_type->is_closed &&
	    !schema_enum_by_number(field->enum_type, (int32_t)(uint32_t)record->integer))
		return ST_OK; /* an unknown field, as closed enums have it */
	json_print_item(printer, list->count == 0);
	status = field->message ? json_print_message(printer, field->message, &record->bytes)
				: json_print_scalar(printer, field, record);
	if (status != ST_OK)
		error_set_field(printer->err, "[%zu]", list->count);
	list->count++;
	return status == ST_OK && printer->out->is_full ? json_full(printer->err) : status;
}

static enum status json_print_packed(struct json_list *list, struct span bytes)
{
	enum wire_type type = schema_wire_type(list->field->type);
	struct wire_reader reader;
	struct wire_field element = {.type = type};
	enum status status = ST_OK;

	wire_reader_init(&reader, bytes);
	while (status == ST_OK && !wire_at_end(&reader)) {
		element.integer = type == WIRE_VARINT	 ? wire_read_varint(&reader)
				  : type == WIRE_FIXED32 ? wire_read_fixed32(&reader)
							 : wire_read_fixed64(&reader);
		if (!reader.is_bad)
			status = json_print_element(list, &element);
	}
	if (status == ST_OK && reader.is_bad)
		status = error_set(list->printer->err, ST_INVALID_ARGUMENT,
				   "a packed list is cut short");
	return status;
}

static enum status json_print_list(struct json_printer *printer, const struct field *field,
				   struct json_runs runs)
{
	struct json_list list = {printer, field, 0};
	struct json_cursor cursor;
	struct wire_field record;
	enum status status = ST_OK;

	json_print_open(printer, '[');
	json_cursor_init(&cursor, printer, runs);
	while (status == ST_OK && json_cursor_next(&cursor, &record))
		status = record.type == WIRE_BYTES && schema_type_is_packable(field->type)
				 ? json_print_packed(&list, record.bytes)
				 : json_print_element(&list, &record);
	json_print_close(printer, ']', list.count == 0);
	return status;
}

/* ---- maps ---- */

/* An entry; the last one with a key counts, in the place of the first. */
struct json_entry {
	struct map_node node; /* key: the bytes of a string, or bits */
	uint64_t bits;
	struct span content;
	struct json_entry *next;
};

struct json_entries {
	struct map by_key;
	struct json_entry *first;
	struct json_entry **last;
};

static void json_entries_add(struct json_entries *entries, const struct field *key,
			     struct span content)
{
	struct json_entry *entry = mem_new(struct json_entry);
	struct wire_field record = {0};
	struct map_node *twin;

	(void)wire_find_last(content, 1, schema_wire_type(key->type),
			     &record); /* absent: default */
	entry->content = content;
	entry->bits = key->type == FIELD_BOOL ? record.integer != 0 : record.integer;
	entry->node.key = key->type == FIELD_STRING ? record.bytes
						    : span_make(&entry->bits, sizeof(entry->bits));
	twin = map_find(&entries->by_key, entry->node.key);
	if (twin) {
		container_of(twin, struct json_entry, node)->content = content;
		mem_free(entry);
		return;
	}
	BUG_ON(!map_insert(&entries->by_key, &entry->node));
	*entries->last = entry;
	entries->last = &entry->next;
}

static void json_entries_free(struct json_entries *entries)
{
	struct json_entry *entry = entries->first;

	while (entry) {
		struct json_entry *next = entry->next;

		mem_free(entry);
		entry = next;
	}
	map_fini(&entries->by_key);
}

/* A key is always a string; numbers get quotes unless they have them already. */
static enum status json_print_key(struct json_printer *printer, const struct field *key,
				  const struct json_entry *entry)
{
	struct wire_field record = {.integer = entry->bits, .bytes = entry->node.key};
	bool is_quoted = printer->options.int64_as_number;
	enum status status;

	if (key->type == FIELD_STRING)
		return json_print_string(printer, record.bytes, key->is_utf8);
	printer->options.int64_as_number = true;  /* the quotes are ours */
	(void)buf_append_byte(printer->out, '"'); /* is_full is sticky */
	status = json_print_scalar(printer, key, &record);
	(void)buf_append_byte(printer->out, '"');
	printer->options.int64_as_number = is_quoted;
	return status;
}

static enum status json_print_entry_value(struct json_printer *printer,
					  const struct json_scan *scan, const struct field *value)
{
	struct json_runs runs = json_scan_field(printer, scan, value);
	struct span empty = SPAN_EMPTY;

	if (value->message && runs.count == 0)
		return json_print_message(printer, value->message, &empty);
	return json_print_field(printer, value, runs);
}

static bool json_is_foreign_entry(const struct json_printer *printer, const struct json_scan *scan,
				  const struct field *value)
{
	struct wire_field record;

	return value->enum_type && value->enum_type->is_closed &&
	       json_scan_last(printer, scan, value, &record) &&
	       !schema_enum_by_number(value->enum_type, (int32_t)(uint32_t)record.integer);
}

/* Prints an entry unless its value is no value of a closed enum. */
static enum status json_print_entry(struct json_printer *printer, const struct message *type,
				    const struct json_entry *entry, bool *is_first)
{
	struct json_scan scan;
	enum status status = json_scan_begin(printer, type, &scan);

	if (status == ST_OK)
		status = json_scan_part(printer, &scan, entry->content);
	if (status != ST_OK)
		return status;
	json_scan_sort(printer, &scan);
	if (!json_is_foreign_entry(printer, &scan, type->map_value)) {
		json_print_item(printer, *is_first);
		*is_first = false;
		status = json_print_key(printer, type->map_key, entry);
		(void)buf_append_str(printer->out,
				     printer->options.add_whitespace ? ": " : ":"); /* sticky */
		if (status == ST_OK)
			status = json_print_entry_value(printer, &scan, type->map_value);
	}
	json_scan_end(printer, &scan);
	return status == ST_OK && printer->out->is_full ? json_full(printer->err) : status;
}

static enum status json_print_map(struct json_printer *printer, const struct field *field,
				  struct json_runs runs)
{
	struct json_entries entries = {0};
	struct json_cursor cursor;
	struct wire_field record;
	enum status status = ST_OK;
	bool is_first = true;

	map_init(&entries.by_key);
	entries.last = &entries.first;
	json_cursor_init(&cursor, printer, runs);
	while (json_cursor_next(&cursor, &record))
		json_entries_add(&entries, field->message->map_key, record.bytes);
	json_print_open(printer, '{');
	for (const struct json_entry *entry = entries.first; status == ST_OK && entry;
	     entry = entry->next)
		status = json_print_entry(printer, field->message, entry, &is_first);
	json_print_close(printer, '}', is_first);
	json_entries_free(&entries);
	return status;
}

/* ---- fields ---- */

enum status json_print_field(struct json_printer *printer, const struct field *field,
			     struct json_runs runs)
{
	struct json_cursor cursor;
	struct wire_field record;
	bool has_any = false;

	if (field->is_map)
		return json_print_map(printer, field, runs);
	if (field->is_repeated)
		return json_print_list(printer, field, runs);
	if (field->message)
		return json_print_merged(printer, field->message, runs);
	json_cursor_init(&cursor, printer, runs);
	while (json_cursor_next(&cursor, &record))
		has_any = true;
	return json_print_scalar(printer, field, has_any ? &record : NULL);
}
