#ifndef HEADGATE_SRC_EVENTING_PLAN_H
#define HEADGATE_SRC_EVENTING_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "journal/feed.h"
#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* What the eventing annotations of an API ask for: which consumers there are, and which method of
 * one takes what. Pure. Spec: cloudstate-protocol 6.4 V2-01, V2-02, V2-11. */
struct api;
struct api_method;
struct api_service;
struct buf;
struct error;

/* Methods of one service with the same source and group. */
struct plan_consumer {
	const struct api_service *service;
	struct span group; /* consumer_group, else the service's full name */
	enum feed_kind kind;
	struct span source;
	const struct api_method **methods; /* those that take a message of one type */
	size_t method_count;
	const struct api_method *any; /* takes the others; NULL: nobody does */
};

/* Spans and pointers are the API's, which is referenced. */
struct plan {
	struct api *api_;
	struct arena arena_;
	struct plan_consumer *consumers;
	size_t count;
};

/* Every finding is appended to reasons, one per line; err holds the first. With findings
 * ST_INVALID_ARGUMENT and no plan; ret_plan may be NULL, to look only. has_topics: a broker for
 * topics is configured. */
MUST_CHECK enum status plan_new(struct api *api, bool has_topics, struct buf *reasons,
				struct plan **ret_plan, struct error *err);
void plan_free(struct plan *plan); /* NULL is a no-op */

/* The method for a payload with this type URL; NULL when no method takes it. */
const struct api_method *plan_route(const struct plan_consumer *consumer, struct span type_url);

/* Whether the method takes payloads of any type, as they are. */
bool plan_takes_any(const struct api_method *method);

#endif
