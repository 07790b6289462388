#ifndef HEADGATE_JOURNAL_REDIS_INTERNAL_H
#define HEADGATE_JOURNAL_REDIS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "journal/redis/command.h"
#include "journal/redis/redis_journal.h"
#include "journal/redis/reply.h"
#include "journal/redis/topology.h"
#include "journal/redis/url.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/runtime/tls.h"

/* What redis_journal.c, request.c and load.c share.
 *
 * Where a request is: in `waiting` (no connection, or its reply was lost), with the connection, in
 * `delayed` (Redis asked to come back), in `due` (a callback is to be made at the end of the turn),
 * or nowhere (a load between two pages). A request whose caller is gone while a reply is still to
 * come stays with the connection as an orphan. */
struct metrics;
struct metrics_series;
struct embedded;
struct tail;
struct tail_feed;

/* Bytes of all requests for one server that are kept for being sent again. */
#define REDIS_PENDING_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Without a connection for so long, requests of which nothing can have happened fail at once
 * instead of waiting for their deadline; an append whose reply was lost waits on. */
#define REDIS_DOWN_LIMIT_MS ((uint64_t)2000)

enum { REDIS_RESULTS = JOURNAL_ERROR + 1 };

struct redis_journal {
	struct journal base;
	struct loop *loop;
	struct topology *topology;
	struct embedded *embedded; /* NULL: somebody else's Redis */
	uint64_t quiet_until_ns;   /* that it cannot be reached is nothing to speak of */
	char *namespace_text;
	size_t max_pending;
	redis_journal_state_fn on_state;
	void *data;
	unsigned replicas_ack; /* so many replicas must have a write, or its outcome is unknown */
	uint64_t ack_timeout_ms;
	struct list all;     /* every request that still owes its caller a callback */
	struct list orphans; /* those of which only the reply is still to come */
	struct list waiting;
	struct list delayed;
	struct list due;
	size_t pending; /* requests; for each server they are counted with its node */
	struct timer delay_timer;
	struct loop_task due_task;
	uint64_t failed_ns; /* the turn in which a request failed last */
	struct loop_task state_task;
	struct tls_params tls;
	struct redis_url url; /* never shown */
	uint64_t command_timeout_ms;
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
	uint64_t losses; /* of connections and owners: what Redis told before one may be gone */
	void (*on_moved)(void *data); /* the log of CRDTs: look at losses, and where to listen */
	void *moved_data;
	struct tail *tail;
	redis_journal_regressed_fn on_regressed;
	void *regressed_data;
	struct timer down_timer;
	bool is_sick; /* connected, but appends are refused for a reason that needs a person */
	struct error sick;
	unsigned sick_slot;
	bool is_probing;
	struct redis_command probe;
	struct timer probe_timer;
	struct metrics *metrics; /* NULL: none */
	const char *shown_class; /* the durability that was told of last; NULL: none yet */
	bool is_shown_ready;	 /* what on_state was last called for */
	struct metrics_series *appends[REDIS_RESULTS]; /* all NULL without metrics */
	struct metrics_series *verifies[REDIS_RESULTS];
	struct metrics_series *append_seconds;
	struct metrics_series *verify_seconds;
	struct metrics_series *events;
	struct metrics_series *resends;
	struct metrics_series *short_acks;
	struct metrics_series *connected;
	struct metrics_series *pending_gauge;
};

enum request_kind { REQUEST_LOAD, REQUEST_APPEND, REQUEST_VERIFY, REQUEST_GET, REQUEST_CALL };

/* Of a load: what the next reply is, or what is waited for. */
enum load_step { LOAD_HEAD, LOAD_EVENTS, LOAD_RECHECK, LOAD_HELD };

struct redis_request;

/* A request of the folder's other parts (members, CRDTs): a command that is sent, waits, and is
 * sent again as the others are. on_reply and on_fail end with redis_request_settle, the caller's
 * own callback, redis_request_end. */
struct redis_call_ops {
	bool is_write; /* a lost reply leaves its outcome unknown */
	bool is_vital; /* goes out whatever else waits */
	/* Before every sending; may write the command anew, or fail it and return false. */
	bool (*on_submit)(struct redis_request *r);
	/* Not an error. Instead of ending it may hold the request until its deadline. */
	void (*on_reply)(struct redis_request *r, const struct redisReply *reply);
	void (*on_fail)(struct redis_request *r, const struct error *error);
	/* Releases what the request's data holds. */
	void (*on_free)(void *data);
};

struct redis_request {
	struct journal_request base;
	enum request_kind kind;
	uint16_t slot; /* of its keys, or SLOT_ANY */
	struct redis_command command;
	struct list all_node;
	struct list node;	   /* waiting, delayed or due */
	struct redis_node *server; /* whose it is, and where it was sent last */
	struct timer deadline;
	uint64_t start_ns;
	bool is_sent;	       /* at least once */
	unsigned redirections; /* in a row */
	bool is_failing;       /* at its deadline, with error */
	bool is_maybe_done;    /* a reply was lost */
	bool is_orphan;	       /* nobody waits for it any more */
	bool is_in_callback;
	void *data;
	struct error *error;	  /* owned; of a request that fails at the end of the turn */
	struct journal_head head; /* verify: expected; load: as read */
	/* append, put */
	journal_append_fn on_append;
	struct journal_id tag;
	size_t event_count;
	struct tail_feed *feed; /* NULL: it was not to be sent */
	uint64_t feed_position; /* of the acknowledged; 0: not known */
	/* verify */
	journal_verify_fn on_verify;
	journal_get_fn on_get;
	/* call; on_submit and on_free may be NULL */
	const struct redis_call_ops *call;
	/* load */
	const struct journal_load_ops *ops;
	enum load_step step;
	bool wants_next;
	char *keys; /* owned: head key, then events key */
	size_t head_key_len;
	size_t events_key_len;
	unsigned partition;
	uint64_t next; /* first event not handed over */
	size_t page;
};

/* redis_journal.c */
struct redis_journal *redis_journal_of(const struct journal *journal);
/* slot: where it was met, or SLOT_ANY. */
void redis_journal_alarm(struct redis_journal *j, const struct error *error, bool is_sick,
			 unsigned slot);

/* Too few replicas had a write: err says so, and the journal is not ready until they do. */
void redis_journal_short(struct redis_journal *j, long long acks, unsigned slot, struct error *err);

/* request.c */
struct redis_request *redis_request_of_command(struct redis_command *command);
struct journal_request *redis_append(struct journal *journal, const struct journal_append *append,
				     uint64_t deadline_ns, journal_append_fn on_done, void *data);
struct journal_request *redis_put(struct journal *journal, const struct journal_put *put,
				  uint64_t deadline_ns, journal_append_fn on_done, void *data);
struct journal_request *redis_get(struct journal *journal, const struct journal_key *key,
				  uint64_t deadline_ns, journal_get_fn on_done, void *data);
struct journal_request *redis_verify(struct journal *journal, const struct journal_key *key,
				     const struct journal_head *head, uint64_t deadline_ns,
				     journal_verify_fn on_done, void *data);
/* recall.c */
struct journal_request *redis_window(struct journal *journal, const struct journal_window *window,
				     uint64_t deadline_ns, journal_window_fn on_done, void *data);
struct journal_request *redis_recall(struct journal *journal, const struct journal_recall *recall,
				     uint64_t deadline_ns, journal_recall_fn on_done, void *data);
/* request.c */
void redis_cancel(struct journal_request *request);
/* slot: of all keys that its command will name, or SLOT_ANY (journal/redis/slot.h). */
struct redis_request *redis_request_new(struct redis_journal *j, enum request_kind kind,
					uint16_t slot, uint64_t deadline_ns, void *data);
/* Sends it, or lets it wait for the connection, or refuses it when there is too much already. */
void redis_request_admit(struct redis_request *r);
/* Counts the bytes of its command, or not any more; around every change of them. */
void redis_request_count(struct redis_request *r);
void redis_request_uncount(struct redis_request *r);
/* Makes it the server's that its slot has now. */
void redis_request_place(struct redis_request *r);
/* Sends it or lets it wait. */
void redis_request_submit(struct redis_request *r);
/* The connection broke: sends it again later, or frees it when nobody waits for it. */
void redis_request_lost(struct redis_request *r);
/* Whether a lost reply leaves something unknown. */
bool redis_request_is_write(const struct redis_request *r);
/* Makes the final callback and lets go of the request. */
void redis_request_fail(struct redis_request *r, const struct error *error);
/* The same at the end of the turn; in a later one when requests failed in this one already. */
void redis_request_fail_later(struct redis_request *r, const struct error *error);
/* A head with all its fields; with replicas_ack as a claim, so that nothing is shown that a
 * failover could take back. */
void redis_request_ask_head(struct redis_request *r, unsigned partition, struct span head_key);
/* Releases it; it must be linked nowhere but in `all`. */
void redis_request_free(struct redis_request *r);
/* Before the final callback: takes it out of every list; an orphan afterwards when its reply is
 * still to come. redis_request_end is called after the callback. */
void redis_request_settle(struct redis_request *r);
void redis_request_end(struct redis_request *r);

/* A call, whose command the caller fills in before redis_request_admit. data is what on_free gets.
 */
struct redis_request *redis_call_new(struct redis_journal *j, const struct redis_call_ops *ops,
				     uint16_t slot, uint64_t deadline_ns, void *data);
/* The command's text is not needed any more: the call is held. */
void redis_call_hold(struct redis_request *r);
/* The reply is nothing our own script says. */
void redis_call_bad_reply(struct redis_request *r, const struct error *error);
/* PUBLISH, and nobody waits for what comes of it. */
void redis_call_publish(struct redis_journal *j, const char *channel, const char *text);

/* load.c */
struct journal_request *redis_load(struct journal *journal, const struct journal_key *key,
				   uint64_t deadline_ns, const struct journal_load_ops *ops,
				   void *data);
void redis_load_next(struct journal_request *request);
void redis_load_reply(struct redis_request *r, const struct redisReply *reply);
/* The caller asked for more: the next page, or the end. */
void redis_load_go_on(struct redis_request *r);
/* The reply to the present page was too large: asks for a smaller one. False: it cannot be smaller.
 */
bool redis_load_shrink(struct redis_request *r);
void redis_load_done(struct redis_request *r, enum journal_result result,
		     const struct error *error);

#endif
