#include "journal/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "journal/key.h"
#include "src/base/error.h"
#include "src/base/text.h"

/* What stands behind the text of a line: the sum and its frame. */
#define CRC_HEAD ",\"crc32c\":\""
#define CRC_TAIL "\"}"
#define CRC_DIGITS 8
#define CRC_LEN (sizeof(CRC_HEAD) - 1 + CRC_DIGITS + sizeof(CRC_TAIL) - 1)
#define SHA256_HEX (2 * CHECKSUM_SHA256_BYTES)

static const char *const names[] = {
	[EXPORT_BEGIN] = "begin", [EXPORT_HEAD] = "head",   [EXPORT_EVENT] = "event",
	[EXPORT_CRDT] = "crdt",	  [EXPORT_DELTA] = "delta", [EXPORT_END] = "end",
};

static uint64_t *count_of(struct export_counts *counts, enum export_sort sort)
{
	switch (sort) {
	case EXPORT_HEAD:
		return &counts->heads;
	case EXPORT_EVENT:
		return &counts->events;
	case EXPORT_CRDT:
		return &counts->crdts;
	case EXPORT_DELTA:
		return &counts->deltas;
	case EXPORT_BEGIN:
	case EXPORT_END:
		break;
	}
	return NULL;
}

static void sum_text(struct checksum_sha256 *sum, char text[SHA256_HEX + 1])
{
	uint8_t bytes[CHECKSUM_SHA256_BYTES];

	checksum_sha256_final(sum, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* ---- writing -------------------------------------------------------------------------------- */
static bool is_text(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] < ' ' || value.data[i] == 0x7f)
			return false;
	return text_is_utf8(value);
}

static bool put_value(struct buf *out, struct span value)
{
	if (is_text(value))
		return text_json_quote(value, out);
	return buf_append_str(out, "{\"base64\":\"") && text_base64_encode(value, true, out) &&
	       buf_append_str(out, "\"}");
}

static void put_counts(struct buf *out, const struct export_counts *counts)
{
	(void)buf_printf(out,
			 ",\"heads\":%" PRIu64 ",\"events\":%" PRIu64 ",\"crdts\":%" PRIu64
			 ",\"deltas\":%" PRIu64,
			 counts->heads, counts->events, counts->crdts, counts->deltas);
}

static void put_fields(struct buf *out, const struct export_line *line)
{
	(void)buf_append_str(out, ",\"type\":");
	(void)put_value(out, line->type);
	(void)buf_append_str(out, ",\"id\":");
	(void)put_value(out, line->id);
	if (line->sort == EXPORT_EVENT || line->sort == EXPORT_DELTA)
		(void)buf_printf(out, ",\"sequence\":%" PRIu64, line->sequence);
	if (line->base.data) {
		(void)buf_append_str(out, ",\"base\":");
		(void)put_value(out, line->base);
	}
	(void)buf_append_str(out, ",\"fields\":{");
	for (size_t i = 0; i < line->field_count; i++) {
		if (i > 0)
			(void)buf_append_byte(out, ',');
		(void)text_json_quote(line->fields[i].name, out);
		(void)buf_append_byte(out, ':');
		(void)put_value(out, line->fields[i].value);
	}
	(void)buf_append_byte(out, '}');
}

void export_writer_init(struct export_writer *writer)
{
	*writer = (struct export_writer){0};
	checksum_sha256_init(&writer->sum_);
}

bool export_write(struct export_writer *writer, const struct export_line *line, struct buf *out)
{
	size_t before = buf_len(out);
	uint64_t *count = count_of(&writer->counts, line->sort);
	char sha[SHA256_HEX + 1];
	struct span text;

	(void)buf_printf(out, "{\"line\":\"%s\"", names[line->sort]);
	if (line->sort == EXPORT_BEGIN) {
		(void)buf_printf(out, ",\"format\":%d,\"partitions\":%u%s", EXPORT_FORMAT,
				 KEY_PARTITIONS, line->is_salvage ? ",\"salvage\":true" : "");
	} else if (line->sort == EXPORT_END) {
		put_counts(out, &writer->counts);
		sum_text(&writer->sum_, sha);
		(void)buf_printf(out, ",\"sha256\":\"%s\"", sha);
	} else {
		put_fields(out, line);
	}
	text = span_skip(buf_span(out), before);
	(void)buf_printf(out, CRC_HEAD "%08" PRIx32 CRC_TAIL "\n", checksum_crc32c(text));
	if (out->is_full)
		return false;
	if (line->sort != EXPORT_END)
		checksum_sha256_add(&writer->sum_, span_skip(buf_span(out), before));
	if (count)
		++*count;
	return true;
}

/* ---- reading -------------------------------------------------------------------------------- */
void export_reader_init(struct export_reader *reader)
{
	*reader = (struct export_reader){0};
	checksum_sha256_init(&reader->sum_);
	arena_init(&reader->arena_, EXPORT_LINE_MAX);
}

void export_reader_fini(struct export_reader *reader)
{
	arena_fini(&reader->arena_);
}

static enum status wrong(struct error *err, const char *what)
{
	return error_set(err, ST_INVALID_ARGUMENT, "%s", what);
}

static enum status check_crc(struct span text, struct error *err)
{
	struct span body = span_head(text, text.len - CRC_LEN);
	char want[CRC_LEN + 1];

	if (text.len < CRC_LEN || !span_starts_with(span_skip(text, body.len), SPAN_LIT(CRC_HEAD)))
		return error_set(err, ST_DATA_LOSS, "it has no sum at its end");
	(void)snprintf(want, sizeof(want), CRC_HEAD "%08" PRIx32 CRC_TAIL, checksum_crc32c(body));
	if (!span_eq_str(span_skip(text, body.len), want))
		return error_set(err, ST_DATA_LOSS, "its sum is another one: the line was changed");
	return ST_OK;
}

static bool take_base64(struct export_reader *reader, struct span text, struct span *ret_value)
{
	struct buf raw;
	bool is_good;

	buf_init(&raw, EXPORT_LINE_MAX);
	is_good = text_base64_decode(text, &raw);
	*ret_value = buf_len(&raw) ? arena_span(&reader->arena_, buf_span(&raw)) : SPAN_LIT("");
	buf_fini(&raw);
	return is_good && ret_value->data;
}

static bool take_value(struct export_reader *reader, const json_t *json, struct span *ret_value)
{
	const json_t *base64 = json_object_get(json, "base64");
	struct span text;

	if (json_is_string(json)) {
		text = span_make(json_string_value(json), json_string_length(json));
		*ret_value = text.len ? arena_span(&reader->arena_, text) : SPAN_LIT("");
		return ret_value->data;
	}
	if (!json_is_string(base64) || json_object_size(json) != 1)
		return false;
	text = span_make(json_string_value(base64), json_string_length(base64));
	return take_base64(reader, text, ret_value);
}

static enum status take_fields(struct export_reader *reader, json_t *json, struct export_line *line,
			       struct error *err)
{
	size_t max = json_object_size(json);
	struct admin_field *fields = arena_new_array(&reader->arena_, struct admin_field, max + 1);
	const char *name;
	json_t *value;
	size_t count = 0;

	if (!fields || !json_is_object(json) || max > EXPORT_FIELDS_MAX)
		return wrong(err, "it has no fields, or too many");
	json_object_foreach(json, name, value)
	{
		fields[count].name = arena_span(&reader->arena_, span_from_str(name));
		if (!take_value(reader, value, &fields[count++].value))
			return error_set(err, ST_INVALID_ARGUMENT, "field \"%.40s\" has no value",
					 name);
	}
	line->fields = fields;
	line->field_count = count;
	return ST_OK;
}

static enum status take_record(struct export_reader *reader, json_t *json, struct export_line *line,
			       struct error *err)
{
	json_t *base = json_object_get(json, "base");
	json_int_t sequence = json_integer_value(json_object_get(json, "sequence"));
	uint64_t *count = count_of(&reader->counts, line->sort);

	if (!take_value(reader, json_object_get(json, "type"), &line->type) ||
	    !take_value(reader, json_object_get(json, "id"), &line->id) || !line->type.len)
		return wrong(err, "it names no entity");
	if (base && !take_value(reader, base, &line->base))
		return wrong(err, "its base is no value");
	if ((line->sort == EXPORT_EVENT || line->sort == EXPORT_DELTA) && sequence < 1)
		return wrong(err, "it has no sequence");
	line->sequence = (uint64_t)sequence;
	++*count;
	return take_fields(reader, json_object_get(json, "fields"), line, err);
}

static enum status take_begin(struct export_reader *reader, json_t *json, struct export_line *line,
			      struct error *err)
{
	if (json_integer_value(json_object_get(json, "format")) != EXPORT_FORMAT)
		return error_set(err, ST_UNIMPLEMENTED, "this program reads format %d alone",
				 EXPORT_FORMAT);
	line->is_salvage = json_is_true(json_object_get(json, "salvage"));
	reader->is_salvage = line->is_salvage;
	return ST_OK;
}

static enum status take_end(struct export_reader *reader, json_t *json, struct error *err)
{
	const char *sha = json_string_value(json_object_get(json, "sha256"));
	char want[SHA256_HEX + 1];

	for (enum export_sort sort = EXPORT_HEAD; sort < EXPORT_END; sort++) {
		char name[16];
		json_int_t count;

		(void)snprintf(name, sizeof(name), "%ss", names[sort]);
		count = json_integer_value(json_object_get(json, name));
		if ((uint64_t)count != *count_of(&reader->counts, sort))
			return error_set(err, ST_DATA_LOSS,
					 "there were %" PRIu64 " %s, %" JSON_INTEGER_FORMAT
					 " were written",
					 *count_of(&reader->counts, sort), name, count);
	}
	sum_text(&reader->sum_, want);
	if (!sha || strcmp(sha, want) != 0)
		return error_set(err, ST_DATA_LOSS, "the sum of all lines is another one");
	reader->has_end = true;
	return ST_OK;
}

static enum status take_line(struct export_reader *reader, json_t *json, struct export_line *line,
			     struct error *err)
{
	const char *name = json_string_value(json_object_get(json, "line"));
	enum export_sort sort = EXPORT_BEGIN;

	while (name && sort <= EXPORT_END && strcmp(names[sort], name) != 0)
		sort++;
	if (!name || sort > EXPORT_END)
		return wrong(err, "it is no line of an export");
	if ((sort == EXPORT_BEGIN) != (reader->line == 1))
		return wrong(err, "an export has its begin in the first line and there alone");
	if (reader->has_end)
		return wrong(err, "something stands behind the end");
	line->sort = sort;
	if (sort == EXPORT_BEGIN)
		return take_begin(reader, json, line, err);
	return sort == EXPORT_END ? take_end(reader, json, err)
				  : take_record(reader, json, line, err);
}

enum status export_read(struct export_reader *reader, struct span text,
			struct export_line *ret_line, struct error *err)
{
	struct export_line line = {0};
	enum status st;
	json_t *json;

	reader->line++;
	arena_reset(&reader->arena_);
	st = check_crc(text, err);
	if (st == ST_OK) {
		json = json_loadb((const char *)text.data, text.len,
				  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		st = json ? take_line(reader, json, &line, err) : wrong(err, "it is not JSON");
		json_decref(json);
	}
	if (st == ST_OK && reader->arena_.is_exhausted)
		st = error_set(err, ST_RESOURCE_EXHAUSTED, "it is too long");
	if (st != ST_OK)
		return error_wrap(err, "line %" PRIu64, reader->line);
	if (line.sort != EXPORT_END) {
		checksum_sha256_add(&reader->sum_, text);
		checksum_sha256_add(&reader->sum_, SPAN_LIT("\n"));
	}
	*ret_line = line;
	return ST_OK;
}

enum status export_reader_finish(const struct export_reader *reader, struct error *err)
{
	if (reader->line == 0)
		return error_set(err, ST_DATA_LOSS, "the file is empty");
	if (!reader->has_end && !reader->is_salvage)
		return error_set(err, ST_DATA_LOSS,
				 "the end is missing: only a part of the export is here");
	return ST_OK;
}
