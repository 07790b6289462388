#include "httpapi/front/json_head.h"

#include "httpapi/front/front_internal.h"
#include "httpapi/front/json_metadata.h"
#include "src/base/clock.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

enum status json_head_read(struct front *front, const struct json_head *into,
			   const struct http_head *head, struct error *err)
{
	uint64_t wait_ns;
	enum status status = json_metadata_timeout(head, &wait_ns, err);

	if (status)
		return status;
	wait_ns = json_metadata_wait(into->options, wait_ns);
	into->exchange->deadline_ns = clock_deadline(loop_now_ns(front->loop), wait_ns);
	timer_start(into->deadline, into->exchange->deadline_ns);
	status = json_metadata_read(head, into->arena, into->metadata, err);
	front_strip_metadata(front, into->metadata);
	json_metadata_filter(front->params.config, into->metadata);
	return status;
}
