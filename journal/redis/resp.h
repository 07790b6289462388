#ifndef HEADGATE_JOURNAL_REDIS_RESP_H
#define HEADGATE_JOURNAL_REDIS_RESP_H

#include <stddef.h>

#include "src/base/parse.h"
#include "src/base/span.h"

/* Reads replies from the bytes of a connection, with limits: hiredis' reader would wait for half a
 * gigabyte of string, or allocate an array of two thousand million elements, because a peer said
 * so. */
struct redisReader;
struct redisReply;
struct error;

/* Elements of one array: a page of events has 256, SCAN may return some thousands. */
#define RESP_ELEMENTS_MAX 65536
/* Bytes of one reply. An event or a snapshot has at most 4 MiB, and a page that is larger is asked
 * again in smaller pieces; the state of a CRDT has at most 16 MiB and comes in one. */
#define RESP_REPLY_BYTES_MAX ((size_t)17 * 1024 * 1024)

struct resp;

struct resp *resp_new(size_t reply_bytes_max);
void resp_free(struct resp *resp);

/* Adds bytes. Then resp_next until it says PARSE_MORE. */
void resp_feed(struct resp *resp, struct span bytes);

/* PARSE_DONE: a reply, owned by the caller (resp_reply_free). PARSE_BAD: the connection is of no
 * use any more; err is ST_OUT_OF_RANGE when the reply is too large, ST_DATA_LOSS otherwise. */
enum parse_result resp_next(struct resp *resp, struct redisReply **ret_reply, struct error *err);
void resp_reply_free(struct redisReply *reply);

#endif
