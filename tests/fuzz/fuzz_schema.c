/* Any bytes as a descriptor set; what is accepted must answer every lookup about itself. */
#include "proto/options.h"
#include "proto/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_message(const struct schema *schema, const struct message *message)
{
	for (size_t i = 0; i < message->field_count; i++) {
		const struct field *field = &message->fields[i];

		BUG_ON(schema_field_by_number(message, field->number) != field);
		BUG_ON(schema_field_by_name(message, field->name) != field);
		BUG_ON(!schema_field_by_key(message, field->json_name));
		BUG_ON((field->type == FIELD_ENUM) != (field->enum_type != NULL));
		BUG_ON((field->type == FIELD_MESSAGE || field->type == FIELD_GROUP) !=
		       (field->message != NULL));
		BUG_ON(field->message &&
		       schema_find_message(schema, field->message->full_name) != field->message);
		(void)options_is_entity_key(field); /* only that it ends */
	}
}

static void look_at_service(const struct schema *schema, const struct service *service,
			    struct arena *arena)
{
	for (size_t i = 0; i < service->method_count; i++) {
		const struct method *method = &service->methods[i];
		const struct options_http_rule *rule;
		struct options_eventing eventing;
		bool is_present;

		BUG_ON(schema_find_method(schema, method->path) != method);
		look_at_message(schema, method->input);
		look_at_message(schema, method->output);
		if (options_http_rule(method, arena, &rule, NULL) == ST_OK)
			BUG_ON(rule && rule->additional_count > OPTIONS_BINDINGS_MAX);
		if (options_eventing(method, &eventing, &is_present, NULL) == ST_OK)
			BUG_ON(eventing.has_in && !is_present);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct schema *schema = NULL;
	struct arena arena;

	if (schema_new(span_make(data, size), &schema, NULL) != ST_OK)
		return 0;
	arena_init(&arena, (size_t)16 << 20);
	for (size_t i = 0; i < schema_file_count(schema); i++)
		BUG_ON(schema_find_file(schema, schema_file(schema, i)->name) !=
		       schema_file(schema, i));
	for (size_t i = 0; i < schema_service_count(schema); i++)
		look_at_service(schema, schema_service(schema, i), &arena);
	arena_fini(&arena);
	schema_unref(schema);
	return 0;
}
