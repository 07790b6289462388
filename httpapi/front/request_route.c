#include "httpapi/front/request_route.h"

#include "httpapi/front/grpc_web.h"

/* All methods of a table, far shorter in practice. */
#define ALLOW_BYTES_MAX ((size_t)4096)

struct refusal {
	enum front_refusal why;
	enum status code;
	int http_status;
	struct span message;
};

static void refuse(struct request_route *route, const struct refusal *refusal)
{
	route->kind = REQUEST_REFUSED;
	route->why = refusal->why;
	route->code = refusal->code;
	route->http_status = refusal->http_status;
	route->message = refusal->message;
}

static bool is_grpc(struct span content_type)
{
	struct span prefix = SPAN_LIT("application/grpc");

	return span_eq_nocase(span_head(content_type, prefix.len), prefix);
}

static void take_grpc_web(struct span method, struct request_route *route)
{
	static const struct refusal no_post = {FRONT_REFUSED_METHOD, ST_UNIMPLEMENTED, 405,
					       SPAN_LIT("gRPC-Web calls are POST requests")};

	route->kind = REQUEST_GRPC_WEB;
	if (span_eq(method, SPAN_LIT("POST")))
		return;
	refuse(route, &no_post);
	(void)buf_append_str(&route->allow, "POST"); /* fits */
}

static void look_up(const struct route_table *table, struct span method, struct span target,
		    struct request_route *route)
{
	static const struct refusal not_found = {FRONT_REFUSED_NOT_FOUND, ST_NOT_FOUND, 0,
						 SPAN_LIT("nothing is served at this path")};
	static const struct refusal no_method = {FRONT_REFUSED_METHOD, ST_UNIMPLEMENTED, 405,
						 SPAN_LIT("this path does not take this method")};
	static const struct refusal malformed = {FRONT_REFUSED_MALFORMED, ST_INVALID_ARGUMENT, 0,
						 SPAN_LIT("malformed request path")};
	enum route_result result = ROUTE_BAD_PATH;

	if (route_target_split(target, &route->path, &route->query))
		result = route_table_match(table, method, route->path, &route->match);
	if (result == ROUTE_METHOD_NOT_ALLOWED &&
	    !route_table_allow(table, route->match.allowed, &route->allow))
		buf_reset(&route->allow);
	if (result == ROUTE_BAD_PATH)
		refuse(route, &malformed);
	else if (result == ROUTE_NOT_FOUND)
		refuse(route, &not_found);
	else if (result == ROUTE_METHOD_NOT_ALLOWED && span_eq(method, SPAN_LIT("OPTIONS")))
		route->kind = REQUEST_OPTIONS; /* a rule for OPTIONS would have been found */
	else if (result == ROUTE_METHOD_NOT_ALLOWED)
		refuse(route, &no_method);
}

void request_route_find(const struct route_table *table, struct span method, struct span target,
			struct span content_type, struct request_route *ret_route)
{
	static const struct refusal grpc = {FRONT_REFUSED_TYPE, ST_INVALID_ARGUMENT, 415,
					    SPAN_LIT("gRPC is served over HTTP/2, with content "
						     "type application/grpc or "
						     "application/grpc+proto; gRPC-Web as "
						     "application/grpc-web or "
						     "application/grpc-web-text, each with or "
						     "without +proto")};
	static const struct refusal no_such_method = {FRONT_REFUSED_METHOD, ST_UNIMPLEMENTED, 501,
						      SPAN_LIT("this method is not served")};
	static const struct refusal not_ready = {FRONT_REFUSED_NOT_READY, ST_UNAVAILABLE, 0,
						 SPAN_LIT("user function is not connected")};

	/* The match is large and filled by the search. */
	ret_route->kind = REQUEST_CALL;
	ret_route->code = ST_OK;
	ret_route->http_status = 0;
	ret_route->message = SPAN_EMPTY;
	buf_init(&ret_route->allow, ALLOW_BYTES_MAX);
	if (grpc_web_form(content_type) != GRPC_WEB_NONE)
		take_grpc_web(method, ret_route);
	else if (is_grpc(content_type))
		refuse(ret_route, &grpc);
	else if (span_eq(method, SPAN_LIT("CONNECT")) || span_eq(method, SPAN_LIT("TRACE")))
		refuse(ret_route, &no_such_method);
	else if (!table)
		refuse(ret_route, &not_ready);
	else
		look_up(table, method, target, ret_route);
}

void request_route_fini(struct request_route *route)
{
	buf_fini(&route->allow);
}
