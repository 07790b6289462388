#include "src/runtime/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct fixture {
	char root[32];
};

static void path_of(const struct fixture *f, const char *name, char path[128])
{
	(void)snprintf(path, 128, "%s%s", f->root, name);
}

/* NULL: no such file. */
static void set_quota(const struct fixture *f, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	path_of(f, name, path);
	(void)unlink(path);
	if (!text)
		return;
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void quota_is_the_least_of_the_groups(void **state)
{
	static const struct {
		const char *name;
		const char *outer;
		const char *inner;
		unsigned cpus;
	} rows[] = {
		{"no files", NULL, NULL, 0},
		{"no limits", "max 100000\n", "max 100000\n", 0},
		{"whole cores", NULL, "200000 100000\n", 2},
		{"a part of a core counts", NULL, "150000 100000\n", 2},
		{"less than one", NULL, "1000 100000\n", 1},
		{"the outer one is tighter", "100000 100000\n", "400000 100000\n", 1},
		{"the inner one is tighter", "400000 100000\n", "300000 100000\n", 3},
		{"only outside", "250000 100000\n", "max 100000\n", 3},
		{"no period", NULL, "100000 0\n", 0},
		{"nonsense", NULL, "many\n", 0},
		{"empty", NULL, "", 0},
	};
	struct fixture f = {.root = "/tmp/headgate-cpus-XXXXXX"};
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(f.root));
	path_of(&f, "/a", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(&f, "/a/b", path);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_quota(&f, "/a/cpu.max", rows[i].outer);
		set_quota(&f, "/a/b/cpu.max", rows[i].inner);
		UNIT_ROW(rows[i].name, cpus_quota(f.root, SPAN_LIT("/a/b")) == rows[i].cpus);
	}
	set_quota(&f, "/a/cpu.max", NULL);
	set_quota(&f, "/a/b/cpu.max", NULL);
	assert_int_equal(rmdir(path), 0);
	path_of(&f, "/a", path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(f.root), 0);
}

static void affinity_counts(void **state)
{
	cpu_set_t all;
	cpu_set_t one;
	int first = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_true(cpus_usable() >= 1 && cpus_usable() <= (unsigned)CPU_COUNT(&all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(cpus_usable(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quota_is_the_least_of_the_groups),
		cmocka_unit_test(affinity_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
