#ifndef HEADGATE_SUPPORT_C_DISCOVERY_H
#define HEADGATE_SUPPORT_C_DISCOVERY_H

#include "support/c/action_type.h"
#include "support/c/buf.h"
#include "support/c/crdt_type.h"
#include "support/c/error.h"
#include "support/c/type.h"

/* What EntityDiscovery says and hears. Spec: cloudstate/entity.proto. */

struct hg_service_info {
	const char *service_name;
	const char *service_version;
	const char *runtime;
};

struct hg_services {
	const struct hg_type *const *types;
	size_t type_count;
	const struct hg_action_type *const *action_types;
	size_t action_type_count;
	const struct hg_crdt_type *const *crdt_types;
	size_t crdt_type_count;
};

/* Appends the whole EntitySpec; look at spec->has_failed afterwards. */
void hg_append_entity_spec(struct hg_buf *spec, struct headgate_bytes descriptor_set,
			   const struct hg_services *services, const struct hg_service_info *info);

/* Log a ProxyInfo, a UserFunctionError; false when it is none. */
bool hg_log_proxy_info(const struct hg_log *log, struct headgate_bytes message);
bool hg_log_reported_error(const struct hg_log *log, struct headgate_bytes message);

#endif
