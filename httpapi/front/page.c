#include "httpapi/front/page.h"

#include <stdio.h>

#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "src/base/buf.h"
#include "src/base/gzip_inflate.h"
#include "src/base/hash.h"

void page_etag(struct span bytes, char etag[PAGE_ETAG_BYTES])
{
	(void)snprintf(etag, PAGE_ETAG_BYTES, "\"%016llx\"",
		       (unsigned long long)hash_stable(bytes));
}

static struct span page_trim(struct span text)
{
	while (text.len && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = span_skip(text, 1);
	while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* Takes the first element of a list; the rest stays in *list. Our own tags hold no comma. */
static struct span page_next(struct span *list)
{
	size_t end = span_find(*list, ',');
	struct span element = page_trim(span_head(*list, end));

	*list = span_skip(*list, end + 1);
	return element;
}

/* Both forms of the page have the same tag: it is weak, as the comparison is. */
static bool page_is_known(struct span if_none_match, const char *etag)
{
	while (if_none_match.len) {
		struct span tag = page_next(&if_none_match);

		if (span_starts_with(tag, SPAN_LIT("W/")))
			tag = span_skip(tag, 2);
		if (span_eq_str(tag, "*") || span_eq_str(tag, etag))
			return true;
	}
	return false;
}

/* "q=0", "q=0.0", … refuse. */
static bool page_is_refused(struct span parameters)
{
	size_t at = span_find(parameters, '=');
	struct span value = page_trim(span_skip(parameters, at + 1));

	if (value.len == 0 || value.data[0] != '0')
		return false;
	for (size_t i = 1; i < value.len; i++)
		if (value.data[i] != '.' && value.data[i] != '0')
			return false;
	return true;
}

static bool page_takes_gzip(struct span accept_encoding)
{
	while (accept_encoding.len) {
		struct span element = page_next(&accept_encoding);
		size_t end = span_find(element, ';');
		struct span name = page_trim(span_head(element, end));

		if (span_eq_nocase(name, SPAN_LIT("gzip")))
			return !page_is_refused(span_skip(element, end + 1));
	}
	return false;
}

static void page_send(struct http_request *request, const struct http_head *head,
		      const struct page *page, struct http_response *response)
{
	struct h2_header *headers = (struct h2_header *)(uintptr_t)response->headers;
	struct buf unpacked;

	if (!page->packed.len) {
		response->body = page->body;
		http_request_respond(request, response);
		return;
	}
	headers[response->header_count++] =
		(struct h2_header){SPAN_LIT("vary"), SPAN_LIT("accept-encoding")};
	if (page_takes_gzip(h2_headers_get(&head->headers, "accept-encoding"))) {
		headers[response->header_count++] =
			(struct h2_header){SPAN_LIT("content-encoding"), SPAN_LIT("gzip")};
		response->body = page->packed;
		http_request_respond(request, response);
		return;
	}
	buf_init(&unpacked, page->body_max);
	if (gzip_inflate(page->packed, &unpacked)) {
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
	struct h2_header headers[PAGE_HEADERS_MAX + 6];
	struct http_response response = {.status = 200, .headers = headers};
	char etag[PAGE_ETAG_BYTES + 2];

	(void)snprintf(etag, sizeof(etag), "W/%s", page->etag);
	headers[response.header_count++] =
		(struct h2_header){SPAN_LIT("etag"), span_from_str(etag)};
	headers[response.header_count++] =
		(struct h2_header){SPAN_LIT("cache-control"), SPAN_LIT("no-cache")};
	for (size_t i = 0; i < page->header_count && i < PAGE_HEADERS_MAX; i++)
		headers[response.header_count++] = page->headers[i];
	if (page_is_known(h2_headers_get(&head->headers, "if-none-match"), page->etag)) {
		response.status = 304;
		http_request_respond(request, &response);
		return;
	}
	headers[response.header_count++] =
		(struct h2_header){SPAN_LIT("content-type"), span_from_str(page->content_type)};
	page_send(request, head, page, &response);
}
