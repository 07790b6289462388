#ifndef HEADGATE_SRC_ROUTER_DAMPING_H
#define HEADGATE_SRC_ROUTER_DAMPING_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/span.h"

/* Two executors of one entity take turns in making each other reload it. After DAMPING_CONFLICTS
 * within DAMPING_WINDOW_MS the one that is not its owner stays away for DAMPING_REFUSAL_MS; it is
 * up to the caller to ask only then. Pure. Spec: journal-and-ownership 4.2 "Partition" */
struct damping;

#define DAMPING_CONFLICTS 3U
#define DAMPING_WINDOW_MS ((uint64_t)1000)
#define DAMPING_REFUSAL_MS ((uint64_t)200)
/* Entities remembered; the longest quiet one is forgotten for another. */
#define DAMPING_ENTITIES_MAX ((size_t)1024)

struct damping *damping_new(void);
void damping_free(struct damping *damping); /* NULL is a no-op */

/* The journal said that the entity was changed elsewhere. */
void damping_conflict(struct damping *damping, struct span type, struct span id, uint64_t now_ns);

/* Whether who is not its owner should stay away now. */
bool damping_is_refusing(const struct damping *damping, struct span type, struct span id,
			 uint64_t now_ns);

#endif
