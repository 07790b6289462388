#include "httpapi/front/openapi_page.h"

#include "httpapi/etag.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/page.h"
#include "httpapi/front/routes.h"
#include "httpapi/openapi.h"
#include "src/config/config.h"
#include "src/userfn/api.h"

static enum status openapi_page_make(const struct front *front, struct routes *routes,
				     struct error *err)
{
	const struct openapi_params params = {
		.schema = routes->api->schema,
		.table = routes->table,
		.options = &front->transcode,
		.title = routes->api->function_name,
		.version = routes->api->function_version,
	};
	enum status status;

	buf_init(&routes->openapi, OPENAPI_BYTES_MAX);
	status = openapi_write(&params, &routes->openapi, err);
	if (status)
		buf_fini(&routes->openapi);
	else
		etag_make(buf_span(&routes->openapi), false, routes->openapi_etag);
	return status;
}

static void openapi_page_fail(struct http_request *request, enum status status, const char *message)
{
	http_reply_error(request, &(struct http_reply_error){
					  .code = status,
					  .message = span_from_str(message),
				  });
}

void openapi_page_serve(struct front *front, struct http_request *request,
			const struct http_head *head)
{
	struct routes *routes = front->routes;
	struct error err;
	struct page page = {.content_type = "application/json"};

	if (!routes) {
		openapi_page_fail(request, ST_UNAVAILABLE, "user function is not connected");
		return;
	}
	if (buf_len(&routes->openapi) == 0 && openapi_page_make(front, routes, &err)) {
		openapi_page_fail(request, ST_INTERNAL, err.message);
		return;
	}
	page.body = buf_span(&routes->openapi);
	page.etag = routes->openapi_etag;
	page_serve(request, head, &page);
}
