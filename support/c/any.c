/* Values as google.protobuf.Any: primitives and JSON are messages with the one field 1, which is
 * absent when it has its default value, so that equal values have equal bytes. */

#include <math.h>
#include <string.h>

#include "support/c/context.h"
#include "support/c/headgate/crdt.h"
#include "support/c/wire.h"

#define PRIMITIVE "p.cloudstate.io/"
#define JSON "json.cloudstate.io/"
#define MESSAGE "type.googleapis.com/"

/* The one way to write what is not a number. */
#define NAN_64 0x7ff8000000000000u
#define NAN_32 0x7fc00000u

/* ---- Making -----------------------------------------------------------------------------------
 */

static uint8_t *alloc(struct headgate_context *context, size_t size)
{
	return headgate_alloc(context, size > 0 ? size : 1, 1);
}

static struct headgate_any make_bytes(struct headgate_context *context, const char *type_url,
				      struct headgate_bytes bytes)
{
	struct headgate_any any = {.type_url = hg_text(type_url), .value = {"", 0}};
	uint8_t *place;

	if (bytes.size == 0)
		return any;
	place = alloc(context, hg_bytes_field_size(1, bytes.size));
	if (!place)
		return (struct headgate_any){0};
	any.value.data = place;
	any.value.size = (size_t)(hg_put_bytes_field(place, 1, bytes) - place);
	return any;
}

static struct headgate_any make_varint(struct headgate_context *context, const char *type_url,
				       uint64_t value)
{
	struct headgate_any any = {.type_url = hg_text(type_url), .value = {"", 0}};
	uint8_t *place;

	if (value == 0)
		return any;
	place = alloc(context, hg_varint_field_size(1, value));
	if (!place)
		return (struct headgate_any){0};
	any.value.data = place;
	any.value.size = (size_t)(hg_put_varint_field(place, 1, value) - place);
	return any;
}

/* tag: of field 1 and the wire type that has so many bytes */
static struct headgate_any make_fixed(struct headgate_context *context, const char *type_url,
				      uint64_t bits, size_t size, uint8_t tag)
{
	struct headgate_any any = {.type_url = hg_text(type_url), .value = {"", 0}};
	uint8_t *place;

	if (bits == 0)
		return any;
	place = alloc(context, size + 1);
	if (!place)
		return (struct headgate_any){0};
	place[0] = tag;
	for (size_t i = 0; i < size; i++)
		place[i + 1] = (uint8_t)(bits >> (8 * i));
	any.value = (struct headgate_bytes){place, size + 1};
	return any;
}

struct headgate_any headgate_any_text(struct headgate_context *context, struct headgate_bytes text)
{
	return make_bytes(context, PRIMITIVE "string", text);
}

struct headgate_any headgate_any_string(struct headgate_context *context, const char *text)
{
	return headgate_any_text(context, hg_text(text));
}

struct headgate_any headgate_any_bytes(struct headgate_context *context,
				       struct headgate_bytes bytes)
{
	return make_bytes(context, PRIMITIVE "bytes", bytes);
}

struct headgate_any headgate_any_int64(struct headgate_context *context, int64_t number)
{
	return make_varint(context, PRIMITIVE "int64", (uint64_t)number);
}

struct headgate_any headgate_any_int32(struct headgate_context *context, int32_t number)
{
	return make_varint(context, PRIMITIVE "int32", (uint64_t)(int64_t)number);
}

struct headgate_any headgate_any_bool(struct headgate_context *context, bool value)
{
	return make_varint(context, PRIMITIVE "bool", value);
}

struct headgate_any headgate_any_double(struct headgate_context *context, double number)
{
	uint64_t bits = NAN_64;

	if (!isnan(number))
		memcpy(&bits, &number, sizeof bits);
	return make_fixed(context, PRIMITIVE "double", bits, sizeof bits, 1 << 3 | HG_WIRE_FIXED64);
}

struct headgate_any headgate_any_float(struct headgate_context *context, float number)
{
	uint32_t bits = NAN_32;

	if (!isnan(number))
		memcpy(&bits, &number, sizeof bits);
	return make_fixed(context, PRIMITIVE "float", bits, sizeof bits, 1 << 3 | HG_WIRE_FIXED32);
}

/* The type URL in memory of the context; NULL: the context has failed. */
static char *make_url(struct headgate_context *context, const char *prefix, const char *name)
{
	size_t prefix_size = strlen(prefix);
	size_t name_size = strlen(name);
	char *url = headgate_alloc(context, prefix_size + name_size + 1, 1);

	if (!url)
		return NULL;
	memcpy(url, prefix, prefix_size);
	memcpy(url + prefix_size, name, name_size);
	return url;
}

struct headgate_any headgate_any_json(struct headgate_context *context, const char *type,
				      struct headgate_bytes text)
{
	const char *url = make_url(context, JSON, type);

	return url ? make_bytes(context, url, text) : (struct headgate_any){0};
}

struct headgate_any headgate_any_message(struct headgate_context *context,
					 const ProtobufCMessage *message)
{
	const char *url = make_url(context, MESSAGE, message->descriptor->name);
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *place = url ? alloc(context, size) : NULL;

	if (!place)
		return (struct headgate_any){0};
	return (struct headgate_any){
		.type_url = hg_text(url),
		.value = {place, protobuf_c_message_pack(message, place)},
	};
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* The last field 1 of that wire type; a value without it has the default. */
static bool read_field(struct headgate_any any, enum hg_wire_type type, struct hg_field *ret_field)
{
	struct hg_reader reader;
	struct hg_field field;
	struct hg_field found = {.bytes = {"", 0}};

	hg_reader_init(&reader, any.value);
	while (hg_reader_next(&reader, &field))
		if (field.number == 1 && field.type == type)
			found = field;
	if (reader.is_bad)
		return false;
	*ret_field = found;
	return true;
}

static bool get_bytes(struct headgate_any any, struct headgate_bytes *ret_bytes)
{
	struct hg_field field;

	if (!read_field(any, HG_WIRE_BYTES, &field))
		return false;
	*ret_bytes = field.bytes;
	return true;
}

bool headgate_any_get_string(struct headgate_any any, struct headgate_bytes *ret_text)
{
	return hg_bytes_equal(any.type_url, PRIMITIVE "string") && get_bytes(any, ret_text);
}

bool headgate_any_get_bytes(struct headgate_any any, struct headgate_bytes *ret_bytes)
{
	return hg_bytes_equal(any.type_url, PRIMITIVE "bytes") && get_bytes(any, ret_bytes);
}

bool headgate_any_get_json(struct headgate_any any, struct headgate_bytes *ret_text)
{
	size_t size = sizeof JSON - 1;

	return any.type_url.size >= size && memcmp(any.type_url.data, JSON, size) == 0 &&
	       get_bytes(any, ret_text);
}

static bool get_varint(struct headgate_any any, const char *type_url, uint64_t *ret_value)
{
	struct hg_field field;

	if (!hg_bytes_equal(any.type_url, type_url) || !read_field(any, HG_WIRE_VARINT, &field))
		return false;
	*ret_value = field.value;
	return true;
}

bool headgate_any_get_int64(struct headgate_any any, int64_t *ret_number)
{
	uint64_t value;

	if (!get_varint(any, PRIMITIVE "int64", &value))
		return false;
	*ret_number = (int64_t)value;
	return true;
}

bool headgate_any_get_int32(struct headgate_any any, int32_t *ret_number)
{
	uint64_t value;

	if (!get_varint(any, PRIMITIVE "int32", &value))
		return false;
	*ret_number = (int32_t)(uint32_t)value;
	return true;
}

bool headgate_any_get_bool(struct headgate_any any, bool *ret_value)
{
	uint64_t value;

	if (!get_varint(any, PRIMITIVE "bool", &value))
		return false;
	*ret_value = value != 0;
	return true;
}

static bool get_fixed(struct headgate_any any, const char *type_url, enum hg_wire_type type,
		      uint64_t *ret_bits)
{
	struct hg_field field;

	if (!hg_bytes_equal(any.type_url, type_url) || !read_field(any, type, &field))
		return false;
	*ret_bits = field.value;
	return true;
}

bool headgate_any_get_double(struct headgate_any any, double *ret_number)
{
	uint64_t bits;

	if (!get_fixed(any, PRIMITIVE "double", HG_WIRE_FIXED64, &bits))
		return false;
	memcpy(ret_number, &bits, sizeof bits);
	return true;
}

bool headgate_any_get_float(struct headgate_any any, float *ret_number)
{
	uint64_t bits;

	if (!get_fixed(any, PRIMITIVE "float", HG_WIRE_FIXED32, &bits))
		return false;
	uint32_t bits32 = (uint32_t)bits;
	memcpy(ret_number, &bits32, sizeof bits32);
	return true;
}

const void *headgate_any_unpack(struct headgate_context *context, struct headgate_any any,
				const ProtobufCMessageDescriptor *type)
{
	if (!hg_type_url_names(any.type_url, type->name))
		return NULL;
	return hg_context_decode(context->worker, type, &any.value);
}
