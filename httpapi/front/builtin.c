#include "httpapi/front/builtin.h"

#include "httpapi/front/docs.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/openapi_page.h"
#include "httpapi/route_table.h"
#include "src/base/buf.h"
#include "src/base/metrics.h"
#include "src/base/text.h"
#include "src/config/config.h"

/* The exposition text: 22 metrics of at most METRICS_SERIES_MAX series. */
#define BUILTIN_METRICS_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define BUILTIN_PAGE_BYTES_MAX ((size_t)1024 * 1024)

/* The explorer shows what /openapi.json says. */
static bool builtin_has_docs(const struct config *config)
{
	return config->http_docs && config->http_openapi;
}

size_t builtin_paths(const struct config *config, struct span paths[BUILTIN_PATHS_MAX])
{
	static const char *const always[] = {"/ready", "/alive", "/healthz"};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		paths[count++] = span_from_str(always[i]);
	if (config->http_openapi)
		paths[count++] = SPAN_LIT("/openapi.json");
	for (unsigned i = 0; builtin_has_docs(config) && docs_path(i); i++)
		paths[count++] = span_from_str(docs_path(i));
	return count;
}

bool builtin_is_ready(struct front *front, const char **ret_reason)
{
	*ret_reason = "";
	if (front->is_draining) {
		*ret_reason = "shutting down";
		return false;
	}
	return front_is_ready(front, ret_reason) &&
	       front->params.is_ready(front->params.data, ret_reason);
}

static void builtin_ready(struct front *front, struct http_request *request,
			  const struct http_head *head)
{
	const char *reason;
	bool is_ready = builtin_is_ready(front, &reason);
	struct buf body;

	(void)head;
	buf_init(&body, BUILTIN_PAGE_BYTES_MAX);
	if (is_ready) {
		(void)buf_append_str(&body, "{\"ready\":true}");
	} else {
		(void)buf_append_str(&body, "{\"ready\":false,\"reasons\":[");
		(void)text_json_quote(span_from_str(reason), &body);
		(void)buf_append_str(&body, "]}");
	}
	http_reply_body(request, is_ready ? 200 : 503, "application/json", buf_span(&body));
	buf_fini(&body);
}

static void builtin_alive(struct front *front, struct http_request *request,
			  const struct http_head *head)
{
	(void)front;
	(void)head;
	http_reply_body(request, 200, "application/json", SPAN_LIT("{\"alive\":true}"));
}

/* Asked by queue-proxy of Knative: the body itself is looked at. */
static void builtin_probe(struct front *front, struct http_request *request)
{
	const char *reason;

	if (builtin_is_ready(front, &reason))
		http_reply_body(request, 200, "text/plain", SPAN_LIT("queue"));
	else
		http_reply_body(request, 503, "text/plain", span_from_str(reason));
}

static void builtin_metrics(struct front *front, struct http_request *request,
			    const struct http_head *head)
{
	struct buf text;

	(void)head;
	buf_init(&text, BUILTIN_METRICS_BYTES_MAX);
	if (metrics_print(front->params.metrics, &text))
		http_reply_body(request, 200, "text/plain; version=0.0.4; charset=utf-8",
				buf_span(&text));
	else
		http_reply_error(request, &(struct http_reply_error){
						  .code = ST_INTERNAL,
						  .message = SPAN_LIT("the metrics do not fit"),
					  });
	buf_fini(&text);
}

static void builtin_status(struct front *front, struct http_request *request,
			   const struct http_head *head)
{
	struct buf page;

	(void)head;
	buf_init(&page, BUILTIN_PAGE_BYTES_MAX);
	front->params.status_page(front->params.data, &page);
	http_reply_body(request, 200, "application/json", buf_span(&page));
	buf_fini(&page);
}

struct builtin_page {
	const char *path;
	void (*serve)(struct front *front, struct http_request *request,
		      const struct http_head *head);
};

static bool builtin_find(struct front *front, const struct builtin_page *pages,
			 struct http_request *request, const struct http_head *head)
{
	struct span path;
	struct span query;

	if (!route_target_split(head->target, &path, &query))
		return false;
	for (; pages->path; pages++) {
		if (!span_eq_str(path, pages->path))
			continue;
		if (span_eq(head->method, SPAN_LIT("GET")) ||
		    span_eq(head->method, SPAN_LIT("HEAD")))
			pages->serve(front, request, head);
		else
			http_reply_error(request, &(struct http_reply_error){
							  .code = ST_UNIMPLEMENTED,
							  .http_status = 405,
							  .message = SPAN_LIT("method not allowed"),
							  .allow = SPAN_LIT("GET, HEAD"),
						  });
		return true;
	}
	return false;
}

static void builtin_docs(struct front *front, struct http_request *request,
			 const struct http_head *head)
{
	docs_serve(front->docs, request, head);
}

static bool builtin_find_docs(struct front *front, struct http_request *request,
			      const struct http_head *head)
{
	for (unsigned i = 0; docs_path(i); i++) {
		const struct builtin_page pages[] = {{docs_path(i), builtin_docs}, {NULL, NULL}};

		if (builtin_find(front, pages, request, head))
			return true;
	}
	return false;
}

bool builtin_serve(struct front *front, struct http_request *request, const struct http_head *head)
{
	static const struct builtin_page pages[] = {
		{"/ready", builtin_ready},
		{"/alive", builtin_alive},
		{"/healthz", builtin_ready},
		{NULL, NULL},
	};
	static const struct builtin_page openapi[] = {
		{"/openapi.json", openapi_page_serve},
		{NULL, NULL},
	};
	const struct config *config = front->params.config;

	if (span_eq(h2_headers_get(&head->headers, "k-network-probe"), SPAN_LIT("queue"))) {
		builtin_probe(front, request);
		return true;
	}
	return builtin_find(front, pages, request, head) ||
	       (config->http_openapi && builtin_find(front, openapi, request, head)) ||
	       (builtin_has_docs(config) && builtin_find_docs(front, request, head));
}

static void builtin_not_found(struct http_request *request)
{
	http_reply_error(request, &(struct http_reply_error){
					  .code = ST_NOT_FOUND,
					  .message = SPAN_LIT("no such page"),
				  });
}

void builtin_serve_admin(void *data, struct http_request *request, const struct http_head *head)
{
	static const struct builtin_page pages[] = {
		{"/metrics", builtin_metrics}, {"/ready", builtin_ready},
		{"/alive", builtin_alive},     {"/healthz", builtin_ready},
		{"/status", builtin_status},   {NULL, NULL},
	};

	if (!builtin_find(data, pages, request, head))
		builtin_not_found(request);
}

void builtin_serve_metrics(void *data, struct http_request *request, const struct http_head *head)
{
	static const struct builtin_page pages[] = {
		{"/metrics", builtin_metrics},
		{NULL, NULL},
	};

	if (!builtin_find(data, pages, request, head))
		builtin_not_found(request);
}
