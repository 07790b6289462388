/* The bytes of a Redis connection: replies or an end, whatever they are, and of each reply every
 * meaning it may be taken for. The first byte says into which pieces the rest is cut. */
#include <stddef.h>
#include <stdint.h>

#include "journal/redis/reply.h"
#include "journal/redis/resp.h"
#include "src/base/error.h"

/* Small, so that inputs reach it. */
#define LIMIT ((size_t)65536)
#define EVENTS ((size_t)8)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void understand(const struct redisReply *reply)
{
	const struct journal_id tag = {{0}};
	struct journal_append_result result;
	struct journal_event events[EVENTS];
	struct record_head head;
	struct error err;
	size_t count = 0;

	if (reply_is_error(reply)) {
		(void)reply_classify(reply, &err);
		BUG_ON(err.status == ST_OK);
	}
	(void)reply_text(reply);
	if (reply_append(reply, &tag, &result, &err) == ST_OK)
		BUG_ON(result.result == JOURNAL_ERROR);
	if (reply_head(reply, true, &head, &err) == ST_OK)
		BUG_ON(head.head.sequence > JOURNAL_SEQUENCE_MAX);
	if (reply_head(reply, false, &head, &err) == ST_OK)
		BUG_ON(head.snapshot_sequence > head.head.sequence);
	if (reply_events(reply, 1, events, EVENTS, &count, &err) == ST_OK)
		BUG_ON(count > EVENTS || (count > 0 && events[count - 1].sequence != count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resp *resp = resp_new(LIMIT);
	enum parse_result result = PARSE_MORE;
	size_t piece = size ? (size_t)data[0] + 1 : 1;
	struct span rest = span_skip(span_make(data, size), 1);
	struct redisReply *reply = NULL;
	struct error err;

	while (rest.len > 0 && result != PARSE_BAD) {
		resp_feed(resp, span_head(rest, piece));
		rest = span_skip(rest, piece);
		while ((result = resp_next(resp, &reply, &err)) == PARSE_DONE) {
			understand(reply);
			resp_reply_free(reply);
		}
	}
	resp_free(resp);
	return 0;
}
