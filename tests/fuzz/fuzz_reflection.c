/* A question of server reflection, whatever its bytes: the answer is well formed, echoes the
 * question, or there is none. */
#include "httpapi/front/reflection_answer.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct schema *builtin;
	struct reflection_source source = {.self = SPAN_LIT("a.B")};
	struct span request = span_make(data, size);
	struct wire_field echo;
	struct error err;
	struct buf out;

	if (!builtin)
		BUG_ON(schema_new_builtin(&builtin, &err) != ST_OK);
	source.builtin = builtin;
	buf_init(&out, REFLECTION_REPLY_BYTES_MAX);
	if (reflection_answer(&source, request, &out, &err) == ST_OK) {
		const struct message *response = schema_find_message(
			builtin, SPAN_LIT("grpc.reflection.v1.ServerReflectionResponse"));

		BUG_ON(schema_check(response, buf_span(&out), &err) != ST_OK);
		BUG_ON(!wire_find_last(buf_span(&out), 2, WIRE_BYTES, &echo));
		BUG_ON(!span_eq(echo.bytes, request));
	} else {
		BUG_ON(buf_len(&out) != 0 || err.status == ST_OK);
	}
	buf_fini(&out);
	return 0;
}
