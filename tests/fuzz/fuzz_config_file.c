/* The configuration reader takes any bytes: it stores values or names a line. */
#include "src/base/error.h"
#include "src/config/config.h"
#include "src/config/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_params nothing = {0};
	struct config config;
	struct error err = {0};

	BUG_ON(config_load(&config, &nothing, &err) != ST_OK);
	if (config_file_read(&config, "fuzz.yaml", span_make(data, size), &err) != ST_OK)
		BUG_ON(strncmp(err.message, "fuzz.yaml:", strlen("fuzz.yaml:")) != 0);
	config_fini(&config);
	return 0;
}
