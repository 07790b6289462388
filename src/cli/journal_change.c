/* headgate journal erase, truncate, backup: what removes something, or keeps it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/key.h"
#include "src/base/clock.h"
#include "src/base/text.h"
#include "src/cli/journal.h"

/* Events behind the snapshot that stay: as many as a command with an idempotency key is looked for
 * among. */
#define KEEP_DEFAULT ((uint64_t)1000)
/* Rewriting the file of a large journal takes some seconds. */
#define REWRITE_WAIT_MS ((uint64_t)600000)
#define REWRITE_POLL_MS ((uint64_t)50)
#define COPY_BYTES ((size_t)256 * 1024)

/* ---- asking Redis itself -------------------------------------------------------------------- */
static enum status tell(struct tool *tool, unsigned partition, const char *const *words)
{
	const struct admin_value *value;
	struct span spans[8];
	size_t count = 0;

	for (; words[count]; count++)
		spans[count] = span_from_str(words[count]);
	arena_reset(&tool->page);
	return admin_ask(
		tool->admin,
		&(struct admin_command){.partition = partition, .words = spans, .count = count},
		&tool->page, &value, &tool->err);
}

static enum status is_rewriting(struct tool *tool, unsigned partition, bool *ret_is_rewriting)
{
	const struct span words[] = {SPAN_LIT("INFO"), SPAN_LIT("persistence")};
	const struct admin_value *value;
	enum status st;

	arena_reset(&tool->page);
	st = admin_ask(tool->admin,
		       &(struct admin_command){.partition = partition, .words = words, .count = 2},
		       &tool->page, &value, &tool->err);
	if (st == ST_OK)
		*ret_is_rewriting =
			memmem(value->text.data, value->text.len, "aof_rewrite_in_progress:1",
			       25) ||
			memmem(value->text.data, value->text.len, "aof_rewrite_scheduled:1", 23);
	return st;
}

static enum status await_rewrite(struct tool *tool, unsigned partition)
{
	uint64_t end_ns = clock_deadline(clock_mono_ns(), REWRITE_WAIT_MS * NS_PER_MS);
	bool is_running = true;
	enum status st = ST_OK;

	while (st == ST_OK && is_running) {
		tool_wait(tool, REWRITE_POLL_MS);
		st = is_rewriting(tool, partition, &is_running);
		if (st == ST_OK && is_running && clock_mono_ns() > end_ns)
			st = error_set(&tool->err, ST_UNAVAILABLE,
				       "redis has not rewritten its file in %" PRIu64 " s",
				       REWRITE_WAIT_MS / 1000);
	}
	return st;
}

/* Of the server that has the partition. */
static enum status rewrite(struct tool *tool, unsigned partition)
{
	static const char *const words[] = {"BGREWRITEAOF", NULL};
	enum status st = tell(tool, partition, words);

	return st == ST_OK ? await_rewrite(tool, partition)
			   : error_wrap(&tool->err, "BGREWRITEAOF");
}

/* ---- erase ---------------------------------------------------------------------------------- */
static enum status erase(struct tool *tool, const struct journal_key *key)
{
	struct span reason = span_from_str(tool->args->reason);
	struct journal_head head;
	struct admin_hash hash;
	enum status st;

	st = admin_hash(tool->admin, ADMIN_HEAD, key, &tool->page, &hash, &tool->err);
	if (st != ST_OK)
		return st;
	if (hash.count) {
		if (admin_hash_get(&hash, "x").data)
			return error_set(&tool->err, ST_ALREADY_EXISTS,
					 "the entity was erased before");
		head = admin_hash_head(&hash);
		return admin_erase(tool->admin, key, &head, reason, &tool->err);
	}
	st = admin_hash(tool->admin, ADMIN_CRDT, key, &tool->page, &hash, &tool->err);
	if (st != ST_OK)
		return st;
	if (hash.count == 0)
		return error_set(&tool->err, ST_NOT_FOUND, "there is no such entity");
	return admin_erase_crdt(tool->admin, key, reason, &tool->err);
}

int journal_erase(struct tool *tool)
{
	struct journal_key key;
	bool has_id;

	if (!tool_key(tool->args->words[0], &key, &has_id) || !has_id)
		return command_fail(CLI_USAGE, "erase takes TYPE/ID");
	if (!tool->args->reason || !tool->args->reason[0])
		return command_fail(CLI_USAGE, "erase needs --reason: it is kept");
	if (erase(tool, &key) != ST_OK)
		return tool_fail(tool);
	if (tool->args->wants_rewrite && rewrite(tool, key_partition(&key)) != ST_OK)
		return tool_fail(tool);
	if (tool->args->is_json) {
		put_name(&tool->out, &key);
		(void)buf_printf(&tool->out, ",\"erased\":true,\"rewritten\":%s}\n",
				 tool->args->wants_rewrite ? "true" : "false");
	} else {
		(void)buf_printf(
			&tool->out, "erased. %s\n",
			tool->args->wants_rewrite
				? "Redis has rewritten its file; replicas, backups and exports "
				  "of before still have it."
				: "The files of Redis still have it until they are rewritten "
				  "(--rewrite); replicas, backups and exports of before, too.");
	}
	return tool_flush(tool) ? CLI_OK : tool_fail(tool);
}

/* ---- truncate ------------------------------------------------------------------------------- */
struct truncation {
	struct tool *tool;
	struct catalogue consumers; /* its crdts are keys of offsets: type is the consumer */
	struct buf field_;
	struct span field; /* of the type in a key of offsets */
	uint64_t keep;
	uint64_t entities;
	uint64_t removed;
	uint64_t refused;
};

/* Whether all consumers have passed the events before a sequence; the first who has not. */
struct passing {
	struct truncation *t;
	const struct journal_key *key;
	uint64_t before;
	unsigned partition;
};

static enum status consumer_passed(struct passing *p, struct span consumer, uint64_t position)
{
	struct admin_entries page = {NULL, ADMIN_PAGE};
	struct tool *tool = p->t->tool;
	struct arena arena;
	enum status st = ST_OK;

	arena_init(&arena, ADMIN_ARENA_BYTES);
	while (st == ST_OK && page.count == ADMIN_PAGE) {
		arena_reset(&arena);
		st = admin_feed(tool->admin,
				&(struct admin_feed_from){p->partition, p->key->type, position},
				&arena, &page, &tool->err);
		for (size_t i = 0; st == ST_OK && i < page.count; i++) {
			const struct admin_entry *entry = &page.entries[i];
			uint64_t last = 0;
			uint64_t count = 0;

			position = admin_feed_position(entry);
			(void)text_to_u64(admin_entry_get(entry, "s"), &last);
			(void)text_to_u64(admin_entry_get(entry, "n"), &count);
			if (count && last - count + 1 < p->before &&
			    span_eq(admin_entry_get(entry, "e"), p->key->id))
				st = error_set(&tool->err, ST_FAILED_PRECONDITION,
					       "consumer %.*s has not passed event %" PRIu64,
					       SPAN_FMT(span_head(consumer, 100)), last);
		}
	}
	arena_fini(&arena);
	return st;
}

static enum status all_passed(struct truncation *t, const struct journal_key *key, uint64_t before)
{
	struct passing p = {t, key, before, key_partition(key)};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < t->consumers.crdt_count; i++) {
		const struct tool_crdt *consumer = &t->consumers.crdts[i];
		const struct admin_value *value;
		struct span words[] = {SPAN_LIT("HGET"), SPAN_EMPTY, t->field};
		uint64_t position;

		if (consumer->partition != p.partition)
			continue;
		arena_reset(&t->tool->page);
		st = admin_key(
			t->tool->admin,
			&(struct admin_place){ADMIN_OFFSETS, p.partition, consumer->type, NULL},
			&t->tool->page, &words[1], &t->tool->err);
		if (st == ST_OK)
			st = admin_ask(t->tool->admin,
				       &(struct admin_command){.partition = p.partition,
							       .words = words,
							       .count = 3},
				       &t->tool->page, &value, &t->tool->err);
		if (st != ST_OK || value->kind != ADMIN_TEXT)
			continue; /* a consumer of other types */
		if (!text_to_u64(value->text, &position))
			st = error_set(&t->tool->err, ST_DATA_LOSS, "an offset is no number");
		else
			st = consumer_passed(&p, consumer->type, position);
	}
	return st;
}

static enum status truncate_one(struct truncation *t, const struct journal_key *key,
				uint64_t before)
{
	uint64_t removed = 0;
	enum status st = all_passed(t, key, before);

	if (st == ST_OK)
		st = admin_truncate(t->tool->admin, key, before, &removed, &t->tool->err);
	if (st == ST_OK) {
		t->entities += removed > 0;
		t->removed += removed;
	}
	return st;
}

/* The first event that stays: what a snapshot stands for but the newest of it. 0: nothing goes. */
static enum status first_kept(struct truncation *t, const struct journal_key *key,
			      uint64_t *ret_first)
{
	struct admin_hash hash;
	uint64_t snapshot;
	enum status st;

	arena_reset(&t->tool->page);
	st = admin_hash(t->tool->admin, ADMIN_HEAD, key, &t->tool->page, &hash, &t->tool->err);
	if (st != ST_OK)
		return st;
	snapshot = admin_hash_get(&hash, "v").data ? 0 : admin_hash_number(&hash, "zs");
	*ret_first = snapshot > t->keep ? snapshot - t->keep + 1 : 0;
	return ST_OK;
}

static enum status on_entity(void *data, const struct tool_entity *entity, struct error *err)
{
	struct truncation *t = data;
	uint64_t first = 0;
	enum status st;

	if (entity->sort != ADMIN_INDEX)
		return ST_OK;
	st = first_kept(t, &entity->key, &first);
	if (st == ST_OK && first > 1)
		st = truncate_one(t, &entity->key, first);
	if (st != ST_FAILED_PRECONDITION)
		return st;
	t->refused++;
	(void)fprintf(stderr, "headgate: %.*s: %s\n", SPAN_FMT(entity->key.id),
		      err->message); /* the last resort */
	return ST_OK;
}

static enum status on_offsets(void *data, const struct admin_name *name, struct error *err)
{
	struct admin_name consumer = *name;

	if (!name->is_ours || name->sort != ADMIN_OFFSETS)
		return ST_OK;
	consumer.sort = ADMIN_CRDT; /* kept as those are: a name and a partition */
	return catalogue_add(data, &consumer, err);
}

static enum status truncate_type(struct truncation *t, struct span type)
{
	struct catalogue catalogue;
	const struct tool_walk walk = {
		.type = type, .skips_erased = true, .on_entity = on_entity, .data = t};
	enum status st = catalogue_load(t->tool, &catalogue);

	if (st == ST_OK)
		st = tool_walk(t->tool, &catalogue, &walk);
	catalogue_fini(&catalogue);
	return st;
}

static enum status truncate_key(struct truncation *t, const struct journal_key *key,
				uint64_t before)
{
	uint64_t first = 0;
	enum status st = first_kept(t, key, &first);

	/* The script says it better when there is no snapshot. */
	if (st == ST_OK && before > first && before <= first + t->keep && t->keep)
		return error_set(&t->tool->err, ST_FAILED_PRECONDITION,
				 "the newest %" PRIu64 " events before the snapshot stay: commands "
				 "sent again are known by them (--keep)",
				 t->keep);
	return st == ST_OK ? truncate_one(t, key, before) : st;
}

int journal_truncate(struct tool *tool)
{
	struct truncation t = {.tool = tool};
	struct journal_key key;
	bool has_id;
	uint64_t before;
	enum status st;

	if (!tool_key(tool->args->words[0], &key, &has_id) || has_id != !!tool->args->before ||
	    (!has_id && !tool->args->keep))
		return command_fail(CLI_USAGE,
				    "truncate takes TYPE/ID --before N, or TYPE --keep N");
	if (!tool_number(tool->args->keep, KEEP_DEFAULT, &t.keep) ||
	    !tool_number(tool->args->before, 0, &before) || (has_id && before < 1) ||
	    before > JOURNAL_SEQUENCE_MAX || t.keep > JOURNAL_SEQUENCE_MAX)
		return command_fail(CLI_USAGE, "--before and --keep take numbers");
	catalogue_init(&t.consumers);
	buf_init(&t.field_, KEY_TYPE_MAX);
	(void)text_percent_encode(key.type, &t.field_); /* too long: there is none of it */
	t.field = buf_span(&t.field_);
	st = admin_scan(tool->admin, on_offsets, &t.consumers, &tool->err);
	if (st == ST_OK)
		st = has_id ? truncate_key(&t, &key, before) : truncate_type(&t, key.type);
	catalogue_fini(&t.consumers);
	buf_fini(&t.field_);
	if (st != ST_OK)
		return tool_fail(tool);
	(void)buf_printf(&tool->out,
			 tool->args->is_json ? "{\"removed\":%" PRIu64 ",\"entities\":%" PRIu64
					       ",\"refused\":%" PRIu64 "}\n"
					     : "removed %" PRIu64 " events of %" PRIu64
					       " entities, %" PRIu64 " refused\n",
			 t.removed, t.entities, t.refused);
	if (!tool_flush(tool))
		return tool_fail(tool);
	return t.refused ? CLI_REFUSED : CLI_OK;
}

/* ---- backup --------------------------------------------------------------------------------- */
static enum status copy_bytes(int from, int to, const char *path, struct error *err)
{
	static char bytes[COPY_BYTES]; /* one copy at a time */
	ssize_t got;

	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t put = 0; put < got;) {
			ssize_t n = write(to, bytes + put, (size_t)(got - put));

			if (n < 0)
				return error_set_errno(err, ST_UNKNOWN, errno, "writing %s", path);
			put += n;
		}
	if (got < 0)
		return error_set_errno(err, ST_UNKNOWN, errno, "reading for %s", path);
	return fsync(to) == 0 ? ST_OK : error_set_errno(err, ST_UNKNOWN, errno, "syncing %s", path);
}

static enum status copy_file(const char *source, const char *target, struct error *err)
{
	int from = open(source, O_RDONLY | O_CLOEXEC);
	int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum status st;

	if (from < 0)
		st = error_set_errno(err, ST_UNKNOWN, errno, "opening %s", source);
	else if (to < 0)
		st = error_set_errno(err, ST_UNKNOWN, errno, "making %s", target);
	else
		st = copy_bytes(from, to, target, err);
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to); /* it is synced */
	return st;
}

/* Names of files, of a manifest's lines "file NAME seq N type T". */
static enum status copy_parts(const char *from, const char *to, FILE *manifest, struct error *err)
{
	char source[4600];
	char target[4600];
	char name[256];
	enum status st = ST_OK;

	while (st == ST_OK && fscanf(manifest, "file %255s %*[^\n]\n", name) == 1) {
		if (strchr(name, '/'))
			return error_set(err, ST_DATA_LOSS, "the manifest names %.100s", name);
		(void)snprintf(source, sizeof(source), "%s/appendonlydir/%s", from, name);
		(void)snprintf(target, sizeof(target), "%s/appendonlydir/%s", to, name);
		st = copy_file(source, target, err);
	}
	return st;
}

#define MANIFEST "appendonlydir/appendonly.aof.manifest"

static enum status copy_journal(const char *from, const char *to, struct error *err)
{
	char source[4600];
	char target[4600];
	FILE *manifest;
	enum status st;

	(void)snprintf(target, sizeof(target), "%s/appendonlydir", to);
	if ((mkdir(to, 0700) != 0 && errno != EEXIST) || mkdir(target, 0700) != 0)
		return error_set_errno(err, ST_UNKNOWN, errno, "making %s", target);
	(void)snprintf(source, sizeof(source), "%s/" MANIFEST, from);
	(void)snprintf(target, sizeof(target), "%s/" MANIFEST, to);
	st = copy_file(source, target, err);
	if (st != ST_OK)
		return st;
	/* Of the copy: what it names belongs together. */
	manifest = fopen(target, "re");
	if (!manifest)
		return error_set_errno(err, ST_UNKNOWN, errno, "reading %s", target);
	st = copy_parts(from, to, manifest, err);
	(void)fclose(manifest); /* it was read only */
	if (st == ST_OK) {
		(void)snprintf(target, sizeof(target), "%s/LOCK", to);
		(void)snprintf(source, sizeof(source), "%s/LOCK", from);
		st = copy_file(source, target, err);
	}
	return st;
}

/* While the parts are copied no rewrite may replace them. */
static enum status backup(struct tool *tool, const char *to)
{
	static const char *const hold[] = {"CONFIG", "SET", "auto-aof-rewrite-percentage", "0",
					   NULL};
	static const char *const release[] = {"CONFIG", "SET", "auto-aof-rewrite-percentage", "100",
					      NULL};
	struct error ignored;
	enum status st = tell(tool, 0, hold);

	if (st == ST_OK)
		st = rewrite(tool, 0);
	if (st == ST_OK)
		st = copy_journal(tool->directory, to, &tool->err);
	ignored = tool->err;
	if (tell(tool, 0, release) != ST_OK && st == ST_OK)
		return tool->err.status;
	tool->err = ignored; /* what went wrong first */
	return st;
}

int journal_backup(struct tool *tool)
{
	const char *to = tool->args->words[0];
	char place[4600];
	struct stat info;

	if (!tool->directory)
		return command_fail(CLI_USAGE, "backup copies an embedded journal; of another one "
					       "take Redis' own, or headgate journal export");
	(void)snprintf(place, sizeof(place), "%s/appendonlydir", to);
	if (stat(place, &info) == 0)
		return command_fail(CLI_REFUSED, "there is a journal in that directory already");
	if (backup(tool, to) != ST_OK)
		return tool_fail(tool);
	if (tool->args->is_json) {
		(void)buf_append_str(&tool->out, "{\"backup\":");
		put_text(&tool->out, span_from_str(to));
		(void)buf_append_str(&tool->out, "}\n");
	} else {
		(void)buf_printf(&tool->out, "copied. Look at it with --journal embedded:%s\n", to);
	}
	return tool_flush(tool) ? CLI_OK : tool_fail(tool);
}
