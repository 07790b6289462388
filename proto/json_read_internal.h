#ifndef HEADGATE_PROTO_JSON_READ_INTERNAL_H
#define HEADGATE_PROTO_JSON_READ_INTERNAL_H

/* What json_read.c (the machine), json_read_value.c (values of fields and messages) and
 * json_read_any.c share.
 *
 * The reader is a stack of frames, one for each JSON object or array that is open, and one (WRAP)
 * for each length-delimited message that has to be closed when the value inside it is whole. A
 * token goes to the frame on top; a value that has become whole (json_value_done) closes the WRAPs
 * above the frame that asked for it. No C recursion, so depth costs memory and not stack. */

#include "proto/json.h"
#include "proto/json_lex.h"
#include "proto/json_scalar.h"

/* One string or number; the request as a whole has a tighter limit in front of the reader. */
#define JSON_TEXT_MAX ((size_t)64 * 1024 * 1024)

enum json_frame_kind {
	JSON_FRAME_ROOT,      /* waits for the value that was asked for */
	JSON_FRAME_MESSAGE,   /* object of an ordinary message */
	JSON_FRAME_LIST,      /* array of a repeated field */
	JSON_FRAME_MAP,	      /* object of a map field */
	JSON_FRAME_WRAP,      /* no JSON of its own: closes a message */
	JSON_FRAME_SKIP,      /* value of an unknown key */
	JSON_FRAME_ANY,	      /* object of an Any before its first key, or @type was that key */
	JSON_FRAME_CAPTURE,   /* object of an Any whose @type did not come first */
	JSON_FRAME_ANY_VALUE, /* object of an Any with a well-known type: @type and "value" */
};

struct json_frame {
	enum json_frame_kind kind;
	bool is_open;	  /* nest is open: packed list, map entry */
	bool is_any_body; /* MESSAGE inside Any: @type may stand among the fields */
	bool has_type;	  /* @type has been seen */
	bool has_member;  /* MESSAGE: a key came; ANY_VALUE: "value" came */
	bool is_skipping; /* MESSAGE, ANY_VALUE: the value to come belongs to nobody */
	const struct message *message;
	const struct field *field; /* MESSAGE: whose value comes next; LIST, MAP; WRAP: a group */
	struct wire_nest nest;
	size_t count;	   /* LIST: whole elements; SKIP, CAPTURE: open levels; MESSAGE: index of
			      the field behind the last one seen */
	size_t path_start; /* of this frame's key in the path */
	size_t seen_start; /* of this frame's bits */
	struct json_keys *keys;
};

struct json_reader {
	struct json_read_options options;
	const struct message *message;
	const struct field *field;
	struct wire_writer *writer;
	struct json_lex lex;
	struct json_frame *frames;
	size_t frame_count;
	size_t frame_cap;
	struct buf path;    /* the keys that are open, without separators */
	struct buf seen;    /* one bit for each field and oneof of the open messages */
	struct buf scratch; /* decoded bytes */
	struct buf capture; /* text of an Any that is read again */
	struct buf type_url;
	uint8_t *root_set; /* one bit for each top-level field with a value */
	unsigned depth;	   /* open messages on the wire, without the outermost */
	unsigned reread;   /* readers around this one */
	bool is_any_root;  /* the value is the inside of an Any */
};

/* ---- json_read.c ---- */

struct json_frame *json_top(struct json_reader *reader);
struct json_frame *json_push(struct json_reader *reader, enum json_frame_kind kind);
void json_pop(struct json_reader *reader);

/* A value is whole: closes what was opened for it. */
void json_value_done(struct json_reader *reader);

/* Goes one message deeper; an error at the limit. */
enum status json_deeper(struct json_reader *reader, struct error *err) MUST_CHECK;

/* Replaces the key of the frame on top, for error paths. */
enum status json_set_key(struct json_reader *reader, struct span key, struct error *err) MUST_CHECK;

enum status json_bad_value(struct error *err, const char *expected);

/* ---- json_read_value.c ---- */

/* The value of a field as a whole: a list, a map, a single value or null. */
enum status json_read_member(struct json_reader *reader, const struct field *field,
			     const struct json_token *token, struct error *err) MUST_CHECK;

/* One value: of a singular field, a list element, the value of a map entry. */
enum status json_read_one(struct json_reader *reader, const struct field *field,
			  const struct json_token *token, struct error *err) MUST_CHECK;

/* The value of a message whose surroundings are open already. */
enum status json_read_message(struct json_reader *reader, const struct message *message,
			      const struct json_token *token, struct error *err) MUST_CHECK;

enum status json_push_message(struct json_reader *reader, const struct message *message,
			      struct error *err) MUST_CHECK;

enum status json_list_token(struct json_reader *reader, const struct json_token *token,
			    struct error *err) MUST_CHECK;
enum status json_map_token(struct json_reader *reader, const struct json_token *token,
			   struct error *err) MUST_CHECK;
void json_keys_free(struct json_keys *keys);

/* ---- json_read_any.c ---- */

enum status json_any_token(struct json_reader *reader, const struct json_token *token,
			   struct error *err) MUST_CHECK;
enum status json_capture_token(struct json_reader *reader, const struct json_token *token,
			       struct error *err) MUST_CHECK;
enum status json_any_value_token(struct json_reader *reader, const struct json_token *token,
				 struct error *err) MUST_CHECK;

/* The object that is the inside of an Any of this type. */
enum status json_push_any_body(struct json_reader *reader, const struct message *message,
			       bool has_type, struct error *err) MUST_CHECK;

#endif
