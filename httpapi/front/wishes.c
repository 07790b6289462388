#include "httpapi/front/wishes.h"

#include "httpapi/accept.h"
#include "httpapi/media_type.h"
#include "httpapi/partial.h"
#include "src/base/buf.h"
#include "src/base/text.h"
#include "src/config/call_options.h"
#include "src/config/config.h"
#include "src/h2/h2.h"

/* No head is longer. */
#define WISHES_QUERY_MAX ((size_t)512 * 1024)

struct sorted {
	struct span *query; /* of the request: gets rest */
	struct buf rest;    /* the query without them */
	struct buf fields;  /* decoded, commas between */
	struct buf pretty;  /* decoded; the last one counts */
	bool has_fields;
	bool has_pretty;
};

static bool sort_pair(const struct config *config, struct span pair, struct sorted *sorted)
{
	size_t equals = span_find(pair, '=');
	struct span name = span_head(pair, equals);
	struct span value = span_skip(pair, equals + 1);

	if (config->http_fields && span_eq_str(name, "fields")) {
		if (sorted->has_fields && !buf_append_byte(&sorted->fields, ','))
			return false;
		sorted->has_fields = true;
		return text_percent_decode(value, false, &sorted->fields);
	}
	if (config->http_pretty_print && span_eq_str(name, "prettyPrint")) {
		sorted->has_pretty = true;
		buf_reset(&sorted->pretty);
		return text_percent_decode(value, false, &sorted->pretty);
	}
	return buf_append_str(&sorted->rest, buf_len(&sorted->rest) ? "&" : "") &&
	       buf_append(&sorted->rest, pair);
}

static enum status read_pretty(struct span text, bool *ret_is_pretty, struct error *err)
{
	*ret_is_pretty = text.len == 0 || span_eq_str(text, "true");
	if (*ret_is_pretty || span_eq_str(text, "false"))
		return ST_OK;
	(void)error_set(err, ST_INVALID_ARGUMENT, "prettyPrint is true or false");
	error_set_field(err, "?prettyPrint");
	return ST_INVALID_ARGUMENT;
}

static enum status take(const struct config *config, const struct http_rule *rule,
			struct arena *arena, struct sorted *sorted, struct wishes *wishes,
			struct error *err)
{
	struct partial_params params = {
		.rule = rule, .has_proto_names = rule->options->preserve_proto_field_names};
	struct span rest = *sorted->query;
	enum status status = ST_OK;

	while (rest.len) {
		size_t end = span_find(rest, '&');

		if (!sort_pair(config, span_head(rest, end), sorted))
			return error_set(err, ST_INVALID_ARGUMENT, "malformed query");
		rest = span_skip(rest, end + 1);
	}
	if (!sorted->has_fields && !sorted->has_pretty)
		return ST_OK;
	*sorted->query = arena_span(arena, buf_span(&sorted->rest));
	params.paths = arena_span(arena, buf_span(&sorted->fields));
	if ((buf_len(&sorted->rest) && !sorted->query->data) ||
	    (buf_len(&sorted->fields) && !params.paths.data))
		return error_set(err, ST_RESOURCE_EXHAUSTED, "the query is too long");
	if (sorted->has_pretty)
		status = read_pretty(buf_span(&sorted->pretty), &wishes->is_pretty, err);
	if (!status && sorted->has_fields)
		status = partial_new(&params, arena, &wishes->partial, err);
	return status;
}

enum status wishes_take(const struct config *config, const struct http_rule *rule,
			struct arena *arena, struct span *query, struct wishes *ret_wishes,
			struct error *err)
{
	struct sorted sorted = {.query = query};
	enum status status;

	*ret_wishes = (struct wishes){0};
	if (!query->len || (!config->http_fields && !config->http_pretty_print))
		return ST_OK;
	buf_init(&sorted.rest, WISHES_QUERY_MAX);
	buf_init(&sorted.fields, WISHES_QUERY_MAX);
	buf_init(&sorted.pretty, WISHES_QUERY_MAX);
	status = take(config, rule, arena, &sorted, ret_wishes, err);
	buf_fini(&sorted.rest);
	buf_fini(&sorted.fields);
	buf_fini(&sorted.pretty);
	return status;
}

bool wishes_accept(const struct config *config, const struct h2_headers *headers, struct span type)
{
	struct accept_type accept = {.type = media_type_next_part(&type, ';')};

	for (size_t i = 0; !config->http_lenient_accept && i < headers->count; i++)
		if (span_eq_str(headers->items[i].name, "accept"))
			accept_type_add(&accept, headers->items[i].value);
	return accept_type_takes(&accept);
}

const char *wishes_refusal(const struct config *config, const struct h2_headers *headers,
			   const struct http_rule *rule)
{
	if (rule->is_raw_response || wishes_accept(config, headers, SPAN_LIT("application/json")))
		return NULL;
	return "this reply is application/json";
}
