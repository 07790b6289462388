#ifndef HEADGATE_JOURNAL_REDIS_REDIS_ADMIN_H
#define HEADGATE_JOURNAL_REDIS_REDIS_ADMIN_H

#include <stdint.h>

/* The journal for tools, over the requests of a journal that redis_journal_open gave. */
struct admin;
struct journal;
struct loop;

/* Both are borrowed until admin_close. A command that is not answered within timeout_ms fails. */
struct admin *redis_admin_open(struct loop *loop, struct journal *journal, uint64_t timeout_ms);

#endif
