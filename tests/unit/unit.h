#ifndef HEADGATE_TESTS_UNIT_UNIT_H
#define HEADGATE_TESTS_UNIT_UNIT_H

/* What every unit test includes instead of cmocka.h, which needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/base/span.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Fails naming the row of a table-driven test: UNIT_ROW(row->name, len == row->len). */
#define UNIT_ROW(row_name, condition)                                                              \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("row \"%s\": %s", (row_name), #condition);                        \
	} while (0)

/* Compares bytes with a C string and shows both when they differ. */
#define UNIT_ROW_SPAN(row_name, got, want)                                                         \
	do {                                                                                       \
		struct span got_ = (got);                                                          \
		struct span want_ = span_from_str(want);                                           \
		if (!span_eq(got_, want_))                                                         \
			fail_msg("row \"%s\": got \"%.*s\", want \"%.*s\"", (row_name),            \
				 SPAN_FMT(got_), SPAN_FMT(want_));                                 \
	} while (0)

#endif
