#include "httpapi/front/http_reply.h"

#include <stdio.h>

#include "httpapi/front/http_request.h"
#include "httpapi/status_map.h"
#include "src/base/buf.h"
#include "src/base/text.h"

/* Sent with 429 and 503 when the failure names no time itself. */
#define HTTP_REPLY_RETRY_S 1

static bool http_reply_write(const struct http_reply_error *error, struct buf *out)
{
	struct status_failure failure = {error->code, error->message, error->details};

	if (error->map)
		return status_map_json(error->map, error->schema, &failure, out);
	return buf_printf(out, "{\"code\":%d,\"message\":", (int)error->code) &&
	       text_json_quote(error->message, out) && buf_append_str(out, ",\"details\":[]}");
}

static bool http_reply_retry_after(const struct http_reply_error *error, char text[24])
{
	struct status_failure failure = {error->code, error->message, error->details};
	uint64_t seconds = HTTP_REPLY_RETRY_S;

	if (!(error->details.len && status_map_retry_after(&failure, &seconds)) &&
	    error->code != ST_RESOURCE_EXHAUSTED && error->code != ST_UNAVAILABLE)
		return false;
	(void)snprintf(text, 24, "%llu", (unsigned long long)seconds);
	return true;
}

static int http_reply_status(const struct http_reply_error *error)
{
	struct status_failure failure = {error->code, error->message, error->details};

	if (error->http_status)
		return error->http_status;
	return error->details.len ? status_map_http(&failure) : status_http(error->code);
}

/* What the original proxy answers. Spec: docs/http-mapping.md, "Errors of the original" */
static void http_reply_plain(const struct http_reply_error *error, struct http_response *response)
{
	response->body = error->message;
	if (error->origin == HTTP_REPLY_OF_CALL) {
		response->status = 500;
	} else if (error->origin == HTTP_REPLY_OF_REQUEST) {
		response->status = 400;
		response->body = SPAN_LIT("Bad Request");
	}
}

static void http_reply_json(const struct http_reply_error *error, struct buf *body)
{
	if (http_reply_write(error, body))
		return;
	buf_reset(body);
	(void)buf_printf(body, "{\"code\":%d,\"message\":\"\",\"details\":[]}", (int)error->code);
}

void http_reply_error(struct http_request *request, const struct http_reply_error *error)
{
	struct h2_header headers[HTTP_REPLY_HEADERS_MAX + 3] = {
		{SPAN_LIT("content-type"), request->has_plain_errors
						   ? SPAN_LIT("text/plain; charset=UTF-8")
						   : SPAN_LIT("application/json")},
	};
	struct http_response response = {
		.status = http_reply_status(error), .headers = headers, .header_count = 1};
	char retry[24];
	struct buf body;

	buf_init(&body, HTTP_REPLY_ERROR_BYTES_MAX);
	if (request->has_plain_errors) {
		http_reply_plain(error, &response);
	} else {
		http_reply_json(error, &body);
		response.body = buf_span(&body);
	}
	for (size_t i = 0; i < error->header_count && i < HTTP_REPLY_HEADERS_MAX; i++)
		headers[response.header_count++] = error->headers[i];
	if (error->allow.len)
		headers[response.header_count++] =
			(struct h2_header){SPAN_LIT("allow"), error->allow};
	if ((response.status == 429 || response.status == 503) &&
	    http_reply_retry_after(error, retry))
		headers[response.header_count++] =
			(struct h2_header){SPAN_LIT("retry-after"), span_from_str(retry)};
	http_request_respond(request, &response);
	buf_fini(&body);
}

void http_reply_body(struct http_request *request, int status, const char *content_type,
		     struct span body)
{
	const struct h2_header header = {SPAN_LIT("content-type"), span_from_str(content_type)};

	http_request_respond(request, &(struct http_response){
					      .status = status,
					      .headers = &header,
					      .header_count = 1,
					      .body = body,
				      });
}
