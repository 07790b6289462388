/* Which consumers annotations make, and which annotations cannot be served. */
#include "src/eventing/plan.h"

#include <string.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/userfn/api.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

static const struct fake_field fields[] = {
	{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true}, {0}};
static const struct fake_message messages[] = {{"A", fields}, {"B", fields}, {"Out", NULL}, {0}};

#define ANY ".google.protobuf.Any"
#define METHODS(name, ...) static const struct fake_method name[] = {__VA_ARGS__, {0}}
METHODS(plain, {"One", ".t.A", ".t.Out"});
METHODS(consuming, {"OnA", ".t.A", ".t.Out", .in_log = "log"},
	{"OnB", ".t.B", ".t.Out", .in_log = "log", .out_topic = "out"},
	{"OnAny", ANY, ".t.Out", .in_log = "log"}, {"OnTopic", ".t.A", ".t.Out", .in_topic = "in"},
	{"Grouped", ".t.A", ".t.Out", .in_log = "log", .group = "g"},
	{"Publish", ".t.A", ".t.Out", .out_topic = "out"});
METHODS(same_topic, {"M", ".t.A", ".t.Out", .in_topic = "x", .out_topic = "x"});
METHODS(same_input, {"M", ".t.A", ".t.Out", .in_log = "log"},
	{"N", ".t.A", ".t.Out", .in_log = "log"});
METHODS(both_any, {"M", ANY, ".t.Out", .in_topic = "x"}, {"N", ANY, ".t.Out", .in_topic = "x"});
METHODS(no_source, {"M", ".t.A", ".t.Out", .has_empty_in = true});
METHODS(no_destination, {"M", ".t.A", ".t.Out", .has_empty_out = true});
METHODS(topic_in, {"M", ".t.A", ".t.Out", .in_topic = "x"});
METHODS(topic_out, {"M", ".t.A", ".t.Out", .out_topic = "x"});
METHODS(no_log, {"M", ".t.A", ".t.Out", .in_log = "second"});
METHODS(grouped, {"M", ".t.A", ".t.Out", .in_log = "log", .group = "g"});
METHODS(streamed, {"M", ".t.A", ".t.Out", .server_streaming = true, .in_log = "log"});

#define ACTION "cloudstate.action.ActionProtocol"
#define VALUE "cloudstate.valueentity.ValueEntity"
#define CRDT "cloudstate.crdt.Crdt"

static struct api *api_of(const struct fake_method *first, const char *first_type,
			  const struct fake_method *second, const char *second_type)
{
	const struct fake_service services[] = {{"First", first}, {"Second", second}, {0}};
	const struct fake_file files[] = {{.name = "t.proto",
					   .package = "t",
					   .import = "google/protobuf/any.proto",
					   .messages = messages,
					   .services = services},
					  {0}};
	const struct fake_entity entities[] = {
		{.type = first_type, .service = "t.First", .persistence_id = "first"},
		{.type = second_type, .service = "t.Second", .persistence_id = "second"},
		{0}};
	const struct fake_spec spec = {.files = files, .entities = entities, .minor = 2};
	struct api *api = NULL;
	struct error err;
	struct buf bytes;
	struct buf reasons;

	buf_init(&bytes, 64 * 1024);
	buf_init(&reasons, 4096);
	fake_spec_write(&spec, &bytes);
	if (api_new(buf_span(&bytes), &reasons, &api, &err) != ST_OK)
		fail_msg("%.*s", SPAN_FMT(buf_span(&reasons)));
	buf_fini(&bytes);
	buf_fini(&reasons);
	return api;
}

static void consumers_are_made_of_methods(void **state)
{
	struct api *api = api_of(consuming, ACTION, plain, NULL);
	struct plan *plan = NULL;
	const struct plan_consumer *c;
	struct error err;
	struct buf reasons;

	(void)state;
	buf_init(&reasons, 4096);
	assert_int_equal(plan_new(api, true, &reasons, &plan, &err), ST_OK);
	assert_int_equal(plan->count, 3);
	c = &plan->consumers[0];
	UNIT_ROW_SPAN("log", c->group, "t.First");
	UNIT_ROW_SPAN("log", c->source, "log");
	assert_int_equal(c->method_count, 2);
	UNIT_ROW_SPAN("A", plan_route(c, SPAN_LIT("type.googleapis.com/t.A"))->schema->name, "OnA");
	UNIT_ROW_SPAN("B", plan_route(c, SPAN_LIT("type.googleapis.com/t.B"))->schema->name, "OnB");
	UNIT_ROW_SPAN("other", plan_route(c, SPAN_LIT("type.googleapis.com/t.C"))->schema->name,
		      "OnAny");
	UNIT_ROW_SPAN("JSON", plan_route(c, SPAN_LIT("json.cloudstate.io/t.A"))->schema->name,
		      "OnAny");
	UNIT_ROW_SPAN("primitive", plan_route(c, SPAN_LIT("p.cloudstate.io/t.A"))->schema->name,
		      "OnAny");
	c = &plan->consumers[1];
	assert_int_equal(c->kind, FEED_TOPIC);
	UNIT_ROW_SPAN("topic", c->source, "in");
	assert_null(plan_route(c, SPAN_LIT("type.googleapis.com/t.B")));
	UNIT_ROW_SPAN("group", plan->consumers[2].group, "g");
	plan_free(plan);
	api_unref(api);
	buf_fini(&reasons);
}

static void what_cannot_be_served_is_found(void **state)
{
	static const struct {
		const char *name;
		const struct fake_method *first;
		const char *first_type;
		const struct fake_method *second;
		const char *second_type;
		bool has_no_topics;
		const char *reason;
	} rows[] = {
		{"same topic", same_topic, ACTION, plain, NULL, false,
		 "Endpoint 't.First.M' has the same input topic as output topic ('x'), this is not "
		 "allowed."},
		{"same input", same_input, ACTION, plain, NULL, false,
		 "Endpoints 't.First.M' and 't.First.N' have the same event source 'log' and the "
		 "same "
		 "input type [t.A]"},
		{"both take any", both_any, ACTION, plain, NULL, false, "the same input type"},
		{"no source", no_source, ACTION, plain, NULL, false,
		 "Endpoint 't.First.M' has an event source without a topic or an event log"},
		{"no destination", no_destination, ACTION, plain, NULL, false,
		 "Endpoint 't.First.M' has an event destination without a topic"},
		{"no broker in", topic_in, ACTION, plain, NULL, true,
		 "consumes a topic, but eventing.support is none"},
		{"no broker out", topic_out, ACTION, plain, NULL, true,
		 "publishes to a topic, but eventing.support is none"},
		{"a value's log", no_log, ACTION, plain, VALUE, false,
		 "[t.Second] is no event sourced entity"},
		{"shared group", grouped, ACTION, grouped, ACTION, false,
		 "Services [t.First] and [t.Second] consume 'log' with the same consumer group "
		 "'g'"},
		{"endless", streamed, CRDT, plain, NULL, false, "a stream that need not end"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct api *api = api_of(rows[i].first, rows[i].first_type, rows[i].second,
					 rows[i].second_type);
		struct error err;
		struct buf reasons;

		buf_init(&reasons, 4096);
		UNIT_ROW(rows[i].name, plan_new(api, !rows[i].has_no_topics, &reasons, NULL,
						&err) == ST_INVALID_ARGUMENT);
		if (!strstr(err.message, rows[i].reason))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&reasons), err.message);
		buf_fini(&reasons);
		api_unref(api);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumers_are_made_of_methods),
		cmocka_unit_test(what_cannot_be_served_is_found),
	};

	return cmocka_run_group_tests_name("eventing/plan", tests, NULL, NULL);
}
