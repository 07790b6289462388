#include "tests/fakes/test_library.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/c/wire.h"

#define TYPE(NAME) "type.googleapis.com/library." NAME

/* Longer than any client waits, so that its deadline passes. */
#define RARE_WAIT_MS 60000
#define DAYS_MAX 30

static struct headgate_bytes as_is(const void *message)
{
	return *(const struct headgate_bytes *)message;
}

#define ECHO(NAME, TYPE_NAME)                                                                      \
	static int NAME(struct headgate_context *context, void *state, const void *message)        \
	{                                                                                          \
		(void)state;                                                                       \
		return headgate_reply_any(context, TYPE(TYPE_NAME), as_is(message));               \
	}

ECHO(echo_book, "Book")
ECHO(echo_book_name, "BookName")
ECHO(echo_cover, "Cover")
ECHO(echo_file, "File")
ECHO(echo_query, "Query")
ECHO(echo_update, "BookUpdate")

/* The last value of a field; empty or 0 when it is not there. */
static struct headgate_bytes find_bytes(struct headgate_bytes message, uint32_t number)
{
	struct headgate_bytes found = {"", 0};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, message);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, number))
			found = field.bytes;
	return found;
}

static int64_t find_number(struct headgate_bytes message, uint32_t number)
{
	int64_t found = 0;
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, message);
	while (hg_reader_next(&reader, &field))
		if (hg_is_varint(&field, number))
			found = (int64_t)field.value;
	return found;
}

static int reply_nothing(struct headgate_context *context, void *state, const void *message)
{
	(void)state;
	(void)message;
	return headgate_reply_any(context, "type.googleapis.com/google.protobuf.Empty",
				  (struct headgate_bytes){"", 0});
}

static int get_cover(struct headgate_context *context, void *state, const void *message)
{
	const struct headgate_bytes type = hg_text("image/svg+xml");
	const struct headgate_bytes data = hg_text("<svg/>");
	size_t size = hg_bytes_field_size(1, type.size) + hg_bytes_field_size(2, data.size);
	uint8_t *body = headgate_alloc(context, 1, size);

	(void)state;
	(void)message;
	if (!body)
		return -1;
	(void)hg_put_bytes_field(hg_put_bytes_field(body, 1, type), 2, data); /* size bytes */
	return headgate_reply_any(context, "type.googleapis.com/google.api.HttpBody",
				  (struct headgate_bytes){body, size});
}

/* ---- Loans that fail --------------------------------------------------------------------------
 */

static int borrow(struct headgate_context *context, void *state, const void *message)
{
	struct headgate_bytes book = find_bytes(as_is(message), 1);

	(void)state;
	if (find_bytes(as_is(message), 2).size == 0)
		return headgate_fail(context, HEADGATE_UNAUTHENTICATED, "who are you?");
	if (hg_bytes_equal(book, "missing"))
		return headgate_fail(context, HEADGATE_NOT_FOUND, "no such book");
	if (hg_bytes_equal(book, "popular"))
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "all copies are lent");
	if (find_number(as_is(message), 3) > DAYS_MAX)
		return headgate_fail(context, HEADGATE_OUT_OF_RANGE, "at most %d days", DAYS_MAX);
	if (hg_bytes_equal(book, "rare"))
		return headgate_wait(context, RARE_WAIT_MS);
	return headgate_reply_any(context, TYPE("Loan"), as_is(message));
}

static int found(struct headgate_context *context, void *state)
{
	(void)state;
	return headgate_reply_any(context, TYPE("Loan"), (struct headgate_bytes){"", 0});
}

/* ---- Streams ----------------------------------------------------------------------------------
 */

struct listing {
	int64_t count;
	int64_t breaks_after;
	int64_t sent;
	int64_t received;
};

static int list(struct headgate_context *context, void *state, const void *message)
{
	struct listing *listing = state;

	(void)context;
	listing->count = find_number(as_is(message), 2);
	listing->breaks_after = find_number(as_is(message), 3);
	return 0;
}

static int list_on(struct headgate_context *context, void *state)
{
	struct listing *listing = state;
	uint8_t *book;
	char name[32];
	size_t size;

	if (listing->breaks_after && listing->sent >= listing->breaks_after)
		return headgate_fail(context, HEADGATE_DATA_LOSS, "the shelf broke");
	if (listing->sent >= listing->count)
		return headgate_end(context);
	(void)snprintf(name, sizeof name, "b%" PRId64, ++listing->sent);
	size = hg_bytes_field_size(1, strlen(name));
	book = headgate_alloc(context, 1, size);
	if (!book)
		return -1;
	(void)hg_put_bytes_field(book, 1, hg_text(name)); /* size bytes */
	return headgate_reply_any(context, TYPE("Book"), (struct headgate_bytes){book, size});
}

static int add(struct headgate_context *context, void *state, const void *message)
{
	struct listing *listing = state;

	(void)context;
	(void)message;
	listing->received++;
	return 0;
}

static int added(struct headgate_context *context, void *state)
{
	const struct listing *listing = state;
	size_t size = hg_varint_field_size(1, (uint64_t)listing->received);
	uint8_t *receipt = headgate_alloc(context, 1, size);

	if (!receipt)
		return -1;
	(void)hg_put_varint_field(receipt, 1, (uint64_t)listing->received); /* size bytes */
	return headgate_reply_any(context, TYPE("Receipt"), (struct headgate_bytes){receipt, size});
}

/* ---- Metadata ---------------------------------------------------------------------------------
 */

/* Appends an entry of Visit.metadata. */
static uint8_t *put_entry(uint8_t *to, const struct headgate_metadata *entry)
{
	to = hg_put_header(to, 1,
			   hg_bytes_field_size(1, entry->key.size) +
				   hg_bytes_field_size(2, entry->value.size));
	return hg_put_bytes_field(hg_put_bytes_field(to, 1, entry->key), 2, entry->value);
}

/* Answers with what came along, but for values that are not text, and sends something back. */
static int enter(struct headgate_context *context, void *state, const void *message)
{
	struct headgate_metadata entry;
	size_t size = 0;
	uint8_t *visit;
	uint8_t *end;

	(void)state;
	(void)message;
	for (size_t i = 0; headgate_metadata_at(context, i, &entry); i++)
		size += 32 + entry.key.size + entry.value.size; /* more than any header needs */
	end = visit = headgate_alloc(context, 1, size + 1);
	if (!visit)
		return -1;
	for (size_t i = 0; headgate_metadata_at(context, i, &entry); i++) {
		const uint8_t *key = entry.key.data;

		if (entry.key.size < 4 || memcmp(key + entry.key.size - 4, "-bin", 4) != 0)
			end = put_entry(end, &entry);
	}
	if (headgate_reply_metadata(context, "x-library", hg_text("open")) ||
	    headgate_reply_metadata(context, "x-stamp-bin", (struct headgate_bytes){"\1\2", 2}))
		return -1;
	return headgate_reply_any(context, TYPE("Visit"),
				  (struct headgate_bytes){visit, (size_t)(end - visit)});
}

static const struct headgate_action_method methods[] = {
	{"GetBook", .on_message = echo_book_name},
	{"GetLatest", .on_message = echo_book_name},
	{"PutBook", .on_message = echo_book},
	{"UpdateBook", .on_message = echo_update},
	{"RemoveBook", .on_message = reply_nothing},
	{"CountBook", .on_message = echo_book_name},
	{"Anything", .on_message = echo_book_name},
	{"SearchBooks", .on_message = echo_query},
	{"ReadFile", .on_message = echo_file},
	{"SetPart", .on_message = echo_book},
	{"GetCover", .on_message = get_cover},
	{"PutCover", .on_message = echo_cover},
	{"Borrow", .on_message = borrow, .on_ready = found},
	{"ListBooks", .on_message = list, .on_ready = list_on,
	 .state_size = sizeof(struct listing)},
	{"AddBooks", .on_message = add, .on_end = added, .state_size = sizeof(struct listing)},
	{"ReviewBooks", .on_message = echo_book},
	{"Enter", .on_message = enter},
	{"Describe", .on_message = echo_book},
	{0},
};

const struct headgate_action test_library = {
	.service_name = "library.Library",
	.methods = methods,
};
