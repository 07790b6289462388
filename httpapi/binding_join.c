/* Both functions walk the tree and the wire bytes of the body side by side. Only records whose
 * number is that of a node are looked into, so a body costs one pass and the recursion is as deep
 * as the tree. */
#include "httpapi/binding_join.h"

#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
	const struct binding_node *const *left = a;
	const struct binding_node *const *right = b;

	return ((*left)->field->number > (*right)->field->number) -
	       ((*left)->field->number < (*right)->field->number);
}

/* Sorts the children of a node and of all below it. False: no memory. */
static bool seal(const struct binding *binding, struct binding_node *node)
{
	size_t count = 0;

	if (node->child_count == 0)
		return true;
	node->by_number = arena_new_array(binding->arena, struct binding_node *, node->child_count);
	if (!node->by_number)
		return false;
	for (struct binding_node *it = node->children; it; it = it->next) {
		if (!seal(binding, it))
			return false;
		node->by_number[count++] = it;
	}
	qsort(node->by_number, count, sizeof(struct binding_node *), by_number);
	return true;
}

static struct binding_node *child_numbered(const struct binding_node *node, uint32_t number)
{
	size_t low = 0;
	size_t high = node->child_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (node->by_number[mid]->field->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == node->child_count || node->by_number[low]->field->number != number)
		return NULL;
	return node->by_number[low];
}

bool binding_needs_merge(const struct binding *binding, const struct http_rule *rule)
{
	for (const struct binding_node *it = binding->root.children; it; it = it->next)
		if (!it->is_leaf &&
		    (rule->body == HTTP_BODY_ALL ||
		     (rule->body == HTTP_BODY_FIELD && it->field == rule->body_field)))
			return true;
	return false;
}

/* ---- check ------------------------------------------------------------------------------- */

static struct span prefix_of(const struct binding_node *leaf)
{
	return leaf->origin == BINDING_QUERY ? SPAN_LIT("?") : SPAN_EMPTY;
}

/* Some leaf at or below a node, to name it by. */
static const struct binding_node *some_leaf(const struct binding_node *node)
{
	while (!node->is_leaf && node->children)
		node = node->children;
	return node;
}

static size_t leaf_len(const struct binding_node *leaf)
{
	size_t len = 0;

	for (const struct binding_value *it = leaf->values; it; it = it->next)
		len += it->len;
	return len;
}

static enum status two_values(struct binding *binding, const struct binding_node *leaf)
{
	if (leaf->field->is_repeated)
		return binding_violate(binding, prefix_of(leaf), leaf->written,
				       "has values in the body as well");
	return binding_violate(binding, prefix_of(leaf), leaf->written,
			       "has another value in the body");
}

/* A default value leaves no record in a binding, but one in a body that is read to be compared. */
static bool is_default_record(const struct wire_field *record)
{
	return record->integer == 0 && record->bytes.len == 0;
}

/* A record of the body for a leaf: only the very same value is let pass. */
static enum status check_leaf(struct binding *binding, struct binding_node *leaf,
			      const struct wire_field *record)
{
	struct span value = leaf->values ? binding_value_span(binding, leaf->values) : SPAN_EMPTY;

	leaf->is_in_body = true;
	if (leaf->field->is_repeated || !leaf->values)
		return two_values(binding, leaf);
	if (value.len ? span_eq(value, record->record) : is_default_record(record))
		return ST_OK;
	return two_values(binding, leaf);
}

/* A record of the body that no node has: is it another member of a oneof that a node is in? */
static enum status check_oneof(struct binding *binding, const struct binding_node *node,
			       uint32_t number)
{
	const struct field *field = schema_field_by_number(node->message, number);

	if (!field || !field->oneof)
		return ST_OK;
	for (const struct binding_node *it = node->children; it; it = it->next) {
		const struct binding_node *leaf;

		if (it->field->oneof != field->oneof)
			continue;
		leaf = some_leaf(it);
		return binding_violate(binding, prefix_of(leaf), leaf->written,
				       "only one of %.*s and %.*s can be set",
				       SPAN_FMT(it->field->name), SPAN_FMT(field->name));
	}
	return ST_OK;
}

static enum status check_level(struct binding *binding, struct binding_node *node, struct span wire)
{
	struct wire_reader reader;
	struct wire_field record;
	enum status status = ST_OK;

	wire_reader_init(&reader, wire);
	while (!status && wire_next(&reader, &record)) {
		struct binding_node *child = child_numbered(node, record.number);

		if (!child)
			status = check_oneof(binding, node, record.number);
		else if (child->is_leaf)
			status = check_leaf(binding, child, &record);
		else if (record.type == WIRE_BYTES)
			status = check_level(binding, child, record.bytes);
	}
	return status;
}

enum status binding_check(struct binding *binding, const struct binding_body *body,
			  struct error *err)
{
	enum status status;

	binding->err_ = err;
	if (!seal(binding, &binding->root))
		return error_set(err, ST_RESOURCE_EXHAUSTED, "too many parameters");
	status = check_level(binding, &binding->root, body->wire);
	if (status || !body->has_field)
		return status;
	for (const struct binding_node *it = binding->root.children; it; it = it->next)
		if (it->is_leaf && !it->is_in_body && !it->field->is_repeated && leaf_len(it) &&
		    body->has_field(body->data, it->field))
			return two_values(binding, it);
	return ST_OK;
}

/* ---- join -------------------------------------------------------------------------------- */

static bool join_level(const struct binding *binding, const struct binding_node *node,
		       struct span body, struct wire_writer *writer);

/* Bytes of the body that no node speaks for are copied in runs. */
static bool copy_others(const struct binding_node *node, struct span body,
			struct wire_writer *writer)
{
	struct wire_reader reader;
	struct wire_field record;
	const uint8_t *run = body.data;

	wire_reader_init(&reader, body);
	while (wire_next(&reader, &record)) {
		if (!child_numbered(node, record.number))
			continue;
		wire_put_raw(writer, span_make(run, (size_t)(record.record.data - run)));
		run = record.record.data + record.record.len;
	}
	if (reader.is_bad)
		return false;
	if (body.len)
		wire_put_raw(writer, span_make(run, (size_t)(body.data + body.len - run)));
	return true;
}

static bool join_message(const struct binding *binding, const struct binding_node *node,
			 struct span body, struct wire_writer *writer)
{
	struct buf scratch;
	struct span content = SPAN_EMPTY;
	struct wire_nest nest;
	bool is_present;
	bool is_joined;

	buf_init(&scratch, body.len);
	is_joined = body.len == 0 ||
		    wire_merge_bytes(body, node->field->number, &scratch, &content, &is_present);
	if (is_joined) {
		nest = wire_begin(writer, node->field->number);
		is_joined = join_level(binding, node, content, writer);
		wire_end(writer, nest);
	}
	buf_fini(&scratch);
	return is_joined;
}

static bool join_level(const struct binding *binding, const struct binding_node *node,
		       struct span body, struct wire_writer *writer)
{
	if (!copy_others(node, body, writer))
		return false;
	for (size_t i = 0; i < node->child_count; i++) {
		const struct binding_node *child = node->by_number[i];

		/* Beside a body that is written already, an equal value is there: not twice. */
		for (const struct binding_value *it =
			     child->is_in_body && body.len == 0 ? NULL : child->values;
		     it; it = it->next)
			wire_put_raw(writer, binding_value_span(binding, it));
		if (!child->is_leaf && !join_message(binding, child, body, writer))
			return false;
	}
	return !writer->is_full;
}

bool binding_join(const struct binding *binding, struct span body, struct wire_writer *writer)
{
	return join_level(binding, &binding->root, body, writer);
}
