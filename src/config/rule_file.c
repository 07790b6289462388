/* The document is loaded as a tree and walked along the few shapes it may have: a walk cannot go
 * deeper than they do, whatever anchors and aliases make of the tree. */
#include "src/config/rule_file.h"

#include <stdio.h>
#include <yaml.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/file.h"

/* Names, paths and places of a file of RULE_FILE_BYTES_MAX, each copied once. */
#define RULE_FILE_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* A file may say one level of additional bindings. One more is read, so that the table can say
 * which rule has it. */
#define RULE_FILE_LEVELS_MAX 3

struct rule_reader {
	struct rule_file *file;
	const char *name;
	yaml_document_t document;
	size_t count; /* bindings of all levels */
	struct error *err;
};

static enum status rule_refuse(struct rule_reader *reader, const yaml_node_t *node,
			       const char *text)
{
	return error_set(reader->err, ST_INVALID_ARGUMENT, "%s:%zu: %s", reader->name,
			 node->start_mark.line + 1, text);
}

static enum status rule_no_memory(struct rule_reader *reader)
{
	return error_set(reader->err, ST_RESOURCE_EXHAUSTED, "%s: too many rules", reader->name);
}

static struct span rule_text(const yaml_node_t *node)
{
	return span_make(node->data.scalar.value, node->data.scalar.length);
}

static bool rule_is_null(const yaml_node_t *node)
{
	struct span text;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = rule_text(node);
	return text.len == 0 || span_eq_str(text, "~") || span_eq_str(text, "null");
}

static bool rule_set_origin(struct rule_reader *reader, const yaml_node_t *node, struct span *out)
{
	char origin[512];
	int len = snprintf(origin, sizeof(origin), "%.480s:%zu", reader->name,
			   node->start_mark.line + 1);

	*out = span_make(arena_strndup(&reader->file->arena_, origin, (size_t)len), (size_t)len);
	return out->data != NULL;
}

/* ---- pairs of a mapping -------------------------------------------------------------------- */

typedef enum status (*rule_pair_fn)(struct rule_reader *reader, void *data, const yaml_node_t *key,
				    const yaml_node_t *value);

static bool rule_is_repeated(struct rule_reader *reader, const yaml_node_t *mapping,
			     const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);

	for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair;
	     other++) {
		const yaml_node_t *node = yaml_document_get_node(&reader->document, other->key);

		if (node->type == YAML_SCALAR_NODE && span_eq(rule_text(node), rule_text(key)))
			return true;
	}
	return false;
}

static enum status rule_each_pair(struct rule_reader *reader, const yaml_node_t *mapping,
				  rule_pair_fn on_pair, void *data)
{
	const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	enum status status = ST_OK;

	/* A mapping of these shapes has a dozen keys at most; each is compared with those before.
	 */
	if (mapping->data.mapping.pairs.top - pair > 64)
		return rule_refuse(reader, mapping, "has too many keys");
	for (; status == ST_OK && pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);

		if (key->type != YAML_SCALAR_NODE)
			return rule_refuse(reader, key, "a key must be a name");
		if (rule_is_repeated(reader, mapping, pair))
			return error_set(reader->err, ST_INVALID_ARGUMENT, "%s:%zu: %.64s: twice",
					 reader->name, key->start_mark.line + 1,
					 (const char *)key->data.scalar.value);
		status = on_pair(reader, data, key, value);
	}
	return status;
}

static enum status rule_unknown_key(struct rule_reader *reader, const yaml_node_t *key)
{
	return error_set(reader->err, ST_INVALID_ARGUMENT, "%s:%zu: %.64s: unknown key",
			 reader->name, key->start_mark.line + 1,
			 (const char *)key->data.scalar.value);
}

static enum status rule_set_text(struct rule_reader *reader, const yaml_node_t *value,
				 struct span *out)
{
	if (value->type != YAML_SCALAR_NODE)
		return rule_refuse(reader, value, "a text is expected here");
	if (memchr(value->data.scalar.value, 0, value->data.scalar.length))
		return rule_refuse(reader, value, "a text holds a NUL");
	*out = span_make(arena_strndup(&reader->file->arena_, value->data.scalar.value,
				       value->data.scalar.length),
			 value->data.scalar.length);
	return out->data ? ST_OK : rule_no_memory(reader);
}

/* ---- one rule ------------------------------------------------------------------------------ */

struct rule_level {
	struct rule_binding *binding;
	unsigned depth;
};

static enum status rule_read_list(struct rule_reader *reader, const yaml_node_t *list,
				  unsigned depth, const struct rule_binding **ret_rules,
				  size_t *ret_count);

static enum status rule_on_custom(struct rule_reader *reader, void *data, const yaml_node_t *key,
				  const yaml_node_t *value)
{
	struct rule_binding *binding = data;
	struct span name = rule_text(key);

	if (span_eq_str(name, "kind"))
		return rule_set_text(reader, value, &binding->verb);
	if (span_eq_str(name, "path"))
		return rule_set_text(reader, value, &binding->path);
	return rule_unknown_key(reader, key);
}

/* "get: /path" and its like, and custom. */
static enum status rule_set_pattern(struct rule_reader *reader, struct rule_binding *binding,
				    const char *verb, const yaml_node_t *key,
				    const yaml_node_t *value)
{
	if (binding->verb.data || binding->is_custom)
		return rule_refuse(reader, key,
				   "a rule has one pattern; more go into "
				   "additional_bindings");
	if (verb) {
		binding->verb = span_from_str(verb);
		return rule_set_text(reader, value, &binding->path);
	}
	if (value->type != YAML_MAPPING_NODE)
		return rule_refuse(reader, value, "custom is a mapping of kind and path");
	binding->is_custom = true;
	return rule_each_pair(reader, value, rule_on_custom, binding);
}

static const char *rule_verb(struct span name)
{
	static const char *const verbs[][2] = {
		{"get", "GET"},	      {"put", "PUT"},	  {"post", "POST"},
		{"delete", "DELETE"}, {"patch", "PATCH"},
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (span_eq_str(name, verbs[i][0]))
			return verbs[i][1];
	return NULL;
}

static enum status rule_on_key(struct rule_reader *reader, void *data, const yaml_node_t *key,
			       const yaml_node_t *value)
{
	struct rule_level *level = data;
	struct rule_binding *binding = level->binding;
	struct span name = rule_text(key);
	const char *verb = rule_verb(name);

	if (verb || span_eq_str(name, "custom"))
		return rule_set_pattern(reader, binding, verb, key, value);
	if (span_eq_str(name, "selector"))
		return rule_set_text(reader, value, &binding->selector);
	if (span_eq_str(name, "body")) {
		binding->has_body = true;
		return rule_set_text(reader, value, &binding->body);
	}
	if (span_eq_str(name, "response_body") || span_eq_str(name, "responseBody")) {
		binding->has_response_body = true;
		return rule_set_text(reader, value, &binding->response_body);
	}
	if (span_eq_str(name, "additional_bindings") || span_eq_str(name, "additionalBindings"))
		return rule_read_list(reader, value, level->depth + 1, &binding->additional,
				      &binding->additional_count);
	return rule_unknown_key(reader, key);
}

static enum status rule_read_binding(struct rule_reader *reader, const yaml_node_t *node,
				     unsigned depth, struct rule_binding *binding)
{
	struct rule_level level = {binding, depth};

	if (node->type != YAML_MAPPING_NODE)
		return rule_refuse(reader, node, "a rule is a mapping");
	if (!rule_set_origin(reader, node, &binding->origin) ||
	    ++reader->count > RULE_FILE_RULES_MAX)
		return rule_no_memory(reader);
	return rule_each_pair(reader, node, rule_on_key, &level);
}

static enum status rule_read_list(struct rule_reader *reader, const yaml_node_t *list,
				  unsigned depth, const struct rule_binding **ret_rules,
				  size_t *ret_count)
{
	const yaml_node_item_t *item;
	struct rule_binding *rules;
	size_t count;
	enum status status = ST_OK;

	if (rule_is_null(list))
		return ST_OK;
	if (list->type != YAML_SEQUENCE_NODE)
		return rule_refuse(reader, list, "a list of rules is expected here");
	if (depth == RULE_FILE_LEVELS_MAX)
		return rule_refuse(reader, list, "additional bindings are nested too deeply");
	item = list->data.sequence.items.start;
	count = (size_t)(list->data.sequence.items.top - item);
	rules = arena_new_array(&reader->file->arena_, struct rule_binding, count ? count : 1);
	if (!rules)
		return rule_no_memory(reader);
	for (size_t i = 0; status == ST_OK && i < count; i++) {
		const yaml_node_t *node = yaml_document_get_node(&reader->document, item[i]);

		status = rule_read_binding(reader, node, depth, &rules[i]);
		if (status == ST_OK && depth == 0 && rules[i].selector.len == 0)
			status = rule_refuse(reader, node, "a rule without selector");
	}
	*ret_rules = rules;
	*ret_count = count;
	return status;
}

/* ---- options ------------------------------------------------------------------------------- */

struct option_level {
	struct rule_options *options;
	struct span section;
};

static enum status rule_on_option(struct rule_reader *reader, void *data, const yaml_node_t *key,
				  const yaml_node_t *value)
{
	struct option_level *level = data;
	struct rule_options *options = level->options;
	struct span name = rule_text(key);
	const char *fault;

	if (!level->section.len && span_eq_str(name, "selector"))
		return rule_set_text(reader, value, &options->selector);
	if (!level->section.len && span_eq_str(name, "json")) {
		struct option_level below = {options, name};

		return value->type == YAML_MAPPING_NODE
			       ? rule_each_pair(reader, value, rule_on_option, &below)
			       : rule_refuse(reader, value, "json is a mapping of options");
	}
	fault = call_options_set(&options->options, &options->set, level->section, name,
				 value->type == YAML_SCALAR_NODE ? rule_text(value) : SPAN_EMPTY);
	if (!fault)
		return ST_OK;
	return fault[0] ? rule_refuse(reader, value, fault) : rule_unknown_key(reader, key);
}

/* A name, or what names begin with: "*" is the last step if it is one at all. */
static bool rule_is_selector(struct span selector)
{
	size_t star = span_find(selector, '*');

	return selector.len &&
	       (star == selector.len || star == 0 || selector.data[star - 1] == '.') &&
	       star + 1 >= selector.len;
}

static enum status rule_read_option(struct rule_reader *reader, const yaml_node_t *node,
				    struct rule_options *options)
{
	struct option_level level = {options, SPAN_EMPTY};
	enum status status;

	if (node->type != YAML_MAPPING_NODE)
		return rule_refuse(reader, node, "options are a mapping");
	if (!rule_set_origin(reader, node, &options->origin))
		return rule_no_memory(reader);
	status = rule_each_pair(reader, node, rule_on_option, &level);
	if (!status && !rule_is_selector(options->selector))
		return rule_refuse(reader, node,
				   "options need a selector: pkg.Service.Method, pkg.Service.* or "
				   "*");
	return status;
}

static enum status rule_read_options(struct rule_reader *reader, const yaml_node_t *list)
{
	const yaml_node_item_t *item;
	struct rule_options *options;
	enum status status = ST_OK;
	size_t count;

	if (rule_is_null(list))
		return ST_OK;
	if (list->type != YAML_SEQUENCE_NODE)
		return rule_refuse(reader, list, "a list of options is expected here");
	item = list->data.sequence.items.start;
	count = (size_t)(list->data.sequence.items.top - item);
	if (count > RULE_FILE_OPTIONS_MAX)
		return rule_refuse(reader, list, "too many options");
	options = arena_new_array(&reader->file->arena_, struct rule_options, count + 1);
	if (!options)
		return rule_no_memory(reader);
	for (size_t i = 0; status == ST_OK && i < count; i++)
		status = rule_read_option(
			reader, yaml_document_get_node(&reader->document, item[i]), &options[i]);
	reader->file->options = options;
	reader->file->option_count = count;
	return status;
}

/* ---- the document -------------------------------------------------------------------------- */

static enum status rule_on_http(struct rule_reader *reader, void *data, const yaml_node_t *key,
				const yaml_node_t *value)
{
	(void)data;
	if (span_eq_str(rule_text(key), "rules"))
		return rule_read_list(reader, value, 0, &reader->file->rules, &reader->file->count);
	if (span_eq_str(rule_text(key), "options"))
		return rule_read_options(reader, value);
	return rule_unknown_key(reader, key);
}

static enum status rule_on_section(struct rule_reader *reader, void *data, const yaml_node_t *key,
				   const yaml_node_t *value)
{
	bool *has_http = data;

	if (!span_eq_str(rule_text(key), "http"))
		return ST_OK;
	*has_http = true;
	if (rule_is_null(value))
		return ST_OK;
	if (value->type != YAML_MAPPING_NODE)
		return rule_refuse(reader, value, "http is a mapping with rules");
	return rule_each_pair(reader, value, rule_on_http, NULL);
}

static enum status rule_read_document(struct rule_reader *reader)
{
	const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
	bool has_http = false;
	enum status status;

	if (!root)
		return error_set(reader->err, ST_INVALID_ARGUMENT, "%s:1: the file is empty",
				 reader->name);
	if (root->type != YAML_MAPPING_NODE)
		return rule_refuse(reader, root, "the file must hold a mapping");
	status = rule_each_pair(reader, root, rule_on_section, &has_http);
	if (status == ST_OK && !has_http)
		return rule_refuse(reader, root, "there is no section http");
	return status;
}

static enum status rule_parse(struct rule_reader *reader, struct span content)
{
	yaml_parser_t parser;
	enum status status;

	BUG_ON(!yaml_parser_initialize(&parser) && "out of memory");
	/* An empty file has no bytes at all, which the library does not take. */
	yaml_parser_set_input_string(&parser, content.len ? content.data : (const uint8_t *)"",
				     content.len);
	if (yaml_parser_load(&parser, &reader->document)) {
		status = rule_read_document(reader);
		yaml_document_delete(&reader->document);
	} else {
		status = error_set(reader->err, ST_INVALID_ARGUMENT, "%s:%zu: not YAML: %s",
				   reader->name, parser.problem_mark.line + 1,
				   parser.problem ? parser.problem : "bad bytes");
	}
	yaml_parser_delete(&parser);
	return status;
}

enum status rule_file_read(struct rule_file *file, const char *name, struct span content,
			   struct error *err)
{
	struct rule_reader reader = {.file = file, .name = name, .err = err};
	enum status status;

	*file = (struct rule_file){0};
	arena_init(&file->arena_, RULE_FILE_ARENA_BYTES_MAX);
	status = rule_parse(&reader, content);
	if (status != ST_OK)
		rule_file_fini(file);
	return status;
}

enum status rule_file_load(struct rule_file *file, const char *path, struct error *err)
{
	struct buf content;
	enum status status;

	buf_init(&content, RULE_FILE_BYTES_MAX);
	status = file_load(path, RULE_FILE_BYTES_MAX, &content, err);
	if (status == ST_OK)
		status = rule_file_read(file, path, buf_span(&content), err);
	buf_fini(&content);
	return status;
}

void rule_file_fini(struct rule_file *file)
{
	arena_fini(&file->arena_);
	*file = (struct rule_file){0};
}
