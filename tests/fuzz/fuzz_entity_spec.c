/* What a function says about itself, and requests for its methods: the rest of the input after the
 * first two bytes' length is taken as a request. */
#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/userfn/api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const struct api *api, struct span message)
{
	struct error err;
	struct buf key;

	buf_init(&key, 4096);
	for (size_t i = 0; i < api->service_count; i++) {
		for (size_t j = 0; j < api->services[i].method_count; j++) {
			const struct api_method *method = &api->services[i].methods[j];

			BUG_ON(api_find(api, method->schema->path) != method);
			buf_reset(&key);
			if (api_entity_key(method, message, &key, &err) == ST_OK)
				BUG_ON(buf_len(&key) == 0);
			else
				BUG_ON(buf_len(&key) != 0 || err.status != ST_INVALID_ARGUMENT);
		}
	}
	buf_fini(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_make(data, size);
	size_t len = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
	struct span spec = span_head(span_skip(all, 2), len);
	struct buf reasons;
	struct api *api = NULL;
	struct error err;

	buf_init(&reasons, 64 * 1024);
	if (api_new(spec, &reasons, &api, &err) == ST_OK) {
		BUG_ON(buf_len(&reasons) != 0);
		request(api, span_skip(all, 2 + spec.len));
	} else {
		BUG_ON(buf_len(&reasons) == 0 || err.status == ST_OK);
	}
	api_unref(api); /* may be there beside findings */
	buf_fini(&reasons);
	return 0;
}
