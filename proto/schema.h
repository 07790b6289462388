#ifndef HEADGATE_PROTO_SCHEMA_H
#define HEADGATE_PROTO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* Largest FileDescriptorSet: what the function may send in one message (ruling R5). */
#define SCHEMA_BYTES_MAX ((size_t)12 * 1024 * 1024)

/* Counts, each far above the largest public API sets (a few thousand messages), so that 12 MiB of
 * two-byte elements cannot become gigabytes of structs. */
#define SCHEMA_FILES_MAX 4096
#define SCHEMA_MESSAGES_MAX 65536
#define SCHEMA_FIELDS_MAX 262144
#define SCHEMA_ENUM_VALUES_MAX 262144
#define SCHEMA_METHODS_MAX 65536

/* Message declared within message; protoc's own limit is 32. */
#define SCHEMA_NESTING_MAX 32

/* The types of one user function, built once from its FileDescriptorSet: an immutable snapshot that
 * is shared by reference. Everything reachable from it is borrowed for as long as a reference is
 * held. All fields of the structs below are read only. Names are spans; full_name, json_name and
 * path are followed by a NUL as well. */
struct schema;

/* Spec: google/protobuf/descriptor.proto, FieldDescriptorProto.Type */
enum field_type {
	FIELD_DOUBLE = 1,
	FIELD_FLOAT,
	FIELD_INT64,
	FIELD_UINT64,
	FIELD_INT32,
	FIELD_FIXED64,
	FIELD_FIXED32,
	FIELD_BOOL,
	FIELD_STRING,
	FIELD_GROUP,
	FIELD_MESSAGE,
	FIELD_BYTES,
	FIELD_UINT32,
	FIELD_ENUM,
	FIELD_SFIXED32,
	FIELD_SFIXED64,
	FIELD_SINT32,
	FIELD_SINT64,
};

/* Messages with a meaning of their own. Set only when the message has the fields it should have. */
enum known_type {
	KNOWN_NONE,
	KNOWN_ANY,
	KNOWN_TIMESTAMP,
	KNOWN_DURATION,
	KNOWN_FIELD_MASK,
	KNOWN_STRUCT,
	KNOWN_VALUE,
	KNOWN_LIST_VALUE,
	KNOWN_EMPTY,
	KNOWN_WRAPPER,	 /* google.protobuf.*Value with one scalar field 1, "value" */
	KNOWN_HTTP_BODY, /* google.api.HttpBody; ordinary in JSON */
};

struct proto_file {
	struct span name;
	struct span package;
	struct span syntax;	 /* "proto2", "proto3" or "editions" */
	struct span options;	 /* raw FileOptions */
	struct span raw;	 /* the FileDescriptorProto itself, for reflection */
	struct span source_info; /* raw SourceCodeInfo, empty when the set came without */
	const struct proto_file **imports;
	size_t import_count;
	bool is_builtin; /* came with Headgate, not with the set */
};

struct oneof {
	struct span name;
	const struct message *parent;
	const struct field **fields; /* in order of declaration */
	size_t field_count;
	uint32_t index; /* in message->oneofs */
};

struct field {
	uint32_t number;
	enum field_type type;
	struct span name;
	struct span json_name;
	struct span full_name;
	struct span options;	       /* raw FieldOptions */
	struct span default_text;      /* as the descriptor has it; meaningful when has_default */
	const struct message *parent;  /* of an extension: the message it extends */
	const struct message *message; /* of MESSAGE and GROUP */
	const struct enum_type *enum_type; /* of ENUM */
	const struct oneof *oneof;	   /* NULL also for proto3 optional */
	uint32_t index;			   /* in parent->fields */
	uint32_t declared_index;	   /* in the descriptor (comments) */
	bool is_repeated;		   /* maps too */
	bool is_map;
	bool is_required;
	bool is_packed;	   /* written packed; both forms are always read */
	bool has_presence; /* set and unset differ even for the default value */
	bool has_default;
	bool is_utf8;	   /* STRING that must be valid UTF-8 */
	bool is_extension; /* name and json_name are "[full.name]" */
	/* for printing: the quoted name with its colon */
	struct span json_key_;
	struct span name_key_;
};

struct message {
	struct span name;
	struct span full_name;
	struct span options;	    /* raw MessageOptions */
	const struct field *fields; /* sorted by number; extensions are among them */
	size_t field_count;
	const struct oneof *oneofs; /* declared ones; not those made for proto3 optional */
	size_t oneof_count;
	const struct proto_file *file;
	const struct message *parent; /* NULL at file level */
	const struct field *map_key;  /* of a map entry, else NULL */
	const struct field *map_value;
	enum known_type known;
	uint32_t declared_index; /* in parent or file (comments) */
	bool is_map_entry;
	bool is_message_set; /* its extensions are not among its fields */
	/* lookup tables */
	const struct field **by_number_;
	size_t by_number_count_;
	struct schema_key *keys_;
	size_t key_count_;
};

struct enum_value {
	struct span name;
	int32_t number;
	struct span options; /* raw EnumValueOptions */
};

struct enum_type {
	struct span name;
	struct span full_name;
	struct span options;		 /* raw EnumOptions */
	const struct enum_value *values; /* in order of declaration; [0] is the default */
	size_t value_count;
	const struct proto_file *file;
	const struct message *parent; /* NULL at file level */
	uint32_t declared_index;
	bool is_closed;	    /* numbers outside the list are not values (proto2) */
	bool is_null_value; /* google.protobuf.NullValue */
	/* lookup tables */
	const struct enum_value **by_number_;
	const struct enum_value **by_name_;
};

struct method {
	struct span name;
	struct span full_name; /* pkg.Service.Method */
	struct span path;      /* /pkg.Service/Method */
	struct span options;   /* raw MethodOptions */
	const struct service *service;
	const struct message *input;
	const struct message *output;
	uint32_t declared_index;
	bool client_streaming;
	bool server_streaming;
};

struct service {
	struct span name;
	struct span full_name;
	struct span options; /* raw ServiceOptions */
	const struct method *methods;
	size_t method_count;
	const struct proto_file *file;
	uint32_t declared_index;
};

/* Builds the types of a serialized FileDescriptorSet; the bytes are copied. Files may come in any
 * order; imports that are not in the set are taken from the files built into Headgate
 * (google/protobuf, google/api, google/rpc, cloudstate) when they are there. ST_INVALID_ARGUMENT
 * says what is wrong and where: malformed bytes, missing import (with the path of imports that
 * leads to it), circular import (with its path), duplicate name, unknown type, a limit above. */
enum status schema_new(struct span descriptor_set, struct schema **ret_schema,
		       struct error *err) MUST_CHECK;

/* All the files that came with Headgate, as a schema of their own. */
enum status schema_new_builtin(struct schema **ret_schema, struct error *err) MUST_CHECK;

struct schema *schema_ref(struct schema *schema);

/* NULL is a no-op. */
void schema_unref(struct schema *schema);

/* Lookups by full name without leading dot; NULL when there is none. */
const struct message *schema_find_message(const struct schema *schema, struct span full_name);
const struct enum_type *schema_find_enum(const struct schema *schema, struct span full_name);
const struct service *schema_find_service(const struct schema *schema, struct span full_name);
const struct proto_file *schema_find_file(const struct schema *schema, struct span name);

/* The file that declares a symbol (message, enum, service, method, field, enum value), for
 * reflection. */
const struct proto_file *schema_find_symbol(const struct schema *schema, struct span full_name);

/* By gRPC path, "/pkg.Service/Method". */
const struct method *schema_find_method(const struct schema *schema, struct span path);

/* The message a type URL names: what follows the last slash. NULL when the URL has no slash. */
const struct message *schema_find_type_url(const struct schema *schema, struct span type_url);

/* All files (the set's first, in its order, then built-in ones in use) and all services. */
size_t schema_file_count(const struct schema *schema);
const struct proto_file *schema_file(const struct schema *schema, size_t index);
size_t schema_service_count(const struct schema *schema);
const struct service *schema_service(const struct schema *schema, size_t index);

/* Fields of a message; NULL when there is none. By key: json_name first, then proto name. */
const struct field *schema_field_by_number(const struct message *message, uint32_t number);
const struct field *schema_field_by_name(const struct message *message, struct span name);
const struct field *schema_field_by_key(const struct message *message, struct span key);

/* Values of an enum; the first declared one when several share the number. */
const struct enum_value *schema_enum_by_number(const struct enum_type *type, int32_t number);
const struct enum_value *schema_enum_by_name(const struct enum_type *type, struct span name);

/* The comment above an element, named by its path in the file descriptor (numbers and indexes, as
 * in SourceCodeInfo.Location.path); empty when there is none. */
struct span schema_comment(const struct proto_file *file, const uint32_t *path, size_t count);

/* Types whose values may be packed: all scalars but strings and bytes. */
bool schema_type_is_packable(enum field_type type);

/* The wire type of one (unpacked) value. */
enum wire_type schema_wire_type(enum field_type type);

/* Says whether wire bytes are an instance of a message as a strict parser sees it: well-formed at
 * all levels, at most WIRE_DEPTH_MAX deep, strings valid UTF-8 where the schema asks for it. Fields
 * that are not in the schema, or have another wire type, are unknown and only skipped. */
enum status schema_check(const struct message *message, struct span wire,
			 struct error *err) MUST_CHECK;

#endif
