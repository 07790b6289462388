/* The reply half: which headers a reply gets, whether it is packed, and whether the client has it
 * already. */
#include "httpapi/cors.h"
#include "httpapi/encoding.h"
#include "httpapi/etag.h"
#include "httpapi/front/grpc_web.h"
#include "httpapi/front/manners.h"
#include "httpapi/front/routes.h"
#include "httpapi/media_type.h"
#include "httpapi/route_table.h"
#include "src/base/gzip.h"
#include "src/base/text.h"
#include "src/config/config.h"

/* Those of a reply, both kinds of metadata, and ours. */
#define MANNERS_HEADERS_MAX 288

/* Packing more would hold up everybody else: a megabyte takes some 10 ms. */
#define MANNERS_PACK_BYTES_MAX ((size_t)2 * 1024 * 1024)

#define MANNERS_ALLOW_BYTES_MAX ((size_t)4096)

struct manners_reply {
	struct http_response response;
	struct h2_header headers[MANNERS_HEADERS_MAX];
	struct buf packed;
	char etag[ETAG_BYTES];
	char weak[ETAG_BYTES * 4];
};

static void put(struct manners_reply *reply, struct span name, struct span value)
{
	if (reply->response.header_count < MANNERS_HEADERS_MAX)
		reply->headers[reply->response.header_count++] = (struct h2_header){name, value};
}

static struct h2_header *find(struct manners_reply *reply, const char *name)
{
	for (size_t i = 0; i < reply->response.header_count; i++)
		if (span_eq_str(reply->headers[i].name, name))
			return &reply->headers[i];
	return NULL;
}

/* Copies the headers; what we say about origins, a function cannot say as well. */
static void start(const struct manners *self, const struct http_response *response,
		  struct manners_reply *reply)
{
	reply->response = *response;
	reply->response.headers = reply->headers;
	reply->response.header_count = 0;
	for (size_t i = 0; i < response->header_count; i++)
		if (!self->front->cors.is_on ||
		    !span_starts_with(response->headers[i].name, SPAN_LIT("access-control-")))
			put(reply, response->headers[i].name, response->headers[i].value);
}

static bool is_grpc_web(struct manners_reply *reply)
{
	const struct h2_header *type = find(reply, "content-type");

	return type && grpc_web_form(type->value) != GRPC_WEB_NONE;
}

static void put_origin(const struct manners *self, struct manners_reply *reply)
{
	const struct cors *cors = &self->front->cors;

	if (!cors->is_on)
		return;
	put(reply, SPAN_LIT("vary"), SPAN_LIT("Origin"));
	if (!self->origin)
		return;
	put(reply, SPAN_LIT("access-control-allow-origin"),
	    cors->is_any ? SPAN_LIT("*") : span_from_str(self->origin));
	if (cors->has_credentials)
		put(reply, SPAN_LIT("access-control-allow-credentials"), SPAN_LIT("true"));
	put(reply, SPAN_LIT("access-control-expose-headers"),
	    SPAN_LIT("headgate-entity-seq, idempotency-replayed"));
	if (cors->expose.len)
		put(reply, SPAN_LIT("access-control-expose-headers"), cors->expose);
	if (is_grpc_web(reply))
		put(reply, SPAN_LIT("access-control-expose-headers"),
		    SPAN_LIT("grpc-status, grpc-message, grpc-status-details-bin"));
}

/* Spec: RFC 9110 15.5.2, a 401 names at least one */
static void put_challenge(const struct manners *self, struct manners_reply *reply)
{
	const char *challenge = self->front->params.config->http_challenge;

	if (reply->response.status == 401 && challenge[0] && !find(reply, "www-authenticate"))
		put(reply, SPAN_LIT("www-authenticate"), span_from_str(challenge));
}

/* -- packing ----------------------------------------------------------------------------------- */

/* True when this reply differs by Accept-Encoding. */
static bool is_packable(const struct manners *self, struct manners_reply *reply)
{
	const struct config *config = self->front->params.config;
	const struct h2_header *type = find(reply, "content-type");

	return config->http_gzip && type && encoding_is_worth_it(type->value) &&
	       reply->response.body.len >= config->http_gzip_min_bytes &&
	       reply->response.body.len > 0 && reply->response.body.len <= MANNERS_PACK_BYTES_MAX &&
	       !find(reply, "content-encoding") && !find(reply, "content-range");
}

static void pack(const struct manners *self, struct manners_reply *reply)
{
	const struct h2_header *vary = find(reply, "vary");
	const struct span body = reply->response.body;

	if (!is_packable(self, reply))
		return;
	if (!vary || !span_eq_nocase(vary->value, SPAN_LIT("accept-encoding")))
		put(reply, SPAN_LIT("vary"), SPAN_LIT("Accept-Encoding"));
	if (!self->takes_gzip)
		return;
	buf_init(&reply->packed, 2 * body.len + 1024);
	if (!gzip_pack(body, &reply->packed) || buf_len(&reply->packed) >= body.len)
		return;
	put(reply, SPAN_LIT("content-encoding"), SPAN_LIT("gzip"));
	reply->response.body = buf_span(&reply->packed);
}

/* -- validators -------------------------------------------------------------------------------- */

/* The function's own tag, which is not that of the packed bytes. */
static void weaken(struct manners_reply *reply, struct h2_header *tag)
{
	struct buf text;

	if (!find(reply, "content-encoding") || span_starts_with(tag->value, SPAN_LIT("W/")) ||
	    tag->value.len + 2 > sizeof(reply->weak))
		return;
	buf_init(&text, sizeof(reply->weak));
	if (buf_append_str(&text, "W/") && buf_append(&text, tag->value)) {
		memcpy(reply->weak, buf_span(&text).data, buf_len(&text));
		tag->value = span_make(reply->weak, buf_len(&text));
	}
	buf_fini(&text);
}

static void validate(const struct manners *self, const struct http_response *response,
		     struct manners_reply *reply)
{
	struct h2_header *tag = find(reply, "etag");
	char other[ETAG_BYTES] = "";

	if (!response->has_validator || !self->is_safe || response->status != 200)
		return;
	if (tag) {
		weaken(reply, tag);
	} else {
		bool is_packed = find(reply, "content-encoding") != NULL;

		etag_make(response->body, is_packed, reply->etag);
		etag_make(response->body, !is_packed, other);
		put(reply, SPAN_LIT("etag"), span_from_str(reply->etag));
		tag = find(reply, "etag");
	}
	if (!tag || !self->if_none_match ||
	    !etag_is_known(span_from_str(self->if_none_match), tag->value, span_from_str(other)))
		return;
	reply->response.status = 304;
	reply->response.body = SPAN_EMPTY;
}

/* -- answers ----------------------------------------------------------------------------------- */

void manners_send(struct manners *self, const struct http_response *response)
{
	struct manners_reply reply;

	reply.packed = (struct buf){0};
	start(self, response, &reply);
	pack(self, &reply);
	validate(self, response, &reply);
	put_origin(self, &reply);
	put_challenge(self, &reply);
	http_request_respond(self->inner, &reply.response);
	buf_fini(&reply.packed);
}

void manners_send_begin(struct manners *self, const struct http_response *head)
{
	struct manners_reply reply;

	start(self, head, &reply);
	put_origin(self, &reply);
	http_request_begin(self->inner, &reply.response);
}

/* The preflight of a gRPC-Web call: every client has this header. */
static bool asks_for_grpc_web(struct span wanted, struct span asked)
{
	if (!span_eq(wanted, SPAN_LIT("POST")))
		return false;
	while (asked.len)
		if (span_eq_nocase(media_type_next_part(&asked, ','), SPAN_LIT("x-grpc-web")))
			return true;
	return false;
}

static bool find_methods(const struct manners *self, const struct http_head *head,
			 struct span wanted, struct buf *methods)
{
	const struct routes *routes = self->front->routes;
	enum route_result result;
	struct route_match match;
	struct span path;
	struct span query;

	if (!routes || !route_target_split(head->target, &path, &query))
		return false;
	/* No method is called so; a route of any method takes it nevertheless. */
	result = route_table_match(routes->table, SPAN_LIT("-"), path, &match);
	if (result == ROUTE_METHOD_NOT_ALLOWED)
		return route_table_allow(routes->table, match.allowed, methods);
	return result == ROUTE_FOUND && buf_append(methods, wanted);
}

bool manners_preflight(struct manners *self, const struct http_head *head)
{
	const struct cors *cors = &self->front->cors;
	struct span wanted = h2_headers_get(&head->headers, "access-control-request-method");
	struct span asked = h2_headers_get(&head->headers, "access-control-request-headers");
	struct manners_reply reply;
	bool is_web = asks_for_grpc_web(wanted, asked);
	char age[TEXT_U64_DIGITS];
	struct buf methods;

	if (!cors->is_on || !wanted.len || !span_eq(head->method, SPAN_LIT("OPTIONS")) ||
	    !h2_headers_get(&head->headers, "origin").len || !cors_is_name_list(wanted))
		return false;
	buf_init(&methods, MANNERS_ALLOW_BYTES_MAX);
	/* Whatever its path: that there is no such method, or no function yet, is for the call's
	 * own status to say, which the page can read. */
	if (is_web)
		(void)buf_append_str(&methods, "POST"); /* fits */
	else if (!find_methods(self, head, wanted, &methods)) {
		buf_fini(&methods);
		return false;
	}
	start(self, &(struct http_response){.status = 204}, &reply);
	put(&reply, SPAN_LIT("allow"), buf_span(&methods));
	put(&reply, SPAN_LIT("vary"),
	    SPAN_LIT("Access-Control-Request-Method, Access-Control-Request-Headers"));
	put_origin(self, &reply);
	if (self->origin) {
		put(&reply, SPAN_LIT("access-control-allow-methods"), buf_span(&methods));
		if (!cors->has_any_header && cors->headers.len)
			put(&reply, SPAN_LIT("access-control-allow-headers"), cors->headers);
		else if (cors->has_any_header && cors_is_name_list(asked))
			put(&reply, SPAN_LIT("access-control-allow-headers"), asked);
		if (is_web && !cors->has_any_header)
			put(&reply, SPAN_LIT("access-control-allow-headers"),
			    SPAN_LIT("content-type, x-grpc-web, x-user-agent, grpc-timeout"));
		put(&reply, SPAN_LIT("access-control-max-age"),
		    text_from_u64(cors->max_age_s, age));
	}
	http_request_respond(self->inner, &reply.response);
	buf_fini(&methods);
	return true;
}
