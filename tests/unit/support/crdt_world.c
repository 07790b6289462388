#include "tests/unit/support/crdt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "headgate/test/crdt.pb-c.h"
#include "tests/unit/unit.h"

#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)
#define BYTES_MAX 8192

typedef Headgate__Test__Change Change;
typedef Headgate__Test__Replica Replica;

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

struct crdt_seen crdt_seen;
long crdt_allocations_left = -1;

/* ---- Want of memory: the linker sends the library's allocations here (see Makefile.inc) --------
 */

/* NOLINTBEGIN(readability-identifier-naming) -- the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
/* NOLINTEND(readability-identifier-naming) */

static bool may_allocate(void)
{
	if (crdt_allocations_left < 0)
		return true;
	if (crdt_allocations_left == 0)
		return false;
	crdt_allocations_left--;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
	return may_allocate() ? __real_realloc(memory, size) : NULL;
}

/* ---- Text -------------------------------------------------------------------------------------
 */

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
	size_t size = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + size, CRDT_TEXT_MAX - size, format, args); /* cut is seen */
	va_end(args);
}

static void append_element(char *text, struct headgate_any any)
{
	struct headgate_bytes bytes = {"(none)", 6};

	(void)headgate_any_get_string(any, &bytes); /* else: no string */
	append(text, "%.*s", (int)bytes.size, (const char *)bytes.data);
}

static void append_state(char *text, const struct headgate_crdt *crdt)
{
	struct headgate_any key;
	struct headgate_crdt *value;
	size_t cursor = 0;

	switch (crdt ? (int)headgate_crdt_kind(crdt) : 0) {
	case HEADGATE_GCOUNTER:
		append(text, "%llu", (unsigned long long)headgate_gcounter_value(crdt));
		return;
	case HEADGATE_PNCOUNTER:
		append(text, "%lld", (long long)headgate_pncounter_value(crdt));
		return;
	case HEADGATE_GSET:
	case HEADGATE_ORSET:
		append(text, "{");
		while (headgate_set_next(crdt, &cursor, &key)) {
			append(text, "%s", text[strlen(text) - 1] == '{' ? "" : ",");
			append_element(text, key);
		}
		append(text, "}");
		return;
	case HEADGATE_LWWREGISTER:
		append(text, "=");
		append_element(text, headgate_register_value(crdt));
		return;
	case HEADGATE_FLAG:
		append(text, "%s", headgate_flag_value(crdt) ? "on" : "off");
		return;
	case HEADGATE_ORMAP:
		append(text, "{");
		while (headgate_map_next(crdt, &cursor, &key, &value)) {
			append(text, "%s", text[strlen(text) - 1] == '{' ? "" : ",");
			append_element(text, key);
			append(text, ":");
			append_state(text, value);
		}
		append(text, "}");
		return;
	case HEADGATE_VOTE:
		append(text, "%u/%u%c", headgate_vote_votes_for(crdt), headgate_vote_voters(crdt),
		       headgate_vote_own(crdt) ? 'y' : 'n');
		return;
	default:
		append(text, "-");
	}
}

static struct headgate_any view(const Google__Protobuf__Any *any)
{
	return (struct headgate_any){{any->type_url, strlen(any->type_url)},
				     {any->value.data, any->value.len}};
}

static void append_elements(char *text, const char *sign, Google__Protobuf__Any **any, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		append(text, "%s", sign);
		append_element(text, view(any[i]));
	}
}

static void append_delta(char *text, const CrdtDelta *delta);

static void append_entries(char *text, const char *sign,
			   Cloudstate__Crdt__ORMapEntryDelta **entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		append_elements(text, sign, &entries[i]->key, 1);
		append(text, ":");
		append_delta(text, entries[i]->delta);
		append(text, ";");
	}
}

static void append_set_delta(char *text, const Cloudstate__Crdt__ORSetDelta *set)
{
	append(text, "orset(%s", set->cleared ? "!" : "");
	append_elements(text, "-", set->removed, set->n_removed);
	append_elements(text, "+", set->added, set->n_added);
	append(text, ")");
}

static void append_map_delta(char *text, const Cloudstate__Crdt__ORMapDelta *map)
{
	append(text, "map(%s", map->cleared ? "!" : "");
	append_elements(text, "-", map->removed, map->n_removed);
	append_entries(text, "~", map->updated, map->n_updated);
	append_entries(text, "+", map->added, map->n_added);
	append(text, ")");
}

static void append_register_delta(char *text, const Cloudstate__Crdt__LWWRegisterDelta *lww)
{
	append(text, "lww=");
	if (lww->value)
		append_element(text, view(lww->value));
	if (lww->clock != CLOUDSTATE__CRDT__CRDT_CLOCK__DEFAULT)
		append(text, "@%d:%lld", (int)lww->clock, (long long)lww->custom_clock_value);
}

static void append_delta(char *text, const CrdtDelta *delta)
{
	switch ((int)delta->delta_case) {
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_GCOUNTER:
		append(text, "gcounter+%llu", (unsigned long long)delta->gcounter->increment);
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_PNCOUNTER:
		append(text, "pncounter%+lld", (long long)delta->pncounter->change);
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_GSET:
		append(text, "gset(");
		append_elements(text, "+", delta->gset->added, delta->gset->n_added);
		append(text, ")");
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_ORSET:
		append_set_delta(text, delta->orset);
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_LWWREGISTER:
		append_register_delta(text, delta->lwwregister);
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_FLAG:
		append(text, "flag%s", delta->flag->value ? "" : ":off");
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_ORMAP:
		append_map_delta(text, delta->ormap);
		return;
	case CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_VOTE:
		append(text, "vote:%c", delta->vote->self_vote ? 'y' : 'n');
		return;
	default:
		append(text, "nothing");
	}
}

/* ---- The entity -------------------------------------------------------------------------------
 */

static enum headgate_crdt_kind kind_named(const char *name)
{
	static const char *const names[] = {"",	    "GCounter", "PNCounter",
					    "GSet", "ORSet",	"LWWRegister",
					    "Flag", "ORMap",	"Vote"};

	for (size_t i = 1; i < COUNT_OF(names); i++) {
		size_t size = strlen(names[i]);
		if (strncmp(name, names[i], size) == 0 && (name[size] == '-' || !name[size]))
			return (enum headgate_crdt_kind)i;
	}
	return HEADGATE_GCOUNTER;
}

/* Up to four words of a step, cut in place. */
static size_t split(char *step, const char *words[4])
{
	size_t count = 0;

	while (*step && count < 4) {
		words[count++] = step;
		step += strcspn(step, " ");
		if (*step)
			*step++ = '\0';
	}
	return count;
}

static int do_container(struct headgate_context *context, struct headgate_crdt *crdt,
			const char *const words[4])
{
	bool is_map = headgate_crdt_kind(crdt) == HEADGATE_ORMAP;
	struct headgate_any key = headgate_any_string(context, words[1]);

	if (strcmp(words[0], "add") == 0)
		return headgate_set_add(crdt, key);
	if (strcmp(words[0], "del") == 0)
		return is_map ? headgate_map_remove(crdt, key) : headgate_set_remove(crdt, key);
	if (strcmp(words[0], "clear") == 0)
		return is_map ? headgate_map_clear(crdt) : headgate_set_clear(crdt);
	return headgate_map_put(crdt, key, kind_named(words[1])) ? 0 : -1; /* put */
}

static int do_change(struct headgate_context *context, struct headgate_crdt *crdt, char *step)
{
	const char *words[4] = {"", "", "", ""};

	if (step[0] == '@') {
		char *rest = step + strcspn(step, " ");
		*rest = '\0';
		crdt = headgate_map_at(crdt, headgate_any_string(context, step + 1),
				       kind_named(step + 1));
		return crdt ? do_change(context, crdt, rest + 1) : -1;
	}
	size_t count = split(step, words);
	if (strspn(words[0], "+-") > 0)
		return headgate_crdt_kind(crdt) == HEADGATE_PNCOUNTER
			       ? headgate_pncounter_change(crdt, strtoll(words[0], NULL, 10))
			       : headgate_gcounter_increment(crdt, strtoll(words[0], NULL, 10));
	if (strcmp(words[0], "on") == 0)
		return headgate_flag_enable(crdt);
	if (strcmp(words[0], "yes") == 0 || strcmp(words[0], "no") == 0)
		return headgate_vote_set(crdt, words[0][0] == 'y');
	if (strcmp(words[0], "set") == 0 && count < 4)
		return headgate_register_set(crdt, headgate_any_string(context, words[1]));
	if (strcmp(words[0], "set") == 0)
		return headgate_register_set_with_clock(
			crdt, headgate_any_string(context, words[1]),
			(enum headgate_clock)strtol(words[2], NULL, 10),
			strtoll(words[3], NULL, 10));
	return do_container(context, crdt, words);
}

static int do_step(struct headgate_context *context, char *step)
{
	Change other = HEADGATE__TEST__CHANGE__INIT;

	if (strcmp(step, "delete") == 0)
		return headgate_crdt_delete(context);
	if (strcmp(step, "all") == 0)
		return headgate_crdt_consistency(context, HEADGATE_CONSISTENCY_ALL);
	if (strcmp(step, "stay") == 0)
		return headgate_subscribe(context);
	if (strcmp(step, "silent") == 0)
		return headgate_no_reply(context);
	if (strcmp(step, "effect") == 0)
		return headgate_effect(context, CRDT_SERVICE, "Apply", &other.base, true);
	if (strcmp(step, "forward") == 0)
		return headgate_forward(context, CRDT_SERVICE, "Apply", &other.base);
	if (strcmp(step, "fail") == 0)
		return headgate_fail(context, HEADGATE_ABORTED, "on purpose");
	if (strcmp(step, "error") == 0)
		return -1;
	if (strcmp(step, "create") == 0)
		return headgate_crdt_create(context, HEADGATE_FLAG) ? 0 : -1;
	if (strcmp(step, "end") == 0)
		return headgate_end(context);
	struct headgate_crdt *crdt =
		headgate_crdt_at(context, kind_named(headgate_entity_id(context)));
	return crdt ? do_change(context, crdt, step) : -1;
}

static int do_script(struct headgate_context *context, const char *script)
{
	char step[CRDT_TEXT_MAX];

	while (*script) {
		size_t size = strcspn(script, ",");
		(void)snprintf(step, sizeof step, "%.*s", (int)size, script); /* short */
		script += size;
		script += strspn(script, ", ");
		if (do_step(context, step))
			return -1;
	}
	return 0;
}

static int answer(struct headgate_context *context)
{
	Replica replica = HEADGATE__TEST__REPLICA__INIT;
	char text[CRDT_TEXT_MAX] = "";

	append_state(text, headgate_crdt_state(context));
	replica.id = text;
	return headgate_reply(context, &replica.base);
}

static int apply(struct headgate_context *context, void *state, const void *message)
{
	const Change *change = message;

	(void)state;
	if (do_script(context, change->effect))
		return -1;
	return strstr(change->effect, "forward") ? 0 : answer(context);
}

struct watch {
	char on_change[128];
	char on_cancel[128];
	char *owned; /* a leak unless destroyed */
};

static int watch(struct headgate_context *context, void *state, const void *message)
{
	const Change *change = message;
	struct watch *watch = state;

	/* zeroed, and the last bytes stay so */
	(void)strncpy(watch->on_change, change->n_add > 0 ? change->add[0] : "", 127);
	(void)strncpy(watch->on_cancel, change->n_add > 1 ? change->add[1] : "", 127);
	watch->owned = __real_malloc(1);
	if (do_script(context, change->effect))
		return -1;
	return strstr(change->effect, "silent") ? 0 : answer(context);
}

static int on_change(struct headgate_context *context, void *state)
{
	const struct watch *watch = state;
	char text[CRDT_TEXT_MAX] = "";

	if (strcmp(watch->on_change, "quiet") == 0)
		return 0;
	if (strncmp(watch->on_change, "end at ", 7) == 0) {
		append_state(text, headgate_crdt_state(context));
		if (answer(context))
			return -1;
		return strcmp(text, watch->on_change + 7) == 0 ? headgate_end(context) : 0;
	}
	return do_script(context, watch->on_change) ? -1 : answer(context);
}

static int on_cancel(struct headgate_context *context, void *state)
{
	return do_script(context, ((const struct watch *)state)->on_cancel);
}

static void destroy(void *state)
{
	free(((struct watch *)state)->owned);
	crdt_seen.destroyed++;
}

static int default_value(struct headgate_context *context)
{
	if (!crdt_seen.has_default)
		return 0;
	return headgate_crdt_create(context, kind_named(headgate_entity_id(context))) ? 0 : -1;
}

static void on_state_set(struct headgate_context *context, struct headgate_crdt *crdt)
{
	if (crdt == headgate_crdt_state(context))
		crdt_seen.states_set++;
}

static const struct headgate_crdt_command commands[] = {
	{"Apply", &headgate__test__change__descriptor, apply},
	{"Watch", &headgate__test__change__descriptor, watch, on_change, on_cancel,
	 sizeof(struct watch), destroy},
	{0},
};

static const struct headgate_crdt_entity entity = {
	.service_name = CRDT_SERVICE,
	.persistence_id = "scripts",
	.commands = commands,
	.default_value = default_value,
	.on_state_set = on_state_set,
};

/* ---- The proxy --------------------------------------------------------------------------------
 */

static void on_log(void *data, enum headgate_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)text;
}

int crdt_world_declare(const struct headgate_crdt_entity *declared, struct headgate_error *err)
{
	struct hg_crdt_type *type = NULL;
	int result = hg_crdt_type_new(
		declared, (struct headgate_bytes){descriptor_set, sizeof descriptor_set}, &type,
		err);

	hg_crdt_type_free(type);
	return result;
}

int crdt_world_open(struct crdt_world *world, const char *id)
{
	static const struct hg_log quiet = {.on_log = on_log};

	*world = (struct crdt_world){.id = id, .next_id = 1};
	if (hg_crdt_type_new(&entity,
			     (struct headgate_bytes){descriptor_set, sizeof descriptor_set},
			     &world->type, NULL) ||
	    hg_worker_init(&world->worker, &quiet, MESSAGE_BYTES_MAX))
		return -1;
	world->stream = hg_crdt_stream_new((const struct hg_crdt_type *const *)&world->type, 1);
	return world->stream ? 0 : -1;
}

static void drop_out(struct crdt_world *world)
{
	if (world->out)
		protobuf_c_message_free_unpacked(&world->out->base, NULL);
	world->out = NULL;
}

void crdt_world_close(struct crdt_world *world)
{
	drop_out(world);
	hg_crdt_stream_free(world->stream);
	hg_worker_fini(&world->worker);
	hg_crdt_type_free(world->type);
}

/* The test's own allocations never fail. */
static void unpack_out(struct crdt_world *world, const struct hg_out *out)
{
	uint8_t *joined = __real_malloc(out->size + 1);
	size_t size = 0;

	assert_non_null(joined);
	for (size_t i = 0; i < out->part_count; i++) {
		memcpy(joined + size, out->parts[i].data, out->parts[i].size);
		size += out->parts[i].size;
	}
	assert_int_equal(size, out->size);
	world->out = (CrdtOut *)protobuf_c_message_unpack(
		&cloudstate__crdt__crdt_stream_out__descriptor, NULL, size, joined);
	assert_non_null(world->out);
	free(joined);
}

void crdt_world_receive(struct crdt_world *world, const void *data, size_t size)
{
	struct hg_out out;
	/* on the heap, to the byte, so that a sanitizer sees every read beyond it */
	void *exact = __real_malloc(size > 0 ? size : 1);

	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, data, size);
	drop_out(world);
	world->verdict = hg_crdt_stream_receive(world->stream, &world->worker,
						(struct headgate_bytes){exact, size}, &out);
	free(exact);
	if (out.size > 0)
		unpack_out(world, &out);
}

bool crdt_world_next(struct crdt_world *world)
{
	struct hg_out out;

	drop_out(world);
	world->verdict = hg_crdt_stream_next(world->stream, &world->worker, &out);
	if (out.size > 0)
		unpack_out(world, &out);
	return world->out != NULL;
}

static void receive_message(struct crdt_world *world, const Cloudstate__Crdt__CrdtStreamIn *in)
{
	uint8_t bytes[BYTES_MAX];

	assert_true(protobuf_c_message_get_packed_size(&in->base) <= sizeof bytes);
	crdt_world_receive(world, bytes, protobuf_c_message_pack(&in->base, bytes));
}

void crdt_world_begin(struct crdt_world *world, const char *id, const CrdtDelta *delta)
{
	Cloudstate__Crdt__CrdtInit init = CLOUDSTATE__CRDT__CRDT_INIT__INIT;
	Cloudstate__Crdt__CrdtStreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	assert_int_equal(crdt_world_open(world, id), 0);
	init.service_name = (char *)(uintptr_t)CRDT_SERVICE;
	init.entity_id = (char *)(uintptr_t)id;
	init.delta = (CrdtDelta *)(uintptr_t)delta;
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_INIT;
	in.init = &init;
	receive_message(world, &in);
}

void crdt_world_delta(struct crdt_world *world, const CrdtDelta *delta)
{
	Cloudstate__Crdt__CrdtStreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_DELTA;
	in.delta = (CrdtDelta *)(uintptr_t)delta;
	receive_message(world, &in);
}

void crdt_world_delete(struct crdt_world *world)
{
	Cloudstate__Crdt__CrdtDelete deleted = CLOUDSTATE__CRDT__CRDT_DELETE__INIT;
	Cloudstate__Crdt__CrdtStreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_DELETE;
	in.delete_ = &deleted;
	receive_message(world, &in);
}

void crdt_world_cancel(struct crdt_world *world, int64_t id)
{
	Cloudstate__StreamCancelled cancelled = CLOUDSTATE__STREAM_CANCELLED__INIT;
	Cloudstate__Crdt__CrdtStreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	cancelled.entity_id = (char *)(uintptr_t)world->id;
	cancelled.id = id;
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_STREAM_CANCELLED;
	in.stream_cancelled = &cancelled;
	receive_message(world, &in);
}

/* A script of a stream is up to three, with "|" between: at once, on_change, on_cancel. */
static void split_scripts(char *text, Change *change, char *rest[2])
{
	change->effect = text;
	change->add = rest;
	for (char *bar = strchr(text, '|'); bar && change->n_add < 2; bar = strchr(bar + 1, '|')) {
		*bar = '\0';
		rest[change->n_add++] = bar + 1;
	}
}

void crdt_world_send(struct crdt_world *world, bool is_streamed, const char *script)
{
	uint8_t bytes[BYTES_MAX];
	char text[CRDT_TEXT_MAX];
	char none[] = "";
	char *rest[2] = {none, none};
	Change change = HEADGATE__TEST__CHANGE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Cloudstate__Command command = CLOUDSTATE__COMMAND__INIT;
	Cloudstate__Crdt__CrdtStreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	(void)snprintf(text, sizeof text, "%s", script); /* short */
	split_scripts(text, &change, rest);
	any.type_url = (char *)(uintptr_t) "type.googleapis.com/headgate.test.Change";
	any.value.data = bytes;
	any.value.len = protobuf_c_message_pack(&change.base, bytes);
	command.entity_id = (char *)(uintptr_t)world->id;
	command.id = world->next_id++;
	command.name = (char *)(uintptr_t)(is_streamed ? "Watch" : "Apply");
	command.streamed = is_streamed;
	command.payload = &any;
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_COMMAND;
	in.command = &command;
	receive_message(world, &in);
}

static const Cloudstate__ClientAction *client_action(const CrdtOut *out)
{
	if (!out)
		return NULL;
	if (out->message_case == CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_REPLY)
		return out->reply->client_action;
	if (out->message_case == CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_STREAMED_MESSAGE)
		return out->streamed_message->client_action;
	return NULL;
}

const char *crdt_world_text(struct crdt_world *world)
{
	const Cloudstate__ClientAction *action = client_action(world->out);

	world->text[0] = '\0';
	if (!action)
		return world->text;
	if (action->action_case == CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE) {
		append(world->text, "! %s", action->failure->description);
	} else if (action->action_case == CLOUDSTATE__CLIENT_ACTION__ACTION_FORWARD) {
		append(world->text, "forward");
	} else {
		const Google__Protobuf__Any *payload = action->reply->payload;
		Replica *replica = headgate__test__replica__unpack(NULL, payload->value.len,
								   payload->value.data);
		assert_non_null(replica);
		append(world->text, "%s", replica->id);
		headgate__test__replica__free_unpacked(replica, NULL);
	}
	return world->text;
}

static const Cloudstate__Crdt__CrdtStateAction *state_action(const CrdtOut *out)
{
	if (!out)
		return NULL;
	if (out->message_case == CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_REPLY)
		return out->reply->state_action;
	if (out->message_case ==
	    CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_STREAM_CANCELLED_RESPONSE)
		return out->stream_cancelled_response->state_action;
	return NULL;
}

const CrdtDelta *crdt_world_update(const struct crdt_world *world)
{
	const Cloudstate__Crdt__CrdtStateAction *action = state_action(world->out);

	return action && action->action_case == CLOUDSTATE__CRDT__CRDT_STATE_ACTION__ACTION_UPDATE
		       ? action->update
		       : NULL;
}

const char *crdt_world_state_action(struct crdt_world *world)
{
	const Cloudstate__Crdt__CrdtStateAction *action = state_action(world->out);

	world->delta[0] = '\0';
	if (!action)
		return world->delta;
	if (action->action_case == CLOUDSTATE__CRDT__CRDT_STATE_ACTION__ACTION_DELETE)
		append(world->delta, "delete");
	else
		append_delta(world->delta, action->update);
	if (action->write_consistency == CLOUDSTATE__CRDT__CRDT_WRITE_CONSISTENCY__ALL)
		append(world->delta, " all");
	return world->delta;
}

const char *crdt_world_say(struct crdt_world *world, const char *script)
{
	crdt_world_send(world, false, script);
	return crdt_world_text(world);
}
