#include "src/h2/h2.h"

struct span h2_headers_get(const struct h2_headers *headers, const char *name)
{
	struct span wanted = span_from_str(name);

	for (size_t i = 0; i < headers->count; i++) {
		if (span_eq(headers->items[i].name, wanted))
			return headers->items[i].value;
	}
	return SPAN_EMPTY;
}

struct h2_limits h2_limits_default(void)
{
	return (struct h2_limits){
		.max_concurrent_streams = 1024,
		.max_header_list_bytes = (size_t)32 * 1024,
		.stream_window_bytes = 256U * 1024,
		.connection_window_bytes = 1024U * 1024,
		.max_unread_bytes = (size_t)16 * 1024 * 1024,
		.max_unsent_bytes = (size_t)16 * 1024 * 1024,
		.max_unsent_total_bytes = (size_t)64 * 1024 * 1024,
		.max_resets = 1000,
		.max_pings = 100,
		.keepalive_idle_ms = 20000,
		.keepalive_timeout_ms = 10000,
		.settings_timeout_ms = 10000,
		.idle_timeout_ms = 600000,
		.take_timeout_ms = 120000,
	};
}
