#ifndef HEADGATE_HTTPAPI_FRONT_HEALTH_H
#define HEADGATE_HTTPAPI_FRONT_HEALTH_H

#include <stddef.h>

#include "src/base/list.h"

/* grpc.health.v1: the empty name is the gateway, which is healthy while it is ready; so are the
 * function's services then. Spec: grpc/health/v1/health.proto; ruling R16 */
struct exchange;
struct front;

struct health {
	struct list calls_; /* all, watching or not */
	size_t watcher_count_;
};

/* Take over a call of the method of that name. */
void health_accept_check(struct front *front, struct exchange *exchange);
void health_accept_list(struct front *front, struct exchange *exchange);
void health_accept_watch(struct front *front, struct exchange *exchange);

void health_init(struct health *health);

/* Readiness or the services may have changed: watchers hear of it. */
void health_tell(struct front *front);

/* The last word to watchers (not serving, when the front is draining), and the end of their
 * streams. */
void health_drain(struct front *front);

#endif
