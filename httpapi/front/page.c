#include "httpapi/front/page.h"

#include "httpapi/encoding.h"
#include "httpapi/etag.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "src/base/buf.h"
#include "src/base/gzip.h"

/* Unpacks a page of ours; false when it is damaged. */
static bool page_unpack(struct span packed, struct buf *out)
{
	struct gzip_reader *reader = gzip_reader_new();
	enum parse_result result = PARSE_MORE;
	size_t before;
	size_t used;

	do {
		before = buf_len(out);
		result = gzip_reader_feed(reader, packed, &used, out);
		packed = span_skip(packed, used);
	} while (result == PARSE_MORE && (used > 0 || buf_len(out) > before));
	gzip_reader_free(reader);
	return result == PARSE_DONE;
}

static bool page_takes_gzip(const struct http_head *head)
{
	struct encoding_accept accept = {0};

	for (size_t i = 0; i < head->headers.count; i++)
		if (span_eq_str(head->headers.items[i].name, "accept-encoding"))
			encoding_accept_add(&accept, head->headers.items[i].value);
	return encoding_takes_gzip(&accept);
}

static void page_send_unpacked(struct http_request *request, const struct page *page,
			       struct http_response *response)
{
	struct buf unpacked;

	buf_init(&unpacked, page->body_max);
	if (page_unpack(page->packed, &unpacked)) {
		response->body = buf_span(&unpacked);
		http_request_respond(request, response);
	} else {
		http_reply_error(request, &(struct http_reply_error){
						  .code = ST_INTERNAL,
						  .message = SPAN_LIT("the page is damaged"),
					  });
	}
	buf_fini(&unpacked);
}

void page_serve(struct http_request *request, const struct http_head *head, const struct page *page)
{
	bool has_two = page->packed.len > 0;
	bool is_packed = has_two && page_takes_gzip(head);
	struct span etag = span_from_str(has_two && !is_packed ? page->plain_etag : page->etag);
	struct h2_header headers[PAGE_HEADERS_MAX + 6] = {
		{SPAN_LIT("etag"), etag},
		{SPAN_LIT("cache-control"), SPAN_LIT("no-cache")},
	};
	struct http_response response = {.status = 200, .headers = headers, .header_count = 2};

	for (size_t i = 0; i < page->header_count && i < PAGE_HEADERS_MAX; i++)
		headers[response.header_count++] = page->headers[i];
	if (has_two)
		headers[response.header_count++] =
			(struct h2_header){SPAN_LIT("vary"), SPAN_LIT("accept-encoding")};
	if (etag_is_known(h2_headers_get(&head->headers, "if-none-match"),
			  span_from_str(page->etag), span_from_str(page->plain_etag))) {
		response.status = 304;
		http_request_respond(request, &response);
		return;
	}
	headers[response.header_count++] =
		(struct h2_header){SPAN_LIT("content-type"), span_from_str(page->content_type)};
	if (is_packed)
		headers[response.header_count++] =
			(struct h2_header){SPAN_LIT("content-encoding"), SPAN_LIT("gzip")};
	response.body = is_packed ? page->packed : page->body;
	if (has_two && !is_packed)
		page_send_unpacked(request, page, &response);
	else
		http_request_respond(request, &response);
}
