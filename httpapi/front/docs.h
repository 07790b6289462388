#ifndef HEADGATE_HTTPAPI_FRONT_DOCS_H
#define HEADGATE_HTTPAPI_FRONT_DOCS_H

#include <stdbool.h>

/* GET /docs: the API explorer, a page that reads /openapi.json. Its files lie beside the program
 * and are read once, packed as they are there. */
struct docs;
struct http_head;
struct http_request;

/* Reads the files from dir; "": share/docs beside the program, else ../share/headgate/docs. Never
 * fails: without the files the page says how to get them. Blocks; only for start-up. */
struct docs *docs_open(const char *dir);

/* NULL is a no-op. */
void docs_close(struct docs *docs);

/* Paths the explorer needs: /docs and its files; a literal, NULL after the last. */
const char *docs_path(unsigned index);

/* Answers a GET or HEAD of one of these paths. */
void docs_serve(const struct docs *docs, struct http_request *request,
		const struct http_head *head);

#endif
