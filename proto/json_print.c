/* Wire to ProtoJSON without building a message.
 *
 * Records of a message may come in any order and more than once, JSON wants each field once and in
 * order. So a message is first scanned: one entry on a stack for each run of neighbouring records
 * of the same field, which for ordinary bytes is one entry a field, however long the lists are. The
 * entries are sorted by field if they are not in order already, then printed; values inside are
 * looked at only now. A message that comes in several parts is scanned part by part, and the sum of
 * the entries is the merged message. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_known.h"
#include "proto/json_print_internal.h"
#include "src/base/mem.h"

#define JSON_FIRST_RUNS ((size_t)32)

/* Runs on the stack at a time; wire bytes made to have as many runs as possible need three bytes a
 * run, so this is far above what a message of the largest size has in practice, and 128 MiB of
 * memory. */
#define JSON_RUNS_MAX ((size_t)4 * 1024 * 1024)

/* ---- scanning ---- */

enum status json_too_deep(const struct json_printer *printer)
{
	return error_set(printer->err, ST_INVALID_ARGUMENT,
			 "protobuf message nested deeper than %u levels",
			 printer->options.depth_max);
}

enum status json_malformed(const struct json_printer *printer, const struct message *message)
{
	return error_set(printer->err, ST_INVALID_ARGUMENT, "malformed protobuf message %.*s",
			 SPAN_FMT(message->full_name));
}

enum status json_scan_begin(struct json_printer *printer, const struct message *message,
			    struct json_scan *ret_scan)
{
	size_t need = printer->choice_count + message->oneof_count;

	if (++printer->depth > printer->options.depth_max)
		return json_too_deep(printer);
	*ret_scan = (struct json_scan){message, printer->run_count, printer->choice_count,
				       printer->choice_count};
	if (need > printer->choice_cap) {
		printer->choice_cap = need * 2;
		printer->choices = mem_resize_array(printer->choices, printer->choice_cap,
						    sizeof(*printer->choices));
	}
	for (; printer->choice_count < need; printer->choice_count++)
		printer->choices[printer->choice_count] = (struct json_choice){NULL, 0};
	return ST_OK;
}

void json_scan_end(struct json_printer *printer, const struct json_scan *scan)
{
	printer->run_count = scan->first_run;
	printer->choice_count = scan->before_choice;
	printer->depth--;
}

/* Whether a record is one of the field, or unknown: because its wire type is another, or because a
 * closed enum does not know its number (an earlier value of the field counts then). Elements of
 * lists are looked at when they are printed. */
static bool json_is_record_of(const struct field *field, const struct wire_field *record)
{
	enum wire_type type = schema_wire_type(field->type);

	if (field->enum_type && field->enum_type->is_closed && !field->is_repeated)
		return record->type == type &&
		       schema_enum_by_number(field->enum_type, (int32_t)(uint32_t)record->integer);
	return record->type == type || (record->type == WIRE_BYTES && field->is_repeated &&
					schema_type_is_packable(field->type));
}

static enum status json_push_run(struct json_printer *printer, const struct json_scan *scan,
				 const struct field *field, struct span record)
{
	struct json_choice *choice;
	struct json_run *run;

	if (printer->run_count == JSON_RUNS_MAX)
		return error_set(printer->err, ST_RESOURCE_EXHAUSTED,
				 "the message has too many scattered fields");
	if (printer->run_count == printer->run_cap) {
		printer->run_cap = printer->run_cap ? printer->run_cap * 2 : JSON_FIRST_RUNS;
		printer->runs =
			mem_resize_array(printer->runs, printer->run_cap, sizeof(*printer->runs));
	}
	run = &printer->runs[printer->run_count];
	*run = (struct json_run){record, field->index, (uint32_t)printer->run_count};
	printer->run_count++;
	if (!field->oneof)
		return ST_OK;
	choice = &printer->choices[scan->first_choice + field->oneof->index];
	if (choice->field != field)
		*choice = (struct json_choice){field, run->sequence};
	return ST_OK;
}

/* True when the record stands right behind the newest run and belongs to it; then it is added. */
static bool json_extend_run(struct json_printer *printer, const struct json_scan *scan,
			    const struct field *field, struct span record)
{
	struct json_run *run = &printer->runs[printer->run_count - 1];

	if (printer->run_count == scan->first_run || run->field_index != field->index ||
	    run->bytes.data + run->bytes.len != record.data)
		return false;
	run->bytes.len += record.len;
	return true;
}

enum status json_scan_part(struct json_printer *printer, const struct json_scan *scan,
			   struct span part)
{
	struct wire_reader reader;
	struct wire_field record;
	enum status status = ST_OK;

	wire_reader_init(&reader, part);
	while (status == ST_OK && wire_next(&reader, &record)) {
		const struct field *field = schema_field_by_number(scan->message, record.number);

		if (!field || !json_is_record_of(field, &record))
			continue;
		if (printer->run_count == 0 ||
		    !json_extend_run(printer, scan, field, record.record))
			status = json_push_run(printer, scan, field, record.record);
	}
	if (status == ST_OK && reader.is_bad)
		status = json_malformed(printer, scan->message);
	return status;
}

static int json_run_cmp(const void *a, const void *b)
{
	const struct json_run *left = a;
	const struct json_run *right = b;

	if (left->field_index != right->field_index)
		return left->field_index < right->field_index ? -1 : 1;
	return left->sequence < right->sequence ? -1 : 1;
}

void json_scan_sort(struct json_printer *printer, const struct json_scan *scan)
{
	size_t count = printer->run_count - scan->first_run;
	struct json_run *runs;

	if (count < 2)
		return; /* runs may be NULL still */
	runs = printer->runs + scan->first_run;
	for (size_t i = 1; i < count; i++) {
		if (runs[i - 1].field_index <= runs[i].field_index)
			continue;
		qsort(runs, count, sizeof(*runs), json_run_cmp);
		return;
	}
}

/* Runs of one field that begin at a place, without those that a later member of the oneof undid. */
static struct json_runs json_runs_at(const struct json_printer *printer,
				     const struct json_scan *scan, const struct field *field,
				     size_t at)
{
	struct json_runs runs = {at, 0};
	const struct json_choice *choice;

	while (at + runs.count < printer->run_count &&
	       printer->runs[at + runs.count].field_index == field->index)
		runs.count++;
	if (!field->oneof || runs.count == 0)
		return runs;
	choice = &printer->choices[scan->first_choice + field->oneof->index];
	if (choice->field != field)
		return (struct json_runs){at, 0};
	while (runs.count && printer->runs[runs.first].sequence < choice->sequence) {
		runs.first++;
		runs.count--;
	}
	return runs;
}

struct json_runs json_scan_field(const struct json_printer *printer, const struct json_scan *scan,
				 const struct field *field)
{
	size_t low = scan->first_run;
	size_t high = printer->run_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (printer->runs[middle].field_index < field->index)
			low = middle + 1;
		else
			high = middle;
	}
	return json_runs_at(printer, scan, field, low);
}

void json_cursor_init(struct json_cursor *cursor, const struct json_printer *printer,
		      struct json_runs runs)
{
	*cursor = (struct json_cursor){.printer = printer, .runs = runs};
}

bool json_cursor_next(struct json_cursor *cursor, struct wire_field *ret_record)
{
	/* The records were read once before, so there is no malformed one among them. */
	while (!wire_next(&cursor->reader, ret_record)) {
		if (cursor->next == cursor->runs.count)
			return false;
		wire_reader_init(&cursor->reader,
				 cursor->printer->runs[cursor->runs.first + cursor->next].bytes);
		cursor->next++;
	}
	return true;
}

bool json_scan_last(const struct json_printer *printer, const struct json_scan *scan,
		    const struct field *field, struct wire_field *ret_record)
{
	struct json_runs runs = json_scan_field(printer, scan, field);
	struct json_cursor cursor;
	bool has_any = false;

	if (runs.count) { /* the last record is in the last run */
		runs.first += runs.count - 1;
		runs.count = 1;
	}
	json_cursor_init(&cursor, printer, runs);
	while (json_cursor_next(&cursor, ret_record))
		has_any = true;
	return has_any;
}

/* ---- members ---- */

static void json_print_line(struct json_printer *printer)
{
	if (!printer->options.add_whitespace)
		return;
	(void)buf_append_byte(printer->out, '\n'); /* is_full is sticky, here and below */
	for (unsigned i = 0; i < printer->indent; i++)
		(void)buf_append_str(printer->out, "  ");
}

void json_print_open(struct json_printer *printer, char bracket)
{
	(void)buf_append_byte(printer->out, (uint8_t)bracket);
	printer->indent++;
}

void json_print_item(struct json_printer *printer, bool is_first)
{
	if (!is_first)
		(void)buf_append_byte(printer->out, ',');
	json_print_line(printer);
}

void json_print_close(struct json_printer *printer, char bracket, bool is_empty)
{
	printer->indent--;
	if (!is_empty)
		json_print_line(printer);
	(void)buf_append_byte(printer->out, (uint8_t)bracket);
}

/* 32-bit types take the low half of what is on the wire. */
static bool json_is_zero(const struct field *field, uint64_t bits)
{
	switch ((int)field->type) {
	case FIELD_INT32:
	case FIELD_UINT32:
	case FIELD_SINT32:
	case FIELD_ENUM:
		return (uint32_t)bits == 0;
	default:
		return bits == 0;
	}
}

/* A packed list without elements is no list. */
static bool json_is_list_empty(const struct json_printer *printer, const struct field *field,
			       struct json_runs runs)
{
	struct json_cursor cursor;
	struct wire_field record;

	if (!schema_type_is_packable(field->type))
		return false;
	json_cursor_init(&cursor, printer, runs);
	while (json_cursor_next(&cursor, &record))
		if (record.type != WIRE_BYTES || record.bytes.len)
			return false;
	return true;
}

/* A field without presence whose value is the default counts as unset. */
static bool json_is_unset(const struct json_printer *printer, const struct field *field,
			  struct json_runs runs)
{
	struct json_cursor cursor;
	struct wire_field record;
	bool is_default = true;

	if (runs.count == 0)
		return true;
	if (field->is_repeated)
		return json_is_list_empty(printer, field, runs);
	if (field->has_presence)
		return false;
	json_cursor_init(&cursor, printer, runs);
	while (json_cursor_next(&cursor, &record))
		is_default = json_is_zero(field, record.integer) && record.bytes.len == 0;
	return is_default;
}

static enum status json_print_member(struct json_printer *printer, const struct field *field,
				     struct json_runs runs, bool is_first)
{
	enum status status;

	json_print_item(printer, is_first);
	(void)buf_append(printer->out, printer->options.preserve_proto_field_names
					       ? field->name_key_
					       : field->json_key_); /* checked below */
	if (printer->options.add_whitespace)
		(void)buf_append_byte(printer->out, ' ');
	if (printer->out->is_full)
		return json_full(printer->err);
	status = json_print_field(printer, field, runs);
	if (status != ST_OK)
		error_set_field(printer->err, "%.*s", SPAN_FMT(field->json_name));
	return status;
}

/* Only fields that are set: goes from run to run. */
static enum status json_print_set_members(struct json_printer *printer,
					  const struct json_scan *scan, bool is_first)
{
	size_t at = scan->first_run;
	size_t end = printer->run_count;
	enum status status = ST_OK;

	while (status == ST_OK && at < end) {
		const struct field *field = &scan->message->fields[printer->runs[at].field_index];
		struct json_runs runs = json_runs_at(printer, scan, field, at);

		while (at < end && printer->runs[at].field_index == field->index)
			at++;
		if (json_is_unset(printer, field, runs))
			continue;
		status = json_print_member(printer, field, runs, is_first);
		is_first = false;
	}
	return status;
}

/* All fields that are set or have a value without being set. */
static enum status json_print_all_members(struct json_printer *printer,
					  const struct json_scan *scan, bool is_first)
{
	enum status status = ST_OK;

	for (size_t i = 0; status == ST_OK && i < scan->message->field_count; i++) {
		const struct field *field = &scan->message->fields[i];
		struct json_runs runs = json_scan_field(printer, scan, field);

		/* Extensions are many and of others: an empty list of one is not printed. */
		if ((field->has_presence || field->is_extension) &&
		    json_is_unset(printer, field, runs))
			continue;
		status = json_print_member(printer, field, runs, is_first);
		is_first = false;
	}
	return status;
}

enum status json_print_members(struct json_printer *printer, const struct json_scan *scan,
			       bool is_first)
{
	if (printer->options.always_print_primitive_fields)
		return json_print_all_members(printer, scan, is_first);
	return json_print_set_members(printer, scan, is_first);
}

/* ---- entry points ---- */

static void json_printer_init(struct json_printer *printer,
			      const struct json_print_options *options, struct buf *out,
			      struct error *err)
{
	*printer = (struct json_printer){.out = out, .err = err};
	if (options)
		printer->options = *options;
	if (printer->options.depth_max == 0)
		printer->options.depth_max = WIRE_DEPTH_MAX;
}

/* Releases the printer; on failure the output is as it was. */
static enum status json_printer_fini(struct json_printer *printer, size_t before,
				     enum status status)
{
	mem_free(printer->runs);
	mem_free(printer->choices);
	if (status == ST_OK && printer->out->is_full)
		status = json_full(printer->err);
	if (status != ST_OK)
		buf_truncate(printer->out, before);
	return status;
}

enum status json_from_wire(const struct message *message, struct span wire,
			   const struct json_print_options *options, struct buf *out,
			   struct error *err)
{
	struct json_printer printer;
	size_t before = buf_len(out);

	json_printer_init(&printer, options, out, err);
	return json_printer_fini(&printer, before, json_print_message(&printer, message, &wire));
}

static enum status json_print_body(struct json_printer *printer, const struct field *field,
				   struct span wire)
{
	struct json_scan scan;
	struct json_runs runs;
	enum status status = json_scan_begin(printer, field->parent, &scan);

	if (status == ST_OK)
		status = json_scan_part(printer, &scan, wire);
	if (status != ST_OK)
		return status;
	json_scan_sort(printer, &scan);
	runs = json_scan_field(printer, &scan, field);
	if (field->message && !field->is_repeated && runs.count == 0)
		(void)buf_append_str(printer->out, "null"); /* checked at the end */
	else
		status = json_print_field(printer, field, runs);
	if (status != ST_OK)
		error_set_field(printer->err, "%.*s", SPAN_FMT(field->json_name));
	json_scan_end(printer, &scan);
	return status;
}

enum status json_field_from_wire(const struct field *field, struct span wire,
				 const struct json_print_options *options, struct buf *out,
				 struct error *err)
{
	struct json_printer printer;
	size_t before = buf_len(out);

	json_printer_init(&printer, options, out, err);
	return json_printer_fini(&printer, before, json_print_body(&printer, field, wire));
}
