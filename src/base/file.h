#ifndef HEADGATE_SRC_BASE_FILE_H
#define HEADGATE_SRC_BASE_FILE_H

#include <stddef.h>

#include "src/base/buf.h"
#include "src/base/status.h"

struct error;

/* Appends a whole file to out; path "-" is standard input. Blocks: only for start-up and for
 * commands. Errors name the path: ST_NOT_FOUND; ST_UNAVAILABLE (unreadable, a directory);
 * ST_INVALID_ARGUMENT when it is larger than max_bytes. */
MUST_CHECK enum status file_load(const char *path, size_t max_bytes, struct buf *out,
				 struct error *err);

#endif
