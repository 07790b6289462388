#ifndef HEADGATE_TESTS_TCK_FUNCTION_C_MODELS_H
#define HEADGATE_TESTS_TCK_FUNCTION_C_MODELS_H

#include <headgate/crdt.h>
#include <headgate/function.h>

/* The model services of the compatibility kit. */

extern const struct headgate_action tck_action_model;
extern const struct headgate_action tck_action_two;

extern const struct headgate_action tck_event_subscriber;
extern const struct headgate_entity tck_event_entity_one;
extern const struct headgate_entity tck_event_entity_two;

extern const struct headgate_entity tck_event_sourced_model;
extern const struct headgate_entity tck_event_sourced_two;
extern const struct headgate_entity tck_event_sourced_configured;

extern const struct headgate_value_entity tck_value_model;
extern const struct headgate_value_entity tck_value_two;
extern const struct headgate_value_entity tck_value_configured;

extern const struct headgate_crdt_entity tck_crdt_model;
extern const struct headgate_crdt_entity tck_crdt_two;
extern const struct headgate_crdt_entity tck_crdt_configured;

/* Passivation of the configured entities. */
#define TCK_PASSIVATION_MS 100

#endif
