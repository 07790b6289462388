/* The admin port of several workers: every page asks all of them and puts the answers together. A
 * worker that does not answer in time is named, and holds up nobody longer than that. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/listener.h"
#include "httpapi/route_table.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/process.h"
#include "src/server/merge_metrics.h"
#include "src/server/supervisor_internal.h"
#include "src/server/worker_ask.h"

/* As the admin port of one process. */
#define PAGES_CONNECTIONS_MAX 256
/* What one reply over HTTP/2 may hold unsent. */
#define PAGES_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Pages being made at once; each may hold the metrics of all workers. */
#define PAGES_RUNNING_MAX ((size_t)16)
#define PAGES_REASON_MAX 640

struct page;
typedef void (*page_fn)(struct page *page);

struct page {
	struct list node;
	struct supervisor *supervisor;
	struct http_request *request; /* NULL: the client is gone */
	page_fn finish;
	unsigned waiting;
	struct worker_ask *asks[CONFIG_WORKERS_MAX]; /* NULL: it does not run */
	struct worker_answer answers[CONFIG_WORKERS_MAX];
};

static void page_free(struct page *page)
{
	for (unsigned i = 0; i < page->supervisor->params.count; i++)
		worker_ask_free(page->asks[i]);
	list_remove(&page->node);
	mem_free(page);
}

static void page_finish(struct page *page)
{
	for (unsigned i = 0; i < page->supervisor->params.count; i++) {
		if (page->asks[i])
			worker_ask_answer(page->asks[i], &page->answers[i]);
		else
			page->answers[i].reason = "it does not run and is started again";
	}
	page->finish(page);
	page_free(page);
}

static void page_reply(struct page *page, int status, const char *type, struct span body)
{
	http_reply_body(page->request, status, type, body);
}

static void page_reply_json(struct page *page, int status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	page_reply(page, status, "application/json", text ? span_from_str(text) : SPAN_LIT("{}"));
	free(text);
	json_decref(json);
}

/* ---- /ready and /healthz --------------------------------------------------------------------- */
static void add_reason(json_t *reasons, unsigned worker, const char *reason)
{
	json_array_append_new(reasons, json_sprintf("worker %u: %s", worker, reason));
}

/* What a worker said why; or that it said nothing. */
static void add_reasons(json_t *reasons, unsigned worker, const struct worker_answer *answer)
{
	json_t *said = json_loadb((const char *)answer->body.data, answer->body.len, 0, NULL);
	json_t *list = json_object_get(said, "reasons");
	json_t *reason;
	size_t i;

	if (!json_array_size(list))
		add_reason(reasons, worker, answer->http_status ? "not ready" : answer->reason);
	json_array_foreach(list, i, reason) add_reason(reasons, worker, json_string_value(reason));
	json_decref(said);
}

/* Takes nothing; gives an array of why not all are ready. */
static json_t *page_reasons(const struct page *page)
{
	json_t *reasons = json_array();

	if (page->supervisor->is_ending)
		json_array_append_new(reasons, json_string("shutting down"));
	for (unsigned i = 0; i < page->supervisor->params.count; i++) {
		if (page->answers[i].http_status != 200)
			add_reasons(reasons, i, &page->answers[i]);
	}
	return reasons;
}

static void finish_ready(struct page *page)
{
	json_t *reasons = page_reasons(page);
	bool is_ready = !json_array_size(reasons);
	json_t *json = json_object();

	json_object_set_new(json, "ready", json_boolean(is_ready));
	if (!is_ready)
		json_object_set(json, "reasons", reasons);
	json_decref(reasons);
	page_reply_json(page, is_ready ? 200 : 503, json);
}

/* ---- /alive ---------------------------------------------------------------------------------- */
/* One that died is ours to mend. Only when all of them run and say nothing is it of use to end us.
 */
static void finish_alive(struct page *page)
{
	unsigned silent = 0;
	json_t *json = json_object();
	json_t *list = json_array();

	for (unsigned i = 0; i < page->supervisor->params.count; i++) {
		if (!page->answers[i].is_silent)
			continue;
		silent++;
		add_reason(list, i, page->answers[i].reason);
	}
	json_object_set_new(json, "alive", json_boolean(silent < page->supervisor->params.count));
	if (silent)
		json_object_set(json, "reasons", list);
	json_decref(list);
	page_reply_json(page, silent < page->supervisor->params.count ? 200 : 503, json);
}

/* ---- /metrics -------------------------------------------------------------------------------- */
static void set_up(struct supervisor *s, unsigned worker, bool is_up)
{
	char text[16];
	struct metrics_label label = {"worker", SPAN_EMPTY};

	(void)snprintf(text, sizeof(text), "%u", worker);
	label.value = span_from_str(text);
	metrics_set(metrics_series(s->metrics, METRIC_WORKER_UP, &label, 1), is_up);
}

static void finish_metrics(struct page *page)
{
	struct supervisor *s = page->supervisor;
	struct span texts[CONFIG_WORKERS_MAX];
	struct buf out;

	buf_init(&out, PAGES_BYTES_MAX);
	for (unsigned i = 0; i < s->params.count; i++) {
		bool is_up = page->answers[i].http_status == 200;

		texts[i] = is_up ? page->answers[i].body : SPAN_EMPTY;
		set_up(s, i, is_up);
		if (!is_up)
			(void)buf_printf(&out, "# worker %u: %s\n", i, page->answers[i].reason);
	}
	if (merge_metrics(texts, s->params.count, &out) && metrics_print(s->metrics, &out))
		page_reply(page, 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(&out));
	else
		http_reply_error(page->request,
				 &(struct http_reply_error){
					 .code = ST_INTERNAL,
					 .message = SPAN_LIT("the metrics do not fit"),
				 });
	buf_fini(&out);
}

/* ---- /status --------------------------------------------------------------------------------- */
static json_int_t number_at(json_t *status, const char *const path[3])
{
	for (size_t i = 0; i < 3 && path[i]; i++)
		status = json_object_get(status, path[i]);
	return json_integer_value(status);
}

static json_t *status_totals(json_t *workers)
{
	static const struct {
		const char *name;
		const char *path[3];
	} rows[] = {
		{"calls", {"calls"}},
		{"entities", {"entities"}},
		{"queued", {"queued"}},
		{"commands_here", {"members", "commands", "here"}},
		{"commands_forwarded", {"members", "commands", "forwarded"}},
	};
	json_t *totals = json_object();
	json_t *worker;
	size_t at;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_int_t sum = 0;

		json_array_foreach(workers, at, worker) sum +=
			number_at(json_object_get(worker, "status"), rows[i].path);
		json_object_set_new(totals, rows[i].name, json_integer(sum));
	}
	return totals;
}

static json_t *status_worker(const struct page *page, unsigned i)
{
	const struct worker *worker = &page->supervisor->workers[i];
	const struct worker_answer *answer = &page->answers[i];
	json_t *json = json_object();
	json_t *status = json_loadb((const char *)answer->body.data, answer->body.len, 0, NULL);

	json_object_set_new(json, "worker", json_integer(i));
	if (worker->process)
		json_object_set_new(json, "pid", json_integer(process_pid(worker->process)));
	json_object_set_new(json, "restarts", json_integer((json_int_t)worker->restarts));
	if (status)
		json_object_set_new(json, "status", status);
	else
		json_object_set_new(json, "error", json_string(answer->reason));
	return json;
}

static void finish_status(struct page *page)
{
	struct supervisor *s = page->supervisor;
	uint64_t age_ns = clock_mono_ns() - s->params.started_ns;
	json_t *json = json_object();
	json_t *workers = json_array();
	bool is_ready = !s->is_ending;

	for (unsigned i = 0; i < s->params.count; i++) {
		json_t *worker = status_worker(page, i);

		is_ready =
			is_ready &&
			json_is_true(json_object_get(json_object_get(worker, "status"), "ready"));
		json_array_append_new(workers, worker);
	}
	json_object_set_new(json, "ready", json_boolean(is_ready));
	json_object_set_new(json, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(json, "uptime_ms", json_integer((json_int_t)(age_ns / NS_PER_MS)));
	json_object_set_new(json, "totals", status_totals(workers));
	json_object_set_new(json, "workers", workers);
	page_reply_json(page, 200, json);
}

/* ---- asking ---------------------------------------------------------------------------------- */
static void on_ask_done(void *data)
{
	struct page *page = data;

	if (--page->waiting == 0)
		page_finish(page);
}

static void page_on_gone(void *data, enum status why)
{
	struct page *page = data;

	(void)why;
	page_free(page);
}

static const struct http_handler_ops page_ops = {.on_gone = page_on_gone};

struct page_kind {
	const char *path;
	const char *target; /* of the workers */
	page_fn finish;
};

static void page_start(struct supervisor *s, struct http_request *request,
		       const struct page_kind *kind)
{
	struct page *page = mem_new(struct page);

	page->supervisor = s;
	page->request = request;
	page->finish = kind->finish;
	list_push_back(&s->pages, &page->node);
	for (unsigned i = 0; i < s->params.count; i++) {
		if (!s->workers[i].process)
			continue;
		page->asks[i] = worker_ask_start(s->loop, s->workers[i].socket, kind->target,
						 SUPERVISOR_ANSWER_MS, on_ask_done, page);
		page->waiting++;
	}
	if (page->waiting)
		http_request_set_handler(request, &page_ops, page);
	else
		page_finish(page);
}

static size_t pages_running(const struct supervisor *s)
{
	size_t count = 0;

	list_for_each (node, &s->pages)
		count++;
	return count;
}

static void refuse(struct http_request *request, enum status code, int http_status,
		   const char *message)
{
	http_reply_error(request,
			 &(struct http_reply_error){
				 .code = code,
				 .http_status = http_status,
				 .message = span_from_str(message),
				 .allow = http_status == 405 ? SPAN_LIT("GET, HEAD") : SPAN_EMPTY,
			 });
}

static void serve(struct supervisor *s, const struct page_kind *kind, struct http_request *request,
		  const struct http_head *head)
{
	struct span path = SPAN_EMPTY;
	struct span query;

	if (!route_target_split(head->target, &path, &query))
		path = SPAN_EMPTY;
	while (kind->path && !span_eq_str(path, kind->path))
		kind++;
	if (!kind->path)
		refuse(request, ST_NOT_FOUND, 0, "no such page");
	else if (!span_eq_str(head->method, "GET") && !span_eq_str(head->method, "HEAD"))
		refuse(request, ST_UNIMPLEMENTED, 405, "method not allowed");
	else if (pages_running(s) >= PAGES_RUNNING_MAX)
		refuse(request, ST_RESOURCE_EXHAUSTED, 0, "too many pages at once");
	else
		page_start(s, request, kind);
}

static void serve_admin(void *data, struct http_request *request, const struct http_head *head)
{
	static const struct page_kind kinds[] = {
		{"/metrics", "/metrics", finish_metrics}, {"/ready", "/ready", finish_ready},
		{"/alive", "/alive", finish_alive},	  {"/healthz", "/ready", finish_ready},
		{"/status", "/status", finish_status},	  {NULL, NULL, NULL},
	};

	serve(data, kinds, request, head);
}

static void serve_metrics(void *data, struct http_request *request, const struct http_head *head)
{
	static const struct page_kind kinds[] = {
		{"/metrics", "/metrics", finish_metrics},
		{NULL, NULL, NULL},
	};

	serve(data, kinds, request, head);
}

static enum status pages_listen(struct supervisor *s, const char *where, const char *name,
				http_serve_fn fn, struct listener **ret_listener, struct error *err)
{
	const struct config *config = s->params.config;
	struct address address;
	struct h2_limits limits = h2_limits_default();
	struct listener_params params = {
		.name = name,
		.address = &address,
		.max_connections = PAGES_CONNECTIONS_MAX,
		.silent_timeout_ms = LISTENER_SILENT_MS,
		.http1 = {.serve = fn,
			  .data = s,
			  .max_head_bytes = config->http_max_header_bytes,
			  .max_body_bytes = config->http_max_body_bytes,
			  .max_connections = PAGES_CONNECTIONS_MAX,
			  .head_timeout_ms = config->http_head_timeout_ms,
			  .body_timeout_ms = config->http_body_timeout_ms,
			  .idle_timeout_ms = config->http_idle_timeout_ms},
		.http2 = {.serve = fn, .data = s, .body_timeout_ms = config->http_body_timeout_ms},
	};
	enum status status = address_parse(span_from_str(where), "0.0.0.0", &address, err);

	limits.max_unsent_bytes = PAGES_BYTES_MAX;
	limits.max_unsent_total_bytes = PAGES_BYTES_MAX;
	params.http2.limits = limits;
	return status == ST_OK ? listener_open(s->loop, &params, ret_listener, err) : status;
}

enum status supervisor_open_pages(struct supervisor *s, struct error *err)
{
	const struct config *config = s->params.config;
	char where[16];

	if (strcmp(config->admin_listen, "off") != 0 &&
	    pages_listen(s, config->admin_listen, "admin", serve_admin, &s->admin, err) != ST_OK)
		return error_wrap(err, "admin.listen");
	(void)snprintf(where, sizeof(where), ":%u", (unsigned)config->metrics_port); /* fits */
	if (config->metrics_port &&
	    pages_listen(s, where, "metrics", serve_metrics, &s->metrics_only, err) != ST_OK)
		return error_wrap(err, "metrics.port");
	return ST_OK;
}

void supervisor_close_pages(struct supervisor *s)
{
	listener_close(s->admin);
	listener_close(s->metrics_only);
	list_for_each_safe (node, &s->pages)
		page_free(list_entry(node, struct page, node));
}
