#include "src/base/file.h"

#include <errno.h>
#include <stdio.h>

#include "src/base/error.h"

/* Read in pieces, so that a small file does not cost its limit. */
#define FILE_PIECE_BYTES ((size_t)64 * 1024)

static enum status file_read(FILE *stream, const char *path, size_t max_bytes, struct buf *out,
			     struct error *err)
{
	size_t total = 0;

	for (;;) {
		uint8_t *room = buf_reserve(out, FILE_PIECE_BYTES);
		size_t got;

		if (!room)
			return error_set(err, ST_INVALID_ARGUMENT, "%.200s: larger than %zu bytes",
					 path, max_bytes);
		got = fread(room, 1, FILE_PIECE_BYTES, stream);
		buf_commit(out, got);
		total += got;
		if (ferror(stream))
			return error_set_errno(err, ST_UNAVAILABLE, errno, "%.200s", path);
		if (total > max_bytes)
			return error_set(err, ST_INVALID_ARGUMENT, "%.200s: larger than %zu bytes",
					 path, max_bytes);
		if (got < FILE_PIECE_BYTES)
			return ST_OK;
	}
}

enum status file_load(const char *path, size_t max_bytes, struct buf *out, struct error *err)
{
	bool is_stdin = path[0] == '-' && path[1] == '\0';
	FILE *stream = is_stdin ? stdin : fopen(path, "rbe");
	struct buf content;
	enum status status;

	if (!stream)
		return error_set_errno(err, errno == ENOENT ? ST_NOT_FOUND : ST_UNAVAILABLE, errno,
				       "%.200s", path);
	buf_init(&content, max_bytes + FILE_PIECE_BYTES);
	status = file_read(stream, path, max_bytes, &content, err);
	if (status == ST_OK && !buf_append(out, buf_span(&content)))
		status = error_set(err, ST_INVALID_ARGUMENT, "%.200s: larger than %zu bytes", path,
				   max_bytes);
	if (!is_stdin)
		(void)fclose(stream); /* only read from */
	buf_fini(&content);
	return status;
}
