/* The paths become a tree of keys as they are printed; the body is then copied, but for the members
 * that the tree does not have. It is our own print, so its syntax needs no checks. */
#include "httpapi/partial.h"

#include "httpapi/media_type.h"
#include "proto/schema.h"

struct partial {
	struct span key;
	struct partial *children;
	struct partial *next;
	bool is_whole; /* the path ends here: everything below is kept */
};

/* -- paths ------------------------------------------------------------------------------------- */

static enum status refuse(struct span path, const char *why, struct error *err)
{
	(void)error_set(err, ST_INVALID_ARGUMENT, "\"%.*s\" %s", SPAN_FMT(path), why);
	error_set_field(err, "?fields");
	return ST_INVALID_ARGUMENT;
}

static struct partial *step_to(struct partial *node, struct span key, struct arena *arena)
{
	struct partial *child = node->children;

	while (child && !span_eq(child->key, key))
		child = child->next;
	if (child)
		return child;
	child = arena_new(arena, struct partial);
	if (!child)
		return NULL;
	child->key = key;
	child->next = node->children;
	node->children = child;
	return child;
}

/* The message whose fields the next step may name; NULL: none. */
static const struct message *below(const struct field *field)
{
	if (!field->message || field->is_map ||
	    (field->message->known != KNOWN_NONE && field->message->known != KNOWN_HTTP_BODY))
		return NULL;
	return field->message;
}

static enum status add_path(struct partial *root, const struct message *message, struct span path,
			    const struct partial_params *params, struct arena *arena,
			    struct error *err)
{
	struct partial *node = root;
	struct span rest = path;

	for (unsigned i = 0; rest.len; i++) {
		size_t end = span_find(rest, '.');
		const struct field *field =
			message ? schema_field_by_key(message, span_head(rest, end)) : NULL;

		if (!field || i == PARTIAL_STEPS_MAX || end + 1 == rest.len)
			return refuse(path, "is no path of the reply", err);
		node = step_to(node, params->has_proto_names ? field->name : field->json_name,
			       arena);
		if (!node)
			return error_set(err, ST_RESOURCE_EXHAUSTED, "too many fields");
		message = below(field);
		rest = span_skip(rest, end + 1);
	}
	node->is_whole = true;
	return ST_OK;
}

/* What the body is made of: the reply, or the messages of its response_body field. */
static const struct message *body_message(const struct http_rule *rule)
{
	const struct message *output = rule->method->output;

	if (rule->response_field)
		return below(rule->response_field);
	return output->known == KNOWN_NONE ? output : NULL;
}

enum status partial_new(const struct partial_params *params, struct arena *arena,
			struct partial **ret_partial, struct error *err)
{
	struct partial *root = arena_new(arena, struct partial);
	const struct message *message = body_message(params->rule);
	struct span rest = params->paths;
	unsigned count = 0;

	if (!root)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "too many fields");
	while (rest.len) {
		struct span path = media_type_next_part(&rest, ',');
		enum status status;

		if (span_eq_str(path, "*")) {
			root->is_whole = true;
			continue;
		}
		if (count++ == PARTIAL_PATHS_MAX)
			return refuse(path, "is one path too many", err);
		if (!path.len)
			return refuse(path, "is no path of the reply", err);
		status = add_path(root, message, path, params, arena, err);
		if (status)
			return status;
	}
	root->is_whole = root->is_whole || !root->children; /* fields= asks for nothing special */
	*ret_partial = root;
	return ST_OK;
}

/* -- the body ---------------------------------------------------------------------------------- */

struct copy {
	struct span rest;
	struct buf *out;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct span take(struct copy *copy, size_t n)
{
	struct span taken = span_head(copy->rest, n);

	copy->rest = span_skip(copy->rest, n);
	return taken;
}

static struct span take_space(struct copy *copy)
{
	size_t n = 0;

	while (n < copy->rest.len && is_space(copy->rest.data[n]))
		n++;
	return take(copy, n);
}

static bool is_next(const struct copy *copy, char c)
{
	return copy->rest.len && copy->rest.data[0] == (uint8_t)c;
}

/* Bytes of the string at the front, with its quotes. */
static size_t string_len(struct span text)
{
	size_t n = 1;

	while (n < text.len && text.data[n] != '"')
		n += text.data[n] == '\\' ? 2 : 1;
	return n < text.len ? n + 1 : text.len;
}

/* Bytes of the value at the front. */
static size_t value_len(struct span text)
{
	size_t depth = 0;
	size_t n = 0;

	while (n < text.len) {
		uint8_t c = text.data[n];

		if (c == '"') {
			n += string_len(span_skip(text, n));
			if (depth == 0)
				break;
			continue;
		}
		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				break;
			if (--depth == 0)
				return n + 1;
		} else if (depth == 0 && (c == ',' || is_space(c))) {
			break;
		}
		n++;
	}
	return n;
}

static bool copy_value(struct copy *copy, const struct partial *node);

/* One member, its key at the front; what stands before it is in lead. */
static bool copy_member(struct copy *copy, const struct partial *node, struct span lead,
			bool *has_any)
{
	struct span key = take(copy, string_len(copy->rest));
	struct span colon = take(copy, 1);
	struct span space = take_space(copy);
	const struct partial *child = node->children;

	while (child && !(key.len > 2 && span_eq(child->key, span_make(key.data + 1, key.len - 2))))
		child = child->next;
	if (!child) {
		(void)take(copy, value_len(copy->rest)); /* left out */
		return true;
	}
	if (*has_any && !buf_append_byte(copy->out, ','))
		return false;
	*has_any = true;
	return buf_append(copy->out, lead) && buf_append(copy->out, key) &&
	       buf_append(copy->out, colon) && buf_append(copy->out, space) &&
	       copy_value(copy, child);
}

/* An object, or a list whose elements are cut the same way. */
static bool copy_inside(struct copy *copy, const struct partial *node, char end)
{
	bool has_any = false;

	if (!buf_append(copy->out, take(copy, 1)))
		return false;
	for (;;) {
		struct span lead = take_space(copy);

		if (is_next(copy, end) || !copy->rest.len)
			return buf_append(copy->out, lead) && buf_append(copy->out, take(copy, 1));
		if (end == '}' && !copy_member(copy, node, lead, &has_any))
			return false;
		if (end == ']' && !(buf_append(copy->out, lead) && copy_value(copy, node)))
			return false;
		if (is_next(copy, ',')) {
			struct span comma = take(copy, 1);

			if (end == ']' && !buf_append(copy->out, comma))
				return false;
		}
	}
}

/* The recursion is as deep as the tree: lists stand directly in members, never in lists. */
static bool copy_value(struct copy *copy, const struct partial *node)
{
	if (!node->is_whole && is_next(copy, '{'))
		return copy_inside(copy, node, '}');
	if (!node->is_whole && is_next(copy, '['))
		return copy_inside(copy, node, ']');
	return buf_append(copy->out, take(copy, value_len(copy->rest)));
}

bool partial_apply(const struct partial *partial, struct span json, struct buf *out)
{
	struct copy copy = {json, out};

	if (partial->is_whole)
		return buf_append(out, json);
	return copy_value(&copy, partial);
}
