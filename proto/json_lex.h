#ifndef HEADGATE_PROTO_JSON_LEX_H
#define HEADGATE_PROTO_JSON_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json.h"
#include "src/base/buf.h"
#include "src/base/parse.h"
#include "src/base/span.h"

/* JSON text in chunks to tokens in the order the grammar allows: commas and colons are checked here
 * and never seen outside. Strict: RFC 8259, strings must be valid UTF-8 without lone surrogates. */
enum json_token_kind {
	JSON_OBJECT_BEGIN,
	JSON_OBJECT_END,
	JSON_ARRAY_BEGIN,
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

struct json_token {
	enum json_token_kind kind;
	struct span
		text; /* KEY and STRING decoded, NUMBER as written; borrowed until the next call */
};

/* What must come next. */
enum json_expect {
	JSON_EXPECT_VALUE,
	JSON_EXPECT_VALUE_OR_END, /* just after [ */
	JSON_EXPECT_KEY,
	JSON_EXPECT_KEY_OR_END, /* just after { */
	JSON_EXPECT_COLON,
	JSON_EXPECT_COMMA_OR_END,
	JSON_EXPECT_NOTHING, /* the value is whole */
};

/* The token that a chunk broke off in. */
enum json_partial {
	JSON_PARTIAL_NONE,
	JSON_PARTIAL_STRING,
	JSON_PARTIAL_ESCAPE,
	JSON_PARTIAL_UNICODE,
	JSON_PARTIAL_NUMBER,
	JSON_PARTIAL_WORD,
};

struct json_lex {
	enum json_expect expect; /* read only */
	enum json_partial partial_;
	bool is_key_;
	const char *word_; /* literal being matched, and how far */
	size_t word_at_;
	uint32_t unicode_; /* digits of \uXXXX so far, and how many */
	unsigned unicode_count_;
	uint32_t surrogate_; /* first half waiting for its second */
	struct buf text_;    /* token that spans chunks or has escapes */
	unsigned depth;	     /* read only: open objects and arrays */
	uint64_t is_object_[JSON_NESTING_MAX / 64];
	const uint8_t *begin_; /* current chunk */
	const uint8_t *at_;
	const uint8_t *end_;
	struct json_position before_; /* where the chunk begins */
	const char *problem;	      /* read only: why the answer was BAD */
};

/* text_max bounds one string or number. */
void json_lex_init(struct json_lex *lex, size_t text_max);
void json_lex_fini(struct json_lex *lex);

/* Back to the start of a value; position counts on. */
void json_lex_reset(struct json_lex *lex);

/* Gives the next chunk, borrowed until json_lex_forget, which must come before the next feed. */
void json_lex_feed(struct json_lex *lex, struct span chunk);

/* Lets go of the chunk, used up or not. */
void json_lex_forget(struct json_lex *lex);

/* Counts bytes between two values that the lexer does not see. */
void json_lex_skip(struct json_lex *lex, struct span bytes);

/* The next token: DONE, or MORE when the chunk is used up, or BAD. */
enum parse_result json_lex_next(struct json_lex *lex, struct json_token *ret_token);

/* No more chunks: DONE when a number was waiting for its end, MORE when nothing was, BAD when the
 * text is cut short. */
enum parse_result json_lex_end(struct json_lex *lex, struct json_token *ret_token);

/* How much of the current chunk was taken. */
size_t json_lex_used(const struct json_lex *lex);
struct json_position json_lex_position(const struct json_lex *lex);

#endif
