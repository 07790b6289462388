#ifndef HEADGATE_PROTO_JSON_H
#define HEADGATE_PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/parse.h"
#include "src/base/span.h"

/* ProtoJSON, straight between JSON text and wire bytes without a tree in between. Input is held to
 * the letter: no duplicate keys, no trailing commas, no lax numbers. Spec: protobuf.dev, "ProtoJSON
 * Format", and the official conformance suite. */

/* Objects and arrays within each other in JSON text; above twice WIRE_DEPTH_MAX, since a list of
 * messages is two levels. Also holds for parts that are skipped as unknown. */
#define JSON_NESTING_MAX 256

/* Any whose @type does not come first must be kept until its end and read again; each level of such
 * values within each other doubles that work. */
#define JSON_ANY_REREAD_MAX 8

struct json_read_options {
	const struct schema *schema; /* borrowed; resolves Any; NULL: only empty Any is readable */
	bool ignore_unknown;	     /* unknown keys and unknown enum names are left out */
	bool ignore_enum_case;	     /* enum names in any case (text values of paths and queries) */
	bool keep_defaults; /* default values of the text are written, presence or not, so that they
			       can be told from what was not there */
	unsigned depth_max; /* message levels of the output; 0 is WIRE_DEPTH_MAX */
	struct buf
		*mask_paths; /* borrowed or NULL: gets the proto paths of the keys present in the
				body, each followed by a comma: down to lists, maps and well-known
				types; `{}` gives the message's own path; null counts */
};

/* Reads one JSON value in chunks as they come and writes wire records. */
struct json_reader;

/* A reader for the value of a message: its fields are written at the top level of writer. options
 * (NULL: all defaults) is copied, writer and message are borrowed until _free. */
struct json_reader *json_reader_new(const struct message *message,
				    const struct json_read_options *options,
				    struct wire_writer *writer);

/* A reader for the value of one field of any kind (scalar, list, map, message, well-known): what is
 * written is the field's records at the top level of writer. null leaves the field unset. */
struct json_reader *json_reader_new_field(const struct field *field,
					  const struct json_read_options *options,
					  struct wire_writer *writer);

/* NULL is a no-op. */
void json_reader_free(struct json_reader *reader);

/* Forgets the value read so far and starts on another of the same kind (streams of values). */
void json_reader_reset(struct json_reader *reader);

/* Counts bytes between two values that are not fed, so that places are those of the whole text. */
void json_reader_skip(struct json_reader *reader, struct span bytes);

/* Reads on. *ret_used says how much of chunk was taken; after DONE the rest belongs to whatever
 * follows the value. MORE took everything. BAD leaves err: ST_INVALID_ARGUMENT with a text that
 * ends in line, column and byte offset, err->field the path as the client wrote it
 * (`items[2].productId`, `labels[key]`); ST_RESOURCE_EXHAUSTED when writer is full. After DONE a
 * reset comes before the next feed; after BAD reader and writer (its parts are open) can only be
 * given up. */
enum parse_result json_reader_feed(struct json_reader *reader, struct span chunk, size_t *ret_used,
				   struct error *err);

/* Says that no more bytes come: DONE (a number at the top level ends only here) or BAD. */
enum parse_result json_reader_end(struct json_reader *reader, struct error *err);

/* Where the reader stands: bytes before it, line and column (in bytes) from 1. */
struct json_position {
	size_t offset;
	size_t line;
	size_t column;
};
struct json_position json_reader_position(const struct json_reader *reader);

/* True when the value read has this top-level field with a value other than null. Only for readers
 * of an ordinary message. */
bool json_reader_has(const struct json_reader *reader, const struct field *field);

/* Reads a whole text: one value, white space around it allowed. Records are appended to writer,
 * which the caller finishes. */
enum status json_to_wire(const struct message *message, struct span json,
			 const struct json_read_options *options, struct wire_writer *writer,
			 struct error *err) MUST_CHECK;

/* Likewise for the value of one field. */
enum status json_field_to_wire(const struct field *field, struct span json,
			       const struct json_read_options *options, struct wire_writer *writer,
			       struct error *err) MUST_CHECK;

/* Writes one value given as plain text (path variable or query parameter, percent-decoded) for a
 * field: scalars and enums as their JSON text without quotes, wrappers, Timestamp, Duration,
 * FieldMask (snake or camel), Struct, Value and ListValue as JSON text, bytes as base64 of either
 * alphabet. For a repeated field it writes one element. Maps, Any and ordinary messages:
 * ST_INVALID_ARGUMENT. Values equal to the default are written too when the field has presence or
 * is repeated. */
enum status json_text_to_wire(const struct field *field, struct span text,
			      const struct json_read_options *options, struct wire_writer *writer,
			      struct error *err) MUST_CHECK;

/* Likewise for the key of a map entry, which has one spelling, as in JSON: no `1.0`, no `-0`. */
enum status json_key_to_wire(const struct field *field, struct span text,
			     struct wire_writer *writer, struct error *err) MUST_CHECK;

struct json_print_options {
	const struct schema *schema; /* borrowed; resolves Any; NULL: only empty Any prints */
	bool always_print_primitive_fields; /* unset scalars, enums, lists and maps too (ruling R6)
					     */
	bool always_print_enums_as_ints;
	bool preserve_proto_field_names;
	bool int64_as_number;
	bool add_whitespace;
	bool unknown_any_as_base64; /* {"@type":…,"value":"<base64>"} for an Any of unknown type */
	/* Paths of a FieldMask that have no JSON form ("line_1") are printed as they are: for
	 * people, since JSON readers refuse them. */
	bool has_plain_masks;
	unsigned depth_max; /* 0 is WIRE_DEPTH_MAX */
};

/* Prints wire bytes as a message, fields in order of their numbers. Singular fields that occur
 * several times: the last counts, messages are merged. Unknown fields are left out. options NULL:
 * all defaults. ST_INVALID_ARGUMENT: malformed wire, or a value without JSON form (a Timestamp out
 * of range), with err->field; ST_RESOURCE_EXHAUSTED: out is full. On failure out is cut back. */
enum status json_from_wire(const struct message *message, struct span wire,
			   const struct json_print_options *options, struct buf *out,
			   struct error *err) MUST_CHECK;

/* Prints the value of one field of the message whose wire bytes are given (response_body): an unset
 * message or wrapper is null, an unset scalar its default, an empty list [], an empty map {}. */
enum status json_field_from_wire(const struct field *field, struct span wire,
				 const struct json_print_options *options, struct buf *out,
				 struct error *err) MUST_CHECK;

#endif
