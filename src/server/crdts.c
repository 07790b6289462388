/* CRDT entities: their limits, and when the news of other gateways have to be heard. */
#include "journal/redis/redis_crdt_log.h"
#include "src/config/config.h"
#include "src/entity/crdt_table.h"
#include "src/server/server_internal.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

static bool has_crdts(const struct api *api)
{
	for (size_t i = 0; api && i < api->service_count; i++) {
		if (api->services[i].kind == ENTITY_CRDT)
			return true;
	}
	return false;
}

void server_crdts_on_change(struct server *server)
{
	if (has_crdts(userfn_api(server->userfn)))
		redis_crdt_log_listen(server->crdt_log);
	crdt_table_renew(server->crdts);
	crdt_table_members_changed(server->crdts);
}

void server_open_crdts(struct server *server)
{
	const struct config *config = server->config;
	struct crdt_limits limits = crdt_limits_default();
	const struct crdt_table_params table = {
		.budget = server->entity_budget,
		.log = server->crdt_log,
		.members = server->members,
		.metrics = server->metrics,
		.limits = &limits,
	};

	limits.queue_max = config->entity_queue_max;
	limits.streams_max = config->crdt_max_streams;
	limits.message_bytes_max = config->function_max_message_bytes;
	limits.command_timeout_ms = config->entity_command_timeout_ms;
	limits.cancel_timeout_ms = config->crdt_cancel_timeout_ms;
	limits.journal_timeout_ms = config->journal_deadline_ms;
	limits.all_timeout_ms = config->crdt_all_timeout_ms;
	limits.passivation_ms = config->entity_passivation_timeout_ms;
	limits.stop_timeout_ms = config->entity_stop_timeout_ms;
	limits.crash_backoff_min_ms = config->entity_crash_backoff_min_ms;
	limits.crash_backoff_max_ms = config->entity_crash_backoff_max_ms;
	limits.compact_deltas = config->crdt_compact_deltas;
	limits.has_metadata = config->entity_metadata;
	server->crdts = crdt_table_new(&table);
}
