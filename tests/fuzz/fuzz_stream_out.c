/* Messages of the function on an entity stream, and answers of actions. What was read must lie
 * within the message. */
#include "src/base/error.h"
#include "src/entity/action_codec.h"
#include "src/entity/entity_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span all, struct span part)
{
	BUG_ON(part.len && (part.data < all.data || part.data + part.len > all.data + all.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct journal_any events[ENTITY_REPLY_EVENTS_MAX];
	static struct span effects[ENTITY_REPLY_EFFECTS_MAX];
	struct span all = span_make(data, size);
	struct entity_out out;
	size_t count;

	action_response_parse(all, &out);
	inside(all, out.description);
	inside(all, out.details);
	inside(all, out.metadata);
	inside(all, out.payload.type_url);
	inside(all, out.payload.value);
	inside(all, out.service_name);
	BUG_ON(out.kind == ENTITY_OUT_GARBAGE && out.action != ENTITY_NONE);
	entity_out_parse_value(all, &out);
	inside(all, out.description);
	inside(all, out.payload.value);
	inside(all, out.state.type_url);
	inside(all, out.state.value);
	BUG_ON(out.kind != ENTITY_OUT_REPLY && out.write != ENTITY_WRITE_NONE);
	entity_out_parse(all, &out);
	inside(all, out.description);
	inside(all, out.details);
	inside(all, out.metadata);
	inside(all, out.payload.value);
	inside(all, out.snapshot.value);
	count = entity_out_events(&out, events, ENTITY_REPLY_EVENTS_MAX);
	BUG_ON(count != out.event_count && out.event_count < ENTITY_REPLY_EVENTS_MAX);
	for (size_t i = 0; i < count; i++)
		inside(all, events[i].value);
	count = entity_out_effects(&out, effects, ENTITY_REPLY_EFFECTS_MAX);
	BUG_ON(count != out.effect_count);
	for (size_t i = 0; i < count; i++)
		inside(all, effects[i]);
	return 0;
}
