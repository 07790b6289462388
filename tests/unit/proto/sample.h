#ifndef HEADGATE_TESTS_UNIT_PROTO_SAMPLE_H
#define HEADGATE_TESTS_UNIT_PROTO_SAMPLE_H

/* What the tests of proto/ share: the types of tests/fakes/headgate/test, and wire bytes written as
 * hexadecimal digits. */
#include <stdlib.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "tests/unit/unit.h"

static const uint8_t sample_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

static inline struct schema *sample_schema(void)
{
	struct schema *schema = NULL;
	struct error err;

	if (schema_new(span_make(sample_set, sizeof(sample_set)), &schema, &err) != ST_OK)
		fail_msg("sample: %s", err.message);
	return schema;
}

static inline const struct message *sample_message(const struct schema *schema, const char *name)
{
	const struct message *message = schema_find_message(schema, span_from_str(name));

	if (!message)
		fail_msg("no message %s", name);
	return message;
}

/* Appends the bytes of a text like "0a 01 61"; blanks do not matter. */
static inline void sample_hex(struct buf *out, const char *hex)
{
	unsigned value = 0;
	unsigned digits = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		value = value << 4 | (unsigned)(*hex <= '9' ? *hex - '0' : (*hex | 32) - 'a' + 10);
		if (++digits % 2 == 0)
			assert_true(buf_append_byte(out, (uint8_t)value));
	}
	assert_int_equal(digits % 2, 0);
}

static inline void sample_check_hex(const char *row, struct span got, const char *want_hex)
{
	struct buf want;
	bool is_equal;

	buf_init(&want, 1 << 20);
	sample_hex(&want, want_hex);
	is_equal = span_eq(got, buf_span(&want));
	buf_fini(&want);
	if (is_equal)
		return;
	for (size_t i = 0; i < got.len; i++)
		print_message("%02x ", got.data[i]);
	fail_msg("row \"%s\": got the bytes above, want %s", row, want_hex);
}

#endif
