/* The model services of the compatibility kit with the C library. */
#include "tests/tck/function-c/models.h"

static const uint8_t descriptor_set[] = {
#include "tests/tck/function-c/gen/descriptor_set.inc"
};

int main(void)
{
	static const struct headgate_action *const actions[] = {
		&tck_action_model,
		&tck_action_two,
		&tck_event_subscriber,
	};
	static const struct headgate_entity *const entities[] = {
		&tck_event_sourced_model, &tck_event_sourced_two, &tck_event_sourced_configured,
		&tck_event_entity_one,	  &tck_event_entity_two,
	};
	static const struct headgate_value_entity *const values[] = {
		&tck_value_model,
		&tck_value_two,
		&tck_value_configured,
	};
	static const struct headgate_crdt_entity *const crdts[] = {
		&tck_crdt_model,
		&tck_crdt_two,
		&tck_crdt_configured,
	};

	return headgate_function_main(&(struct headgate_function_params){
		.entities = entities,
		.entity_count = sizeof entities / sizeof entities[0],
		.value_entities = values,
		.value_entity_count = sizeof values / sizeof values[0],
		.crdts = crdts,
		.crdt_count = sizeof crdts / sizeof crdts[0],
		.actions = actions,
		.action_count = sizeof actions / sizeof actions[0],
		.descriptor_set = {descriptor_set, sizeof descriptor_set},
		.service_name = "headgate-tck-c",
		.service_version = "1",
	});
}
