/* One binding as an operation: where each field of the request may stand, and what comes back. */
#include <string.h>

#include "httpapi/openapi_internal.h"
#include "src/base/mem.h"
#include "src/config/call_options.h"
#include "src/config/config.h"

/* Query parameters of one operation, and how far below the request message they are looked for:
 * beyond it a list of parameters is no help. All of them are taken, listed or not. */
#define QUERY_PARAMETERS_MAX 200
#define QUERY_DEPTH_MAX 5

#define ERROR_REFERENCE "#/components/responses/Error"

/* ---- path parameters ----------------------------------------------------------------------- */

static json_t *slot_schema(struct openapi *o, const struct openapi_slot *slot)
{
	if (!slot->variable || slot->pattern.len || slot->is_rest)
		return json_pack("{s:s}", "type", "string");
	return openapi_single(o, slot->variable->steps[slot->variable->step_count - 1]);
}

static json_t *slot_example(struct openapi *o, const struct openapi_slot *slot)
{
	if (!slot->variable || slot->pattern.len || slot->is_rest)
		return openapi_text(slot->name);
	return openapi_example_single(o, slot->variable->steps[slot->variable->step_count - 1]);
}

static void slot_describe(struct openapi *o, const struct openapi_slot *slot, json_t *parameter)
{
	const struct http_variable *variable = slot->variable;
	struct buf text;

	buf_init(&text, (size_t)64 * 1024);
	if (variable)
		(void)buf_append(&text,
				 openapi_comment_field(&o->comments,
						       variable->steps[variable->step_count - 1]));
	if (buf_len(&text) && (slot->pattern.len || slot->is_rest))
		(void)buf_append_str(&text, "\n\n");
	if (slot->pattern.len)
		(void)buf_printf(&text, "A part of `%.*s`, which is `%.*s`.%s",
				 SPAN_FMT(variable->text), SPAN_FMT(slot->pattern),
				 slot->is_rest ? " " : "");
	if (slot->is_rest)
		(void)buf_append_str(&text, "May have any number of segments, with slashes between "
					    "them.");
	openapi_set_text(parameter, "description", buf_span(&text));
	buf_fini(&text);
}

static void add_path_parameters(struct openapi *o, const struct openapi_operation *from,
				json_t *parameters)
{
	for (size_t i = 0; i < from->slot_count && openapi_count(o); i++) {
		const struct openapi_slot *slot = &from->slots[i];
		json_t *parameter = json_pack("{s:o,s:s,s:b}", "name", openapi_text(slot->name),
					      "in", "path", "required", 1);

		slot_describe(o, slot, parameter);
		json_object_set_new(parameter, "schema", slot_schema(o, slot));
		json_object_set_new(parameter, "example", slot_example(o, slot));
		json_array_append_new(parameters, parameter);
	}
}

/* ---- query parameters ---------------------------------------------------------------------- */

struct query {
	struct openapi *o;
	const struct http_rule *rule;
	json_t *parameters;
	size_t count;
	const struct field *steps[QUERY_DEPTH_MAX];
	size_t depth;
};

/* True when the path sets the field that the steps lead to. */
static bool query_is_bound(const struct query *query)
{
	for (size_t i = 0; i < query->rule->variable_count; i++) {
		const struct http_variable *variable = &query->rule->variables[i];

		if (variable->step_count == query->depth &&
		    memcmp(variable->steps, query->steps, query->depth * sizeof(query->steps[0])) ==
			    0)
			return true;
	}
	return false;
}

static json_t *query_name(const struct query *query)
{
	struct buf name;
	json_t *text;

	buf_init(&name, (size_t)64 * 1024);
	for (size_t i = 0; i < query->depth; i++)
		(void)buf_printf(&name, "%s%.*s", i ? "." : "",
				 SPAN_FMT(openapi_name(query->o, query->steps[i])));
	text = openapi_text(buf_span(&name));
	buf_fini(&name);
	return text;
}

/* Values that are JSON texts in a query. */
static bool query_is_json(const struct field *field)
{
	return field->type == FIELD_MESSAGE &&
	       (field->message->known == KNOWN_STRUCT || field->message->known == KNOWN_VALUE ||
		field->message->known == KNOWN_LIST_VALUE);
}

static void query_add(struct query *query, const struct field *field)
{
	struct openapi *o = query->o;
	json_t *parameter;

	if (query->count++ >= QUERY_PARAMETERS_MAX || !openapi_count(o))
		return;
	parameter = json_pack("{s:o,s:s}", "name", query_name(query), "in", "query");
	openapi_describe(o, field, parameter);
	if (field == query->rule->mask_field)
		json_object_set_new(parameter, "description",
				    json_string("The fields to be changed; without it, those that "
						"the body has."));
	if ((openapi_behaviour(field) & OPENAPI_REQUIRED) && query->depth == 1)
		json_object_set_new(parameter, "required", json_true());
	if (field->is_map) /* m[key]=value */
		json_object_update_new(parameter,
				       json_pack("{s:s,s:b}", "style", "deepObject", "explode", 1));
	if (query_is_json(field) && !field->is_repeated)
		json_object_set_new(parameter, "content",
				    json_pack("{s:{s:o}}", "application/json", "schema",
					      openapi_field(o, field)));
	else
		json_object_set_new(parameter, "schema", openapi_field(o, field));
	json_array_append_new(query->parameters, parameter);
}

static bool query_is_leaf(const struct field *field)
{
	if (field->is_map)
		return http_rule_is_leaf(field->message->map_value, false);
	return http_rule_is_leaf(field, !field->is_repeated);
}

static bool query_is_around(const struct query *query, const struct message *message)
{
	for (size_t i = 0; i < query->depth; i++)
		if (query->steps[i]->parent == message)
			return true;
	return false;
}

/* No deeper than QUERY_DEPTH_MAX. */
static void query_add_fields(struct query *query, const struct message *message)
{
	for (size_t i = 0; i < message->field_count; i++) {
		const struct field *field = &message->fields[i];

		if (query->depth == 0 && field == query->rule->body_field)
			continue;
		query->steps[query->depth++] = field;
		if (query_is_leaf(field)) {
			if (!query_is_bound(query))
				query_add(query, field);
		} else if (http_rule_is_step(field) && query->depth < QUERY_DEPTH_MAX &&
			   query->count < QUERY_PARAMETERS_MAX &&
			   !query_is_around(query, field->message)) {
			query_add_fields(query, field->message);
		}
		query->depth--;
	}
}

/* ---- bodies -------------------------------------------------------------------------------- */

static json_t *media(json_t *schema)
{
	return json_pack("{s:o}", "schema", schema);
}

/* Bytes of a google.api.HttpBody. */
static json_t *raw_content(void)
{
	return json_pack("{s:{s:{s:s,s:s}}}", "*/*", "schema", "type", "string", "format",
			 "binary");
}

/* For openapi_object: the fields that the path sets whole. */
static bool is_in_path(const void *data, const struct field *field)
{
	const struct http_rule *rule = data;

	for (size_t i = 0; i < rule->variable_count; i++)
		if (rule->variables[i].step_count == 1 && rule->variables[i].steps[0] == field)
			return true;
	return false;
}

static json_t *body_schema(struct openapi *o, const struct http_rule *rule)
{
	const struct message *input = rule->method->input;

	if (rule->body == HTTP_BODY_FIELD)
		return openapi_field(o, rule->body_field);
	for (size_t i = 0; i < input->field_count; i++)
		if (is_in_path(rule, &input->fields[i]))
			return openapi_object(o, input, is_in_path, rule);
	return openapi_message(o, input);
}

static json_t *request_body(struct openapi *o, const struct http_rule *rule)
{
	json_t *content;
	json_t *schema;

	if (rule->is_raw_request)
		return json_pack("{s:o}", "content", raw_content());
	schema = body_schema(o, rule);
	if (!rule->method->client_streaming)
		content = json_pack("{s:o}", "application/json", media(schema));
	else
		content = json_pack("{s:o,s:o}", "application/json",
				    media(json_pack("{s:s,s:O}", "type", "array", "items", schema)),
				    "application/x-ndjson", media(schema));
	return json_pack("{s:o,s:b}", "content", content, "required", 1);
}

static json_t *reply_schema(struct openapi *o, const struct http_rule *rule)
{
	const struct field *field = rule->response_field;

	if (!field)
		return openapi_message(o, rule->method->output);
	/* A message that is not set. */
	if ((field->type == FIELD_MESSAGE || field->type == FIELD_GROUP) && !field->is_repeated &&
	    field->message->known != KNOWN_WRAPPER && field->message->known != KNOWN_VALUE)
		return json_pack("{s:[o,{s:s}]}", "oneOf", openapi_field(o, field), "type", "null");
	return openapi_field(o, field);
}

static json_t *reply_content(struct openapi *o, const struct http_rule *rule)
{
	json_t *schema;
	json_t *array;
	json_t *content;
	bool is_lines_first = rule->options->stream_default == CONFIG_STREAM_NDJSON;

	if (rule->is_raw_response)
		return raw_content();
	schema = reply_schema(o, rule);
	if (!rule->method->server_streaming)
		return json_pack("{s:o}", "application/json", media(schema));
	array = media(json_pack("{s:s,s:o}", "type", "array", "items", schema));
	content = json_object();
	if (!is_lines_first)
		json_object_set(content, "application/json", array);
	json_object_set_new(content, "application/x-ndjson", media(json_incref(schema)));
	if (is_lines_first)
		json_object_set(content, "application/json", array);
	json_object_set_new(content, "text/event-stream", media(json_incref(schema)));
	json_decref(array);
	return content;
}

static json_t *responses(struct openapi *o, const struct http_rule *rule)
{
	struct span comment = openapi_comment_message(&o->comments, rule->method->output);
	json_t *reply = json_object();

	/* A comment of a well-known type is about the type. */
	if (comment.len == 0 || rule->method->output->known != KNOWN_NONE || rule->response_field)
		comment = rule->method->server_streaming ? SPAN_LIT("Replies as they come")
							 : SPAN_LIT("OK");
	openapi_set_text(reply, "description", openapi_comment_summary(&o->comments, comment));
	if (!json_object_get(reply, "description"))
		openapi_set_text(reply, "description", SPAN_LIT("OK"));
	json_object_set_new(reply, "content", reply_content(o, rule));
	return json_pack("{s:o,s:{s:s}}", "200", reply, "default", "$ref", ERROR_REFERENCE);
}

/* ---- names --------------------------------------------------------------------------------- */

/* What has to be told apart by name. */
struct taken_name {
	struct map_node node;
	const void *owner;
	size_t count;
};

static struct taken_name *take_name(struct openapi *o, struct map *map, struct span name,
				    const void *owner)
{
	struct map_node *node = map_find(map, name);
	struct taken_name *taken;

	if (node)
		return container_of(node, struct taken_name, node);
	taken = arena_new(&o->arena, struct taken_name);
	if (!taken) {
		o->is_over = true;
		return NULL;
	}
	*taken = (struct taken_name){.node.key = name, .owner = owner};
	(void)map_insert(map, &taken->node); /* was looked for */
	return taken;
}

/* The short name of a service, or the full one when another has taken the short one. */
static struct span service_name(struct openapi *o, const struct service *service)
{
	const struct taken_name *taken = take_name(o, &o->short_names, service->name, service);

	return taken && taken->owner == service ? service->name : service->full_name;
}

static json_t *operation_id(struct openapi *o, const struct method *method)
{
	struct taken_name *taken = take_name(o, &o->operation_ids, method->full_name, method);
	struct span service = service_name(o, method->service);

	if (!taken || ++taken->count == 1)
		return json_sprintf("%.*s_%.*s", SPAN_FMT(service), SPAN_FMT(method->name));
	return json_sprintf("%.*s_%.*s_%zu", SPAN_FMT(service), SPAN_FMT(method->name),
			    taken->count);
}

/* The tag of a service, described where it is met first. */
static json_t *service_tag(struct openapi *o, const struct service *service)
{
	struct span name = service_name(o, service);
	struct taken_name *taken = take_name(o, &o->services, service->full_name, service);
	json_t *tag;

	if (taken && taken->count++ == 0) {
		tag = json_pack("{s:o}", "name", openapi_text(name));
		openapi_set_text(tag, "description",
				 openapi_comment_service(&o->comments, service));
		json_array_append_new(o->tags, tag);
	}
	return json_pack("[o]", openapi_text(name));
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void describe_operation(struct openapi *o, const struct method *method, json_t *operation)
{
	struct span comment = openapi_comment_method(&o->comments, method);
	struct span summary = openapi_comment_summary(&o->comments, comment);

	openapi_set_text(operation, "summary", summary.len ? summary : method->name);
	if (comment.len > summary.len + 1)
		openapi_set_text(operation, "description", comment);
	if (openapi_is_deprecated(method->options, 33))
		json_object_set_new(operation, "deprecated", json_true());
}

json_t *openapi_operation(struct openapi *o, const struct openapi_operation *from)
{
	const struct http_rule *rule = from->rule;
	json_t *operation = json_object();
	json_t *parameters = json_array();
	struct query query = {.o = o, .rule = rule, .parameters = parameters};

	json_object_set_new(operation, "tags", service_tag(o, rule->method->service));
	describe_operation(o, rule->method, operation);
	json_object_set_new(operation, "operationId", operation_id(o, rule->method));
	add_path_parameters(o, from, parameters);
	if (rule->body != HTTP_BODY_ALL)
		query_add_fields(&query, rule->method->input);
	if (json_array_size(parameters))
		json_object_set(operation, "parameters", parameters);
	json_decref(parameters);
	if (rule->body != HTTP_BODY_NONE)
		json_object_set_new(operation, "requestBody", request_body(o, rule));
	json_object_set_new(operation, "responses", responses(o, rule));
	json_object_set_new(operation, "x-headgate-rpc", openapi_text(rule->method->full_name));
	json_object_set_new(operation, "x-headgate-template", openapi_text(rule->path.text));
	return operation;
}
