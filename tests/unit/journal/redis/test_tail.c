/* A real redis-server that goes back to what it was: the loss is noticed, counted and kept. */
#include "journal/redis/tail.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/redis/tail_file.h"
#include "journal/salvage.h"
#include "src/base/error.h"
#include "src/base/metrics.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

#define HEAD "hg1:ns:{33}:h:cart/alice"
#define EVENTS "hg1:ns:{33}:e:cart/alice"
#define FEED "hg1:ns:{33}:f:cart"

static struct redis_server *server;
static struct journal_client client;
static struct journal_answer answer;
static const struct journal_head none;
static struct {
	unsigned calls;
	unsigned partition;
} regressed;

static void on_regressed(void *data, unsigned partition, struct span type)
{
	(void)data;
	assert_true(span_eq_str(type, "cart"));
	regressed.calls++;
	regressed.partition = partition;
}

static int setup(void **state)
{
	struct redis_journal_params params = journal_client_params();
	struct error err;

	(void)state;
	memset(&regressed, 0, sizeof(regressed));
	server = redis_server_start((const char *const[]){NULL});
	params.salvage_directory = redis_server_directory(server);
	assert_int_equal(journal_client_open(&client, redis_server_url(server), &params, &err),
			 ST_OK);
	redis_journal_on_regressed(client.journal, on_regressed, NULL);
	assert_true(journal_client_wait(&client, true));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	journal_client_close(&client);
	redis_server_stop(server);
	return 0;
}

static struct journal_head write_on(const struct journal_head *head, const char *payload)
{
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", head, payload),
			 JOURNAL_OK);
	return answer.head;
}

static void keep(void)
{
	(void)redis_server_ask(server, "COPY " HEAD " {33}h");
	(void)redis_server_ask(server, "COPY " EVENTS " {33}e");
	(void)redis_server_ask(server, "COPY " FEED " {33}f");
}

static void go_back(void)
{
	(void)redis_server_ask(server, "COPY {33}h " HEAD " REPLACE");
	(void)redis_server_ask(server, "COPY {33}e " EVENTS " REPLACE");
	(void)redis_server_ask(server, "COPY {33}f " FEED " REPLACE");
}

/* Somebody else's event, as append.lua writes it. */
static void write_other(unsigned sequence)
{
	(void)redis_server_ask(server,
			       "XADD " EVENTS " %u-0 c 0123456789abcdef g otherotherothe%02u w 1 t "
			       "T p other",
			       sequence, sequence);
	(void)redis_server_ask(server, "HSET " HEAD " s %u g otherotherothe%02u", sequence,
			       sequence);
	(void)redis_server_ask(server, "XADD " FEED " 0-%u e alice s %u n 1", sequence, sequence);
}

static void reconnect(void)
{
	(void)redis_server_ask(server, "CLIENT KILL TYPE normal SKIPME yes");
	assert_true(journal_client_wait(&client, false));
	assert_true(journal_client_wait(&client, true));
	journal_client_run(&client, 50);
}

static int64_t lost(void)
{
	return metrics_value(metrics_series(client.metrics, METRIC_JOURNAL_LOST_EVENTS, NULL, 0));
}

/* Lines of the salvage files: events with base, and their payloads one behind the other. */
static size_t salvaged(char *text, size_t size)
{
	DIR *directory = opendir(redis_server_directory(server));
	const struct dirent *entry;
	size_t count = 0;

	text[0] = 0;
	while ((entry = readdir(directory))) {
		char path[600];
		char line[4096];
		FILE *file;
		struct export_reader reader;
		struct export_line it;
		struct error err;

		if (strncmp(entry->d_name, SALVAGE_PREFIX, strlen(SALVAGE_PREFIX)) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", redis_server_directory(server),
			       entry->d_name);
		file = fopen(path, "r");
		export_reader_init(&reader);
		while (fgets(line, sizeof(line), file)) {
			assert_int_equal(export_read(&reader, span_make(line, strcspn(line, "\n")),
						     &it, &err),
					 ST_OK);
			if (it.sort == EXPORT_BEGIN)
				continue;
			assert_true(it.base.data);
			count++;
			for (size_t i = 0; i < it.field_count; i++) {
				size_t len = strlen(text);

				if (span_eq_str(it.fields[i].name, "p") ||
				    span_eq_str(it.fields[i].name, "zp"))
					(void)snprintf(text + len, size - len, "%.*s ",
						       SPAN_FMT(it.fields[i].value));
			}
		}
		assert_true(reader.is_salvage);
		export_reader_fini(&reader);
		(void)fclose(file);
	}
	(void)closedir(directory);
	return count;
}

static void expect(int64_t count, size_t lines, const char *want)
{
	char text[512];

	assert_int_equal(lost(), count);
	assert_int_equal(salvaged(text, sizeof(text)), lines);
	assert_string_equal(text, want);
	assert_int_equal(regressed.calls, count ? 1 : 0);
	assert_int_equal(regressed.partition, count ? 33 : 0);
}

static void nothing_is_lost(void **state)
{
	struct journal_head head = write_on(&none, "one");

	(void)state;
	(void)write_on(&head, "two");
	reconnect();
	expect(0, 0, "");
}

static void the_newest_are_gone(void **state)
{
	struct journal_head first = write_on(&none, "one");
	struct journal_head head;

	(void)state;
	keep();
	head = write_on(&first, "two");
	(void)write_on(&head, "three");
	go_back();
	reconnect();
	expect(2, 2, "two three ");
	/* Reported once, and served on. */
	(void)write_on(&first, "again");
	reconnect();
	assert_int_equal(lost(), 2);
}

static void others_stand_in_their_place(void **state)
{
	struct journal_head first = write_on(&none, "one");
	struct journal_head head;

	(void)state;
	keep();
	head = write_on(&first, "two");
	(void)write_on(&head, "three");
	go_back();
	write_other(2);
	write_other(3);
	reconnect();
	expect(2, 2, "two three ");
}

/* On the same connection, as when the server that is talked to is exchanged behind an address. */
static void a_conflict_with_less_shows_it(void **state)
{
	struct journal_head first = write_on(&none, "one");
	struct journal_head head;

	(void)state;
	keep();
	head = write_on(&first, "two");
	go_back();
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "three"),
			 JOURNAL_CONFLICT);
	journal_client_run(&client, 50);
	expect(1, 1, "two ");
}

static void all_are_gone(void **state)
{
	struct journal_head head = write_on(&none, "one");

	(void)state;
	(void)write_on(&head, "two");
	(void)redis_server_ask(server, "DEL " HEAD " " EVENTS " " FEED);
	reconnect();
	expect(2, 2, "one two ");
}

/* Trimmed or erased on purpose is not lost. */
static void trimmed_is_not_lost(void **state)
{
	struct journal_head head = write_on(&none, "one");

	(void)state;
	(void)write_on(&head, "two");
	(void)redis_server_ask(server, "XTRIM " EVENTS " MAXLEN 0");
	(void)redis_server_ask(server, "HSET " HEAD " x 1");
	reconnect();
	expect(0, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(the_newest_are_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(others_stand_in_their_place, setup, teardown),
		cmocka_unit_test_setup_teardown(a_conflict_with_less_shows_it, setup, teardown),
		cmocka_unit_test_setup_teardown(all_are_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(trimmed_is_not_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
