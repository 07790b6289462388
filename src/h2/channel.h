#ifndef HEADGATE_SRC_H2_CHANNEL_H
#define HEADGATE_SRC_H2_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/status.h"
#include "src/h2/h2.h"

/* A reconnecting client session to one address: connects, backs off 100 ms to 1 s with jitter,
 * replaces a session that got GOAWAY while its running streams finish, and keeps a bounded FIFO of
 * stream requests while the peer's MAX_CONCURRENT_STREAMS is reached or the connection is being
 * made (each with its deadline). Spec: ruling R18. */
struct loop;
struct address;
struct channel;
struct channel_wait;

enum channel_state { CHANNEL_CONNECTING, CHANNEL_READY, CHANNEL_BACKOFF, CHANNEL_CLOSED };

struct channel_params {
	uint64_t backoff_min_ms;     /* default 100 */
	uint64_t backoff_max_ms;     /* default 1000 */
	uint64_t connect_timeout_ms; /* default 1000 */
	size_t max_waiting;	     /* stream requests in the FIFO; default 10000 */
	struct h2_limits limits;
};

/* Every change of state; error says why the last connection failed (BACKOFF only). */
typedef void (*channel_state_fn)(void *data, enum channel_state state, const struct error *error);

/* Starts connecting at once. address is copied. */
struct channel *channel_open(struct loop *loop, const struct address *address,
			     const struct channel_params *params, channel_state_fn on_state,
			     void *data);
enum channel_state channel_state(const struct channel *channel);
const char *channel_authority(const struct channel *channel);

/* Exactly one of: stream is open (ops set as given), or failed with a status (ST_UNAVAILABLE not
 * connected, ST_RESOURCE_EXHAUSTED waited too long for a free stream, ST_DEADLINE_EXCEEDED). */
typedef void (*channel_stream_fn)(void *data, struct h2_stream *stream, const struct error *error);

struct channel_request_params {
	const struct h2_headers *headers; /* copied */
	bool wait_for_ready;		  /* wait through a BACKOFF instead of failing at once */
	uint64_t deadline_ns;		  /* of the wait for a stream */
	const struct h2_stream_ops *ops;  /* of the stream */
	void *ops_data;
	channel_stream_fn on_stream;
	void *data; /* of on_stream */
};

/* Asks for a stream with these request headers. on_stream never comes from inside this call.
 * Returns a handle to cancel with; it is gone when on_stream is called. */
struct channel_wait *channel_request(struct channel *channel,
				     const struct channel_request_params *params);
void channel_cancel(struct channel_wait *wait);

size_t channel_stream_count(const struct channel *channel);
size_t channel_waiting_count(const struct channel *channel);

/* Drops the connection and everything waiting, with callbacks to streams and waiters (ST_CANCELLED)
 * before it returns. NULL is a no-op. */
void channel_close(struct channel *channel);

#endif
