#include "src/config/config_file.h"

#include <stdio.h>
#include <yaml.h>

#include "src/base/error.h"
#include "src/base/file.h"
#include "src/config/config_set.h"

/* One pass over the events of the parser, with the dotted name of where we are. Anchors and aliases
 * are refused: they make small files large. */

/* The deepest key has three parts; room for a mistake to be named. */
#define DEPTH_MAX 8
#define NAME_MAX_BYTES 128

struct config_file {
	struct config *config;
	const char *name;
	yaml_parser_t parser;
	char key[NAME_MAX_BYTES]; /* dotted name of the value to come, "" outside any mapping */
	size_t key_len;
	size_t line;		      /* of the key to whose value we came, else of the event */
	size_t parent_len[DEPTH_MAX]; /* of each open mapping: key_len to come back to */
	unsigned depth;
	bool has_key; /* the next node is the value of key */
	bool has_root;
};

static enum status config_file_refuse(const struct config_file *file, const char *text,
				      struct error *err)
{
	return error_set(err, ST_INVALID_ARGUMENT, "%s:%zu: %s%s%s", file->name, file->line,
			 file->key, file->key_len ? ": " : "", text);
}

static void config_file_leave_key(struct config_file *file)
{
	file->key_len = file->parent_len[file->depth - 1];
	file->key[file->key_len] = '\0';
	file->has_key = false;
}

static enum status config_file_on_key(struct config_file *file, const yaml_event_t *event,
				      struct error *err)
{
	struct span part = span_make(event->data.scalar.value, event->data.scalar.length);
	size_t dot = file->key_len ? 1 : 0;

	if (part.len == 0 || part.len + dot >= sizeof(file->key) - file->key_len ||
	    memchr(part.data, 0, part.len))
		return config_file_refuse(file, "a key is empty or too long", err);
	if (dot)
		file->key[file->key_len] = '.';
	memcpy(file->key + file->key_len + dot, part.data, part.len);
	file->key_len += dot + part.len;
	file->key[file->key_len] = '\0';
	file->has_key = true;
	return ST_OK;
}

static bool config_file_is_null(const yaml_event_t *event)
{
	struct span text = span_make(event->data.scalar.value, event->data.scalar.length);

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (text.len == 0 || span_eq_str(text, "~") || span_eq_str(text, "null"));
}

static enum status config_file_on_value(struct config_file *file, const yaml_event_t *event,
					struct error *err)
{
	struct span text = span_make(event->data.scalar.value, event->data.scalar.length);
	char place[NAME_MAX_BYTES + 32];

	if (config_file_is_null(event)) {
		/* "http:" with all its keys commented out is fine, "http.max_body_size:" is not. */
		if (!config_set_is_section(span_from_str(file->key)))
			return config_file_refuse(file, "has no value", err);
		return ST_OK;
	}
	if (config_set(file->config, CONFIG_FILE, span_from_str(file->key), text, err) != ST_OK) {
		(void)snprintf(place, sizeof(place), "%.120s:%zu", file->name, file->line);
		return error_wrap(err, "%s", place);
	}
	return ST_OK;
}

static enum status config_file_on_mapping(struct config_file *file, struct error *err)
{
	if (file->depth == 0 && file->has_root)
		return config_file_refuse(file, "more than one document", err);
	if (file->depth > 0 && !file->has_key)
		return config_file_refuse(file, "a mapping cannot be a key", err);
	if (file->depth == DEPTH_MAX)
		return config_file_refuse(file, "nested too deeply", err);
	if (file->depth > 0 && !config_set_is_section(span_from_str(file->key)))
		return config_file_refuse(file,
					  config_set_is_key(span_from_str(file->key))
						  ? "takes one value, not a mapping"
						  : "unknown section",
					  err);
	file->has_root = true;
	file->parent_len[file->depth++] = file->key_len;
	file->has_key = false;
	return ST_OK;
}

static void config_file_on_mapping_end(struct config_file *file)
{
	file->depth--;
	if (file->depth > 0)
		config_file_leave_key(file);
}

static enum status config_file_on_scalar(struct config_file *file, const yaml_event_t *event,
					 struct error *err)
{
	enum status status;

	if (event->data.scalar.anchor)
		return config_file_refuse(file, "anchors are not supported", err);
	if (file->depth == 0) {
		if (config_file_is_null(event) && !file->has_root)
			return ST_OK; /* an empty document */
		return config_file_refuse(file, "the file must hold a mapping", err);
	}
	if (!file->has_key)
		return config_file_on_key(file, event, err);
	status = config_file_on_value(file, event, err);
	config_file_leave_key(file);
	return status;
}

static enum status config_file_on_event(struct config_file *file, const yaml_event_t *event,
					struct error *err)
{
	if (!file->has_key)
		file->line = event->start_mark.line + 1;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return config_file_on_scalar(file, event, err);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor)
			return config_file_refuse(file, "anchors are not supported", err);
		return config_file_on_mapping(file, err);
	case YAML_MAPPING_END_EVENT:
		config_file_on_mapping_end(file);
		return ST_OK;
	case YAML_SEQUENCE_START_EVENT:
		return config_file_refuse(file, "takes one value, not a list", err);
	case YAML_ALIAS_EVENT:
		return config_file_refuse(file, "anchors are not supported", err);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return ST_OK;
	}
	return ST_OK;
}

static enum status config_file_parse(struct config_file *file, struct error *err)
{
	bool is_over = false;
	enum status status = ST_OK;

	while (!is_over && status == ST_OK) {
		yaml_event_t event;

		if (!yaml_parser_parse(&file->parser, &event))
			return error_set(err, ST_INVALID_ARGUMENT, "%s:%zu: not YAML: %s",
					 file->name, file->parser.problem_mark.line + 1,
					 file->parser.problem ? file->parser.problem : "bad bytes");
		is_over = event.type == YAML_STREAM_END_EVENT;
		status = config_file_on_event(file, &event, err);
		yaml_event_delete(&event);
	}
	return status;
}

enum status config_file_read(struct config *config, const char *name, struct span content,
			     struct error *err)
{
	struct config_file file = {.config = config, .name = name};
	enum status status;

	BUG_ON(!yaml_parser_initialize(&file.parser) && "out of memory");
	/* An empty file has no bytes at all, which the library does not take. */
	yaml_parser_set_input_string(&file.parser, content.len ? content.data : (const uint8_t *)"",
				     content.len);
	status = config_file_parse(&file, err);
	yaml_parser_delete(&file.parser);
	return status;
}

enum status config_file_load(struct config *config, const char *path, struct error *err)
{
	struct buf content;
	enum status status;

	buf_init(&content, CONFIG_FILE_MAX);
	status = file_load(path, CONFIG_FILE_MAX, &content, err);
	if (status == ST_OK)
		status = config_file_read(config, path, buf_span(&content), err);
	buf_fini(&content);
	return status;
}

enum status config_read_secret(const char *path, struct buf *ret_secret, struct error *err)
{
	enum status status = file_load(path, ret_secret->max_bytes, ret_secret, err);
	struct span text;

	if (status != ST_OK)
		return status;
	text = buf_span(ret_secret);
	while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	buf_truncate(ret_secret, text.len);
	if (text.len == 0)
		return error_set(err, ST_INVALID_ARGUMENT, "%.200s: is empty", path);
	if (memchr(text.data, '\n', text.len) || memchr(text.data, 0, text.len))
		return error_set(err, ST_INVALID_ARGUMENT, "%.200s: is not one line of text", path);
	return ST_OK;
}
