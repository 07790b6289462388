/* Random histories of three replicas against a naive model: a list of operations, and per replica
 * the set of those that reached it. Deltas arrive late, out of order and twice; whole states are
 * merged in between. Everything is drawn from a seed that the failure names. */
#include <stdio.h>

#include "cloudstate/crdt.pb-c.h"
#include "src/base/mem.h"
#include "tests/unit/crdt/messages.h"
#include "tests/unit/unit.h"

#define HISTORIES 10000
#define REPLICAS 3
#define STEPS 16
#define KEYS 3
#define BUF_MAX ((size_t)1 << 20)

static const char *const names[REPLICAS] = {"a:1", "b:1", "c:1"};
static const char *const keys[KEYS] = {"x", "y", "z"};

/* What a replica put under a key: its own view of everybody's part. */
struct part {
	unsigned stamp;
	uint64_t value;
};

struct op {
	int replica;
	int key;      /* of sets and maps */
	bool is_put;  /* else it removes */
	int64_t time; /* of registers */
	int value;    /* of registers: index of keys; of votes: for */
	uint64_t kills;
	uint64_t up, down;
	struct part parts[REPLICAS]; /* of maps */
	struct buf delta;
};

struct world {
	enum crdt_kind kind;
	bool is_nested; /* the counters of the map lie in maps of their own */
	uint64_t random;
	struct op ops[STEPS];
	unsigned op_count;
	struct crdt *replicas[REPLICAS];
	struct crdt *functions[REPLICAS]; /* hold what the messages made of them */
	uint64_t seen[REPLICAS];
	unsigned stamps[REPLICAS]; /* dots drawn */
};

static unsigned draw(struct world *world, unsigned below)
{
	world->random = world->random * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(world->random >> 33) % below;
}

static uint64_t live(const struct world *world, uint64_t seen)
{
	uint64_t dead = 0;

	for (unsigned i = 0; i < world->op_count; i++)
		if (seen >> i & 1)
			dead |= world->ops[i].kills;
	return seen & ~dead;
}

/* Live writes of one key. */
static uint64_t live_of(const struct world *world, uint64_t seen, int key)
{
	uint64_t set = live(world, seen);

	for (unsigned i = 0; i < world->op_count; i++)
		if (world->ops[i].key != key || !world->ops[i].is_put)
			set &= ~((uint64_t)1 << i);
	return set;
}

static const struct op *latest(const struct world *world, uint64_t seen, int replica)
{
	for (unsigned i = world->op_count; i-- > 0;)
		if (seen >> i & 1 && world->ops[i].replica == replica)
			return &world->ops[i];
	return NULL;
}

static void model_parts(const struct world *world, uint64_t set, struct part parts[REPLICAS])
{
	memset(parts, 0, sizeof(*parts) * REPLICAS);
	for (unsigned i = 0; i < world->op_count; i++)
		for (int r = 0; set >> i & 1 && r < REPLICAS; r++)
			if (world->ops[i].parts[r].stamp > parts[r].stamp)
				parts[r] = world->ops[i].parts[r];
}

static uint64_t model_sum(const struct part parts[REPLICAS])
{
	uint64_t total = 0;

	for (int r = 0; r < REPLICAS; r++)
		total += parts[r].value;
	return total;
}

static const struct op *model_reg(const struct world *world, uint64_t seen)
{
	const struct op *best = NULL;

	for (unsigned i = 0; i < world->op_count; i++) {
		const struct op *op = &world->ops[i];

		if (seen >> i & 1 && (!best || op->time > best->time ||
				      (op->time == best->time && op->replica >= best->replica)))
			best = op;
	}
	return best;
}

static bool any_is(const Google__Protobuf__Any *got, const char *want)
{
	return got && strcmp(got->type_url, "t/x") == 0 &&
	       span_eq_str(span_make(got->value.data, got->value.len), want);
}

static bool has(Google__Protobuf__Any *const *list, size_t count, const char *want)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += any_is(list[i], want);
	return found == 1;
}

static bool is_set_as_modelled(const struct world *world, uint64_t seen,
			       Google__Protobuf__Any *const *list, size_t count)
{
	size_t expected = 0;

	for (int k = 0; k < KEYS; k++) {
		if (!live_of(world, seen, k))
			continue;
		expected++;
		if (!has(list, count, keys[k]))
			return false;
	}
	return expected == count;
}

static uint64_t counted(const Cloudstate__Crdt__CrdtDelta *delta)
{
	if (delta->delta_case == CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_ORMAP)
		return delta->ormap->n_added == 1 ? counted(delta->ormap->added[0]->delta) : 0;
	return delta->gcounter->increment;
}

static bool is_map_as_modelled(const struct world *world, uint64_t seen,
			       const Cloudstate__Crdt__ORMapDelta *map)
{
	size_t expected = 0;
	size_t right = 0;

	for (int k = 0; k < KEYS; k++) {
		uint64_t set = live_of(world, seen, k);
		struct part parts[REPLICAS];

		model_parts(world, set, parts);
		expected += set != 0;
		for (size_t i = 0; set && i < map->n_added; i++)
			right += any_is(map->added[i]->key, keys[k]) &&
				 counted(map->added[i]->delta) == model_sum(parts);
	}
	return expected == map->n_added && right == expected && !map->n_updated && !map->n_removed;
}

static bool is_as_modelled(const struct world *world, uint64_t seen,
			   const Cloudstate__Crdt__CrdtDelta *got)
{
	uint64_t up = 0;
	uint64_t down = 0;

	if ((enum crdt_kind)got->delta_case != world->kind)
		return false;
	for (int r = 0; r < REPLICAS; r++) {
		const struct op *op = latest(world, seen, r);

		up += op ? op->up : 0;
		down += op ? op->down : 0;
	}
	if (world->kind == CRDT_GCOUNTER)
		return got->gcounter->increment == up;
	if (world->kind == CRDT_PNCOUNTER)
		return got->pncounter->change == (int64_t)(up - down);
	if (world->kind == CRDT_VOTE)
		return got->vote->votes_for == (int32_t)up && got->vote->total_voters == REPLICAS;
	if (world->kind == CRDT_FLAG)
		return got->flag->value == (up > 0);
	if (world->kind == CRDT_LWWREGISTER)
		return any_is(got->lwwregister->value, keys[model_reg(world, seen)->value]);
	if (world->kind == CRDT_GSET)
		return is_set_as_modelled(world, seen, got->gset->added, got->gset->n_added);
	if (world->kind == CRDT_ORSET)
		return is_set_as_modelled(world, seen, got->orset->added, got->orset->n_added);
	return is_map_as_modelled(world, seen, got->ormap);
}

static struct crdt_members all_members(void)
{
	static struct span addresses[REPLICAS];

	for (int r = 0; r < REPLICAS; r++)
		addresses[r] = span_from_str(names[r]);
	return (struct crdt_members){addresses, REPLICAS};
}

static void assert_as_modelled(const struct world *world, struct crdt *crdt, uint64_t seen)
{
	struct crdt_members members = all_members();
	Cloudstate__Crdt__CrdtDelta *got;
	struct error err;
	struct buf out;

	if (!seen)
		return;
	buf_init(&out, BUF_MAX);
	assert_int_equal(crdt_put_init(crdt, &members, &out, &err), ST_OK);
	got = cloudstate__crdt__crdt_delta__unpack(NULL, buf_len(&out), buf_span(&out).data);
	assert_non_null(got);
	assert_true(is_as_modelled(world, seen, got));
	cloudstate__crdt__crdt_delta__free_unpacked(got, NULL);
	buf_fini(&out);
}

static struct crdt *copy_of(const struct crdt *crdt, const char *name)
{
	struct crdt *copy = crdt_new(span_from_str(name));
	struct error err;
	struct buf state;
	struct buf again;

	buf_init(&state, BUF_MAX);
	buf_init(&again, BUF_MAX);
	assert_true(crdt_put_state(crdt, &state));
	assert_int_equal(crdt_merge(copy, buf_span(&state), &err), ST_OK);
	assert_true(crdt_put_state(copy, &again));
	assert_true(span_eq(buf_span(&state), buf_span(&again))); /* the round trip */
	assert_true(buf_len(&state) <= crdt_bytes(crdt) || crdt_kind(crdt) == CRDT_NONE);
	buf_fini(&state);
	buf_fini(&again);
	return copy;
}

static void merge(struct crdt *to, const struct crdt *from)
{
	struct error err;
	struct buf state;

	buf_init(&state, BUF_MAX);
	assert_true(crdt_put_state(from, &state));
	assert_int_equal(crdt_merge(to, buf_span(&state), &err), ST_OK);
	buf_fini(&state);
}

/* The message of a step, and what it means to the model. */
static struct span choose(struct world *world, struct op *op, uint64_t seen)
{
	const struct op *before = latest(world, seen, op->replica);
	unsigned amount = 1 + draw(world, 5);
	uint64_t set;

	op->up = before ? before->up : 0;
	op->down = before ? before->down : 0;
	op->key = (int)draw(world, KEYS);
	op->is_put = draw(world, 3) > 0;
	set = live_of(world, seen, op->key);
	switch ((int)world->kind) {
	case CRDT_GCOUNTER:
		op->up += amount;
		return gcounter(amount);
	case CRDT_PNCOUNTER:
		op->up += op->is_put ? amount : 0;
		op->down += op->is_put ? 0 : amount;
		return pncounter(op->is_put ? (int64_t)amount : -(int64_t)amount);
	case CRDT_VOTE:
		op->up = op->is_put;
		return vote(op->is_put);
	case CRDT_FLAG:
		op->up = 1;
		return flag(true);
	case CRDT_LWWREGISTER:
		op->value = op->key;
		op->time = draw(world, 4);
		return reg(keys[op->key], 2, op->time);
	case CRDT_GSET:
		op->is_put = true;
		return gset(keys[op->key]);
	case CRDT_ORSET:
		op->kills = set;
		return op->is_put ? orset_add(keys[op->key]) : orset_remove(keys[op->key]);
	default:
		break;
	}
	op->kills = set;
	if (!op->is_put)
		return map_remove_key(keys[op->key]);
	model_parts(world, set, op->parts);
	op->parts[op->replica].stamp = ++world->stamps[op->replica];
	op->parts[op->replica].value += amount;
	if (!world->is_nested)
		return set ? map_update(keys[op->key], gcounter(amount))
			   : map_add(keys[op->key], gcounter(amount));
	return set ? map_update(keys[op->key], map_update("n", gcounter(amount)))
		   : map_add(keys[op->key], map_add("n", gcounter(amount)));
}

static void act(struct world *world, int replica)
{
	struct op *op = &world->ops[world->op_count];
	uint64_t seen = world->seen[replica];
	struct span message;
	struct error err;

	*op = (struct op){.replica = replica};
	message = choose(world, op, seen);
	buf_init(&op->delta, BUF_MAX);
	/* The function knows all when it acts, and does to itself what it says. */
	assert_int_equal(crdt_apply(world->replicas[replica], message, 0, &op->delta, &err), ST_OK);
	assert_int_equal(crdt_apply(world->functions[replica], message, 0, NULL, &err), ST_OK);
	if (buf_len(&op->delta) == 0) { /* changed nothing, so it did not happen */
		buf_fini(&op->delta);
		return;
	}
	world->seen[replica] |= (uint64_t)1 << world->op_count++;
}

/* One op that has not arrived, or any once more. */
static void receive(struct world *world, int replica)
{
	unsigned which;
	struct error err;

	if (world->op_count == 0)
		return;
	which = draw(world, world->op_count);
	assert_int_equal(
		crdt_merge(world->replicas[replica], buf_span(&world->ops[which].delta), &err),
		ST_OK);
	world->seen[replica] |= (uint64_t)1 << which;
}

static void tell(struct world *world, int replica)
{
	struct crdt_members members = all_members();
	struct crdt *crdt = world->replicas[replica];
	struct error err;
	struct buf out;
	struct buf want;
	bool is_news;

	buf_init(&out, BUF_MAX);
	buf_init(&want, BUF_MAX);
	assert_int_equal(crdt_tell(crdt, &members, &out, &is_news, &err), ST_OK);
	assert_int_equal(is_news, buf_len(&out) > 0);
	if (is_news && world->kind != CRDT_VOTE)
		assert_int_equal(
			crdt_apply(world->functions[replica], buf_span(&out), 0, NULL, &err),
			ST_OK);
	buf_reset(&out);
	assert_int_equal(crdt_tell(crdt, &members, &out, &is_news, &err), ST_OK);
	assert_false(is_news);
	if (world->kind != CRDT_VOTE && world->kind != CRDT_LWWREGISTER) {
		buf_reset(&out);
		assert_int_equal(crdt_put_init(crdt, &members, &out, &err), ST_OK);
		assert_int_equal(crdt_put_init(world->functions[replica], &members, &want, &err),
				 ST_OK);
		assert_true(span_eq(buf_span(&out), buf_span(&want)));
	}
	buf_fini(&out);
	buf_fini(&want);
}

static void merging_is_a_lattice(const struct world *world)
{
	struct crdt *left = copy_of(world->replicas[0], names[0]);
	struct crdt *right = copy_of(world->replicas[1], names[1]);
	struct crdt *other = copy_of(world->replicas[1], names[2]);

	merge(left, world->replicas[1]);
	merge(other, world->replicas[0]);
	assert_true(crdt_is_equal(left, other)); /* commutative */
	merge(left, world->replicas[2]);
	merge(right, world->replicas[2]);
	merge(right, world->replicas[0]);
	assert_true(crdt_is_equal(left, right)); /* associative */
	merge(right, left);
	merge(right, world->replicas[1]);
	assert_true(crdt_is_equal(left, right)); /* idempotent */
	assert_as_modelled(world, left, world->seen[0] | world->seen[1] | world->seen[2]);
	crdt_free(left);
	crdt_free(right);
	crdt_free(other);
}

/* All deltas, in an order of their own, make what all states make. */
static void deltas_are_the_state(struct world *world)
{
	struct crdt *by_state = copy_of(world->replicas[0], names[0]);
	struct crdt *by_delta = crdt_new(SPAN_LIT("d"));
	unsigned start = world->op_count ? draw(world, world->op_count) : 0;
	uint64_t seen = 0;
	struct error err;

	merge(by_state, world->replicas[1]);
	merge(by_state, world->replicas[2]);
	for (unsigned i = 0; i < world->op_count; i++) {
		const struct op *op = &world->ops[(start + 5 * i) % world->op_count];

		seen |= (uint64_t)1 << (op - world->ops);
		assert_int_equal(crdt_merge(by_delta, buf_span(&op->delta), &err), ST_OK);
	}
	for (unsigned i = 0; i < world->op_count; i++)
		assert_int_equal(crdt_merge(by_delta, buf_span(&world->ops[i].delta), &err), ST_OK);
	assert_true(crdt_is_equal(by_state, by_delta));
	crdt_free(by_state);
	crdt_free(by_delta);
}

/* Stands in the rows for a CRDT_ORMAP of maps. */
#define CRDT_NESTED (CRDT_VOTE + 1)

static void run(unsigned what_kind, unsigned seed)
{
	struct world world = {
		.kind = what_kind == CRDT_NESTED ? CRDT_ORMAP : (enum crdt_kind)what_kind,
		.is_nested = what_kind == CRDT_NESTED,
		.random = seed * 7919U + what_kind,
	};

	for (int r = 0; r < REPLICAS; r++) {
		world.replicas[r] = crdt_new(span_from_str(names[r]));
		world.functions[r] = crdt_new(SPAN_LIT("function"));
	}
	for (unsigned step = 0; step < STEPS; step++) {
		int replica = (int)draw(&world, REPLICAS);
		unsigned what = draw(&world, 4);

		tell(&world, replica);
		if (what < 2)
			act(&world, replica);
		else if (what == 2)
			receive(&world, replica);
		else if (world.seen[(replica + 1) % REPLICAS]) {
			merge(world.replicas[replica], world.replicas[(replica + 1) % REPLICAS]);
			world.seen[replica] |= world.seen[(replica + 1) % REPLICAS];
		}
		tell(&world, replica);
	}
	for (int r = 0; r < REPLICAS; r++) {
		struct crdt *copy = copy_of(world.replicas[r], names[r]);

		assert_as_modelled(&world, copy, world.seen[r]);
		crdt_free(copy);
	}
	merging_is_a_lattice(&world);
	deltas_are_the_state(&world);
	for (int r = 0; r < REPLICAS; r++) {
		crdt_free(world.replicas[r]);
		crdt_free(world.functions[r]);
	}
	for (unsigned i = 0; i < world.op_count; i++)
		buf_fini(&world.ops[i].delta);
}

static unsigned running_seed;

static void histories(void **state)
{
	unsigned kind = (unsigned)(uintptr_t)*state;

	for (running_seed = 1; running_seed <= HISTORIES; running_seed++)
		run(kind, running_seed);
}

static int name_seed(void **state)
{
	(void)state;
	if (running_seed <= HISTORIES)
		print_message("# seed %u\n", running_seed);
	return 0;
}

#define ROW(kind)                                                                                  \
	{                                                                                          \
		.name = "histories of " #kind, .test_func = histories, .teardown_func = name_seed, \
		.initial_state = (void *)(uintptr_t)CRDT_##kind                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(GCOUNTER), ROW(PNCOUNTER), ROW(GSET), ROW(ORSET),  ROW(LWWREGISTER),
		ROW(FLAG),     ROW(ORMAP),     ROW(VOTE), ROW(NESTED),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
