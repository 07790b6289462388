#ifndef HEADGATE_SRC_USERFN_USERFN_H
#define HEADGATE_SRC_USERFN_USERFN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* The user function as seen from here: one channel, discovery after each connection, and the API it
 * declared. Spec: cloudstate-protocol 1.2-1.4; ruling R16 (readiness). */
struct address;
struct api;
struct buf;
struct channel;
struct loop;
struct metrics;
struct error;
struct userfn;

/* What others find in an API before it is accepted, one finding per line, appended to reasons
 * (which may have some); err holds the first. Anything but ST_OK refuses the description. */
typedef enum status (*userfn_check_fn)(void *data, struct api *api, struct buf *reasons,
				       struct error *err);

struct userfn_params {
	const struct address *address; /* copied */
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
	uint64_t refused_retry_ms; /* discovery again after a refused description; 10 s */
	uint64_t discover_timeout_ms;
	uint64_t connect_timeout_ms; /* one attempt; 0: 1 s */
	size_t max_waiting;	     /* streams that wait for the function; 0: 10000 */
	size_t max_message_bytes;    /* from the function: 12 MiB */
	uint64_t keepalive_idle_ms;  /* PING after that much silence, with streams; 0: never */
	size_t max_action_calls;     /* at once; 0: 4000 */
	userfn_check_fn check;	     /* with the data of on_change; may be NULL */
	struct metrics *metrics;     /* borrowed; may be NULL */
};

/* The API changed (a new snapshot, or NULL when there is none yet) or readiness did. */
typedef void (*userfn_change_fn)(void *data);

struct userfn *userfn_open(struct loop *loop, const struct userfn_params *params,
			   userfn_change_fn on_change, void *data);

/* The newest accepted API, borrowed; stays when the function goes away; NULL before the first. */
struct api *userfn_api(const struct userfn *userfn);

/* Connected and discovered; otherwise reason (may be NULL) gets a sentence. */
bool userfn_is_ready(const struct userfn *userfn, const char **reason);

/* A description that was refused, while the function stands by it. */
struct userfn_refusal {
	struct span reasons; /* a line each; borrowed until the next answer */
	uint64_t first_ms;   /* since 1970: when it was refused first, and the last time */
	uint64_t last_ms;
	uint64_t retry_in_ms; /* it is asked for again */
	unsigned times;
};

/* False: the function's description was accepted, or it has not given one. While true, no call is
 * to reach it: what it says it is could not be served. */
bool userfn_is_refused(const struct userfn *userfn);
bool userfn_refusal(const struct userfn *userfn, struct userfn_refusal *ret_refusal);

/* Counts losses of a connection and changes of the API. A stream that was asked for at an earlier
 * count speaks to a connection or a description that is being replaced. */
uint64_t userfn_epoch(const struct userfn *userfn);

/* Streams that wait for the connection or for the function's stream limit. */
size_t userfn_waiting(const struct userfn *userfn);

/* Of them, those that wait for the limit alone. */
size_t userfn_short_of_streams(const struct userfn *userfn);

/* For streams of entities. */
struct channel *userfn_channel(struct userfn *userfn);

/* For calls of actions: a connection of its own, so that clients who read slowly, or a function
 * that does, hold back no entity. Opened with the first description that has actions; NULL before.
 */
struct channel *userfn_action_channel(struct userfn *userfn);

/* EntityDiscovery.reportError, fire and forget; at most 16 on the way, more are dropped and
 * counted. */
void userfn_report(struct userfn *userfn, struct span message);

void userfn_close(struct userfn *userfn);

#endif
