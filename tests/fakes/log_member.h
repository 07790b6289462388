#ifndef HEADGATE_TESTS_FAKES_LOG_MEMBER_H
#define HEADGATE_TESTS_FAKES_LOG_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/crdt_log.h"
#include "journal/members.h"
#include "src/base/error.h"

/* A member of the real thing over Redis, several of them on one loop, and a replica that keeps a
 * set of words: a delta is a word, a state all words joined by blanks. */
struct journal;
struct loop;
struct metrics;

struct log_member {
	struct loop *loop; /* borrowed */
	struct metrics *metrics;
	struct journal *journal;
	struct members *members;
	struct crdt_log *log;
	uint64_t generation; /* of its appends and states */
	uint64_t next;	     /* of its states; 0: the same */
	unsigned changes;    /* of the view */
	bool has_left;
};

/* Opens all three and waits for nothing. url may be of a fake too. */
void log_member_open(struct log_member *member, struct loop *loop, const char *url,
		     const char *address);
/* Says UP and waits until it is told; with listening, until that works too. */
void log_member_up(struct log_member *member);
/* Lets go without leaving, as a crash does. */
void log_member_close(struct log_member *member);

/* "a:1 up, b:2 starting" */
const char *log_member_view(const struct log_member *member);
/* Waits (5 s) until the view is this text; false when it never is. */
bool log_member_sees(struct log_member *member, const char *view);

#define LOG_WORDS_MAX 4096
#define LOG_ACKS_MAX 64

struct log_replica {
	struct log_member *member;
	char id[24];
	struct crdt_watch *watch;
	struct journal_request *reading;
	bool is_again;
	bool is_deaf; /* does not read, so does not acknowledge */
	uint64_t position;
	uint64_t generation;
	char *words[LOG_WORDS_MAX];
	size_t count;
	uint64_t acks[LOG_ACKS_MAX];
	size_t ack_count;
	unsigned news;
	unsigned unknown_news; /* with position 0 */
	unsigned losses;
	unsigned failures;
	bool is_erased;
};

void log_replica_open(struct log_replica *replica, struct log_member *member, const char *id);
void log_replica_close(struct log_replica *replica);
/* Reads until there is no more, and acknowledges then. */
void log_replica_read(struct log_replica *replica);
bool log_replica_has(const struct log_replica *replica, const char *word);
void log_replica_add(struct log_replica *replica, struct span word);
/* All words joined; owned by the caller. */
char *log_replica_state(const struct log_replica *replica);
/* Waits (10 s) until it has so many words. */
bool log_replica_wait(struct log_replica *replica, size_t count);
/* Waits (10 s) until it has read the log of this generation. */
bool log_until_generation(struct log_replica *replica, uint64_t generation);

struct log_answer {
	bool is_done;
	unsigned calls;
	enum journal_result result;
	uint64_t position;
	bool is_durable;
	bool is_unknown;
	struct error error;
	struct journal_request *request;
};

void log_append(struct log_member *member, struct log_answer *answer, const char *id,
		const char *word, bool wants_all, uint64_t timeout_ms);
void log_delete(struct log_member *member, struct log_answer *answer, const char *id,
		bool wants_all, uint64_t timeout_ms);
void log_compact(struct log_member *member, struct log_answer *answer, const char *id,
		 struct span state, uint64_t position, uint64_t timeout_ms);
/* Runs the loop until the answer is there (15 s). */
bool log_wait(struct log_member *member, struct log_answer *answer);
bool log_until(struct loop *loop, const bool *flag);

#endif
