/* The reader of rule files takes any bytes: it gives rules or names a line. */
#include "src/base/error.h"
#include "src/config/rule_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_file file;
	struct error err = {0};

	if (rule_file_read(&file, "fuzz.yaml", span_make(data, size), &err) != ST_OK) {
		BUG_ON(strncmp(err.message, "fuzz.yaml:", strlen("fuzz.yaml:")) != 0);
		return 0;
	}
	for (size_t i = 0; i < file.count; i++)
		BUG_ON(file.rules[i].selector.len == 0 || !file.rules[i].origin.data);
	rule_file_fini(&file);
	return 0;
}
