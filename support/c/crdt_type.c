#include "support/c/crdt_type.h"

#include <stdlib.h>

#include "support/c/describe.h"
#include "support/c/error.h"
#include "support/c/wire.h"

static const struct headgate_crdt_command *find_row(const struct headgate_crdt_entity *entity,
						    struct headgate_bytes name)
{
	for (const struct headgate_crdt_command *row = entity->commands; row->name; row++)
		if (hg_bytes_equal(name, row->name))
			return row;
	return NULL;
}

static int check_method(const struct hg_crdt_type *type, const struct headgate_crdt_command *row,
			const struct hg_described_method *method, struct headgate_error *err)
{
	const char *service_name = type->entity->service_name;

	if (method->client_streaming)
		return hg_error(err, "%s.%.*s takes a stream, which entities cannot", service_name,
				(int)method->name.size, (const char *)method->name.data);
	if (!row)
		return hg_error(err, "method %s.%.*s has no command handler", service_name,
				(int)method->name.size, (const char *)method->name.data);
	if ((row->on_change || row->on_cancel) && !method->server_streaming)
		return hg_error(err, "method %s.%s has on_change or on_cancel but is not streamed",
				service_name, row->name);
	return 0;
}

/* Pairs each method of the service with its row; both sides must match exactly. */
static int match_methods(struct hg_crdt_type *type, struct headgate_bytes service,
			 struct headgate_error *err)
{
	size_t row_count = type->method_count;
	struct hg_reader reader;
	struct hg_field field;

	type->method_count = 0;
	hg_reader_init(&reader, service);
	while (hg_reader_next(&reader, &field)) {
		if (!hg_is_bytes(&field, HG_SERVICE_METHOD))
			continue;
		struct hg_described_method method = hg_describe_method(field.bytes);
		const struct headgate_crdt_command *row =
			type->method_count < row_count ? find_row(type->entity, method.name) : NULL;
		if (check_method(type, row, &method, err))
			return -1;
		type->methods[type->method_count++] =
			(struct hg_crdt_method){.row = row, .output_type = method.output_type};
	}
	for (const struct headgate_crdt_command *row = type->entity->commands; row->name; row++)
		if (!hg_crdt_type_find(type, hg_text(row->name)))
			return hg_error(err, "service %s has no method %s",
					type->entity->service_name, row->name);
	return 0;
}

int hg_crdt_type_new(const struct headgate_crdt_entity *entity,
		     struct headgate_bytes descriptor_set, struct hg_crdt_type **ret_type,
		     struct headgate_error *err)
{
	struct headgate_bytes service = {0};
	size_t count = 0;

	if (!entity->service_name || !entity->persistence_id || !entity->persistence_id[0])
		return hg_error(err, "an entity needs a service_name and a persistence_id");
	if (!entity->commands)
		return hg_error(err, "entity %s has no commands", entity->service_name);
	for (; entity->commands[count].name; count++)
		if (!entity->commands[count].handle)
			return hg_error(err, "command %s.%s has no handler", entity->service_name,
					entity->commands[count].name);
	if (hg_describe_service(descriptor_set, entity->service_name, &service, err))
		return -1;
	struct hg_crdt_type *type = calloc(1, sizeof *type + count * sizeof type->methods[0]);
	if (!type)
		return hg_error(err, "out of memory");
	type->entity = entity;
	type->method_count = count;
	if (match_methods(type, service, err)) {
		hg_crdt_type_free(type);
		return -1;
	}
	*ret_type = type;
	return 0;
}

void hg_crdt_type_free(struct hg_crdt_type *type)
{
	free(type);
}

const struct hg_crdt_method *hg_crdt_type_find(const struct hg_crdt_type *type,
					       struct headgate_bytes name)
{
	for (size_t i = 0; i < type->method_count; i++)
		if (hg_bytes_equal(name, type->methods[i].row->name))
			return &type->methods[i];
	return NULL;
}
