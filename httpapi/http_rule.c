/* The checks follow the original's order within one rule: selector, pattern, template, variables,
 * body, response body. Its texts are kept where the check is the same. */
#include "httpapi/http_rule.h"

#include <string.h>

struct compiler {
	const struct method *method;
	const struct options_http_rule *written;
	struct arena *arena;
	struct http_rule *rule;
	struct error *err;
};

#define CONFIG "HTTP API Config: "

/* How much of a template an error text shows: method and file come after it and must fit. */
#define SHOWN_MAX ((size_t)96)

/* Says where: after a failure of ours, once. */
static enum status located(struct compiler *c, enum status status)
{
	struct error *err = c->err;
	char text[ERROR_MESSAGE_MAX];

	if (!status || !err)
		return status;
	memcpy(text, err->message, sizeof(text));
	return error_set(err, status, "%.240s (%.*s '%.*s', method %.*s in %.*s)", text,
			 SPAN_FMT(c->written->verb),
			 SPAN_FMT(span_head(c->written->path, SHOWN_MAX)),
			 SPAN_FMT(c->method->full_name), SPAN_FMT(c->rule->origin));
}

static enum status no_memory(struct compiler *c)
{
	return error_set(c->err, ST_RESOURCE_EXHAUSTED, CONFIG "no memory left for the routes");
}

bool http_rule_is_step(const struct field *field)
{
	return field->type == FIELD_MESSAGE && !field->is_repeated &&
	       (field->message->known == KNOWN_NONE || field->message->known == KNOWN_HTTP_BODY);
}

bool http_rule_is_leaf(const struct field *field, bool allow_json)
{
	if (field->type == FIELD_GROUP)
		return false;
	if (field->type != FIELD_MESSAGE)
		return true;
	switch (field->message->known) {
	case KNOWN_TIMESTAMP:
	case KNOWN_DURATION:
	case KNOWN_FIELD_MASK:
	case KNOWN_WRAPPER:
		return true;
	case KNOWN_STRUCT:
	case KNOWN_VALUE:
	case KNOWN_LIST_VALUE:
		return allow_json;
	case KNOWN_NONE:
	case KNOWN_ANY:
	case KNOWN_EMPTY:
	case KNOWN_HTTP_BODY:
		break;
	}
	return false;
}

static bool is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		int c = text.data[i];
		bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (!is_alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return text.len > 0;
}

static enum status check_pattern(struct compiler *c)
{
	const struct options_http_rule *written = c->written;

	if (written->selector.len && !span_eq(written->selector, c->method->full_name))
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "Rule selector [%.*s] must be empty or [%.*s]",
				 SPAN_FMT(written->selector), SPAN_FMT(c->method->full_name));
	if (written->verb.len == 0 && !written->is_custom)
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "Pattern missing for rule [%.*s]!",
				 SPAN_FMT(c->method->full_name));
	if (!is_token(written->verb))
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG
				 "Custom pattern kind [%.*s] is neither an HTTP method nor [*]",
				 SPAN_FMT(written->verb));
	c->rule->verb = written->verb;
	return path_template_parse(written->path, c->arena, &c->rule->path, c->err);
}

/* The field one step of a variable's path names. */
static enum status resolve_step(struct compiler *c, const struct message *message, struct span name,
				bool is_last, const struct field **ret_field)
{
	const struct field *field = schema_field_by_name(message, name);

	if (!field)
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "Unknown field name [%.*s] in type [%.*s] reference in "
					"path template for method [%.*s]",
				 SPAN_FMT(name), SPAN_FMT(message->full_name),
				 SPAN_FMT(c->method->full_name));
	if (field->is_repeated)
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "%s parameters [%.*s] are not allowed as path variables",
				 field->is_map ? "Map" : "Repeated", SPAN_FMT(field->full_name));
	if (is_last ? !http_rule_is_leaf(field, false) : !http_rule_is_step(field))
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 is_last ? CONFIG "Message path parameters not supported! [%.*s]"
					 : CONFIG "Field [%.*s] in a path variable has no fields "
						  "of its own",
				 SPAN_FMT(field->full_name));
	*ret_field = field;
	return ST_OK;
}

static enum status resolve_variable(struct compiler *c, const struct path_variable *from,
				    struct http_variable *variable)
{
	const struct message *message = c->method->input;
	struct span rest = from->field_path;

	variable->text = from->field_path;
	variable->is_multi = from->is_multi;
	variable->steps = arena_new_array(c->arena, const struct field *, PATH_TEMPLATE_IDENTS_MAX);
	if (!variable->steps)
		return no_memory(c);
	while (rest.len) {
		struct span name = span_head(rest, span_find(rest, '.'));
		const struct field *field = NULL;
		enum status status;

		rest = span_skip(rest, name.len + 1);
		status = resolve_step(c, message, name, rest.len == 0, &field);
		if (status || !field)
			return status;
		variable->steps[variable->step_count++] = field;
		message = field->message;
	}
	return ST_OK;
}

static bool share_oneof(const struct field *a, const struct field *b)
{
	return a != b && a->oneof && a->oneof == b->oneof;
}

/* Two variables that set two members of one oneof can never both be had. */
static enum status check_pair(struct compiler *c, const struct http_variable *a,
			      const struct http_variable *b)
{
	for (size_t i = 0; i < a->step_count && i < b->step_count; i++) {
		if (share_oneof(a->steps[i], b->steps[i]))
			return error_set(c->err, ST_INVALID_ARGUMENT,
					 CONFIG "Path variables [%.*s] and [%.*s] are members of "
						"the same oneof",
					 SPAN_FMT(a->text), SPAN_FMT(b->text));
		if (a->steps[i] != b->steps[i])
			break;
	}
	return ST_OK;
}

static enum status resolve_variables(struct compiler *c)
{
	struct http_rule *rule = c->rule;

	rule->variables =
		arena_new_array(c->arena, struct http_variable, rule->path.variable_count + 1);
	if (!rule->variables)
		return no_memory(c);
	for (size_t i = 0; i < rule->path.variable_count; i++) {
		struct http_variable *variable = &rule->variables[i];
		enum status status = resolve_variable(c, &rule->path.variables[i], variable);

		for (size_t j = 0; !status && j < i; j++)
			status = check_pair(c, &rule->variables[j], variable);
		if (status)
			return status;
		rule->variable_count++;
	}
	return ST_OK;
}

static bool is_http_body(const struct field *field)
{
	return field->type == FIELD_MESSAGE && !field->is_repeated &&
	       field->message->known == KNOWN_HTTP_BODY;
}

/* A body that sets what the path sets as well can never be right. */
static enum status check_body_variables(struct compiler *c, const struct field *body)
{
	for (size_t i = 0; i < c->rule->variable_count; i++) {
		const struct http_variable *variable = &c->rule->variables[i];

		if ((variable->steps[0] == body && variable->step_count == 1) ||
		    share_oneof(variable->steps[0], body))
			return error_set(c->err, ST_INVALID_ARGUMENT,
					 CONFIG "Body configured to [%.*s] but path variable "
						"[%.*s] sets it already",
					 SPAN_FMT(body->name), SPAN_FMT(variable->text));
	}
	return ST_OK;
}

static enum status resolve_body(struct compiler *c)
{
	struct http_rule *rule = c->rule;
	struct span name = c->written->body;

	if (name.len == 0)
		return ST_OK;
	if (span_eq_str(name, "*")) {
		rule->body = HTTP_BODY_ALL;
		rule->is_raw_request = c->method->input->known == KNOWN_HTTP_BODY;
		return ST_OK;
	}
	rule->body = HTTP_BODY_FIELD;
	rule->body_field = schema_field_by_name(c->method->input, name);
	if (!rule->body_field)
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "Body configured to [%.*s] but that field does not exist "
					"on input type.",
				 SPAN_FMT(name));
	if (rule->body_field->type == FIELD_GROUP)
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "Body configured to [%.*s] but that field is a group.",
				 SPAN_FMT(name));
	rule->is_raw_request = is_http_body(rule->body_field);
	return check_body_variables(c, rule->body_field);
}

static enum status resolve_response(struct compiler *c)
{
	struct http_rule *rule = c->rule;
	struct span name = c->written->response_body;

	rule->is_raw_response = c->method->output->known == KNOWN_HTTP_BODY;
	if (name.len == 0)
		return ST_OK;
	rule->response_field = schema_field_by_name(c->method->output, name);
	if (!rule->response_field)
		return error_set(c->err, ST_INVALID_ARGUMENT,
				 CONFIG "Response body field [%.*s] does not exist on type [%.*s]",
				 SPAN_FMT(name), SPAN_FMT(c->method->output->full_name));
	rule->is_raw_response = is_http_body(rule->response_field);
	return ST_OK;
}

static bool is_bound(const struct http_rule *rule, const struct field *field)
{
	for (size_t i = 0; i < rule->variable_count; i++)
		if (rule->variables[i].steps[0] == field)
			return true;
	return false;
}

/* The one FieldMask of the request that a PATCH of a message field may fill from its body. */
static void find_mask(struct http_rule *rule)
{
	const struct message *input = rule->method->input;
	const struct field *mask = NULL;

	if (!span_eq_str(rule->verb, "PATCH") || rule->body != HTTP_BODY_FIELD ||
	    !http_rule_is_step(rule->body_field) || rule->is_raw_request)
		return;
	for (size_t i = 0; i < input->field_count; i++) {
		const struct field *field = &input->fields[i];

		if (field->type != FIELD_MESSAGE || field->message->known != KNOWN_FIELD_MASK)
			continue;
		if (mask || field->is_repeated)
			return;
		mask = field;
	}
	if (mask && !is_bound(rule, mask) && !share_oneof(mask, rule->body_field))
		rule->mask_field = mask;
}

enum status http_rule_compile(const struct method *method, const struct options_http_rule *written,
			      struct arena *arena, struct http_rule *ret_rule, struct error *err)
{
	struct http_rule rule = {
		.method = method,
		.origin = written->origin.len ? written->origin : method->service->file->name,
	};
	struct compiler c = {method, written, arena, &rule, err};
	enum status status = check_pattern(&c);

	if (!status)
		status = resolve_variables(&c);
	if (!status)
		status = resolve_body(&c);
	if (!status)
		status = resolve_response(&c);
	if (status)
		return located(&c, status);
	find_mask(&rule);
	*ret_rule = rule;
	return ST_OK;
}

enum status http_rule_generate(const struct method *method, struct span path, struct arena *arena,
			       struct http_rule *ret_rule, struct error *err)
{
	struct options_http_rule written = {
		.verb = SPAN_LIT("POST"), .path = path, .body = SPAN_LIT("*")};
	enum status status = http_rule_compile(method, &written, arena, ret_rule, err);

	if (!status)
		ret_rule->is_generated = true;
	return status;
}

const char *http_rule_doubt(const struct http_rule *rule)
{
	bool has_body = rule->body != HTTP_BODY_NONE;

	if (has_body && (span_eq_str(rule->verb, "GET") || span_eq_str(rule->verb, "HEAD") ||
			 span_eq_str(rule->verb, "DELETE")))
		return "a body is configured for a method whose requests seldom carry one";
	if (!has_body && rule->method->client_streaming)
		return "a client stream without body can hold one message only";
	return NULL;
}
