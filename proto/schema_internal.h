#ifndef HEADGATE_PROTO_SCHEMA_INTERNAL_H
#define HEADGATE_PROTO_SCHEMA_INTERNAL_H

/* What the files named schema*.c share. A schema is built in four steps: the files are put in order
 * (schema_file), every message, enum and service gets its name (schema_declare), fields and methods
 * are read, now that all names they may use are known (schema_define), and the well-known types are
 * marked (schema_known). */

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/map.h"

/* Memory of one schema. A field costs about 400 bytes with its names and lookup tables, so this
 * holds SCHEMA_FIELDS_MAX of them beside the largest descriptor set. */
#define SCHEMA_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* How values behave where the syntax of the file leaves it open. Spec: descriptor.proto,
 * FeatureSet; the numbers are those of its enums. */
struct schema_features {
	uint8_t presence;  /* 1 explicit, 2 implicit, 3 required */
	uint8_t enum_kind; /* 1 open, 2 closed */
	uint8_t repeated;  /* 1 packed, 2 expanded */
	uint8_t utf8;	   /* 2 verify, 3 none */
	uint8_t encoding;  /* 1 length prefixed, 2 delimited */
};

struct schema_file_entry {
	struct proto_file file;
	struct map_node node;
	struct schema_features features;
	uint8_t visit; /* 0 not seen, 1 on the path, 2 done */
};

enum schema_symbol_kind {
	SCHEMA_MESSAGE,
	SCHEMA_ENUM,
	SCHEMA_SERVICE,
	SCHEMA_OTHER, /* field, enum value, method, extension: only their file is of interest */
};

struct schema_symbol {
	struct map_node node;
	enum schema_symbol_kind kind;
	const struct proto_file *file;
	const void *thing;
};

/* An extension, not yet among the fields of the message it extends. */
struct schema_extension {
	struct span raw;
	struct span scope; /* where it is declared: names of types are relative to it */
	struct span full_name;
	struct schema_features features;
	const struct proto_file *file;
	struct schema_extension *next;		  /* in the schema */
	struct schema_extension *next_of_message; /* in the message */
};

/* Declared, not yet defined. */
struct schema_message_entry {
	struct message message;
	struct span raw;
	struct schema_features features;
	struct schema_extension *extensions;
	struct field *fields; /* message.fields, while building */
	struct schema_message_entry *next;
};

struct schema_service_entry {
	struct service service;
	struct span raw;
	struct schema_service_entry *next;
};

struct schema_method_node {
	struct map_node node;
	const struct method *method;
};

struct schema {
	size_t refs;
	struct arena arena;
	struct map files_by_name;
	struct map symbols;
	struct map methods;
	struct schema_file_entry **files;
	size_t file_count;
	const struct service **services;
	size_t service_count;
	/* while building */
	struct schema_message_entry *first_message;
	struct schema_message_entry **last_message;
	struct schema_service_entry *first_service;
	struct schema_service_entry **last_service;
	struct schema_extension *first_extension; /* the last declared */
	size_t message_count;
	size_t field_count;
	size_t enum_value_count;
	size_t method_count;
};

/* A key of a message field with its bytes inline in the table, sorted. */
struct schema_key {
	struct span key;
	const struct field *field;
	bool is_json_name;
};

/* The descriptor set compiled into the program. */
extern const uint8_t schema_builtin_set[];
extern const size_t schema_builtin_set_len;

/* ---- helpers of schema.c ---- */

enum status schema_no_memory(struct error *err);

/* The content of an embedded message that may occur in several parts. */
enum status schema_merged(struct schema *schema, struct span raw, uint32_t number,
			  struct span *ret_content, struct error *err) MUST_CHECK;

/* "prefix.name" (or just name) with a NUL behind it; empty when the arena is used up. */
struct span schema_join(struct schema *schema, struct span prefix, struct span name);

/* Registers a full name; an error when it is there already. */
enum status schema_add_symbol(struct schema *schema, struct span full_name,
			      enum schema_symbol_kind kind, const struct proto_file *file,
			      const void *thing, struct error *err) MUST_CHECK;

const struct schema_symbol *schema_symbol(const struct schema *schema, struct span full_name);

/* True for a letter or underscore followed by letters, digits, underscores. */
bool schema_is_identifier(struct span name);

/* Takes over what a FeatureSet inside raw options says; number is its field there. */
void schema_features_merge(struct schema_features *features, struct span options, uint32_t number);

/* ---- the steps ---- */

enum status schema_load_files(struct schema *schema, struct span set, struct error *err) MUST_CHECK;
enum status schema_declare(struct schema *schema, struct error *err) MUST_CHECK;
enum status schema_define(struct schema *schema, struct error *err) MUST_CHECK;
void schema_mark_known(struct schema *schema);

#endif
