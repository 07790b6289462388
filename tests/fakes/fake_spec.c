#include "tests/fakes/fake_spec.h"

#include "proto/options.h"
#include "proto/wire.h"
#include "src/base/error.h"

/* Numbers of google/protobuf/descriptor.proto and cloudstate/entity.proto. */

static void put_text(struct wire_writer *w, uint32_t number, const char *text)
{
	if (text)
		wire_put_bytes_field(w, number, span_from_str(text));
}

static void put_number(struct wire_writer *w, uint32_t number, int64_t value)
{
	if (value)
		wire_put_uint_field(w, number, (uint64_t)value);
}

static void put_field(struct wire_writer *w, const struct fake_field *field)
{
	struct wire_nest nest = wire_begin(w, 2);
	struct wire_nest options;

	put_text(w, 1, field->name);
	put_number(w, 3, field->number);
	put_number(w, 4, field->is_repeated ? 3 : 1);
	put_number(w, 5, field->type);
	put_text(w, 6, field->type_name);
	put_text(w, 7, field->default_text);
	options = wire_begin(w, 8);
	put_number(w, OPTIONS_ENTITY_KEY_NUMBER, field->is_key);
	put_number(w, OPTIONS_LEGACY_ENTITY_KEY_NUMBER, field->is_legacy_key);
	wire_end(w, options);
	put_text(w, 10, field->name);
	wire_end(w, nest);
}

static void put_message(struct wire_writer *w, const struct fake_message *message)
{
	struct wire_nest nest = wire_begin(w, 4);

	put_text(w, 1, message->name);
	for (const struct fake_field *f = message->fields; f && f->name; f++)
		put_field(w, f);
	wire_end(w, nest);
}

static void put_eventing(struct wire_writer *w, const struct fake_method *m)
{
	struct wire_nest options;
	struct wire_nest eventing;
	struct wire_nest side;

	if (!m->in_log && !m->in_topic && !m->out_topic && !m->has_empty_in && !m->has_empty_out)
		return;
	options = wire_begin(w, 4);
	eventing = wire_begin(w, OPTIONS_EVENTING_NUMBER);
	if (m->in_log || m->in_topic || m->has_empty_in) {
		side = wire_begin(w, 1);
		put_text(w, 1, m->group);
		put_text(w, 2, m->in_topic);
		put_text(w, 3, m->in_log);
		wire_end(w, side);
	}
	if (m->out_topic || m->has_empty_out) {
		side = wire_begin(w, 2);
		put_text(w, 1, m->out_topic);
		wire_end(w, side);
	}
	wire_end(w, eventing);
	wire_end(w, options);
}

static void put_service(struct wire_writer *w, const struct fake_service *service)
{
	struct wire_nest nest = wire_begin(w, 6);

	put_text(w, 1, service->name);
	for (const struct fake_method *m = service->methods; m && m->name; m++) {
		struct wire_nest method = wire_begin(w, 2);

		put_text(w, 1, m->name);
		put_text(w, 2, m->input);
		put_text(w, 3, m->output);
		put_eventing(w, m);
		put_number(w, 5, m->client_streaming);
		put_number(w, 6, m->server_streaming);
		wire_end(w, method);
	}
	wire_end(w, nest);
}

static void put_colour(struct wire_writer *w)
{
	struct wire_nest nest = wire_begin(w, 5);
	struct wire_nest value;

	put_text(w, 1, "Colour");
	value = wire_begin(w, 2);
	put_text(w, 1, "RED");
	wire_put_uint_field(w, 2, 0);
	wire_end(w, value);
	value = wire_begin(w, 2);
	put_text(w, 1, "GREEN");
	wire_put_uint_field(w, 2, 5);
	wire_end(w, value);
	wire_end(w, nest);
}

static void put_file(struct wire_writer *w, const struct fake_file *file)
{
	struct wire_nest nest = wire_begin(w, 1);

	put_text(w, 1, file->name);
	put_text(w, 2, file->package);
	put_text(w, 3, file->import);
	for (const struct fake_message *m = file->messages; m && m->name; m++)
		put_message(w, m);
	put_colour(w);
	for (const struct fake_service *s = file->services; s && s->name; s++)
		put_service(w, s);
	put_text(w, 12, file->is_proto2 ? "proto2" : "proto3");
	wire_end(w, nest);
}

static void put_entity(struct wire_writer *w, const struct fake_entity *entity)
{
	struct wire_nest nest = wire_begin(w, 2);

	put_text(w, 1, entity->type ? entity->type : "cloudstate.eventsourced.EventSourced");
	put_text(w, 2, entity->service);
	put_text(w, 3, entity->persistence_id);
	if (entity->passivation_ms) {
		struct wire_nest strategy = wire_begin(w, 4);
		struct wire_nest timeout = wire_begin(w, 1);

		put_number(w, 1, entity->passivation_ms);
		wire_end(w, timeout);
		wire_end(w, strategy);
	}
	wire_end(w, nest);
}

void fake_spec_write(const struct fake_spec *spec, struct buf *out)
{
	struct wire_writer w;
	struct wire_nest nest;

	wire_writer_init(&w, out);
	nest = wire_begin(&w, 1);
	for (const struct fake_file *f = spec->files; f && f->name; f++)
		put_file(&w, f);
	wire_end(&w, nest);
	for (const struct fake_entity *e = spec->entities; e && e->service; e++)
		put_entity(&w, e);
	nest = wire_begin(&w, 3);
	put_text(&w, 1, "test-function");
	put_text(&w, 2, "1.2.3");
	put_text(&w, 3, "c");
	put_text(&w, 4, "test-support");
	put_number(&w, 6, spec->major);
	put_number(&w, 7, spec->minor);
	wire_end(&w, nest);
	BUG_ON(!wire_finish(&w));
	wire_writer_fini(&w);
}

static void put_counter(const char *type, int32_t minor, int64_t passivation_ms, struct buf *out)
{
	static const struct fake_field fields[] = {
		{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true},
		{.name = "amount", .number = 2, .type = FIELD_INT64},
		{0},
	};
	static const struct fake_message messages[] = {{"Amount", fields}, {0}};
	static const struct fake_method methods[] = {
		{.name = "Increase", .input = ".test.Amount", .output = ".test.Amount"},
		{.name = "Get", .input = ".test.Amount", .output = ".test.Amount"},
		{0},
	};
	static const struct fake_service services[] = {{"Counter", methods}, {0}};
	static const struct fake_file files[] = {
		{.name = "counter.proto",
		 .package = "test",
		 .messages = messages,
		 .services = services},
		{0},
	};
	struct fake_entity entities[] = {
		{.type = type,
		 .service = "test.Counter",
		 .persistence_id = "counter",
		 .passivation_ms = passivation_ms},
		{0},
	};
	struct fake_spec spec = {.files = files, .entities = entities, .minor = minor};

	fake_spec_write(&spec, out);
}

void fake_spec_counter(int32_t minor, int64_t passivation_ms, struct buf *out)
{
	put_counter(NULL, minor, passivation_ms, out);
}

void fake_spec_value_counter(int64_t passivation_ms, struct buf *out)
{
	put_counter("cloudstate.valueentity.ValueEntity", 2, passivation_ms, out);
}
