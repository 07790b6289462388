/* The document as a whole. It is built as a tree, since paths and components are found in the order
 * of the routes and not in that of the document, and then printed. */
#include "httpapi/openapi.h"

#include "httpapi/openapi_internal.h"
#include "httpapi/route_table.h"
#include "src/base/text.h"

/* Names, comments and shapes of what OPENAPI_ITEMS_MAX allows. */
#define OPENAPI_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

bool openapi_count(struct openapi *o)
{
	if (o->item_count == OPENAPI_ITEMS_MAX)
		o->is_over = true;
	else
		o->item_count++;
	return !o->is_over;
}

json_t *openapi_text(struct span text)
{
	json_t *string = json_stringn((const char *)text.data, text.len);

	return string ? string : json_string("");
}

void openapi_set_text(json_t *object, const char *key, struct span text)
{
	if (text.len)
		json_object_set_new(object, key, openapi_text(text));
}

struct span openapi_name(const struct openapi *o, const struct field *field)
{
	struct span name = field->json_name;

	/* A json_name may be any text; what cannot be a key is not a name for people either. */
	if (o->params->options->preserve_proto_field_names || !text_is_utf8(name) ||
	    span_find(name, '\0') < name.len)
		return field->name;
	return name;
}

static bool openapi_shows(const struct openapi *o, const struct route *route)
{
	return o->params->service.len == 0 ||
	       span_eq(route->rule.method->service->full_name, o->params->service);
}

/* Routes come with the written ones of all methods first: a method that is known by then needs no
 * generated one. */
static void openapi_add_routes(struct openapi *o)
{
	const struct route_table *table = o->params->table;

	for (size_t i = 0; i < route_table_count(table) && !o->is_over; i++) {
		const struct route *route = route_table_route(table, i);

		if (!openapi_shows(o, route))
			continue;
		if (route->rule.is_generated &&
		    map_find(&o->operation_ids, route->rule.method->full_name))
			continue;
		openapi_add_route(o, route);
	}
}

static json_t *openapi_info(const struct openapi *o)
{
	const struct openapi_params *params = o->params;
	struct span title = params->title;
	struct span version = params->version;

	if (title.len == 0 && json_array_size(o->tags))
		title = span_from_str(
			json_string_value(json_object_get(json_array_get(o->tags, 0), "name")));
	return json_pack(
		"{s:o,s:o,s:s}", "title", openapi_text(title.len ? title : SPAN_LIT("API")),
		"version", openapi_text(version.len ? version : SPAN_LIT("0")), "description",
		"Every method is also served at `POST /package.Service/Method`, with its whole "
		"request as the body, and over gRPC.");
}

/* Spec: google/rpc/status.proto */
static json_t *openapi_status(void)
{
	return json_pack(
		"{s:s,s:s,s:{s:{s:s,s:s,s:s},s:{s:s,s:s},s:{s:s,s:s,s:{s:s}}},s:[{s:i,s:s,s:[]}]}",
		"type", "object", "description", "Why a call failed.", "properties", "code", "type",
		"integer", "format", "int32", "description", "A code of google.rpc.Code.",
		"message", "type", "string", "description", "What went wrong, for developers.",
		"details", "type", "array", "description",
		"More about it, for instance google.rpc.BadRequest with the fields that are wrong.",
		"items", "$ref", "#/components/schemas/google.protobuf.Any", "examples", "code", 5,
		"message", "there is no such item", "details");
}

static json_t *openapi_any(void)
{
	return json_pack("{s:s,s:s,s:{s:{s:s,s:s}},s:b}", "type", "object", "description",
			 "A message of any type: its fields beside `@type`, or its JSON form as "
			 "`value`.",
			 "properties", "@type", "type", "string", "description",
			 "The full name of the message after a slash.", "additionalProperties", 1);
}

static json_t *openapi_components(struct openapi *o)
{
	json_t *error = json_pack("{s:s,s:{s:{s:{s:s}}}}", "description", "The call failed",
				  "content", "application/json", "schema", "$ref",
				  "#/components/schemas/google.rpc.Status");

	json_object_set_new(o->schemas, "google.protobuf.Any", openapi_any());
	json_object_set_new(o->schemas, "google.rpc.Status", openapi_status());
	return json_pack("{s:O,s:{s:o}}", "schemas", o->schemas, "responses", "Error", error);
}

static json_t *openapi_document(struct openapi *o)
{
	openapi_add_routes(o);
	openapi_write_parts(o);
	return json_pack("{s:s,s:o,s:[{s:s}],s:O,s:O,s:o}", "openapi", "3.1.0", "info",
			 openapi_info(o), "servers", "url", "/", "tags", o->tags, "paths", o->paths,
			 "components", openapi_components(o));
}

static int openapi_take(const char *text, size_t len, void *data)
{
	return buf_append(data, span_make(text, len)) ? 0 : -1;
}

static void openapi_init(struct openapi *o, const struct openapi_params *params)
{
	*o = (struct openapi){.params = params};
	arena_init(&o->arena, OPENAPI_ARENA_BYTES_MAX);
	openapi_comments_init(&o->comments, &o->arena);
	o->paths = json_object();
	o->schemas = json_object();
	o->tags = json_array();
	o->last_part = &o->first_part;
	map_init(&o->parts);
	map_init(&o->shapes);
	map_init(&o->operation_ids);
	map_init(&o->services);
	map_init(&o->short_names);
}

static void openapi_fini(struct openapi *o)
{
	map_fini(&o->parts);
	map_fini(&o->shapes);
	map_fini(&o->operation_ids);
	map_fini(&o->services);
	map_fini(&o->short_names);
	openapi_comments_fini(&o->comments);
	json_decref(o->paths);
	json_decref(o->schemas);
	json_decref(o->tags);
	arena_fini(&o->arena);
}

enum status openapi_write(const struct openapi_params *params, struct buf *out, struct error *err)
{
	size_t flags = params->is_indented ? JSON_INDENT(2) : JSON_COMPACT;
	enum status status = ST_OK;
	struct openapi o;
	json_t *document;

	openapi_init(&o, params);
	document = openapi_document(&o);
	if (o.is_over || o.arena.is_exhausted || !document ||
	    json_dump_callback(document, openapi_take, out, flags) != 0)
		status = error_set(err, ST_RESOURCE_EXHAUSTED,
				   "the API is too large for one OpenAPI document; "
				   "`headgate openapi --service` writes that of one service");
	json_decref(document);
	openapi_fini(&o);
	return status;
}
