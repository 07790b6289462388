/* Two small machines: `expect` is the grammar between tokens, with one bit per open level for
 * object or array; `partial` is the token that the last chunk broke off in. A string that lies
 * whole in one chunk and has no escapes is handed out where it lies; any other is put together in
 * text_. */
#include "proto/json_lex.h"

#include <string.h>

#include "proto/json_number.h"
#include "src/base/text.h"

void json_lex_init(struct json_lex *lex, size_t text_max)
{
	*lex = (struct json_lex){.before_ = {0, 1, 1}};
	buf_init(&lex->text_, text_max);
}

void json_lex_fini(struct json_lex *lex)
{
	buf_fini(&lex->text_);
}

void json_lex_reset(struct json_lex *lex)
{
	lex->expect = JSON_EXPECT_VALUE;
	lex->partial_ = JSON_PARTIAL_NONE;
	lex->surrogate_ = 0;
	lex->depth = 0;
	lex->problem = NULL;
	buf_reset(&lex->text_);
}

size_t json_lex_used(const struct json_lex *lex)
{
	return (size_t)(lex->at_ - lex->begin_);
}

struct json_position json_lex_position(const struct json_lex *lex)
{
	struct json_position position = lex->before_;
	const uint8_t *at = lex->begin_;

	position.offset += json_lex_used(lex);
	while (at < lex->at_) {
		const uint8_t *line = memchr(at, '\n', (size_t)(lex->at_ - at));

		if (!line)
			break;
		position.line++;
		position.column = 1;
		at = line + 1;
	}
	position.column += (size_t)(lex->at_ - at);
	return position;
}

void json_lex_forget(struct json_lex *lex)
{
	lex->before_ = json_lex_position(lex);
	lex->begin_ = NULL;
	lex->at_ = NULL;
	lex->end_ = NULL;
}

void json_lex_feed(struct json_lex *lex, struct span chunk)
{
	lex->begin_ = chunk.data;
	lex->at_ = chunk.data;
	lex->end_ = chunk.len ? chunk.data + chunk.len : chunk.data;
}

void json_lex_skip(struct json_lex *lex, struct span bytes)
{
	json_lex_feed(lex, bytes);
	lex->at_ = lex->end_;
	json_lex_forget(lex);
}

static enum parse_result json_bad(struct json_lex *lex, const char *problem)
{
	lex->problem = problem;
	return PARSE_BAD;
}

/* ---- between tokens ---- */

static bool json_top_is_object(const struct json_lex *lex)
{
	unsigned top = lex->depth - 1;

	return lex->is_object_[top / 64] >> (top % 64) & 1;
}

static void json_after_value(struct json_lex *lex)
{
	lex->expect = lex->depth ? JSON_EXPECT_COMMA_OR_END : JSON_EXPECT_NOTHING;
}

static enum parse_result json_open(struct json_lex *lex, bool is_object, struct json_token *token)
{
	uint64_t bit = (uint64_t)1 << (lex->depth % 64);

	if (lex->depth == JSON_NESTING_MAX)
		return json_bad(lex, "nested too deeply");
	if (is_object)
		lex->is_object_[lex->depth / 64] |= bit;
	else
		lex->is_object_[lex->depth / 64] &= ~bit;
	lex->depth++;
	lex->at_++;
	lex->expect = is_object ? JSON_EXPECT_KEY_OR_END : JSON_EXPECT_VALUE_OR_END;
	*token = (struct json_token){is_object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN, SPAN_EMPTY};
	return PARSE_DONE;
}

static enum parse_result json_close(struct json_lex *lex, struct json_token *token)
{
	bool is_object = json_top_is_object(lex);

	if (*lex->at_ != (is_object ? '}' : ']'))
		return json_bad(lex, is_object ? "expected a comma or }" : "expected a comma or ]");
	lex->depth--;
	lex->at_++;
	json_after_value(lex);
	*token = (struct json_token){is_object ? JSON_OBJECT_END : JSON_ARRAY_END, SPAN_EMPTY};
	return PARSE_DONE;
}

/* ---- strings ---- */

static enum parse_result json_string_done(struct json_lex *lex, struct span text,
					  struct json_token *token)
{
	if (lex->surrogate_)
		return json_bad(lex, "half of a surrogate pair");
	if (!text_is_utf8(text))
		return json_bad(lex, "a string is not valid UTF-8");
	lex->partial_ = JSON_PARTIAL_NONE;
	token->text = text;
	token->kind = lex->is_key_ ? JSON_KEY : JSON_STRING;
	if (lex->is_key_)
		lex->expect = JSON_EXPECT_COLON;
	else
		json_after_value(lex);
	return PARSE_DONE;
}

static enum parse_result json_keep(struct json_lex *lex, struct span bytes)
{
	return buf_append(&lex->text_, bytes) ? PARSE_DONE : json_bad(lex, "a string is too long");
}

/* Appends a code unit of \uXXXX, joining surrogate pairs. */
static enum parse_result json_keep_unicode(struct json_lex *lex, uint32_t unit)
{
	uint8_t utf8[4];
	size_t n = 0;

	if (lex->surrogate_) {
		if (unit < 0xDC00 || unit > 0xDFFF)
			return json_bad(lex, "half of a surrogate pair");
		unit = 0x10000 + ((lex->surrogate_ - 0xD800) << 10) + (unit - 0xDC00);
		lex->surrogate_ = 0;
	} else if (unit >= 0xD800 && unit <= 0xDFFF) {
		if (unit >= 0xDC00)
			return json_bad(lex, "half of a surrogate pair");
		lex->surrogate_ = unit;
		return PARSE_DONE;
	}
	if (unit < 0x80) {
		utf8[n++] = (uint8_t)unit;
	} else if (unit < 0x800) {
		utf8[n++] = (uint8_t)(0xC0 | unit >> 6);
		utf8[n++] = (uint8_t)(0x80 | (unit & 0x3F));
	} else if (unit < 0x10000) {
		utf8[n++] = (uint8_t)(0xE0 | unit >> 12);
		utf8[n++] = (uint8_t)(0x80 | (unit >> 6 & 0x3F));
		utf8[n++] = (uint8_t)(0x80 | (unit & 0x3F));
	} else {
		utf8[n++] = (uint8_t)(0xF0 | unit >> 18);
		utf8[n++] = (uint8_t)(0x80 | (unit >> 12 & 0x3F));
		utf8[n++] = (uint8_t)(0x80 | (unit >> 6 & 0x3F));
		utf8[n++] = (uint8_t)(0x80 | (unit & 0x3F));
	}
	return json_keep(lex, span_make(utf8, n));
}

static enum parse_result json_escape(struct json_lex *lex)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint8_t c = *lex->at_++;

	if (c == 'u') {
		lex->partial_ = JSON_PARTIAL_UNICODE;
		lex->unicode_ = 0;
		lex->unicode_count_ = 0;
		return PARSE_DONE;
	}
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return json_bad(lex, "an escape that does not exist");
	if (lex->surrogate_)
		return json_bad(lex, "half of a surrogate pair");
	lex->partial_ = JSON_PARTIAL_STRING;
	return json_keep(lex, span_make(&to[found - from], 1));
}

static enum parse_result json_unicode_digit(struct json_lex *lex)
{
	uint8_t c = *lex->at_++;
	uint8_t low = c | 0x20;
	uint32_t digit;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (low >= 'a' && low <= 'f')
		digit = (uint32_t)(low - 'a' + 10);
	else
		return json_bad(lex, "\\u needs four hexadecimal digits");
	lex->unicode_ = lex->unicode_ << 4 | digit;
	if (++lex->unicode_count_ < 4)
		return PARSE_DONE;
	lex->partial_ = JSON_PARTIAL_STRING;
	return json_keep_unicode(lex, lex->unicode_);
}

/* Reads on in a string. */
static enum parse_result json_string(struct json_lex *lex, struct json_token *token)
{
	bool is_fresh = buf_len(&lex->text_) == 0 && lex->partial_ == JSON_PARTIAL_STRING;

	while (lex->at_ < lex->end_) {
		enum parse_result result;
		struct span plain;

		if (lex->partial_ != JSON_PARTIAL_STRING) {
			result = lex->partial_ == JSON_PARTIAL_ESCAPE ? json_escape(lex)
								      : json_unicode_digit(lex);
			if (result != PARSE_DONE)
				return result;
			is_fresh = false;
			continue;
		}
		plain = span_make(lex->at_, (size_t)(lex->end_ - lex->at_));
		plain.len = text_json_plain(plain);
		lex->at_ += plain.len;
		if (plain.len && lex->surrogate_)
			return json_bad(lex, "half of a surrogate pair");
		if (lex->at_ < lex->end_ && *lex->at_ == '"' && is_fresh) {
			lex->at_++;
			return json_string_done(lex, plain, token);
		}
		if (json_keep(lex, plain) != PARSE_DONE)
			return PARSE_BAD;
		if (lex->at_ == lex->end_)
			break;
		if (*lex->at_ == '"') {
			lex->at_++;
			return json_string_done(lex, buf_span(&lex->text_), token);
		}
		if (*lex->at_ != '\\')
			return json_bad(lex, "a control character in a string");
		lex->at_++;
		lex->partial_ = JSON_PARTIAL_ESCAPE;
	}
	return PARSE_MORE;
}

static enum parse_result json_string_begin(struct json_lex *lex, bool is_key,
					   struct json_token *token)
{
	lex->at_++;
	lex->is_key_ = is_key;
	lex->partial_ = JSON_PARTIAL_STRING;
	lex->surrogate_ = 0;
	buf_reset(&lex->text_);
	return json_string(lex, token);
}

/* ---- numbers and words ---- */

static bool json_is_number_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static enum parse_result json_number_done(struct json_lex *lex, struct span text,
					  struct json_token *token)
{
	if (!json_number_is_valid(text))
		return json_bad(lex, "not a JSON number");
	lex->partial_ = JSON_PARTIAL_NONE;
	*token = (struct json_token){JSON_NUMBER, text};
	json_after_value(lex);
	return PARSE_DONE;
}

static enum parse_result json_number(struct json_lex *lex, struct json_token *token)
{
	struct span text = {lex->at_, 0};

	while (lex->at_ < lex->end_ && json_is_number_byte(*lex->at_))
		lex->at_++;
	text.len = (size_t)(lex->at_ - text.data);
	if (lex->at_ < lex->end_ && buf_len(&lex->text_) == 0)
		return json_number_done(lex, text, token);
	if (json_keep(lex, text) != PARSE_DONE)
		return PARSE_BAD;
	lex->partial_ = JSON_PARTIAL_NUMBER;
	return lex->at_ < lex->end_ ? json_number_done(lex, buf_span(&lex->text_), token)
				    : PARSE_MORE;
}

static enum parse_result json_word(struct json_lex *lex, struct json_token *token)
{
	lex->partial_ = JSON_PARTIAL_WORD;
	for (; lex->word_[lex->word_at_]; lex->word_at_++) {
		if (lex->at_ == lex->end_)
			return PARSE_MORE;
		if (*lex->at_ != (uint8_t)lex->word_[lex->word_at_])
			return json_bad(lex, "not a JSON value");
		lex->at_++;
	}
	lex->partial_ = JSON_PARTIAL_NONE;
	token->text = SPAN_EMPTY;
	token->kind = lex->word_[0] == 't'   ? JSON_TRUE
		      : lex->word_[0] == 'f' ? JSON_FALSE
					     : JSON_NULL;
	json_after_value(lex);
	return PARSE_DONE;
}

/* ---- the grammar ---- */

static enum parse_result json_value(struct json_lex *lex, struct json_token *token)
{
	uint8_t c = *lex->at_;

	switch (c) {
	case '{':
	case '[':
		return json_open(lex, c == '{', token);
	case '"':
		return json_string_begin(lex, false, token);
	case 't':
	case 'f':
	case 'n':
		lex->word_ = c == 't' ? "true" : c == 'f' ? "false" : "null";
		lex->word_at_ = 0;
		return json_word(lex, token);
	default:
		break;
	}
	if (c != '-' && (c < '0' || c > '9'))
		return json_bad(lex, "not a JSON value");
	buf_reset(&lex->text_);
	return json_number(lex, token);
}

static enum parse_result json_resume(struct json_lex *lex, struct json_token *token)
{
	switch (lex->partial_) {
	case JSON_PARTIAL_NUMBER:
		return json_number(lex, token);
	case JSON_PARTIAL_WORD:
		return json_word(lex, token);
	case JSON_PARTIAL_NONE:
	case JSON_PARTIAL_STRING:
	case JSON_PARTIAL_ESCAPE:
	case JSON_PARTIAL_UNICODE:
		break;
	}
	return json_string(lex, token);
}

static void json_skip_space(struct json_lex *lex)
{
	while (lex->at_ < lex->end_ &&
	       (*lex->at_ == ' ' || *lex->at_ == '\n' || *lex->at_ == '\t' || *lex->at_ == '\r'))
		lex->at_++;
}

/* Takes one byte of the grammar, which is not white space. MORE: no token yet, go on. */
static enum parse_result json_step(struct json_lex *lex, struct json_token *token)
{
	uint8_t c = *lex->at_;

	switch (lex->expect) {
	case JSON_EXPECT_VALUE_OR_END:
		if (c == ']')
			return json_close(lex, token);
		return json_value(lex, token);
	case JSON_EXPECT_VALUE:
		return json_value(lex, token);
	case JSON_EXPECT_KEY_OR_END:
		if (c == '}')
			return json_close(lex, token);
		break;
	case JSON_EXPECT_KEY:
		break;
	case JSON_EXPECT_COLON:
		if (c != ':')
			return json_bad(lex, "expected a colon");
		lex->at_++;
		lex->expect = JSON_EXPECT_VALUE;
		return PARSE_MORE;
	case JSON_EXPECT_COMMA_OR_END:
		if (c != ',')
			return json_close(lex, token);
		lex->at_++;
		lex->expect = json_top_is_object(lex) ? JSON_EXPECT_KEY : JSON_EXPECT_VALUE;
		return PARSE_MORE;
	case JSON_EXPECT_NOTHING:
		return json_bad(lex, "text after the value");
	}
	if (c != '"')
		return json_bad(lex, "expected a key in double quotes");
	return json_string_begin(lex, true, token);
}

enum parse_result json_lex_next(struct json_lex *lex, struct json_token *ret_token)
{
	if (lex->partial_ != JSON_PARTIAL_NONE)
		return json_resume(lex, ret_token);
	for (;;) {
		enum parse_result result;

		json_skip_space(lex);
		if (lex->at_ == lex->end_)
			return PARSE_MORE;
		result = json_step(lex, ret_token);
		if (result != PARSE_MORE || lex->partial_ != JSON_PARTIAL_NONE)
			return result;
	}
}

enum parse_result json_lex_end(struct json_lex *lex, struct json_token *ret_token)
{
	if (lex->partial_ == JSON_PARTIAL_NUMBER && lex->depth == 0)
		return json_number_done(lex, buf_span(&lex->text_), ret_token);
	if (lex->expect != JSON_EXPECT_NOTHING || lex->partial_ != JSON_PARTIAL_NONE)
		return json_bad(lex, "the text ends too early");
	return PARSE_MORE;
}
