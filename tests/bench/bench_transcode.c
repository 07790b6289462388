/* What one JSON request costs besides the network: finding the route, JSON to wire with the path
 * variable joined in, and the reply back to JSON; beside jansson, which reads and writes the same
 * text in the same run without looking at any type. Prints nanoseconds and their ratio. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "httpapi/transcode_in.h"
#include "httpapi/transcode_out.h"
#include "src/base/error.h"
#include "tests/unit/httpapi/types.h"

#define ROUNDS 100000
#define REPEATS 5 /* the best one counts: the others were disturbed */

static const char cart[] =
	"{\"items\":[{\"productId\":\"A14362347\",\"name\":\"Deluxe garden chair\",\"quantity\":7},"
	"{\"productId\":\"B14623482\",\"name\":\"Basic\",\"quantity\":1},{\"productId\":\"C9\","
	"\"name\":\"Lamp\",\"quantity\":12}],\"version\":\"1234567890123\"}";

struct bench {
	struct schema *schema;
	struct route_table *table;
	struct transcode_options options;
	struct arena arena;
	struct buf wire;
	struct buf json;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void match(struct bench *b, struct route_match *ret_match)
{
	enum route_result result = route_table_match(b->table, SPAN_LIT("PUT"),
						     SPAN_LIT("/cart/user-4711"), ret_match);

	BUG_ON(result != ROUTE_FOUND);
}

static void run_match(struct bench *b)
{
	struct route_match found;

	match(b, &found);
}

static void run_in(struct bench *b)
{
	struct route_match found;
	struct transcode_in in;
	struct error err;
	size_t used;
	struct transcode_in_params params = {
		.match = &found,
		.content_type = SPAN_LIT("application/json"),
		.body_length = sizeof(cart) - 1,
		.schema = b->schema,
		.options = &b->options,
		.arena = &b->arena,
		.out = &b->wire,
	};

	arena_reset(&b->arena);
	buf_reset(&b->wire);
	match(b, &found);
	BUG_ON(transcode_in_start(&in, &params, &err) != ST_OK);
	BUG_ON(transcode_in_feed(&in, span_make(cart, sizeof(cart) - 1), &used, &err) !=
	       PARSE_MORE);
	BUG_ON(transcode_in_end(&in, &err) != PARSE_DONE);
	transcode_in_fini(&in);
}

static void run_out(struct bench *b)
{
	const struct transcode_printer printer = {b->schema, &b->options};
	struct route_match found;
	struct transcode_reply reply;
	struct error err;

	match(b, &found);
	buf_reset(&b->json);
	BUG_ON(transcode_out(&found.route->rule, buf_span(&b->wire), &printer, &b->json, &reply,
			     &err) != ST_OK);
}

static void run_jansson(struct bench *b)
{
	json_error_t error;
	json_t *tree = json_loadb(cart, sizeof(cart) - 1, 0, &error);
	char *text;

	(void)b;
	BUG_ON(!tree);
	text = json_dumps(tree, JSON_COMPACT);
	BUG_ON(!text);
	free(text); /* jansson's own */
	json_decref(tree);
}

static double measure(struct bench *b, void (*step)(struct bench *))
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < REPEATS; i++) {
		uint64_t start = now_ns();
		uint64_t took;

		for (int j = 0; j < ROUNDS; j++)
			step(b);
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	return (double)best / ROUNDS;
}

int main(void)
{
	struct bench b = {.options = TRANSCODE_OPTIONS_DEFAULT};
	struct route_report report;
	struct error err;
	double find;
	double in;
	double out;
	double jansson;

	b.schema = types_schema();
	route_report_init(&report);
	b.table = types_table(b.schema, "hg.test.Carts", NULL, &report, &err);
	BUG_ON(!b.table);
	arena_init(&b.arena, (size_t)64 * 1024);
	buf_init(&b.wire, (size_t)64 * 1024);
	buf_init(&b.json, (size_t)64 * 1024);

	find = measure(&b, run_match);
	in = measure(&b, run_in);
	out = measure(&b, run_out);
	jansson = measure(&b, run_jansson);
	(void)printf("cart of %zu bytes of JSON, %zu on the wire\n", sizeof(cart) - 1,
		     buf_len(&b.wire));
	(void)printf("match                  %8.0f ns\n", find);
	(void)printf("match + JSON to wire   %8.0f ns\n", in);
	(void)printf("match + wire to JSON   %8.0f ns\n", out);
	(void)printf("jansson read + write   %8.0f ns\n", jansson);
	(void)printf("ratio, both ways / jansson: %.2f\n", (in + out) / jansson);

	buf_fini(&b.json);
	buf_fini(&b.wire);
	arena_fini(&b.arena);
	route_table_free(b.table);
	route_report_fini(&report);
	schema_unref(b.schema);
	return 0;
}
