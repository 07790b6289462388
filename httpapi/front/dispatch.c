/* What a request on the public port is, in the order of ruling R7: a probe, a built-in page, a
 * call. */
#include "httpapi/front/builtin.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/manners.h"
#include "httpapi/front/request_route.h"
#include "httpapi/front/routes.h"
#include "src/base/buf.h"

static void dispatch_no_content(struct http_request *request, struct span allow)
{
	const struct h2_header header = {SPAN_LIT("allow"), allow};

	http_request_respond(request, &(struct http_response){
					      .status = 204,
					      .headers = &header,
					      .header_count = 1,
				      });
}

static void dispatch_refuse(struct front *front, struct http_request *request,
			    const struct request_route *route)
{
	front_count_refused(front, route->why);
	http_reply_error(request, &(struct http_reply_error){
					  .code = route->code,
					  .http_status = route->http_status,
					  .message = route->message,
					  .allow = buf_span(&route->allow),
				  });
}

static void dispatch_in_manners(struct front *front, struct http_request *request,
				const struct http_head *head)
{
	struct request_route route;

	if (builtin_serve(front, request, head))
		return;
	if (span_eq(head->method, SPAN_LIT("OPTIONS")) && span_eq(head->target, SPAN_LIT("*"))) {
		http_reply_body(request, 200, "text/plain", SPAN_EMPTY);
		return;
	}
	request_route_find(front->routes ? front->routes->table : NULL, head->method, head->target,
			   head->content_type, &route);
	if (route.kind == REQUEST_CALL && front->params.stage)
		front->params.stage->on_route(front->params.stage->data, &route.match);
	if (route.kind == REQUEST_CALL)
		json_exchange_serve(front, request, head, &route.match);
	else if (route.kind == REQUEST_GRPC_WEB)
		grpc_web_serve(front, request, head);
	else if (route.kind == REQUEST_OPTIONS)
		dispatch_no_content(request, buf_span(&route.allow));
	else
		dispatch_refuse(front, request, &route);
	request_route_fini(&route);
}

void dispatch_serve(void *data, struct http_request *request, const struct http_head *head)
{
	struct http_head shown = *head;

	request = manners_begin(data, request, &shown);
	if (request)
		dispatch_in_manners(data, request, &shown);
}
