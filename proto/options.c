/* Method and field options that mean something to the gateway, read from their raw bytes.
 *
 * Records are taken in order over all occurrences of an extension, which is how protobuf merges a
 * message that comes in parts: a later scalar wins, a later member of a oneof replaces an earlier
 * one, repeated fields add up. */
#include "proto/options.h"

#include "proto/wire.h"

/* additional_bindings of additional_bindings: kept, so that start-up can name them as the error
 * they are, but no deeper. */
#define OPTIONS_RULE_DEPTH_MAX 3

struct options_context {
	struct arena *arena;
	size_t bindings;
	struct error *err;
};

static enum status options_rule_read(struct options_context *context, struct span wire,
				     unsigned depth, struct options_http_rule *rule);

static enum status options_no_room(struct options_context *context)
{
	return error_set(context->err, ST_RESOURCE_EXHAUSTED, "too many HTTP bindings");
}

static size_t options_count(struct span wire, uint32_t number)
{
	struct wire_reader reader;
	struct wire_field field;
	size_t count = 0;

	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &field))
		count += field.number == number && field.type == WIRE_BYTES;
	return count;
}

static void options_rule_custom(struct span wire, struct options_http_rule *rule)
{
	struct wire_field field;

	if (!rule->is_custom) {
		rule->verb = SPAN_EMPTY;
		rule->path = SPAN_EMPTY;
	}
	if (wire_find_last(wire, 1, WIRE_BYTES, &field))
		rule->verb = field.bytes;
	if (wire_find_last(wire, 2, WIRE_BYTES, &field))
		rule->path = field.bytes;
	rule->is_custom = true;
}

static void options_rule_pattern(struct options_http_rule *rule, struct span verb, struct span path)
{
	rule->verb = verb;
	rule->path = path;
	rule->is_custom = false;
}

/* One record of a rule, apart from additional_bindings. */
static void options_rule_record(const struct wire_field *field, struct options_http_rule *rule)
{
	switch (field->number) {
	case 1:
		rule->selector = field->bytes;
		break;
	case 2:
		options_rule_pattern(rule, SPAN_LIT("GET"), field->bytes);
		break;
	case 3:
		options_rule_pattern(rule, SPAN_LIT("PUT"), field->bytes);
		break;
	case 4:
		options_rule_pattern(rule, SPAN_LIT("POST"), field->bytes);
		break;
	case 5:
		options_rule_pattern(rule, SPAN_LIT("DELETE"), field->bytes);
		break;
	case 6:
		options_rule_pattern(rule, SPAN_LIT("PATCH"), field->bytes);
		break;
	case 7:
		rule->body = field->bytes;
		rule->has_body_option = true;
		break;
	case 8:
		options_rule_custom(field->bytes, rule);
		break;
	case 12:
		rule->response_body = field->bytes;
		rule->has_response_body_option = true;
		break;
	default:
		break;
	}
}

/* Reads wire on top of what rule holds; additional has room for what is still to come. */
static enum status options_rule_merge(struct options_context *context, struct span wire,
				      unsigned depth, struct options_http_rule *additional,
				      struct options_http_rule *rule)
{
	struct wire_reader reader;
	struct wire_field field;
	enum status status = ST_OK;

	wire_reader_init(&reader, wire);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number != 11)
			options_rule_record(&field, rule);
		else if (depth + 1 == OPTIONS_RULE_DEPTH_MAX)
			status = error_set(context->err, ST_INVALID_ARGUMENT,
					   "additional_bindings nested too deep");
		else
			status = options_rule_read(context, field.bytes, depth + 1,
						   &additional[rule->additional_count++]);
	}
	if (status == ST_OK && reader.is_bad)
		status = error_set(context->err, ST_INVALID_ARGUMENT, "malformed HttpRule");
	return status;
}

static enum status options_rule_room(struct options_context *context, size_t count,
				     struct options_http_rule **ret_additional)
{
	context->bindings += count;
	if (context->bindings > OPTIONS_BINDINGS_MAX)
		return options_no_room(context);
	*ret_additional = arena_new_array(context->arena, struct options_http_rule, count + 1);
	return *ret_additional ? ST_OK : options_no_room(context);
}

static enum status options_rule_read(struct options_context *context, struct span wire,
				     unsigned depth, struct options_http_rule *rule)
{
	struct options_http_rule *additional;
	enum status status = options_rule_room(context, options_count(wire, 11), &additional);

	if (status != ST_OK)
		return status;
	rule->additional = additional;
	return options_rule_merge(context, wire, depth, additional, rule);
}

enum status options_http_rule_decode(struct span wire, struct arena *arena,
				     struct options_http_rule *ret_rule, struct error *err)
{
	struct options_context context = {arena, 0, err};
	struct options_http_rule rule = {0};
	enum status status = options_rule_read(&context, wire, 0, &rule);

	if (status == ST_OK)
		*ret_rule = rule;
	return status;
}

static enum status options_method_rule(const struct method *method, struct options_context *context,
				       struct options_http_rule **ret_rule)
{
	struct options_http_rule *additional;
	struct options_http_rule *rule = NULL;
	struct wire_reader reader;
	struct wire_field field;
	size_t count = 0;
	enum status status;

	wire_reader_init(&reader, method->options);
	while (wire_next(&reader, &field))
		if (field.number == OPTIONS_HTTP_NUMBER && field.type == WIRE_BYTES)
			count += options_count(field.bytes, 11);
	status = options_rule_room(context, count, &additional);
	wire_reader_init(&reader, method->options);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.number != OPTIONS_HTTP_NUMBER || field.type != WIRE_BYTES)
			continue;
		if (!rule)
			rule = arena_new(context->arena, struct options_http_rule);
		if (!rule)
			return options_no_room(context);
		rule->additional = additional;
		status = options_rule_merge(context, field.bytes, 0, additional, rule);
	}
	*ret_rule = rule;
	return status;
}

enum status options_http_rule(const struct method *method, struct arena *arena,
			      const struct options_http_rule **ret_rule, struct error *err)
{
	struct options_context context = {arena, 0, err};
	struct options_http_rule *rule = NULL;
	enum status status = options_method_rule(method, &context, &rule);

	if (status != ST_OK) {
		(void)error_wrap(err, "google.api.http of %.*s", SPAN_FMT(method->full_name));
		return status;
	}
	*ret_rule = rule;
	return ST_OK;
}

static bool options_is_true(struct span options, uint32_t number)
{
	struct wire_field field;

	return wire_find_last(options, number, WIRE_VARINT, &field) && field.integer != 0;
}

bool options_is_entity_key(const struct field *field)
{
	return options_is_true(field->options, OPTIONS_ENTITY_KEY_NUMBER) ||
	       options_is_true(field->options, OPTIONS_LEGACY_ENTITY_KEY_NUMBER);
}

/* ---- eventing ---- */

static bool options_source_read(struct span wire, struct options_eventing *eventing)
{
	struct wire_reader reader;
	struct wire_field field;

	eventing->has_in = true;
	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1) {
			eventing->consumer_group = field.bytes;
		} else if (field.number == 2 || field.number == 3) {
			eventing->source = field.bytes;
			eventing->source_kind =
				field.number == 2 ? OPTIONS_SOURCE_TOPIC : OPTIONS_SOURCE_EVENT_LOG;
		}
	}
	return !reader.is_bad;
}

static bool options_destination_read(struct span wire, struct options_eventing *eventing)
{
	struct wire_reader reader;
	struct wire_field field;

	eventing->has_out = true;
	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &field))
		if (field.number == 1 && field.type == WIRE_BYTES)
			eventing->topic_out = field.bytes;
	return !reader.is_bad;
}

static bool options_eventing_read(struct span wire, struct options_eventing *eventing)
{
	struct wire_reader reader;
	struct wire_field field;
	bool is_ok = true;

	wire_reader_init(&reader, wire);
	while (is_ok && wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			is_ok = options_source_read(field.bytes, eventing);
		else if (field.number == 2)
			is_ok = options_destination_read(field.bytes, eventing);
	}
	return is_ok && !reader.is_bad;
}

enum status options_eventing(const struct method *method, struct options_eventing *ret_eventing,
			     bool *ret_is_present, struct error *err)
{
	struct options_eventing eventing = {0};
	struct wire_reader reader;
	struct wire_field field;
	bool is_present = false;

	wire_reader_init(&reader, method->options);
	while (wire_next(&reader, &field)) {
		if (field.number != OPTIONS_EVENTING_NUMBER || field.type != WIRE_BYTES)
			continue;
		is_present = true;
		if (!options_eventing_read(field.bytes, &eventing))
			return error_set(err, ST_INVALID_ARGUMENT,
					 "malformed cloudstate.eventing of %.*s",
					 SPAN_FMT(method->full_name));
	}
	*ret_eventing = eventing;
	*ret_is_present = is_present;
	return ST_OK;
}
