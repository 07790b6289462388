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

	if (!text_is_utf8(text)) {
		if (is_strict)
			return error_set(printer->err, ST_INVALID_ARGUMENT, "not valid UTF-8");
		return json_done(printer, text_json_quote(text, out));
	}
	if (text_json_plain(text) < text.len)
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
	struct wire_field value; /* the last record of it */
	size_t value_count;
};

struct json_entries {
	struct map by_key;
	struct json_entry *list;
	size_t count;
};

/* Reads an entry; what is absent has its default. False when it is malformed. */
static bool json_entry_read(struct json_entry *entry, const struct message *type,
			    struct span content)
{
	const struct field *key = type->map_key;
	enum wire_type key_type = schema_wire_type(key->type);
	enum wire_type value_type = schema_wire_type(type->map_value->type);
	struct wire_field key_record = {0};
	struct wire_reader reader;
	struct wire_field record;

	*entry = (struct json_entry){.content = content};
	wire_reader_init(&reader, content);
	while (wire_next(&reader, &record)) {
		if (record.number == key->number && record.type == key_type) {
			key_record = record;
		} else if (record.number == type->map_value->number && record.type == value_type) {
			entry->value = record;
			entry->value_count++;
		}
	}
	entry->bits = key->type == FIELD_BOOL ? key_record.integer != 0 : key_record.integer;
	entry->node.key = key->type == FIELD_STRING ? key_record.bytes
						    : span_make(&entry->bits, sizeof(entry->bits));
	return !reader.is_bad;
}

static bool json_entries_add(struct json_entries *entries, const struct message *type,
			     struct span content)
{
	struct json_entry *entry = &entries->list[entries->count];
	struct json_entry *twin;

	if (!json_entry_read(entry, type, content))
		return false;
	if (map_insert(&entries->by_key, &entry->node)) {
		entries->count++;
		return true;
	}
	twin = container_of(map_find(&entries->by_key, entry->node.key), struct json_entry, node);
	twin->content = entry->content;
	twin->value = entry->value;
	twin->value_count = entry->value_count;
	return true;
}

/* False when an entry is malformed. */
static bool json_entries_init(struct json_entries *entries, const struct json_printer *printer,
			      const struct message *type, struct json_runs runs)
{
	bool is_ok = true;
	struct json_cursor cursor;
	struct wire_field record;
	size_t count = 0;

	json_cursor_init(&cursor, printer, runs);
	while (json_cursor_next(&cursor, &record))
		count++;
	*entries = (struct json_entries){.list = mem_new_array(struct json_entry, count + 1)};
	map_init(&entries->by_key);
	json_cursor_init(&cursor, printer, runs);
	while (is_ok && json_cursor_next(&cursor, &record))
		is_ok = json_entries_add(entries, type, record.bytes);
	return is_ok;
}

static void json_entries_fini(struct json_entries *entries)
{
	map_fini(&entries->by_key);
	mem_free(entries->list);
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

/* The message of an entry that has several parts of it. */
static enum status json_print_entry_parts(struct json_printer *printer, const struct message *type,
					  const struct json_entry *entry)
{
	struct json_scan scan;
	enum status status = json_scan_begin(printer, type, &scan);

	if (status == ST_OK)
		status = json_scan_part(printer, &scan, entry->content);
	if (status != ST_OK)
		return status;
	json_scan_sort(printer, &scan);
	status = json_print_field(printer, type->map_value,
				  json_scan_field(printer, &scan, type->map_value));
	json_scan_end(printer, &scan);
	return status;
}

static enum status json_print_entry_value(struct json_printer *printer, const struct message *type,
					  const struct json_entry *entry)
{
	const struct field *value = type->map_value;
	enum status status;

	if (!value->message)
		return json_print_scalar(printer, value, entry->value_count ? &entry->value : NULL);
	if (entry->value_count > 1)
		return json_print_entry_parts(printer, type, entry);
	printer->depth++; /* for the entry */
	status = json_print_message(printer, value->message, &entry->value.bytes);
	printer->depth--;
	return status;
}

static bool json_is_foreign_entry(const struct json_entry *entry, const struct field *value)
{
	return value->enum_type && value->enum_type->is_closed && entry->value_count &&
	       !schema_enum_by_number(value->enum_type, (int32_t)(uint32_t)entry->value.integer);
}

/* Prints an entry unless its value is no value of a closed enum. */
static enum status json_print_entry(struct json_printer *printer, const struct message *type,
				    const struct json_entry *entry, bool *is_first)
{
	enum status status;

	if (json_is_foreign_entry(entry, type->map_value))
		return ST_OK;
	json_print_item(printer, *is_first);
	*is_first = false;
	status = json_print_key(printer, type->map_key, entry);
	(void)buf_append_str(printer->out,
			     printer->options.add_whitespace ? ": " : ":"); /* sticky */
	if (status == ST_OK)
		status = json_print_entry_value(printer, type, entry);
	return status == ST_OK && printer->out->is_full ? json_full(printer->err) : status;
}

static enum status json_print_map(struct json_printer *printer, const struct field *field,
				  struct json_runs runs)
{
	struct json_entries entries;
	enum status status = ST_OK;
	bool is_first = true;

	if (runs.count && printer->depth == printer->options.depth_max) /* entries are messages */
		return json_too_deep(printer);
	if (!json_entries_init(&entries, printer, field->message, runs))
		status = json_malformed(printer, field->message);
	json_print_open(printer, '{');
	for (size_t i = 0; status == ST_OK && i < entries.count; i++)
		status = json_print_entry(printer, field->message, &entries.list[i], &is_first);
	json_print_close(printer, '}', is_first);
	json_entries_fini(&entries);
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
