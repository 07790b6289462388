#include "support/c/action_type.h"

#include <stdlib.h>

#include "support/c/describe.h"
#include "support/c/error.h"
#include "support/c/wire.h"

static const struct headgate_action_method *find_row(const struct headgate_action *action,
						     struct headgate_bytes name)
{
	for (const struct headgate_action_method *row = action->methods; row->name; row++)
		if (hg_bytes_equal(name, row->name))
			return row;
	return NULL;
}

/* Pairs each method of the service with its row; both sides must match exactly. */
static int match_methods(struct hg_action_type *type, struct headgate_bytes service,
			 struct headgate_error *err)
{
	size_t row_count = type->method_count;
	const char *service_name = type->action->service_name;
	struct hg_reader reader;
	struct hg_field field;

	type->method_count = 0;
	hg_reader_init(&reader, service);
	while (hg_reader_next(&reader, &field)) {
		if (!hg_is_bytes(&field, HG_SERVICE_METHOD))
			continue;
		struct hg_described_method method = hg_describe_method(field.bytes);
		const struct headgate_action_method *row = find_row(type->action, method.name);
		if (!row || type->method_count == row_count)
			return hg_error(err, "method %s.%.*s has no handler", service_name,
					(int)method.name.size, (const char *)method.name.data);
		if (row->on_end && !method.client_streaming)
			return hg_error(err, "method %s.%s has on_end but takes one request",
					service_name, row->name);
		type->methods[type->method_count++] = (struct hg_action_method){
			.row = row,
			.output_type = method.output_type,
			.client_streaming = method.client_streaming,
			.server_streaming = method.server_streaming,
		};
	}
	for (const struct headgate_action_method *row = type->action->methods; row->name; row++)
		if (!hg_action_type_find(type, hg_text(row->name)))
			return hg_error(err, "service %s has no method %s", service_name,
					row->name);
	return 0;
}

int hg_action_type_new(const struct headgate_action *action, struct headgate_bytes descriptor_set,
		       struct hg_action_type **ret_type, struct headgate_error *err)
{
	struct headgate_bytes service = {0};
	size_t count = 0;

	if (!action->service_name || !action->methods)
		return hg_error(err, "an action needs a service_name and methods");
	for (; action->methods[count].name; count++)
		if (!action->methods[count].on_message)
			return hg_error(err, "method %s.%s has no on_message", action->service_name,
					action->methods[count].name);
	if (hg_describe_service(descriptor_set, action->service_name, &service, err))
		return -1;
	struct hg_action_type *type = calloc(1, sizeof *type + count * sizeof type->methods[0]);
	if (!type)
		return hg_error(err, "out of memory");
	type->action = action;
	type->method_count = count;
	if (match_methods(type, service, err)) {
		hg_action_type_free(type);
		return -1;
	}
	*ret_type = type;
	return 0;
}

void hg_action_type_free(struct hg_action_type *type)
{
	free(type);
}

const struct hg_action_method *hg_action_type_find(const struct hg_action_type *type,
						   struct headgate_bytes name)
{
	for (size_t i = 0; i < type->method_count; i++)
		if (hg_bytes_equal(name, type->methods[i].row->name))
			return &type->methods[i];
	return NULL;
}
