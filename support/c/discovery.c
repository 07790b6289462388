#include "support/c/discovery.h"

#include "support/c/wire.h"

#define ENTITY_TYPE "cloudstate.eventsourced.EventSourced"
#define CRDT_TYPE "cloudstate.crdt.Crdt"
#define VALUE_TYPE "cloudstate.valueentity.ValueEntity"
#define ACTION_TYPE "cloudstate.action.ActionProtocol"
#define PROTOCOL_MAJOR 0
#define PROTOCOL_MINOR 2
#define LIBRARY_NAME "headgate-function"

static void append_text(struct hg_buf *buf, uint32_t number, const char *text)
{
	struct headgate_bytes bytes = hg_text(text);

	if (bytes.size == 0)
		return;
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(number, bytes.size));
	if (to)
		(void)hg_put_bytes_field(to, number, bytes); /* as much as was reserved */
}

static void append_varint(struct hg_buf *buf, uint32_t number, uint64_t value)
{
	size_t size = hg_varint_field_size(number, value);
	uint8_t *to = size > 0 ? hg_buf_reserve(buf, size) : NULL;

	if (to)
		(void)hg_put_varint_field(to, number, value); /* as much as was reserved */
}

/* Appends what was collected in part as one field, and empties part. */
static void append_part(struct hg_buf *buf, uint32_t number, struct hg_buf *part)
{
	struct headgate_bytes bytes = {.data = part->data, .size = part->size};
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(number, bytes.size));

	if (to)
		(void)hg_put_bytes_field(to, number, bytes); /* as much as was reserved */
	if (part->has_failed)
		buf->has_failed = true;
	hg_buf_reset(part, SIZE_MAX);
}

struct entity {
	const char *type;
	const char *service_name;
	const char *persistence_id;
	int64_t passivation_timeout_ms;
};

static void append_entity(struct hg_buf *spec, const struct entity *entity, struct hg_buf *part,
			  struct hg_buf *strategy)
{
	append_text(part, 1, entity->type);
	append_text(part, 2, entity->service_name);
	append_text(part, 3, entity->persistence_id);
	if (entity->passivation_timeout_ms > 0) {
		struct hg_buf timeout = {0};
		append_varint(&timeout, 1, (uint64_t)entity->passivation_timeout_ms);
		append_part(strategy, 1, &timeout);
		append_part(part, 4, strategy);
		hg_buf_fini(&timeout);
	}
	append_part(spec, 2, part);
}

void hg_append_entity_spec(struct hg_buf *spec, struct headgate_bytes descriptor_set,
			   const struct hg_services *services, const struct hg_service_info *info)
{
	struct hg_buf part = {0};
	struct hg_buf strategy = {0};
	uint8_t *to = hg_buf_reserve(spec, hg_bytes_field_size(1, descriptor_set.size));

	if (to)
		(void)hg_put_bytes_field(to, 1, descriptor_set); /* as much as was reserved */
	for (size_t i = 0; i < services->type_count; i++) {
		const struct headgate_entity *entity = services->types[i]->entity;
		append_entity(spec,
			      &(struct entity){services->types[i]->value ? VALUE_TYPE : ENTITY_TYPE,
					       entity->service_name, entity->persistence_id,
					       entity->passivation_timeout_ms},
			      &part, &strategy);
	}
	for (size_t i = 0; i < services->crdt_type_count; i++) {
		const struct headgate_crdt_entity *entity = services->crdt_types[i]->entity;
		append_entity(spec,
			      &(struct entity){CRDT_TYPE, entity->service_name,
					       entity->persistence_id,
					       entity->passivation_timeout_ms},
			      &part, &strategy);
	}
	for (size_t i = 0; i < services->action_type_count; i++) {
		append_text(&part, 1, ACTION_TYPE);
		append_text(&part, 2, services->action_types[i]->action->service_name);
		append_part(spec, 2, &part);
	}
	append_text(&part, 1, info->service_name);
	append_text(&part, 2, info->service_version);
	append_text(&part, 3, info->runtime);
	append_text(&part, 4, LIBRARY_NAME);
	append_text(&part, 5, headgate_function_version());
	append_varint(&part, 6, PROTOCOL_MAJOR);
	append_varint(&part, 7, PROTOCOL_MINOR);
	append_part(spec, 3, &part);
	hg_buf_fini(&part);
	hg_buf_fini(&strategy);
}

bool hg_log_proxy_info(const struct hg_log *log, struct headgate_bytes message)
{
	struct headgate_bytes name = {.data = ""};
	struct headgate_bytes version = {.data = ""};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, message);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 3))
			name = field.bytes;
		else if (hg_is_bytes(&field, 4))
			version = field.bytes;
	}
	if (reader.is_bad)
		return false;
	hg_log(log, HEADGATE_LOG_INFO, "discovered by %.*s %.*s", (int)name.size,
	       (const char *)name.data, (int)version.size, (const char *)version.data);
	return true;
}

bool hg_log_reported_error(const struct hg_log *log, struct headgate_bytes message)
{
	struct headgate_bytes text = {.data = ""};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, message);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, 1))
			text = field.bytes;
	if (reader.is_bad)
		return false;
	hg_log(log, HEADGATE_LOG_ERROR, "reported by the proxy: %.*s", (int)text.size,
	       (const char *)text.data);
	return true;
}
