#ifndef HEADGATE_TESTS_UNIT_HTTPAPI_REQUESTS_H
#define HEADGATE_TESTS_UNIT_HTTPAPI_REQUESTS_H

#include <stddef.h>

#include "httpapi/transcode_in.h"
#include "tests/unit/httpapi/types.h"

/* Requests against the bindings of binding.proto. What comes out is compared as JSON without
 * defaults, so each row shows what the function would see; every row is fed in pieces of several
 * sizes. */

struct request_row {
	const char *name;
	const char *request; /* "GET /path?query" */
	const char *type;    /* NULL: none */
	const char *body;
	const char *want;  /* messages as JSON, one a line */
	const char *field; /* of the error; NULL: success */
	const char *error; /* how its text starts */
	int http;	   /* 0: 400 */
};

struct request_fixture {
	struct schema *schema;
	struct route_table *table;
	struct route_report report;
	struct transcode_options options;
	struct arena arena;
	struct buf out;
	struct buf got;
};

/* For cmocka_unit_test_setup_teardown: *state is a request_fixture. */
int requests_set_up(void **state);
int requests_tear_down(void **state);

#define REQUESTS_TEST(name)                                                                        \
	cmocka_unit_test_setup_teardown(name, requests_set_up, requests_tear_down)

/* Runs one row; messages are put into got, a line each. The caller ends in. */
enum parse_result requests_run(struct request_fixture *f, const struct request_row *row,
			       size_t piece, struct transcode_in *in, struct error *err);

/* Compares a failure with what the row wants. */
void requests_check_failure(const struct request_row *row, const struct transcode_in *in,
			    const struct error *err);

void requests_check(struct request_fixture *f, const struct request_row *rows, size_t count);

#endif
