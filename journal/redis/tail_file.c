#include "journal/redis/tail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/salvage.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* Files of one millisecond. */
#define NAME_TRIES 100U
/* Of an append: event fields; of a put: d g s v zp zt. */
#define FIELDS_MAX 7

/* ---- the command ---------------------------------------------------------------------------- */
/* "<mark><number>\r\n" at the front. */
static bool take_number(struct span *text, char mark, uint64_t *ret_number)
{
	size_t end = span_find(*text, '\r');

	if (end == text->len || end < 2 || text->data[0] != (uint8_t)mark ||
	    !text_to_u64(span_make(text->data + 1, end - 1), ret_number))
		return false;
	*text = span_skip(*text, end + 2);
	return true;
}

static bool take_word(struct span *text, struct span *ret_word)
{
	uint64_t len;

	if (!take_number(text, '$', &len) || len + 2 > text->len)
		return false;
	*ret_word = span_head(*text, (size_t)len);
	*text = span_skip(*text, (size_t)len + 2);
	return true;
}

static bool read_args(struct span text, struct tail_command *c, size_t *ret_count)
{
	const struct span asking = SPAN_LIT("*1\r\n$6\r\nASKING\r\n");
	uint64_t count;

	if (span_starts_with(text, asking))
		text = span_skip(text, asking.len);
	if (!take_number(&text, '*', &count) || count > text.len)
		return false;
	c->args_ = mem_new_array(struct span, count + 1);
	for (size_t i = 0; i < count; i++) {
		if (!take_word(&text, &c->args_[i]))
			return false;
	}
	*ret_count = (size_t)count;
	return true;
}

bool tail_command_read(struct span text, struct tail_command *c)
{
	size_t count;
	bool is_append;
	const struct span *arg;

	*c = (struct tail_command){0};
	if (!read_args(text, c, &count) || count < 13)
		return false;
	is_append = span_eq_str(c->args_[2], "4");
	arg = c->args_ + 3;
	c->head_key = *arg++;
	if (is_append)
		c->events_key = *arg++;
	c->feed_key = *arg++;
	arg++; /* index */
	c->id = *arg++;
	if (!text_to_u64(*arg++, &c->expected))
		return false;
	c->expected_tag = *arg++;
	c->tag = *arg++;
	c->command = *arg++;
	if (is_append)
		c->wall = *arg++;
	c->kept = *arg++;
	c->reply = *arg++;
	if (is_append)
		arg++; /* how many; the snapshot behind them is not for a salvage file */
	c->payloads = arg;
	c->payload_count = count - (size_t)(arg - c->args_);
	if (is_append) {
		uint64_t events;

		if (!text_to_u64(arg[-1], &events) || 2 * events > c->payload_count)
			return false;
		c->payload_count = 2 * (size_t)events;
	}
	return true;
}

void tail_command_fini(struct tail_command *c)
{
	mem_free(c->args_);
	c->args_ = NULL;
}

/* ---- the file ------------------------------------------------------------------------------- */
static enum status write_line(struct tail_file *file, const struct export_line *line,
			      struct error *err)
{
	struct buf out;
	struct span rest;
	enum status st = ST_OK;

	buf_init(&out, EXPORT_LINE_MAX);
	if (!export_write(&file->writer_, line, &out))
		st = error_set(err, ST_RESOURCE_EXHAUSTED, "a line is too long");
	rest = buf_span(&out);
	while (st == ST_OK && rest.len) {
		ssize_t done = write(file->fd_, rest.data, rest.len);

		if (done < 0 && errno != EINTR)
			st = error_set_errno(err, ST_UNAVAILABLE, errno, "%.200s", file->path);
		else if (done > 0)
			rest = span_skip(rest, (size_t)done);
	}
	buf_fini(&out);
	return st;
}

enum status tail_file_open(struct tail_file *file, const char *directory, struct error *err)
{
	const struct export_line begin = {.sort = EXPORT_BEGIN, .is_salvage = true};
	uint64_t now = clock_wall_ms();
	int fd = -1;

	if (file->fd_ > 0)
		return ST_OK;
	for (unsigned i = 0; fd < 0 && i < NAME_TRIES; i++) {
		(void)snprintf(file->path, sizeof(file->path),
			       "%s/" SALVAGE_PREFIX "%" PRIu64 SALVAGE_SUFFIX, directory, now + i);
		fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		return error_set_errno(err, ST_UNAVAILABLE, errno, "%.200s", file->path);
	file->fd_ = fd;
	export_writer_init(&file->writer_);
	return write_line(file, &begin, err);
}

static enum status write_events(struct tail_file *file, struct export_line *line,
				const struct tail_command *c, struct error *err)
{
	size_t count = c->payload_count / 2;
	enum status st = ST_OK;

	line->sort = EXPORT_EVENT;
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		bool is_kept = i + 1 == count && c->kept.len;
		const struct admin_field fields[FIELDS_MAX] = {
			{SPAN_LIT("c"), c->command},
			{SPAN_LIT("g"), c->tag},
			{SPAN_LIT("w"), c->wall},
			{SPAN_LIT("t"), c->payloads[2 * i]},
			{SPAN_LIT("p"), c->payloads[2 * i + 1]},
			{SPAN_LIT("k"), c->kept},
			{SPAN_LIT("r"), c->reply},
		};

		line->sequence = c->expected + 1 + i;
		line->fields = fields;
		line->field_count = is_kept ? 7 : 5;
		st = write_line(file, line, err);
		line->base = (struct span){0};
	}
	return st;
}

static void put_big_endian(struct buf *out, size_t value, unsigned bytes)
{
	while (bytes--)
		(void)buf_append_byte(out, (uint8_t)(value >> 8 * bytes)); /* as put.lua packs it */
}

/* The field d with this one command: what was before it nobody here knows. */
static void make_commands(const struct tail_command *c, struct buf *d)
{
	size_t rest = c->kept.len ? 2 + c->kept.len + c->reply.len : 0;

	put_big_endian(d, 1, 1);
	put_big_endian(d, 32 + rest, 4);
	(void)buf_append(d, c->command); /* bounded as a command is */
	(void)buf_append(d, c->tag);
	if (rest) {
		put_big_endian(d, c->kept.len, 2);
		(void)buf_append(d, c->kept);
		(void)buf_append(d, c->reply);
	}
}

static enum status write_head(struct tail_file *file, struct export_line *line,
			      const struct tail_command *c, struct error *err)
{
	char digits[TEXT_U64_DIGITS];
	struct buf d;
	bool has_state = c->payload_count == 2;
	enum status st;

	buf_init(&d, EXPORT_LINE_MAX);
	make_commands(c, &d);
	{
		const struct admin_field fields[FIELDS_MAX] = {
			{SPAN_LIT("d"), buf_span(&d)},
			{SPAN_LIT("g"), c->tag},
			{SPAN_LIT("s"), text_from_u64(c->expected + 1, digits)},
			{SPAN_LIT("v"), SPAN_LIT("1")},
			{SPAN_LIT("zp"), has_state ? c->payloads[1] : SPAN_EMPTY},
			{SPAN_LIT("zt"), has_state ? c->payloads[0] : SPAN_EMPTY},
		};

		line->sort = EXPORT_HEAD;
		line->fields = fields;
		line->field_count = has_state ? 6 : 4;
		st = write_line(file, line, err);
	}
	buf_fini(&d);
	return st;
}

enum status tail_file_write(struct tail_file *file, struct span type, const struct tail_command *c,
			    struct span base, struct error *err)
{
	struct export_line line = {.type = type, .id = c->id, .base = base};

	if (!line.base.data)
		line.base = SPAN_LIT("");
	return c->events_key.len ? write_events(file, &line, c, err)
				 : write_head(file, &line, c, err);
}

bool tail_file_close(struct tail_file *file)
{
	bool is_good = true;

	if (file->fd_ > 0)
		is_good = fsync(file->fd_) == 0 && close(file->fd_) == 0;
	file->fd_ = 0;
	return is_good;
}
