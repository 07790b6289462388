/* What finding a route costs with few and with many of them: random requests to routes of the usual
 * shapes, verbs included, some to paths that do not exist and some with a method that the path does
 * not have. Each figure is the best of some repeats. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "httpapi/route_tree.h"
#include "src/base/mem.h"
#include "tests/unit/unit.h"

#define REPEATS 7
#define REQUESTS 4096 /* more than a branch predictor learns; in a gateway they are warm, too */
#define ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define TEXT_MAX 64

/* The routes of one resource; %u is its number. */
static const struct {
	const char *verb;
	const char *path;
} shapes[] = {
	{"POST", "/v1/resources%u"},
	{"GET", "/v1/resources%u/{id}"},
	{"DELETE", "/v1/resources%u/{id}"},
	{"POST", "/v1/resources%u/{id}:archive"},
	{"GET", "/v1/resources%u/{id}/items/{item}"},
};

static const struct {
	const char *method;
	const char *path; /* %u: a resource, another number */
	enum route_result expected;
} asked[] = {
	{"POST", "/v1/resources%u", ROUTE_FOUND},
	{"GET", "/v1/resources%u/id-%u", ROUTE_FOUND},
	{"DELETE", "/v1/resources%u/id-%u", ROUTE_FOUND},
	{"POST", "/v1/resources%u/id-%u:archive", ROUTE_FOUND},
	{"GET", "/v1/resources%u/id-%u/items/7", ROUTE_FOUND},
	{"GET", "/v1/resources%u/id-%u/prices/7", ROUTE_NOT_FOUND},
	{"GET", "/v1/resource%u/id-%u", ROUTE_NOT_FOUND},
	{"PATCH", "/v1/resources%u/id-%u", ROUTE_METHOD_NOT_ALLOWED},
};

struct request {
	char path[TEXT_MAX];
	unsigned kind;
};

struct bench {
	struct arena arena;
	struct route_tree tree;
	struct route *routes;
	struct request *requests;
	uint64_t random;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned pick(struct bench *b, size_t count)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (unsigned)(b->random % count);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void add_route(struct bench *b, size_t index)
{
	size_t shape = index % COUNT_OF(shapes);
	struct route *route = &b->routes[index];
	struct route *same = NULL;
	struct error err;
	char text[TEXT_MAX];
	struct span path;

	(void)snprintf(text, sizeof(text), shapes[shape].path,
		       (unsigned)(index / COUNT_OF(shapes)));
	path = arena_span(&b->arena, span_from_str(text));
	route->rule.verb = span_from_str(shapes[shape].verb);
	BUG_ON(path_template_parse(path, &b->arena, &route->rule.path, &err) != ST_OK);
	BUG_ON(route_tree_add(&b->tree, route, &same, &err) != ST_OK || same);
}

static void make_request(struct bench *b, struct request *request, size_t resources)
{
	request->kind = pick(b, COUNT_OF(asked));
	(void)snprintf(request->path, sizeof(request->path), asked[request->kind].path,
		       pick(b, resources), pick(b, 100000));
}

#pragma GCC diagnostic pop

static double measure(struct bench *b)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < REPEATS; i++) {
		uint64_t start = now_ns();
		uint64_t took;

		for (size_t j = 0; j < REQUESTS; j++) {
			const struct request *request = &b->requests[j];
			struct route_match match;

			BUG_ON(route_tree_match(&b->tree,
						span_from_str(asked[request->kind].method),
						span_from_str(request->path),
						&match) != asked[request->kind].expected);
		}
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	return (double)best / REQUESTS;
}

static double run(size_t route_count)
{
	struct bench b = {.random = 4711};
	double took;

	arena_init(&b.arena, ARENA_BYTES);
	route_tree_init(&b.tree, &b.arena);
	b.routes = mem_new_array(struct route, route_count);
	b.requests = mem_new_array(struct request, REQUESTS);
	for (size_t i = 0; i < route_count; i++)
		add_route(&b, i);
	for (size_t i = 0; i < REQUESTS; i++)
		make_request(&b, &b.requests[i], route_count / COUNT_OF(shapes));
	took = measure(&b);
	mem_free(b.requests);
	mem_free(b.routes);
	route_tree_fini(&b.tree);
	arena_fini(&b.arena);
	return took;
}

int main(void)
{
	static const size_t counts[] = {10, 1000, 10000};
	double first = 0;

	(void)printf("routes   ns a lookup   against %zu routes\n", counts[0]);
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		double took = run(counts[i]);

		first = i ? first : took;
		(void)printf("%6zu %13.0f %16.2fx\n", counts[i], took, took / first);
	}
	return 0;
}
