#include "src/runtime/cpus.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define CPUS_PATH_MAX 4096
#define CPUS_FILE_MAX ((size_t)64 * 1024) /* /proc/self/cgroup with every v1 hierarchy: 2 KiB */

/* cpu.max: "max PERIOD" or "QUOTA PERIOD", in microseconds. 0: no limit, or nothing to be read. */
static unsigned cpus_of_text(struct span text)
{
	size_t space = span_find(text, ' ');
	struct span second = span_skip(text, space + 1);
	uint64_t quota;
	uint64_t period;

	if (!text_to_u64(span_head(text, space), &quota) ||
	    !text_to_u64(span_head(second, span_find(second, '\n')), &period) || period == 0)
		return 0;
	quota = quota / period + (quota % period != 0);
	return quota > UINT16_MAX ? UINT16_MAX : (unsigned)quota;
}

unsigned cpus_quota(const char *root, struct span path)
{
	unsigned least = 0;

	for (;;) {
		char name[CPUS_PATH_MAX];
		struct buf text;
		unsigned cpus = 0;

		while (path.len && path.data[path.len - 1] == '/')
			path.len--;
		(void)snprintf(name, sizeof(name), "%s%.*s/cpu.max", root, SPAN_FMT(path));
		buf_init(&text, CPUS_FILE_MAX);
		if (file_load(name, CPUS_FILE_MAX, &text, NULL) == ST_OK)
			cpus = cpus_of_text(buf_span(&text));
		buf_fini(&text);
		if (cpus && (!least || cpus < least))
			least = cpus;
		if (!path.len)
			return least;
		while (path.len && path.data[path.len - 1] != '/')
			path.len--;
	}
}

/* Of the line "0::PATH": the group in the one hierarchy of version 2. */
static unsigned cpus_of_group(void)
{
	struct buf text;
	unsigned cpus = 0;
	struct span rest;

	buf_init(&text, CPUS_FILE_MAX);
	if (file_load("/proc/self/cgroup", CPUS_FILE_MAX, &text, NULL) == ST_OK) {
		for (rest = buf_span(&text); rest.len;) {
			struct span line = span_head(rest, span_find(rest, '\n'));

			if (span_starts_with(line, SPAN_LIT("0::")))
				cpus = cpus_quota("/sys/fs/cgroup", span_skip(line, 3));
			rest = span_skip(rest, line.len + 1);
		}
	}
	buf_fini(&text);
	return cpus;
}

unsigned cpus_usable(void)
{
	unsigned quota = cpus_of_group();
	cpu_set_t set;
	long cpus;

	CPU_ZERO(&set);
	/* Fails on machines with more than 1024 cores; those have no lack of them. */
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cpus = CPU_COUNT(&set);
	else
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 1)
		cpus = 1;
	return quota && quota < (unsigned)cpus ? quota : (unsigned)cpus;
}
