#ifndef HEADGATE_TESTS_FAKES_FAKE_SPEC_H
#define HEADGATE_TESTS_FAKES_FAKE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/schema.h"
#include "src/base/buf.h"

/* Builds serialized cloudstate.EntitySpec messages for tests. Lists end with a NULL name. */
struct fake_field {
	const char *name;
	uint32_t number;
	enum field_type type;
	const char *type_name; /* of messages and enums, with the leading dot */
	bool is_repeated;
	bool is_key;
	bool is_legacy_key;
	const char *default_text;
};

struct fake_message {
	const char *name;
	const struct fake_field *fields;
};

struct fake_method {
	const char *name;
	const char *input; /* with the leading dot */
	const char *output;
	bool client_streaming;
	bool server_streaming;
	const char *in_log; /* cloudstate.eventing; NULL: not there, as the next */
	const char *in_topic;
	const char *group;
	const char *out_topic;
	bool has_empty_in; /* a source, or a destination, that names nothing */
	bool has_empty_out;
};

struct fake_service {
	const char *name;
	const struct fake_method *methods;
};

/* One proto3 file (proto2 when is_proto2) with an enum Colour { RED = 0; GREEN = 5; }. */
struct fake_file {
	const char *name;
	const char *package;
	const char *import; /* NULL: none */
	bool is_proto2;
	const struct fake_message *messages;
	const struct fake_service *services;
};

struct fake_entity {
	const char *type; /* NULL: event sourced */
	const char *service;
	const char *persistence_id;
	int64_t passivation_ms; /* 0: none */
};

struct fake_spec {
	const struct fake_file *files;
	const struct fake_entity *entities; /* ends with a NULL service */
	int32_t major;
	int32_t minor;
};

/* Appends to out. */
void fake_spec_write(const struct fake_spec *spec, struct buf *out);

/* A counter: service test.Counter with Increase(test.Amount) and Get(test.Amount), both returning
 * test.Amount { string id = 1 [key]; int64 amount = 2; }, persistence id "counter". */
void fake_spec_counter(int32_t minor, int64_t passivation_ms, struct buf *out);
/* The same as a value entity. */
void fake_spec_value_counter(int64_t passivation_ms, struct buf *out);

#endif
