#include "src/eventing/cloudevent.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"
#include "src/grpc/metadata.h"

#define TYPE_MESSAGE "type.googleapis.com/"
#define TYPE_JSON "json.cloudstate.io/"
#define TYPE_PRIMITIVE "p.cloudstate.io/"
#define CONTENT_ANY "application/vnd.cloudstate.protobuf.any"
#define CONTENT_PROTOBUF "application/protobuf"

/* RFC 3339 with milliseconds, in UTC. */
#define TIME_TEXT_MAX 40
/* A media type that is compared. */
#define MEDIA_MAX 128

static void set(struct cloudevent *event, const char *name, struct span value)
{
	struct span key = span_from_str(name);

	if (!value.data)
		return;
	for (size_t i = 0; i < event->count; i++) {
		if (span_eq(event->attributes[i].name, key)) {
			event->attributes[i].value = value;
			return;
		}
	}
	if (event->count < FEED_ATTRIBUTES_MAX)
		event->attributes[event->count++] = (struct feed_attribute){key, value};
}

struct span cloudevent_get(const struct cloudevent *event, const char *name)
{
	for (size_t i = 0; i < event->count; i++) {
		if (span_eq_str(event->attributes[i].name, name))
			return event->attributes[i].value;
	}
	return SPAN_EMPTY;
}

/* a, b and c behind each other. */
static struct span join(struct arena *arena, struct span a, struct span b, struct span c)
{
	size_t len = a.len + b.len + c.len;
	uint8_t *text = arena_alloc(arena, len ? len : 1);
	uint8_t *at = text;

	if (!text)
		return SPAN_EMPTY;
	if (a.len)
		at = mempcpy(at, a.data, a.len);
	if (b.len)
		at = mempcpy(at, b.data, b.len);
	if (c.len)
		(void)mempcpy(at, c.data, c.len); /* the end needs no place */
	return span_make(text, len);
}

static struct span time_text(uint64_t wall_ms, struct arena *arena)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char text[TIME_TEXT_MAX];
	struct tm utc;
	size_t len;

	if (!gmtime_r(&seconds, &utc))
		return SPAN_EMPTY;
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	if (!len)
		return SPAN_EMPTY;
	len += (size_t)snprintf(text + len, sizeof(text) - len, ".%03uZ",
				(unsigned)(wall_ms % 1000));
	return arena_span(arena, span_make(text, len));
}

/* ---- event logs -------------------------------------------------------------------------------
 */
void cloudevent_of_log(const struct feed_source *source, struct span entity, uint64_t sequence,
		       const struct feed_message *message, struct arena *arena,
		       struct cloudevent *ret_event)
{
	char digits[TEXT_U64_DIGITS];

	ret_event->count = 0;
	set(ret_event, "id", join(arena, entity, SPAN_LIT("/"), text_from_u64(sequence, digits)));
	set(ret_event, "source", source->name);
	set(ret_event, "specversion", SPAN_LIT("1.0"));
	set(ret_event, "type", message->type_url);
	set(ret_event, "subject", entity);
	set(ret_event, "time", time_text(message->wall_ms, arena));
	set(ret_event, "datacontenttype", SPAN_LIT(CONTENT_ANY));
}

/* ---- topics -----------------------------------------------------------------------------------
 */
/* The media type without parameters, in lower case. */
static struct span media_of(struct span content_type, char text[MEDIA_MAX])
{
	struct span media = span_head(content_type, span_find(content_type, ';'));

	media = span_head(media, span_find(media, ' '));
	media = span_head(media, MEDIA_MAX);
	for (size_t i = 0; i < media.len; i++) {
		char c = (char)media.data[i];

		text[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	return span_make(text, media.len);
}

/* The value of a parameter, without quotes; data NULL when it is not there. */
static struct span parameter(struct span content_type, const char *name)
{
	struct span rest = span_skip(content_type, span_find(content_type, ';') + 1);

	while (rest.len) {
		struct span one = span_head(rest, span_find(rest, ';'));
		size_t equals = span_find(one, '=');
		struct span key = span_head(one, equals);
		struct span value = span_skip(one, equals + 1);

		while (key.len && key.data[0] == ' ')
			key = span_skip(key, 1);
		if (value.len >= 2 && value.data[0] == '"')
			value = span_make(value.data + 1, value.len - 2);
		if (span_eq_nocase(key, span_from_str(name)) && value.len)
			return value;
		rest = span_skip(rest, one.len + 1);
	}
	return SPAN_EMPTY;
}

static bool is_one_of(struct span media, const char *const *all)
{
	for (; *all; all++) {
		if (span_eq_str(media, *all))
			return true;
	}
	return false;
}

static bool ends_with(struct span text, const char *end)
{
	struct span tail = span_from_str(end);

	return text.len >= tail.len && span_eq(span_skip(text, text.len - tail.len), tail);
}

/* A primitive: a message with the bytes in field 1; none at all for the default. */
static struct span wrap(struct arena *arena, struct span data)
{
	uint8_t head[1 + 10];
	size_t n = 0;
	uint64_t len = data.len;

	if (data.len == 0)
		return SPAN_EMPTY;
	head[n++] = 1 << 3 | WIRE_BYTES;
	for (; len >= 0x80; len >>= 7)
		head[n++] = (uint8_t)(len | 0x80);
	head[n++] = (uint8_t)len;
	return join(arena, span_make(head, n), data, SPAN_EMPTY);
}

static struct span message_type(const struct cloudevent *event, struct arena *arena)
{
	struct span content = cloudevent_get(event, "datacontenttype");
	struct span name = parameter(content, "proto");

	if (!name.data)
		name = parameter(content, "messageType");
	if (!name.data)
		name = cloudevent_get(event, "type");
	return join(arena, SPAN_LIT(TYPE_MESSAGE), name, SPAN_EMPTY);
}

enum status cloudevent_payload(const struct cloudevent *event, struct span data,
			       struct arena *arena, struct journal_any *ret_any, struct error *err)
{
	static const char *const protobuf[] = {CONTENT_PROTOBUF, "application/x-protobuf",
					       "application/vnd.google.protobuf", NULL};
	struct span content = cloudevent_get(event, "datacontenttype");
	struct span type = cloudevent_get(event, "type");
	char text[MEDIA_MAX];
	struct span media = media_of(content, text);

	if (is_one_of(media, protobuf)) {
		*ret_any = (struct journal_any){message_type(event, arena), data};
	} else if (span_eq_str(media, CONTENT_ANY)) {
		*ret_any = (struct journal_any){type, data};
	} else if (span_eq_str(media, "application/json") || ends_with(media, "+json")) {
		*ret_any = (struct journal_any){join(arena, SPAN_LIT(TYPE_JSON), type, SPAN_EMPTY),
						wrap(arena, data)};
	} else if (span_starts_with(media, SPAN_LIT("text/"))) {
		if (!text_is_utf8(data))
			return error_set(err, ST_INVALID_ARGUMENT, "the text is not UTF-8");
		*ret_any =
			(struct journal_any){SPAN_LIT(TYPE_PRIMITIVE "string"), wrap(arena, data)};
	} else {
		*ret_any =
			(struct journal_any){SPAN_LIT(TYPE_PRIMITIVE "bytes"), wrap(arena, data)};
	}
	if (arena->is_exhausted)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "the message is too large");
	return ST_OK;
}

/* ---- metadata ---------------------------------------------------------------------------------
 */
static bool put_header_value(struct span value, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c > ' ' && c < 0x7F && c != '"' && c != '%')
			(void)buf_append_byte(out, c);
		else
			(void)buf_printf(out, "%%%c%c", digits[c >> 4], digits[c & 15]);
	}
	return !out->is_full;
}

static bool put_entry(struct wire_writer *writer, const struct feed_attribute *attribute,
		      struct buf *text)
{
	struct wire_nest nest;
	size_t name_len;
	bool is_ok;

	buf_reset(text);
	is_ok = buf_append(text, SPAN_LIT("ce-")) && buf_append(text, attribute->name);
	name_len = buf_len(text);
	if (!is_ok || !put_header_value(attribute->value, text))
		return false;
	nest = wire_begin(writer, 1);
	wire_put_bytes_field(writer, 1, span_head(buf_span(text), name_len));
	wire_put_bytes_field(writer, 2, span_skip(buf_span(text), name_len));
	wire_end(writer, nest);
	return true;
}

bool cloudevent_put_metadata(const struct cloudevent *event, struct buf *out)
{
	struct wire_writer writer;
	struct buf text;
	bool is_ok = true;

	wire_writer_init(&writer, out);
	buf_init(&text, CLOUDEVENT_BYTES_MAX);
	for (size_t i = 0; is_ok && i < event->count; i++) {
		if (!span_eq_str(event->attributes[i].name, "datacontenttype"))
			is_ok = put_entry(&writer, &event->attributes[i], &text);
	}
	is_ok = wire_finish(&writer) && is_ok;
	wire_writer_fini(&writer);
	buf_fini(&text);
	return is_ok;
}

/* ---- what is published ------------------------------------------------------------------------
 */
static struct span random_uuid(struct arena *arena)
{
	uint8_t r[16];
	char text[37];

	hash_random(r, sizeof(r));
	r[6] = (uint8_t)((r[6] & 0x0F) | 0x40);
	r[8] = (uint8_t)((r[8] & 0x3F) | 0x80);
	(void)snprintf(text, sizeof(text),
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
		       r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
		       r[13], r[14], r[15]);
	return arena_span(arena, span_from_str(text));
}

/* The content of field 1 of a primitive. */
static struct span unwrap(struct span value)
{
	struct wire_field field;

	return wire_find_last(value, 1, WIRE_BYTES, &field) ? field.bytes : SPAN_LIT("");
}

/* Type, content type and data of an Any. Spec: V2-20. */
static void set_payload(struct cloudevent *event, struct span type_url, struct span value,
			struct span *ret_data)
{
	struct span name = span_skip(type_url, span_find(type_url, '/') + 1);

	*ret_data = value;
	set(event, "type", name.len ? name : type_url);
	if (span_starts_with(type_url, SPAN_LIT(TYPE_JSON))) {
		set(event, "datacontenttype", SPAN_LIT("application/json"));
		*ret_data = unwrap(value);
	} else if (span_eq_str(type_url, TYPE_PRIMITIVE "string")) {
		set(event, "datacontenttype", SPAN_LIT("text/plain; charset=utf-8"));
		*ret_data = unwrap(value);
	} else if (span_eq_str(type_url, TYPE_PRIMITIVE "bytes")) {
		set(event, "datacontenttype", SPAN_LIT("application/octet-stream"));
		*ret_data = unwrap(value);
	} else {
		set(event, "datacontenttype", SPAN_LIT(CONTENT_PROTOBUF));
	}
}

static void set_output(struct cloudevent *event, const struct cloudevent_reply *reply,
		       struct arena *arena, struct span *ret_data)
{
	struct wire_field type = {0};
	struct wire_field value = {0};

	if (span_eq_str(reply->output_name, "google.protobuf.Any") &&
	    wire_find_last(reply->message, 1, WIRE_BYTES, &type)) {
		(void)wire_find_last(reply->message, 2, WIRE_BYTES, &value); /* may be empty */
		set_payload(event, type.bytes, value.bytes, ret_data);
	} else {
		set_payload(event,
			    join(arena, SPAN_LIT(TYPE_MESSAGE), reply->output_name, SPAN_EMPTY),
			    reply->message, ret_data);
	}
}

struct span cloudevent_header_text(struct span value, struct arena *arena)
{
	struct span text = value;
	struct buf out;

	if (span_find(value, '%') == value.len)
		return arena_span(arena, value);
	buf_init(&out, value.len);
	if (text_percent_decode(value, false, &out) && text_is_utf8(buf_span(&out)))
		text = buf_span(&out);
	text = arena_span(arena, text);
	buf_fini(&out);
	return text;
}

static void set_from_metadata(struct cloudevent *event, const struct metadata *metadata,
			      struct arena *arena)
{
	for (size_t i = 0; metadata && i < metadata->count; i++) {
		struct span key = metadata->items[i].key;
		char *name;

		if (!span_starts_with(key, SPAN_LIT("ce-")) || key.len == 3)
			continue;
		key = span_skip(key, 3);
		name = arena_strndup(arena, key.data, key.len);
		/* the data's field is none of them */
		if (name && strcmp(name, "data") != 0)
			set(event, name, cloudevent_header_text(metadata->items[i].value, arena));
	}
}

void cloudevent_of_reply(const struct cloudevent_reply *reply, struct arena *arena,
			 struct cloudevent *ret_event, struct span *ret_data)
{
	ret_event->count = 0;
	set(ret_event, "id", reply->id.len ? reply->id : random_uuid(arena));
	set(ret_event, "source", reply->source);
	set(ret_event, "specversion", SPAN_LIT("1.0"));
	set_output(ret_event, reply, arena, ret_data);
	if (reply->subject.len)
		set(ret_event, "subject", reply->subject);
	set(ret_event, "time", time_text(reply->wall_ms, arena));
	set_from_metadata(ret_event, reply->metadata, arena);
}
