/* Input: a raw query. Whatever it is, it is either refused with a text or becomes a message that a
 * strict parser takes. */
#include <stdint.h>
#include <string.h>

#include "httpapi/binding.h"
#include "httpapi/binding_join.h"
#include "src/base/error.h"
#include "tests/unit/httpapi/types.h"

#define ARENA_BYTES ((size_t)1024 * 1024)
#define OUT_BYTES ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(struct binding *binding, const struct message *message)
{
	struct binding_body body = {0};
	struct wire_writer writer;
	struct error err;
	struct buf out;

	BUG_ON(binding_check(binding, &body, &err) != ST_OK);
	buf_init(&out, OUT_BYTES);
	wire_writer_init(&writer, &out);
	BUG_ON(!binding_join(binding, SPAN_EMPTY, &writer) || !wire_finish(&writer));
	wire_writer_fini(&writer);
	BUG_ON(schema_check(message, buf_span(&out), &err) != ST_OK);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct schema *schema;
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	struct http_rule rule = {.body = HTTP_BODY_NONE};
	const struct message *message;
	struct binding binding;
	struct arena arena;
	struct error err = {0};

	if (!schema)
		schema = types_schema();
	message = types_message(schema, "hg.test.All");
	arena_init(&arena, ARENA_BYTES);
	binding_init(&binding, message, &arena, schema, &options);
	if (binding_add_query(&binding, &rule, span_make(data, size), &err) == ST_OK)
		check_message(&binding, message);
	else
		BUG_ON(err.message[0] == '\0');
	binding_fini(&binding);
	arena_fini(&arena);
	return 0;
}
