/* A recursive-descent parser, one function per production, that works on fixed arrays and copies
 * the result into the arena once the template proved right; and the comparisons between two
 * templates that the start-up report needs. A segment is compared, matched and reported on its
 * decoded text. */
#include "httpapi/path_template.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/text.h"

struct parser {
	struct span text;
	size_t at;
	struct arena *arena;
	struct error *err;
	struct path_segment segments[PATH_TEMPLATE_SEGMENTS_MAX];
	struct path_variable variables[PATH_TEMPLATE_VARIABLES_MAX];
	size_t segment_count;
	size_t variable_count;
	size_t rest; /* SIZE_MAX: no "**" yet */
	struct span verb;
};

/* How much of a template an error text shows. */
#define SHOWN_MAX ((size_t)256)

enum status path_template_error(struct error *err, struct span text, size_t column,
				const char *what)
{
	struct span shown = span_head(text, SHOWN_MAX);

	if (column > text.len)
		return error_set(err, ST_INVALID_ARGUMENT, "%s at end of input of '%.*s'", what,
				 SPAN_FMT(shown));
	return error_set(err, ST_INVALID_ARGUMENT, "%s at character %zu of '%.*s'", what, column,
			 SPAN_FMT(shown));
}

static enum status fail(struct parser *p, const char *what)
{
	return path_template_error(p->err, p->text, p->at + 1, what);
}

static enum status fail_arena(struct parser *p)
{
	return error_set(p->err, ST_RESOURCE_EXHAUSTED, "no memory left for path templates");
}

static int peek(const struct parser *p)
{
	return p->at < p->text.len ? p->text.data[p->at] : -1;
}

static bool is_hex(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* A byte that may stand for itself in a literal. Spec: RFC 3986 2.2, 2.3 */
static bool is_literal(int c)
{
	return is_letter(c) || is_digit(c) || c >= 0x80 ||
	       (c > 0 && strchr("-.~!$&'()+,;=@", c) != NULL);
}

/* Literal; its decoded text. */
static enum status parse_literal(struct parser *p, struct span *ret_literal)
{
	size_t start = p->at;
	struct span raw;
	struct buf decoded;
	enum status status = ST_OK;

	for (int c = peek(p); is_literal(c) || c == '%'; c = peek(p)) {
		if (c == '%' && (p->text.len - p->at < 3 || !is_hex(p->text.data[p->at + 1]) ||
				 !is_hex(p->text.data[p->at + 2])))
			return fail(p, "Malformed percent escape");
		p->at += c == '%' ? 3 : 1;
	}
	if (p->at == start)
		return fail(p, "Expected a literal, '*', '**' or a variable");
	raw = span_make(p->text.data + start, p->at - start);
	buf_init(&decoded, PATH_TEMPLATE_LITERAL_MAX);
	if (!text_percent_decode(raw, false, &decoded)) {
		p->at = start;
		status = fail(p, "Literal too long");
	} else {
		*ret_literal = arena_span(p->arena, buf_span(&decoded));
		if (!ret_literal->data)
			status = fail_arena(p);
	}
	buf_fini(&decoded);
	return status;
}

static enum status add_segment(struct parser *p, enum path_segment_kind kind, struct span literal)
{
	if (p->segment_count == PATH_TEMPLATE_SEGMENTS_MAX)
		return fail(p, "Too many segments");
	p->segments[p->segment_count++] = (struct path_segment){kind, literal};
	return ST_OK;
}

/* "*" or "**", the latter only once and the former not after it. */
static enum status parse_wildcard(struct parser *p)
{
	bool is_rest = p->at + 1 < p->text.len && p->text.data[p->at + 1] == '*';

	if (p->rest != SIZE_MAX)
		return fail(p, "Only literals may follow a multi segment matcher (**)");
	if (is_rest)
		p->rest = p->segment_count;
	p->at += is_rest ? 2 : 1;
	return add_segment(p, is_rest ? PATH_REST : PATH_ANY, SPAN_EMPTY);
}

/* Plain segment: "*" | "**" | Literal */
static enum status parse_plain(struct parser *p)
{
	struct span literal = SPAN_EMPTY;
	enum status status;

	if (peek(p) == '*')
		return parse_wildcard(p);
	if (peek(p) == '{')
		return fail(p, "Variable segments may not be nested");
	status = parse_literal(p, &literal);
	return status ? status : add_segment(p, PATH_LITERAL, literal);
}

/* FieldPath = ident { "." ident } */
static enum status parse_field_path(struct parser *p, struct span *ret_path)
{
	size_t start = p->at;
	size_t idents = 0;

	do {
		if (idents++)
			p->at++;
		if (!is_letter(peek(p)))
			return fail(p, "Expected a field name");
		while (is_letter(peek(p)) || is_digit(peek(p)))
			p->at++;
	} while (peek(p) == '.' && idents < PATH_TEMPLATE_IDENTS_MAX);
	*ret_path = span_make(p->text.data + start, p->at - start);
	return ST_OK;
}

static enum status check_duplicate(struct parser *p, const struct path_variable *variable)
{
	for (size_t i = 0; i < p->variable_count; i++)
		if (span_eq(p->variables[i].field_path, variable->field_path))
			return path_template_error(p->err, p->text, variable->column,
						   "Duplicate path in template");
	if (p->variable_count == PATH_TEMPLATE_VARIABLES_MAX)
		return path_template_error(p->err, p->text, variable->column, "Too many variables");
	return ST_OK;
}

/* [ "=" Plain { "/" Plain } ]; without it "{x}" is "{x=*}" */
static enum status parse_pattern(struct parser *p)
{
	enum status status;

	if (peek(p) != '=') {
		if (p->rest != SIZE_MAX)
			return fail(p, "Only literals may follow a multi segment matcher (**)");
		return add_segment(p, PATH_ANY, SPAN_EMPTY);
	}
	do {
		p->at++;
		status = parse_plain(p);
	} while (!status && peek(p) == '/');
	return status;
}

/* Variable = "{" FieldPath [ "=" Plain ] "}" */
static enum status parse_variable(struct parser *p)
{
	struct path_variable variable = {.first = p->segment_count};
	enum status status;

	p->at++;
	variable.column = p->at + 1;
	status = parse_field_path(p, &variable.field_path);
	if (status)
		return status;
	if (peek(p) != '=' && peek(p) != '}')
		return fail(p, "Expected '=' or '}'");
	status = parse_pattern(p);
	if (status)
		return status;
	if (peek(p) != '}')
		return fail(p, "Expected '/' or '}'");
	p->at++;
	status = check_duplicate(p, &variable);
	if (status)
		return status;
	variable.end = p->segment_count;
	variable.is_multi = variable.end - variable.first > 1 ||
			    (p->rest >= variable.first && p->rest < variable.end);
	p->variables[p->variable_count++] = variable;
	return ST_OK;
}

/* Verb = Literal { ":" Literal } */
static enum status parse_verb(struct parser *p)
{
	struct buf verb;
	size_t colons = 0;
	enum status status = ST_OK;

	buf_init(&verb, PATH_TEMPLATE_LITERAL_MAX);
	while (!status && peek(p) == ':') {
		struct span literal = SPAN_EMPTY;

		if (colons++)
			(void)buf_append_byte(&verb, ':'); /* is_full is looked at below */
		p->at++;
		status = colons > PATH_TEMPLATE_VERB_COLONS_MAX ? fail(p, "Too many colons")
								: parse_literal(p, &literal);
		(void)buf_append(&verb, literal);
	}
	if (!status && verb.is_full)
		status = fail(p, "Verb too long");
	if (!status) {
		p->verb = arena_span(p->arena, buf_span(&verb));
		if (!p->verb.data)
			status = fail_arena(p);
	}
	buf_fini(&verb);
	return status;
}

/* Segments = Segment { "/" Segment }; the leading slash is at p->at. */
static enum status parse_segments(struct parser *p)
{
	enum status status;

	do {
		p->at++;
		status = peek(p) == '{' ? parse_variable(p) : parse_plain(p);
	} while (!status && peek(p) == '/');
	return status;
}

static enum status parse_template(struct parser *p)
{
	enum status status = ST_OK;

	if (peek(p) != '/')
		return fail(p, "Template must start with a slash");
	if (p->text.len > 1 && p->text.data[1] == ':')
		p->at++;
	else if (p->text.len > 1)
		status = parse_segments(p);
	else
		p->at++;
	if (!status && peek(p) == ':')
		status = parse_verb(p);
	if (!status && p->at < p->text.len)
		status = fail(p, peek(p) == '/' ? "A verb may only be at the end"
						: "Expected '/', ':' or the end");
	return status;
}

static enum status finish(struct parser *p, struct path_template *ret_template)
{
	struct path_segment *segments =
		arena_new_array(p->arena, struct path_segment, p->segment_count + 1);
	struct path_variable *variables =
		arena_new_array(p->arena, struct path_variable, p->variable_count + 1);

	if (!segments || !variables)
		return fail_arena(p);
	memcpy(segments, p->segments, p->segment_count * sizeof(*segments));
	memcpy(variables, p->variables, p->variable_count * sizeof(*variables));
	*ret_template = (struct path_template){
		.text = p->text,
		.segments = segments,
		.segment_count = p->segment_count,
		.variables = variables,
		.variable_count = p->variable_count,
		.verb = p->verb,
		.rest = p->rest == SIZE_MAX ? p->segment_count : p->rest,
	};
	return ST_OK;
}

enum status path_template_parse(struct span text, struct arena *arena,
				struct path_template *ret_template, struct error *err)
{
	struct parser p = {.text = text, .arena = arena, .err = err, .rest = SIZE_MAX};
	enum status status;

	if (text.len > PATH_TEMPLATE_BYTES_MAX)
		return path_template_error(err, text, PATH_TEMPLATE_BYTES_MAX + 1,
					   "Template too long");
	if (!text_is_utf8(text))
		return error_set(err, ST_INVALID_ARGUMENT, "Template is not valid UTF-8");
	p.text = span_make(arena_strndup(arena, text.data, text.len), text.len);
	if (!p.text.data)
		return fail_arena(&p);
	status = parse_template(&p);
	return status ? status : finish(&p, ret_template);
}

bool path_template_same_shape(const struct path_template *a, const struct path_template *b)
{
	if (a->segment_count != b->segment_count || !span_eq(a->verb, b->verb))
		return false;
	for (size_t i = 0; i < a->segment_count; i++)
		if (a->segments[i].kind != b->segments[i].kind ||
		    !span_eq(a->segments[i].literal, b->segments[i].literal))
			return false;
	return true;
}

/* A list of segments to compare: that of a template, or one whose last segment swallowed a verb. */
struct shape {
	const struct path_segment *segments;
	size_t count;
};

static bool segments_meet(const struct path_segment *a, const struct path_segment *b)
{
	if (a->kind == PATH_LITERAL && b->kind == PATH_LITERAL)
		return span_eq(a->literal, b->literal);
	return true;
}

/* can[j]: the first i segments of a and the first j of b fit a common path. "**" stands for any
 * number of the other's segments. */
static bool shapes_overlap(struct shape a, struct shape b)
{
	bool row[PATH_TEMPLATE_SEGMENTS_MAX + 1];
	bool next[PATH_TEMPLATE_SEGMENTS_MAX + 1];

	row[0] = true;
	for (size_t j = 0; j < b.count; j++)
		row[j + 1] = row[j] && b.segments[j].kind == PATH_REST;
	for (size_t i = 0; i < a.count; i++) {
		bool is_rest = a.segments[i].kind == PATH_REST;

		next[0] = row[0] && is_rest;
		for (size_t j = 0; j < b.count; j++) {
			bool is_other_rest = b.segments[j].kind == PATH_REST;

			next[j + 1] = (row[j] && segments_meet(&a.segments[i], &b.segments[j])) ||
				      (is_rest && (row[j + 1] || next[j])) ||
				      (is_other_rest && (next[j] || row[j + 1]));
		}
		memcpy(row, next, sizeof(row));
	}
	return row[b.count];
}

/* a has a verb, b none: they meet when b's last segment can take a's last one with its verb. */
static bool overlap_by_verb(const struct path_template *a, const struct path_template *b)
{
	struct path_segment swallowed[PATH_TEMPLATE_SEGMENTS_MAX];
	size_t count = a->segment_count ? a->segment_count : 1;

	if (b->segment_count == 0 || b->segments[b->segment_count - 1].kind == PATH_LITERAL)
		return false;
	if (a->segment_count)
		memcpy(swallowed, a->segments, a->segment_count * sizeof(*swallowed));
	if (a->segment_count == 0 || swallowed[count - 1].kind != PATH_REST)
		swallowed[count - 1] = (struct path_segment){.kind = PATH_ANY};
	return shapes_overlap((struct shape){swallowed, count},
			      (struct shape){b->segments, b->segment_count});
}

bool path_template_overlap(const struct path_template *a, const struct path_template *b)
{
	if (span_eq(a->verb, b->verb))
		return shapes_overlap((struct shape){a->segments, a->segment_count},
				      (struct shape){b->segments, b->segment_count});
	if (b->verb.len == 0)
		return overlap_by_verb(a, b);
	return a->verb.len == 0 && overlap_by_verb(b, a);
}

int path_template_precedence(const struct path_template *a, const struct path_template *b)
{
	if (a->verb.len != b->verb.len)
		return a->verb.len > b->verb.len ? -1 : 1;
	for (size_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
		int by_kind = (int)a->segments[i].kind - (int)b->segments[i].kind;

		if (by_kind)
			return by_kind;
		if (a->segments[i].kind == PATH_REST)
			return (a->segment_count < b->segment_count) -
			       (a->segment_count > b->segment_count);
	}
	return (a->segment_count > b->segment_count) - (a->segment_count < b->segment_count);
}
