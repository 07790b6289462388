#ifndef HEADGATE_SRC_CLI_JOURNAL_IMPORT_H
#define HEADGATE_SRC_CLI_JOURNAL_IMPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "journal/export.h"
#include "src/cli/journal.h"

/* The lines of a file, one in memory. */
struct line_source {
	FILE *file;
	char *line;
	size_t cap;
	struct export_reader reader;
};

/* "-" is standard input. ST_NOT_FOUND; release with _fini in any case. */
enum status line_source_open(struct line_source *source, const char *path, struct error *err);
/* ST_CANCELLED at the end, which was complete. */
enum status line_source_next(struct line_source *source, struct export_line *ret_line,
			     struct error *err);
/* Reads all of it once, if it can be read again, so that nothing is done by half of a file. */
enum status line_source_check(struct line_source *source, struct error *err);
void line_source_fini(struct line_source *source);

#endif
