/* GET /status on the admin port: what runs here, in one JSON object for people and scripts. */
#include <jansson.h>
#include <time.h>

#include "journal/feed.h"
#include "journal/journal.h"
#include "journal/members.h"
#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/entity/crdt_table.h"
#include "src/entity/entity_table.h"
#include "src/eventing/eventing.h"
#include "src/router/owners.h"
#include "src/router/router.h"
#include "src/server/server_internal.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

static json_t *status_text(struct span text)
{
	return json_stringn((const char *)text.data, text.len);
}

static json_t *status_component(bool is_ready, const char *reason)
{
	json_t *component = json_object();

	json_object_set_new(component, "ready", json_boolean(is_ready));
	if (!is_ready && reason)
		json_object_set_new(component, "reason", json_string(reason));
	return component;
}

static json_t *status_services(const struct api *api)
{
	json_t *services = json_array();

	for (size_t i = 0; i < api->service_count; i++) {
		json_t *service = json_object();

		json_object_set_new(service, "name",
				    status_text(api->services[i].schema->full_name));
		json_object_set_new(service, "persistence_id",
				    status_text(api->services[i].persistence_id));
		json_object_set_new(service, "methods",
				    json_integer((json_int_t)api->services[i].method_count));
		json_array_append_new(services, service);
	}
	return services;
}

/* RFC 3339, in UTC. */
static json_t *status_time(uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char text[32];
	struct tm utc;

	if (!gmtime_r(&seconds, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
		return json_null();
	return json_sprintf("%s.%03uZ", text, (unsigned)(wall_ms % 1000));
}

static json_t *status_lines(struct span text)
{
	json_t *lines = json_array();

	while (text.len) {
		size_t len = span_find(text, '\n');

		json_array_append_new(lines, status_text(span_head(text, len)));
		text = span_skip(text, len + 1);
	}
	return lines;
}

static json_t *status_refusal(const struct userfn_refusal *refusal)
{
	json_t *page = json_object();

	json_object_set_new(page, "reasons", status_lines(refusal->reasons));
	json_object_set_new(page, "first", status_time(refusal->first_ms));
	json_object_set_new(page, "last", status_time(refusal->last_ms));
	json_object_set_new(page, "times", json_integer((json_int_t)refusal->times));
	json_object_set_new(page, "retry_in_ms", json_integer((json_int_t)refusal->retry_in_ms));
	return page;
}

static json_t *status_function(const struct server *server)
{
	const struct api *api = userfn_api(server->userfn);
	const char *reason = NULL;
	bool is_ready = userfn_is_ready(server->userfn, &reason);
	json_t *function = status_component(is_ready, reason);
	struct userfn_refusal refusal;

	if (userfn_refusal(server->userfn, &refusal))
		json_object_set_new(function, "refused", status_refusal(&refusal));
	if (!api)
		return function;
	json_object_set_new(function, "name", status_text(api->function_name));
	json_object_set_new(function, "version", status_text(api->function_version));
	json_object_set_new(function, "runtime", status_text(api->runtime));
	json_object_set_new(function, "library", status_text(api->library));
	json_object_set_new(function, "services", status_services(api));
	return function;
}

static json_t *status_journal(const struct server *server)
{
	const char *reason = NULL;
	bool is_ready = journal_is_ready(server->journal, &reason);
	json_t *journal = status_component(is_ready, reason);

	json_object_set_new(journal, "durability",
			    json_string(journal_durability(server->journal)));
	return journal;
}

/* How commands of entities were placed, while there was anybody to share them with. */
static json_t *status_commands(const struct owners *owners)
{
	struct owners_shares shares = owners_shares(owners);
	uint64_t all = shares.here + shares.forwarded;
	json_t *page = json_object();

	json_object_set_new(page, "here", json_integer((json_int_t)shares.here));
	json_object_set_new(page, "forwarded", json_integer((json_int_t)shares.forwarded));
	json_object_set_new(page, "forwarded_share",
			    json_real(all ? (double)shares.forwarded / (double)all : 0));
	return page;
}

static json_t *status_members(const struct server *server)
{
	static const char *const states[] = {"starting", "up", "leaving"};
	uint64_t version;
	size_t count;
	const struct member *view = members_view(server->members, &count, &version);
	const char *reason = NULL;
	bool is_settled = members_is_settled(server->members, &reason);
	json_t *page = status_component(is_settled, reason);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *member = json_object();

		json_object_set_new(member, "address", json_string(view[i].address));
		json_object_set_new(member, "state", json_string(states[view[i].state]));
		if (server->owners && owners_is_suspect(server->owners, view[i].address))
			json_object_set_new(member, "suspect", json_true());
		json_array_append_new(list, member);
	}
	json_object_set_new(page, "address", json_string(members_address(server->members)));
	json_object_set_new(page, "version", json_integer((json_int_t)version));
	json_object_set_new(page, "view", list);
	if (server->owners)
		json_object_set_new(page, "commands", status_commands(server->owners));
	return page;
}

static json_t *status_partitions(uint64_t partitions)
{
	json_t *list = json_array();

	for (unsigned p = 0; p < FEED_PARTITIONS; p++) {
		if (partitions >> p & 1)
			json_array_append_new(list, json_integer(p));
	}
	return list;
}

static json_t *status_eventing(const struct server *server)
{
	json_t *consumers = json_array();

	for (size_t i = 0; i < eventing_count(server->eventing); i++) {
		struct consumer_state state;
		json_t *consumer = json_object();

		eventing_state(server->eventing, i, &state);
		json_object_set_new(consumer, "consumer", status_text(state.group));
		json_object_set_new(consumer, state.kind == FEED_TOPIC ? "topic" : "event_log",
				    status_text(state.source));
		json_object_set_new(consumer, "partitions", json_integer(state.partitions));
		json_object_set_new(consumer, "lag", json_integer((json_int_t)state.lag));
		json_object_set_new(consumer, "in_progress", json_integer((json_int_t)state.busy));
		json_object_set_new(consumer, "regressed", status_partitions(state.regressed));
		json_array_append_new(consumers, consumer);
	}
	return consumers;
}

void server_status_page(void *data, struct buf *out)
{
	struct server *server = data;
	const char *reason = NULL;
	bool is_ready = server_is_ready(server, &reason);
	json_t *page = status_component(is_ready, reason);
	char *text;

	json_object_set_new(page, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(
		page, "uptime_ms",
		json_integer((json_int_t)((clock_mono_ns() - server->started_ns) / NS_PER_MS)));
	json_object_set_new(page, "function", status_function(server));
	json_object_set_new(page, "journal", status_journal(server));
	json_object_set_new(page, "members", status_members(server));
	json_object_set_new(page, "eventing", status_eventing(server));
	json_object_set_new(page, "calls", json_integer((json_int_t)router_active(server->router)));
	json_object_set_new(page, "entities",
			    json_integer((json_int_t)(entity_table_active(server->entities) +
						      crdt_table_active(server->crdts))));
	json_object_set_new(page, "queued",
			    json_integer((json_int_t)(entity_table_queued(server->entities) +
						      crdt_table_queued(server->crdts))));
	text = json_dumps(page, JSON_COMPACT);
	if (text)
		(void)buf_append_str(out, text); /* a full buffer cuts the page, nothing else */
	free(text);
	json_decref(page);
}
