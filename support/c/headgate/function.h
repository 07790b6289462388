#ifndef HEADGATE_FUNCTION_H
#define HEADGATE_FUNCTION_H

/* User functions in C for Headgate and every other proxy that speaks the Cloudstate protocol 0.2.
 *
 * A function declares entities (struct headgate_entity): what a command does, what an event does to
 * the state. The library serves the protocol, keeps one state per active entity, applies events
 * and writes snapshots. Value entities (struct headgate_value_entity) have one state instead, which
 * a command replaces as a whole. It may also declare actions (struct headgate_action): methods of
 * any shape, streams included, without a state that is kept, and entities of replicated data
 * (headgate/crdt.h). See headgate-function(3) and samples/shopping-cart.
 *
 * Handlers are called one at a time for one entity, or one call of an action. With params.threads
 * above 1, different ones are handled at the same time: what they share must then be locked by the
 * handlers.
 *
 * The library never aborts for want of memory: the command fails with RESOURCE_EXHAUSTED. (gRPC
 * core, on which it stands, does abort.) */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEADGATE_API __attribute__((visibility("default")))

/* A borrowed run of bytes, not NUL-terminated. */
struct headgate_bytes {
	const void *data;
	size_t size;
};

/* The codes a function may fail with. Spec: google/rpc/code.proto. */
enum headgate_code {
	HEADGATE_CANCELLED = 1,
	HEADGATE_UNKNOWN = 2,
	HEADGATE_INVALID_ARGUMENT = 3,
	HEADGATE_DEADLINE_EXCEEDED = 4,
	HEADGATE_NOT_FOUND = 5,
	HEADGATE_ALREADY_EXISTS = 6,
	HEADGATE_PERMISSION_DENIED = 7,
	HEADGATE_RESOURCE_EXHAUSTED = 8,
	HEADGATE_FAILED_PRECONDITION = 9,
	HEADGATE_ABORTED = 10,
	HEADGATE_OUT_OF_RANGE = 11,
	HEADGATE_UNIMPLEMENTED = 12,
	HEADGATE_INTERNAL = 13,
	HEADGATE_UNAVAILABLE = 14,
	HEADGATE_DATA_LOSS = 15,
	HEADGATE_UNAUTHENTICATED = 16
};

/* ---- What a command handler may do --------------------------------------------------------- */

/* One command being handled; borrowed until the handler returns. */
struct headgate_context;

/* The entity's id as decoded from the request, NUL-terminated; borrowed while the entity lives. ""
 * in an action. */
HEADGATE_API const char *headgate_entity_id(const struct headgate_context *context);

/* The method's name, NUL-terminated; borrowed from the declaration. */
HEADGATE_API const char *headgate_command_name(const struct headgate_context *context);

/* The sequence number of the newest event, those emitted by this command included; 0 = none yet,
 * and in anything but an event sourced entity. */
HEADGATE_API int64_t headgate_sequence(const struct headgate_context *context);

/* All of the following return 0, or -1 when the command has failed by now: return at once then.
 * Messages are borrowed during the call only.
 *
 * headgate_emit (event sourced entities only) applies the event to the state at once, through the
 * entity's event handler for that type, and sends it with the reply to be made durable. No reply
 * leaves before that. */
HEADGATE_API int headgate_emit(struct headgate_context *context, const ProtobufCMessage *event);

/* The same for any other encoding; type_url is the whole type URL, e.g. json.cloudstate.io/Added.
 */
HEADGATE_API int headgate_emit_any(struct headgate_context *context, const char *type_url,
				   struct headgate_bytes value);

/* Value entities only: the state from now on, stored with the reply and there for the next command,
 * and the end of any state. The last one of a command wins; neither leaves the state as it is. No
 * reply leaves before it is durable. */
HEADGATE_API int headgate_update(struct headgate_context *context, const ProtobufCMessage *state);
HEADGATE_API int headgate_update_any(struct headgate_context *context, const char *type_url,
				     struct headgate_bytes value);
HEADGATE_API int headgate_delete(struct headgate_context *context);

/* The answer to the caller; the last one wins. A handler that gives none answers with the empty
 * message of the method's declared type. An action that streams its replies gives as many as it
 * likes, and none is sent for it. */
HEADGATE_API int headgate_reply(struct headgate_context *context, const ProtobufCMessage *message);
HEADGATE_API int headgate_reply_any(struct headgate_context *context, const char *type_url,
				    struct headgate_bytes value);

/* Answers with nothing, not even the empty message; replaces a reply. For a streamed command that
 * has nothing to say at first, and for an action that only has effects: one that streams its
 * replies sends the effects asked for so far. A caller who expects one reply gets none. */
HEADGATE_API int headgate_no_reply(struct headgate_context *context);

/* Only in an action that streams its replies: a failure as one of them. The proxy ends the caller's
 * stream with it; the handler may go on. */
HEADGATE_API int headgate_reply_failure(struct headgate_context *context, enum headgate_code code,
					const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Lets another command answer instead; replaces a reply. */
HEADGATE_API int headgate_forward(struct headgate_context *context, const char *service_name,
				  const char *command_name, const ProtobufCMessage *message);

/* Adds metadata to the replies that are given after it by this handler; the caller gets that of the
 * first reply as headers. A key ends in -bin when its value is not text. */
HEADGATE_API int headgate_reply_metadata(struct headgate_context *context, const char *key,
					 struct headgate_bytes value);

/* Asks for another command to run once this one's events are durable; may be called repeatedly.
 * Synchronous: the caller's answer waits for it. */
HEADGATE_API int headgate_effect(struct headgate_context *context, const char *service_name,
				 const char *command_name, const ProtobufCMessage *message,
				 bool is_synchronous);

/* Fails the command: its events or its change of the state, effects (but for those of an action,
 * which are kept) and reply are dropped, the caller gets code and text (cut at 511 bytes).
 * HEADGATE_UNKNOWN sends the text alone, as the other support libraries do. When events were
 * already applied the entity is restarted from its journal. Always returns -1, so that a handler
 * can say `return headgate_fail(...)`. The first failure of a command wins. */
HEADGATE_API int headgate_fail(struct headgate_context *context, enum headgate_code code,
			       const char *format, ...) __attribute__((format(printf, 3, 4)));

/* count zeroed objects of size bytes each, to build messages from; gone when the handler returns.
 * NULL: out of memory, and the command has failed. */
HEADGATE_API void *headgate_alloc(struct headgate_context *context, size_t count, size_t size);

/* Only inside write_snapshot: what to store as the snapshot. */
HEADGATE_API int headgate_snapshot(struct headgate_context *context,
				   const ProtobufCMessage *message);
HEADGATE_API int headgate_snapshot_any(struct headgate_context *context, const char *type_url,
				       struct headgate_bytes value);

struct headgate_metadata {
	struct headgate_bytes key; /* lower case */
	struct headgate_bytes value;
};

/* What the caller sent along with the call: the entry at that place, from 0, keys may repeat; and
 * the first value of a key. False when there is none, as always in an entity, unless the proxy was
 * told to show it there (Headgate: entity.metadata, not for CRDTs). Borrowed until the handler of a
 * command returns, in an action while the call lives. Values of keys that end in -bin are raw
 * bytes. */
HEADGATE_API bool headgate_metadata_at(const struct headgate_context *context, size_t index,
				       struct headgate_metadata *ret_entry);
HEADGATE_API bool headgate_metadata_find(const struct headgate_context *context, const char *key,
					 struct headgate_bytes *ret_value);

/* ---- What only a handler of an action may do ----------------------------------------------- */

/* No replies after those given so far: the call ends when they are sent. Also in on_change of a
 * CRDT entity. */
HEADGATE_API int headgate_end(struct headgate_context *context);

/* Says that this handler has nothing more to reply now: on_ready is called after wait_ms, or, if
 * that is negative, not before the next message. A method with one reply that waits has not
 * answered yet. */
HEADGATE_API int headgate_wait(struct headgate_context *context, int64_t wait_ms);

/* ---- Declaring an entity ------------------------------------------------------------------- */

/* In all handlers `message` is borrowed until the handler returns and is
 *   - a message of the row's `type`, decoded, when a type is given;
 *   - a `const struct headgate_bytes *`, the undecoded value, when it is not.
 * Whatever the state keeps must be copied.
 *
 * Handles one command. Changes the state by emitting events (of a value entity: by
 * headgate_update) only, never directly. Returns 0, or nonzero for failure (if headgate_fail was
 * not called: UNKNOWN, "Error handling command ..."). */
typedef int (*headgate_command_fn)(struct headgate_context *context, void *state,
				   const void *message);

/* Applies one event, old or new, to the state. Must depend on nothing but its arguments. Nonzero
 * says the state could not be built: the entity is given up and, when asked for, built again. */
typedef int (*headgate_event_fn)(void *state, const void *message);

/* Calls headgate_snapshot with the whole state. Nonzero: no snapshot this time. */
typedef int (*headgate_write_snapshot_fn)(struct headgate_context *context, const void *state);

/* One method of the service. */
struct headgate_command {
	const char *name; /* method name; NULL ends the table */
	const ProtobufCMessageDescriptor *type;
	headgate_command_fn handle;
};

/* One type of event. */
struct headgate_event {
	const ProtobufCMessageDescriptor *type; /* gives the type URL too, if that is NULL */
	const char *type_url;
	headgate_event_fn apply; /* NULL ends the table */
};

/* An event sourced entity type. Borrowed, with all it points at, while the function lives. */
struct headgate_entity {
	const char *service_name;   /* full name of the service in the descriptor set */
	const char *persistence_id; /* names the entity type in the journal: never change it */
	const struct headgate_command *commands; /* one row for each method of the service */
	const struct headgate_event *events;

	/* The state of one active entity: state_size zeroed bytes, unless create makes it (NULL:
	 * out of memory). destroy, if given, releases what the state owns; the library frees the
	 * zeroed bytes themselves, a created state is freed by destroy entirely. */
	size_t state_size;
	void *(*create)(const char *entity_id, void *data);
	void (*destroy)(void *state);
	void *data; /* handed to create */

	/* A snapshot goes along with the reply whose events reach or cross a multiple of
	 * snapshot_every; 0 = 100, negative = never. read_snapshot and write_snapshot go together;
	 * without them there are no snapshots. */
	int64_t snapshot_every;
	const ProtobufCMessageDescriptor *snapshot_type;
	headgate_event_fn read_snapshot; /* into a fresh state */
	headgate_write_snapshot_fn write_snapshot;

	int64_t passivation_timeout_ms; /* idle time before the proxy lets go; 0 = the proxy's */
};

/* ---- Declaring a value entity -------------------------------------------------------------- */

/* A value entity type. Borrowed, with all it points at, while the function lives. In its command
 * handlers `state` is what headgate_update said last, in this activation or any before:
 *   - a message of state_type, decoded for this command: the handler may change it and give it
 *     to headgate_update, and nothing happens to the state if it does not;
 *   - a `const struct headgate_bytes *`, the undecoded value, when there is no state_type;
 *   - NULL when there is no state. */
struct headgate_value_entity {
	const char *service_name;   /* full name of the service in the descriptor set */
	const char *persistence_id; /* names the entity type in the journal: never change it */
	const struct headgate_command *commands; /* one row for each method of the service */
	const ProtobufCMessageDescriptor *state_type;
	int64_t passivation_timeout_ms; /* idle time before the proxy lets go; 0 = the proxy's */
};

/* ---- Declaring an action ------------------------------------------------------------------- */

/* Handlers of a call get the same context functions as those of a command, but for events and
 * snapshots; `state` is state_size zeroed bytes of their own, gone with the call. All return 0, or
 * nonzero for failure, which ends the call with the code of headgate_fail and without the replies
 * of this handler. */
typedef int (*headgate_call_fn)(struct headgate_context *context, void *state);

/* One method of the service. Its shape is that of its declaration in the .proto:
 *   one request, one reply      on_message answers
 *   many requests, one reply    on_message for each, then on_end; one of them answers
 *   one request, many replies   on_message, then on_ready until headgate_end
 *   many requests and replies   all of them, in the order of what happens
 *
 * Replies are never collected: handlers are called again when those they gave are on their way, so
 * a caller who reads slowly is waited for. Requests are read one by one likewise. */
struct headgate_action_method {
	const char *name; /* NULL ends the table */
	const ProtobufCMessageDescriptor *type;
	headgate_command_fn on_message;
	headgate_call_fn on_end; /* NULL: nothing to do */

	/* There is room for more replies. Called when the call begins (many requests) or its
	 * message was handled (one), and again when what it replied is sent; when it replied
	 * nothing, after the next message, or after the time of headgate_wait. NULL: a method that
	 * streams replies ends when its requests have and were handled. */
	headgate_call_fn on_ready;

	/* The caller has gone, or its deadline passed, before the call ended. May be NULL. */
	void (*on_cancelled)(void *state);

	size_t state_size;
	void (*destroy)(void *state); /* releases what the state owns, not the state; may be NULL */
};

/* A stateless service. Borrowed, with all it points at, while the function lives. */
struct headgate_action {
	const char *service_name; /* full name of the service in the descriptor set */
	const struct headgate_action_method *methods; /* one row for each method of the service */
};

/* ---- Serving ------------------------------------------------------------------------------- */

struct headgate_crdt_entity;

enum headgate_log_level { HEADGATE_LOG_DEBUG, HEADGATE_LOG_INFO, HEADGATE_LOG_ERROR };

/* One line of text; called on any of the function's threads. */
typedef void (*headgate_log_fn)(void *data, enum headgate_log_level level, const char *text);

struct headgate_function_params {
	const struct headgate_entity *const *entities; /* borrowed while the function lives */
	size_t entity_count;
	const struct headgate_value_entity *const *value_entities; /* likewise */
	size_t value_entity_count;
	const struct headgate_action *const *actions; /* likewise */
	size_t action_count;
	const struct headgate_crdt_entity *const *crdts; /* likewise; see headgate/crdt.h */
	size_t crdt_count;

	/* The serialized FileDescriptorSet, imports included (protoc --include_imports
	 * --descriptor_set_out=FILE): the bytes, copied, or else the file to read. */
	struct headgate_bytes descriptor_set;
	const char *descriptor_set_path;

	const char *service_name; /* what discovery tells about this function; NULL = "" */
	const char *service_version;

	/* "host:port", or "unix:/path". NULL: $HOST:$PORT, by default 127.0.0.1:8080; a HOST that
	 * begins with unix: is the whole address. Port 0 takes a free one. */
	const char *listen;

	unsigned threads;	  /* 0 = 1 */
	size_t max_message_bytes; /* largest reply; 0 = 12 MiB, what Headgate takes. Messages
				   * from the proxy may be 4 MiB larger. */
	unsigned stop_grace_ms;	  /* how long a stop waits for the proxy to close; 0 = 1000 */

	headgate_log_fn on_log; /* NULL: lines from INFO up on stderr */
	void *log_data;
};

struct headgate_error {
	char text[256];
};

struct headgate_function;

/* Checks the declaration against the descriptor set and binds the address. Returns 0 and an owned
 * function, or -1 and the reason. */
HEADGATE_API int headgate_function_new(const struct headgate_function_params *params,
				       struct headgate_function **ret_function,
				       struct headgate_error *err);

/* The bound TCP port; 0 for a unix socket. */
HEADGATE_API int headgate_function_port(const struct headgate_function *function);

/* Serves on the calling thread (and threads - 1 more) until headgate_function_stop. Returns 0, or
 * -1 and the reason. Once only. */
HEADGATE_API int headgate_function_run(struct headgate_function *function,
				       struct headgate_error *err);

/* Makes run return: no new streams, the proxy gets stop_grace_ms to close the open ones. May be
 * called from any thread and from a signal handler, repeatedly. */
HEADGATE_API void headgate_function_stop(struct headgate_function *function);

/* Not while run is running. NULL is a no-op. */
HEADGATE_API void headgate_function_free(struct headgate_function *function);

/* new, run until SIGTERM or SIGINT, free: the whole main() of a function. Errors go to stderr.
 * Call it before any other thread exists. Returns the exit code. */
HEADGATE_API int headgate_function_main(const struct headgate_function_params *params);

/* The version of the library that is linked in, "MAJOR.MINOR.PATCH". */
HEADGATE_API const char *headgate_function_version(void);

#ifdef __cplusplus
}
#endif

#endif
