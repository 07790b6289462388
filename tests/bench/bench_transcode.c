/* What one JSON request costs besides the network, by its size: finding the route, JSON to wire
 * with the path variable joined in, and the reply back to JSON; beside jansson, which reads and
 * writes the same text in the same run without looking at any type. All memory is taken and given
 * back with each request, and counted (jansson's too, through its own hook). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include "httpapi/transcode_in.h"
#include "httpapi/transcode_out.h"
#include "src/base/error.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define REPEATS 7			       /* the best one counts: the others were disturbed */
#define REPEAT_BYTES ((size_t)8 * 1024 * 1024) /* of JSON, that one repeat reads or writes */
#define BYTES_MAX ((size_t)1024 * 1024)

struct bench {
	struct schema *schema;
	struct route_table *table;
	struct transcode_options options;
	struct buf text; /* the request */
	struct buf wire; /* the reply */
};

static uint64_t allocation_count;

/* The linker puts these in the place of the library's (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	allocation_count++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocation_count++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocation_count++;
	return __real_realloc(old, size);
}

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

static void transcode(struct bench *b, struct buf *out)
{
	struct route_match found;
	struct transcode_in in;
	struct arena arena;
	struct error err;
	size_t used;
	struct transcode_in_params params = {
		.match = &found,
		.content_type = SPAN_LIT("application/json"),
		.body_length = buf_len(&b->text),
		.schema = b->schema,
		.options = &b->options,
		.arena = &arena,
		.out = out,
	};

	arena_init(&arena, BYTES_MAX);
	match(b, &found);
	BUG_ON(transcode_in_start(&in, &params, &err) != ST_OK);
	BUG_ON(transcode_in_feed(&in, buf_span(&b->text), &used, &err) != PARSE_MORE);
	BUG_ON(transcode_in_end(&in, &err) != PARSE_DONE);
	transcode_in_fini(&in);
	arena_fini(&arena);
}

static void run_in(struct bench *b)
{
	struct buf out;

	buf_init(&out, BYTES_MAX);
	transcode(b, &out);
	buf_fini(&out);
}

static void run_out(struct bench *b)
{
	const struct transcode_printer printer = {b->schema, &b->options};
	struct route_match found;
	struct transcode_reply reply;
	struct error err;
	struct buf json;

	buf_init(&json, BYTES_MAX);
	match(b, &found);
	BUG_ON(transcode_out(&found.route->rule, buf_span(&b->wire), &printer, &json, &reply,
			     &err) != ST_OK);
	buf_fini(&json);
}

static void run_jansson(struct bench *b)
{
	json_error_t error;
	struct span text = buf_span(&b->text);
	json_t *tree = json_loadb((const char *)text.data, text.len, 0, &error);
	char *printed;

	BUG_ON(!tree);
	printed = json_dumps(tree, JSON_COMPACT);
	BUG_ON(!printed);
	free(printed); /* jansson's own */
	json_decref(tree);
}

/* Prints a line; returns the microseconds of one step. */
static double measure(struct bench *b, const char *name, void (*step)(struct bench *))
{
	size_t rounds = REPEAT_BYTES / buf_len(&b->text);
	uint64_t best = UINT64_MAX;
	uint64_t allocations;
	double us;

	step(b); /* what is made once and kept is not counted */
	allocations = allocation_count;
	step(b);
	allocations = allocation_count - allocations;
	for (int i = 0; i < REPEATS; i++) {
		uint64_t start = now_ns();
		uint64_t took;

		for (size_t j = 0; j < rounds; j++)
			step(b);
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	us = (double)best / (double)rounds / 1000;
	(void)printf("%-20s %8zu %10.2f %11.2f %12" PRIu64 "\n", name, buf_len(&b->text), us,
		     us * 1024 / (double)buf_len(&b->text), allocations);
	return us;
}

/* A cart with as many items as fill the size. */
static void make_cart(size_t size, struct buf *text)
{
	buf_reset(text);
	(void)buf_append_str(text, "{\"version\":\"1234567890123\",\"items\":[");
	for (unsigned i = 0; i == 0 || buf_len(text) < size - 60; i++)
		(void)buf_printf(text,
				 "%s{\"productId\":\"A%u\",\"name\":\"Deluxe garden chair\","
				 "\"quantity\":%u}",
				 i ? "," : "", 14362347 + i, i % 12 + 1);
	(void)buf_append_str(text, "]}");
	BUG_ON(text->is_full);
}

int main(void)
{
	static const size_t sizes[] = {1024, (size_t)64 * 1024};
	struct bench b = {.options = TRANSCODE_OPTIONS_DEFAULT};
	struct route_report report;
	struct error err;

	json_set_alloc_funcs(malloc, free);
	b.schema = types_schema();
	route_report_init(&report);
	b.table = types_table(b.schema, "hg.test.Carts", NULL, &report, &err);
	BUG_ON(!b.table);
	buf_init(&b.text, BYTES_MAX);
	buf_init(&b.wire, BYTES_MAX);
	(void)printf("%-20s %8s %10s %11s %12s\n", "", "bytes", "us", "us per KiB", "allocations");
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		double ours;
		double jansson;

		make_cart(sizes[i], &b.text);
		buf_reset(&b.wire);
		transcode(&b, &b.wire);
		ours = measure(&b, "route, JSON to wire", run_in);
		ours += measure(&b, "route, wire to JSON", run_out);
		jansson = measure(&b, "jansson, both ways", run_jansson);
		(void)printf("both ways against jansson: %.2f\n", ours / jansson);
	}
	buf_fini(&b.wire);
	buf_fini(&b.text);
	route_table_free(b.table);
	route_report_fini(&report);
	schema_unref(b.schema);
	return 0;
}
