/* A route's template as a path of the document. What OpenAPI cannot say is cut to what it can:
 *
 *   {name}, {book.name}        stay
 *   {name=a/ * /b/ *}         a/{name_1}/b/{name_2}: one parameter per wildcard
 *   {name=**}                  {name}, said to take slashes
 *   *, **                      {segment_1}, {rest}
 *
 * Paths that differ in nothing but the names of their parameters are one path to OpenAPI: the first
 * one names them. A second operation of the same HTTP method is left out then and mentioned. */
#include <string.h>

#include "httpapi/openapi_internal.h"
#include "httpapi/route_table.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* A path with its parameters: escapes triple a literal. */
#define PATH_BYTES_MAX (4 * PATH_TEMPLATE_BYTES_MAX)

struct path_shape {
	struct map_node node; /* key: the path with empty names */
	json_t *item;	      /* borrowed from the document */
	struct openapi_slot *slots;
};

struct path_builder {
	struct openapi *o;
	const struct http_rule *rule;
	struct openapi_slot slots[PATH_TEMPLATE_SEGMENTS_MAX];
	size_t slot_count;
	size_t unnamed_count;
	struct buf path;
	struct buf shape;
};

/* What may stand in a path as it is. Spec: RFC 3986 3.3, pchar */
static void path_escape(struct span literal, struct buf *out)
{
	for (size_t i = 0; i < literal.len; i++) {
		uint8_t c = literal.data[i];

		if (c && strchr("!$&'()*+,;=@:", c))
			(void)buf_append_byte(out, c);
		else
			(void)text_percent_encode(span_make(&c, 1), out);
	}
}

static void path_put(struct path_builder *b, const char *text)
{
	(void)buf_append_str(&b->path, text);
	(void)buf_append_str(&b->shape, text);
}

static void path_put_literal(struct path_builder *b, struct span literal)
{
	path_escape(literal, &b->path);
	path_escape(literal, &b->shape);
}

static struct span path_print(struct path_builder *b, struct span stem, size_t number)
{
	struct buf text;
	struct span kept;

	buf_init(&text, PATH_BYTES_MAX);
	(void)buf_printf(&text, "%.*s_%zu", SPAN_FMT(stem), number);
	kept = arena_span(&b->o->arena, buf_span(&text));
	buf_fini(&text);
	return kept;
}

/* The variable around a segment and how many wildcards it has up to and with that segment. */
static const struct path_variable *path_variable_at(const struct path_template *path,
						    size_t segment, size_t *ret_index,
						    size_t *ret_nth)
{
	for (size_t i = 0; i < path->variable_count; i++) {
		const struct path_variable *variable = &path->variables[i];

		if (segment < variable->first || segment >= variable->end)
			continue;
		*ret_index = i;
		*ret_nth = 0;
		for (size_t k = variable->first; k <= segment; k++)
			*ret_nth += path->segments[k].kind != PATH_LITERAL;
		return variable;
	}
	return NULL;
}

/* What a variable of several segments is made of. */
static struct span path_pattern(struct path_builder *b, const struct path_variable *variable)
{
	const struct path_template *path = &b->rule->path;
	struct buf text;
	struct span kept;

	buf_init(&text, PATH_BYTES_MAX);
	for (size_t i = variable->first; i < variable->end; i++) {
		const struct path_segment *segment = &path->segments[i];

		if (i > variable->first)
			(void)buf_append_byte(&text, '/');
		if (segment->kind == PATH_LITERAL)
			(void)buf_append(&text, segment->literal);
		else
			(void)buf_append_str(&text, segment->kind == PATH_ANY ? "*" : "**");
	}
	kept = arena_span(&b->o->arena, buf_span(&text));
	buf_fini(&text);
	return kept;
}

static void path_add_slot(struct path_builder *b, size_t segment)
{
	const struct path_template *path = &b->rule->path;
	struct openapi_slot *slot = &b->slots[b->slot_count++];
	size_t index = 0;
	size_t nth = 0;
	const struct path_variable *variable = path_variable_at(path, segment, &index, &nth);

	*slot = (struct openapi_slot){.is_rest = path->segments[segment].kind == PATH_REST};
	if (!variable) {
		slot->name = slot->is_rest ? SPAN_LIT("rest")
					   : path_print(b, SPAN_LIT("segment"), ++b->unnamed_count);
	} else {
		slot->variable = &b->rule->variables[index];
		slot->name = variable->field_path;
		if (variable->end - variable->first > 1) {
			slot->name = path_print(b, variable->field_path, nth);
			slot->pattern = path_pattern(b, variable);
		}
	}
	for (size_t i = 0; i + 1 < b->slot_count; i++)
		if (span_eq(b->slots[i].name, slot->name)) /* a wildcard named like a field */
			slot->name = path_print(b, slot->name, b->slot_count);
	(void)buf_printf(&b->path, "{%.*s}", SPAN_FMT(slot->name));
	(void)buf_append_str(&b->shape, "{}");
}

static void path_build(struct path_builder *b)
{
	const struct path_template *path = &b->rule->path;

	for (size_t i = 0; i < path->segment_count; i++) {
		path_put(b, "/");
		if (path->segments[i].kind == PATH_LITERAL)
			path_put_literal(b, path->segments[i].literal);
		else
			path_add_slot(b, i);
	}
	if (path->segment_count == 0)
		path_put(b, "/");
	if (path->verb.len) {
		path_put(b, ":");
		path_put_literal(b, path->verb);
	}
}

/* The item of the path, made when it is new; then the names of its parameters are those of this
 * route. */
static struct path_shape *path_item(struct path_builder *b)
{
	struct openapi *o = b->o;
	struct map_node *node = map_find(&o->shapes, buf_span(&b->shape));
	struct path_shape *shape;
	struct span path = buf_span(&b->path);

	if (node)
		return container_of(node, struct path_shape, node);
	shape = arena_new(&o->arena, struct path_shape);
	if (shape) {
		shape->node.key = arena_span(&o->arena, buf_span(&b->shape));
		shape->slots = arena_new_array(&o->arena, struct openapi_slot, b->slot_count + 1);
	}
	if (!shape || !shape->slots || !shape->node.key.data || b->path.is_full ||
	    b->shape.is_full) {
		o->is_over = true;
		return NULL;
	}
	(void)map_insert(&o->shapes, &shape->node); /* was looked for */
	memcpy(shape->slots, b->slots, b->slot_count * sizeof(b->slots[0]));
	shape->item = json_object();
	json_object_setn_new_nocheck(o->paths, (const char *)path.data, path.len, shape->item);
	return shape;
}

/* ---- operations of a path ------------------------------------------------------------------ */

/* The methods an item has a place for; "*" stands for the first five. */
static const char *const path_verbs[][2] = {
	{"GET", "get"},	    {"PUT", "put"},   {"POST", "post"},	      {"DELETE", "delete"},
	{"PATCH", "patch"}, {"HEAD", "head"}, {"OPTIONS", "options"}, {"TRACE", "trace"},
};
#define PATH_ANY_VERBS 5

static void path_mention(json_t *item, const char *verb, const struct http_rule *rule)
{
	json_t *operation = json_object_get(item, verb);
	json_t *others = json_object_get(operation, "x-headgate-shadowed");

	if (!others) {
		others = json_array();
		json_object_set_new(operation, "x-headgate-shadowed", others);
	}
	json_array_append_new(others, openapi_text(rule->path.text));
}

static void path_add_operation(struct path_builder *b, json_t *item, const char *verb)
{
	const struct openapi_operation operation = {b->rule, b->slots, b->slot_count};

	if (!openapi_count(b->o))
		return;
	if (json_object_get(item, verb))
		path_mention(item, verb, b->rule);
	else
		json_object_set_new(item, verb, openapi_operation(b->o, &operation));
}

/* Methods OpenAPI 3.1 has no place for. */
static void path_add_custom(struct path_builder *b, json_t *item)
{
	json_t *operations = json_object_get(item, "x-headgate-operations");
	const struct openapi_operation operation = {b->rule, b->slots, b->slot_count};
	struct span verb = b->rule->verb;

	if (!operations) {
		operations = json_object();
		json_object_set_new(item, "x-headgate-operations", operations);
	}
	if (openapi_count(b->o))
		json_object_setn_new_nocheck(operations, (const char *)verb.data, verb.len,
					     openapi_operation(b->o, &operation));
}

static void path_add_operations(struct path_builder *b)
{
	struct path_shape *shape = path_item(b);
	bool is_any = span_eq_str(b->rule->verb, "*");

	if (!shape)
		return;
	for (size_t i = 0; i < b->slot_count; i++)
		b->slots[i].name = shape->slots[i].name;
	for (size_t i = 0; i < sizeof(path_verbs) / sizeof(path_verbs[0]); i++) {
		if (is_any && i < PATH_ANY_VERBS && !json_object_get(shape->item, path_verbs[i][1]))
			path_add_operation(b, shape->item, path_verbs[i][1]);
		if (!span_eq_str(b->rule->verb, path_verbs[i][0]))
			continue;
		path_add_operation(b, shape->item, path_verbs[i][1]);
		return;
	}
	if (!is_any)
		path_add_custom(b, shape->item);
}

void openapi_add_route(struct openapi *o, const struct route *route)
{
	struct path_builder b = {.o = o, .rule = &route->rule};

	buf_init(&b.path, PATH_BYTES_MAX);
	buf_init(&b.shape, PATH_BYTES_MAX);
	path_build(&b);
	path_add_operations(&b);
	buf_fini(&b.path);
	buf_fini(&b.shape);
}
