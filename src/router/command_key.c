#include "src/router/command_key.h"

#include <stdbool.h>
#include <string.h>

#include "src/base/error.h"
#include "src/grpc/metadata.h"
#include "src/runtime/digest.h"

#define NAME "idempotency-key"

static enum status refuse(struct error *err, const char *what)
{
	(void)error_set(err, ST_INVALID_ARGUMENT, "Idempotency-Key %s", what);
	error_set_field(err, "%s", NAME);
	return ST_INVALID_ARGUMENT;
}

static struct span trim(struct span text)
{
	while (text.len && text.data[0] == ' ')
		text = span_skip(text, 1);
	while (text.len && text.data[text.len - 1] == ' ')
		text.len--;
	return text;
}

/* sf-string = DQUOTE *chr DQUOTE; a backslash stands before a quote or another one. */
static enum status unquote(struct span text, struct command_key *key, size_t *ret_len,
			   struct error *err)
{
	size_t len = 0;
	size_t at = 1;

	while (at < text.len && text.data[at] != '"') {
		bool is_escaped = text.data[at] == '\\';

		at += is_escaped;
		if (at == text.len || (is_escaped && text.data[at] != '"' && text.data[at] != '\\'))
			return refuse(err, "has a backslash that stands for nothing");
		if (len == sizeof(key->bytes_))
			return refuse(err, "is longer than 255 bytes");
		key->bytes_[len++] = text.data[at++];
	}
	if (at + 1 != text.len)
		return refuse(err, "is no string: its quotes must be the first and the last of it");
	*ret_len = len;
	return ST_OK;
}

static enum status read_one(struct span value, struct command_key *key, struct error *err)
{
	struct span text = trim(value);
	size_t len = text.len;
	enum status status = ST_OK;

	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7E)
			return refuse(err, "may have printable ASCII characters only");
	if (text.len && text.data[0] == '"') {
		status = unquote(text, key, &len, err);
	} else if (text.len > sizeof(key->bytes_)) {
		status = refuse(err, "is longer than 255 bytes");
	} else if (text.len) {
		memcpy(key->bytes_, text.data, text.len);
	}
	if (status == ST_OK && len == 0)
		status = refuse(err, "is empty");
	key->text = span_make(key->bytes_, len);
	return status;
}

enum status command_key_read(const struct metadata *metadata, struct command_key *ret_key,
			     struct error *err)
{
	const struct metadata_item *found = NULL;

	ret_key->text = SPAN_EMPTY;
	for (size_t i = 0; i < metadata->count; i++) {
		if (!span_eq_str(metadata->items[i].key, NAME))
			continue;
		if (found)
			return refuse(err, "was given more than once");
		found = &metadata->items[i];
	}
	return found ? read_one(found->value, ret_key, err) : ST_OK;
}

static struct journal_id digest_of(const struct span *parts, size_t count)
{
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct journal_id id;

	digest_sha256_parts(parts, count, digest);
	memcpy(id.bytes, digest, sizeof(id.bytes));
	return id;
}

struct journal_id command_key_derive(const struct journal_id *command, enum followup_kind kind,
				     uint64_t index)
{
	uint8_t number[8];
	const struct span parts[] = {
		span_make(command->bytes, sizeof(command->bytes)),
		kind == FOLLOWUP_FORWARD ? SPAN_LIT("forward") : SPAN_LIT("effect"),
		span_make(number, sizeof(number)),
	};

	for (size_t i = 0; i < sizeof(number); i++)
		number[i] = (uint8_t)(index >> (56 - 8 * i));
	return digest_of(parts, sizeof(parts) / sizeof(*parts));
}

struct journal_id command_key_call(struct span method, struct span key)
{
	const struct span parts[] = {method, key};

	return digest_of(parts, sizeof(parts) / sizeof(*parts));
}
