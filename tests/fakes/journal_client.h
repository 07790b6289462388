#ifndef HEADGATE_TESTS_FAKES_JOURNAL_CLIENT_H
#define HEADGATE_TESTS_FAKES_JOURNAL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "journal/redis/redis_journal.h"
#include "src/base/buf.h"
#include "src/base/error.h"

/* A loop with a journal over Redis on it, and calls that wait for their answer. */
struct loop;
struct metrics;

struct journal_client {
	struct loop *loop;
	struct journal *journal;
	struct metrics *metrics;
	unsigned state_changes;
};

/* Makes the loop only, for what must be on it before. */
enum status journal_client_loop(struct journal_client *client, struct error *err);

/* Opens it, with the loop if there is none; NULL params: quick timeouts for tests. url and
 * namespace "ns" are filled in. */
enum status journal_client_open(struct journal_client *client, const char *url,
				const struct redis_journal_params *params, struct error *err);
/* Short: 200 ms timeout, 5..20 ms backoff. */
struct redis_journal_params journal_client_params(void);
void journal_client_close(struct journal_client *client);

bool journal_client_is_ready(const struct journal_client *client);
/* Runs the loop until the journal is ready (or not any more); false after 15 s. */
bool journal_client_wait(struct journal_client *client, bool is_ready);
/* Runs the loop until the reason for not being ready contains text; false after 15 s. */
bool journal_client_wait_reason(struct journal_client *client, const char *text);
/* Runs the loop for so long. */
void journal_client_run(struct journal_client *client, uint64_t run_ms);
/* Runs the loop until *flag; false after 15 s. */
bool journal_client_until(struct journal_client *client, const bool *flag);

struct journal_answer {
	bool is_done;
	enum journal_result result;
	struct journal_head head;
	bool is_mine;
	bool is_unknown;
	struct error error;
	/* load: what was read, "snapshot@N" and payloads, one line each */
	struct buf text;
	size_t pages;
	uint64_t snapshot_sequence;
	bool is_held; /* load: the test calls journal_load_next */
	struct journal_request *request;
	unsigned calls; /* final callbacks: must be 1 */
};

/* An append of one event to entity "id" of type "cart". */
struct journal_attempt {
	const char *id;
	struct journal_head expected;
	struct journal_id tag;
	struct journal_id command;
	const char *payload;
	uint64_t timeout_ms;
};

/* Starts; answer must stay in place until is_done or the request is cancelled. */
void journal_client_append(struct journal_client *client, struct journal_answer *answer,
			   const struct journal_attempt *attempt);
/* The same with a fresh tag and command. */
void journal_client_append_new(struct journal_client *client, struct journal_answer *answer,
			       const char *id, const struct journal_head *expected,
			       const char *payload, uint64_t timeout_ms);
void journal_client_verify(struct journal_client *client, struct journal_answer *answer,
			   const char *id, const struct journal_head *head, uint64_t timeout_ms);
void journal_client_load(struct journal_client *client, struct journal_answer *answer,
			 const char *id, uint64_t timeout_ms);
/* For appends of the test's own making; data is the answer. */
void journal_client_on_append(void *data, const struct journal_append_result *result);
void journal_answer_fini(struct journal_answer *answer);

/* The same, waiting for the answer (5 s). */
enum journal_result journal_client_append_now(struct journal_client *client,
					      struct journal_answer *answer, const char *id,
					      const struct journal_head *expected,
					      const char *payload);
enum journal_result journal_client_verify_now(struct journal_client *client, const char *id,
					      const struct journal_head *head);
enum journal_result journal_client_load_now(struct journal_client *client,
					    struct journal_answer *answer, const char *id);

#endif
