/* What is stored, as JSON: written piece by piece, for payloads come as JSON from the wire. */
#include <inttypes.h>
#include <time.h>

#include "proto/json.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/text.h"
#include "src/cli/journal.h"

/* k begins with the fingerprint of the request. Spec: docs/journal-format.md, "Event records" */
#define JSON_FINGERPRINT 16

/* Every put is sticky in out->is_full, which tool_flush looks at. */

void put_hex(struct buf *out, struct span bytes)
{
	(void)buf_append_byte(out, '"');
	for (size_t i = 0; i < bytes.len; i++)
		(void)buf_printf(out, "%02x", bytes.data[i]);
	(void)buf_append_byte(out, '"');
}

void put_text(struct buf *out, struct span text)
{
	if (text_is_utf8(text)) {
		(void)text_json_quote(text, out);
		return;
	}
	(void)buf_append_str(out, "{\"base64\":\"");
	(void)text_base64_encode(text, true, out);
	(void)buf_append_str(out, "\"}");
}

void put_time(struct buf *out, struct span wall_ms)
{
	char text[32];
	struct tm broken;
	uint64_t ms;
	time_t seconds;

	if (!text_to_u64(wall_ms, &ms)) {
		(void)buf_append_str(out, "null");
		return;
	}
	seconds = (time_t)(ms / 1000);
	if (!gmtime_r(&seconds, &broken) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &broken) == 0) {
		(void)buf_printf(out, "%" PRIu64, ms);
		return;
	}
	(void)buf_printf(out, "\"%s.%03uZ\"", text, (unsigned)(ms % 1000));
}

static bool put_decoded(const struct tool *tool, struct buf *out, struct span type_url,
			struct span value)
{
	const struct json_print_options options = {.schema = tool->schema};
	const struct message *any =
		tool->schema ? schema_find_message(tool->schema, SPAN_LIT("google.protobuf.Any"))
			     : NULL;
	struct wire_writer writer;
	struct error err;
	struct buf wire;
	bool is_good;

	if (!any || !schema_find_type_url(tool->schema, type_url))
		return false;
	buf_init(&wire, WIRE_BYTES_MAX);
	wire_writer_init(&writer, &wire);
	wire_put_bytes_field(&writer, 1, type_url);
	wire_put_bytes_field(&writer, 2, value);
	is_good = wire_finish(&writer) &&
		  json_from_wire(any, buf_span(&wire), &options, out, &err) == ST_OK;
	wire_writer_fini(&writer);
	buf_fini(&wire);
	return is_good;
}

void put_any(const struct tool *tool, struct buf *out, struct span type_url, struct span value)
{
	if (put_decoded(tool, out, type_url, value))
		return;
	(void)buf_append_str(out, "{\"@type\":");
	put_text(out, type_url);
	(void)buf_append_str(out, ",\"@base64\":\"");
	(void)text_base64_encode(value, true, out);
	(void)buf_append_str(out, "\"}");
}

void put_name(struct buf *out, const struct journal_key *key)
{
	(void)buf_append_str(out, "{\"type\":");
	put_text(out, key->type);
	(void)buf_append_str(out, ",\"id\":");
	put_text(out, key->id);
}

void put_event(const struct tool *tool, struct buf *out, const struct journal_key *key,
	       const struct admin_entry *entry)
{
	struct span metadata = admin_entry_get(entry, "m");
	struct span idempotency = admin_entry_get(entry, "k");
	struct span sequence = span_head(entry->id, span_find(entry->id, '-'));

	put_name(out, key);
	(void)buf_printf(out, ",\"seq\":%.*s,\"time\":", SPAN_FMT(sequence));
	put_time(out, admin_entry_get(entry, "w"));
	(void)buf_append_str(out, ",\"event\":");
	put_any(tool, out, admin_entry_get(entry, "t"), admin_entry_get(entry, "p"));
	(void)buf_append_str(out, ",\"cmd\":");
	put_hex(out, admin_entry_get(entry, "c"));
	(void)buf_append_str(out, ",\"meta\":");
	if (metadata.data)
		put_text(out, metadata);
	else
		(void)buf_append_str(out, "null");
	if (idempotency.data) {
		(void)buf_append_str(out, ",\"key\":");
		put_text(out, span_skip(idempotency, JSON_FINGERPRINT));
	}
	(void)buf_append_str(out, ",\"tag\":");
	put_hex(out, admin_entry_get(entry, "g"));
	(void)buf_append_str(out, "}\n");
}
