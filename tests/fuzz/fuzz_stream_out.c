/* Messages of the function on the stream of an entity of each kind, and answers of actions. What
 * was read must lie within the message. */
#include "src/base/error.h"
#include "src/entity/action_codec.h"
#include "src/entity/crdt_codec.h"
#include "src/entity/entity_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span all, struct span part)
{
	BUG_ON(part.len && (part.data < all.data || part.data + part.len > all.data + all.len));
}

static void parse_crdt(struct span all)
{
	static struct span effects[ENTITY_REPLY_EFFECTS_MAX];
	struct crdt_out out;
	size_t count;

	crdt_codec_parse(all, &out);
	inside(all, out.update);
	inside(all, out.message.description);
	inside(all, out.message.details);
	inside(all, out.message.metadata);
	inside(all, out.message.payload.type_url);
	inside(all, out.message.payload.value);
	inside(all, out.message.service_name);
	BUG_ON(out.change != CRDT_CHANGE_UPDATE && out.update.len);
	BUG_ON(out.kind == CRDT_OUT_GARBAGE &&
	       (out.change != CRDT_CHANGE_NONE || out.message.action != ENTITY_NONE));
	BUG_ON(out.is_streamed && out.kind != CRDT_OUT_REPLY);
	BUG_ON(out.is_end && out.kind != CRDT_OUT_STREAMED);
	if (out.kind == CRDT_OUT_GARBAGE || out.kind == CRDT_OUT_FAILURE)
		return;
	count = entity_out_effects(&out.message, effects, ENTITY_REPLY_EFFECTS_MAX);
	BUG_ON(count != out.message.effect_count);
	for (size_t i = 0; i < count; i++)
		inside(all, effects[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct journal_any events[ENTITY_REPLY_EVENTS_MAX];
	static struct span effects[ENTITY_REPLY_EFFECTS_MAX];
	struct span all = span_make(data, size);
	struct entity_out out;
	size_t count;

	parse_crdt(all);
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
