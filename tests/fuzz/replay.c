/* The main of a fuzz target without libFuzzer: feeds every file of corpus/<target>/ to the target
 * and says so in TAP. A crash ends the program before its plan is fulfilled, which fails the test.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/mem.h"

/* Larger inputs than any target takes; only guards against a stray file. */
#define REPLAY_INPUT_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_read(const char *path, struct buf *ret_content)
{
	FILE *file = fopen(path, "rb");
	bool is_ok = file != NULL;

	while (is_ok) {
		uint8_t *room = buf_reserve(ret_content, 65536);
		size_t got = room ? fread(room, 1, 65536, file) : 0;

		if (got == 0) {
			is_ok = room && !ferror(file);
			break;
		}
		buf_commit(ret_content, got);
	}
	if (file)
		(void)fclose(file); /* only read from */
	return is_ok;
}

/* The target sees an exact copy on the heap, so that reading past its end is found. */
static void replay_run(struct span input)
{
	uint8_t *copy = mem_new_array(uint8_t, input.len ? input.len : 1);

	if (input.len)
		memcpy(copy, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(copy, input.len); /* always 0 */
	mem_free(copy);
}

static int replay_is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("top_srcdir");
	const char *name = strrchr(argv[0], '/');
	struct dirent **entries = NULL;
	char path[4096];
	struct buf content;
	int count;

	(void)argc;
	name = name ? name + 1 : argv[0];
	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name);
	count = scandir(path, &entries, replay_is_input, alphasort);
	if (count < 0)
		count = 0;
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* a crash must not swallow earlier lines */
	printf("1..%d\nok 1 - empty input\n", count + 1);
	replay_run(SPAN_EMPTY);
	buf_init(&content, REPLAY_INPUT_MAX);
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s/%s",
			       srcdir ? srcdir : ".", name, entries[i]->d_name);
		buf_reset(&content);
		if (replay_read(path, &content)) {
			replay_run(buf_span(&content));
			printf("ok %d - %s\n", i + 2, entries[i]->d_name);
		} else {
			printf("not ok %d - cannot read %s\n", i + 2, path);
		}
		free(entries[i]);
	}
	free(entries);
	buf_fini(&content);
	return 0;
}
