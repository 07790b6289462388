#ifndef HEADGATE_TESTS_FAKES_FAKE_FUNCTION_H
#define HEADGATE_TESTS_FAKES_FAKE_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/base/status.h"

/* A user function within the test's own loop, over a real connection: the counter of
 * fake_spec_counter. Increase emits one event (the request's bytes) and answers with the number of
 * events it has seen; Get answers the same without events. As a value entity its state is that
 * number, as a test.Amount, which Increase updates. The entity id says how it behaves:
 *
 *   hang...       no reply            end...        completes the stream
 *   break...      stream error        wrong...      reply with a wrong id
 *   garbage...    a malformed message empty...      reply without payload
 *   broken...     Failure message, matching id ("broken"), for Increase only
 *   fail...       failure action "no", for Increase only
 *   coded...      failure action with google.rpc.Status NOT_FOUND "who"
 *   restart...    one event and a failure action that restarts, for Increase only
 *   forward...    forward             effect...     two side effects
 *   type...       a reply of another type            meta...  metadata x-a and x-b-bin
 *   many...       1001 events         snap...       a snapshot with every second event
 *   delete...     Increase deletes the state nothing...    a state action that says nothing
 *                 (both of value entities)
 *   stubborn...   never finishes its half of the stream
 */
struct h2_headers;
struct h2_stream;
struct loop;
struct fake_stream;

struct fake_function {
	struct loop *loop;
	struct listen *listen;
	uint16_t port;
	struct list sessions;
	struct list streams; /* struct fake_stream, open ones */
	struct buf spec;     /* what discover answers */
	enum status discover_code;
	uint32_t max_streams; /* of connections accepted from now on */

	/* Takes calls of actions, if set; else they are taken for commands. */
	void (*on_action)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	void *action_data;

	/* The same for streams of event sourced and value entities. */
	void (*on_entity)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	void *entity_data;

	/* The same for streams of CRDT entities. */
	void (*on_crdt)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	void *crdt_data;

	unsigned discovers;
	struct buf proxy_info; /* of the last discover */
	unsigned reports;
	char last_report[512];
	unsigned stream_count; /* opened so far */
	unsigned stream_ends;  /* whose other half was closed in order */
	unsigned commands;
	unsigned inits;
	uint64_t last_snapshot; /* sequence in the last init */
	unsigned events;	/* replayed */
	uint64_t last_id;	/* of the last command */
	struct buf metadata;	/* of the last command */
	unsigned streams_of_value;
	bool is_out_of_order; /* something came where it must not */
};

/* Listens on a free port of 127.0.0.1 with the spec of fake_spec_counter(minor, passivation_ms). */
void fake_function_init(struct fake_function *f, struct loop *loop, int32_t minor,
			int64_t passivation_ms);

/* Takes no more streams on the connections there are; running ones go on. */
void fake_function_drain(struct fake_function *f);

/* Drops all connections; new ones are accepted. */
void fake_function_drop(struct fake_function *f);
void fake_function_fini(struct fake_function *f);

#endif
