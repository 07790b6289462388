#include "src/userfn/api.h"

#include <stdarg.h>
#include <stdio.h>

#include "journal/journal.h"
#include "proto/options.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* EntitySpec is read with the wire reader: it has four message types of a few fields, and the one
 * large field in it, the descriptor set, goes to the schema as it is. All findings are collected,
 * so that the author of a function sees them in one go. Spec: cloudstate-protocol A.1 (fields), 1.3
 * (texts). */

/* Declared entities; far above any real function, and the room their methods take. */
#define API_SERVICES_MAX 1000
#define API_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Key fields of one request message. */
#define API_KEY_FIELDS_MAX 16

/* What the snapshot owns beside what its users see. */
struct api_box {
	struct api api;
	struct arena arena;
};

struct building {
	struct api_box *box;
	struct buf *reasons;
	struct error *err;
	bool has_reason;
};

/* One cloudstate.Entity as it stands on the wire. */
struct declared {
	struct span type;
	struct span service_name;
	struct span persistence_id;
	int64_t passivation_ms;
};

static void refuse(struct building *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void refuse(struct building *b, const char *format, ...)
{
	struct error reason;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason.message, sizeof(reason.message), format, args);
	va_end(args);
	if (!b->has_reason)
		(void)error_set(b->err, ST_INVALID_ARGUMENT, "%s", reason.message);
	else
		(void)buf_append_byte(b->reasons, '\n');
	/* a full buffer only shortens what the author reads */
	(void)buf_append_str(b->reasons, reason.message);
	b->has_reason = true;
}

/* ---- reading EntitySpec --------------------------------------------------------------------- */

static bool read_passivation(struct span strategy, int64_t *ret_ms)
{
	struct wire_reader reader;
	struct wire_reader inner;
	struct wire_field field;

	wire_reader_init(&reader, strategy);
	while (wire_next(&reader, &field)) {
		if (field.number != 1 || field.type != WIRE_BYTES)
			continue;
		wire_reader_init(&inner, field.bytes);
		while (wire_next(&inner, &field)) {
			if (field.number == 1 && field.type == WIRE_VARINT)
				*ret_ms = (int64_t)field.integer;
		}
		if (inner.is_bad)
			return false;
	}
	return !reader.is_bad;
}

static bool read_entity(struct span message, struct declared *ret_declared)
{
	struct wire_reader reader;
	struct wire_field field;
	struct declared declared = {0};

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			declared.type = field.bytes;
		else if (field.number == 2)
			declared.service_name = field.bytes;
		else if (field.number == 3)
			declared.persistence_id = field.bytes;
		else if (field.number == 4 &&
			 !read_passivation(field.bytes, &declared.passivation_ms))
			return false;
	}
	*ret_declared = declared;
	return !reader.is_bad && text_is_utf8(declared.type) &&
	       text_is_utf8(declared.service_name) && text_is_utf8(declared.persistence_id);
}

static bool read_service_info(struct building *b, struct span message, int64_t version[2])
{
	struct api *api = &b->box->api;
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_VARINT && (field.number == 6 || field.number == 7))
			version[field.number - 6] = (int32_t)field.integer;
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			api->function_name = arena_span(&b->box->arena, field.bytes);
		else if (field.number == 2)
			api->function_version = arena_span(&b->box->arena, field.bytes);
		else if (field.number == 3)
			api->runtime = arena_span(&b->box->arena, field.bytes);
		else if (field.number == 4)
			api->library = arena_span(&b->box->arena, field.bytes);
	}
	return !reader.is_bad;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static bool is_key_type(const struct field *field)
{
	return !field->is_repeated && field->type != FIELD_DOUBLE && field->type != FIELD_FLOAT &&
	       field->type != FIELD_BYTES && field->type != FIELD_MESSAGE &&
	       field->type != FIELD_GROUP;
}

static void sort_by_declaration(const struct field **fields, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct field *field = fields[i];
		size_t at = i;

		for (; at > 0 && fields[at - 1]->declared_index > field->declared_index; at--)
			fields[at] = fields[at - 1];
		fields[at] = field;
	}
}

/* Spec: S-20, S-22. */
static enum status find_keys(struct building *b, struct api_method *method)
{
	const struct message *input = method->schema->input;
	const struct field *found[API_KEY_FIELDS_MAX];
	const struct field **keys;
	size_t count = 0;

	for (size_t i = 0; i < input->field_count; i++) {
		const struct field *field = &input->fields[i];

		if (!options_is_entity_key(field))
			continue;
		if (!is_key_type(field))
			refuse(b,
			       "Field [%.*s] cannot be an entity_key: keys are single strings, "
			       "integers, booleans or enums",
			       SPAN_FMT(field->full_name));
		else if (count == API_KEY_FIELDS_MAX)
			refuse(b, "Message [%.*s] has more than %d fields marked as entity_key",
			       SPAN_FMT(input->full_name), API_KEY_FIELDS_MAX);
		else
			found[count++] = field;
	}
	sort_by_declaration(found, count);
	keys = arena_new_array(&b->box->arena, const struct field *, count ? count : 1);
	if (!keys)
		return error_set(b->err, ST_RESOURCE_EXHAUSTED, "the description is too large");
	for (size_t i = 0; i < count; i++)
		keys[i] = found[i];
	method->key_fields = keys;
	method->key_field_count = count;
	return ST_OK;
}

/* ---- services ------------------------------------------------------------------------------- */

/* "A,B" of the methods that is_bad picks, or false when there are none. */
static bool list_methods(const struct api_service *service,
			 bool (*is_bad)(const struct api_method *method), struct buf *names)
{
	bool has_any = false;

	buf_reset(names);
	for (size_t i = 0; i < service->method_count; i++) {
		if (!is_bad(&service->methods[i]))
			continue;
		/* cut when there are very many */
		(void)buf_printf(names, "%s%.*s", has_any ? "," : "",
				 SPAN_FMT(service->methods[i].schema->name));
		has_any = true;
	}
	return has_any;
}

static bool is_streamed(const struct api_method *method)
{
	return method->schema->client_streaming || method->schema->server_streaming;
}

static bool is_client_streamed(const struct api_method *method)
{
	return method->schema->client_streaming;
}

static bool has_no_key(const struct api_method *method)
{
	return method->key_field_count == 0;
}

/* What each kind of entity demands of its methods. Spec: D-27 to D-30, D-35. */
static const struct kind {
	const char *type;
	enum entity_kind kind;
	const char *name; /* in messages; NULL: no demands, no key, no persistence id */
	bool (*is_refused)(const struct api_method *method);
	const char *refused; /* what they do not support */
	const char *listed;  /* the same, in front of the list */
} kinds[] = {
	{.type = API_ACTION_TYPE, .kind = ENTITY_ACTION},
	{API_EVENT_SOURCED_TYPE, ENTITY_EVENT_SOURCED, "Event sourced entities", is_streamed,
	 "streamed methods", "streamed methods"},
	{API_VALUE_TYPE, ENTITY_VALUE, "Value entities", is_streamed, "streamed methods",
	 "streamed methods"},
	{API_CRDT_TYPE, ENTITY_CRDT, "CRDT entities", is_client_streamed,
	 "streaming in from the client", "streamed in methods"},
};

const char *api_entity_type(size_t i)
{
	return i < sizeof(kinds) / sizeof(kinds[0]) ? kinds[i].type : NULL;
}

static const struct kind *find_kind(struct span type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (span_eq_str(type, kinds[i].type))
			return &kinds[i];
	}
	return NULL;
}

static void refuse_type(struct building *b, const struct declared *declared)
{
	struct buf types;

	buf_init(&types, 512);
	for (size_t i = 0; api_entity_type(i); i++)
		(void)buf_printf(&types, "%s%s", i ? "," : "", api_entity_type(i));
	refuse(b,
	       "Service [%.*s] has declared an unsupported entity type [%.*s]. Supported types are "
	       "%.*s",
	       SPAN_FMT(declared->service_name), SPAN_FMT(declared->type),
	       SPAN_FMT(buf_span(&types)));
	buf_fini(&types);
}

static void check_methods(struct building *b, const struct kind *kind,
			  const struct api_service *service)
{
	struct span name = service->schema->full_name;
	struct buf names;

	buf_init(&names, 256);
	if (list_methods(service, kind->is_refused, &names))
		refuse(b, "%s do not support %s, but %.*s has the following %s: %.*s", kind->name,
		       kind->refused, SPAN_FMT(name), kind->listed, SPAN_FMT(buf_span(&names)));
	if (list_methods(service, has_no_key, &names))
		refuse(b,
		       "%s do not support methods whose parameters do not have at least one field "
		       "marked as entity_key, but %.*s has the following methods without keys: "
		       "%.*s",
		       kind->name, SPAN_FMT(name), SPAN_FMT(buf_span(&names)));
	buf_fini(&names);
}

static void read_eventing(struct building *b, struct api_method *method)
{
	struct error err;

	if (options_eventing(method->schema, &method->eventing, &method->has_eventing, &err) !=
		    ST_OK &&
	    b->reasons)
		refuse(b, "%s", err.message);
}

static enum status add_methods(struct building *b, struct api_service *service)
{
	size_t count = service->schema->method_count;
	enum status status;

	service->methods = arena_new_array(&b->box->arena, struct api_method, count ? count : 1);
	if (!service->methods)
		return error_set(b->err, ST_RESOURCE_EXHAUSTED, "the description is too large");
	for (size_t i = 0; i < count; i++) {
		struct api_method *method = &service->methods[i];

		method->schema = &service->schema->methods[i];
		method->service = service;
		method->by_path_.key = method->schema->path;
		service->method_count++;
		read_eventing(b, method);
		if (!map_insert(&b->box->api.by_path_, &method->by_path_))
			continue; /* the service was refused as a repetition */
		if (service->kind == ENTITY_ACTION)
			continue; /* it has no key, whatever its messages mark */
		status = find_keys(b, method);
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

/* A repeated persistence id would make two services share journals. Spec: D-37. */
static bool is_repeated(struct building *b, const struct declared *declared, bool is_action)
{
	const struct api *api = &b->box->api;

	for (size_t i = 0; i < api->service_count; i++) {
		const struct api_service *other = &api->services[i];

		if (span_eq(other->schema->full_name, declared->service_name))
			refuse(b, "Service [%.*s] is declared more than once",
			       SPAN_FMT(declared->service_name));
		else if (!is_action && other->kind != ENTITY_ACTION &&
			 span_eq(other->persistence_id, declared->persistence_id))
			refuse(b, "Services [%.*s] and [%.*s] have the same persistence id [%.*s]",
			       SPAN_FMT(other->schema->full_name), SPAN_FMT(declared->service_name),
			       SPAN_FMT(declared->persistence_id));
		else
			continue;
		return true;
	}
	return false;
}

static enum status add_service(struct building *b, const struct declared *declared)
{
	struct api *api = &b->box->api;
	struct api_service *service = &api->services[api->service_count];
	const struct service *schema = schema_find_service(api->schema, declared->service_name);
	const struct kind *kind = find_kind(declared->type);
	bool is_action = kind && kind->kind == ENTITY_ACTION;
	enum status status;

	if (!schema)
		refuse(b, "Service [%.*s] not found in descriptors!",
		       SPAN_FMT(declared->service_name));
	if (!kind)
		refuse_type(b, declared);
	else if (is_action)
		; /* Spec: D-35, a persistence id means nothing */
	else if (declared->persistence_id.len == 0)
		refuse(b, "Service [%.*s] has no persistence id", SPAN_FMT(declared->service_name));
	else if (span_find(declared->persistence_id, '\0') < declared->persistence_id.len)
		refuse(b, "Service [%.*s] has a NUL in its persistence id",
		       SPAN_FMT(declared->service_name));
	if (!schema || is_repeated(b, declared, is_action))
		return ST_OK;
	*service = (struct api_service){
		.schema = schema,
		.kind = kind ? kind->kind : ENTITY_EVENT_SOURCED, /* it is refused anyhow */
		.persistence_id = is_action ? SPAN_EMPTY
					    : arena_span(&b->box->arena, declared->persistence_id),
		.passivation_ms =
			declared->passivation_ms > 0 ? (uint64_t)declared->passivation_ms : 0,
		.api = api,
	};
	api->service_count++;
	api->has_actions = api->has_actions || is_action;
	status = add_methods(b, service);
	if (status == ST_OK && kind && !is_action)
		check_methods(b, kind, service);
	return status;
}

static enum status add_services(struct building *b, struct span spec, size_t count)
{
	struct wire_reader reader;
	struct wire_field field;
	struct declared declared;
	enum status status = ST_OK;

	b->box->api.services =
		arena_new_array(&b->box->arena, struct api_service, count ? count : 1);
	if (!b->box->api.services)
		return error_set(b->err, ST_RESOURCE_EXHAUSTED, "the description is too large");
	wire_reader_init(&reader, spec);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.number != 2 || field.type != WIRE_BYTES)
			continue;
		if (read_entity(field.bytes, &declared))
			status = add_service(b, &declared);
		else
			refuse(b, "An entity of the description is malformed");
	}
	return status;
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct spec {
	struct span descriptors;
	size_t entity_count;
	int64_t version[2];
};

static bool read_spec(struct building *b, struct span bytes, struct spec *spec)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			spec->descriptors = field.bytes;
		else if (field.number == 2)
			spec->entity_count++;
		else if (field.number == 3 && !read_service_info(b, field.bytes, spec->version))
			return false;
	}
	return !reader.is_bad;
}

/* Spec: ruling R2; D-20. */
static void check_version(struct building *b, const int64_t version[2])
{
	if (version[0] == 0 && version[1] >= 0 && version[1] <= 2)
		b->box->api.generation = version[1] == 2 ? API_0_2 : API_0_1;
	else
		refuse(b, "Incompatible protocol version %lld.%lld, only 0.2 is supported",
		       (long long)version[0], (long long)version[1]);
}

static enum status build(struct building *b, struct span bytes)
{
	struct spec spec = {0};
	struct error schema_error;
	enum status status;

	if (!read_spec(b, bytes, &spec)) {
		refuse(b, "The description is not a well-formed cloudstate.EntitySpec");
		return ST_INVALID_ARGUMENT;
	}
	check_version(b, spec.version);
	if (spec.entity_count == 0)
		refuse(b, "No entities were reported by the discover call!");
	if (spec.entity_count > API_SERVICES_MAX) {
		refuse(b, "More than %d entities are declared", API_SERVICES_MAX);
		return ST_INVALID_ARGUMENT;
	}
	status = schema_new(spec.descriptors, &b->box->api.schema, &schema_error);
	if (status != ST_OK) {
		refuse(b, "%s", schema_error.message);
		return ST_INVALID_ARGUMENT;
	}
	status = add_services(b, bytes, spec.entity_count);
	if (status == ST_OK && b->box->arena.is_exhausted)
		status = error_set(b->err, ST_RESOURCE_EXHAUSTED, "the description is too large");
	if (status != ST_OK)
		return status;
	return b->has_reason ? ST_INVALID_ARGUMENT : ST_OK;
}

enum status api_new(struct span entity_spec, struct buf *reasons, struct api **ret_api,
		    struct error *err)
{
	struct error first;
	struct building b = {.reasons = reasons, .err = err ? err : &first};
	enum status status;

	b.box = mem_new(struct api_box);
	b.box->api.refs_ = 1;
	arena_init(&b.box->arena, API_ARENA_BYTES_MAX);
	map_init(&b.box->api.by_path_);
	status = build(&b, entity_spec);
	if (status == ST_OK || (b.has_reason && b.box->api.service_count)) {
		*ret_api = &b.box->api;
		return status;
	}
	if (!b.has_reason)
		(void)buf_append_str(reasons, b.err->message);
	api_unref(&b.box->api);
	return status;
}

static enum status add_bare_services(struct building *b, struct span only)
{
	struct api *api = &b->box->api;
	size_t count = schema_service_count(api->schema);
	enum status status = ST_OK;

	api->services = arena_new_array(&b->box->arena, struct api_service, count ? count : 1);
	if (!api->services)
		return error_set(b->err, ST_RESOURCE_EXHAUSTED, "the description is too large");
	for (size_t i = 0; status == ST_OK && i < count; i++) {
		const struct service *schema = schema_service(api->schema, i);
		struct api_service *service = &api->services[api->service_count];

		if (only.len ? !span_eq(schema->full_name, only) : schema->file->is_builtin)
			continue;
		*service =
			(struct api_service){.schema = schema, .kind = ENTITY_ACTION, .api = api};
		api->service_count++;
		status = add_methods(b, service);
	}
	api->has_actions = api->service_count > 0;
	return status;
}

enum status api_of_schema(struct schema *schema, struct span only, struct api **ret_api,
			  struct error *err)
{
	struct building b = {.err = err};
	enum status status;

	b.box = mem_new(struct api_box);
	b.box->api.refs_ = 1;
	b.box->api.schema = schema_ref(schema);
	arena_init(&b.box->arena, API_ARENA_BYTES_MAX);
	map_init(&b.box->api.by_path_);
	status = add_bare_services(&b, only);
	if (status)
		api_unref(&b.box->api);
	else
		*ret_api = &b.box->api;
	return status;
}

struct api *api_ref(struct api *api)
{
	api->refs_++;
	return api;
}

void api_unref(struct api *api)
{
	struct api_box *box;

	if (!api)
		return;
	BUG_ON(api->refs_ == 0);
	if (--api->refs_ > 0)
		return;
	box = container_of(api, struct api_box, api);
	map_fini(&api->by_path_);
	schema_unref(api->schema);
	arena_fini(&box->arena);
	mem_free(box);
}

const struct api_method *api_find(const struct api *api, struct span path)
{
	struct map_node *node = map_find(&api->by_path_, path);

	return node ? container_of(node, struct api_method, by_path_) : NULL;
}

/* ---- the key of a request ------------------------------------------------------------------- */

static enum wire_type wire_type_of(enum field_type type)
{
	if (type == FIELD_STRING)
		return WIRE_BYTES;
	if (type == FIELD_FIXED32 || type == FIELD_SFIXED32)
		return WIRE_FIXED32;
	if (type == FIELD_FIXED64 || type == FIELD_SFIXED64)
		return WIRE_FIXED64;
	return WIRE_VARINT;
}

/* Unsigned types print as signed, as in the reference. Spec: S-22. */
static int64_t integer_of(enum field_type type, uint64_t raw)
{
	if (type == FIELD_SINT32)
		return (int32_t)wire_unzigzag((uint32_t)raw);
	if (type == FIELD_SINT64)
		return wire_unzigzag(raw);
	if (type == FIELD_INT64 || type == FIELD_UINT64 || type == FIELD_FIXED64 ||
	    type == FIELD_SFIXED64)
		return (int64_t)raw;
	return (int32_t)raw;
}

static bool put_value(const struct field *field, const struct wire_field *value, struct buf *out)
{
	const struct enum_value *enum_value;

	if (field->type == FIELD_STRING)
		return buf_append(out, value->bytes);
	if (field->type == FIELD_BOOL)
		return buf_append_str(out, value->integer ? "true" : "false");
	if (field->type == FIELD_ENUM) {
		enum_value = schema_enum_by_number(field->enum_type, (int32_t)value->integer);
		if (enum_value)
			return buf_append(out, enum_value->name);
	}
	return buf_printf(out, "%lld", (long long)integer_of(field->type, value->integer));
}

static enum status put_key(const struct field *field, const struct wire_field *value,
			   struct buf *out, struct error *err)
{
	size_t before = buf_len(out);
	bool is_set = value->record.len > 0;

	if (!is_set && field->has_default ? !buf_append(out, field->default_text)
					  : !put_value(field, value, out))
		return error_set(err, ST_INVALID_ARGUMENT, "the entity key \"%.*s\" is too long",
				 SPAN_FMT(field->name));
	if (buf_len(out) == before)
		return error_set(err, ST_INVALID_ARGUMENT, "the entity key \"%.*s\" is empty",
				 SPAN_FMT(field->name));
	if (!text_is_utf8(span_skip(buf_span(out), before)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the entity key \"%.*s\" is not valid UTF-8",
				 SPAN_FMT(field->name));
	return ST_OK;
}

/* How the journal counts: every byte outside [A-Za-z0-9._~-] takes three. */
static size_t encoded_len(struct span key)
{
	size_t len = 0;

	for (size_t i = 0; i < key.len; i++) {
		uint8_t c = key.data[i];
		bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
				(c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~' ||
				c == '-';

		len += is_plain ? 1 : 3;
	}
	return len;
}

static enum status find_values(const struct api_method *method, struct span message,
			       struct wire_field *values, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		for (size_t i = 0; i < method->key_field_count; i++) {
			if (method->key_fields[i]->number == field.number &&
			    wire_type_of(method->key_fields[i]->type) == field.type)
				values[i] = field;
		}
	}
	if (reader.is_bad)
		return error_set(err, ST_INVALID_ARGUMENT, "the message is not a well-formed %.*s",
				 SPAN_FMT(method->schema->input->full_name));
	return ST_OK;
}

enum status api_entity_key(const struct api_method *method, struct span message, struct buf *out,
			   struct error *err)
{
	struct wire_field values[API_KEY_FIELDS_MAX];
	size_t start = buf_len(out);
	enum status status;

	/* an unset number stands for zero, so the values begin as zeroes */
	memset(values, 0, sizeof(values[0]) * method->key_field_count);
	status = find_values(method, message, values, err);
	for (size_t i = 0; status == ST_OK && i < method->key_field_count; i++) {
		const struct field *field = method->key_fields[i];

		if (i > 0 && !buf_append_byte(out, '-'))
			status = error_set(err, ST_INVALID_ARGUMENT, "the entity key is too long");
		else
			status = put_key(field, &values[i], out, err);
		if (status != ST_OK)
			error_set_field(err, "%.*s", SPAN_FMT(field->name));
	}
	if (status == ST_OK && encoded_len(span_skip(buf_span(out), start)) > JOURNAL_ID_MAX) {
		status = error_set(err, ST_INVALID_ARGUMENT,
				   "the entity key \"%.*s\" is longer than %zu bytes",
				   SPAN_FMT(method->key_fields[0]->name), JOURNAL_ID_MAX);
		error_set_field(err, "%.*s", SPAN_FMT(method->key_fields[0]->name));
	}
	if (status != ST_OK)
		buf_truncate(out, start);
	return status;
}
