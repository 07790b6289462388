#ifndef HEADGATE_TESTS_FUZZ_FUZZ_TYPES_H
#define HEADGATE_TESTS_FUZZ_FUZZ_TYPES_H

/* The types that JSON is fuzzed with: those of tests/fakes/headgate/test. */
#include "proto/schema.h"
#include "src/base/error.h"

#define FUZZ_BYTES_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t fuzz_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

/* The caller's reference to a schema that is kept for the life of the program. */
static inline struct schema *fuzz_schema(void)
{
	static struct schema *schema;

	if (!schema)
		BUG_ON(schema_new(span_make(fuzz_set, sizeof(fuzz_set)), &schema, NULL) != ST_OK);
	return schema_ref(schema);
}

static inline const struct message *fuzz_message(const struct schema *schema, uint8_t choice)
{
	static const char *const names[] = {"headgate.test.Shape", "google.protobuf.Value",
					    "google.protobuf.Any", "headgate.test.Nested"};
	const struct message *message =
		schema_find_message(schema, span_from_str(names[choice % 4]));

	BUG_ON(!message);
	return message;
}

#endif
