/* JSON to wire and wire to JSON, by size and kind of message, beside jansson, which parses and
 * dumps the same text without looking at any type and leaves a tree in the middle. Each figure is
 * the best of some repeats; the ratios are Headgate's time to jansson's, smaller is better. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include "proto/json.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "tests/unit/proto/sample.h"

#define REPEATS 7
#define REPEAT_NS 20000000 /* what one repeat takes, about */
#define BYTES_MAX ((size_t)16 * 1024 * 1024)

static const char small[] = "{\"id\":\"user-4711\",\"int64Value\":\"1234567890123\",\"nested\":{"
			    "\"name\":\"Deluxe garden chair\",\"inner\":{\"number\":7}}}";

/* A message: head, then as many elements as fill the size, then tail. */
struct kind {
	const char *name;
	size_t bytes;
	const char *head;
	const char *element; /* %u is its number */
	const char *tail;
};

static const char record[] = "{\"name\":\"Deluxe garden chair %u\",\"inner\":{\"number\":%u,"
			     "\"tags\":[\"garden\",\"wood\"]},\"colour\":\"GREEN\"}";

static const struct kind kinds[] = {
	{"small", 0, small, NULL, ""},
	{"records", 1024, "{\"nesteds\":[", record, "]}"},
	{"records", 102400, "{\"nesteds\":[", record, "]}"},
	{"map", 102400, "{\"counts\":{", "\"product-%u\":%u", "}}"},
	{"integers", 102400, "{\"numbers\":[", "%u", "]}"},
	{"fractions", 102400, "{\"value\":[", "0.%u25%u", "]}"},
	{"strings", 102400, "{\"strings\":[", "\"Deluxe garden chair, number %u\"", "]}"},
	{"one string", 102400, "{\"id\":\"", "text without end %u ", "\"}"},
	{"escapes", 102400, "{\"strings\":[", "\"a \\\"quoted\\\" word\\nand a line %u\"", "]}"},
	{"not ASCII", 102400, "{\"strings\":[",
	 "\"Gr\xC3\xB6\xC3\x9F"
	 "e \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E %u\"",
	 "]}"},
};

struct bench {
	struct json_read_options read;
	struct json_print_options print;
	const struct message *message;
	struct buf json;
	struct buf wire;
	struct buf out;
	json_t *tree;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run_in(struct bench *b)
{
	struct wire_writer writer;
	struct error err;

	buf_reset(&b->wire);
	wire_writer_init(&writer, &b->wire);
	BUG_ON(json_to_wire(b->message, buf_span(&b->json), &b->read, &writer, &err) != ST_OK);
	BUG_ON(!wire_finish(&writer));
	wire_writer_fini(&writer);
}

static void run_out(struct bench *b)
{
	struct error err;

	buf_reset(&b->out);
	BUG_ON(json_from_wire(b->message, buf_span(&b->wire), &b->print, &b->out, &err) != ST_OK);
}

static void run_jansson_in(struct bench *b)
{
	struct span json = buf_span(&b->json);

	json_decref(b->tree);
	b->tree = json_loadb((const char *)json.data, json.len, 0, NULL);
	BUG_ON(!b->tree);
}

static void run_jansson_out(struct bench *b)
{
	char *text = json_dumps(b->tree, JSON_COMPACT);

	BUG_ON(!text);
	free(text); /* jansson's own */
}

/* Microseconds of one step. */
static double measure(struct bench *b, void (*step)(struct bench *))
{
	double best = 0;
	unsigned rounds = 1;

	for (int i = 0; i < REPEATS; i++) {
		uint64_t start = now_ns();
		double took;

		for (unsigned j = 0; j < rounds; j++)
			step(b);
		took = (double)(now_ns() - start);
		if (i == 0) { /* to find out how many rounds make a repeat */
			rounds = took < REPEAT_NS ? (unsigned)(REPEAT_NS / (took + 1)) + 1 : 1;
			continue;
		}
		best = i == 1 || took / rounds < best ? took / rounds : best;
	}
	return best / 1000;
}

static void make_json(const struct kind *kind, struct buf *json)
{
	(void)buf_append_str(json, kind->head); /* looked at below */
	for (unsigned i = 0; buf_len(json) < kind->bytes; i++) {
		if (i && kind->head[strlen(kind->head) - 1] != '"')
			(void)buf_append_byte(json, ',');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)buf_printf(json, kind->element, i, i);
#pragma GCC diagnostic pop
	}
	(void)buf_append_str(json, kind->tail);
	BUG_ON(json->is_full);
}

static void run_kind(struct bench *b, const struct kind *kind)
{
	double in;
	double out;
	double jansson_in;
	double jansson_out;

	buf_reset(&b->json);
	make_json(kind, &b->json);
	in = measure(b, run_in);
	out = measure(b, run_out);
	jansson_in = measure(b, run_jansson_in);
	jansson_out = measure(b, run_jansson_out);
	(void)printf("%-10s %7zu %7zu %9.2f %9.2f %9.2f %9.2f %7.2f %7.2f\n", kind->name,
		     buf_len(&b->json), buf_len(&b->wire), in, out, jansson_in, jansson_out,
		     in / jansson_in, out / jansson_out);
}

int main(int argc, char **argv)
{
	struct schema *schema = sample_schema();
	struct bench b = {.read.schema = schema, .print.schema = schema};

	b.message = sample_message(schema, "headgate.test.Shape");
	buf_init(&b.json, BYTES_MAX);
	buf_init(&b.wire, BYTES_MAX);
	buf_init(&b.out, BYTES_MAX);
	(void)printf("%-10s %7s %7s %9s %9s %9s %9s %7s %7s\n", "message", "JSON", "wire", "in, us",
		     "out, us", "parse, us", "dump, us", "in", "out");
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (argc < 2 || strcmp(argv[1], kinds[i].name) == 0)
			run_kind(&b, &kinds[i]);
	json_decref(b.tree);
	buf_fini(&b.json);
	buf_fini(&b.wire);
	buf_fini(&b.out);
	schema_unref(schema);
	return 0;
}
