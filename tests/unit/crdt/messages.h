#ifndef HEADGATE_TESTS_UNIT_CRDT_MESSAGES_H
#define HEADGATE_TESTS_UNIT_CRDT_MESSAGES_H

/* Messages as a function would write them, built by hand. Each call answers bytes that live until
 * the end of the test's ring of buffers: long enough for one statement. */
#include <string.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/crdt/crdt.h"

#define MESSAGE_RING 256

struct message {
	uint8_t bytes[2048];
	size_t len;
};

static inline struct message *message_next(void)
{
	static struct message ring[MESSAGE_RING];
	static unsigned at;
	struct message *message = &ring[at++ % MESSAGE_RING];

	message->len = 0;
	return message;
}

static inline struct span message_span(const struct message *message)
{
	return span_make(message->bytes, message->len);
}

static inline void message_number(struct message *message, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		message->bytes[message->len++] = (uint8_t)(number | 0x80);
	message->bytes[message->len++] = (uint8_t)number;
}

static inline void message_field(struct message *message, unsigned number, struct span content)
{
	message_number(message, number << 3 | WIRE_BYTES);
	message_number(message, content.len);
	BUG_ON(message->len + content.len > sizeof(message->bytes));
	if (content.len)
		memcpy(message->bytes + message->len, content.data, content.len);
	message->len += content.len;
}

/* Content of one field, alone. */
static inline struct span bytes_field(unsigned number, struct span content)
{
	struct message *message = message_next();

	message_field(message, number, content);
	return message_span(message);
}

static inline struct span integer_field(unsigned number, uint64_t value)
{
	struct message *message = message_next();

	message_number(message, number << 3 | WIRE_VARINT);
	message_number(message, value);
	return message_span(message);
}

static inline struct span joined(struct span a, struct span b)
{
	struct message *message = message_next();

	BUG_ON(a.len + b.len > sizeof(message->bytes));
	if (a.len)
		memcpy(message->bytes, a.data, a.len);
	if (b.len)
		memcpy(message->bytes + a.len, b.data, b.len);
	message->len = a.len + b.len;
	return message_span(message);
}

static inline struct span any(const char *text)
{
	return joined(bytes_field(1, SPAN_LIT("t/x")), bytes_field(2, span_from_str(text)));
}

static inline struct span delta(enum crdt_kind kind, struct span content)
{
	return bytes_field(kind, content);
}

static inline struct span gcounter(uint64_t increment)
{
	return delta(CRDT_GCOUNTER, integer_field(1, increment));
}

static inline struct span pncounter(int64_t change)
{
	return delta(CRDT_PNCOUNTER, integer_field(1, wire_zigzag(change)));
}

static inline struct span gset(const char *text)
{
	return delta(CRDT_GSET, bytes_field(1, any(text)));
}

static inline struct span orset_add(const char *text)
{
	return delta(CRDT_ORSET, bytes_field(3, any(text)));
}

static inline struct span orset_remove(const char *text)
{
	return delta(CRDT_ORSET, bytes_field(2, any(text)));
}

static inline struct span orset_clear(void)
{
	return delta(CRDT_ORSET, integer_field(1, 1));
}

static inline struct span reg(const char *text, unsigned clock, int64_t custom)
{
	return delta(CRDT_LWWREGISTER,
		     joined(bytes_field(1, any(text)),
			    joined(integer_field(2, clock), integer_field(3, (uint64_t)custom))));
}

static inline struct span flag(bool is_on)
{
	return delta(CRDT_FLAG, integer_field(1, is_on));
}

static inline struct span vote(bool is_for)
{
	return delta(CRDT_VOTE, integer_field(1, is_for));
}

static inline struct span map_entry(unsigned field, const char *key, struct span inner)
{
	return delta(CRDT_ORMAP,
		     bytes_field(field, joined(bytes_field(1, any(key)), bytes_field(2, inner))));
}

static inline struct span map_update(const char *key, struct span inner)
{
	return map_entry(3, key, inner);
}

static inline struct span map_add(const char *key, struct span inner)
{
	return map_entry(4, key, inner);
}

static inline struct span map_remove_key(const char *key)
{
	return delta(CRDT_ORMAP, bytes_field(2, any(key)));
}

#endif
