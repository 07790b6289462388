/* What a request on the public port is, in the order of ruling R7: a probe, a built-in page, a
 * call. */
#include "httpapi/front/builtin.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/routes.h"
#include "httpapi/route_table.h"
#include "src/base/buf.h"

/* All methods of a table, far shorter in practice. */
#define DISPATCH_ALLOW_BYTES_MAX ((size_t)4096)

static void dispatch_refuse(struct front *front, struct http_request *request,
			    enum front_refusal why, const struct http_reply_error *error)
{
	front_count_refused(front, why);
	http_reply_error(request, error);
}

static void dispatch_no_content(struct http_request *request, struct span allow)
{
	const struct h2_header header = {SPAN_LIT("allow"), allow};

	http_request_respond(request, &(struct http_response){
					      .status = 204,
					      .headers = &header,
					      .header_count = 1,
				      });
}

/* OPTIONS: what the routes allow on this path; a rule of the function for OPTIONS wins. */
static bool dispatch_options(struct front *front, struct http_request *request,
			     const struct http_head *head)
{
	struct route_match match;
	struct span path;
	struct span query;
	struct buf allow;
	bool is_answered = false;

	if (span_eq(head->target, SPAN_LIT("*"))) {
		http_reply_body(request, 200, "text/plain", SPAN_EMPTY);
		return true;
	}
	if (!front->routes || !route_target_split(head->target, &path, &query) ||
	    route_table_match(front->routes->table, head->method, path, &match) !=
		    ROUTE_METHOD_NOT_ALLOWED)
		return false;
	buf_init(&allow, DISPATCH_ALLOW_BYTES_MAX);
	if (route_table_allow(front->routes->table, match.allowed, &allow)) {
		dispatch_no_content(request, buf_span(&allow));
		is_answered = true;
	}
	buf_fini(&allow);
	return is_answered;
}

static bool dispatch_is_grpc(struct span content_type)
{
	struct span prefix = SPAN_LIT("application/grpc");

	return span_eq_nocase(span_head(content_type, prefix.len), prefix);
}

void dispatch_serve(void *data, struct http_request *request, const struct http_head *head)
{
	struct front *front = data;

	if (builtin_serve(front, request, head))
		return;
	if (dispatch_is_grpc(head->content_type)) {
		dispatch_refuse(
			front, request, FRONT_REFUSED_TYPE,
			&(struct http_reply_error){
				.code = ST_INVALID_ARGUMENT,
				.http_status = 415,
				.message = SPAN_LIT("gRPC is served over HTTP/2, with content "
						    "type application/grpc or "
						    "application/grpc+proto"),
			});
		return;
	}
	if (span_eq(head->method, SPAN_LIT("CONNECT")) ||
	    span_eq(head->method, SPAN_LIT("TRACE"))) {
		dispatch_refuse(front, request, FRONT_REFUSED_METHOD,
				&(struct http_reply_error){
					.code = ST_UNIMPLEMENTED,
					.http_status = 501,
					.message = SPAN_LIT("this method is not served"),
				});
		return;
	}
	if (span_eq(head->method, SPAN_LIT("OPTIONS")) && dispatch_options(front, request, head))
		return;
	json_exchange_serve(front, request, head);
}
