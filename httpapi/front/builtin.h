#ifndef HEADGATE_HTTPAPI_FRONT_BUILTIN_H
#define HEADGATE_HTTPAPI_FRONT_BUILTIN_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/span.h"

/* What the gateway itself answers on its ports, before it looks at the function's routes.
 * Spec: ruling R7; knative reference, "probes" */
struct config;
struct front;
struct http_head;
struct http_request;

/* Paths on the public port that win over a function's rule: those this configuration serves. Fills
 * paths, of literals, and gives their count. */
#define BUILTIN_PATHS_MAX 16
size_t builtin_paths(const struct config *config, struct span paths[BUILTIN_PATHS_MAX]);

/* What /ready says; sets the reason when it is false. */
bool builtin_is_ready(struct front *front, const char **ret_reason);

/* Answers probes and built-in paths of the public port; false when the request is none. */
bool builtin_serve(struct front *front, struct http_request *request, const struct http_head *head);

/* The admin port: /metrics /ready /alive /healthz /status, else 404. */
void builtin_serve_admin(void *data, struct http_request *request, const struct http_head *head);

/* The extra metrics port: /metrics, else 404. */
void builtin_serve_metrics(void *data, struct http_request *request, const struct http_head *head);

#endif
