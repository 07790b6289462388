/* Random histories over a log with generations: members come, go with appends on their way, return
 * under the same and other addresses, and write the state anew at any moment. What a reader finds
 * is compared with a naive model, which knows nothing of replicas' room: the set of the operations
 * that the log took. The members keep the rules of docs/crdt.md; that the rules suffice is what is
 * shown here. Everything is drawn from a seed that the failure names. */
#include <stdio.h>

#include "cloudstate/crdt.pb-c.h"
#include "src/base/mem.h"
#include "tests/unit/crdt/messages.h"
#include "tests/unit/unit.h"

#define HISTORIES 10000
#define MEMBERS 3
#define NAMES 6
#define STEPS 48
#define OPS_MAX 64
#define FLIGHTS_MAX 16
#define KEYS 3
#define BUF_MAX ((size_t)1 << 20)

static const char *const names[NAMES] = {"a:1", "b:1", "c:1", "d:1", "e:1", "f:1"};
static const char *const keys[KEYS] = {"x", "y", "z"};

/* What is put under a key of a map: every replica's part of it. */
struct part {
	unsigned stamp;
	uint64_t value;
};

struct op {
	int name;
	int key;
	bool is_put; /* else it removes, or votes against */
	int64_t amount;
	uint64_t kills; /* the writes it takes the place of */
	struct part parts[NAMES];
};

/* An append on its way. Its member may be gone. */
struct flight {
	int member; /* -1: gone */
	int op;
	uint64_t generation;
	struct buf delta;
};

struct member {
	int name;
	struct crdt *crdt; /* NULL: not here */
	uint64_t seen;
	uint64_t generation;
	unsigned position;
};

struct world {
	enum crdt_kind kind;
	uint64_t random;
	struct op ops[OPS_MAX];
	int op_count;
	unsigned stamp;
	/* the log */
	uint64_t taken; /* operations */
	uint64_t generation;
	unsigned position;
	struct buf state;
	struct buf deltas[OPS_MAX];
	unsigned delta_count;
	struct member members[MEMBERS];
	struct flight flights[FLIGHTS_MAX]; /* in the order they were sent */
	int flight_count;
};

static unsigned collapses;
static unsigned refusals;

static unsigned draw(struct world *world, unsigned below)
{
	world->random = world->random * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(world->random >> 33) % below;
}

static bool is_in(uint64_t set, int op)
{
	return set >> op & 1;
}

/* ---- the model ------------------------------------------------------------------------------ */
static uint64_t live_of(const struct world *world, uint64_t seen, int key)
{
	uint64_t set = 0;
	uint64_t dead = 0;

	for (int i = 0; i < world->op_count; i++) {
		if (!is_in(seen, i))
			continue;
		dead |= world->ops[i].kills;
		if (world->ops[i].key == key && world->ops[i].is_put)
			set |= (uint64_t)1 << i;
	}
	return set & ~dead;
}

static void parts_of(const struct world *world, uint64_t set, struct part parts[NAMES])
{
	memset(parts, 0, sizeof(*parts) * NAMES);
	for (int i = 0; i < world->op_count; i++)
		for (int n = 0; is_in(set, i) && n < NAMES; n++)
			if (world->ops[i].parts[n].stamp > parts[n].stamp)
				parts[n] = world->ops[i].parts[n];
}

static uint64_t sum_of(const struct part parts[NAMES])
{
	uint64_t total = 0;

	for (int n = 0; n < NAMES; n++)
		total += parts[n].value;
	return total;
}

static int64_t total(const struct world *world)
{
	int64_t sum = 0;

	for (int i = 0; i < world->op_count; i++)
		sum += is_in(world->taken, i) ? world->ops[i].amount : 0;
	return sum;
}

static int votes(const struct world *world)
{
	bool is_for[NAMES] = {false};
	int sum = 0;

	for (int i = 0; i < world->op_count; i++)
		if (is_in(world->taken, i))
			is_for[world->ops[i].name] = world->ops[i].is_put;
	for (int n = 0; n < NAMES; n++)
		sum += is_for[n];
	return sum;
}

/* The latest time, then the higher name, then the later write. */
static const struct op *last_write(const struct world *world)
{
	const struct op *best = NULL;

	for (int i = 0; i < world->op_count; i++) {
		const struct op *op = &world->ops[i];

		if (is_in(world->taken, i) &&
		    (!best || op->amount > best->amount ||
		     (op->amount == best->amount && op->name >= best->name)))
			best = op;
	}
	return best;
}

static bool any_is(const Google__Protobuf__Any *got, const char *want)
{
	return got && span_eq_str(span_make(got->value.data, got->value.len), want);
}

static bool is_set_right(const struct world *world, Google__Protobuf__Any *const *list,
			 size_t count)
{
	size_t want = 0;
	size_t found = 0;

	for (int k = 0; k < KEYS; k++) {
		if (!live_of(world, world->taken, k))
			continue;
		want++;
		for (size_t i = 0; i < count; i++)
			found += any_is(list[i], keys[k]);
	}
	return want == count && found == count;
}

static bool is_map_right(const struct world *world, const Cloudstate__Crdt__ORMapDelta *map)
{
	size_t want = 0;
	size_t found = 0;

	for (int k = 0; k < KEYS; k++) {
		uint64_t set = live_of(world, world->taken, k);
		struct part parts[NAMES];

		parts_of(world, set, parts);
		want += set != 0;
		for (size_t i = 0; set && i < map->n_added; i++)
			found += any_is(map->added[i]->key, keys[k]) &&
				 map->added[i]->delta->gcounter->increment == sum_of(parts);
	}
	return want == map->n_added && found == want;
}

static bool is_right(const struct world *world, const Cloudstate__Crdt__CrdtDelta *got)
{
	switch ((int)world->kind) {
	case CRDT_GCOUNTER:
		return got->gcounter->increment == (uint64_t)total(world);
	case CRDT_PNCOUNTER:
		return got->pncounter->change == total(world);
	case CRDT_VOTE:
		return got->vote->votes_for == votes(world);
	case CRDT_FLAG:
		return got->flag->value;
	case CRDT_LWWREGISTER:
		return any_is(got->lwwregister->value, keys[last_write(world)->key]);
	case CRDT_GSET:
		return is_set_right(world, got->gset->added, got->gset->n_added);
	case CRDT_ORSET:
		return is_set_right(world, got->orset->added, got->orset->n_added);
	default:
		return is_map_right(world, got->ormap);
	}
}

/* ---- the log -------------------------------------------------------------------------------- */
static void merge(struct crdt *crdt, const struct buf *bytes)
{
	struct error err;

	assert_int_equal(crdt_merge(crdt, buf_span(bytes), &err), ST_OK);
}

/* All there is, by whoever reads from the beginning. */
static struct crdt *read_all(const struct world *world, const char *name)
{
	struct crdt *crdt = crdt_new(span_from_str(name));

	if (buf_len(&world->state))
		merge(crdt, &world->state);
	for (unsigned i = 0; i < world->delta_count; i++)
		merge(crdt, &world->deltas[i]);
	return crdt;
}

static void log_is_as_modelled(const struct world *world)
{
	static const char *const all[NAMES] = {"a:1", "b:1", "c:1", "d:1", "e:1", "f:1"};
	struct span addresses[NAMES];
	const struct crdt_members members = {addresses, NAMES};
	struct crdt *crdt = read_all(world, "reader:1");
	Cloudstate__Crdt__CrdtDelta *got;
	struct error err;
	struct buf out;

	for (int n = 0; n < NAMES; n++)
		addresses[n] = span_from_str(all[n]);
	buf_init(&out, BUF_MAX);
	assert_int_equal(crdt_put_init(crdt, &members, &out, &err), ST_OK);
	got = cloudstate__crdt__crdt_delta__unpack(NULL, buf_len(&out), buf_span(&out).data);
	assert_non_null(got);
	assert_true(!world->taken || is_right(world, got));
	cloudstate__crdt__crdt_delta__free_unpacked(got, NULL);
	buf_fini(&out);
	crdt_free(crdt);
}

static void drop_deltas(struct world *world)
{
	for (unsigned i = 0; i < world->delta_count; i++)
		buf_fini(&world->deltas[i]);
	world->delta_count = 0;
}

/* ---- members -------------------------------------------------------------------------------- */
/* The message of an operation as it is done by somebody who has seen so much. */
static struct span say(struct world *world, struct op *op, uint64_t seen)
{
	uint64_t set = live_of(world, seen, op->key);
	struct span inner = gcounter((uint64_t)op->amount);

	op->kills = 0;
	switch ((int)world->kind) {
	case CRDT_GCOUNTER:
		return gcounter((uint64_t)op->amount);
	case CRDT_PNCOUNTER:
		return pncounter(op->amount);
	case CRDT_VOTE:
		return vote(op->is_put);
	case CRDT_FLAG:
		return flag(true);
	case CRDT_LWWREGISTER:
		return reg(keys[op->key], 2, op->amount);
	case CRDT_GSET:
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
	parts_of(world, set, op->parts);
	op->parts[op->name].stamp = ++world->stamp;
	op->parts[op->name].value += (uint64_t)op->amount;
	return set ? map_update(keys[op->key], inner) : map_add(keys[op->key], inner);
}

static void send(struct world *world, int member, int op, struct buf *delta)
{
	if (buf_len(delta) == 0) { /* it changed nothing */
		buf_fini(delta);
		return;
	}
	world->members[member].seen |= (uint64_t)1 << op;
	world->flights[world->flight_count++] =
		(struct flight){member, op, world->members[member].generation, *delta};
}

static void act(struct world *world, int m)
{
	struct member *member = &world->members[m];
	struct op *op = &world->ops[world->op_count];
	struct error err;
	struct buf delta;

	if (world->op_count >= OPS_MAX - 2 * KEYS || world->flight_count >= FLIGHTS_MAX / 2)
		return;
	*op = (struct op){
		.name = member->name,
		.key = (int)draw(world, KEYS),
		.is_put = world->kind == CRDT_GSET || draw(world, 3) > 0,
		.amount = 1 + draw(world, 5),
	};
	if (world->kind == CRDT_PNCOUNTER && !op->is_put)
		op->amount = -op->amount;
	buf_init(&delta, BUF_MAX);
	assert_int_equal(crdt_apply(member->crdt, say(world, op, member->seen), 0, &delta, &err),
			 ST_OK);
	send(world, m, world->op_count++, &delta);
}

static bool has_flights(const struct world *world, int m)
{
	for (int i = 0; i < world->flight_count; i++)
		if (world->flights[i].member == m)
			return true;
	return false;
}

/* What an old generation's log refused: done anew, in order, on what was adopted. */
static void do_anew(struct world *world, int m, uint64_t held)
{
	struct member *member = &world->members[m];

	for (int i = 0; i < world->op_count; i++) {
		struct error err;
		struct buf delta;

		if (!is_in(held, i))
			continue;
		memset(world->ops[i].parts, 0, sizeof(world->ops[i].parts));
		buf_init(&delta, BUF_MAX);
		assert_int_equal(crdt_apply_anew(member->crdt,
						 say(world, &world->ops[i], member->seen), 0,
						 &delta, &err),
				 ST_OK);
		send(world, m, i, &delta);
	}
}

/* False: the fence refuses it. */
static bool arrive(struct world *world, int which)
{
	struct flight flight = world->flights[which];
	bool is_taken = flight.generation == world->generation;

	world->flight_count--;
	memmove(&world->flights[which], &world->flights[which + 1],
		sizeof(flight) * (size_t)(world->flight_count - which));
	if (is_taken) {
		world->taken |= (uint64_t)1 << flight.op;
		world->deltas[world->delta_count++] = flight.delta;
		world->position++;
	} else {
		buf_fini(&flight.delta);
		refusals++;
	}
	return is_taken;
}

/* Before it adopts, a member waits until all that it sent is decided. */
static void decide(struct world *world, int m, uint64_t *held)
{
	for (int i = 0; i < world->flight_count;) {
		int op = world->flights[i].op;

		if (world->flights[i].member != m)
			i++;
		else if (!arrive(world, i))
			*held |= (uint64_t)1 << op;
	}
}

static void adopt(struct world *world, int m, uint64_t held)
{
	struct member *member = &world->members[m];

	decide(world, m, &held);
	crdt_adopt(member->crdt, read_all(world, names[member->name]));
	member->seen = world->taken;
	member->position = world->position;
	member->generation = world->generation;
	do_anew(world, m, held);
}

static void read_on(struct world *world, int m)
{
	struct member *member = &world->members[m];

	if (member->generation != world->generation) {
		adopt(world, m, 0);
		return;
	}
	if (member->position < world->position - world->delta_count)
		merge(member->crdt, &world->state);
	for (unsigned i = 0; i < world->delta_count; i++)
		merge(member->crdt, &world->deltas[i]); /* again does no harm */
	member->seen |= world->taken;
	member->position = world->position;
}

/* Any member's oldest: what one sends arrives in its order. */
static void arrive_any(struct world *world)
{
	int name = world->ops[world->flights[draw(world, (unsigned)world->flight_count)].op].name;
	int which = 0;
	int member;
	int op;

	while (world->ops[world->flights[which].op].name != name)
		which++;
	member = world->flights[which].member;
	op = world->flights[which].op;
	if (!arrive(world, which) && member >= 0)
		adopt(world, member, (uint64_t)1 << op);
}

static void come(struct world *world, int m)
{
	struct member *member = &world->members[m];
	int name = (int)draw(world, NAMES);

	for (int i = 0; i < MEMBERS; i++)
		if (world->members[i].crdt && world->members[i].name == name)
			return;
	/* the member list lets nobody in under a name that may still be heard of */
	for (int i = 0; i < world->flight_count;)
		if (world->flights[i].member < 0 && world->ops[world->flights[i].op].name == name)
			(void)arrive(world, i);
		else
			i++;
	*member = (struct member){
		.name = name,
		.crdt = read_all(world, names[name]),
		.seen = world->taken,
		.generation = world->generation,
		.position = world->position,
	};
}

/* What it has sent may still arrive, some of it at any later time. */
static void go(struct world *world, int m)
{
	for (int i = 0; i < world->flight_count; i++)
		if (world->flights[i].member == m)
			world->flights[i].member = -1;
	crdt_free(world->members[m].crdt);
	world->members[m].crdt = NULL;
}

/* In the model of a map, too, what stands there becomes one replica's part. */
static void fold(struct world *world, int name)
{
	for (int k = 0; k < KEYS; k++) {
		uint64_t set = live_of(world, world->taken, k);
		struct op *op = &world->ops[world->op_count];
		struct part parts[NAMES];

		if (!set)
			continue;
		parts_of(world, set, parts);
		*op = (struct op){.name = name, .key = k, .is_put = true, .kills = set};
		op->parts[name] = (struct part){++world->stamp, sum_of(parts)};
		world->taken |= (uint64_t)1 << world->op_count++;
	}
}

/* With whatever it has: the log refuses what is not all. */
static void collapse(struct world *world, int m)
{
	struct member *member = &world->members[m];
	struct buf state;
	size_t replicas;
	bool is_taken = member->generation == world->generation &&
			member->position == world->position && !has_flights(world, m);

	if (world->op_count >= OPS_MAX - 2 * KEYS)
		return;
	buf_init(&state, BUF_MAX);
	assert_true(crdt_put_collapsed(member->crdt, &state, &replicas));
	if (!is_taken || buf_len(&state) == 0) {
		buf_fini(&state);
		return;
	}
	assert_true(replicas <= 1 || world->kind == CRDT_VOTE);
	collapses++;
	buf_fini(&world->state);
	world->state = state;
	drop_deltas(world);
	world->generation++; /* drawn in truth; here none is lost */
	if (world->kind == CRDT_ORMAP)
		fold(world, member->name);
}

/* ---- histories ------------------------------------------------------------------------------ */
static void step(struct world *world)
{
	int m = (int)draw(world, MEMBERS);
	unsigned what = draw(world, 12);

	if (!world->members[m].crdt)
		come(world, m);
	else if (what < 5)
		act(world, m);
	else if (what < 7 && world->flight_count > 0)
		arrive_any(world);
	else if (what < 9)
		read_on(world, m);
	else if (what < 11)
		collapse(world, m);
	else
		go(world, m);
}

static void run(enum crdt_kind kind, unsigned seed)
{
	struct world world = {.kind = kind, .random = seed * 7919U + kind};

	buf_init(&world.state, BUF_MAX);
	for (int i = 0; i < STEPS; i++) {
		step(&world);
		log_is_as_modelled(&world);
	}
	for (int m = 0; m < MEMBERS; m++) {
		if (!world.members[m].crdt)
			continue;
		read_on(&world, m);
		go(&world, m);
	}
	while (world.flight_count > 0)
		(void)arrive(&world, 0);
	log_is_as_modelled(&world);
	drop_deltas(&world);
	buf_fini(&world.state);
}

static unsigned running_seed;

static void histories(void **state)
{
	collapses = 0;
	refusals = 0;
	for (running_seed = 1; running_seed <= HISTORIES; running_seed++)
		run((enum crdt_kind)(uintptr_t)*state, running_seed);
	assert_true(collapses > HISTORIES); /* or nothing was shown */
	assert_true(refusals > HISTORIES / 10);
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
		.name = "collapsing histories of " #kind, .test_func = histories,                  \
		.teardown_func = name_seed, .initial_state = (void *)(uintptr_t)CRDT_##kind        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(GCOUNTER),	  ROW(PNCOUNTER), ROW(GSET),  ROW(ORSET),
		ROW(LWWREGISTER), ROW(FLAG),	  ROW(ORMAP), ROW(VOTE),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
