#ifndef HEADGATE_CRDT_H
#define HEADGATE_CRDT_H

/* Entities whose state is replicated data (CRDTs).
 *
 * Every member of the cluster has a copy and changes it at once; changes travel as differences and
 * merge whatever their order. The library keeps the value, sends with each reply exactly what the
 * command changed, and applies what the others did. Nothing is kept in the journal: a command works
 * on the copy it finds, and its change lasts as long as the cluster remembers it.
 *
 * A command that fails has changed nothing, nor has one whose handler did something that cannot be
 * done (a wrong type, a change where only looking is allowed): such a call fails its command with
 * INTERNAL and the text says what it was. */

#include "function.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Elements, keys and values of registers ------------------------------------------------- */

/* A google.protobuf.Any. Two are the same element when their bytes are the same, type URL and
 * value: what makes them must write equal things equally. The functions below do. */
struct headgate_any {
	struct headgate_bytes type_url;
	struct headgate_bytes value;
};

/* Make one; its bytes last until the handler returns (type_url of `json` is copied, too). When
 * memory is out the command has failed and all is empty. json: the text as it is to be stored, with
 * sorted keys, no spaces and one form for each number; type is the part of the type URL behind
 * json.cloudstate.io/, e.g. "object". message: packed by protobuf-c, whose order is that of the
 * field numbers; maps in it must be sorted by the author. NaN has one form. */
HEADGATE_API struct headgate_any headgate_any_string(struct headgate_context *context,
						     const char *text);
HEADGATE_API struct headgate_any headgate_any_text(struct headgate_context *context,
						   struct headgate_bytes text); /* a string, too */
HEADGATE_API struct headgate_any headgate_any_bytes(struct headgate_context *context,
						    struct headgate_bytes bytes);
HEADGATE_API struct headgate_any headgate_any_int64(struct headgate_context *context,
						    int64_t number);
HEADGATE_API struct headgate_any headgate_any_int32(struct headgate_context *context,
						    int32_t number);
HEADGATE_API struct headgate_any headgate_any_bool(struct headgate_context *context, bool value);
HEADGATE_API struct headgate_any headgate_any_double(struct headgate_context *context,
						     double number);
HEADGATE_API struct headgate_any headgate_any_float(struct headgate_context *context, float number);
HEADGATE_API struct headgate_any headgate_any_json(struct headgate_context *context,
						   const char *type, struct headgate_bytes text);
HEADGATE_API struct headgate_any headgate_any_message(struct headgate_context *context,
						      const ProtobufCMessage *message);

/* Read one: false when it is of another type, and *ret_x is untouched. What they give is borrowed
 * from the Any. json: of any type. unpack gives a message that lasts until the handler returns, or
 * NULL when it is another or cannot be decoded. */
HEADGATE_API bool headgate_any_get_string(struct headgate_any any, struct headgate_bytes *ret_text);
HEADGATE_API bool headgate_any_get_bytes(struct headgate_any any, struct headgate_bytes *ret_bytes);
HEADGATE_API bool headgate_any_get_int64(struct headgate_any any, int64_t *ret_number);
HEADGATE_API bool headgate_any_get_int32(struct headgate_any any, int32_t *ret_number);
HEADGATE_API bool headgate_any_get_bool(struct headgate_any any, bool *ret_value);
HEADGATE_API bool headgate_any_get_double(struct headgate_any any, double *ret_number);
HEADGATE_API bool headgate_any_get_float(struct headgate_any any, float *ret_number);
HEADGATE_API bool headgate_any_get_json(struct headgate_any any, struct headgate_bytes *ret_text);
HEADGATE_API const void *headgate_any_unpack(struct headgate_context *context,
					     struct headgate_any any,
					     const ProtobufCMessageDescriptor *type);

/* ---- Replicated data ------------------------------------------------------------------------ */

enum headgate_crdt_kind {
	HEADGATE_GCOUNTER = 1,	  /* only grows */
	HEADGATE_PNCOUNTER = 2,	  /* grows and shrinks */
	HEADGATE_GSET = 3,	  /* only grows */
	HEADGATE_ORSET = 4,	  /* who adds at the same time as another removes wins */
	HEADGATE_LWWREGISTER = 5, /* the last one written wins */
	HEADGATE_FLAG = 6,	  /* off, until it is on for ever */
	HEADGATE_ORMAP = 7,	  /* from keys to replicated data, maps included */
	HEADGATE_VOTE = 8	  /* one yes or no for each member of the cluster */
};

/* One value; borrowed from the entity until the handler returns. What is taken out of a map may be
 * read and changed until then, to no effect. */
struct headgate_crdt;

HEADGATE_API enum headgate_crdt_kind headgate_crdt_kind(const struct headgate_crdt *crdt);

/* Those that change something return 0, or -1 when the command has failed by now: return at once
 * then. Those that only look want the right kind, too; on another one they give 0, false or
 * nothing, and the command fails.
 *
 * GCounter. by: not negative. A sum above INT64_MAX is OUT_OF_RANGE. */
HEADGATE_API int headgate_gcounter_increment(struct headgate_crdt *crdt, int64_t by);
HEADGATE_API uint64_t headgate_gcounter_value(const struct headgate_crdt *crdt);

/* PNCounter. A sum that leaves the 64 bits is OUT_OF_RANGE. */
HEADGATE_API int headgate_pncounter_change(struct headgate_crdt *crdt, int64_t by);
HEADGATE_API int64_t headgate_pncounter_value(const struct headgate_crdt *crdt);

/* GSet and ORSet; keys of an ORMap. Adding what is there and removing what is not there changes
 * nothing. Elements are copied. remove and clear: not of a GSet. */
HEADGATE_API int headgate_set_add(struct headgate_crdt *crdt, struct headgate_any element);
HEADGATE_API int headgate_set_remove(struct headgate_crdt *crdt, struct headgate_any element);
HEADGATE_API int headgate_set_clear(struct headgate_crdt *crdt);
HEADGATE_API bool headgate_set_has(const struct headgate_crdt *crdt, struct headgate_any element);
HEADGATE_API size_t headgate_set_size(const struct headgate_crdt *crdt);

/* One after the other, in the order in which they came; *cursor is 0 at first, and the set must not
 * change meanwhile. False: there are no more. The element is borrowed until the next change. */
HEADGATE_API bool headgate_set_next(const struct headgate_crdt *crdt, size_t *cursor,
				    struct headgate_any *ret_element);

/* LWWRegister. The clock decides which of two writes at different members was the last; use one
 * kind for all writes of a register. clock_value is for the last two. A register that nobody has
 * set holds an Any without a type. */
enum headgate_clock {
	HEADGATE_CLOCK_DEFAULT = 0,		 /* the proxy's wall clock */
	HEADGATE_CLOCK_REVERSE = 1,		 /* the same backwards: the first write wins */
	HEADGATE_CLOCK_CUSTOM = 2,		 /* clock_value */
	HEADGATE_CLOCK_CUSTOM_AUTO_INCREMENT = 3 /* or one more than the last, if that is more */
};
HEADGATE_API int headgate_register_set(struct headgate_crdt *crdt, struct headgate_any value);
HEADGATE_API int headgate_register_set_with_clock(struct headgate_crdt *crdt,
						  struct headgate_any value,
						  enum headgate_clock clock, int64_t clock_value);
/* Borrowed until the next change. */
HEADGATE_API struct headgate_any headgate_register_value(const struct headgate_crdt *crdt);

/* Flag. */
HEADGATE_API int headgate_flag_enable(struct headgate_crdt *crdt);
HEADGATE_API bool headgate_flag_value(const struct headgate_crdt *crdt);

/* Vote: this member's own, and all of them. */
HEADGATE_API int headgate_vote_set(struct headgate_crdt *crdt, bool vote);
HEADGATE_API bool headgate_vote_own(const struct headgate_crdt *crdt);
HEADGATE_API uint32_t headgate_vote_votes_for(const struct headgate_crdt *crdt);
HEADGATE_API uint32_t headgate_vote_voters(const struct headgate_crdt *crdt);

/* ORMap. put: a new value of that kind, in place of what was there; get: NULL when there is none;
 * at: what is there, or a new one; when that is of another kind the command fails. NULL from put
 * and at: the command has failed. Maps nest 16 deep, no more (RESOURCE_EXHAUSTED). Keys are
 * iterated with headgate_map_next, else as headgate_set_next. */
HEADGATE_API struct headgate_crdt *
headgate_map_put(struct headgate_crdt *crdt, struct headgate_any key, enum headgate_crdt_kind kind);
HEADGATE_API struct headgate_crdt *headgate_map_get(const struct headgate_crdt *crdt,
						    struct headgate_any key);
HEADGATE_API struct headgate_crdt *
headgate_map_at(struct headgate_crdt *crdt, struct headgate_any key, enum headgate_crdt_kind kind);
HEADGATE_API int headgate_map_remove(struct headgate_crdt *crdt, struct headgate_any key);
HEADGATE_API int headgate_map_clear(struct headgate_crdt *crdt);
HEADGATE_API size_t headgate_map_size(const struct headgate_crdt *crdt);
HEADGATE_API bool headgate_map_next(const struct headgate_crdt *crdt, size_t *cursor,
				    struct headgate_any *ret_key, struct headgate_crdt **ret_value);

/* ---- What a handler of a CRDT entity may do ------------------------------------------------- */

/* Beside these: headgate_entity_id, headgate_command_name, headgate_reply*, headgate_forward,
 * headgate_effect, headgate_fail, headgate_alloc.
 *
 * The entity's value; NULL when it has none yet. */
HEADGATE_API struct headgate_crdt *headgate_crdt_state(struct headgate_context *context);

/* Gives a value to the entity, which must have none. NULL: the command has failed. */
HEADGATE_API struct headgate_crdt *headgate_crdt_create(struct headgate_context *context,
							enum headgate_crdt_kind kind);

/* The value, or a new one of that kind if there is none; one of another kind fails the command. */
HEADGATE_API struct headgate_crdt *headgate_crdt_at(struct headgate_context *context,
						    enum headgate_crdt_kind kind);

/* Deletes the entity, everywhere and for good, when the handler succeeds. Later commands fail. */
HEADGATE_API int headgate_crdt_delete(struct headgate_context *context);

/* Who must have the change before the caller is answered; LOCAL unless said otherwise. */
enum headgate_consistency {
	HEADGATE_CONSISTENCY_LOCAL = 0,
	HEADGATE_CONSISTENCY_MAJORITY = 1,
	HEADGATE_CONSISTENCY_ALL = 2
};
HEADGATE_API int headgate_crdt_consistency(struct headgate_context *context,
					   enum headgate_consistency consistency);

/* True in a command whose caller takes a stream of replies. */
HEADGATE_API bool headgate_is_streamed(const struct headgate_context *context);

/* Keeps the call of a streamed command open after its first reply: on_change and on_cancel of its
 * method are called from then on. Without it the call ends with that reply. Fails the command when
 * it is not streamed. */
HEADGATE_API int headgate_subscribe(struct headgate_context *context);

/* ---- Declaring a CRDT entity ---------------------------------------------------------------- */

/* One method of the service. `state` in all handlers is state_size zeroed bytes of this call, gone
 * with it: after the reply, or, when it subscribed, with its stream. All return 0, or nonzero for
 * failure. */
struct headgate_crdt_command {
	const char *name; /* NULL ends the table */
	const ProtobufCMessageDescriptor *type;
	headgate_command_fn handle;

	/* The value has changed, here or elsewhere (not by this call's own command). May reply, ask
	 * for effects, and end the call (headgate_end); without a reply nothing is sent. It may not
	 * change the value; failing ends the call. May be NULL. */
	headgate_call_fn on_change;

	/* The caller has gone. May change or delete the value and ask for effects; a failure undoes
	 * that and is logged. May be NULL. */
	headgate_call_fn on_cancel;

	size_t state_size;
	void (*destroy)(void *state); /* releases what the state owns, not the state; may be NULL */
};

/* A CRDT entity type. Borrowed, with all it points at, while the function lives. */
struct headgate_crdt_entity {
	const char *service_name;   /* full name of the service in the descriptor set */
	const char *persistence_id; /* names the entity type in the cluster: never change it */
	const struct headgate_crdt_command *commands; /* one row for each method of the service */

	/* Makes the value of an entity that has none, with headgate_crdt_create, before its
	 * command is handled. A part of that command: undone with it. NULL: none. */
	int (*default_value)(struct headgate_context *context);

	/* The entity has got another value: from default_value or a handler, from the proxy at the
	 * start, or from a member. May only look. NULL: nobody wants to know. */
	void (*on_state_set)(struct headgate_context *context, struct headgate_crdt *crdt);

	int64_t passivation_timeout_ms; /* idle time before the proxy lets go; 0 = the proxy's */
};

#ifdef __cplusplus
}
#endif

#endif
