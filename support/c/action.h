#ifndef HEADGATE_SUPPORT_C_ACTION_H
#define HEADGATE_SUPPORT_C_ACTION_H

#include "support/c/action_type.h"
#include "support/c/context.h"

/* One call of an action: bytes of messages in, bytes of responses out, of any shape. No I/O, so
 * tests need no network. Its user keeps to this order whenever there is a choice: send what
 * hg_action_next gives; end when is_over; let it read while wants_message; call hg_action_ready
 * while wants_ready. Nothing is handled while responses wait but what was already being read. */
struct hg_action {
	const struct hg_action_type *const *types;
	size_t type_count;
	bool client_streaming;
	bool server_streaming;
	const struct hg_action_method *method; /* NULL until the first message */
	void *state;
	void *metadata; /* of the call; owned */
	size_t metadata_size;
	struct hg_buf reply;   /* of a method with one: what was answered so far */
	struct hg_buf effects; /* likewise */
	struct hg_buf queue;   /* responses, each after its uint32_t size */
	size_t queue_at;
	bool has_request; /* all that will come */
	/* for the user */
	bool is_over;	 /* ends when the queue is sent */
	bool is_aborted; /* with an error status */
	bool wants_ready;
	int64_t wait_ms; /* wants hg_action_ready after that time; -1: does not */
};

/* Types are borrowed while the action lives. */
void hg_action_init(struct hg_action *action, const struct hg_action_type *const *types,
		    size_t type_count);
void hg_action_fini(struct hg_action *action);

/* Handles one ActionCommand; any bytes are fit for it. */
void hg_action_receive(struct hg_action *action, struct hg_worker *worker,
		       struct headgate_bytes message);

/* There are no more of them. */
void hg_action_half_close(struct hg_action *action, struct hg_worker *worker);

/* There is room for more replies, or the time of wait_ms has passed. */
void hg_action_ready(struct hg_action *action, struct hg_worker *worker);

/* The caller has gone. */
void hg_action_cancel(struct hg_action *action);

bool hg_action_wants_message(const struct hg_action *action);

/* Takes the next response to send; borrowed until the next call. */
bool hg_action_next(struct hg_action *action, struct headgate_bytes *ret_response);

#endif
