#include "support/c/type.h"

#include <stdlib.h>
#include <string.h>

#include "support/c/error.h"
#include "support/c/wire.h"

/* As the other support libraries have it. */
#define SNAPSHOT_EVERY_DEFAULT 100

/* The parts of google/protobuf/descriptor.proto that matter here. Everything is a span of the
 * descriptor set: a service is found by walking its files, which happens only at the start. */
#define SET_FILE 1
#define FILE_PACKAGE 2
#define FILE_SERVICE 6
#define SERVICE_NAME 1
#define SERVICE_METHOD 2
#define METHOD_NAME 1
#define METHOD_OUTPUT 3
#define METHOD_CLIENT_STREAMING 5
#define METHOD_SERVER_STREAMING 6

struct described_method {
	struct headgate_bytes name;
	struct headgate_bytes output_type;
	bool is_streaming;
};

static struct described_method describe_method(struct headgate_bytes bytes)
{
	struct described_method method = {0};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, METHOD_NAME)) {
			method.name = field.bytes;
		} else if (hg_is_bytes(&field, METHOD_OUTPUT)) {
			method.output_type = field.bytes;
		} else if (hg_is_varint(&field, METHOD_CLIENT_STREAMING) ||
			   hg_is_varint(&field, METHOD_SERVER_STREAMING)) {
			method.is_streaming |= field.value != 0;
		}
	}
	const char *name = method.output_type.data;
	if (method.output_type.size > 0 && name[0] == '.') { /* resolved names begin with a dot */
		method.output_type.data = name + 1;
		method.output_type.size--;
	}
	return method;
}

static struct headgate_bytes first_bytes(struct headgate_bytes message, uint32_t number)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, message);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, number))
			return field.bytes;
	return (struct headgate_bytes){0};
}

static bool is_full_name(const char *full_name, struct headgate_bytes package,
			 struct headgate_bytes name)
{
	size_t prefix = package.size > 0 ? package.size + 1 : 0;

	if (strlen(full_name) != prefix + name.size)
		return false;
	if (prefix > 0 &&
	    (memcmp(full_name, package.data, package.size) != 0 || full_name[package.size] != '.'))
		return false;
	return name.size == 0 || memcmp(full_name + prefix, name.data, name.size) == 0;
}

static bool find_in_file(struct headgate_bytes file, const char *service_name,
			 struct headgate_bytes *ret_service)
{
	struct headgate_bytes package = first_bytes(file, FILE_PACKAGE);
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, file);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, FILE_SERVICE) &&
		    is_full_name(service_name, package, first_bytes(field.bytes, SERVICE_NAME))) {
			*ret_service = field.bytes;
			return true;
		}
	}
	return false;
}

static int find_service(struct headgate_bytes descriptor_set, const char *service_name,
			struct headgate_bytes *ret_service, struct headgate_error *err)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, descriptor_set);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, SET_FILE) &&
		    find_in_file(field.bytes, service_name, ret_service))
			return 0;
	if (reader.is_bad)
		return hg_error(err, "the descriptor set is not a serialized FileDescriptorSet");
	return hg_error(err, "service %s is not in the descriptor set", service_name);
}

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
		if (!hg_is_bytes(&field, SERVICE_METHOD))
			continue;
		struct described_method method = describe_method(field.bytes);
		const struct headgate_command *row = find_command(type->entity, method.name);
		if (method.is_streaming)
			return hg_error(
				err, "%s.%.*s is streaming, which event sourced entities cannot be",
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

int hg_type_new(const struct headgate_entity *entity, struct headgate_bytes descriptor_set,
		struct hg_type **ret_type, struct headgate_error *err)
{
	struct headgate_bytes service = {0};

	if (check_declaration(entity, err) ||
	    find_service(descriptor_set, entity->service_name, &service, err))
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

bool hg_type_url_names(struct headgate_bytes type_url, const char *message_name)
{
	const char *url = type_url.data;
	size_t length = strlen(message_name);

	return type_url.size > length && url[type_url.size - length - 1] == '/' &&
	       memcmp(url + type_url.size - length, message_name, length) == 0;
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
