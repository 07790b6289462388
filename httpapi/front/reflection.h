#ifndef HEADGATE_HTTPAPI_FRONT_REFLECTION_H
#define HEADGATE_HTTPAPI_FRONT_REFLECTION_H

#include <stddef.h>

#include "src/base/list.h"

/* The streams of grpc.reflection.v1 and v1alpha. */
struct exchange;
struct front;
struct schema;

struct reflection {
	struct list streams_;
	size_t count_;
	struct schema *builtin_; /* made for the first stream */
};

/* Takes over the call: of ServerReflectionInfo, in either version. */
void reflection_accept(struct front *front, struct exchange *exchange);

void reflection_init(struct reflection *reflection);

/* Ends all streams in order: nobody waits for what they might still ask. */
void reflection_drain(struct reflection *reflection);

/* No stream is left by then. */
void reflection_fini(struct reflection *reflection);

#endif
