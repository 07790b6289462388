/* Input: the value of an Accept header. Whatever is chosen must be something that the header
 * allows, and members must count the same in one header or in many. */
#include <stdint.h>
#include <string.h>

#include "httpapi/accept.h"
#include "src/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_choice(const struct accept *accept)
{
	for (int preferred = 0; preferred < FRAMING_COUNT_; preferred++) {
		enum framing framing = FRAMING_COUNT_;

		if (!accept_choose(accept, (enum framing)preferred, &framing)) {
			for (int i = 0; i < FRAMING_COUNT_; i++)
				BUG_ON(accept->matches[i].quality != 0);
			continue;
		}
		BUG_ON(framing >= FRAMING_COUNT_);
		BUG_ON(accept->has_any && accept->matches[framing].quality == 0);
		BUG_ON(!accept->has_any && framing != (enum framing)preferred);
		for (int i = 0; i < FRAMING_COUNT_; i++)
			BUG_ON(accept->matches[i].quality > accept->matches[framing].quality);
		BUG_ON(!strchr(accept_content_type(accept, framing), '/'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);
	struct accept whole = {0};
	struct accept parts = {0};

	accept_add(&whole, text);
	check_choice(&whole);
	if (span_find(text, '"') < text.len)
		return 0; /* a comma may be inside */
	while (text.len) {
		struct span member = span_head(text, span_find(text, ','));

		accept_add(&parts, member);
		text = span_skip(text, member.len + 1);
	}
	BUG_ON(memcmp(whole.matches, parts.matches, sizeof(whole.matches)) != 0);
	return 0;
}
