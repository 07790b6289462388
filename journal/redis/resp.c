#include "journal/redis/resp.h"

#include <hiredis/hiredis.h>

#include "src/base/error.h"
#include "src/base/mem.h"

struct resp {
	redisReader *reader;
	redisReplyObjectFunctions functions; /* hiredis' own, but for arrays */
	void *(*create_array)(const redisReadTask *task, int elements);
	size_t reply_bytes_max;
	size_t reply_bytes; /* fed since the last reply was complete */
	bool is_array_too_long;
};

/* The reader's privdata is handed to every task. */
static void *create_bounded_array(const redisReadTask *task, int elements)
{
	struct resp *resp = task->privdata;

	if (elements > RESP_ELEMENTS_MAX) {
		resp->is_array_too_long = true;
		return NULL;
	}
	return resp->create_array(task, elements);
}

struct resp *resp_new(size_t reply_bytes_max)
{
	struct resp *resp = mem_new(struct resp);

	resp->reader = redisReaderCreate();
	BUG_ON(!resp->reader); /* out of memory */
	resp->functions = *resp->reader->fn;
	resp->create_array = resp->functions.createArray;
	resp->functions.createArray = create_bounded_array;
	resp->reader->fn = &resp->functions;
	resp->reader->privdata = resp;
	resp->reply_bytes_max = reply_bytes_max;
	return resp;
}

void resp_free(struct resp *resp)
{
	if (!resp)
		return;
	redisReaderFree(resp->reader);
	mem_free(resp);
}

void resp_feed(struct resp *resp, struct span bytes)
{
	resp->reply_bytes += bytes.len;
	/* A failure is kept in the reader and comes out of resp_next. */
	(void)redisReaderFeed(resp->reader, (const char *)bytes.data, bytes.len);
}

enum parse_result resp_next(struct resp *resp, struct redisReply **ret_reply, struct error *err)
{
	void *reply = NULL;

	if (redisReaderGetReply(resp->reader, &reply) != REDIS_OK) {
		if (resp->is_array_too_long)
			(void)error_set(err, ST_OUT_OF_RANGE,
					"a reply of redis has more than %d elements",
					RESP_ELEMENTS_MAX);
		else
			(void)error_set(err, ST_DATA_LOSS, "a reply of redis is malformed: %s",
					resp->reader->errstr);
		return PARSE_BAD;
	}
	if (reply) {
		resp->reply_bytes = resp->reader->len - resp->reader->pos;
		*ret_reply = reply;
		return PARSE_DONE;
	}
	if (resp->reply_bytes > resp->reply_bytes_max) {
		(void)error_set(err, ST_OUT_OF_RANGE, "a reply of redis has more than %zu bytes",
				resp->reply_bytes_max);
		return PARSE_BAD;
	}
	return PARSE_MORE;
}

void resp_reply_free(struct redisReply *reply)
{
	if (reply)
		freeReplyObject(reply);
}
