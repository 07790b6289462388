#include "support/c/type.h"

#include <stdlib.h>
#include <string.h>

#include "support/c/describe.h"
#include "support/c/error.h"
#include "support/c/wire.h"

/* As the other support libraries have it. */
#define SNAPSHOT_EVERY_DEFAULT 100

static size_t count_commands(const struct headgate_entity *entity)
{
	size_t count = 0;

	while (entity->commands[count].name)
		count++;
	return count;
}

static const struct headgate_command *find_command(const struct headgate_entity *entity,
						   struct headgate_bytes name)
{
	for (const struct headgate_command *row = entity->commands; row->name; row++)
		if (hg_bytes_equal(name, row->name))
			return row;
	return NULL;
}

/* Pairs each method of the service with its command; both sides must match exactly. */
static int match_methods(struct hg_type *type, struct headgate_bytes service,
			 struct headgate_error *err)
{
	size_t command_count = type->method_count;
	struct hg_reader reader;
	struct hg_field field;

	type->method_count = 0;
	hg_reader_init(&reader, service);
	while (hg_reader_next(&reader, &field)) {
		if (!hg_is_bytes(&field, HG_SERVICE_METHOD))
			continue;
		struct hg_described_method method = hg_describe_method(field.bytes);
		const struct headgate_command *row = find_command(type->entity, method.name);
		if (method.client_streaming || method.server_streaming)
			return hg_error(
				err, "%s.%.*s is streaming, which commands of entities cannot be",
				type->entity->service_name, (int)method.name.size,
				(const char *)method.name.data);
		if (!row || type->method_count == command_count)
			return hg_error(err, "method %s.%.*s has no command handler",
					type->entity->service_name, (int)method.name.size,
					(const char *)method.name.data);
		type->methods[type->method_count++] =
			(struct hg_method){.command = row, .output_type = method.output_type};
	}
	for (const struct headgate_command *row = type->entity->commands; row->name; row++)
		if (!hg_type_find_method(type, hg_text(row->name)))
			return hg_error(err, "service %s has no method %s",
					type->entity->service_name, row->name);
	return 0;
}

static int check_declaration(const struct headgate_entity *entity, struct headgate_error *err)
{
	if (!entity->service_name || !entity->persistence_id || !entity->persistence_id[0])
		return hg_error(err, "an entity needs a service_name and a persistence_id");
	if (!entity->commands)
		return hg_error(err, "entity %s has no commands", entity->service_name);
	for (const struct headgate_command *row = entity->commands; row->name; row++)
		if (!row->handle)
			return hg_error(err, "command %s.%s has no handler", entity->service_name,
					row->name);
	return 0;
}

static int check_state(const struct headgate_entity *entity, struct headgate_error *err)
{
	for (const struct headgate_event *row = entity->events; row && row->apply; row++)
		if (!row->type && !row->type_url)
			return hg_error(err, "an event of %s has neither type nor type_url",
					entity->service_name);
	if (!entity->create && entity->state_size == 0)
		return hg_error(err, "entity %s has neither state_size nor create",
				entity->service_name);
	if (!entity->read_snapshot != !entity->write_snapshot)
		return hg_error(err, "entity %s can only read or only write snapshots",
				entity->service_name);
	return 0;
}

static int64_t cadence(const struct headgate_entity *entity)
{
	if (!entity->write_snapshot || entity->snapshot_every < 0)
		return 0;
	return entity->snapshot_every > 0 ? entity->snapshot_every : SNAPSHOT_EVERY_DEFAULT;
}

static int make_type(const struct headgate_entity *entity, struct headgate_bytes descriptor_set,
		     struct hg_type **ret_type, struct headgate_error *err)
{
	struct headgate_bytes service = {0};

	if (check_declaration(entity, err) ||
	    hg_describe_service(descriptor_set, entity->service_name, &service, err))
		return -1;
	size_t count = count_commands(entity);
	struct hg_type *type = calloc(1, sizeof *type + count * sizeof type->methods[0]);
	if (!type)
		return hg_error(err, "out of memory");
	type->entity = entity;
	type->snapshot_every = cadence(entity);
	type->method_count = count;
	if (match_methods(type, service, err)) {
		hg_type_free(type);
		return -1;
	}
	*ret_type = type;
	return 0;
}

int hg_type_new(const struct headgate_entity *entity, struct headgate_bytes descriptor_set,
		struct hg_type **ret_type, struct headgate_error *err)
{
	return check_state(entity, err) ? -1 : make_type(entity, descriptor_set, ret_type, err);
}

int hg_type_new_value(const struct headgate_value_entity *value,
		      struct headgate_bytes descriptor_set, struct hg_type **ret_type,
		      struct headgate_error *err)
{
	const struct headgate_entity entity = {
		.service_name = value->service_name,
		.persistence_id = value->persistence_id,
		.commands = value->commands,
		.passivation_timeout_ms = value->passivation_timeout_ms,
	};

	if (make_type(&entity, descriptor_set, ret_type, err))
		return -1;
	(*ret_type)->value = value;
	(*ret_type)->value_as_entity = entity;
	(*ret_type)->entity = &(*ret_type)->value_as_entity;
	return 0;
}

void hg_type_free(struct hg_type *type)
{
	free(type);
}

const struct hg_method *hg_type_find_method(const struct hg_type *type, struct headgate_bytes name)
{
	for (size_t i = 0; i < type->method_count; i++)
		if (hg_bytes_equal(name, type->methods[i].command->name))
			return &type->methods[i];
	return NULL;
}

const struct headgate_event *hg_type_find_event(const struct hg_type *type,
						struct headgate_bytes type_url)
{
	for (const struct headgate_event *row = type->entity->events; row && row->apply; row++)
		if (row->type_url ? hg_bytes_equal(type_url, row->type_url)
				  : hg_type_url_names(type_url, row->type->name))
			return row;
	return NULL;
}

const struct headgate_event *hg_type_find_event_type(const struct hg_type *type,
						     const ProtobufCMessageDescriptor *message)
{
	for (const struct headgate_event *row = type->entity->events; row && row->apply; row++)
		if (row->type == message)
			return row;
	return NULL;
}
