#ifndef HEADGATE_HTTPAPI_FRONT_OPENAPI_PAGE_H
#define HEADGATE_HTTPAPI_FRONT_OPENAPI_PAGE_H

/* GET /openapi.json: the document of the API in force, made at the first request for it and kept
 * with the routes. 503 while there is no API; 500 when it is too large. */
struct front;
struct http_head;
struct http_request;

void openapi_page_serve(struct front *front, struct http_request *request,
			const struct http_head *head);

#endif
