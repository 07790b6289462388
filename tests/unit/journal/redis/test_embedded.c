/* The embedded journal with its real redis-server: it comes back, it is alone, it says what is
 * wrong. */
#include "journal/redis/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

static const struct journal_head none;
static struct journal_client client;
static struct journal_answer answer;
static struct journal_answer last; /* of what is asked beside it */
static char *directory;

static enum status open_in(struct journal_client *into, const char *where, const char *durability,
			   struct error *err)
{
	struct redis_journal_params params = journal_client_params();
	char url[1024];

	params.durability = durability;
	params.command_timeout_ms = 1000;
	(void)snprintf(url, sizeof(url), "embedded:%s", where);
	return journal_client_open(into, url, &params, err);
}

static void open_ready(const char *durability)
{
	struct error err;

	assert_int_equal(open_in(&client, directory, durability, &err), ST_OK);
	assert_true(journal_client_wait(&client, true));
}

static int setup(void **state)
{
	(void)state;
	directory = temp_directory();
	memset(&client, 0, sizeof(client));
	return 0;
}

/* The lock is free when the server is gone. */
static void wait_for_the_end(const char *where)
{
	char path[1024];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/LOCK", where);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	(void)close(fd);
}

static int teardown(void **state)
{
	(void)state;
	journal_client_close(&client);
	wait_for_the_end(directory);
	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	(void)umount2(directory, MNT_DETACH); /* of the test that mounts */
	temp_remove(directory);
	mem_free(directory);
	return 0;
}

static pid_t child_pid(void)
{
	char path[1024];
	redisContext *context;
	redisReply *reply;
	const char *at;
	int pid = 0;

	(void)snprintf(path, sizeof(path), "%s/s.sock", directory);
	context = redisConnectUnix(path);
	assert_int_equal(context->err, 0);
	reply = redisCommand(context, "INFO server");
	at = strstr(reply->str, "process_id:");
	assert_int_equal(sscanf(at, "process_id:%d", &pid), 1);
	freeReplyObject(reply);
	redisFree(context);
	return pid;
}

static const char *config_of(const char *key)
{
	static char text[64];
	char path[1024];
	redisContext *context;
	redisReply *reply;

	(void)snprintf(path, sizeof(path), "%s/s.sock", directory);
	context = redisConnectUnix(path);
	assert_int_equal(context->err, 0);
	reply = redisCommand(context, "CONFIG GET %s", key);
	assert_int_equal(reply->elements, 2);
	(void)snprintf(text, sizeof(text), "%s", reply->element[1]->str);
	freeReplyObject(reply);
	redisFree(context);
	return text;
}

static void ready_soon_and_as_promised(void **state)
{
	static const char *const classes[] = {"always", "everysec", "memory"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		struct stat info;
		char path[1024];

		open_ready(classes[i]);
		assert_string_equal(journal_durability(client.journal), classes[i]);
		assert_string_equal(config_of("stream-node-max-bytes"), "1024");
		assert_string_equal(config_of("port"), "0");
		assert_string_equal(config_of("save"), "");
		(void)snprintf(path, sizeof(path), "%s/s.sock", directory);
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777, 0700);
		(void)snprintf(path, sizeof(path), "%s/redis.log", directory);
		assert_int_equal(stat(path, &info), 0);
		assert_true(info.st_size > 0);
		assert_int_equal(info.st_mode & 0777, 0600);
		journal_client_close(&client);
		wait_for_the_end(directory);
	}
}

static void makes_its_directory(void **state)
{
	struct journal_client other = {0};
	struct stat info;
	char path[512];
	struct error err;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/a/b", directory);
	assert_int_equal(open_in(&other, path, "memory", &err), ST_OK);
	assert_true(journal_client_wait(&other, true));
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	journal_client_close(&other);
	wait_for_the_end(path);
}

/* A unix socket's name has at most 108 bytes; a directory's may be longer. */
static void in_a_deep_directory(void **state)
{
	struct journal_client other = {0};
	char path[700];
	struct error err;
	int len = snprintf(path, sizeof(path), "%s", directory);

	(void)state;
	for (int i = 0; i < 3; i++)
		len += snprintf(path + len, sizeof(path) - (size_t)len, "/%0150d", i);
	assert_int_equal(open_in(&other, path, "always", &err), ST_OK);
	assert_true(journal_client_wait(&other, true));
	assert_int_equal(journal_client_append_now(&other, &answer, "alice", &none, "one"),
			 JOURNAL_OK);
	journal_client_close(&other);
	wait_for_the_end(path);
}

static void what_was_written_is_there_again(void **state)
{
	struct journal_head head;

	(void)state;
	open_ready("always");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "one"),
			 JOURNAL_OK);
	head = answer.head;
	journal_client_close(&client);
	open_ready("always"); /* waits for the old server's end by itself */
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "one\n"));
	assert_int_equal(journal_client_verify_now(&client, "alice", &head), JOURNAL_OK);
}

static void a_killed_child_comes_back(void **state)
{
	struct journal_head head = none;

	(void)state;
	open_ready("always");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "x"),
				 JOURNAL_OK);
		head = answer.head;
		assert_int_equal(kill(child_pid(), SIGKILL), 0);
		assert_true(journal_client_wait_reason(&client, "signal 9"));
	}
	/* Asked while it is away. */
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "x"),
			 JOURNAL_OK);
	assert_true(answer.head.sequence == 4);
	assert_null(redis_journal_fatal(client.journal));
}

static void memory_is_empty_after_a_crash_and_goes_on(void **state)
{
	(void)state;
	open_ready("memory");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_OK);
	assert_int_equal(kill(child_pid(), SIGKILL), 0);
	assert_true(journal_client_wait(&client, false));
	assert_true(journal_client_wait(&client, true));
	assert_int_equal(journal_client_verify_now(&client, "alice", &answer.head),
			 JOURNAL_CONFLICT);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(answer.head.sequence == 0);
}

static void one_at_a_time(void **state)
{
	struct journal_client second = {0};
	struct journal_head head;
	struct error err;

	(void)state;
	open_ready("always");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_OK);
	head = answer.head;
	assert_int_equal(open_in(&second, directory, "always", &err), ST_OK);
	journal_client_run(&second, 100);
	assert_false(journal_client_is_ready(&second));
	assert_int_equal(journal_client_verify_now(&client, "alice", &head), JOURNAL_OK);
	journal_client_close(&client);
	assert_true(journal_client_wait(&second, true));
	assert_int_equal(journal_client_verify_now(&second, "alice", &head), JOURNAL_OK);
	journal_client_close(&second);
}

/* ---- what cannot work ----------------------------------------------------------------------- */
struct told {
	unsigned started;
	bool is_stopped;
	struct error error;
};

static void on_started(void *data)
{
	((struct told *)data)->started++;
}

static void on_stopped(void *data, const struct error *error)
{
	struct told *told = data;

	told->is_stopped = true;
	told->error = *error;
}

static const struct embedded_ops ops = {on_started, on_stopped};

static void a_lock_held_for_too_long_is_the_end(void **state)
{
	const struct embedded_params params = {directory, "redis-server", "memory", 100};
	struct embedded *embedded;
	struct told told = {0};
	struct error err;
	char path[512];
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/LOCK", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(journal_client_loop(&client, &err), ST_OK);
	assert_int_equal(embedded_open(client.loop, &params, &ops, &told, &embedded, &err), ST_OK);
	assert_null(embedded_fatal(embedded));
	assert_true(journal_client_until(&client, &told.is_stopped));
	assert_int_equal(told.started, 0);
	assert_non_null(embedded_fatal(embedded));
	assert_non_null(strstr(told.error.message, "another process uses the journal"));
	assert_non_null(strstr(told.error.message, directory));
	embedded_close(embedded);
	(void)close(fd);
}

static void what_cannot_be_opened(void **state)
{
	const struct {
		const char *name;
		struct embedded_params params;
		enum status status;
		const char *says;
	} rows[] = {
		{"no program",
		 {directory, "no-such-redis-server", "always", 0},
		 ST_NOT_FOUND,
		 "no-such-redis-server is missing: install it (apt install redis-server)"},
		{"no class",
		 {directory, "redis-server", "sometimes", 0},
		 ST_INVALID_ARGUMENT,
		 "\"sometimes\" is none of always, everysec, memory"},
		{"no directory",
		 {"/dev/null/x", "redis-server", "always", 0},
		 ST_INVALID_ARGUMENT,
		 "/dev/null"},
		{"no directory but a file",
		 {"/dev/null", "redis-server", "always", 0},
		 ST_INVALID_ARGUMENT,
		 "/dev/null is no directory"},
	};
	struct embedded *embedded;
	struct told told = {0};
	struct error err;

	(void)state;
	assert_int_equal(journal_client_loop(&client, &err), ST_OK);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name, embedded_open(client.loop, &rows[i].params, &ops, &told,
						     &embedded, &err) == rows[i].status);
		if (!strstr(err.message, rows[i].says))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
	}
	assert_false(told.is_stopped);
}

static void overwrite_middle(const char *path)
{
	struct stat info;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	assert_int_equal(pwrite(fd, "garbage!", 8, info.st_size / 2), 8);
	(void)close(fd);
}

/* Nobody repairs data behind its owner's back. */
static void damaged_data_is_the_end(void **state)
{
	struct error err;
	char path[512];

	(void)state;
	open_ready("always");
	for (int i = 0; i < 10; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "e%d", i);
		assert_int_equal(journal_client_append_now(&client, &answer, id, &none, "x"),
				 JOURNAL_OK);
	}
	journal_client_close(&client);
	wait_for_the_end(directory);
	(void)snprintf(path, sizeof(path), "%s/appendonlydir/appendonly.aof.1.incr.aof", directory);
	overwrite_middle(path);
	assert_int_equal(open_in(&client, directory, "always", &err), ST_OK);
	assert_true(journal_client_wait_reason(&client, "Bad file format"));
	assert_non_null(redis_journal_fatal(client.journal));
	assert_int_equal(redis_journal_fatal(client.journal)->status, ST_DATA_LOSS);
	journal_client_run(&client, 5);
	assert_true(client.state_changes > 0);
}

/* A disk of 3 MiB; needs the right to mount. */
static void a_full_disk(void **state)
{
	char *payload = mem_zalloc(64 * 1024 + 1);
	struct journal_head head = none;
	uint64_t deadline = clock_mono_ns() + 15 * NS_PER_S;

	(void)state;
	if (mount("none", directory, "tmpfs", 0, "size=3m") != 0) {
		print_message("skipped: cannot mount a tmpfs (%s)\n", strerror(errno));
		mem_free(payload);
		skip();
	}
	memset(payload, 'x', 64 * 1024);
	open_ready("always");
	do {
		journal_client_append_new(&client, &answer, "alice", &head, payload, 1000);
		assert_true(journal_client_until(&client, &answer.is_done));
		if (answer.result == JOURNAL_OK)
			head = answer.head;
	} while (answer.result == JOURNAL_OK && clock_mono_ns() < deadline);
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_true(head.sequence > 10);
	/* It may be up again by now, for the half-written end is cut off: until the next append. */
	journal_client_append_new(&client, &last, "bob", &none, payload, 15000);
	assert_true(journal_client_wait_reason(&client, "the disk is full"));
	/* Room again: all that was acknowledged is there. */
	assert_int_equal(mount("none", directory, "tmpfs", MS_REMOUNT, "size=64m"), 0);
	assert_true(journal_client_until(&client, &last.is_done));
	assert_true(journal_client_wait(&client, true));
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(answer.head.sequence >= head.sequence);
	assert_true(answer.head.sequence <= head.sequence + 1);
	mem_free(payload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ready_soon_and_as_promised),
		TEST(makes_its_directory),
		TEST(in_a_deep_directory),
		TEST(what_was_written_is_there_again),
		TEST(a_killed_child_comes_back),
		TEST(memory_is_empty_after_a_crash_and_goes_on),
		TEST(one_at_a_time),
		TEST(a_lock_held_for_too_long_is_the_end),
		TEST(what_cannot_be_opened),
		TEST(damaged_data_is_the_end),
		TEST(a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
