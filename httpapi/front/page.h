#ifndef HEADGATE_HTTPAPI_FRONT_PAGE_H
#define HEADGATE_HTTPAPI_FRONT_PAGE_H

#include <stddef.h>

#include "src/base/span.h"

/* Content that stays as it is: sent with an ETag, and not again to who has it. */
struct h2_header;
struct http_head;
struct http_request;

/* All borrowed. */
struct page {
	struct span body;
	struct span packed; /* body in gzip; empty: there is none. With it, body may be empty and is
			       unpacked for those who do not take gzip */
	size_t body_max;    /* of an empty body: bytes it may have */
	const char *content_type;
	const char *etag;		 /* of etag_make; of the packed form where there is one */
	const char *plain_etag;		 /* then that of the other form, else NULL */
	const struct h2_header *headers; /* further ones, at most PAGE_HEADERS_MAX */
	size_t header_count;
};
#define PAGE_HEADERS_MAX 6

/* Answers a GET or HEAD: 200 with the body, or 304 when If-None-Match names it.
 * Spec: RFC 9110 13.1.2, 12.5.3 */
void page_serve(struct http_request *request, const struct http_head *head,
		const struct page *page);

#endif
