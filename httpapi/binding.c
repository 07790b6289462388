/* The tree mirrors the request message: inner nodes are messages on the way, leaves hold the
 * records of one field, ready to be copied into the message. Every value is turned into its records
 * at once (so a bad one is found here, with the name the client used) and all records lie in one
 * buf. */
#include "httpapi/binding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "httpapi/status_map.h"
#include "proto/json.h"
#include "src/base/text.h"

/* All violations with names and texts at their longest. */
#define VIOLATIONS_BYTES_MAX                                                                       \
	((size_t)(BINDING_VIOLATIONS_MAX + 1) * (ERROR_FIELD_MAX + ERROR_MESSAGE_MAX + 16))

void binding_init(struct binding *binding, const struct message *message, struct arena *arena,
		  const struct schema *schema, const struct transcode_options *options)
{
	*binding = (struct binding){
		.root.message = message, .arena = arena, .schema = schema, .options = options};
	buf_init(&binding->values, BINDING_VALUES_MAX);
	buf_init(&binding->text_, BINDING_VALUES_MAX);
	buf_init(&binding->name_, BINDING_VALUES_MAX);
	buf_init(&binding->violations, VIOLATIONS_BYTES_MAX);
}

void binding_fini(struct binding *binding)
{
	buf_fini(&binding->values);
	buf_fini(&binding->text_);
	buf_fini(&binding->name_);
	buf_fini(&binding->violations);
}

static enum status exhausted(struct binding *binding, const char *what)
{
	return error_set(binding->err_, ST_RESOURCE_EXHAUSTED, "%s", what);
}

enum status binding_violate(struct binding *binding, struct span prefix, struct span field,
			    const char *format, ...)
{
	struct error text;
	char message[ERROR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args); /* cut is fine */
	va_end(args);
	/* Goes through error_set and error_set_field, which cut at the end of a character. */
	(void)error_set(&text, ST_INVALID_ARGUMENT, "%s", message);
	error_set_field(&text, "%.*s%.*s", SPAN_FMT(prefix),
			SPAN_FMT(text_is_utf8(field) ? field : SPAN_EMPTY));
	if (binding->violation_count++ < BINDING_VIOLATIONS_MAX)
		(void)status_violation_add(&binding->violations, span_from_str(text.field),
					   span_from_str(text.message)); /* made to fit */
	if (binding->violation_count == 1 && binding->err_) {
		(void)error_set(binding->err_, ST_INVALID_ARGUMENT, "%s: %.300s", text.field,
				text.message);
		error_set_field(binding->err_, "%s", text.field);
	}
	return ST_INVALID_ARGUMENT;
}

#define QUERY_PREFIX SPAN_LIT("?")

/* ---- the tree ---------------------------------------------------------------------------- */

static struct binding_node *child_of(const struct binding_node *node, const struct field *field)
{
	for (struct binding_node *it = node->children; it; it = it->next)
		if (it->field == field)
			return it;
	return NULL;
}

const struct binding_node *binding_find(const struct binding *binding, const struct field *field)
{
	const struct binding_node *node = child_of(&binding->root, field);

	return node && node->is_leaf ? node : NULL;
}

/* A node below parent, made when it is not there. NULL: a limit. */
static struct binding_node *child_at(struct binding *binding, struct binding_node *parent,
				     const struct field *field)
{
	struct binding_node *node = child_of(parent, field);

	if (node)
		return node;
	if (binding->node_count == BINDING_NODES_MAX)
		return NULL;
	node = arena_new(binding->arena, struct binding_node);
	if (!node)
		return NULL;
	binding->node_count++;
	node->field = field;
	node->message = field->message;
	node->parent = parent;
	node->next = parent->children;
	node->last_value = &node->values;
	parent->children = node;
	parent->child_count++;
	return node;
}

static enum status append_value(struct binding *binding, struct binding_node *leaf, size_t offset)
{
	struct binding_value *value = arena_new(binding->arena, struct binding_value);

	if (!value)
		return exhausted(binding, "too many parameters");
	value->offset = offset;
	value->len = buf_len(&binding->values) - offset;
	*leaf->last_value = value;
	leaf->last_value = &value->next;
	return ST_OK;
}

enum status binding_add_records(struct binding *binding, const struct field *field,
				struct span records, struct error *err)
{
	size_t offset = buf_len(&binding->values);
	struct binding_node *leaf;

	binding->err_ = err;
	leaf = child_at(binding, &binding->root, field);
	if (!leaf || !buf_append(&binding->values, records))
		return exhausted(binding, "too many parameters");
	leaf->is_leaf = true;
	leaf->written = field->name;
	return append_value(binding, leaf, offset);
}

/* ---- values ------------------------------------------------------------------------------ */

/* What one parameter says. */
struct parameter {
	enum binding_origin origin;
	struct span prefix; /* before the name in a violation */
	struct span name;
	struct span text;
	struct span map_key;
	bool has_map_key;
};

/* A value of JSON may be as deep as the messages around it leave room for. */
static struct json_read_options read_options(const struct binding *binding,
					     const struct binding_node *leaf)
{
	unsigned around = leaf->field->is_map; /* the entry */

	for (const struct binding_node *it = leaf; it->parent; it = it->parent)
		around++;
	return (struct json_read_options){
		.schema = binding->schema,
		.ignore_enum_case = binding->options->ignore_enum_case,
		.depth_max = WIRE_DEPTH_MAX - around,
	};
}

/* Puts the record of a map entry: its key is text as well. */
static enum status put_map_entry(const struct json_read_options *options, const struct field *field,
				 const struct parameter *from, struct wire_writer *writer,
				 struct error *err)
{
	struct wire_nest nest = wire_begin(writer, field->number);
	enum status status = json_key_to_wire(field->message->map_key, from->map_key, writer, err);

	if (status)
		return error_wrap(err, "map key");
	status = json_text_to_wire(field->message->map_value, from->text, options, writer, err);
	wire_end(writer, nest);
	return status;
}

/* Appends the records of a value to binding->values. */
static enum status put_value(struct binding *binding, const struct binding_node *leaf,
			     const struct parameter *from, struct error *err)
{
	struct json_read_options options = read_options(binding, leaf);
	const struct field *field = leaf->field;
	struct wire_writer writer;
	enum status status;

	wire_writer_init(&writer, &binding->values);
	status = field->is_map ? put_map_entry(&options, field, from, &writer, err)
			       : json_text_to_wire(field, from->text, &options, &writer, err);
	if (!status && !wire_finish(&writer))
		status = error_set(err, ST_RESOURCE_EXHAUSTED, "the parameters are too long");
	wire_writer_fini(&writer);
	return status;
}

/* The record of the key in a map entry's record; empty: the default key. */
static struct span entry_key(struct span entry)
{
	struct wire_reader reader;
	struct wire_field record;
	struct span key = SPAN_EMPTY;

	wire_reader_init(&reader, entry);
	if (!wire_next(&reader, &record))
		return key;
	wire_reader_init(&reader, record.bytes);
	while (wire_next(&reader, &record))
		if (record.number == 1)
			key = record.record;
	return key;
}

static bool has_entry(const struct binding *binding, const struct binding_node *leaf,
		      struct span entry)
{
	struct span key = entry_key(entry);

	for (const struct binding_value *it = leaf->values; it; it = it->next)
		if (span_eq(entry_key(binding_value_span(binding, it)), key))
			return true;
	return false;
}

/* Another member of the same oneof that has a value already. */
static const struct binding_node *oneof_rival(const struct binding_node *node)
{
	if (!node->field->oneof)
		return NULL;
	for (const struct binding_node *it = node->parent->children; it; it = it->next)
		if (it != node && it->field->oneof == node->field->oneof)
			return it;
	return NULL;
}

/* Says whether the leaf may take one more value from here. */
static enum status check_leaf(struct binding *binding, const struct binding_node *leaf,
			      const struct parameter *from)
{
	if (leaf->values && leaf->origin == BINDING_PATH)
		return binding_violate(binding, from->prefix, from->name,
				       "is given by the path already");
	if (leaf->values && !leaf->field->is_repeated)
		return binding_violate(binding, from->prefix, from->name,
				       "is given more than once");
	for (const struct binding_node *it = leaf; it->parent; it = it->parent) {
		const struct binding_node *rival = oneof_rival(it);

		if (rival)
			return binding_violate(binding, from->prefix, from->name,
					       "only one of %.*s and %.*s can be set",
					       SPAN_FMT(rival->field->name),
					       SPAN_FMT(it->field->name));
	}
	return ST_OK;
}

static enum status add_value(struct binding *binding, struct binding_node *leaf,
			     const struct parameter *from)
{
	size_t offset = buf_len(&binding->values);
	struct error err;
	enum status status = check_leaf(binding, leaf, from);

	if (status)
		return status;
	status = put_value(binding, leaf, from, &err);
	if (status)
		buf_truncate(&binding->values, offset);
	if (status == ST_RESOURCE_EXHAUSTED)
		return exhausted(binding, err.message);
	if (status)
		return binding_violate(binding, from->prefix, from->name, "%s", err.message);
	if (leaf->field->is_map &&
	    has_entry(binding, leaf, span_skip(buf_span(&binding->values), offset)))
		return binding_violate(binding, from->prefix, from->name,
				       "is given more than once");
	return append_value(binding, leaf, offset);
}

/* Goes down the steps and adds the value at their end. */
static enum status add_at(struct binding *binding, const struct field *const *steps, size_t count,
			  const struct parameter *from)
{
	struct binding_node *node = &binding->root;

	for (size_t i = 0; i < count; i++) {
		node = child_at(binding, node, steps[i]);
		if (!node)
			return exhausted(binding, "too many different parameters");
	}
	if (!node->is_leaf) {
		node->is_leaf = true;
		node->origin = from->origin;
		node->written = arena_span(binding->arena, from->name);
	}
	return add_value(binding, node, from);
}

/* ---- path -------------------------------------------------------------------------------- */

/* Spec: RFC 3986 2.2, RFC 6570 1.5 */
static bool is_reserved(int c)
{
	return c > 0 && strchr(":/?#[]@!$&'()*+,;=", c) != NULL;
}

static int hex(int c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Decodes all escapes but those of reserved characters. The path is known to be well-formed. */
static bool decode_unreserved(struct span raw, struct buf *out)
{
	bool is_written = true;

	for (size_t i = 0; i < raw.len && is_written; i++) {
		struct span escape = span_head(span_skip(raw, i), 3);
		int c = raw.data[i];

		if (c != '%') {
			is_written = buf_append_byte(out, (uint8_t)c);
			continue;
		}
		c = hex(raw.data[i + 1]) << 4 | hex(raw.data[i + 2]);
		is_written =
			is_reserved(c) ? buf_append(out, escape) : buf_append_byte(out, (uint8_t)c);
		i += 2;
	}
	return is_written;
}

bool binding_decode_capture(const struct http_variable *variable, struct span raw,
			    enum transcode_decode multi, struct buf *out)
{
	enum transcode_decode decode = variable->is_multi ? multi : TRANSCODE_DECODE_ALL;

	if (decode == TRANSCODE_DECODE_RESERVED)
		return decode_unreserved(raw, out);
	return text_percent_decode(raw, decode == TRANSCODE_DECODE_SLASH, out);
}

static bool decode_capture(struct binding *binding, const struct http_variable *variable,
			   struct span raw, struct span *ret_text)
{
	*ret_text = raw;
	if (span_find(raw, '%') == raw.len)
		return true;
	buf_reset(&binding->text_);
	if (!binding_decode_capture(variable, raw, binding->options->decode, &binding->text_))
		return false;
	*ret_text = buf_span(&binding->text_);
	return true;
}

enum status binding_add_path(struct binding *binding, const struct route_match *match,
			     struct error *err)
{
	const struct http_rule *rule = &match->route->rule;
	enum status result = ST_OK;

	binding->err_ = err;
	for (size_t i = 0; i < rule->variable_count; i++) {
		const struct http_variable *variable = &rule->variables[i];
		struct parameter from = {.origin = BINDING_PATH, .name = variable->text};
		enum status status;

		if (!decode_capture(binding, variable, match->captures[i], &from.text))
			return exhausted(binding, "the path is too long");
		status = add_at(binding, variable->steps, variable->step_count, &from);
		if (status == ST_RESOURCE_EXHAUSTED)
			return status;
		if (status)
			result = status;
	}
	return result;
}

/* ---- query ------------------------------------------------------------------------------- */

/* What a parameter's name leads to. */
struct target {
	const struct field *steps[BINDING_DEPTH_MAX];
	size_t count;
};

/* `a.b.c` or `a.m[key]`: finds the fields. from->map_key is set as well. *ret_is_unknown: some step
 * names no field (then nothing is noted yet). */
static enum status resolve(struct binding *binding, const struct parameter *from,
			   struct target *target, bool *ret_is_unknown, struct span *ret_unknown)
{
	const struct message *message = binding->root.message;
	struct span rest = from->name;

	target->count = 0;
	for (;;) {
		struct span step = span_head(rest, span_find(rest, '.'));
		const struct field *field = schema_field_by_key(message, step);

		if (!field) {
			*ret_is_unknown = true;
			*ret_unknown = step;
			return ST_OK;
		}
		if (target->count == BINDING_DEPTH_MAX)
			return binding_violate(binding, from->prefix, from->name, "is too deep");
		target->steps[target->count++] = field;
		if (step.len == rest.len)
			return ST_OK;
		if (!http_rule_is_step(field))
			return binding_violate(binding, from->prefix, from->name,
					       "%.*s has no fields of its own", SPAN_FMT(step));
		message = field->message;
		rest = span_skip(rest, step.len + 1);
	}
}

/* Takes `[key]` off the end of a name. */
static void split_map_key(struct parameter *from, struct span *ret_name)
{
	size_t open = span_find(from->name, '[');

	*ret_name = from->name;
	if (!from->name.data || open == from->name.len ||
	    from->name.data[from->name.len - 1] != ']')
		return;
	from->map_key = span_make(from->name.data + open + 1, from->name.len - open - 2);
	from->has_map_key = true;
	*ret_name = span_head(from->name, open);
}

static enum status check_kind(struct binding *binding, const struct field *field,
			      const struct parameter *from)
{
	const struct field *value = field;

	if (field->is_map && !from->has_map_key)
		return binding_violate(binding, from->prefix, from->name,
				       "is a map: write %.*s[key]=value", SPAN_FMT(from->name));
	if (!field->is_map && from->has_map_key)
		return binding_violate(binding, from->prefix, from->name, "is not a map");
	if (field->is_map)
		value = field->message->map_value;
	if (!http_rule_is_leaf(value, true))
		return binding_violate(binding, from->prefix, from->name,
				       "is a message; name one of its fields");
	return ST_OK;
}

static bool is_path_bound(const struct binding *binding, const struct target *target)
{
	const struct binding_node *node = &binding->root;

	for (size_t i = 0; node && i < target->count; i++)
		node = child_of(node, target->steps[i]);
	return node && node->is_leaf && node->origin == BINDING_PATH;
}

static bool is_ignored(const struct transcode_options *options, struct span name)
{
	for (size_t i = 0; i < options->ignored_query_count; i++)
		if (span_eq(options->ignored_query[i], name))
			return true;
	return false;
}

/* One decoded parameter. */
static enum status add_parameter(struct binding *binding, const struct http_rule *rule,
				 struct parameter *from)
{
	const struct transcode_options *options = binding->options;
	struct parameter bare = *from;
	struct target target;
	struct span unknown = SPAN_EMPTY;
	bool is_unknown = false;
	enum status status;

	split_map_key(from, &bare.name);
	status = resolve(binding, &bare, &target, &is_unknown, &unknown);
	if (status)
		return status;
	if (!is_unknown && is_path_bound(binding, &target))
		return binding_violate(binding, from->prefix, from->name,
				       "is given by the path already");
	if (rule->body == HTTP_BODY_ALL || is_unknown) {
		if (options->ignore_unknown_query)
			return ST_OK;
		return rule->body == HTTP_BODY_ALL
			       ? binding_violate(binding, from->prefix, from->name,
						 "there are no query parameters here: all "
						 "fields outside the path belong in the body")
			       : binding_violate(binding, from->prefix, from->name,
						 "there is no field %.*s", SPAN_FMT(unknown));
	}
	status = check_kind(binding, target.steps[target.count - 1], from);
	return status ? status : add_at(binding, target.steps, target.count, from);
}

/* Percent-decoding with "+" for a space. */
static bool decode_form(const struct binding *binding, struct span raw, struct buf *out)
{
	if (binding->options->keep_query_plus)
		return text_percent_decode(raw, false, out);
	for (;;) {
		size_t plus = span_find(raw, '+');

		if (!text_percent_decode(span_head(raw, plus), false, out))
			return false;
		if (plus == raw.len)
			return true;
		if (!buf_append_byte(out, ' '))
			return false;
		raw = span_skip(raw, plus + 1);
	}
}

/* `name=value` or `name`, still encoded. */
static enum status add_pair(struct binding *binding, const struct http_rule *rule, struct span pair)
{
	size_t equals = span_find(pair, '=');
	struct parameter from = {.origin = BINDING_QUERY, .prefix = QUERY_PREFIX};
	struct span raw_name = span_head(pair, equals);

	if (raw_name.len == 0)
		return ST_OK;
	buf_reset(&binding->name_);
	if (!decode_form(binding, raw_name, &binding->name_))
		return binding_violate(binding, from.prefix, raw_name, "malformed percent escape");
	from.name = buf_span(&binding->name_);
	if (is_ignored(binding->options, from.name))
		return ST_OK;
	if (!text_is_utf8(from.name))
		return binding_violate(binding, from.prefix, raw_name, "the name is not UTF-8");
	buf_reset(&binding->text_);
	if (!decode_form(binding, span_skip(pair, equals + 1), &binding->text_))
		return binding_violate(binding, from.prefix, from.name,
				       "malformed percent escape in the value");
	from.text = buf_span(&binding->text_);
	return add_parameter(binding, rule, &from);
}

enum status binding_add_query(struct binding *binding, const struct http_rule *rule,
			      struct span query, struct error *err)
{
	enum status result = ST_OK;
	size_t count = 0;

	binding->err_ = err;
	while (query.len) {
		struct span pair = span_head(query, span_find(query, '&'));
		enum status status;

		if (count++ == BINDING_PARAMETERS_MAX)
			return exhausted(binding, "too many query parameters");
		status = add_pair(binding, rule, pair);
		if (status == ST_RESOURCE_EXHAUSTED)
			return status;
		if (status)
			result = status;
		query = span_skip(query, pair.len + 1);
	}
	return result;
}
