/* Builds the table: first what was written, then the generated routes where they are still free,
 * and what there is to say about all of them. The tree itself and the search are in route_tree.c.
 */
#include "httpapi/route_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "httpapi/option_selection.h"
#include "httpapi/route_tree.h"
#include "httpapi/rule_selection.h"
#include "proto/options.h"
#include "src/base/mem.h"
#include "src/config/rule_file.h"

/* Nodes and rules of ROUTE_TABLE_ROUTES_MAX routes of the usual kind. */
#define TABLE_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* Texts of the report; those beyond it are counted only. */
#define REPORT_BYTES_MAX ((size_t)1024 * 1024)

/* A parsed template of PATH_TEMPLATE_BYTES_MAX. */
#define PREFIX_BYTES_MAX ((size_t)64 * 1024)

/* One text: two templates and two names at their longest. */
#define ISSUE_BYTES_MAX ((size_t)8 * 1024)

struct route_table {
	struct arena arena;
	struct route_tree tree;
	struct route **routes;
	size_t count;
	size_t capacity;
};

struct builder {
	const struct route_table_params *params;
	struct route_table *table;
	struct route_report *report;
	struct error *err; /* the first failure */
	enum status status;
	struct rule_selection selection;
	struct option_selection options;
	const struct call_options *current; /* of the method whose rules are added */
};

/* ---- report ------------------------------------------------------------------------------ */

void route_report_init(struct route_report *report)
{
	*report = (struct route_report){0};
	report->last_ = &report->first;
	arena_init(&report->arena_, REPORT_BYTES_MAX);
}

void route_report_fini(struct route_report *report)
{
	arena_fini(&report->arena_);
	*report = (struct route_report){0};
}

static void report_add(struct route_report *report, enum route_issue_kind kind, struct span text)
{
	struct route_issue *issue;

	report->error_count += kind == ROUTE_ERROR;
	report->warning_count += kind == ROUTE_WARNING;
	report->overlap_count += kind == ROUTE_OVERLAP;
	if (kind == ROUTE_OVERLAP && report->overlap_count > ROUTE_REPORT_OVERLAPS_MAX)
		return;
	issue = arena_new(&report->arena_, struct route_issue);
	if (!issue)
		return;
	issue->kind = kind;
	issue->text = arena_strndup(&report->arena_, text.data, text.len);
	if (!issue->text)
		return;
	*report->last_ = issue;
	report->last_ = &issue->next;
}

__attribute__((format(printf, 3, 4))) static void
report_printf(struct builder *b, enum route_issue_kind kind, const char *format, ...)
{
	char text[ISSUE_BYTES_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* cut is fine */
	va_end(args);
	report_add(b->report, kind, span_from_str(text));
	if (kind == ROUTE_ERROR && !b->status)
		b->status = error_set(b->err, ST_INVALID_ARGUMENT, "%.500s", text);
}

/* A failure of one rule goes into the report and the build goes on; a limit ends it. */
static enum status take_failure(struct builder *b, const struct error *failure)
{
	if (failure->status == ST_RESOURCE_EXHAUSTED) {
		if (b->err)
			*b->err = *failure;
		b->status = failure->status;
		return failure->status;
	}
	report_printf(b, ROUTE_ERROR, "%s", failure->message);
	return ST_OK;
}

#define RULE_FORMAT "%.*s '%.*s' (%.*s in %.*s)"
#define RULE_ARGS(route)                                                                           \
	SPAN_FMT((route)->rule.verb), SPAN_FMT((route)->rule.path.text),                           \
		SPAN_FMT((route)->rule.method->full_name), SPAN_FMT((route)->rule.origin)

/* ---- building ---------------------------------------------------------------------------- */

static void table_append(struct route_table *table, struct route *route)
{
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 16;
		table->routes =
			mem_resize_array(table->routes, table->capacity, sizeof(struct route *));
	}
	table->routes[table->count++] = route;
}

static enum status limit_reached(struct builder *b, const char *what)
{
	b->status = error_set(b->err, ST_RESOURCE_EXHAUSTED, "HTTP API Config: %s", what);
	return b->status;
}

/* Two rules of one shape: an error when both were written; a generated one gives way. */
static void report_same(struct builder *b, const struct route *added, const struct route *there)
{
	if (!added->rule.is_generated)
		report_printf(b, ROUTE_ERROR,
			      "HTTP API Config: " RULE_FORMAT " is the same route as " RULE_FORMAT,
			      RULE_ARGS(added), RULE_ARGS(there));
	else if (added->rule.method != there->rule.method)
		report_printf(b, ROUTE_WARNING,
			      RULE_FORMAT " takes the place of the generated " RULE_FORMAT,
			      RULE_ARGS(there), RULE_ARGS(added));
}

static enum status add_route(struct builder *b, struct route *route)
{
	struct route_table *table = b->table;
	struct route *same = NULL;
	struct error failure = {0};
	const char *doubt = http_rule_doubt(&route->rule);

	if (route_tree_add(&table->tree, route, &same, &failure))
		return take_failure(b, &failure);
	if (same) {
		report_same(b, route, same);
		return ST_OK;
	}
	if (table->count == ROUTE_TABLE_ROUTES_MAX)
		return limit_reached(b, "too many routes");
	table_append(table, route);
	if (doubt && !route->rule.is_generated)
		report_printf(b, ROUTE_WARNING, RULE_FORMAT ": %s", RULE_ARGS(route), doubt);
	return ST_OK;
}

/* The root itself ends in no slash below a prefix. What is no path at all stays as it is. */
static bool put_prefix(struct builder *b, struct span *path)
{
	struct span prefix = b->params->prefix;
	bool is_root = path->len == 1 || (path->len > 1 && path->data[1] == ':');
	struct span rest = is_root ? span_skip(*path, 1) : *path;
	uint8_t *whole;

	if (!prefix.len || !path->len || path->data[0] != '/')
		return true;
	whole = arena_alloc(&b->table->arena, prefix.len + rest.len);
	if (!whole)
		return false;
	memcpy(whole, prefix.data, prefix.len);
	if (rest.len)
		memcpy(whole + prefix.len, rest.data, rest.len);
	*path = span_make(whole, prefix.len + rest.len);
	return true;
}

/* written NULL: the generated rule. */
static enum status add_rule(struct builder *b, const struct route_source *source,
			    const struct options_http_rule *written)
{
	struct options_http_rule rule =
		written ? *written : (struct options_http_rule){.path = source->method->path};
	struct arena *arena = &b->table->arena;
	struct route *route = arena_new(arena, struct route);
	struct error failure = {0};
	enum status status;

	if (!route || !put_prefix(b, &rule.path))
		return limit_reached(b, "no memory left for the routes");
	status = written ? http_rule_compile(source->method, &rule, arena, &route->rule, &failure)
			 : http_rule_generate(source->method, rule.path, arena, &route->rule,
					      &failure);
	if (status)
		return take_failure(b, &failure);
	route->data = source->data;
	route->rule.options = b->current;
	return add_route(b, route);
}

/* The rule of the file, else that of the method's option; NULL: neither. */
static enum status find_written(struct builder *b, const struct method *method,
				const struct options_http_rule **ret_rule, struct error *err)
{
	*ret_rule = rule_selection_take(&b->selection, method);
	return *ret_rule ? ST_OK : options_http_rule(method, &b->table->arena, ret_rule, err);
}

static enum status add_written(struct builder *b, const struct route_source *source)
{
	const struct options_http_rule *rule = NULL;
	struct error failure = {0};
	enum status status;

	if (find_written(b, source->method, &rule, &failure))
		return take_failure(b, &failure);
	if (!rule)
		return ST_OK;
	status = add_rule(b, source, rule);
	for (size_t i = 0; !status && i < rule->additional_count; i++) {
		const struct options_http_rule *more = &rule->additional[i];

		if (more->additional_count)
			report_printf(b, ROUTE_ERROR,
				      "HTTP API Config: Only one level of additionalBindings "
				      "supported, but [%.*s '%.*s'] of method [%.*s] in %.*s has "
				      "more than one!",
				      SPAN_FMT(more->verb), SPAN_FMT(more->path),
				      SPAN_FMT(source->method->full_name),
				      SPAN_FMT(more->origin.len
						       ? more->origin
						       : source->method->service->file->name));
		else
			status = add_rule(b, source, more);
	}
	return status;
}

/* What nobody took is told in the order of the file. */
static void report_unused(struct builder *b)
{
	for (const struct selected_rule *rule = b->selection.first; rule; rule = rule->next) {
		if (rule->is_taken)
			continue;
		if (rule_selection_names_method(b->params->schema, rule->written.selector))
			report_printf(b, ROUTE_WARNING,
				      "%.*s: method %.*s is not served, its rule is not used",
				      SPAN_FMT(rule->written.origin),
				      SPAN_FMT(rule->written.selector));
		else
			report_printf(b, ROUTE_ERROR,
				      "%.*s: HTTP API Config: the selector [%.*s] names no method",
				      SPAN_FMT(rule->written.origin),
				      SPAN_FMT(rule->written.selector));
	}
}

static void report_unused_options(struct builder *b)
{
	for (size_t i = 0; i < b->options.count; i++) {
		const struct selected_options *entry = &b->options.entries[i];

		if (entry->is_taken)
			continue;
		if (option_selection_names_method(b->params->schema, entry))
			report_printf(b, ROUTE_WARNING,
				      "%.*s: %.*s is not served, its options are not used",
				      SPAN_FMT(entry->written->origin),
				      SPAN_FMT(entry->written->selector));
		else
			report_printf(b, ROUTE_ERROR,
				      "%.*s: HTTP API Config: the selector [%.*s] of options names "
				      "no method",
				      SPAN_FMT(entry->written->origin),
				      SPAN_FMT(entry->written->selector));
	}
}

/* Works out the options of one method for all its rules. */
static bool use_options(struct builder *b, const struct method *method)
{
	struct call_options *options = arena_new(&b->table->arena, struct call_options);

	if (!options)
		return false;
	if (b->params->options)
		*options = b->params->options[method->client_streaming || method->server_streaming];
	option_selection_apply(&b->options, method, options);
	b->current = options;
	return true;
}

static enum status add_all(struct builder *b)
{
	struct arena *arena = &b->table->arena;
	size_t count = b->params->source_count;
	const struct call_options **options =
		arena_new_array(arena, const struct call_options *, count + 1);
	enum status status = ST_OK;

	if (!options ||
	    (b->params->rules && (!rule_selection_load(&b->selection, b->params->rules, arena) ||
				  !option_selection_load(&b->options, b->params->rules, arena))))
		return limit_reached(b, "no memory left for the routes");
	for (size_t i = 0; !status && i < count; i++) {
		if (!use_options(b, b->params->sources[i].method))
			return limit_reached(b, "no memory left for the routes");
		options[i] = b->current;
		status = add_written(b, &b->params->sources[i]);
	}
	for (size_t i = 0; !status && i < count; i++) {
		b->current = options[i];
		status = add_rule(b, &b->params->sources[i], NULL);
	}
	if (!status)
		report_unused(b);
	if (!status)
		report_unused_options(b);
	return status;
}

/* ---- what there is to say ---------------------------------------------------------------- */

static bool methods_meet(const struct http_rule *a, const struct http_rule *b)
{
	return span_eq(a->verb, b->verb) || span_eq_str(a->verb, "*") || span_eq_str(b->verb, "*");
}

static void report_overlaps(struct builder *b)
{
	const struct route_table *table = b->table;

	if (!b->params->find_overlaps || table->count > ROUTE_REPORT_ROUTES_MAX)
		return;
	for (size_t i = 0; i < table->count; i++) {
		for (size_t j = i + 1; j < table->count; j++) {
			const struct route *one = table->routes[i];
			const struct route *two = table->routes[j];
			int order;

			if (!methods_meet(&one->rule, &two->rule) ||
			    !path_template_overlap(&one->rule.path, &two->rule.path))
				continue;
			order = path_template_precedence(&one->rule.path, &two->rule.path);
			/* Of one shape: the one with the exact method wins. */
			if (order > 0 || (order == 0 && span_eq_str(one->rule.verb, "*"))) {
				one = two;
				two = table->routes[i];
			}
			report_printf(b, ROUTE_OVERLAP,
				      RULE_FORMAT " wins over " RULE_FORMAT " where both fit",
				      RULE_ARGS(one), RULE_ARGS(two));
		}
	}
}

static enum status report_reserved(struct builder *b)
{
	for (size_t i = 0; i < b->params->reserved_count; i++) {
		struct path_template reserved;
		struct error failure;

		if (path_template_parse(b->params->reserved[i], &b->table->arena, &reserved,
					&failure))
			return take_failure(b, &failure);
		for (size_t j = 0; j < b->table->count; j++) {
			const struct route *route = b->table->routes[j];

			if (path_template_overlap(&reserved, &route->rule.path))
				report_printf(b, ROUTE_WARNING,
					      RULE_FORMAT " is not asked for '%.*s': the gateway "
							  "answers that itself",
					      RULE_ARGS(route), SPAN_FMT(reserved.text));
		}
	}
	return ST_OK;
}

enum status route_prefix_check(struct span prefix, struct error *err)
{
	struct path_template template;
	struct arena arena;
	enum status status;

	if (!prefix.len)
		return ST_OK;
	arena_init(&arena, PREFIX_BYTES_MAX);
	status = path_template_parse(prefix, &arena, &template, err);
	for (size_t i = 0; !status && i < template.segment_count; i++)
		if (template.segments[i].kind != PATH_LITERAL)
			status = ST_INVALID_ARGUMENT;
	if (!status && (template.variable_count || template.verb.len || !template.segment_count))
		status = ST_INVALID_ARGUMENT;
	arena_fini(&arena);
	return status ? error_set(err, ST_INVALID_ARGUMENT,
				  "\"%.*s\" is not made of literal segments, like \"/api/v1\"",
				  SPAN_FMT(span_head(prefix, 80)))
		      : ST_OK;
}

enum status route_table_new(const struct route_table_params *params, struct route_report *report,
			    struct route_table **ret_table, struct error *err)
{
	struct route_table *table = mem_new(struct route_table);
	struct builder b = {.params = params, .table = table, .report = report, .err = err};
	enum status status;

	arena_init(&table->arena, TABLE_BYTES_MAX);
	route_tree_init(&table->tree, &table->arena);
	rule_selection_init(&b.selection);
	table->tree.ignore_trailing_slash = params->ignore_trailing_slash;
	status = add_all(&b);
	if (!status)
		status = report_reserved(&b);
	if (!status)
		report_overlaps(&b);
	rule_selection_fini(&b.selection);
	if (b.status) {
		route_table_free(table);
		return b.status;
	}
	*ret_table = table;
	return ST_OK;
}

void route_table_free(struct route_table *table)
{
	if (!table)
		return;
	route_tree_fini(&table->tree);
	arena_fini(&table->arena);
	mem_free(table->routes);
	mem_free(table);
}

size_t route_table_count(const struct route_table *table)
{
	return table->count;
}

const struct route *route_table_route(const struct route_table *table, size_t index)
{
	return table->routes[index];
}

enum route_result route_table_match(const struct route_table *table, struct span http_method,
				    struct span path, struct route_match *ret_match)
{
	return route_tree_match(&table->tree, http_method, path, ret_match);
}

bool route_table_allow(const struct route_table *table, uint64_t allowed, struct buf *out)
{
	const struct route_tree *tree = &table->tree;
	bool has_get = false;
	bool has_head = false;
	bool has_options = false;
	bool is_written = true;

	for (size_t i = 0; i < tree->method_count; i++) {
		if (!(allowed & (uint64_t)1 << i))
			continue;
		has_get |= span_eq_str(tree->methods[i], "GET");
		has_head |= span_eq_str(tree->methods[i], "HEAD");
		has_options |= span_eq_str(tree->methods[i], "OPTIONS");
		is_written = is_written && buf_append(out, tree->methods[i]) &&
			     buf_append_str(out, ", ");
	}
	if (has_get && !has_head)
		is_written = is_written && buf_append_str(out, "HEAD, ");
	if (!has_options)
		return is_written && buf_append_str(out, "OPTIONS");
	if (is_written)
		buf_truncate(out, buf_len(out) - 2);
	return is_written;
}

bool route_target_split(struct span target, struct span *ret_path, struct span *ret_query)
{
	size_t end;
	struct span rest = target;

	if (target.len == 0)
		return false;
	if (target.data[0] != '/') {
		/* absolute-form. Spec: RFC 9112 3.2.2 */
		size_t scheme = span_find(target, ':');

		rest = span_skip(target, scheme);
		if (scheme == 0 || !span_starts_with(rest, SPAN_LIT("://")) || rest.len == 3)
			return false;
		rest = span_skip(rest, 3);
		end = 0;
		while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
			end++;
		if (end == rest.len || rest.data[end] == '?') {
			*ret_path = SPAN_LIT("/");
			*ret_query = span_skip(rest, end + 1);
			return true;
		}
		rest = span_skip(rest, end);
	}
	end = span_find(rest, '?');
	*ret_path = span_head(rest, end);
	*ret_query = span_skip(rest, end + 1);
	return true;
}
